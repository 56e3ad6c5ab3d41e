package contracttest_test

import (
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// refuses sends creates that the handler must refuse. If the document can express the mistake, both validators must find it too. So a
// client that generates its checks from the document finds these mistakes before it sends them.
func refuses(h *host) {
	swap := func(object, old, new string) string {
		swapped := strings.Replace(object, old, new, 1)
		if swapped == object {
			h.t.Fatalf("the text %s to replace is not in %s", old, object)
		}
		return swapped
	}
	invalid := map[string]struct {
		fit  fit
		body string
	}{
		"no amount":                                        {violates, `{"currency": "XOF", "user_phone": "+22507987654"}`},
		"an amount that is null":                           {violates, swap(mobileMoney, "5000", "null")},
		"an amount in a string":                            {violates, swap(mobileMoney, "5000", `"5000"`)},
		"an amount with a fraction":                        {violates, swap(mobileMoney, "5000", "5000.5")},
		"an amount that is too small":                      {violates, swap(mobileMoney, "5000", "99")},
		"an amount that is too large":                      {violates, swap(mobileMoney, "5000", "9007199254740992")},
		"an amount that no integer type can hold":          {violates, swap(mobileMoney, "5000", "1e300")},
		"no currency":                                      {violates, `{"amount": 5000, "user_phone": "+22507987654"}`},
		"mobile money in lower case":                       {violatesProse, swap(mobileMoney, "XOF", "xof")},
		"mobile money in dollars":                          {violatesProse, swap(mobileMoney, "XOF", "USD")},
		"a card in a currency of four letters":             {violates, swap(card, "usd", "usdt")},
		"a card in a currency that the host does not take": {fits, swap(card, "usd", "jpy")},
		"no phone":                          {violatesProse, `{"amount": 5000, "currency": "XOF"}`},
		"a phone without a plus sign":       {violates, swap(mobileMoney, "+225", "225")},
		"a phone that is a number":          {violates, swap(mobileMoney, `"+22507987654"`, "22507987654")},
		"a phone number of France":          {fits, swap(mobileMoney, "+22507987654", "+33612345678")},
		"a phone that is too short":         {fits, swap(mobileMoney, "+22507987654", "+2250798")},
		"an unknown payment method":         {violates, withMember(mobileMoney, `"payment_method": "cash"`)},
		"a card without URLs":               {violatesProse, `{"amount": 1000, "currency": "usd", "payment_method": "card"}`},
		"a card with a URL that is null":    {violatesProse, swap(card, `"https://example.com/cancel"`, "null")},
		"a URL of FTP":                      {violates, swap(card, "https://example.com/cancel", "ftp://example.com/cancel")},
		"a URL without a host":              {violates, swap(card, "https://example.com/cancel", "https:///cancel")},
		"a URL with user info":              {violates, swap(card, "https://example.com/cancel", "https://me:secret@example.com/cancel")},
		"a URL that is relative":            {violates, swap(card, "https://example.com/cancel", "/cancel")},
		"a URL of 2049 characters":          {violates, swap(card, "https://example.com/cancel", "https://example.com/"+strings.Repeat("a", 2049-20))},
		"a URL with a malformed escape":     {violates, swap(card, "https://example.com/cancel", "https://example.com/%zz")},
		"a description of 201 characters":   {violates, withMember(mobileMoney, `"description": "`+strings.Repeat("é", 201)+`"`)},
		"a description with U+0000":         {violates, withMember(mobileMoney, `"description": "a\u0000b"`)},
		"an expiry after 299 seconds":       {violates, withMember(mobileMoney, `"expires_in": 299`)},
		"an expiry after 86401 seconds":     {violates, withMember(mobileMoney, `"expires_in": 86401`)},
		"an expiry with a fraction":         {violates, withMember(mobileMoney, `"expires_in": 300.5`)},
		"a reference of 256 characters":     {violates, withMember(mobileMoney, `"client_reference": "`+strings.Repeat("r", 256)+`"`)},
		"metadata with 21 members":          {violates, withMember(mobileMoney, `"metadata": {`+manyTexts(21)+`}`)},
		"metadata with a name with a space": {violates, withMember(mobileMoney, `"metadata": {"a b": "c"}`)},
		"metadata with a number":            {violates, withMember(mobileMoney, `"metadata": {"size": 42}`)},
		"metadata with an empty value":      {violates, withMember(mobileMoney, `"metadata": {"size": ""}`)},
		"metadata that is a list":           {violates, withMember(mobileMoney, `"metadata": ["size"]`)},
		"an unknown member":                 {violates, withMember(mobileMoney, `"tip/~ é": 100`)},
		"an unknown member that is null":    {violates, withMember(mobileMoney, `"customer_id": null`)},
		"a member in another letter case":   {violates, swap(mobileMoney, "amount", "Amount")},
		"forty unknown members":             {violates, withMember(mobileMoney, manyMembers(40))},
	}
	for name, c := range inOrder(invalid) {
		h.expect("refuses: "+name, call{operation: "createCheckout", body: c.body}, c.fit, 400, "validation_failed")
	}

	// A body is unjudged if no schema can express its mistake, such as a member given twice, or if some JSON parsers accept it. The
	// validators must refuse the other bodies.
	badJSON := map[string]struct {
		fit  fit
		body string
	}{
		"no body":                    {violates, ""},
		"an array":                   {violates, "[]"},
		"null":                       {violates, "null"},
		"half an object":             {violates, `{"amount": 5000`},
		"a number with a leading 0":  {violates, swap(mobileMoney, "5000", "05000")},
		"something after the object": {unjudged, mobileMoney + "x"},
		"a byte-order mark":          {unjudged, "\ufeff" + mobileMoney},
		"bytes that are not UTF-8":   {unjudged, withMember(mobileMoney, `"description": "`+"\xff"+`"`)},
		"a lone surrogate":           {unjudged, withMember(mobileMoney, `"description": "\ud800"`)},
		"a member given twice":       {unjudged, withMember(mobileMoney, `"amount": 5000`)},
		"a member given twice, once with an escape": {unjudged, withMember(mobileMoney, `"\u0061mount": 5000`)},
		"an object that nests too deep":             {unjudged, withMember(mobileMoney, `"description": `+strings.Repeat("[", 40)+strings.Repeat("]", 40))},
	}
	for name, c := range inOrder(badJSON) {
		h.expect("refuses the JSON of: "+name, call{operation: "createCheckout", body: c.body}, c.fit, 400, "invalid_json")
	}

	key := uuid.NewString()
	headers := map[string]struct {
		fit    fit
		header []string
		status int
		code   string
	}{
		"no key":                                  {violates, []string{"Idempotency-Key:"}, 400, "idempotency_key_missing"},
		"a blank key":                             {violates, []string{"Idempotency-Key:   "}, 400, "idempotency_key_missing"},
		"an empty quoted key":                     {violates, []string{`Idempotency-Key: ""`}, 400, "idempotency_key_missing"},
		"a key that is not a UUID":                {violates, []string{"Idempotency-Key: order-1"}, 400, "idempotency_key_invalid"},
		"a key without hyphens":                   {violates, []string{"Idempotency-Key: " + strings.ReplaceAll(key, "-", "")}, 400, "idempotency_key_invalid"},
		"a key with only an opening quote":        {violates, []string{`Idempotency-Key: "` + key}, 400, "idempotency_key_invalid"},
		"a key with parameters":                   {violates, []string{`Idempotency-Key: "` + key + `";a=1`}, 400, "idempotency_key_invalid"},
		"a key of 1001 characters":                {violates, []string{"Idempotency-Key: " + strings.Repeat("a", 1001)}, 400, "idempotency_key_invalid"},
		"the nil UUID":                            {unjudged, []string{"Idempotency-Key: 00000000-0000-0000-0000-000000000000"}, 400, "idempotency_key_invalid"},
		"the max UUID":                            {unjudged, []string{"Idempotency-Key: FFFFFFFF-ffff-ffff-ffff-ffffffffffff"}, 400, "idempotency_key_invalid"},
		"a key sent twice":                        {unjudged, []string{"Idempotency-Key: " + key, "Idempotency-Key: " + key}, 400, "idempotency_key_invalid"},
		"another media type":                      {violates, []string{"Content-Type: text/plain"}, 415, "unsupported_media_type"},
		"no media type":                           {violates, []string{"Content-Type:"}, 415, "unsupported_media_type"},
		"the encoding gzip":                       {violates, []string{"Content-Encoding: gzip"}, 415, "unsupported_media_type"},
		"two media types":                         {unjudged, []string{"Content-Type: application/json", "Content-Type: text/plain"}, 415, "unsupported_media_type"},
		"a media type that only begins like JSON": {violates, []string{"Content-Type: application/jsonp"}, 415, "unsupported_media_type"},
	}
	for name, c := range inOrder(headers) {
		h.expect("refuses: "+name, call{operation: "createCheckout", header: c.header, body: mobileMoney}, c.fit, c.status, c.code)
	}

	long := mobileMoney + strings.Repeat(" ", 64<<10)
	h.expect("refuses a body whose declared length exceeds the limit",
		call{operation: "createCheckout", body: long}, unjudged, 413, "payload_too_large")
	h.expect("refuses a body of undeclared length that exceeds the limit",
		call{operation: "createCheckout", body: long, chunked: true}, unjudged, 413, "payload_too_large")
}

func manyTexts(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(`"m%d": "x"`, i))
	}
	return strings.Join(list, ", ")
}

func manyMembers(n int) string {
	var list []string
	for i := range n {
		list = append(list, `"`+strings.Repeat("x", i+1)+`": 1`)
	}
	return strings.Join(list, ", ")
}
