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

// maxWait is how long a page waits for a change in one request. Proxies and mobile networks cut what is silent for longer.
const maxWait = 25 * time.Second

// writeTime is how long an answer may take to leave once the wait is over.
const writeTime = 10 * time.Second

// wait answers with what the page now shows, as soon as that is not what the payer has seen. Beyond Config.MaxWaiting it
// answers at once, and the script asks again after a while.
func (p *Page) wait(v *visit) {
	version, status, _ := strings.Cut(v.r.URL.Query().Get("seen"), ".")
	seen := checkout.Session{Status: checkout.Status(status)}
	seen.Version, _ = strconv.ParseInt(version, 10, 64) // 0, which no session has, is answered at once

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
	io.WriteString(v.w, waitText(&s)) // a payer who is gone needs no answer
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
	// A server's WriteTimeout may be shorter than the wait. Where the server cannot move it, it stands.
	_ = http.NewResponseController(v.w).SetWriteDeadline(time.Now().Add(maxWait + writeTime))
	s, err := p.checkouts.Wait(ctx, v.name.account, v.name.id, seen)
	if s.ID != "" && (errors.Is(err, checkout.ErrStopped) || ctx.Err() != nil) {
		err = nil // the time is over, and the session is as it was last known
	}
	return s, err
}
