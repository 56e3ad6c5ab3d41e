package checkout_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/caisse/checkout"
	"github.com/google/uuid"
	"github.com/matryer/is"
)

func TestBodyLimit(t *testing.T) {
	a := newAPI(t, openSQLite(t))
	padded := func(size int) string { return mobileMoney + strings.Repeat(" ", size-len(mobileMoney)) }
	t.Run("accepts 64 KiB", func(t *testing.T) {
		is.New(t).Equal(a.post(padded(64<<10)).status, 201)
	})
	t.Run("answers 413 to one byte more", func(t *testing.T) {
		is := is.New(t)
		got := a.post(padded(64<<10 + 1))
		is.Equal(got.status, 413)
		is.Equal(got.code(), "payload_too_large")
	})
	t.Run("answers 413 to a declared length over the limit, without reading the body", func(t *testing.T) {
		is := is.New(t)
		read := false
		r := createRequest(readerFunc(func([]byte) (int, error) { read = true; return 0, io.EOF }))
		r.ContentLength = 64<<10 + 1
		is.Equal(a.send(r).status, 413)
		is.True(!read)
	})
	t.Run("answers 413 to a body of undeclared length once it has read past the limit", func(t *testing.T) {
		is := is.New(t)
		total := 0
		r := createRequest(readerFunc(func(p []byte) (int, error) {
			total += len(p)
			return copy(p, bytes.Repeat([]byte(" "), len(p))), nil
		}))
		r.ContentLength = -1
		is.Equal(a.send(r).status, 413)
		is.True(total < 256<<10) // it stops reading soon after the limit
	})
	t.Run("accepts a body of undeclared length up to exactly the limit", func(t *testing.T) {
		is := is.New(t)
		for _, test := range []struct{ length, status int }{{64 << 10, 201}, {64<<10 + 1, 413}} {
			r := createRequest(strings.NewReader(padded(test.length)))
			r.ContentLength = -1
			is.Equal(a.send(r).status, test.status)
		}
	})
	t.Run("reads a body to its end if it comes in pieces, some of them empty", func(t *testing.T) {
		is := is.New(t)
		for _, declared := range []int64{-1, int64(len(mobileMoney))} {
			rest, empty := mobileMoney, false
			r := createRequest(readerFunc(func(p []byte) (n int, err error) {
				if empty = !empty; empty {
					return 0, nil
				}
				if n = copy(p, rest[:min(7, len(rest))]); n == 0 {
					return 0, io.EOF
				}
				rest = rest[n:]
				return n, nil
			}))
			r.ContentLength = declared
			is.Equal(a.send(r).status, 201)
		}
	})
	t.Run("treats a request without a body as one with an empty body", func(t *testing.T) {
		is := is.New(t)
		r := createRequest(strings.NewReader(""))
		r.Body = nil
		got := a.send(r)
		is.Equal(got.status, 400)
		is.Equal(got.code(), "invalid_json")
	})
	t.Run("names the smaller limit that the host's middleware sets", func(t *testing.T) {
		is := is.New(t)
		a := newAPI(t, openSQLite(t))
		a.handler = http.MaxBytesHandler(a.handler, 10)
		r := createRequest(strings.NewReader(mobileMoney))
		r.ContentLength = -1
		got := a.send(r)
		is.Equal(got.status, 413)
		is.Equal(got.body["detail"], "the body must have at most 10 bytes")
	})
	t.Run("closes an HTTP/1 connection after a declared length over the limit, but no HTTP/2 connection", func(t *testing.T) {
		is := is.New(t)
		r := createRequest(strings.NewReader(padded(64<<10 + 1)))
		is.Equal(a.send(r).header.Get("Connection"), "close")
		r.ProtoMajor = 2
		is.Equal(a.send(r).header.Get("Connection"), "")
	})
	t.Run("allocates memory for the bytes that arrive, not for the declared length", func(t *testing.T) {
		a := newAPIWith(t, openSQLite(t), checkout.Config{}, checkout.HandlerConfig{MaxBodyBytes: 16 << 20})
		r := createRequest(strings.NewReader(mobileMoney))
		r.ContentLength = 16 << 20 // far more than is sent
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		status := a.send(r).status
		runtime.ReadMemStats(&after)
		is := is.New(t)
		is.Equal(status, 201)
		is.True(after.TotalAlloc-before.TotalAlloc < 2<<20)
	})
	t.Run("uses the limit that the host configures", func(t *testing.T) {
		a := newAPIWith(t, openSQLite(t), checkout.Config{}, checkout.HandlerConfig{MaxBodyBytes: 100})
		is := is.New(t)
		is.Equal(a.post(padded(100)).status, 201)
		is.Equal(a.post(padded(101)).status, 413)
	})
	t.Run("answers 400 to a body that is cut off", func(t *testing.T) {
		is := is.New(t)
		// The JSON object is complete, but then the read fails. The client may have sent more, so the request must be refused.
		r := createRequest(io.MultiReader(strings.NewReader(mobileMoney), readerFunc(func([]byte) (int, error) { return 0, io.ErrUnexpectedEOF })))
		got := a.send(r)
		is.Equal(got.status, 400)
		is.Equal(got.code(), "invalid_json")
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// createRequest returns a create request with valid headers and any body.
func createRequest(body io.Reader) *http.Request {
	r := httptest.NewRequest("POST", "/v1/checkouts", body)
	r.Header.Set("Authorization", "Bearer "+liveToken)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", uuid.NewString())
	return r
}
