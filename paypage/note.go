package paypage

import (
	"encoding/base64"

	"github.com/caisse/checkout"
)

const (
	// maxNoteText is the length of the longest reason in a note, in code points. A longer reason is cut.
	maxNoteText = 200
	// maxNextURL is the length of the longest URL of a processor's page, in bytes. The URL is encrypted in a note, and the note must fit
	// into a request line.
	maxNextURL = 4096
)

// note is a message to the payer. The answer to a form redirects to the page, and the page shows the note. The note is encrypted in the
// URL of the redirect. So a reload and the back button show it again, in any process, and nobody else can make one. It is bound to
// the session and its payment: once another attempt has begun, the page ignores it.
type note struct {
	kind byte
	text string
}

const (
	noteNone    = 0
	noteRefused = 'r' // text: the reason
	noteTrouble = 'u'
	noteTooMany = 'm'
	noteGo      = 'g' // text: the URL of the processor's page
)

func (k keyring) seal(n note, s *checkout.Session) string {
	plain := append(make([]byte, 0, 1+len(n.text)), n.kind)
	return base64.RawURLEncoding.EncodeToString(k[0].note.seal(append(plain, n.text...), boundTo(s)))
}

func (k keyring) note(sealed string, s *checkout.Session) note {
	text, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil {
		return note{}
	}
	bound := boundTo(s)
	for i := range k {
		if plain, ok := k[i].note.open(text, bound); ok && len(plain) > 0 {
			return note{kind: plain[0], text: string(plain[1:])}
		}
	}
	return note{}
}

func boundTo(s *checkout.Session) []byte {
	return []byte(s.Account.ID + "\x00" + s.ID + "\x00" + s.PaymentID)
}
