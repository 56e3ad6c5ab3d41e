package paypage

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caisse/checkout"
)

// maxWait is how long a page waits for a change in one request. Proxies and mobile networks cut connections that are silent for longer.
const maxWait = 25 * time.Second

// writeTime is how long the sending of the answer may take after the wait.
const writeTime = 10 * time.Second

// wait answers with waitText as soon as it differs from the query parameter "seen", and after maxWait in any case. If Config.MaxWaiting
// requests wait already, it answers at once, and the script asks again after a while.
func (p *Page) wait(v *visit) {
	version, status, _ := strings.Cut(v.r.URL.Query().Get("seen"), ".")
	seen := checkout.Session{Status: checkout.Status(status)}
	seen.Version, _ = strconv.ParseInt(version, 10, 64) // after an error it is a version that no session has, so the answer comes at once

	s, err := p.change(v, seen)
	if err != nil {
		if errors.Is(err, checkout.ErrNotFound) {
			http.Error(v.w, "not found", http.StatusNotFound)
			return
		}
		v.w.Header().Set("Retry-After", "5")
		http.Error(v.w, "unavailable", http.StatusServiceUnavailable)
		return
	}
	v.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(v.w, waitText(&s)) // an error means that the payer has gone
}

func (p *Page) change(v *visit, seen checkout.Session) (checkout.Session, error) {
	select {
	case p.waiting <- struct{}{}:
		defer func() { <-p.waiting }()
	default:
		return p.checkouts.Get(v.r.Context(), v.name.account, v.name.id)
	}
	ctx, cancel := context.WithTimeout(v.r.Context(), maxWait)
	defer cancel()
	// The server's WriteTimeout may be shorter than the wait. If the deadline cannot be set, the WriteTimeout stays.
	_ = http.NewResponseController(v.w).SetWriteDeadline(time.Now().Add(maxWait + writeTime))
	s, err := p.checkouts.Wait(ctx, v.name.account, v.name.id, seen)
	if s.ID != "" && (errors.Is(err, checkout.ErrStopped) || ctx.Err() != nil) {
		err = nil // the wait is over, and s is the session as it was last known
	}
	return s, err
}
