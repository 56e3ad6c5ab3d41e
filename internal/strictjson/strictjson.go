// Package strictjson reads a request body that is one JSON object, and refuses whatever two readers could
// understand differently: members given twice, invalid UTF-8, lone surrogates, a byte-order mark. encoding/json takes
// the last of two members, matches names without regard to case and replaces bad text by U+FFFD.
//
// The grammar is that of RFC 8259, and the tests hold it to what encoding/json accepts. Faults are located here and not
// by [encoding/json.SyntaxError], whose offsets change with the implementation behind it (golang.org/issue/79659).
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

// What [Value.Int64] returns for a value that is no int64.
var (
	// ErrType says that the value is no number.
	ErrType = errors.New("strictjson: not a number")
	// ErrFraction says that the number is not whole.
	ErrFraction = errors.New("strictjson: not a whole number")
	// ErrRange says that the number is whole and does not fit in 64 bits.
	ErrRange = errors.New("strictjson: number out of range")
)

// Member is one member of an object.
type Member struct {
	Name  string // decoded and otherwise as it was sent: no case folding, no normalization
	Value Value
}

// Value is what a request needs of a member's value. Of a Bool and of what is nested deeper only the kind is kept.
type Value struct {
	kind    Kind
	text    string   // of a String, decoded; of a Number, as it was sent
	members []Member // of an Object
	items   []Value  // of an Array
}

// Kind is the JSON type of the value.
func (v Value) Kind() Kind { return v.kind }

// Text is the decoded string of a String, valid UTF-8 that may hold U+0000. It is "" for any other kind.
func (v Value) Text() string {
	if v.kind != String {
		return ""
	}
	return v.text
}

// Members are those of an Object that is the value of one of the members of the text, in their order. Of an object that is
// nested deeper, and of any other kind, there are none.
func (v Value) Members() []Member { return v.members }

// Items are those of an Array that is the value of one of the members of the text, in their order. Of an array that is
// nested deeper, and of any other kind, there are none.
func (v Value) Items() []Value { return v.items }

// Int64 is the value of a Number, however it was spelled: 5000, 5000.0 and 5e3 are one. The error is [ErrFraction] or
// [ErrRange], and [ErrType] for any other kind. It takes time in proportion to what was sent, whatever that is worth.
func (v Value) Int64() (int64, error) {
	if v.kind != Number {
		return 0, ErrType
	}
	return parseInt64(v.text)
}

// SyntaxError says why and where a text was refused. It never holds any of the text, so it may be shown and logged.
type SyntaxError struct {
	Offset int64  // of the fault, in bytes from the start; the length of the text where that ends too soon
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

// greatestDepth is that of encoding/json. The decoder is recursive, and its stack must stay bounded.
const greatestDepth = 10000

// ParseObject reads data as one JSON object in UTF-8, with nothing around it but white space, and returns its members
// in their order, within room as far as they fit. It refuses a member given twice in any object, however it is spelled, and
// nesting deeper than maxDepth, where the object itself is depth 1 and 10000 is the most. What is in arrays and objects
// that are nested deeper than the members' own values is checked and not kept. The error is a [*SyntaxError], of the first fault.
//
// Time and memory grow with the length of data, not faster. The members share no memory with data.
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

// validUTF8 is the length of the longest valid prefix.
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
