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

// value parses the text as the value of a member, and returns it.
func value(t *testing.T, text string) strictjson.Value {
	t.Helper()
	members, err := strictjson.ParseObject(nil, []byte(`{"n":`+text+`}`), maxDepth)
	if err != nil {
		t.Fatal(err)
	}
	return members[0].Value
}

func zeros(n int) string { return strings.Repeat("0", n) }

// numbers has JSON numbers in many spellings, each with the result of Int64.
var numbers = []struct {
	name, text string
	want       int64
	err        error
}{
	{"in plain digits", "5000", 5000, nil},
	{"with a decimal", "5000.0", 5000, nil},
	{"with an exponent", "5e3", 5000, nil},
	{"with a capital E and a sign", "5E+3", 5000, nil},
	{"with a decimal and an exponent", "5.0e3", 5000, nil},
	{"with a negative exponent", "50000e-1", 5000, nil},
	{"with decimals that the exponent makes whole", "5.0001e4", 50001, nil},
	{"with decimals that the exponent does not make whole", "5.0001e3", 0, strictjson.ErrFraction},
	{"with zeros before and after", "0.0050e6", 5000, nil},
	{"with zeros in between", "1002003.00e-0", 1002003, nil},
	{"with leading zeros in the exponent", "5e0003", 5000, nil},
	{"that is negative", "-5000.0", -5000, nil},
	{"that is zero", "0", 0, nil},
	{"that is minus zero", "-0", 0, nil},
	{"that is minus zero with decimals", "-0.000e-7", 0, nil},
	{"that is zero with a large exponent", "0e1000000000", 0, nil},
	{"that is zero with a large negative exponent", "0.0e-99999999999999999999", 0, nil},
	{"with half a franc", "5000.5", 0, strictjson.ErrFraction},
	{"that is less than a franc", "0.1", 0, strictjson.ErrFraction},
	{"that is almost zero", "1e-400", 0, strictjson.ErrFraction},
	{"that is almost zero, with an exponent beyond int64", "1e-99999999999999999999", 0, strictjson.ErrFraction},
	{"that is large and not whole", "12345678901234567890123.5", 0, strictjson.ErrFraction},
	{"that is greater than any float64", "1e400", 0, strictjson.ErrRange},
	{"that has more digits than memory can hold", "1e1000000000", 0, strictjson.ErrRange},
	{"with an exponent beyond int64", "1e99999999999999999999", 0, strictjson.ErrRange},
	{"that is negative, with an exponent beyond int64", "-1e99999999999999999999", 0, strictjson.ErrRange},
	{"with the greatest int64 as exponent", "1e9223372036854775807", 0, strictjson.ErrRange},
	{"with an exponent that wraps to 0 in 64 bits", "1e18446744073709551616", 0, strictjson.ErrRange},
	{"that is the greatest int64", "9223372036854775807", 9223372036854775807, nil},
	{"that is the greatest int64, with an exponent", "922337203685477580.70e1", 9223372036854775807, nil},
	{"that is one more than the greatest int64", "9223372036854775808", 0, strictjson.ErrRange},
	{"that is the least int64", "-9223372036854775808", -9223372036854775808, nil},
	{"that is one less than the least int64", "-9223372036854775809", 0, strictjson.ErrRange},
	{"that is the greatest of 19 digits", "9999999999999999999", 0, strictjson.ErrRange},
	{"that is the least of 20 digits", "10000000000000000000", 0, strictjson.ErrRange},
	{"that wraps to 1 in 64 bits", "18446744073709551617", 0, strictjson.ErrRange},
	{"that is a power of ten and fits", "1e18", 1000000000000000000, nil},
	{"that is a power of ten and does not fit", "1e19", 0, strictjson.ErrRange},
	{"with a hundred thousand zeros that the exponent takes away", "5" + zeros(100003) + "e-100000", 5000, nil},
	{"with a hundred thousand decimals that are 0", "5000." + zeros(100000), 5000, nil},
	{"with a hundred thousand decimals that are 0, then one that is not", "5000." + zeros(100000) + "1", 0, strictjson.ErrFraction},
	{"with a hundred thousand decimals that the exponent makes whole", "0." + zeros(100000) + "5e100004", 5000, nil},
	{"of a hundred thousand digits", strings.Repeat("9", 100000), 0, strictjson.ErrRange},
	{"with an exponent of a hundred thousand digits", "1e" + strings.Repeat("9", 100000), 0, strictjson.ErrRange},
	{"with an exponent that begins with a hundred thousand zeros", "5e" + zeros(100000) + "3", 5000, nil},
}

func TestInt64(t *testing.T) {
	for _, c := range numbers {
		t.Run("a number "+c.name, func(t *testing.T) {
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

	t.Run("refuses a value that is not a number", func(t *testing.T) {
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

// exact computes with math/big what Int64 must return for a number.
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

// bounded reports whether the number is small enough for math/big, which keeps all of its digits in memory.
func bounded(text string) bool {
	_, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	return len(exponent) <= 4 && len(text) <= 4096
}

// checkInt64 compares Int64 with math/big.
func checkInt64(t *testing.T, text string, v strictjson.Value) {
	t.Helper()
	if !bounded(text) {
		return
	}
	got, err := v.Int64()
	want, wantErr := exact(text)
	if got != want || !errors.Is(err, wantErr) {
		t.Errorf("%s: got %d, %v; math/big has %d, %v", text, got, err, want, wantErr)
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
			return // not a number, or more than one token
		}
		v := value(t, text)
		if v.Kind() != strictjson.Number {
			t.Fatalf("%s is of kind %d", text, v.Kind())
		}
		checkInt64(t, text, v)
	})
}
