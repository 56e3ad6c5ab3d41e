package contracttest_test

import (
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// refuses sends creates that the contract refuses. Where the document can say what is wrong, both validators have to
// find it too, so that a client that generates its checks from the document is no more lenient than the handler.
func refuses(h *host) {
	swap := func(object, old, new string) string {
		swapped := strings.Replace(object, old, new, 1)
		if swapped == object {
			h.t.Fatalf("no %s in %s", old, object)
		}
		return swapped
	}
	invalid := map[string]struct {
		fit  fit
		body string
	}{
		"no amount":                                        {breaks, `{"currency": "XOF", "user_phone": "+22507987654"}`},
		"an amount that is null":                           {breaks, swap(mobileMoney, "5000", "null")},
		"an amount in a string":                            {breaks, swap(mobileMoney, "5000", `"5000"`)},
		"an amount with a fraction":                        {breaks, swap(mobileMoney, "5000", "5000.5")},
		"an amount that is too small":                      {breaks, swap(mobileMoney, "5000", "99")},
		"an amount that is too large":                      {breaks, swap(mobileMoney, "5000", "9007199254740992")},
		"an amount that nothing holds":                     {breaks, swap(mobileMoney, "5000", "1e300")},
		"no currency":                                      {breaks, `{"amount": 5000, "user_phone": "+22507987654"}`},
		"mobile money in lower case":                       {breaksWords, swap(mobileMoney, "XOF", "xof")},
		"mobile money in dollars":                          {breaksWords, swap(mobileMoney, "XOF", "USD")},
		"a card in a currency of four":                     {breaks, swap(card, "usd", "usdt")},
		"a card in a currency that the host does not take": {fits, swap(card, "usd", "jpy")},
		"no phone":                                         {breaksWords, `{"amount": 5000, "currency": "XOF"}`},
		"a phone without plus":                             {breaks, swap(mobileMoney, "+225", "225")},
		"a phone that is a number":                         {breaks, swap(mobileMoney, `"+22507987654"`, "22507987654")},
		"a phone of France":                                {fits, swap(mobileMoney, "+22507987654", "+33612345678")},
		"a phone that is too short":                        {fits, swap(mobileMoney, "+22507987654", "+2250798")},
		"a payment method that is none":                    {breaks, withMember(mobileMoney, `"payment_method": "cash"`)},
		"a card without URLs":                              {breaksWords, `{"amount": 1000, "currency": "usd", "payment_method": "card"}`},
		"a card with a URL that is null":                   {breaksWords, swap(card, `"https://example.com/cancel"`, "null")},
		"a URL of FTP":                                     {breaks, swap(card, "https://example.com/cancel", "ftp://example.com/cancel")},
		"a URL without a host":                             {breaks, swap(card, "https://example.com/cancel", "https:///cancel")},
		"a URL with user info":                             {breaks, swap(card, "https://example.com/cancel", "https://me:secret@example.com/cancel")},
		"a URL that is relative":                           {breaks, swap(card, "https://example.com/cancel", "/cancel")},
		"a URL of 2049 characters":                         {breaks, swap(card, "https://example.com/cancel", "https://example.com/"+strings.Repeat("a", 2049-20))},
		"a URL with an escape that is none":                {breaks, swap(card, "https://example.com/cancel", "https://example.com/%zz")},
		"a description of 201 characters":                  {breaks, withMember(mobileMoney, `"description": "`+strings.Repeat("é", 201)+`"`)},
		"a description with U+0000":                        {breaks, withMember(mobileMoney, `"description": "a\u0000b"`)},
		"a life of 299 seconds":                            {breaks, withMember(mobileMoney, `"expires_in": 299`)},
		"a life of 86401 seconds":                          {breaks, withMember(mobileMoney, `"expires_in": 86401`)},
		"a life with a fraction":                           {breaks, withMember(mobileMoney, `"expires_in": 300.5`)},
		"a reference of 256 characters":                    {breaks, withMember(mobileMoney, `"client_reference": "`+strings.Repeat("r", 256)+`"`)},
		"metadata with 21 members":                         {breaks, withMember(mobileMoney, `"metadata": {`+manyTexts(21)+`}`)},
		"metadata with a name with a space":                {breaks, withMember(mobileMoney, `"metadata": {"a b": "c"}`)},
		"metadata with a number":                           {breaks, withMember(mobileMoney, `"metadata": {"size": 42}`)},
		"metadata with an empty value":                     {breaks, withMember(mobileMoney, `"metadata": {"size": ""}`)},
		"metadata that is a list":                          {breaks, withMember(mobileMoney, `"metadata": ["size"]`)},
		"a member that is not listed":                      {breaks, withMember(mobileMoney, `"tip/~ é": 100`)},
		"a member that is not listed and null":             {breaks, withMember(mobileMoney, `"customer_id": null`)},
		"a member in another letter case":                  {breaks, swap(mobileMoney, "amount", "Amount")},
		"forty members that are not listed":                {breaks, withMember(mobileMoney, manyMembers(40))},
	}
	for name, c := range inOrder(invalid) {
		h.expect("refuses: "+name, call{operation: "createCheckout", body: c.body}, c.fit, 400, "validation_failed")
	}

	// That a member is given twice and how deep it nests no schema can say; what is no JSON at all the judges read too.
	badJSON := map[string]struct {
		fit  fit
		body string
	}{
		"no body":                        {breaks, ""},
		"an array":                       {breaks, "[]"},
		"null":                           {breaks, "null"},
		"half an object":                 {breaks, `{"amount": 5000`},
		"a number with a leading 0":      {breaks, swap(mobileMoney, "5000", "05000")},
		"something after the object":     {beyond, mobileMoney + "x"},
		"a byte-order mark":              {beyond, "\ufeff" + mobileMoney},
		"bytes that are not UTF-8":       {beyond, withMember(mobileMoney, `"description": "`+"\xff"+`"`)},
		"a lone surrogate":               {beyond, withMember(mobileMoney, `"description": "\ud800"`)},
		"a member given twice":           {beyond, withMember(mobileMoney, `"amount": 5000`)},
		"a member given twice by escape": {beyond, withMember(mobileMoney, `"\u0061mount": 5000`)},
		"an object that nests too deep":  {beyond, withMember(mobileMoney, `"description": `+strings.Repeat("[", 40)+strings.Repeat("]", 40))},
	}
	for name, c := range inOrder(badJSON) {
		h.expect("refuses as JSON: "+name, call{operation: "createCheckout", body: c.body}, c.fit, 400, "invalid_json")
	}

	key := uuid.NewString()
	headers := map[string]struct {
		fit    fit
		header []string
		status int
		code   string
	}{
		"no key":                       {breaks, []string{"Idempotency-Key:"}, 400, "idempotency_key_missing"},
		"a blank key":                  {breaks, []string{"Idempotency-Key:   "}, 400, "idempotency_key_missing"},
		"an empty quoted key":          {breaks, []string{`Idempotency-Key: ""`}, 400, "idempotency_key_missing"},
		"a key that is no UUID":        {breaks, []string{"Idempotency-Key: order-1"}, 400, "idempotency_key_invalid"},
		"a key without hyphens":        {breaks, []string{"Idempotency-Key: " + strings.ReplaceAll(key, "-", "")}, 400, "idempotency_key_invalid"},
		"a key in half a quotation":    {breaks, []string{`Idempotency-Key: "` + key}, 400, "idempotency_key_invalid"},
		"a key with parameters":        {breaks, []string{`Idempotency-Key: "` + key + `";a=1`}, 400, "idempotency_key_invalid"},
		"a key of 1001 characters":     {breaks, []string{"Idempotency-Key: " + strings.Repeat("a", 1001)}, 400, "idempotency_key_invalid"},
		"the nil UUID":                 {beyond, []string{"Idempotency-Key: 00000000-0000-0000-0000-000000000000"}, 400, "idempotency_key_invalid"},
		"the max UUID":                 {beyond, []string{"Idempotency-Key: FFFFFFFF-ffff-ffff-ffff-ffffffffffff"}, 400, "idempotency_key_invalid"},
		"a key sent twice":             {beyond, []string{"Idempotency-Key: " + key, "Idempotency-Key: " + key}, 400, "idempotency_key_invalid"},
		"another media type":           {breaks, []string{"Content-Type: text/plain"}, 415, "unsupported_media_type"},
		"no media type":                {breaks, []string{"Content-Type:"}, 415, "unsupported_media_type"},
		"a body that is compressed":    {breaks, []string{"Content-Encoding: gzip"}, 415, "unsupported_media_type"},
		"two media types":              {beyond, []string{"Content-Type: application/json", "Content-Type: text/plain"}, 415, "unsupported_media_type"},
		"a media type that only looks": {breaks, []string{"Content-Type: application/jsonp"}, 415, "unsupported_media_type"},
	}
	for name, c := range inOrder(headers) {
		h.expect("refuses: "+name, call{operation: "createCheckout", header: c.header, body: mobileMoney}, c.fit, c.status, c.code)
	}

	long := mobileMoney + strings.Repeat(" ", 64<<10)
	h.expect("refuses a body whose declared length is beyond the limit",
		call{operation: "createCheckout", body: long}, beyond, 413, "payload_too_large")
	h.expect("refuses a body that turns out beyond the limit",
		call{operation: "createCheckout", body: long, chunked: true}, beyond, 413, "payload_too_large")
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
