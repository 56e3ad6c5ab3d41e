package groupcommit

// queue keeps calls in the order in which they arrived. It is a linked list, so that any call can be removed at a small cost: in an
// outage, thousands of callers may give up at once. Call init before anything else.
type queue[T, R any] struct{ ring call[T, R] } // ring is a sentinel before the first call and after the last one

func (q *queue[T, R]) init() { q.ring.prev, q.ring.next = &q.ring, &q.ring }

func (q *queue[T, R]) push(c *call[T, R]) {
	c.prev, c.next = q.ring.prev, &q.ring
	c.prev.next, c.next.prev = c, c
}

// pop removes the oldest call and returns it. It returns nil if the queue is empty.
func (q *queue[T, R]) pop() *call[T, R] {
	if c := q.ring.next; q.remove(c) {
		return c
	}
	return nil
}

// remove removes c, and reports false if c is not in the queue.
func (q *queue[T, R]) remove(c *call[T, R]) bool {
	if c == &q.ring || c.next == nil {
		return false
	}
	c.prev.next, c.next.prev = c.next, c.prev
	c.prev, c.next = nil, nil
	return true
}
