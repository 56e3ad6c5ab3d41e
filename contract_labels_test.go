package checkout_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
	"github.com/matryer/is"
)

// labeled returns the body of a request with a client_reference and metadata.
func labeled(t *testing.T) string {
	return with(t, mobileMoney, "client_reference", `"order 12"`, "metadata", `{"size": "XL", "__proto__": "é", "a.b-c_D9": "{\"x\":1}"}`)
}

func TestReferenceAndMetadataAreAnswered(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		is := is.New(t)
		a := newAPI(t, store)
		created := a.post(labeled(t))
		is.Equal(created.status, 201)
		is.Equal(created.body["client_reference"], "order 12")
		is.Equal(created.body["metadata"], map[string]any{"size": "XL", "__proto__": "é", "a.b-c_D9": `{"x":1}`})
		is.Equal(a.get(created.header.Get("Location")).raw, created.raw)
		is.Equal(a.get("/v1/checkouts").body["sessions"].([]any)[0], any(created.body))
		event := a.get(created.header.Get("Location") + "/events").body["events"].([]any)[0].(map[string]any)
		is.Equal(event["data"], any(created.body))
		s, err := a.Begin(t.Context(), live, created.id(), "PAY_1")
		is.NoErr(err)
		is.Equal(s.ClientReference, "order 12")
		is.Equal(s.Metadata["size"], "XL")

		for _, body := range []string{mobileMoney, with(t, mobileMoney, "metadata", "{}"), with(t, mobileMoney, "metadata", "null", "client_reference", "null")} {
			got := a.post(body)
			is.Equal(got.status, 201)
			for _, name := range []string{"client_reference", "metadata"} {
				_, there := got.body[name]
				is.True(!there) // the answer leaves out a member that the session does not have
			}
		}
	})
}

func TestReferenceAndMetadataArePartOfTheRequest(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		a := newAPI(t, store)
		key := keyHeader()
		first := a.post(labeled(t), key)
		for name, c := range map[string]struct {
			members []string
			differ  []string
		}{
			"the same members in another order": {[]string{"metadata", `{"a.b-c_D9": "{\"x\":1}", "size": "\u0058L", "__proto__": "\u00e9"}`}, nil},
			"another reference":                 {[]string{"client_reference", `"order 13"`}, []string{"#/client_reference differs"}},
			"no reference":                      {[]string{"client_reference", ""}, []string{"#/client_reference differs"}},
			"another value in metadata":         {[]string{"metadata", `{"size": "XL", "__proto__": "é", "a.b-c_D9": "{}"}`}, []string{"#/metadata differs"}},
			"metadata with one member less":     {[]string{"metadata", `{"size": "XL", "__proto__": "é"}`}, []string{"#/metadata differs"}},
			"no metadata":                       {[]string{"metadata", ""}, []string{"#/metadata differs"}},
			"neither reference nor metadata":    {[]string{"metadata", "", "client_reference", ""}, []string{"#/client_reference differs", "#/metadata differs"}},
			"another amount and empty metadata": {[]string{"metadata", `{}`, "amount", "6000"}, []string{"#/amount differs", "#/metadata differs"}},
		} {
			t.Run(name, func(t *testing.T) {
				is := is.New(t)
				got := a.post(with(t, labeled(t), c.members...), key)
				if c.differ == nil {
					is.Equal(got.status, 200)
					is.Equal(got.id(), first.id())
					return
				}
				is.Equal(got.status, 422)
				is.Equal(got.faults(), c.differ)
				is.True(!strings.Contains(got.raw, "order 1") && !strings.Contains(got.raw, "XL")) // the answer never has their values
			})
		}
		t.Run("a request without them is not the same as one with them", func(t *testing.T) {
			is := is.New(t)
			key := keyHeader()
			is.Equal(a.post(mobileMoney, key).status, 201)
			is.Equal(a.post(with(t, mobileMoney, "client_reference", `"x"`), key).faults(), []string{"#/client_reference differs"})
			is.Equal(a.post(mobileMoney, key).status, 200)
		})
	})
}

