package paypage

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"strings"
	"sync"

	"github.com/caisse/checkout"
	"github.com/google/uuid"
)

// attemptAfter returns the payment ID of the attempt after the one with the ID previous, or of the first attempt if previous is "". The
// attempts of a session are a chain, in which each ID is computed from the one before. So the page needs no memory: two clicks compute
// the same ID, also in two processes. The ID does not depend on a key, because two processes may have different keys during a
// rotation.
//
// The ID has the form of a UUID of version 4, which operators ask for. Nobody can guess it without knowing the session.
func attemptAfter(s *checkout.Session, previous string) string {
	var space [256]byte
	b := append(space[:0], "paypage attempt\x00"...)
	if s.Account.Test {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	for _, part := range [...]string{s.Account.ID, s.ID, previous} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	sum := sha256.Sum256(b)
	id := uuid.UUID(sum[:16])
	id[6] = id[6]&0x0f | 0x40 // version 4
	id[8] = id[8]&0x3f | 0x80 // variant of RFC 9562
	return id.String()
}

// unbegun reports whether no payment of the session has begun. A card session is pending from the start, with version 1.
func unbegun(s *checkout.Session) bool {
	return s.Status == checkout.StatusCreated || s.Status == checkout.StatusPending && s.Version == 1
}

// begunHere reports whether the session's payment is an attempt of this page. The page does not repeat an attempt that the host has
// begun. Each attempt is a change of the session, so there are at most Version attempts.
func begunHere(s *checkout.Session) bool {
	id := attemptAfter(s, "")
	for range min(s.Version, 2*checkout.MaxChanges) {
		if id == s.PaymentID {
			return true
		}
		id = attemptAfter(s, id)
	}
	return false
}

// mayBegin reports whether a form's attempt fits the session as it is now. It may be the attempt under way, or the first attempt
// of a session without one. It may also be the next attempt: the page offers that only after Pay has refused the one before. A
// form with any other attempt comes from a page that is out of date.
func mayBegin(s *checkout.Session, attempt string) bool {
	switch {
	case unbegun(s):
		return attempt == attemptAfter(s, "")
	case s.Status != checkout.StatusPending:
		return false
	}
	return attempt == s.PaymentID || attempt == attemptAfter(s, s.PaymentID)
}

// form returns the hidden value of a form: an attempt, or "" if the form can only cancel, with a MAC over the attempt and the link. So a
// form of one link is invalid under another, and a payer cannot ask for an attempt that the page did not offer.
func (k keyring) form(token, attempt string) string {
	var mac [formSize]byte
	k[0].form.sum(&mac, token, attempt)
	text := make([]byte, 0, 64)
	text = append(append(text, attempt...), '.')
	return string(base64.RawURLEncoding.AppendEncode(text, mac[:]))
}

// attempt returns the attempt in the hidden value of a form, and whether the value is genuine.
func (k keyring) attempt(token, form string) (string, bool) {
	attempt, encoded, found := strings.Cut(form, ".")
	got, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if !found || err != nil {
		return "", false
	}
	genuine := false
	for i := range k {
		var mac [formSize]byte
		k[i].form.sum(&mac, token, attempt)
		genuine = hmac.Equal(got, mac[:]) || genuine
	}
	return attempt, genuine
}

// formSize is the size of the MAC in a form, in bytes. The MAC is an HMAC that is cut to this size.
const formSize = 16

// formMAC authenticates forms. It reuses its hashes, because every page view needs one.
type formMAC struct{ pool *sync.Pool } // of *formHash

type formHash struct {
	hash.Hash
	buf []byte
}

func newFormMAC(key []byte) formMAC {
	return formMAC{&sync.Pool{New: func() any { return &formHash{Hash: hmac.New(sha256.New, key)} }}}
}

func (m formMAC) sum(to *[formSize]byte, token, attempt string) {
	h := m.pool.Get().(*formHash)
	defer m.pool.Put(h)
	h.Reset()
	h.buf = append(append(append(h.buf[:0], token...), '.'), attempt...) // neither has a dot
	h.Write(h.buf)
	h.buf = h.Sum(h.buf[:0])
	copy(to[:], h.buf)
}
