package strictjson

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// string decodes a string. It returns a copy, so that a session that keeps the string does not keep the whole body in memory.
func (d *decoder) string() (string, error) {
	d.next++
	start := d.next
	for c := d.peek(); c >= ' ' && c != '"' && c != '\\'; c = d.peek() {
		d.next++
	}
	plain := d.data[start:d.next]
	if d.peek() == '"' {
		d.next++
		return string(plain), nil
	}
	text := append(d.scratch[:0], plain...)
	for {
		switch c := d.peek(); {
		case c == '"':
			d.next++
			d.scratch = text
			return string(text), nil
		case c == '\\':
			r, err := d.escape()
			if err != nil {
				return "", err
			}
			text = utf8.AppendRune(text, r)
		case c < ' ':
			return "", d.bad()
		default:
			text = append(text, c)
			d.next++
		}
	}
}

// escape reads an escape (RFC 8259 section 7), or the two escapes of a surrogate pair.
func (d *decoder) escape() (rune, error) {
	at := d.next
	d.next++
	c := d.peek()
	if c != 'u' {
		r := unescaped(c)
		if r == 0 {
			return 0, d.bad()
		}
		d.next++
		return r, nil
	}
	r, err := d.codeUnit()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	low := rune(utf8.RuneError)
	if bytes.HasPrefix(d.data[d.next:], []byte(`\u`)) {
		d.next++
		if low, err = d.codeUnit(); err != nil {
			return 0, err
		}
	}
	if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
		d.next = at
		return 0, d.refuse(reasonSurrogate)
	}
	return r, nil
}

// unescaped returns the character that a backslash and this letter mean, or 0 if JSON has no such escape.
func unescaped(c byte) rune {
	switch c {
	case '"', '\\', '/':
		return rune(c)
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return 0
}

// codeUnit reads the "u" of an escape and its four hex digits, which are a code unit of UTF-16.
func (d *decoder) codeUnit() (rune, error) {
	var unit rune
	for range 4 {
		d.next++
		switch c := d.peek(); {
		case '0' <= c && c <= '9':
			unit = unit<<4 | rune(c-'0')
		case 'a' <= c && c <= 'f':
			unit = unit<<4 | rune(c-'a'+10)
		case 'A' <= c && c <= 'F':
			unit = unit<<4 | rune(c-'A'+10)
		default:
			return 0, d.bad()
		}
	}
	d.next++
	return unit, nil
}
