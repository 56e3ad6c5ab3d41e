package idempotency_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/caisse/checkout/idempotency"
	"github.com/matryer/is"
)

const uuidKey = "0193f0c2-a7b4-7c5e-9d3a-1b2c3d4e5f60"

func TestParse(t *testing.T) {
	for _, test := range []struct {
		name, header string
		policy       idempotency.Policy
		want         idempotency.Key
		err          error
	}{
		{"a UUID", uuidKey, idempotency.UUID, uuidKey, nil},
		{"a UUID in upper case", strings.ToUpper(uuidKey), idempotency.UUID, uuidKey, nil},
		{"a quoted UUID", `"` + uuidKey + `"`, idempotency.UUID, uuidKey, nil},
		{"white space around", " \t" + uuidKey + " ", idempotency.UUID, uuidKey, nil},
		{"a UUID under the any-key policy", strings.ToUpper(uuidKey), idempotency.Any, uuidKey, nil},
		{"any key", "Order-17", idempotency.Any, "Order-17", nil},
		{"a quoted key", `"Order-17"`, idempotency.Any, "Order-17", nil},
		{"escapes in a quoted key", `"a\"b\\c"`, idempotency.Any, `a"b\c`, nil},
		{"a thousand characters", strings.Repeat("x", 1000), idempotency.Any, idempotency.Key(strings.Repeat("x", 1000)), nil},
		{"a thousand quoted characters", `"` + strings.Repeat("x", 1000) + `"`, idempotency.Any, idempotency.Key(strings.Repeat("x", 1000)), nil},

		{"nothing", "", idempotency.Any, "", idempotency.ErrMissing},
		{"white space", " \t ", idempotency.Any, "", idempotency.ErrMissing},
		{"an empty string", `""`, idempotency.Any, "", idempotency.ErrMissing},
		{"any key under the UUID policy", "Order-17", idempotency.UUID, "", idempotency.ErrInvalid},
		{"the nil UUID", "00000000-0000-0000-0000-000000000000", idempotency.Any, "", idempotency.ErrInvalid},
		{"the max UUID", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", idempotency.UUID, "", idempotency.ErrInvalid},
		{"too long", strings.Repeat("x", 1001), idempotency.Any, "", idempotency.ErrInvalid},
		{"a comma", "a,b", idempotency.Any, "", idempotency.ErrInvalid},
		{"a quoted comma", `"a,b"`, idempotency.Any, "", idempotency.ErrInvalid},
		{"a space", "a b", idempotency.Any, "", idempotency.ErrInvalid},
		{"a control character", "a\x01b", idempotency.Any, "", idempotency.ErrInvalid},
		{"not ASCII", "clé", idempotency.Any, "", idempotency.ErrInvalid},
		{"a parameter", `"a";b=1`, idempotency.Any, "", idempotency.ErrInvalid},
		{"a quote that does not end", `"a`, idempotency.Any, "", idempotency.ErrInvalid},
		{"a lone quote", `"`, idempotency.Any, "", idempotency.ErrInvalid},
		{"another escape", `"\n"`, idempotency.Any, "", idempotency.ErrInvalid},
		{"an escape without an end", `"\`, idempotency.Any, "", idempotency.ErrInvalid},
	} {
		t.Run(test.name, func(t *testing.T) {
			is := is.New(t)
			got, err := idempotency.Parse(test.header, test.policy)
			is.Equal(got, test.want)
			is.True(errors.Is(err, test.err))
			is.Equal(err == nil, test.err == nil)
		})
	}
}

func TestKeysAndFingerprintsAreRedactedInLogs(t *testing.T) {
	is := is.New(t)
	var log bytes.Buffer
	f := idempotency.Sum(1, "secret")
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", "key", idempotency.Key(uuidKey), "none", idempotency.Key(""), "fingerprint", f)
	is.True(!strings.Contains(log.String(), uuidKey))
	is.True(!strings.Contains(log.String(), f.String()))
	is.True(strings.Contains(log.String(), "key=[redacted]"))
	is.True(strings.Contains(log.String(), `none=""`))
}

func FuzzParse(f *testing.F) {
	for _, header := range []string{uuidKey, `"` + uuidKey + `"`, "Order-17", `"a\"b"`, `"a";b=1`, "", "a,b", "\x00", "clé", `"\`, `""`} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		any, anyErr := idempotency.Parse(header, idempotency.Any)
		strict, strictErr := idempotency.Parse(header, idempotency.UUID)
		if strictErr == nil && (anyErr != nil || any != strict) {
			t.Fatalf("%q: policy UUID gives %q, and policy Any %q (%v)", header, strict, any, anyErr)
		}
		for _, err := range []error{anyErr, strictErr} {
			if err != nil && !errors.Is(err, idempotency.ErrMissing) && !errors.Is(err, idempotency.ErrInvalid) {
				t.Fatalf("%q: %v", header, err)
			}
		}
		if anyErr != nil {
			return
		}
		if any == "" || len(any) > idempotency.MaxKeyLength || strings.ContainsAny(string(any), ", \t\r\n") {
			t.Fatalf("%q: accepted %q", header, any)
		}
		quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(string(any)) + `"`
		if again, err := idempotency.Parse(quoted, idempotency.Any); err != nil || again != any {
			t.Fatalf("%q: with quotes the key is %q (%v)", header, again, err)
		}
	})
}
