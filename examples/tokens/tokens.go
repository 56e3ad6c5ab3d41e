// Package tokens implements [checkout.Authenticator] with a table of the host's database: bearer tokens that are issued, rotated
// and revoked while the server runs. Copy it, and change the SQL to that of your database.
package tokens

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caisse/checkout"
)

// Schema is the table. It has a digest of each token, never the token, so nobody can use the tokens of a backup. SHA-256
// is enough, without salt, because a token has at least 128 random bits and is no password that somebody chose.
const Schema = `CREATE TABLE IF NOT EXISTS tokens (
	digest     BLOB NOT NULL PRIMARY KEY,
	account    TEXT NOT NULL,
	test       INTEGER NOT NULL,
	expires_at INTEGER -- Unix seconds; null: never
) STRICT`

// Tokens authenticates requests by the table tokens of a database.
type Tokens struct {
	db  *sql.DB
	now func() time.Time
}

// New returns the Tokens of a database that has the table of [Schema].
func New(db *sql.DB, now func() time.Time) *Tokens { return &Tokens{db, now} }

// Authenticate implements [checkout.Authenticator].
func (t *Tokens) Authenticate(r *http.Request) (checkout.Account, error) {
	token, ok := checkout.BearerToken(r)
	if !ok {
		return checkout.Account{}, checkout.ErrUnauthenticated // 401
	}
	var a checkout.Account
	err := t.db.QueryRowContext(r.Context(), `SELECT account, test FROM tokens WHERE digest = ? AND (expires_at IS NULL OR expires_at > ?)`,
		digest(token), t.now().Unix()).Scan(&a.ID, &a.Test)
	if errors.Is(err, sql.ErrNoRows) {
		return checkout.Account{}, checkout.ErrUnauthenticated // 401, whether it never was, was revoked or has expired
	}
	if err != nil {
		return checkout.Account{}, fmt.Errorf("look up a token: %w", err) // 503: the client tries again
	}
	return a, nil
}

// Issue makes a token for an account. It is shown once, here, and cannot be shown again.
func (t *Tokens) Issue(ctx context.Context, a checkout.Account) (token string, err error) {
	prefix := "sk_live_"
	if a.Test {
		prefix = "sk_test_" // so that a person sees which one it is, and a scanner finds it in a commit
	}
	token = prefix + rand.Text()
	_, err = t.db.ExecContext(ctx, `INSERT INTO tokens (digest, account, test) VALUES (?, ?, ?)`, digest(token), a.ID, a.Test)
	if err != nil {
		return "", err
	}
	return token, nil
}

// Rotate makes a token that replaces the account's other tokens. The others work until overlap is over, so that the merchant can put
// the new one into every program. A token that expires sooner keeps its time. After an error the other tokens may still
// work for ever: call Rotate again.
func (t *Tokens) Rotate(ctx context.Context, a checkout.Account, overlap time.Duration) (token string, err error) {
	token, err = t.Issue(ctx, a) // first, so that a failure in between leaves too many tokens, and never none
	if err != nil {
		return "", err
	}
	_, err = t.db.ExecContext(ctx, `UPDATE tokens SET expires_at = ?1 WHERE account = ?2 AND test = ?3 AND digest <> ?4 AND (expires_at IS NULL OR expires_at > ?1)`,
		t.now().Add(overlap).Unix(), a.ID, a.Test, digest(token))
	return token, err
}

// Revoke ends a token at once, for example because somebody has published it.
func (t *Tokens) Revoke(ctx context.Context, token string) error {
	_, err := t.db.ExecContext(ctx, `DELETE FROM tokens WHERE digest = ?`, digest(token))
	return err
}

func digest(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}
