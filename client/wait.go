package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

const (
	firstPollPause = time.Second // between two polls that the server answered at once; it doubles
	maxPollPause   = 15 * time.Second
)

// Wait returns the session as soon as it differs from seen, or has ended. It asks the server to delay the answer until then
// (Prefer: wait), and repeats the request until ctx ends, so give ctx a deadline. The answer comes within a second of the change.
// To wait for the outcome:
//
//	for err == nil && !session.Status.Ended() {
//		session, err = c.Wait(ctx, session)
//	}
//
// A session without an ETag, such as one that was read back from a database, is compared by its fields. If only the ID is set, Wait
// returns the session as it is now.
//
// If a proxy cuts long requests, or the server answers at once, Wait asks at growing intervals of up to 15 seconds. If Wait returns an
// error, also that of ctx, it returns the session as it was last known, too.
func (c *Client) Wait(ctx context.Context, seen Session) (Session, error) {
	const name = "wait for a session"
	path, err := sessionPath(seen.ID)
	if err != nil {
		return seen, fmt.Errorf("client: %s: %w", name, err)
	}
	known := seen
	immediate := seen.ETag == "" // whether the next request is to be answered at once
	for pauses := 0; ; {
		if immediate {
			now, err := c.one(ctx, name, http.MethodGet, seen.ID, "")
			if err != nil {
				return known, err
			}
			if !same(&now, &known) || now.Status.Ended() {
				return now, nil
			}
			known, immediate = now, false
		}
		began := time.Now()
		asked := c.longPoll(ctx)
		now, err := c.poll(ctx, name, path, known, asked)
		switch {
		case err == nil && (!same(&now, &known) || now.Status.Ended()):
			return now, nil
		case err == nil:
			known = now
		case ctx.Err() != nil:
			return known, fmt.Errorf("client: %s: %w", name, ctx.Err())
		case !retryable(err):
			return known, fmt.Errorf("client: %s: %w", name, err)
		default:
			immediate = true // that request is retried, and Wait fails if the server stays down
		}
		if time.Since(began) >= asked/2 && err == nil {
			pauses = 0
			continue
		}
		pause := pollPause(pauses)
		pauses++
		if e, ok := errors.AsType[*Error](err); ok {
			pause = max(pause, e.RetryAfter)
		}
		if err := sleep(ctx, pause); err != nil {
			return known, fmt.Errorf("client: %s: %w", name, err)
		}
	}
}

// longPoll returns how long to ask the server to wait, in whole seconds. That is no longer than ctx lasts, but at least 1 second.
func (c *Client) longPoll(ctx context.Context) time.Duration {
	wait := c.cfg.LongPoll
	if deadline, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(deadline).Truncate(time.Second))
	}
	return max(wait, time.Second)
}

// poll asks once for the session if it differs from known. If it does not, poll returns known.
func (c *Client) poll(ctx context.Context, name, path string, known Session, wait time.Duration) (now Session, err error) {
	header := http.Header{"Prefer": {"wait=" + strconv.Itoa(int(wait/time.Second))}}
	if known.ETag != "" {
		header["If-None-Match"] = []string{known.ETag}
	}
	err = c.try(ctx, call{
		name: name, method: http.MethodGet, path: path, header: header, limit: maxSessionBytes, held: wait,
		decode: func(a answer) (err error) {
			if a.status == http.StatusNotModified {
				now = known
				return nil
			}
			now, err = a.sessionOf(known.ID)
			return err
		},
	})
	return now, err
}

// pollPause returns the pause after n other pauses: a random time between half a bound and the bound, which doubles up to maxPollPause.
func pollPause(n int) time.Duration {
	bound := maxPollPause
	if n < 4 {
		bound = firstPollPause << n
	}
	return bound/2 + rand.N(bound/2)
}
