package client_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/client"
	"github.com/matryer/is"
)

func TestList(t *testing.T) {
	checkouts, handler := newHandler(t, checkout.HandlerConfig{})
	requests := 0
	_, c := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		handler.ServeHTTP(w, r)
	}), client.Config{})
	ctx := t.Context()
	var made []client.Session
	for i := range 25 {
		params := mobileMoney
		if i%2 == 0 {
			params.UserPhone, params.ClientReference = "+221771234567", "EVEN"
		}
		s, err := c.Create(ctx, client.NewIntent(params))
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, s)
	}
	ids := func(t *testing.T, q client.Query) (ids []string) {
		for s, err := range c.List(ctx, q) {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, s.ID)
		}
		return ids
	}

	t.Run("walks through all sessions, page by page, newest first", func(t *testing.T) {
		is := is.New(t)
		requests = 0
		got := ids(t, client.Query{Limit: 10})
		is.Equal(len(got), 25)
		is.Equal(got[0], made[24].ID)
		is.Equal(got[24], made[0].ID)
		is.Equal(requests, 3)
	})
	t.Run("requests no page that the caller does not reach", func(t *testing.T) {
		is := is.New(t)
		requests = 0
		seen := 0
		for range c.List(ctx, client.Query{Limit: 10}) {
			if seen++; seen == 10 {
				break
			}
		}
		is.Equal(requests, 1)
	})
	t.Run("applies the filters", func(t *testing.T) {
		is := is.New(t)
		_, err := checkouts.Begin(ctx, account, made[3].ID, "PAY/1 +&")
		is.NoErr(err)
		is.Equal(len(ids(t, client.Query{ClientReference: "EVEN"})), 13)
		is.Equal(len(ids(t, client.Query{UserPhone: "+221 77 123 45 67", Limit: 5})), 13)
		is.Equal(ids(t, client.Query{Status: client.StatusPending}), []string{made[3].ID})
		is.Equal(ids(t, client.Query{PaymentID: "PAY/1 +&"}), []string{made[3].ID})
		zone := time.FixedZone("", 5*3600+1800)
		is.Equal(ids(t, client.Query{CreatedAfter: made[5].CreatedAt.In(zone), CreatedBefore: made[6].CreatedAt.In(zone)}), []string{made[5].ID})
	})
	t.Run("counts the sessions, and goes on from a stored cursor", func(t *testing.T) {
		is := is.New(t)
		page, err := c.ListPage(ctx, client.Query{Limit: 20})
		is.NoErr(err)
		is.Equal(*page.TotalCount, int64(25))
		is.Equal(page.TotalRelation, "")
		is.True(page.HasMore)
		is.Equal(len(ids(t, client.Query{Limit: 20, Cursor: page.NextCursor})), 5)
		rest, err := c.ListPage(ctx, client.Query{Limit: 20, Cursor: page.NextCursor})
		is.NoErr(err)
		is.True(rest.TotalCount == nil)
		is.True(!rest.HasMore)
	})
	t.Run("ends with an error, after which nothing comes", func(t *testing.T) {
		is := is.New(t)
		var errs []error
		for _, err := range c.List(ctx, client.Query{Limit: 101}) {
			errs = append(errs, err)
		}
		is.Equal(len(errs), 1)
		is.Equal(refusal(t, errs[0]).Code, client.CodeInvalidQuery)
	})
	t.Run("can be walked twice", func(t *testing.T) {
		is := is.New(t)
		list := c.List(ctx, client.Query{Limit: 10})
		for range 2 {
			n := 0
			for range list {
				n++
			}
			is.Equal(n, 25)
		}
	})
}
