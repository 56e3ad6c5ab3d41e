package memory

import (
	"cmp"
	"slices"
	"sort"
	"strings"
)

// place is a place in the order of an account's sessions: by creation, and at the same instant by ID.
type place struct {
	created int64 // microseconds since 1970
	id      string
}

func (r *record) placed() place { return place{r.created, r.id()} }

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.created, q.created), strings.Compare(p.id, q.id))
}

// chunkSize is how many records one chunk holds at most.
const chunkSize = 512

// order has records of one account, oldest first, in chunks. So to insert or remove one among a million moves a few hundred pointers.
type order struct {
	chunks [][]*record // none is empty
}

// find returns the position of the first record that is at p or after it.
func (o *order) find(p place) (chunk, index int) {
	chunk = sort.Search(len(o.chunks), func(i int) bool {
		c := o.chunks[i]
		return c[len(c)-1].placed().compare(p) >= 0
	})
	if chunk == len(o.chunks) {
		return chunk, 0
	}
	index, _ = slices.BinarySearchFunc(o.chunks[chunk], p, func(r *record, p place) int { return r.placed().compare(p) })
	return chunk, index
}

func (o *order) insert(r *record) {
	chunk, index := o.find(r.placed())
	if chunk == len(o.chunks) { // it is the newest, as nearly always
		if chunk == 0 || len(o.chunks[chunk-1]) >= chunkSize {
			o.chunks = append(o.chunks, []*record{r})
			return
		}
		o.chunks[chunk-1] = append(o.chunks[chunk-1], r)
		return
	}
	c := slices.Insert(o.chunks[chunk], index, r)
	if len(c) <= chunkSize {
		o.chunks[chunk] = c
		return
	}
	o.chunks[chunk] = slices.Clone(c[:chunkSize/2])
	o.chunks = slices.Insert(o.chunks, chunk+1, slices.Clone(c[chunkSize/2:]))
}

func (o *order) remove(r *record) {
	chunk, index := o.find(r.placed())
	if c := slices.Delete(o.chunks[chunk], index, index+1); len(c) > 0 {
		o.chunks[chunk] = c
		return
	}
	o.chunks = slices.Delete(o.chunks, chunk, chunk+1)
}

// descent reads an order from its newest record, or from a place, to its oldest.
type descent struct {
	order        *order
	chunk, index int // the position of the record that was read last; the next one is before this position
}

// newest returns a descent from the newest record.
func (o *order) newest() descent { return descent{o, len(o.chunks), 0} }

// below returns a descent from the newest record that is before p.
func (o *order) below(p place) descent {
	chunk, index := o.find(p)
	return descent{o, chunk, index}
}

// peek returns the next record, or nil at the end.
func (d *descent) peek() *record {
	switch {
	case d.index > 0:
		return d.order.chunks[d.chunk][d.index-1]
	case d.chunk > 0:
		c := d.order.chunks[d.chunk-1]
		return c[len(c)-1]
	}
	return nil
}

// skip skips the record that peek returned.
func (d *descent) skip() {
	if d.index == 0 {
		d.chunk--
		d.index = len(d.order.chunks[d.chunk])
	}
	d.index--
}

// merge reads several orders as one, the newest record first.
type merge []descent

func (m merge) next() *record {
	var newest *descent
	for i := range m {
		if r := m[i].peek(); r != nil && (newest == nil || r.placed().compare(newest.peek().placed()) > 0) {
			newest = &m[i]
		}
	}
	if newest == nil {
		return nil
	}
	r := newest.peek()
	newest.skip()
	return r
}
