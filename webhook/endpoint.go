package webhook

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/caisse/checkout"
)

// Status says whether an endpoint is sent events.
type Status string

// The statuses of an endpoint.
const (
	Active   Status = "active"
	Disabled Status = "disabled"
)

// Why an endpoint is disabled.
const (
	DisabledGone     = "gone"     // it answered 410
	DisabledFailing  = "failing"  // it has not answered with a 2xx for five days
	DisabledMerchant = "merchant" // its account asked for it
)

// Endpoint is a URL to which the events of an account, in one mode, are sent.
type Endpoint struct {
	ID             string // we_ and 32 hex digits
	URL            string
	Events         []string // the types of events that it is sent; nil: all
	Description    string   // "": none
	Status         Status
	DisabledReason string // DisabledGone, DisabledFailing, DisabledMerchant; "" while active
	CreatedAt      time.Time
	// Secret is the key that signs, "whsec_" and base64. Only Create and Rotate return it; elsewhere it is "".
	Secret string
}

// LogValue implements [slog.LogValuer] without the secret and without the URL, which may contain one.
func (e Endpoint) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", e.ID), slog.String("status", string(e.Status)))
}

// Wants reports whether the endpoint is sent events of a type.
func (e Endpoint) Wants(eventType string) bool {
	return e.Events == nil || slices.Contains(e.Events, eventType)
}

// EventTypes returns the types that an endpoint may name.
func EventTypes() []string {
	return []string{"checkout.pending", "checkout.processing", "checkout.completed", "checkout.failed", "checkout.expired", "checkout.cancelled"}
}

// EndpointParams is what an endpoint is created with.
type EndpointParams struct {
	URL         string   // https, or http too where the host allows private addresses
	Events      []string // the types of events that it is sent, each named once; nil: all
	Description string   // at most 200 characters
}

// EndpointChange says what an update changes. A field that is nil stays as it is.
type EndpointChange struct {
	URL         *string
	Events      *[]string // a nil slice: all
	Description *string
	Status      *Status
}

// Create registers an endpoint. It is sent the events from now on, and its secret is in the Endpoint that is returned.
//
// The error is a [*checkout.ValidationError], [ErrTooManyEndpoints], [ErrEndpointExists], or an error of the store or of Config.Seal.
func (w *Webhooks) Create(ctx context.Context, account checkout.Account, p EndpointParams) (Endpoint, error) {
	var f faults
	f.account(account)
	if err := append(f, p.faults(w.config.AllowPrivate)...).err(); err != nil {
		return Endpoint{}, err
	}
	id, err := newID("we_")
	if err != nil {
		return Endpoint{}, err
	}
	secret, sealed, err := w.newSecret()
	if err != nil {
		return Endpoint{}, err
	}
	e := StoredEndpoint{
		Endpoint: Endpoint{ID: id, URL: p.URL, Events: slices.Clone(p.Events), Description: p.Description, Status: Active, CreatedAt: w.now()},
		Account:  account, Version: 1, Sealed: sealed,
	}
	if err := w.store.CreateEndpoint(ctx, e, MaxEndpoints); err != nil {
		return Endpoint{}, fmt.Errorf("create an endpoint: %w", err)
	}
	e.Secret = secret
	return e.Endpoint, nil
}

// Get returns the account's endpoint. The error wraps [checkout.ErrNotFound] if there is none, also if the endpoint belongs to another
// account or mode.
func (w *Webhooks) Get(ctx context.Context, account checkout.Account, id string) (Endpoint, error) {
	e, err := w.stored(ctx, account, id)
	return e.Endpoint, err
}

func (w *Webhooks) stored(ctx context.Context, account checkout.Account, id string) (StoredEndpoint, error) {
	if err := addressable(account, "we_", id); err != nil {
		return StoredEndpoint{}, err
	}
	e, err := w.store.GetEndpoint(ctx, account, id)
	if err != nil {
		return StoredEndpoint{}, fmt.Errorf("get an endpoint: %w", err)
	}
	return e, nil
}

