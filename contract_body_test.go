package checkout_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caisse/checkout"
	"github.com/google/uuid"
	"github.com/matryer/is"
)

func TestBodyIsOneStrictJSONObject(t *testing.T) {
	nested := func(depth int) string {
		return `{"amount": ` + strings.Repeat("[", depth-1) + strings.Repeat("]", depth-1) + `}`
	}
	eachStore(t, func(t *testing.T, store checkout.Store) {
		a := newAPI(t, store)
		for name, body := range map[string]string{
			"an empty body":                           "",
			"only white space":                        "  \n",
			"a syntax error":                          `{"amount": 5000,}`,
			"a number with a leading zero":            `{"amount": 05000}`,
			"a byte-order mark":                       "\ufeff" + mobileMoney,
			"invalid UTF-8":                           strings.Replace(mobileMoney, "XOF", "X\xffF", 1),
			"a lone surrogate in a value":             `{"description": "\ud800"}`,
			"a lone surrogate in a name":              `{"\udc00": 1}`,
			"a member given twice":                    `{"amount": 5000, "amount": 5000, "currency": "XOF", "user_phone": "+22507987654"}`,
			"a member given twice by an escape":       `{"amount": 5000, "\u0061mount": 100, "currency": "XOF", "user_phone": "+22507987654"}`,
			"a member given twice deep inside":        `{"x": [{"a": 1, "a": 2}]}`,
			"nesting of 33 levels":                    nested(33),
			"an array":                                `[` + mobileMoney + `]`,
			"a string":                                `"x"`,
			"null":                                    `null`,
			"a second object":                         mobileMoney + mobileMoney,
			"text after the object":                   mobileMoney + `x`,
			"a comment":                               `/* pay */` + mobileMoney,
			"single quotes":                           `{'amount': 5000}`,
			"a plus sign":                             `{"amount": +5}`,
			"a raw control character within a string": "{\"description\": \"a\nb\"}",
		} {
			t.Run("refuses "+name, func(t *testing.T) {
				is := is.New(t)
				got := a.post(body)
				is.Equal(got.status, 400)
				is.Equal(got.code(), "invalid_json")
			})
		}
		t.Run("reads nesting of 32 levels", func(t *testing.T) {
			is.New(t).Equal(a.post(nested(32)).code(), "validation_failed")
		})
		t.Run("accepts white space around the object", func(t *testing.T) {
			is.New(t).Equal(a.post(" \r\n\t"+mobileMoney+"\n").status, 201)
		})
	})
}

func TestUnknownMembersAreRefused(t *testing.T) {
	a := newAPI(t, openSQLite(t))
	for _, name := range []string{"amout", "Amount", "CURRENCY", "user_phone ", "", "id", "customer_id", "payment_id", "account", "idempotency_key"} {
		t.Run(name, func(t *testing.T) {
			for _, value := range []string{`1`, `null`} {
				is := is.New(t)
				got := a.post(strings.Replace(mobileMoney, "{", fmt.Sprintf("{%q: %s, ", name, value), 1))
				is.Equal(got.status, 400)
				is.Equal(len(got.faults()), 1)
				is.True(strings.HasSuffix(got.faults()[0], " unknown_field"))
			}
		})
	}
	t.Run("the long s (U+017F) is not an s", func(t *testing.T) { // encoding/json would take it for one
		is.New(t).Equal(a.post(`{"amount": 5000, "currency": "XOF", "u\u017fer_phone": "+22507987654"}`).faults(),
			[]string{"#/user_phone missing", "#/u%C5%BFer_phone unknown_field"})
	})
	t.Run("a name longer than 256 bytes is not repeated in the answer", func(t *testing.T) {
		is := is.New(t)
		is.Equal(a.post(with(t, mobileMoney, strings.Repeat("a", 256), `1`)).faults(), []string{"#/" + strings.Repeat("a", 256) + " unknown_field"})
		is.Equal(a.post(with(t, mobileMoney, strings.Repeat("a", 257), `1`)).faults(), []string{"# unknown_field"})
	})
	t.Run("the pointer is escaped as in RFC 6901, section 6", func(t *testing.T) {
		is.New(t).Equal(a.post(with(t, mobileMoney, `a/b~c d"é`, `1`)).faults(), []string{"#/a~1b~0c%20d%22%C3%A9 unknown_field"})
	})
}