func TestReferenceAndMetadataAreValidated(t *testing.T) {
	a := newAPI(t, openSQLite(t))
	object := func(n int) string {
		members := map[string]string{}
		for i := range n {
			members[fmt.Sprint("n", i)] = "v"
		}
		text, err := json.Marshal(members)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	long := strings.Repeat("é", 500)
	for _, c := range []struct{ member, value, want string }{
		{"client_reference", `""`, "#/client_reference malformed"},
		{"client_reference", `12`, "#/client_reference wrong_type"},
		{"client_reference", `"` + strings.Repeat("é", 256) + `"`, "#/client_reference too_long"},
		{"client_reference", `"a\u0000"`, "#/client_reference malformed"},
		{"client_reference", `"` + strings.Repeat("é", 255) + `"`, ""},
		{"metadata", `[]`, "#/metadata wrong_type"},
		{"metadata", `"size"`, "#/metadata wrong_type"},
		{"metadata", `1`, "#/metadata wrong_type"},
		{"metadata", object(21), "#/metadata too_long"},
		{"metadata", object(1000), "#/metadata too_long"},
		{"metadata", object(20), ""},
		{"metadata", `{"size": 4}`, "#/metadata/size wrong_type"},
		{"metadata", `{"size": null}`, "#/metadata/size wrong_type"},
		{"metadata", `{"size": {"a": "b"}}`, "#/metadata/size wrong_type"},
		{"metadata", `{"size": ""}`, "#/metadata/size malformed"},
		{"metadata", `{"size": "` + long + `"}`, ""},
		{"metadata", `{"size": "` + long + `x"}`, "#/metadata/size too_long"},
		{"metadata", `{"size": "a\u0000"}`, "#/metadata/size malformed"},
		{"metadata", `{"": "x"}`, "#/metadata/ malformed"},
		{"metadata", `{"a b": "x"}`, "#/metadata/a%20b malformed"},
		{"metadata", `{"a/b~c": "x"}`, "#/metadata/a~1b~0c malformed"},
		{"metadata", `{"é": "x"}`, "#/metadata/%C3%A9 malformed"},
		{"metadata", `{"` + strings.Repeat("n", 40) + `": "x"}`, ""},
		{"metadata", `{"` + strings.Repeat("n", 41) + `": "x"}`, "#/metadata/" + strings.Repeat("n", 41) + " too_long"},
		{"metadata", `{"` + strings.Repeat("n", 300) + `": "x"}`, "#/metadata too_long"},
		{"metadata", `{"b": "", "a": 1, "c": "fine", "d e": "x"}`, "#/metadata/a wrong_type, #/metadata/b malformed, #/metadata/d%20e malformed"},
		{"metadata/size", `"x"`, "#/metadata~1size unknown_field"},
	} {
		t.Run(c.member+" "+c.value[:min(len(c.value), 40)], func(t *testing.T) {
			is := is.New(t)
			got := a.post(with(t, mobileMoney, c.member, c.value))
			if c.want == "" {
				is.Equal(got.status, 201)
				return
			}
			is.Equal(got.status, 400)
			is.Equal(got.code(), "validation_failed")
			is.Equal(strings.Join(got.faults(), ", "), c.want)
		})
	}
	is := is.New(t)
	got := a.post(`{"metadata": {"x y": "1"}, "client_reference": 1, "amount": 1, "other": 2}`)
	is.Equal(got.faults(), []string{"#/amount out_of_range", "#/currency missing", "#/user_phone missing", "#/client_reference wrong_type",
		"#/metadata/x%20y malformed", "#/other unknown_field"}) // in the order of the table in docs/contract.md
	is.Equal(a.post(with(t, mobileMoney, "metadata", `{"a": "1", "a": "2"}`)).code(), "invalid_json")

	p := params(live, "") // a Go call refuses the same values
	p.ClientReference, p.Metadata = "\xff", map[string]string{"a b": "x", "ok": "\xff"}
	_, _, err := a.Create(t.Context(), p)
	var invalid *checkout.ValidationError
	is.True(asError(err, &invalid))
	is.Equal(fmt.Sprint(invalid.Fields[0].Field, invalid.Fields[1].Field, invalid.Fields[2].Field), "client_reference"+"metadata/a b"+"metadata/ok")
}

// Create copies the metadata on the way in and on the way out. Otherwise a caller that changes its own map would change the stored
// session.
func TestMetadataIsTheCallersOwn(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		is := is.New(t)
		a := newAPI(t, store)
		p := params(live, "")
		p.Metadata = map[string]string{"size": "XL"}
		s, _, err := a.Create(t.Context(), p)
		is.NoErr(err)
		p.Metadata["size"] = "S"
		s.Metadata["size"] = "M"
		kept, err := a.Get(t.Context(), live, s.ID)
		is.NoErr(err)
		is.Equal(kept.Metadata, map[string]string{"size": "XL"})
	})
}

// Earlier releases had neither client_reference nor metadata, and wrote fingerprints of version 1. A request without the two members
// still gets version 1. So each release recognizes a retry of a request that the other release accepted.
func TestFingerprintsOfRequestsWithoutLabelsAreThoseOfTheReleaseBefore(t *testing.T) {
	is := is.New(t)
	a := newAPI(t, openSQLite(t))
	s := a.mustCreate(live, keyOf(1))
	is.Equal(s.Fingerprint, idempotency.Sum(1, "mobile_money", "5000", "XOF", "+22507987654", "", "1800", "", "", "", ""))
	p := params(live, keyOf(2))
	p.ClientReference = "order 12"
	withReference, _, err := a.Create(t.Context(), p)
	is.NoErr(err)
	is.Equal(withReference.Fingerprint.Version(), byte(2))
}

func TestCheckoutURLIsThereWhileTheSessionCanBePaid(t *testing.T) {
	is := is.New(t)
	a := newAPIWith(t, openSQLite(t), checkout.Config{}, checkout.HandlerConfig{
		CheckoutURL: func(s checkout.Session) string { return "https://pay.example/" + s.ID },
	})
	created := a.post(mobileMoney)
	id := created.id()
	is.Equal(created.body["checkout_url"], "https://pay.example/"+id)
	is.Equal(a.get("/v1/checkouts").body["sessions"].([]any)[0].(map[string]any)["checkout_url"], "https://pay.example/"+id)
	_, err := a.Begin(t.Context(), live, id, "PAY_1")
	is.NoErr(err)
	is.Equal(a.get("/v1/checkouts/" + id).body["checkout_url"], "https://pay.example/"+id)
	event := a.get("/v1/checkouts/" + id + "/events").body["events"].([]any)[0].(map[string]any)
	_, there := event["data"].(map[string]any)["checkout_url"]
	is.True(!there) // an event never has a checkout_url
	cancelled := a.do(http.MethodPost, "/v1/checkouts/"+id+"/cancel", "")
	_, there = cancelled.body["checkout_url"]
	is.True(!there)
}
