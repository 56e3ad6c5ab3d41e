package strictjson_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/caisse/checkout/internal/strictjson"
)

const maxDepth = 32

// nested returns an object of the given depth: an object with depth-1 arrays inside.
func nested(depth int) string {
	return `{"a":` + strings.Repeat("[", depth-1) + `0` + strings.Repeat("]", depth-1) + `}`
}

// distinct returns an object of n members with different names, followed by the members in tail.
func distinct(n int, tail string) string {
	var b strings.Builder
	b.WriteByte('{')
	for i := range n {
		fmt.Fprintf(&b, `"%06d":1,`, i)
	}
	return strings.TrimSuffix(b.String()+tail, ",") + "}"
}

// refused has texts that must be refused, each with the reason and the byte offset of the error.
var refused = []struct {
	name, text, reason string
	offset             int64
}{
	{"an empty text", ``, "empty text", 0},
	{"only white space", " \t\r\n", "empty text", 4},

	{"a byte-order mark before the object", "\ufeff{}", "byte-order mark", 0},
	{"only a byte-order mark", "\ufeff", "byte-order mark", 0},
	{"a byte-order mark after white space", " \ufeff{}", "not an object", 1},
	{"a byte-order mark after the object", "{}\ufeff", "text after the object", 2},
	{"UTF-16 with its mark", "\xfe\xff\x00{\x00}", "invalid UTF-8", 0},
	{"UTF-16 without a mark", "{\x00}\x00", "bad syntax", 1},

	{"a byte that is not UTF-8 in a value", "{\"a\":\"é\xff\"}", "invalid UTF-8", 8},
	{"a byte that is not UTF-8 after U+FFFD", "{\"a\":\"\ufffd\xff\"}", "invalid UTF-8", 9},
	{"a byte that is not UTF-8 in a name", "{\"\x80\":1}", "invalid UTF-8", 2},
	{"a byte that is not UTF-8 deep inside", "{\"a\":[[{\"b\":\"\xe9\"}]]}", "invalid UTF-8", 13},
	{"a byte that is not UTF-8 between tokens", "{\"a\":\xa01}", "invalid UTF-8", 5},
	{"a byte that is not UTF-8 after the object", "{}\xff", "invalid UTF-8", 2},
	{"an overlong slash", "{\"a\":\"\xc0\xaf\"}", "invalid UTF-8", 6},
	{"a surrogate encoded like UTF-8", "{\"a\":\"\xed\xa0\x80\"}", "invalid UTF-8", 6},
	{"a character beyond U+10FFFF", "{\"a\":\"\xf4\x90\x80\x80\"}", "invalid UTF-8", 6},
	{"a character that is cut short", "{\"a\":\"\xe2\x82\"}", "invalid UTF-8", 6},

	{"a high surrogate alone", `{"a":"\ud800"}`, "lone surrogate", 6},
	{"a low surrogate alone", `{"a":"\udc00"}`, "lone surrogate", 6},
	{"a high surrogate before a letter", `{"a":"x\ud83dx"}`, "lone surrogate", 7},
	{"a high surrogate before six letters", `{"a":"\ud83dabcdef"}`, "lone surrogate", 6},
	{"a high surrogate before another escape", `{"a":"\uD83D\n12345"}`, "lone surrogate", 6},
	{"a high surrogate before an escaped letter", `{"a":"\ud83d\u0041"}`, "lone surrogate", 6},
	{"a high surrogate before an escaped backslash", `{"a":"\ud83d\\udc00"}`, "lone surrogate", 6},
	{"two high surrogates", `{"a":"\ud83d\ud83d\ude00"}`, "lone surrogate", 6},
	{"a low surrogate after a pair", `{"a":"\ud83d\ude00\ude00"}`, "lone surrogate", 18},
	{"a surrogate pair in the wrong order", `{"a":"\ude00\ud83d"}`, "lone surrogate", 6},
	{"a high surrogate before U+FFFD", `{"a":"\ud83d\ufffd"}`, "lone surrogate", 6},
	{"the last high surrogate alone", `{"a":"\udbff"}`, "lone surrogate", 6},
	{"the last low surrogate alone", `{"a":"\udfff"}`, "lone surrogate", 6},
	{"a lone surrogate in a name", `{"\ud800":1}`, "lone surrogate", 2},
	{"a lone surrogate in a nested value", `{"a":[{"b":["\ud800"]}]}`, "lone surrogate", 13},
	{"a lone surrogate in a nested name", `{"a":[{"\udc00":1}]}`, "lone surrogate", 8},

	{"a member given twice", `{"a":1,"a":1}`, "member given twice", 7},
	{"a member given twice with others between", `{"a":1,"b":2,"c":3,"a":4}`, "member given twice", 19},
	{"a member given twice, once as null", `{"a":null,"a":1}`, "member given twice", 10},
	{"the empty name given twice", `{"":1,"":2}`, "member given twice", 6},
	{"a member given twice by an escape", `{"a":1,"\u0061":2}`, "member given twice", 7},
	{"a member given twice, first by an escape", `{"\u0061":1,"a":2}`, "member given twice", 12},
	{"a member given twice by a short and a long escape", `{"\n":1,"\u000a":2}`, "member given twice", 8},
	{"a member given twice by hex in two cases", `{"\u00e9":1,"\u00E9":2}`, "member given twice", 12},
	{"a member given twice by an escaped slash", `{"a\/b":1,"a/b":2}`, "member given twice", 10},
	{"a member given twice by a surrogate pair", `{"😀":1,"\ud83d\ude00":2}`, "member given twice", 10},
	{"a member given twice in a nested object", `{"a":{"b":1,"b":2}}`, "member given twice", 12},
	{"a member given twice in an array", `{"a":[1,{"b":1,"b":2}]}`, "member given twice", 15},
	{"a member given twice after a nested object", `{"a":{"b":1},"a":2}`, "member given twice", 13},
	{"the first of 16 members again", distinct(16, `"000000":1`), "member given twice", 177},
	{"the first of 17 members again", distinct(17, `"000000":1`), "member given twice", 188},
	{"the 16th of 17 members again", distinct(17, `"000015":1`), "member given twice", 188},
	{"the 17th of 17 members again", distinct(17, `"000016":1`), "member given twice", 188},
	{"the 18th of 18 members again", distinct(18, `"000017":1`), "member given twice", 199},
	{"the last of 5000 members again, by an escape", distinct(5000, `"00499\u0039":1`), "member given twice", 55001},
	{"the last of 5000 members again in a nested object", `{"a":` + distinct(5000, `"004999":1`) + `}`, "member given twice", 55006},

	{"arrays one deeper than allowed", nested(33), "nested too deep", 36},
	{"objects one deeper than allowed", strings.Repeat(`{"a":`, 32) + `{}` + strings.Repeat(`}`, 32), "nested too deep", 160},
	{"100000 levels", nested(100000), "nested too deep", 36},
	{"100000 levels that never close", `{"a":` + strings.Repeat("[", 100000), "nested too deep", 36},
	{"100000 levels without an object", strings.Repeat("[", 100000), "not an object", 0},
	{"brackets after an escaped quote", `{"\"":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `}`, "nested too deep", 37},
	{"brackets after an escaped backslash", `{"\\":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `}`, "nested too deep", 37},

	{"an array", `[]`, "not an object", 0},
	{"an object in an array", ` [{}]`, "not an object", 1},
	{"a string", `"a"`, "not an object", 0},
	{"a number", `5000`, "not an object", 0},
	{"true", `true`, "not an object", 0},
	{"an array that does not close", `[1,`, "not an object", 0},
	{"null after white space", "\n\tnull", "not an object", 2},

	{"a second object", `{}{}`, "text after the object", 2},
	{"a second object after a line", "{}\n{}", "text after the object", 3},
	{"a closing brace too many", `{"a":1}}`, "text after the object", 7},
	{"a comma after the object", `{},`, "text after the object", 2},
	{"a word after the object", `{} x`, "text after the object", 3},
	{"a NUL after the object", "{}\x00", "text after the object", 2},
	{"a comment after the object", `{} // x`, "text after the object", 3},
	{"a vertical tab after the object", "{}\v", "text after the object", 2},
	{"a no-break space before the object", "\u00a0{}", "not an object", 0},

	{"an object that does not close", `{"a":1`, "unexpected end", 6},
	{"an object that ends after a brace", `{`, "unexpected end", 1},
	{"an object that ends within a string", `{"a":"b`, "unexpected end", 7},
	{"an object that ends within an escape", `{"a":"\u00`, "unexpected end", 10},
	{"an object that ends after a backslash", `{"a":"\`, "unexpected end", 7},
	{"an object that ends after a name", `{"a"`, "unexpected end", 4},
	{"an object that ends after a colon", `{"a": `, "unexpected end", 6},
	{"an object that ends after a comma", `{"a":1,`, "unexpected end", 7},
	{"an object that ends within an array", `{"a":[1`, "unexpected end", 7},
	{"an object that ends within an array, after a comma", `{"a":[1,`, "unexpected end", 8},
	{"an object that ends between surrogates", `{"a":"\ud83d\u`, "unexpected end", 14},
	{"an object that ends within a word", `{"a":tru`, "bad syntax", 5},
	{"an object that ends within a number", `{"a":-`, "bad syntax", 5},
	{"an object that is closed by a bracket", `{"a":1]`, "bad syntax", 6},
	{"an array that is closed by a brace", `{"a":[1}}`, "bad syntax", 7},
	{"an array that is closed by a brace at once", `{"a":[}}`, "bad syntax", 6},
	{"a comma before the closing bracket", `{"a":[1,]}`, "bad syntax", 8},
	{"a comma before the first element", `{"a":[,1]}`, "bad syntax", 6},
	{"elements without a comma", `{"a":[1 2]}`, "bad syntax", 8},
	{"two commas", `{"a":[1,,2]}`, "bad syntax", 8},
	{"a comma before the first member", `{,"a":1}`, "bad syntax", 1},
	{"members without a comma", `{"a":1 "b":2}`, "bad syntax", 7},
	{"members with a semicolon between", `{"a":1;"b":2}`, "bad syntax", 6},
	{"two colons", `{"a"::1}`, "bad syntax", 5},
	{"an equals sign instead of the colon", `{"a"=1}`, "bad syntax", 4},
	{"a comma before the closing brace", `{"a":1,}`, "bad syntax", 7},
	{"a member without a value", `{"a"}`, "bad syntax", 4},
	{"a member without a name", `{:1}`, "bad syntax", 1},
	{"a name without quotes", `{a:1}`, "bad syntax", 1},
	{"a name that is a number", `{1:1}`, "bad syntax", 1},
	{"a string in single quotes", `{'a':1}`, "bad syntax", 1},
	{"a raw line break in a string", "{\"a\":\"\n\"}", "bad syntax", 6},
	{"a raw NUL in a string", "{\"a\":\"\x00\"}", "bad syntax", 6},
	{"an escape that JSON does not have", `{"a":"\x41"}`, "bad syntax", 7},
	{"a capital U in an escape", `{"a":"\U0041"}`, "bad syntax", 7},
	{"a letter beyond f in an escape", `{"a":"\u00g0"}`, "bad syntax", 10},
	{"a capital letter beyond F in an escape", `{"a":"\u00G0"}`, "bad syntax", 10},
	{"an escaped line break", "{\"a\":\"\\\n\"}", "bad syntax", 7},
	{"a raw tab after an escape", "{\"a\":\"\\n\t\"}", "bad syntax", 8},
	{"a low surrogate of three digits", `{"a":"\ud83d\ude0"}`, "bad syntax", 17},
	{"a control character in a name", "{\"a\x1f\":1}", "bad syntax", 3},
	{"words run together", `{"a":nulltrue}`, "bad syntax", 5},
	{"a minus without digits", `{"a":-}`, "bad syntax", 5},
	{"full-width digits", `{"a":５}`, "bad syntax", 5},
	{"an escape of three digits", `{"a":"\u004"}`, "bad syntax", 11},
	{"a word in capitals", `{"a":True}`, "bad syntax", 5},
	{"a number that begins with 0", `{"a":05000}`, "bad syntax", 5},
	{"a number that begins with plus", `{"a":+5}`, "bad syntax", 5},
	{"a number that begins with a point", `{"a":.5}`, "bad syntax", 5},
	{"a number that ends with a point", `{"a":5.}`, "bad syntax", 5},
	{"a number in hex", `{"a":0x10}`, "bad syntax", 5},
	{"a number with a comma", `{"a":5,000}`, "bad syntax", 7},
	{"a number without its exponent", `{"a":5e}`, "bad syntax", 5},
	{"a number with two signs", `{"a":--5}`, "bad syntax", 5},
	{"NaN", `{"a":NaN}`, "bad syntax", 5},
	{"Infinity", `{"a":Infinity}`, "bad syntax", 5},
}

func TestParseObjectRefuses(t *testing.T) {
	for _, c := range refused {
		t.Run(c.name, func(t *testing.T) {
			is := is.New(t)
			members, err := strictjson.ParseObject(nil, []byte(c.text), maxDepth)
			is.Equal(members, nil)
			var fault *strictjson.SyntaxError
			is.True(errors.As(err, &fault))
			is.Equal(fault.Reason, c.reason)
			is.Equal(fault.Offset, c.offset)
			is.Equal(err.Error(), fmt.Sprintf("strictjson: %s at byte %d", c.reason, c.offset))
		})
	}
}

// accepted has texts that must be accepted, each with its members. A member is written as its name, its kind and, for a string, its text.
var accepted = []struct {
	name, text string
	want       []string
}{
	{"an object without members", `{}`, nil},
	{"white space around everything", "\r\n\t { \t\"a\"\n:\r1 , \"b\" : [ 1 , { } ] } \n", []string{"a number", "b array"}},
	{"no white space at all", `{"a":1,"b":"x","c":null}`, []string{"a number", "b string x", "c null"}},
	{"each kind", `{"a":null,"b":true,"c":false,"d":-1.5e+3,"e":"","f":[],"g":{}}`,
		[]string{"a null", "b bool", "c bool", "d number", "e string ", "f array", "g object"}},
	{"members in their order", `{"z":1,"a":2,"m":3}`, []string{"z number", "a number", "m number"}},
	{"the page's request", `{"amount":5000,"currency":"XOF","user_phone":"+22507987654","expires_in":1800}`,
		[]string{"amount number", "currency string XOF", "user_phone string +22507987654", "expires_in number"}},
	{"each escape of one letter", `{"a":"\"\\\/\b\f\n\r\t"}`, []string{"a string \"\\/\b\f\n\r\t"}},
	{"escapes by number", `{"a":"\u0041\u00e9\u20AC\uFFFF"}`, []string{"a string Aé€\uffff"}},
	{"text around escapes", `{"a":"one\ttwo\u0020three"}`, []string{"a string one\ttwo three"}},
	{"strings with escapes one after the other", `{"a":"long \u0041 one","b":"\u0042","c":"C"}`,
		[]string{"a string long A one", "b string B", "c string C"}},
	{"text without escapes, with a character beyond U+FFFF", `{"a":"Côte d'Ivoire 😀"}`, []string{"a string Côte d'Ivoire 😀"}},
	{"a surrogate pair", `{"a":"\ud83d\ude00!"}`, []string{"a string 😀!"}},
	{"the first and the last surrogate pair", `{"a":"\uD800\uDC00\udbff\udfff"}`, []string{"a string \U00010000\U0010ffff"}},
	{"neighbours of the surrogates", `{"a":"\ud7ff\ue000"}`, []string{"a string \ud7ff\ue000"}},
	{"an escaped backslash before what looks like a surrogate", `{"a":"\\ud800"}`, []string{`a string \ud800`}},
	{"an escaped backslash before the closing quote", `{"a":"\\","b":"\""}`, []string{`a string \`, `b string "`}},
	{"U+0000 by an escape", `{"a":"\u0000","\u0000":1}`, []string{"a string \x00", "\x00 number"}},
	{"U+FFFD without and with an escape", "{\"a\":\"\ufffd\\ufffd\"}", []string{"a string \ufffd\ufffd"}},
	{"U+FEFF within a string", "{\"a\":\"\ufeff\"}", []string{"a string \ufeff"}},
	{"U+2028 and DEL within a string", "{\"a\":\"\u2028\x7f\"}", []string{"a string \u2028\x7f"}},
	{"names in two cases as two names", `{"amount":1,"Amount":2,"AMOUNT":3}`, []string{"amount number", "Amount number", "AMOUNT number"}},
	{"the Kelvin sign, which is neither k nor K", "{\"k\":1,\"K\":2,\"\u212a\":3}", []string{"k number", "K number", "\u212a number"}},
	{"the long s, which is not s", "{\"s\":1,\"\u017f\":2}", []string{"s number", "\u017f number"}},
	{"composed and decomposed names as two names", "{\"\u00e9\":1,\"e\u0301\":2}", []string{"\u00e9 number", "e\u0301 number"}},
	{"the empty name", `{"":1," ":2}`, []string{" number", "  number"}},
	{"a name with an escape", `{"amo\u0075nt":1}`, []string{"amount number"}},
	{"one name in different objects", `{"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]}`, []string{"a object", "b array"}},
	{"a name that is a value elsewhere", `{"a":"b","b":"a"}`, []string{"a string b", "b string a"}},
	{"as deep as allowed", nested(32), []string{"a array"}},
	{"more brackets than the depth, side by side", `{"a":[` + strings.Repeat("[],{},", 50) + `0]}`, []string{"a array"}},
	{"brackets in strings", `{"a":"` + strings.Repeat("[{", 50) + `"}`, []string{"a string " + strings.Repeat("[{", 50)}},
	{"brackets after an escaped quote in a string", `{"a":"\"` + strings.Repeat("[", 50) + `"}`, []string{`a string "` + strings.Repeat("[", 50)}},
	{"numbers that do not fit in an int64", `{"a":1e400,"b":0.1}`, []string{"a number", "b number"}},
}

var kinds = map[strictjson.Kind]string{strictjson.Null: "null", strictjson.Bool: "bool", strictjson.Number: "number",
	strictjson.String: "string", strictjson.Array: "array", strictjson.Object: "object"}

// describe writes a member as the table does.
func describe(m strictjson.Member) string {
	s := m.Name + " " + kinds[m.Value.Kind()]
	if m.Value.Kind() == strictjson.String {
		s += " " + m.Value.Text()
	}
	return s
}

func TestParseObjectAccepts(t *testing.T) {
	for _, c := range accepted {
		t.Run(c.name, func(t *testing.T) {
			is := is.New(t)
			members, err := strictjson.ParseObject(nil, []byte(c.text), maxDepth)
			is.NoErr(err)
			var got []string
			for _, m := range members {
				got = append(got, describe(m))
			}
			is.Equal(got, c.want)
		})
	}
}

func TestParseObject(t *testing.T) {
	t.Run("keeps no reference to its input", func(t *testing.T) {
		is := is.New(t)
		data := []byte(`{"amount":5000,"currency":"XOF","de\u0073c":"\u00e9t\u00e9"}`)
		members, err := strictjson.ParseObject(nil, data, maxDepth)
		is.NoErr(err)
		clear(data)
		is.Equal(describe(members[0]), "amount number")
		is.Equal(describe(members[1]), "currency string XOF")
		is.Equal(describe(members[2]), "desc string été")
		amount, err := members[0].Value.Int64()
		is.NoErr(err)
		is.Equal(amount, int64(5000))
	})

	t.Run("writes neither into its input nor behind it", func(t *testing.T) {
		is := is.New(t)
		for _, text := range []string{`{"a":"\u0041"}`, `{"a":"\u0041"`, `{"a":1,"a":1}`} {
			buffer := []byte(text + "behind")
			_, _ = strictjson.ParseObject(nil, buffer[:len(text)], maxDepth)
			is.Equal(string(buffer), text+"behind")
		}
	})

	t.Run("reads a hundred thousand distinct members", func(t *testing.T) {
		is := is.New(t)
		members, err := strictjson.ParseObject(nil, []byte(distinct(100000, "")), maxDepth)
		is.NoErr(err)
		is.Equal(len(members), 100000)
		is.Equal(members[99999].Name, "099999")
	})

	t.Run("accepts nesting up to the depth that is given", func(t *testing.T) {
		is := is.New(t)
		for _, depth := range []int{1, 2, 31, 33, 9999, 10000} {
			text := []byte(nested(depth))
			_, err := strictjson.ParseObject(nil, text, depth)
			is.NoErr(err)
			_, err = strictjson.ParseObject(nil, text, depth-1)
			is.Equal(reason(err), "nested too deep")
		}
	})

	t.Run("accepts no deeper nesting than encoding/json, even if a greater depth is given", func(t *testing.T) {
		is := is.New(t)
		for _, depth := range []int{10001, 100000} {
			_, err := strictjson.ParseObject(nil, []byte(nested(depth)), math.MaxInt)
			is.Equal(reason(err), "nested too deep")
		}
	})

	t.Run("names the first fault", func(t *testing.T) {
		is := is.New(t)
		_, err := strictjson.ParseObject(nil, []byte(`{"a":x`+nested(33)), maxDepth)
		is.Equal(err.Error(), "strictjson: bad syntax at byte 5")
		_, err = strictjson.ParseObject(nil, []byte(nested(33)+`x`), maxDepth)
		is.Equal(err.Error(), "strictjson: nested too deep at byte 36")
	})

	t.Run("refuses every object if the depth is zero or less", func(t *testing.T) {
		is := is.New(t)
		for _, depth := range []int{0, -1} {
			_, err := strictjson.ParseObject(nil, []byte(`{}`), depth)
			is.Equal(reason(err), "nested too deep")
		}
	})
}

// reason returns the reason of a SyntaxError, or "" for any other error and for none.
func reason(err error) string {
	var fault *strictjson.SyntaxError
	if errors.As(err, &fault) {
		return fault.Reason
	}
	return ""
}

// ParseObject stores the members in the slice that it is given, if they fit, and overwrites what was there.
func TestParseObjectReusesTheGivenSlice(t *testing.T) {
	old := strictjson.Member{Name: "old"}
	for _, length := range []int{0, 1, 2, 3, 8} {
		is := is.New(t)
		given := make([]strictjson.Member, length)
		for i := range given {
			given[i] = old
		}
		members, err := strictjson.ParseObject(given, []byte(`{"a": 1, "b": "x"}`), maxDepth)
		is.NoErr(err)
		is.Equal(len(members), 2)
		is.Equal(members[0].Name, "a")
		is.Equal(members[1].Name, "b")
		if length >= 2 {
			is.Equal(&members[0], &given[0])
		}
	}
}