// List returns the account's endpoints, the newest first.
func (w *Webhooks) List(ctx context.Context, account checkout.Account) ([]Endpoint, error) {
	var f faults
	f.account(account)
	if err := f.err(); err != nil {
		return nil, err
	}
	stored, err := w.store.ListEndpoints(ctx, []checkout.Account{account})
	if err != nil {
		return nil, fmt.Errorf("list endpoints: %w", err)
	}
	endpoints := make([]Endpoint, len(stored))
	for i, e := range stored {
		endpoints[i] = e.Endpoint
	}
	return endpoints, nil
}

// Update changes an endpoint. If the endpoint becomes active again, its pending deliveries are sent when they are due.
func (w *Webhooks) Update(ctx context.Context, account checkout.Account, id string, c EndpointChange) (Endpoint, error) {
	if err := c.faults(w.config.AllowPrivate).err(); err != nil {
		return Endpoint{}, err
	}
	e, err := w.change(ctx, account, id, func(e *StoredEndpoint) error {
		if c.URL != nil {
			e.URL = *c.URL
		}
		if c.Events != nil {
			e.Events = slices.Clone(*c.Events)
		}
		if c.Description != nil {
			e.Description = *c.Description
		}
		if c.Status != nil && *c.Status != e.Status {
			e.Status, e.DisabledReason = *c.Status, ""
			if e.Status == Disabled {
				e.DisabledReason = DisabledMerchant
			}
		}
		return nil
	})
	return e.Endpoint, err
}

// change reads an endpoint, changes it, and stores it if nobody else has changed it meanwhile. Otherwise it begins again, up to ten times
// in all.
func (w *Webhooks) change(ctx context.Context, account checkout.Account, id string, f func(*StoredEndpoint) error) (StoredEndpoint, error) {
	const tries = 10
	for try := 1; ; try++ {
		e, err := w.stored(ctx, account, id)
		if err != nil {
			return StoredEndpoint{}, err
		}
		if err := f(&e); err != nil {
			return StoredEndpoint{}, err
		}
		e.Version++
		err = w.store.UpdateEndpoint(ctx, e)
		if errors.Is(err, checkout.ErrConflict) && try < tries {
			continue
		}
		if err != nil {
			return StoredEndpoint{}, fmt.Errorf("change an endpoint: %w", err)
		}
		return e, nil
	}
}

// Delete removes an endpoint and its deliveries. It is no error if the account has no such endpoint.
func (w *Webhooks) Delete(ctx context.Context, account checkout.Account, id string) error {
	err := addressable(account, "we_", id)
	if errors.Is(err, checkout.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := w.store.DeleteEndpoint(ctx, account, id); err != nil {
		return fmt.Errorf("delete an endpoint: %w", err)
	}
	return nil
}

// Rotate gives an endpoint a new secret, which is in the Endpoint that is returned. For 24 hours every delivery is signed with the old
// secret too, so that the merchant can replace it without losing a delivery.
func (w *Webhooks) Rotate(ctx context.Context, account checkout.Account, id string) (Endpoint, error) {
	secret, sealed, err := w.newSecret()
	if err != nil {
		return Endpoint{}, err
	}
	e, err := w.change(ctx, account, id, func(e *StoredEndpoint) error {
		e.Sealed, e.OldSealed, e.OldUntil = sealed, e.Sealed, w.now().Add(RotationTime)
		return nil
	})
	if err != nil {
		return Endpoint{}, err
	}
	e.Secret = secret
	return e.Endpoint, nil
}

const secretPrefix = "whsec_"

func (w *Webhooks) newSecret() (secret string, sealed []byte, err error) {
	var key [32]byte
	rand.Read(key[:])
	secret = secretPrefix + base64.StdEncoding.EncodeToString(key[:])
	if sealed, err = w.config.Seal([]byte(secret)); err != nil {
		return "", nil, fmt.Errorf("seal a secret: %w", err)
	}
	return secret, sealed, nil
}

func newID(prefix string) (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", err
	}
	return prefix + hex.EncodeToString(id[:]), nil
}