func TestNullIsAbsentAndEmptyIsMissing(t *testing.T) {
	a := newAPI(t, openSQLite(t))
	for _, name := range []string{"currency", "user_phone"} {
		for _, value := range []string{`null`, `""`} {
			is.New(t).Equal(a.post(with(t, mobileMoney, name, value)).faults(), []string{"#/" + name + " missing"})
		}
	}
	for _, name := range []string{"success_url", "cancel_url"} {
		for _, value := range []string{`null`, `""`, ``} {
			is.New(t).Equal(a.post(with(t, card, name, value)).faults(), []string{"#/" + name + " missing"})
		}
	}
	// Where a phone or a URL is optional, "" is malformed. Only an empty description is the same as none.
	is.New(t).Equal(a.post(with(t, card, "user_phone", `""`)).faults(), []string{"#/user_phone malformed"})
	for _, name := range []string{"success_url", "cancel_url"} {
		is.New(t).Equal(a.post(with(t, mobileMoney, name, `""`)).faults(), []string{"#/" + name + " malformed"})
	}
	is := is.New(t)
	is.Equal(a.post(with(t, mobileMoney, "amount", "null")).faults(), []string{"#/amount missing"})
	got := a.post(with(t, mobileMoney, "description", "null", "expires_in", "null", "payment_method", "null", "success_url", "null", "cancel_url", "null"))
	is.Equal(got.status, 201)
	is.Equal(a.post(with(t, mobileMoney, "description", `""`)).status, 201)
}

func TestEveryFaultInOneAnswer(t *testing.T) {
	eachStore(t, func(t *testing.T, store checkout.Store) {
		a := newAPI(t, store)
		t.Run("of mobile money", func(t *testing.T) {
			is := is.New(t)
			got := a.post(`{"description": "` + strings.Repeat("é", 201) + `", "expires_in": 299, "currency": "EUR", "nope": 1, "amount": 99}`)
			is.Equal(got.faults(), []string{
				"#/amount out_of_range", "#/currency unsupported", "#/user_phone missing",
				"#/description too_long", "#/expires_in out_of_range", "#/nope unknown_field",
			})
			is.Equal(got.body["detail"], "6 members of the request are not valid")
			is.Equal(got.body["title"], "Bad Request")
			is.Equal(got.body["type"], "about:blank")
			is.Equal(got.body["status"], 400.0)
		})
		t.Run("of card", func(t *testing.T) {
			is.New(t).Equal(a.post(`{"payment_method": "card", "user_phone": "12", "success_url": "x", "currency": 5, "amount": 5.5}`).faults(), []string{
				"#/amount wrong_type", "#/currency wrong_type", "#/user_phone malformed", "#/success_url malformed", "#/cancel_url missing",
			})
		})
		t.Run("of the members that both dialects share, if the payment method is unknown", func(t *testing.T) {
			for _, method := range []string{`"cash"`, `""`, `5`, `"Card"`, `"CARD "`} {
				code := "unsupported"
				if method == "5" {
					code = "wrong_type"
				}
				is.New(t).Equal(a.post(`{"payment_method": `+method+`, "currency": "usd", "success_url": "x", "amount": 1}`).faults(), []string{
					"#/amount out_of_range", "#/payment_method " + code, "#/success_url malformed",
				})
			}
		})
		t.Run("32 at most, and the number of those that are not listed", func(t *testing.T) {
			is := is.New(t)
			members := make([]string, 40)
			for i := range members {
				members[i] = fmt.Sprintf(`"x%d": 1`, i)
			}
			got := a.post(`{"amount": 1, "currency": "XOF", "user_phone": "+22507987654", ` + strings.Join(members, ",") + `}`)
			is.Equal(len(got.faults()), 32)
			is.Equal(got.faults()[0], "#/amount out_of_range")
			is.Equal(got.body["detail"], "41 members of the request are not valid; 9 more are not listed")
		})
		t.Run("and the refused request does not use up the key", func(t *testing.T) {
			is := is.New(t)
			key := "Idempotency-Key: " + uuid.NewString()
			is.Equal(a.post(`{`, key).status, 400)
			is.Equal(a.post(`{}`, key).status, 400)
			is.Equal(a.post(with(t, mobileMoney, "user_phone", `"+33612345678"`), key).status, 400)
			is.Equal(a.post(mobileMoney, key).status, 201)
		})
	})
}

// member has values of one member: each JSON text with the code of its fault, or "" if it is accepted.
type member map[string]string

// checkMember sends the request once with each value of the member, and checks the faults in the answer.
func checkMember(t *testing.T, request, name string, values member) {
	t.Helper()
	a := newAPI(t, openSQLite(t))
	for value, code := range values {
		t.Run(fmt.Sprintf("%s %.40s", name, value), func(t *testing.T) {
			is := is.New(t)
			got := a.post(with(t, request, name, value))
			if code == "" {
				is.Equal(got.faults(), nil)
				is.Equal(got.status, 201)
				return
			}
			is.Equal(got.status, 400)
			is.Equal(got.code(), "validation_failed")
			is.Equal(got.faults(), []string{"#/" + name + " " + code})
		})
	}
}

