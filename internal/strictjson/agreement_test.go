package strictjson_test

import (
	"bytes"
	"encoding/json"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/matryer/is"

	"github.com/caisse/checkout/internal/strictjson"
)

// tables returns every text of the tables refused and accepted.
func tables() []string {
	var texts []string
	for _, c := range refused {
		texts = append(texts, c.text)
	}
	for _, c := range accepted {
		texts = append(texts, c.text)
	}
	return texts
}

// corpus returns the texts of tables and those of JSONTestSuite, the latter as they are and also as the value of a member.
func corpus() []string {
	texts := tables()
	for _, text := range slices.Concat(suiteYes, suiteNo, suiteEither) {
		texts = append(texts, text, `{"a":`+text+`}`)
	}
	return texts
}

func TestParseObjectAgainstEncodingJSON(t *testing.T) {
	t.Run("agrees on every text", func(t *testing.T) {
		for _, text := range corpus() {
			agree(t, []byte(text))
		}
	})

	t.Run("agrees on every text cut short at each of its first 200 bytes", func(t *testing.T) {
		for _, text := range tables() {
			for n := range min(len(text), 200) {
				agree(t, []byte(text[:n]))
			}
		}
	})

	t.Run("agrees on every text with one of its first 40 bytes replaced by a byte that matters in JSON", func(t *testing.T) {
		for _, text := range tables() {
			for i := range min(len(text), 40) {
				for _, c := range []byte("{}[]\",:\\u0-.e a\x00\xff") {
					changed := []byte(text[:min(len(text), 200)])
					changed[i] = c
					agree(t, changed)
				}
			}
		}
	})
}

// agree compares ParseObject with encoding/json. If ParseObject accepts a text, encoding/json must read the same members from it. If
// ParseObject refuses a text, the text must have the flaw that the error names.
func agree(t *testing.T, data []byte) {
	t.Helper()
	members, err := strictjson.ParseObject(nil, data, maxDepth)
	if err != nil {
		fault, ok := err.(*strictjson.SyntaxError)
		switch {
		case !ok:
			t.Errorf("%.200q: the error is a %T, want a *SyntaxError", data, err)
		case fault.Offset < 0 || fault.Offset > int64(len(data)):
			t.Errorf("%.200q: the error names byte %d of a text of %d bytes", data, fault.Offset, len(data))
		case !slices.Contains(flaws(data), fault.Reason):
			t.Errorf("%.200q: refused for %q, but its flaws are %q", data, fault.Reason, flaws(data))
		}
		return
	}
	if !json.Valid(data) {
		t.Fatalf("%.200q: accepted, but encoding/json refuses it", data)
	}
	if flaws := flaws(data); flaws != nil {
		t.Fatalf("%.200q: accepted, although its flaws are %q", data, flaws)
	}
	compare(t, data, members)
}

