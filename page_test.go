package checkout_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/caisse/checkout"
	"github.com/matryer/is"
	"github.com/nyaruka/phonenumbers"
)

// The files in testdata/page are exact copies of the page's examples. The tests mask the values that a server chooses, such as IDs and
// times. If an example differs from our answer in another way, the test says why.

// pageExample returns the JSON object of an example.
func pageExample(t *testing.T, name string) map[string]any {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "page", name))
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// pageText returns an example as JSON text.
func pageText(t *testing.T, name string) string {
	t.Helper()
	body, err := json.Marshal(pageExample(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// mask checks the value of a member, and replaces it so that two objects can be compared.
func mask(t *testing.T, m map[string]any, name string, valid func(string) bool) {
	t.Helper()
	s, ok := m[name].(string)
	if !ok || !valid(s) {
		t.Errorf("%s: %v is not valid", name, m[name])
	}
	m[name] = "masked"
}

func isTime(s string) bool { _, err := time.Parse(time.RFC3339Nano, s); return err == nil }

func TestPageCardExample(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		is := is.New(t)
		a := newAPI(t, store)
		got := a.post(pageText(t, "card_request.json"), "Authorization: Bearer "+testToken)
		is.Equal(got.status, 201)

		want := pageExample(t, "card_response.json")
		for _, m := range []map[string]any{got.body, want} {
			mask(t, m, "id", func(s string) bool { return len(s) > 8 && s[:8] == "cs_test_" })
			mask(t, m, "customer_id", func(s string) bool { return len(s) > 4 && s[:4] == "cus_" })
			mask(t, m, "created_at", isTime)
		}
		// The example is from the page's guide, which leaves out the members below. The page's schema has them.
		mask(t, got.body, "expires_at", isTime)
		want["expires_at"] = "masked"
		want["payment_method"] = "card"
		want["success_url"] = "https://example.com/success"
		want["cancel_url"] = "https://example.com/cancel"
		want["completed_at"] = nil
		want["failure_reason"] = nil
		want["transaction_fee"] = 0.0
		is.Equal(got.body, want)
	})
}

func TestPageMobileMoneyExample(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		is := is.New(t)
		a := newAPI(t, store)
		got := a.post(pageText(t, "mobile_money_request.json"))
		is.Equal(got.status, 201)

		want := pageExample(t, "mobile_money_response.json")
		for _, m := range []map[string]any{got.body, want} {
			mask(t, m, "id", func(s string) bool { return len(s) > 6 && s[:6] == "cs_ci_" })
			mask(t, m, "created_at", isTime)
			mask(t, m, "expires_at", isTime)
		}
		// The example has a value for each member of the schema. A session that was just created has neither of these two.
		want["completed_at"], want["failure_reason"] = nil, nil
		// The host sets payment_id. A client cannot send it.
		delete(want, "payment_id")
		is.Equal(got.body, want)
	})
}

func TestPageSessionWithEveryMember(t *testing.T) {
	is := is.New(t)
	a := newAPI(t, openSQLite(t))
	p := params(live, "")
	p.Description, p.PaymentID = "<string>", "ORDER_123"
	s, _, err := a.Create(t.Context(), p)
	is.NoErr(err)
	_, err = a.Complete(t.Context(), live, s.ID, "")
	is.NoErr(err)

	got, want := a.get("/v1/checkouts/"+s.ID).body, pageExample(t, "mobile_money_response.json")
	is.Equal(got["completed_at"], "2026-11-22T07:31:56Z")
	for _, m := range []map[string]any{got, want} {
		mask(t, m, "id", func(s string) bool { return s[:6] == "cs_ci_" })
		mask(t, m, "created_at", isTime)
		mask(t, m, "expires_at", isTime)
		mask(t, m, "completed_at", isTime)
	}
	// The example has the status created, but also completed_at and failure_reason. No session can have all three.
	want["status"], want["failure_reason"] = "completed", nil
	is.Equal(got, want)
}

func TestPagePhoneIsAcceptedAndAnsweredUnchanged(t *testing.T) {
	is := is.New(t)
	const phone = "+22507987654"
	naive, err := phonenumbers.Parse(phone, "CI")
	is.NoErr(err)
	is.True(!phonenumbers.IsValidNumber(naive)) // today's numbering plan does not have the page's own example

	got := newAPI(t, openSQLite(t)).post(mobileMoney)
	is.Equal(got.status, 201)
	is.Equal(got.body["user_phone"], phone)
}

func TestPageFeeIs25On5000(t *testing.T) {
	got := newAPI(t, openSQLite(t)).post(mobileMoney)
	is.New(t).Equal(got.body["transaction_fee"], 25.0)
}
