package mounting

import (
	"net/http"
	"sync"

	"github.com/caisse/checkout"
	"golang.org/x/time/rate"
)

// Limits limits how often each account may call. Make it with [NewLimits].
type Limits struct {
	auth      checkout.Authenticator
	perSecond rate.Limit
	burst     int

	mu   sync.Mutex
	each map[checkout.Account]*rate.Limiter // one for each account and mode that has called
}

// NewLimits allows each account, in each mode, perSecond requests a second on average, and burst requests at once. Each instance of
// the server counts its own requests. If the limit must hold for all instances together, keep the count in a place that they share.
func NewLimits(auth checkout.Authenticator, perSecond float64, burst int) *Limits {
	return &Limits{auth: auth, perSecond: rate.Limit(perSecond), burst: burst, each: make(map[checkout.Account]*rate.Limiter)}
}

// Limit applies the limits to h. The account is authenticated here, and again by h. If that costs a query, keep the answer in the request's
// context. A request without valid credentials is passed to h, which answers 401. Limit those by IP address, in front of the server.
func (l *Limits) Limit(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		account, err := l.auth.Authenticate(r)
		if err == nil && !l.of(account).Allow() {
			w.Header().Set("Content-Type", "application/problem+json")
			w.Header().Set("Retry-After", "1") // clients of this library wait, and try again with the same key
			w.WriteHeader(http.StatusTooManyRequests)
			w.Write([]byte(`{"type":"about:blank","title":"Too Many Requests","status":429,"code":"rate_limited"}`))
			return
		}
		h.ServeHTTP(w, r)
	})
}

func (l *Limits) of(a checkout.Account) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.each[a] == nil {
		l.each[a] = rate.NewLimiter(l.perSecond, l.burst)
	}
	return l.each[a]
}
