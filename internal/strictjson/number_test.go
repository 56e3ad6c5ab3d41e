package strictjson_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/caisse/checkout/internal/strictjson"
)

// value parses the text as the value of a member.
func value(t *testing.T, text string) strictjson.Value {
	t.Helper()
	members, err := strictjson.ParseObject(nil, []byte(`{"n":`+text+`}`), maxDepth)
	if err != nil {
		t.Fatal(err)
	}
	return members[0].Value
}

func zeros(n int) string { return strings.Repeat("0", n) }

// numbers are listed as they are spelled.
var numbers = []struct {
	name, text string
	want       int64
	err        error
}{
	{"as people write it", "5000", 5000, nil},
	{"with a decimal", "5000.0", 5000, nil},
	{"with an exponent", "5e3", 5000, nil},
	{"with an exponent in capitals and a sign", "5E+3", 5000, nil},
	{"with a decimal and an exponent", "5.0e3", 5000, nil},
	{"with a negative exponent", "50000e-1", 5000, nil},
	{"with decimals that the exponent uses up", "5.0001e4", 50001, nil},
	{"with decimals that the exponent does not use up", "5.0001e3", 0, strictjson.ErrFraction},
	{"with zeros before and after", "0.0050e6", 5000, nil},
	{"with zeros in between", "1002003.00e-0", 1002003, nil},
	{"with zeros before the exponent's digits", "5e0003", 5000, nil},
	{"negative", "-5000.0", -5000, nil},
	{"zero", "0", 0, nil},
	{"minus zero", "-0", 0, nil},
	{"minus zero with decimals", "-0.000e-7", 0, nil},
	{"zero with a great exponent", "0e1000000000", 0, nil},
	{"zero with a great negative exponent", "0.0e-99999999999999999999", 0, nil},
	{"half a franc", "5000.5", 0, strictjson.ErrFraction},
	{"less than a franc", "0.1", 0, strictjson.ErrFraction},
	{"next to nothing", "1e-400", 0, strictjson.ErrFraction},
	{"next to nothing, further than an int64 counts", "1e-99999999999999999999", 0, strictjson.ErrFraction},
	{"great and not whole", "12345678901234567890123.5", 0, strictjson.ErrFraction},
	{"greater than a float64", "1e400", 0, strictjson.ErrRange},
	{"greater than memory", "1e1000000000", 0, strictjson.ErrRange},
	{"greater than an int64 counts", "1e99999999999999999999", 0, strictjson.ErrRange},
	{"less than an int64 counts", "-1e99999999999999999999", 0, strictjson.ErrRange},
	{"an exponent at the edge of int64", "1e9223372036854775807", 0, strictjson.ErrRange},
	{"an exponent that wraps to 0 in 64 bits", "1e18446744073709551616", 0, strictjson.ErrRange},
	{"the greatest that fits", "9223372036854775807", 9223372036854775807, nil},
	{"the greatest that fits, otherwise", "922337203685477580.70e1", 9223372036854775807, nil},
	{"one more", "9223372036854775808", 0, strictjson.ErrRange},
	{"the least that fits", "-9223372036854775808", -9223372036854775808, nil},
	{"one less", "-9223372036854775809", 0, strictjson.ErrRange},
	{"the greatest of 19 digits", "9999999999999999999", 0, strictjson.ErrRange},
	{"the least of 20 digits", "10000000000000000000", 0, strictjson.ErrRange},
	{"what wraps to 1 in 64 bits", "18446744073709551617", 0, strictjson.ErrRange},
	{"a power of ten that fits", "1e18", 1000000000000000000, nil},
	{"a power of ten that does not", "1e19", 0, strictjson.ErrRange},
	{"a hundred thousand zeros and as many decimals taken away", "5" + zeros(100003) + "e-100000", 5000, nil},
	{"a hundred thousand decimals that are 0", "5000." + zeros(100000), 5000, nil},
	{"a hundred thousand decimals that are 0, then one that is not", "5000." + zeros(100000) + "1", 0, strictjson.ErrFraction},
	{"a hundred thousand decimals and an exponent that makes them good", "0." + zeros(100000) + "5e100004", 5000, nil},
	{"a hundred thousand digits", strings.Repeat("9", 100000), 0, strictjson.ErrRange},
	{"an exponent of a hundred thousand digits", "1e" + strings.Repeat("9", 100000), 0, strictjson.ErrRange},
	{"an exponent of a hundred thousand zeros", "5e" + zeros(100000) + "3", 5000, nil},
}

func TestInt64(t *testing.T) {
	for _, c := range numbers {
		t.Run("reads a number "+c.name, func(t *testing.T) {
			is := is.New(t)
			v := value(t, c.text)
			got, err := v.Int64()
			is.True(errors.Is(err, c.err)) // the right error, or none
			is.Equal(got, c.want)
			is.Equal(v.Text(), "")
		})
	}

	t.Run("allocates nothing, however long the number", func(t *testing.T) {
		is := is.New(t)
		for _, c := range numbers {
			v := value(t, c.text)
			is.Equal(testing.AllocsPerRun(10, func() { _, _ = v.Int64() }), 0.0)
		}
	})

	t.Run("is of numbers only", func(t *testing.T) {
		is := is.New(t)
		for _, text := range []string{`"5000"`, `""`, `null`, `true`, `false`, `[5000]`, `{"n":5000}`} {
			n, err := value(t, text).Int64()
			is.Equal(err, strictjson.ErrType)
			is.Equal(n, int64(0))
		}
		_, err := strictjson.Value{}.Int64()
		is.Equal(err, strictjson.ErrType)
	})
}

// exact is what a number is worth by math/big.
func exact(text string) (int64, error) {
	r, ok := new(big.Rat).SetString(text)
	switch {
	case !ok:
		return 0, fmt.Errorf("math/big does not read %q", text)
	case !r.IsInt():
		return 0, strictjson.ErrFraction
	case !r.Num().IsInt64():
		return 0, strictjson.ErrRange
	}
	return r.Num().Int64(), nil
}

// bounded reports whether math/big can write the number out.
func bounded(text string) bool {
	_, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	return len(exponent) <= 4 && len(text) <= 4096
}

func checkInt64(t *testing.T, text string, v strictjson.Value) {
	t.Helper()
	if !bounded(text) {
		return
	}
	got, err := v.Int64()
	want, wantErr := exact(text)
	if got != want || !errors.Is(err, wantErr) {
		t.Errorf("%s is %d, %v; by math/big %d, %v", text, got, err, want, wantErr)
	}
}

func FuzzInt64(f *testing.F) {
	for _, c := range numbers {
		if len(c.text) < 100 {
			f.Add(c.text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		var n json.Number
		if json.Unmarshal([]byte(text), &n) != nil || n.String() != text {
			return // no number
		}
		v := value(t, text)
		if v.Kind() != strictjson.Number {
			t.Fatalf("%s is of kind %d", text, v.Kind())
		}
		checkInt64(t, text, v)
	})
}
