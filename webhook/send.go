package webhook

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/caisse/checkout"
)

// signAgain is how long a delivery that could not be signed waits for its next try.
const signAgain = time.Minute

// try sends a delivery once and returns the result.
func (w *Webhooks) try(ctx context.Context, c Claim) Settlement {
	begin, clock := w.now(), time.Now()
	signatures, err := w.sign(c, begin)
	if err != nil {
		// This is a fault of the host, not of the endpoint. So it is not an attempt, and does not count towards disabling it.
		w.log.Error("webhooks: cannot sign", endpointAttr(c.Endpoint), "error", err)
		d := c.Delivery
		d.NextAttempt = begin.Add(jittered(signAgain))
		return Settlement{Delivery: d, At: begin}
	}
	code, fault, retryAfter := w.send(ctx, c, begin, signatures)
	attempt := Attempt{At: begin, StatusCode: code, Error: fault, Duration: time.Since(clock).Truncate(time.Microsecond)}

	d := c.Delivery
	d.Attempts = append(append([]Attempt(nil), d.Attempts...), attempt)
	d.Forced = false // a delivery is forced for one try only
	s := Settlement{Delivery: d, At: begin}
	if fault == "" {
		s.Delivery.State, s.Delivery.NextAttempt = Delivered, time.Time{}
		return s
	}
	now := w.now()
	s.Failed = !d.Once // a test does not count for the endpoint's health
	if n := len(d.Attempts); d.Once || n > len(w.config.Schedule) {
		s.Delivery.State, s.Delivery.NextAttempt = Failed, time.Time{}
		w.log.Warn("webhooks: a delivery has failed for good", endpointAttr(c.Endpoint), "event", d.EventID, "tries", n, "fault", fault, "status", code)
	} else {
		s.Delivery.NextAttempt = now.Add(max(jittered(w.config.Schedule[n-1]), retryAfter))
	}
	s.NotBefore = now.Add(max(backoff(c.Endpoint.Health.Failures+1), retryAfter))
	if !d.Once {
		w.mayDisable(ctx, c.Endpoint, code, begin)
	}
	return s
}

// backoff returns how long the dispatcher sends nothing to an endpoint that has failed a number of times in a row. Otherwise ten thousand
// due deliveries to an endpoint that is down would be ten thousand timeouts. The first two failures cause no pause.
func backoff(failures int) time.Duration {
	if failures < 3 {
		return 0
	}
	return min(5*time.Second<<min(failures-3, 10), 5*time.Minute)
}

// mayDisable disables an endpoint if it has answered 410 (Gone), or has failed for five days.
func (w *Webhooks) mayDisable(ctx context.Context, e StoredEndpoint, code int, at time.Time) {
	reason := ""
	switch {
	case code == http.StatusGone:
		reason = DisabledGone
	case !e.Health.FailingSince.IsZero() && at.Sub(e.Health.FailingSince) >= FailingTime:
		reason = DisabledFailing
	default:
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lease-Timeout)
	defer cancel()
	disabled := false
	now, err := w.change(ctx, e.Account, e.ID, func(now *StoredEndpoint) error {
		disabled = now.Status == Active && now.URL == e.URL
		if disabled {
			now.Status, now.DisabledReason = Disabled, reason
		}
		return nil
	})
	if err != nil {
		w.log.Error("webhooks: cannot disable an endpoint", endpointAttr(e), "reason", reason, "error", err)
		return
	}
	if !disabled {
		return
	}
	w.log.Warn("webhooks: an endpoint is disabled", endpointAttr(now), "reason", reason)
	if w.config.Disabled == nil {
		return
	}
	defer func() { // a panic of the host's callback must not end the program
		if value := recover(); value != nil {
			w.log.Error("webhooks: Config.Disabled panicked", endpointAttr(now), "panic", value)
		}
	}()
	w.config.Disabled(ctx, e.Account, now.Endpoint)
}

// send makes the request. fault is "" if the answer is a 2xx.
func (w *Webhooks) send(ctx context.Context, c Claim, at time.Time, signatures string) (code int, fault string, retryAfter time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Endpoint.URL, bytes.NewReader(c.Delivery.Body))
	if err != nil {
		return 0, FaultConnection, 0
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "checkout-webhook/1")
	r.Header.Set(standardwebhooks.HeaderWebhookID, c.Delivery.EventID)
	r.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	r.Header.Set(standardwebhooks.HeaderWebhookSignature, signatures)
	answer, err := w.client.Do(r)
	if err != nil {
		return 0, faultOf(err), 0
	}
	// The body is not read: it may be endless.
	answer.Body.Close()
	switch code := answer.StatusCode; {
	case 200 <= code && code < 300:
		return code, "", 0
	case 300 <= code && code < 400:
		return code, FaultRedirect, 0
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable:
		return code, FaultStatus, waitOf(answer.Header.Get("Retry-After"), time.Now())
	default:
		return code, FaultStatus, 0
	}
}

// waitOf returns the wait that a Retry-After asks for (RFC 9110, section 10.2.3), at most a day; 0 if it cannot be read.
func waitOf(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(strings.TrimSpace(text), 10, 63); err == nil {
		return min(time.Duration(min(seconds, uint64(MaxRetryAfter/time.Second)))*time.Second, MaxRetryAfter)
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), MaxRetryAfter)
	}
	return 0
}

// sign returns the value of webhook-signature: a signature for each secret that is valid, the newest first.
func (w *Webhooks) sign(c Claim, at time.Time) (_ string, err error) {
	defer func() {
		if value := recover(); value != nil { // Config.Open panicked
			err = fmt.Errorf("open a secret: panic: %v", value)
		}
	}()
	sealed := [][]byte{c.Endpoint.Sealed}
	if c.Endpoint.OldSealed != nil && at.Before(c.Endpoint.OldUntil) {
		sealed = append(sealed, c.Endpoint.OldSealed)
	}
	var signatures []string
	for _, s := range sealed {
		secret, err := w.config.Open(s)
		if err != nil {
			return "", fmt.Errorf("open a secret: %w", err)
		}
		signer, err := standardwebhooks.NewWebhook(string(secret))
		if err != nil {
			return "", fmt.Errorf("what Config.Open returned is not a secret: %w", checkout.ErrUnavailable) // the text of err could contain the secret
		}
		signature, err := signer.Sign(c.Delivery.EventID, at, c.Delivery.Body)
		if err != nil {
			return "", err
		}
		signatures = append(signatures, signature)
	}
	return strings.Join(signatures, " "), nil
}
