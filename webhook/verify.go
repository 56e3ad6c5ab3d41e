package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/caisse/checkout/client"
)

// Event is what a webhook sends: one change of one session.
type Event = client.Event

// ErrNotVerified says that a request was not signed with any of the secrets, or too long ago, or that a secret is not valid.
var ErrNotVerified = errors.New("webhook: not verified")

// Verify is for receivers. It returns the event of a request if the request was signed with one of the secrets, at most five minutes ago by
// the receiver's clock. Give it the body byte for byte as it arrived: JSON that was decoded and encoded again has another signature.
// While a secret is being replaced, give it the old one and the new one.
//
// A request that is verified may still be a repetition, or older than one that came before. Store the greatest Sequence of each
// session, and drop an event whose Sequence is not greater.
//
// The error wraps [ErrNotVerified] and says why, or it is about a body that is not an event. Answer both with a 4xx.
func Verify(body []byte, header http.Header, secrets ...string) (Event, error) {
	if len(secrets) == 0 {
		return Event{}, fmt.Errorf("%w: no secret is given", ErrNotVerified)
	}
	why := ErrNotVerified
	for i, secret := range secrets {
		if !strings.HasPrefix(secret, secretPrefix) || len(secret) < len(secretPrefix)+16 {
			return Event{}, fmt.Errorf("%w: secret %d of %d must begin with whsec_ and be longer", ErrNotVerified, i+1, len(secrets))
		}
		verifier, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			return Event{}, fmt.Errorf("%w: secret %d of %d is not base64", ErrNotVerified, i+1, len(secrets))
		}
		if err = verifier.Verify(body, header); err == nil {
			return decodeEvent(body, header)
		}
		why = fmt.Errorf("%w: %w", ErrNotVerified, err)
	}
	return Event{}, why
}

func decodeEvent(body []byte, header http.Header) (Event, error) {
	var e Event
	if err := json.Unmarshal(body, &e); err != nil {
		return Event{}, fmt.Errorf("webhook: the body is not an event: %w", err)
	}
	if e.ID == "" || e.ID != header.Get(standardwebhooks.HeaderWebhookID) || e.Type == "" || e.Sequence < 1 || e.Data.ID == "" {
		return Event{}, errors.New("webhook: the body is not an event of a checkout")
	}
	return e, nil
}
