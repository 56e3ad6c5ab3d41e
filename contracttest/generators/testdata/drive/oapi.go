package main

import (
	"context"
	"net/http"
	"time"

	"generated/oapi"

	"github.com/google/uuid"
)

func driveOAPI(url string) error {
	ctx := context.Background()
	as := func(token string) oapi.RequestEditorFn {
		return func(_ context.Context, r *http.Request) error {
			r.Header.Set("Authorization", "Bearer "+token)
			return nil
		}
	}
	api, err := oapi.NewClientWithResponses(url)
	if err != nil {
		return err
	}
	var c checks
	phone := "+2250707987654"
	body := oapi.CreateCheckoutRequest{Amount: 5000, Currency: "XOF", UserPhone: &phone, Metadata: &map[string]string{"size": "L"}}
	params := &oapi.CreateCheckoutParams{IdempotencyKey: uuid.NewString()}
	first, err := api.CreateCheckoutWithResponse(ctx, params, body, as(token))
	if err != nil {
		return err
	}
	if c.equal("create", first.StatusCode(), 201); c.err != nil {
		return c.err
	}
	session := first.JSON201
	c.equal("amount", session.Amount, int64(5000))
	c.equal("metadata", (*session.Metadata)["size"], "L")
	again, err := api.CreateCheckoutWithResponse(ctx, params, body, as(token))
	if err != nil {
		return err
	}
	if c.equal("replay", again.StatusCode(), 200); c.err != nil {
		return c.err
	}
	c.equal("replay", again.JSON200.Id, session.Id)
	body.Amount++
	reused, err := api.CreateCheckoutWithResponse(ctx, params, body, as(token))
	if err != nil {
		return err
	}
	if c.equal("reuse", reused.StatusCode(), 422); c.err != nil {
		return c.err
	}
	c.equal("reuse", reused.ApplicationproblemJSON422.Code, oapi.ProblemCodeIdempotencyKeyReused)
	body.Amount = 1
	refused, err := api.CreateCheckoutWithResponse(ctx, &oapi.CreateCheckoutParams{IdempotencyKey: uuid.NewString()}, body, as(token))
	if err != nil {
		return err
	}
	if c.equal("refusal", refused.StatusCode(), 400); c.err != nil {
		return c.err
	}
	c.equal("refusal", (*refused.ApplicationproblemJSON400.Errors)[0].Code, oapi.OutOfRange)
	stranger, err := api.CreateCheckoutWithResponse(ctx, params, body, as("other"))
	if err != nil {
		return err
	}
	c.equal("token", stranger.ApplicationproblemJSON401 != nil, true)
	absent, err := api.GetCheckoutWithResponse(ctx, "cs_ci_0", nil, as(token))
	if err != nil {
		return err
	}
	c.equal("not found", absent.ApplicationproblemJSON404 != nil, true)

	body.Amount = 5000
	if _, err := api.CreateCheckoutWithResponse(ctx, &oapi.CreateCheckoutParams{IdempotencyKey: uuid.NewString()}, body, as(token)); err != nil {
		return err
	}
	seen, one := map[string]bool{}, 1
	for list := (&oapi.ListCheckoutsParams{Limit: &one}); ; {
		page, err := api.ListCheckoutsWithResponse(ctx, list, as(token))
		if err != nil {
			return err
		}
		if c.equal("list", page.StatusCode(), 200); c.err != nil {
			return c.err
		}
		for _, s := range page.JSON200.Sessions {
			seen[s.Id] = true
		}
		if page.JSON200.NextCursor == nil {
			break
		}
		list.Cursor = page.JSON200.NextCursor
	}
	c.equal("listed", len(seen), 2)

	etag, prefer := first.HTTPResponse.Header.Get("ETag"), "wait=30"
	same, err := api.GetCheckoutWithResponse(ctx, session.Id, &oapi.GetCheckoutParams{IfNoneMatch: &etag}, as(token))
	if err != nil {
		return err
	}
	c.equal("not modified", same.StatusCode(), 304)
	cancelled := make(chan error, 1)
	time.AfterFunc(100*time.Millisecond, func() {
		_, err := api.CancelCheckoutWithResponse(ctx, session.Id, nil, as(token))
		cancelled <- err
	})
	waited, err := api.GetCheckoutWithResponse(ctx, session.Id, &oapi.GetCheckoutParams{IfNoneMatch: &etag, Prefer: &prefer}, as(token))
	if err != nil {
		return err
	}
	if err := <-cancelled; err != nil {
		return err
	}
	if c.equal("wait", waited.StatusCode(), 200); c.err != nil {
		return c.err
	}
	c.equal("wait", waited.JSON200.Status, oapi.StatusCancelled)
	return c.err
}
