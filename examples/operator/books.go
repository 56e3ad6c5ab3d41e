package main

import (
	"context"
	"slices"
	"sync"

	"github.com/caisse/checkout"
)

// Books is where the host stores facts that a session does not have. A method may be called several times for the same fact, and must act
// only once. In a database a unique key ensures that. A method returns nil only if the fact is stored.
type Books interface {
	// Deliver delivers the goods of a session, once for each session.
	Deliver(ctx context.Context, s checkout.Session) error
	// GiveUp tells the payer that a session has expired, once for each session.
	GiveUp(ctx context.Context, s checkout.Session) error
	// Note records work for a person, once for each note.
	Note(ctx context.Context, n Note) error
}

// Note is work for a person: money that is in the wrong place.
type Note struct {
	SessionID string
	PaymentID string
	Text      string
}

// MemoryBooks is [Books] in memory, for the story. Its zero value is ready to use.
type MemoryBooks struct {
	mu        sync.Mutex
	delivered []string // session IDs
	givenUp   []string
	notes     []Note
}

// Deliver implements [Books].
func (b *MemoryBooks) Deliver(_ context.Context, s checkout.Session) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.delivered = addOnce(b.delivered, s.ID)
	return nil
}

// GiveUp implements [Books].
func (b *MemoryBooks) GiveUp(_ context.Context, s checkout.Session) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.givenUp = addOnce(b.givenUp, s.ID)
	return nil
}

// Note implements [Books].
func (b *MemoryBooks) Note(_ context.Context, n Note) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.notes = addOnce(b.notes, n)
	return nil
}

// Delivered lists the IDs of the sessions whose goods were handed over.
func (b *MemoryBooks) Delivered() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.delivered)
}

// GivenUp lists the IDs of the sessions whose payer was told that they expired.
func (b *MemoryBooks) GivenUp() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.givenUp)
}

// Notes lists the work that is left for a person.
func (b *MemoryBooks) Notes() []Note {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.notes)
}

func addOnce[T comparable](list []T, v T) []T {
	if slices.Contains(list, v) {
		return list
	}
	return append(list, v)
}