// faults lists the values of a request that are not valid.
type faults []checkout.FieldError

func (f *faults) add(field, code, detail string) {
	*f = append(*f, checkout.FieldError{Field: field, Code: code, Detail: detail})
}

func (f faults) err() error {
	if len(f) == 0 {
		return nil
	}
	return &checkout.ValidationError{Fields: f}
}

// and returns f and the faults of other, except those whose field has a fault in f already.
func (f faults) and(other faults) faults {
	faulty := make(map[string]bool)
	for _, fault := range f {
		faulty[fault.Field] = true
	}
	for _, fault := range other {
		if !faulty[fault.Field] {
			f = append(f, fault)
		}
	}
	return f
}

func (p EndpointParams) faults(private bool) (f faults) {
	f.url(p.URL, private)
	f.events(p.Events)
	f.description(p.Description)
	return f
}

func (c EndpointChange) faults(private bool) (f faults) {
	if c.URL != nil {
		f.url(*c.URL, private)
	}
	if c.Events != nil {
		f.events(*c.Events)
	}
	if c.Description != nil {
		f.description(*c.Description)
	}
	if c.Status != nil && *c.Status != Active && *c.Status != Disabled {
		f.add("status", checkout.CodeUnsupported, "must be active or disabled")
	}
	return f
}

func (f *faults) account(a checkout.Account) {
	if a.ID == "" {
		f.add("account", checkout.CodeMissing, "must have an ID")
	}
}

func (f *faults) url(text string, private bool) {
	bad := func(code, detail string) { f.add("url", code, detail) }
	switch u, err := url.Parse(text); {
	case text == "":
		bad(checkout.CodeMissing, "is required")
	case utf8.RuneCountInString(text) > MaxURLLength:
		bad(checkout.CodeTooLong, "must have at most 2048 characters")
	case err != nil || u.Hostname() == "" || !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		bad(checkout.CodeMalformed, "must be an absolute URL with a host")
	case u.Scheme != "https" && !(private && u.Scheme == "http"):
		bad(checkout.CodeUnsupported, "must be https")
	case u.User != nil:
		bad(checkout.CodeMalformed, "must not have user info")
	case !private && !publicHost(u.Hostname()):
		bad(checkout.CodeUnsupported, "must be a public address")
	}
}

// publicHost reports whether a host is a public address, or a name that is not localhost or below it. Only the dialer can check
// the addresses of a name.
func publicHost(host string) bool {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		name := strings.ToLower(strings.TrimSuffix(host, "."))
		return name != "localhost" && !strings.HasSuffix(name, ".localhost")
	}
	return Public(addr)
}

func (f *faults) events(types []string) {
	if types != nil && len(types) == 0 {
		f.add("events", checkout.CodeOutOfRange, "must name a type, or be left out for all")
	}
	for i, t := range types {
		field := "events/" + strconv.Itoa(i)
		switch {
		case !slices.Contains(EventTypes(), t):
			f.add(field, checkout.CodeUnsupported, "must be one of "+strings.Join(EventTypes(), ", "))
		case slices.Contains(types[:i], t):
			f.add(field, checkout.CodeMalformed, "must be named once")
		}
	}
}

func (f *faults) description(text string) {
	switch {
	case !utf8.ValidString(text) || strings.ContainsRune(text, 0):
		f.add("description", checkout.CodeMalformed, "must be UTF-8 without U+0000")
	case utf8.RuneCountInString(text) > MaxDescription:
		f.add("description", checkout.CodeTooLong, "must have at most 200 characters")
	}
}

// addressable returns an error for an account without an ID, and ErrNotFound for an ID that no endpoint or delivery can have.
func addressable(account checkout.Account, prefix, id string) error {
	var f faults
	if f.account(account); f.err() != nil {
		return f.err()
	}
	if hexadecimal, ok := strings.CutPrefix(id, prefix); !ok || len(hexadecimal) != 32 || strings.Trim(hexadecimal, "0123456789abcdef") != "" {
		return checkout.ErrNotFound
	}
	return nil
}
