package main

import (
	"context"
	"fmt"
	"time"

	api "generated/ogenapi"

	"github.com/google/uuid"
)

type bearer string

func (b bearer) Bearer(context.Context, api.OperationName) (api.Bearer, error) {
	return api.Bearer{Token: string(b)}, nil
}

func driveOgen(url string) error {
	ctx := context.Background()
	client, err := api.NewClient(url, bearer(token))
	if err != nil {
		return err
	}
	var c checks
	body := &api.CreateCheckoutRequest{
		Amount: 5000, Currency: "XOF", UserPhone: api.NewOptNilString("+2250707987654"),
		Metadata: api.NewOptNilCreateCheckoutRequestMetadata(api.CreateCheckoutRequestMetadata{"size": "L"}),
	}
	params := api.CreateCheckoutParams{IdempotencyKey: uuid.NewString()}
	answer, err := client.CreateCheckout(ctx, body, params)
	if err != nil {
		return err
	}
	created, ok := answer.(*api.SessionCreatedHeaders)
	if !ok {
		return fmt.Errorf("create: %T", answer)
	}
	session := created.Response
	c.equal("amount", session.Amount, int64(5000))
	c.equal("metadata", session.Metadata.Value["size"], "L")
	c.equal("completed_at", session.CompletedAt.Null, true)
	if answer, err = client.CreateCheckout(ctx, body, params); err != nil {
		return err
	}
	replayed, ok := answer.(*api.SessionExistsHeaders)
	if !ok {
		return fmt.Errorf("replay: %T", answer)
	}
	c.equal("replay", replayed.Response.ID, session.ID)
	body.Amount++
	if answer, err = client.CreateCheckout(ctx, body, params); err != nil {
		return err
	}
	reused, ok := answer.(*api.KeyReusedHeaders)
	if !ok {
		return fmt.Errorf("reuse: %T", answer)
	}
	c.equal("reuse", reused.Response.Errors[0].Pointer, "#/amount")
	body.Amount, body.Currency = 5000, "USD" // the client's own validation accepts these
	if answer, err = client.CreateCheckout(ctx, body, api.CreateCheckoutParams{IdempotencyKey: uuid.NewString()}); err != nil {
		return err
	}
	refused, ok := answer.(*api.CreateRefusedHeaders)
	if !ok {
		return fmt.Errorf("refusal: %T", answer)
	}
	c.equal("refusal", refused.Response.Code, api.ProblemCodeValidationFailed)
	stranger, err := api.NewClient(url, bearer("other"))
	if err != nil {
		return err
	}
	if answer, err = stranger.CreateCheckout(ctx, body, params); err != nil {
		return err
	}
	if _, ok := answer.(*api.UnauthorizedHeaders); !ok {
		return fmt.Errorf("token: %T", answer)
	}
	absent, err := client.GetCheckout(ctx, api.GetCheckoutParams{ID: "cs_ci_0"})
	if err != nil {
		return err
	}
	if _, ok := absent.(*api.NotFoundHeaders); !ok {
		return fmt.Errorf("not found: %T", absent)
	}

	body.Currency = "XOF"
	if _, err = client.CreateCheckout(ctx, body, api.CreateCheckoutParams{IdempotencyKey: uuid.NewString()}); err != nil {
		return err
	}
	seen := map[string]bool{}
	for list := (api.ListCheckoutsParams{Limit: api.NewOptInt(1)}); ; {
		answer, err := client.ListCheckouts(ctx, list)
		if err != nil {
			return err
		}
		page, ok := answer.(*api.SessionPageHeaders)
		if !ok {
			return fmt.Errorf("list: %T", answer)
		}
		for _, s := range page.Response.Sessions {
			seen[s.ID] = true
		}
		if page.Response.NextCursor.Null {
			break
		}
		list.Cursor = api.NewOptString(page.Response.NextCursor.Value)
	}
	c.equal("listed", len(seen), 2)

	get := api.GetCheckoutParams{ID: session.ID, IfNoneMatch: api.NewOptString(created.ETag)}
	same, err := client.GetCheckout(ctx, get)
	if err != nil {
		return err
	}
	if _, ok := same.(*api.NotModified); !ok {
		return fmt.Errorf("not modified: %T", same)
	}
	cancelled := make(chan error, 1)
	time.AfterFunc(100*time.Millisecond, func() {
		_, err := client.CancelCheckout(ctx, api.CancelCheckoutParams{ID: session.ID})
		cancelled <- err
	})
	get.Prefer = api.NewOptString("wait=30")
	waited, err := client.GetCheckout(ctx, get)
	if err != nil {
		return err
	}
	if err := <-cancelled; err != nil {
		return err
	}
	found, ok := waited.(*api.SessionFoundHeaders)
	if !ok {
		return fmt.Errorf("wait: %T", waited)
	}
	c.equal("wait", found.Response.Status, api.StatusCancelled)
	return c.err
}
