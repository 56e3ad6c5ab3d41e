package strictjson

import "encoding/json"

// decoder reads a text that is valid UTF-8.
type decoder struct {
	data     []byte
	next     int // offset of the next byte
	depth    int
	maxDepth int
	scratch  []byte // for strings with escapes
}

// object reads an object and appends its members.
func (d *decoder) object(members []Member) ([]Member, error) {
	if err := d.open(); err != nil {
		return nil, err
	}
	var names nameSet
	for first := true; ; first = false {
		more, err := d.more('}', first)
		if err != nil || !more {
			return members, err
		}
		at := d.next
		if d.peek() != '"' {
			return nil, d.bad()
		}
		name, err := d.string()
		if err != nil {
			return nil, err
		}
		if !names.add(name, members) {
			d.next = at
			return nil, d.refuse(reasonDuplicate)
		}
		d.space()
		if d.peek() != ':' {
			return nil, d.bad()
		}
		d.next++
		d.space()
		value, err := d.value()
		if err != nil {
			return nil, err
		}
		members = append(members, Member{name, value})
	}
}

// array reads an array. It keeps the items if the array is the value of a member of the outermost object.
func (d *decoder) array() (items []Value, err error) {
	kept := d.depth == 1
	if err := d.open(); err != nil {
		return nil, err
	}
	for first := true; ; first = false {
		more, err := d.more(']', first)
		if err != nil || !more {
			return items, err
		}
		item, err := d.value()
		if err != nil {
			return nil, err
		}
		if kept {
			items = append(items, item)
		}
	}
}

// open reads an opening bracket.
func (d *decoder) open() error {
	if d.depth >= d.maxDepth {
		return d.refuse(reasonDepth)
	}
	d.depth++
	d.next++
	return nil
}

// more moves to the next element, or past the closing bracket. A bracket after a comma is refused when the element is read.
func (d *decoder) more(closing byte, first bool) (bool, error) {
	d.space()
	switch c := d.peek(); {
	case c == closing:
		d.next++
		d.depth--
		return false, nil
	case first:
		return true, nil
	case c == ',':
		d.next++
		d.space()
		return true, nil
	}
	return false, d.bad()
}

func (d *decoder) value() (Value, error) {
	switch d.peek() {
	case '{':
		kept := d.depth == 1
		members, err := d.object(nil)
		if !kept {
			members = nil
		}
		return Value{kind: Object, members: members}, err
	case '[':
		items, err := d.array()
		return Value{kind: Array, items: items}, err
	case '"':
		text, err := d.string()
		return Value{kind: String, text: text}, err
	}
	return d.scalar()
}

// scalar reads a number, true, false or null. It reads all bytes that can be part of one, and encoding/json checks them.
func (d *decoder) scalar() (Value, error) {
	end := d.next
	for end < len(d.data) && isScalar(d.data[end]) {
		end++
	}
	token := d.data[d.next:end]
	if !json.Valid(token) {
		return Value{}, d.bad()
	}
	d.next = end
	switch token[0] {
	case 'n':
		return Value{}, nil
	case 't', 'f':
		return Value{kind: Bool}, nil
	}
	return Value{kind: Number, text: string(token)}, nil
}

func isScalar(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || c == 'E' || c == '-' || c == '+' || c == '.'
}

func (d *decoder) space() {
	for d.next < len(d.data) {
		switch d.data[d.next] {
		case ' ', '\t', '\r', '\n':
			d.next++
		default:
			return
		}
	}
}

// peek returns the next byte, or 0 at the end. A byte 0 is valid nowhere, so a caller that looks for another byte need not check for the
// end.
func (d *decoder) peek() byte {
	if d.next == len(d.data) {
		return 0
	}
	return d.data[d.next]
}

// bad returns the error for the next byte, which is not allowed at this place, or for the end of the text.
func (d *decoder) bad() error {
	if d.next == len(d.data) {
		return d.refuse(reasonEnd)
	}
	return d.refuse(reasonSyntax)
}

func (d *decoder) refuse(reason string) error {
	return &SyntaxError{Offset: int64(d.next), Reason: reason}
}

// nameSet finds names that are given twice. It is nil until there are fewMembers names.
type nameSet map[string]struct{}

// For up to fewMembers names, a comparison with each of them is cheaper than a map.
const fewMembers = 16

// add adds a name and reports whether it is new. members are the members whose names were added before.
func (s *nameSet) add(name string, members []Member) bool {
	if len(members) < fewMembers {
		for i := range members {
			if members[i].Name == name {
				return false
			}
		}
		return true
	}
	if *s == nil {
		*s = make(nameSet, 4*fewMembers)
		for _, m := range members {
			(*s)[m.Name] = struct{}{}
		}
	}
	if _, given := (*s)[name]; given {
		return false
	}
	(*s)[name] = struct{}{}
	return true
}
