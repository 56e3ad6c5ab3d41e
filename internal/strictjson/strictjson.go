// Package strictjson reads a request body that is one JSON object. It refuses everything that two readers could understand differently:
// members given twice, invalid UTF-8, lone surrogates, and a byte-order mark. In contrast, encoding/json takes the last of two members,
// ignores the case of names, and replaces invalid text by U+FFFD.
//
// The grammar is that of RFC 8259. Tests compare it with what encoding/json accepts. The offsets of faults are computed here, because
// those of [encoding/json.SyntaxError] depend on its implementation (golang.org/issue/79659).
package strictjson

import (
	"bytes"
	"errors"
	"strconv"
	"unicode/utf8"
)

// Kind is the JSON type of a [Value].
type Kind int

// The six types of RFC 8259. The zero Value is Null.
const (
	Null Kind = iota
	Bool
	Number
	String
	Array
	Object
)

// The errors of [Value.Int64].
var (
	// ErrType says that the value is not a number.
	ErrType = errors.New("strictjson: not a number")
	// ErrFraction says that the number is not whole.
	ErrFraction = errors.New("strictjson: not a whole number")
	// ErrRange says that the number is whole and does not fit in 64 bits.
	ErrRange = errors.New("strictjson: number out of range")
)

// Member is one member of an object.
type Member struct {
	Name  string // decoded, without case folding or normalization
	Value Value
}

// Value is the value of a member, or an item of an Array. A Bool has only its kind. An Array or Object has its contents only if it is the
// value of a member of the outermost object.
type Value struct {
	kind    Kind
	text    string   // of a String, decoded; of a Number, as it was sent
	members []Member // of an Object
	items   []Value  // of an Array
}

// Kind returns the JSON type of the value.
func (v Value) Kind() Kind { return v.kind }

// Text returns the decoded string of a String. It is valid UTF-8, and may contain U+0000. It is "" for any other kind.
func (v Value) Text() string {
	if v.kind != String {
		return ""
	}
	return v.text
}

// Members returns the members, in their order, of an Object that is the value of a member of the outermost object. It returns none for
// an object that is nested deeper, and for any other kind.
func (v Value) Members() []Member { return v.members }

// Items returns the items, in their order, of an Array that is the value of a member of the outermost object. It returns none for an
// array that is nested deeper, and for any other kind.
func (v Value) Items() []Value { return v.items }

// Int64 returns the value of a Number, however it is spelled: 5000, 5000.0 and 5e3 are the same. The error is [ErrFraction] or [ErrRange],
// and [ErrType] for any other kind. Its time depends on the length of the text, not on the exponent.
func (v Value) Int64() (int64, error) {
	if v.kind != Number {
		return 0, ErrType
	}
	return parseInt64(v.text)
}

// SyntaxError says why and where a text was refused. It never contains any of the text, so it may be shown and logged.
type SyntaxError struct {
	Offset int64  // of the fault, in bytes from the start; the length of the text if the text ends too soon
	Reason string // one of a few fixed texts, such as "member given twice"
}

func (e *SyntaxError) Error() string {
	return "strictjson: " + e.Reason + " at byte " + strconv.FormatInt(e.Offset, 10)
}

// The reasons of a [SyntaxError].
const (
	reasonEmpty     = "empty text"
	reasonBOM       = "byte-order mark"
	reasonUTF8      = "invalid UTF-8"
	reasonSyntax    = "bad syntax"
	reasonEnd       = "unexpected end"
	reasonNotObject = "not an object"
	reasonAfter     = "text after the object"
	reasonDepth     = "nested too deep"
	reasonDuplicate = "member given twice"
	reasonSurrogate = "lone surrogate"
)

// greatestDepth is the limit of encoding/json. The decoder is recursive, so it needs a limit for its stack.
const greatestDepth = 10000

// ParseObject reads data as one JSON object in UTF-8, with nothing around it but white space. It returns the members in their order, and
// stores them in room if they fit. In every object it refuses a name that is given twice, however it is spelled. It refuses nesting deeper
// than maxDepth, at most 10000; the object itself is depth 1. The contents of arrays and objects that are nested deeper than the
// members' values are checked and not kept. The error is a [*SyntaxError] about the first fault.
//
// Time and memory are linear in the length of data. The members share no memory with data.
func ParseObject(room []Member, data []byte, maxDepth int) ([]Member, error) {
	if bytes.HasPrefix(data, []byte("\ufeff")) {
		return nil, &SyntaxError{0, reasonBOM}
	}
	if !utf8.Valid(data) {
		return nil, &SyntaxError{int64(validUTF8(data)), reasonUTF8}
	}
	d := decoder{data: data, maxDepth: min(maxDepth, greatestDepth)}
	d.space()
	if d.next == len(data) {
		return nil, d.refuse(reasonEmpty)
	}
	if data[d.next] != '{' {
		return nil, d.refuse(reasonNotObject)
	}
	members, err := d.object(room[:0])
	if err != nil {
		return nil, err
	}
	d.space()
	if d.next < len(data) {
		return nil, d.refuse(reasonAfter)
	}
	return members, nil
}

// validUTF8 returns the length of the longest prefix of data that is valid UTF-8.
func validUTF8(data []byte) int {
	n := 0
	for n < len(data) {
		r, size := utf8.DecodeRune(data[n:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		n += size
	}
	return n
}