// compare checks that the members are those that encoding/json decodes.
func compare(t *testing.T, data []byte, members []strictjson.Member) {
	t.Helper()
	var object map[string]json.RawMessage
	if err := json.Unmarshal(data, &object); err != nil {
		t.Fatalf("%.200q: %v", data, err)
	}
	if len(object) != len(members) {
		t.Fatalf("%.200q: got %d members, encoding/json has %d", data, len(members), len(object))
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.Token() // the brace
	for _, m := range members {
		name, err := decoder.Token()
		var raw json.RawMessage
		if err != nil || name != m.Name || decoder.Decode(&raw) != nil {
			t.Fatalf("%.200q: got member %q, encoding/json has %q", data, m.Name, name)
		}
		values := json.NewDecoder(bytes.NewReader(raw))
		values.UseNumber()
		var want any
		if err := values.Decode(&want); err != nil {
			t.Fatalf("%.200q: %v", data, err)
		}
		kind, text := strictjson.Null, ""
		switch want := want.(type) {
		case bool:
			kind = strictjson.Bool
		case json.Number:
			kind = strictjson.Number
		case string:
			kind, text = strictjson.String, want
		case []any:
			kind = strictjson.Array
		case map[string]any:
			kind = strictjson.Object
		}
		if m.Value.Kind() != kind || m.Value.Text() != text {
			t.Fatalf("%.200q: %q has kind %d and text %q; encoding/json has %d and %q", data, m.Name, m.Value.Kind(), m.Value.Text(), kind, text)
		}
		if kind == strictjson.Number {
			checkInt64(t, string(raw), m.Value)
		}
	}
}

// flaws returns all reasons for which a text may be refused. It shares no code with the decoder: it uses encoding/json for the grammar,
// the tokens of encoding/json for nesting and names, and a regular expression for surrogates. A text without flaws must be accepted.
func flaws(data []byte) []string {
	var found []string
	add := func(when bool, reason string) {
		if when {
			found = append(found, reason)
		}
	}
	text := string(data)
	add(strings.Trim(text, " \t\r\n") == "", "empty text")
	add(strings.HasPrefix(text, "\ufeff"), "byte-order mark")
	add(!utf8.Valid(data), "invalid UTF-8")
	add(!json.Valid(data), "bad syntax")
	add(endsTooSoon(data), "unexpected end")
	start := strings.TrimLeft(text, " \t\r\n")
	add(start != "" && start[0] != '{', "not an object")
	add(endsTooLate(data), "text after the object")
	add(lone.MatchString(escapes.ReplaceAllString(text, "")), "lone surrogate")
	deep, twice := structure(data)
	add(deep, "nested too deep")
	add(twice, "member given twice")
	return found
}

var (
	escapes = regexp.MustCompile(`\\[^u]|\\u[dD][89abAB]..\\u[dD][c-fC-F]..`) // escapes of one letter, and surrogate pairs
	lone    = regexp.MustCompile(`\\u[dD][89a-fA-F]`)
)

// endsTooSoon reports whether the text ends within a value.
func endsTooSoon(data []byte) bool {
	var raw json.RawMessage
	return json.NewDecoder(bytes.NewReader(data)).Decode(&raw) == io.ErrUnexpectedEOF
}

// endsTooLate reports whether the text goes on after its first value.
func endsTooLate(data []byte) bool {
	var raw json.RawMessage
	return json.NewDecoder(bytes.NewReader(data)).Decode(&raw) == nil && !json.Valid(data)
}

// structure reads the tokens up to the first syntax error. It reports whether they are nested too deep, and whether a member is given
// twice.
func structure(data []byte) (deep, twice bool) {
	type level struct {
		names  map[string]bool // those of an object so far; nil in an array
		isName bool            // whether the next token is a name
	}
	var levels []level
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	for {
		token, err := decoder.Token()
		if err != nil {
			return deep, twice
		}
		switch token {
		case json.Delim('{'):
			levels = append(levels, level{map[string]bool{}, true})
			deep = deep || len(levels) > maxDepth
			continue
		case json.Delim('['):
			levels = append(levels, level{})
			deep = deep || len(levels) > maxDepth
			continue
		case json.Delim('}'), json.Delim(']'):
			levels = levels[:len(levels)-1]
		}
		if len(levels) == 0 {
			continue
		}
		top := &levels[len(levels)-1]
		if name, ok := token.(string); ok && top.isName {
			twice = twice || top.names[name]
			top.names[name] = true
			top.isName = false
			continue
		}
		top.isName = top.names != nil
	}
}

func FuzzParseObject(f *testing.F) {
	for _, text := range corpus() {
		if len(text) < 500 {
			f.Add([]byte(text))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		agree(t, data)
		if !bytes.Equal(data, before) {
			t.Error("ParseObject has changed its input")
		}
	})
}

func TestJSONTestSuite(t *testing.T) {
	t.Run("accepts every text that a parser must accept, as a member", func(t *testing.T) {
		for _, text := range suiteYes {
			is := is.New(t)
			members, err := strictjson.ParseObject(nil, []byte(`{"a":`+text+`}`), maxDepth)
			is.NoErr(err) // must be accepted
			is.Equal(len(members), 1)
		}
	})

	t.Run("refuses every text that a parser must refuse, alone and as a member", func(t *testing.T) {
		is := is.New(t)
		for _, text := range suiteNo {
			for _, document := range []string{text, `{"a":` + text + `}`} {
				if _, err := strictjson.ParseObject(nil, []byte(document), maxDepth); err == nil {
					t.Errorf("accepted %q", document)
				}
			}
		}
		is.True(len(suiteNo) > 100)
	})

	t.Run("refuses every text that a parser may refuse, except numbers of any size", func(t *testing.T) {
		for _, text := range suiteEither {
			_, err := strictjson.ParseObject(nil, []byte(`{"a":`+text+`}`), maxDepth)
			number := strings.Contains("-0123456789", text[:1])
			if (err == nil) != number {
				t.Errorf("%q: %v", text, err)
			}
		}
	})
}