func TestAmount(t *testing.T) {
	checkMember(t, mobileMoney, "amount", member{
		`100`: "", `5000`: "", `5000.0`: "", `5e3`: "", `5.0e3`: "", `5.0E+3`: "", `50000e-1`: "", `9007199254740991`: "",
		`99`: "out_of_range", `0`: "out_of_range", `-0`: "out_of_range", `-5000`: "out_of_range", `9007199254740992`: "out_of_range",
		`9223372036854775808`: "out_of_range", `1e400`: "out_of_range", `1e1000000000`: "out_of_range", `-1e400`: "out_of_range",
		`0e1000000000`: "out_of_range",
		`5000.5`:       "wrong_type", `99.5`: "wrong_type", `1e-400`: "wrong_type", `5000.0000000000000000000000001`: "wrong_type",
		`"5000"`: "wrong_type", `true`: "wrong_type", `[5000]`: "wrong_type", `{}`: "wrong_type", `""`: "wrong_type",
		`null`: "missing",
	})
	t.Run("is answered as a whole number, in whatever form it was sent", func(t *testing.T) {
		is := is.New(t)
		a := newAPI(t, openSQLite(t))
		is.True(strings.Contains(a.post(with(t, mobileMoney, "amount", `5.0e3`)).raw, `"amount":5000,`))
		is.True(strings.Contains(a.post(with(t, mobileMoney, "amount", `9007199254740991`)).raw, `"amount":9007199254740991,`))
	})
}

func TestCurrency(t *testing.T) {
	checkMember(t, mobileMoney, "currency", member{
		`"XOF"`: "", `"xof"`: "unsupported", `"XAF"`: "unsupported", `"usd"`: "unsupported", `" XOF"`: "unsupported",
		`5`: "wrong_type", `""`: "missing", `null`: "missing",
	})
	checkMember(t, card, "currency", member{
		`"usd"`: "", `"USD"`: "", `"Usd"`: "", `"eur"`: "", `"xof"`: "",
		`"gbp"`: "unsupported", `"zzz"`: "unsupported", `"us"`: "unsupported", `"dollar"`: "unsupported", `"uſd"`: "unsupported",
		`true`: "wrong_type", `""`: "missing", `null`: "missing",
	})
	t.Run("is answered in lower case for card and in upper case for mobile money", func(t *testing.T) {
		is := is.New(t)
		a := newAPI(t, openSQLite(t))
		is.Equal(a.post(with(t, card, "currency", `"EUR"`)).body["currency"], "eur")
		is.Equal(a.post(with(t, card, "currency", `"XOF"`)).body["currency"], "xof")
		is.Equal(a.post(mobileMoney).body["currency"], "XOF")
	})
}

func TestPaymentMethod(t *testing.T) {
	checkMember(t, mobileMoney, "payment_method", member{`"mobile_money"`: "", `null`: ""})
	t.Run("is left out for mobile money", func(t *testing.T) {
		is := is.New(t)
		a := newAPI(t, openSQLite(t))
		got := a.post(with(t, mobileMoney, "payment_method", `"mobile_money"`))
		_, there := got.body["payment_method"]
		is.True(!there)
		is.Equal(got.body["status"], "created")
		_, there = got.body["customer_id"]
		is.True(!there)
	})
	t.Run("card starts pending with a customer and needs no phone", func(t *testing.T) {
		is := is.New(t)
		got := newAPI(t, openSQLite(t)).post(card)
		is.Equal(got.body["status"], "pending")
		is.Equal(got.body["payment_method"], "card")
		is.True(strings.HasPrefix(got.body["customer_id"].(string), "cus_"))
		_, there := got.body["user_phone"]
		is.True(!there)
	})
}

func TestUserPhone(t *testing.T) {
	checkMember(t, mobileMoney, "user_phone", member{
		`"+22507987654"`: "", `"+2250707987654"`: "", `"+225 07 98 76 54"`: "", `"+225-07.98(76)54"`: "", `"+221771234567"`: "",
		`"+221338234567"`: "unsupported", `"+33612345678"`: "unsupported", `"+33142685300"`: "unsupported", `"+22520212223"`: "unsupported",
		`"07987654"`: "malformed", `"0022507987654"`: "malformed", `"+225"`: "malformed", `"+22510987654"`: "malformed",
		`"+225079876541"`: "malformed", `"+225 07 98 76 5x"`: "malformed", `"+225٠٧٩٨٧٦٥٤"`: "malformed", `"+2250707987654;ext=1"`: "malformed",
		`22507987654`: "wrong_type", `""`: "missing", `null`: "missing",
	})
	checkMember(t, card, "user_phone", member{`"+22507987654"`: "", `null`: "", `"12"`: "malformed", `"+33612345678"`: "unsupported"})
	t.Run("is answered in E.164", func(t *testing.T) {
		is.New(t).Equal(newAPI(t, openSQLite(t)).post(with(t, mobileMoney, "user_phone", `"+225 07 98 76 54"`)).body["user_phone"], "+22507987654")
	})
}

