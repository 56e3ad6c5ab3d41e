package paypage

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"

	"github.com/caisse/checkout"
)

const (
	keySize = 32
	// The content of a link is padded to a multiple of linkBlock, so that its length does not reveal the exact length of the
	// account's ID.
	linkBlock   = 64
	linkVersion = 1
	// maxToken is longer than any token that Link makes. In the longest token, the IDs of the account and of the session have 255
	// characters of four bytes each.
	maxToken = 4096
)

// name identifies a session.
type name struct {
	account checkout.Account
	id      string
}

// token encrypts a name.
func (k keyring) token(n name) string {
	plain := make([]byte, 0, 2*linkBlock)
	plain = append(plain, linkVersion, 0)
	if n.account.Test {
		plain[1] = 1
	}
	for _, s := range []string{n.account.ID, n.id} {
		plain = binary.AppendUvarint(plain, uint64(len(s)))
		plain = append(plain, s...)
	}
	for len(plain)%linkBlock != 0 {
		plain = append(plain, 0)
	}
	return base64.RawURLEncoding.EncodeToString(k[0].link.seal(plain, nil))
}

// name decrypts a token. An invalid token takes as much work as a valid one, whatever is wrong with it: if it is not base64, too short or
// too long, name decrypts zeros of the length of a valid token instead.
func (k keyring) name(token string) (name, bool) {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(token) > maxToken || len(sealed) < nonceSize+tagSize+linkBlock {
		sealed = make([]byte, nonceSize+tagSize+linkBlock)
	}
	var plain []byte
	for i := range k { // all keys, also after one has succeeded
		if opened, ok := k[i].link.open(sealed, nil); ok {
			plain = opened
		}
	}
	if len(plain) < 2 || plain[0] != linkVersion {
		return name{}, false
	}
	n := name{account: checkout.Account{Test: plain[1] == 1}}
	rest := plain[2:]
	for _, s := range []*string{&n.account.ID, &n.id} {
		size, used := binary.Uvarint(rest)
		if used <= 0 || size > uint64(len(rest)-used) {
			return name{}, false
		}
		*s = string(rest[used : used+int(size)])
		rest = rest[used+int(size):]
	}
	return n, true
}

// keyring has the host's keys. The first key encrypts. All keys are tried for decryption.
type keyring []keys

// keys are derived from one key of the host. There is one for each purpose.
type keys struct {
	link box
	note box // see note
	form formMAC
}

func newKeyring(host [][]byte) (keyring, error) {
	ring := make(keyring, len(host))
	for i, key := range host {
		var err error
		if ring[i].link, err = newBox(key, "link"); err != nil {
			return nil, err
		}
		if ring[i].note, err = newBox(key, "note"); err != nil {
			return nil, err
		}
		form, err := derive(key, "form")
		if err != nil {
			return nil, err
		}
		ring[i].form = newFormMAC(form)
	}
	return ring, nil
}

func derive(key []byte, purpose string) ([]byte, error) {
	return hkdf.Key(sha256.New, key, nil, "github.com/caisse/checkout/paypage "+purpose, keySize)
}

const (
	nonceSize = 12
	tagSize   = 16
)

// box encrypts with AES-256-GCM. The nonce is computed from the content, so that equal contents give equal results, and a session always
// has the same link. The nonce is an HMAC with a key of its own, cut to 96 bits. Two contents with the same nonce would break GCM. Among 2^32
// contents with one key, the probability of that is 2^-33.
type box struct {
	aead  cipher.AEAD
	nonce []byte
}

func newBox(key []byte, purpose string) (box, error) {
	sealing, err := derive(key, purpose+" seal")
	if err != nil {
		return box{}, err
	}
	nonce, err := derive(key, purpose+" nonce")
	if err != nil {
		return box{}, err
	}
	block, err := aes.NewCipher(sealing)
	if err != nil {
		return box{}, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return box{}, err
	}
	return box{aead: aead, nonce: nonce}, nil
}

func (b box) seal(plain, bound []byte) []byte {
	mac := hmac.New(sha256.New, b.nonce)
	mac.Write(binary.AppendUvarint(nil, uint64(len(bound))))
	mac.Write(bound)
	mac.Write(plain)
	out := make([]byte, nonceSize, nonceSize+len(plain)+tagSize)
	copy(out, mac.Sum(nil))
	return b.aead.Seal(out, out[:nonceSize], plain, bound)
}

func (b box) open(sealed, bound []byte) ([]byte, bool) {
	if len(sealed) < nonceSize+tagSize {
		return nil, false
	}
	plain, err := b.aead.Open(nil, sealed[:nonceSize], sealed[nonceSize:], bound)
	return plain, err == nil
}