func TestRedirectURLs(t *testing.T) {
	long := "https://example.com/" + strings.Repeat("a", 2048-len("https://example.com/"))
	values := member{
		`"https://example.com/s"`: "", `"http://localhost:3000/s?order=1#x"`: "", `"HTTPS://EXAMPLE.COM"`: "", `"https://[::1]:8443/"`: "",
		`"https://example.com/succès"`: "", `"https://example.com/?id={CHECKOUT_SESSION_ID}"`: "", `"` + long + `"`: "",
		`"` + long + `a"`: "too_long",
		`"example.com/s"`: "malformed", `"/s"`: "malformed", `"//example.com/s"`: "malformed", `"ftp://example.com"`: "malformed",
		`"javascript:alert(1)"`: "malformed", `"https:///s"`: "malformed", `"https://:443/"`: "malformed", `"https:example.com"`: "malformed",
		`"https://user@example.com"`: "malformed", `"https://user:pw@example.com"`: "malformed", `"https://@example.com"`: "malformed",
		`"https://example.com\\@evil.com"`: "malformed", `"https://example.com/a b"`: "malformed", `" https://example.com"`: "malformed",
		`"https://example.com/\r\nSet-Cookie: x"`: "malformed", `"https://example.com/\u0000"`: "malformed", `"https://example.com/%zz"`: "malformed",
		`"https://exa<script>mple.com/"`: "malformed", `"https://\"onload=x\"/"`: "malformed", `"https://a,b/"`: "malformed", `"https://./"`: "malformed",
		`"https://example.com/\u202etxt.exe"`: "malformed", `"https://exam\u200bple.com/"`: "malformed", `"https://example.com/\ufeff"`: "malformed",
		`"https://example.com/\u00a0"`: "malformed", `"https://example.com/\u2003"`: "malformed", `"https://example.com/\u0085"`: "malformed",
		`"https://example.com:0/"`: "malformed", `"https://127.0.0.1:8443/s"`: "", `"https://caissé.example/s"`: "", `"http://a_b.example/s?q=%20'()"`: "",
		`"https://example.com:99999/"`: "malformed", `"https://example.com:x/"`: "malformed",
		`5`: "wrong_type", `[]`: "wrong_type",
	}
	for _, name := range []string{"success_url", "cancel_url"} {
		checkMember(t, card, name, values)
		checkMember(t, mobileMoney, name, values)
	}
}

func TestDescription(t *testing.T) {
	checkMember(t, mobileMoney, "description", member{
		`"Deux paniers d'attiéké"`: "", `"` + strings.Repeat("é", 200) + `"`: "", `"` + strings.Repeat(`\ud83d\ude00`, 200) + `"`: "",
		`""`: "", `null`: "", `"<script>"`: "",
		`"` + strings.Repeat("é", 201) + `"`: "too_long", `"a\u0000b"`: "malformed", `5`: "wrong_type",
	})
	t.Run("is left out if it is empty", func(t *testing.T) {
		got := newAPI(t, openSQLite(t)).post(with(t, mobileMoney, "description", `""`))
		_, there := got.body["description"]
		is.New(t).True(!there)
	})
}

func TestExpiresIn(t *testing.T) {
	checkMember(t, mobileMoney, "expires_in", member{
		`300`: "", `86400`: "", `1800.0`: "", `3e2`: "", `null`: "",
		`299`: "out_of_range", `86401`: "out_of_range", `0`: "out_of_range", `-1`: "out_of_range", `1e18`: "out_of_range", `1e400`: "out_of_range",
		`18446744074`: "out_of_range", // as nanoseconds it overflows an int64 and becomes 0.29 s
		`300.5`:       "wrong_type", `"300"`: "wrong_type",
	})
	t.Run("is 1800 seconds if it is absent", func(t *testing.T) {
		is := is.New(t)
		got := newAPI(t, openSQLite(t)).post(mobileMoney)
		is.Equal(got.body["created_at"], "2026-11-22T07:31:56Z")
		is.Equal(got.body["expires_at"], "2026-11-22T08:01:56Z")
	})
}
