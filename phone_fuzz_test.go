package checkout_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"

	"github.com/caisse/checkout"
)

// For the eight countries that use XOF, ParsePhone splits a number itself, which is faster than phonenumbers.Parse. The result must be
// the same. The test tries every prefix of three digits in the lengths of the country's plan, and some in other lengths. Numbers of old
// plans are tested by the tables in testdata/phones.
func TestParsePhoneAgreesWithTheLibrary(t *testing.T) {
	seed := rand.Uint64()
	if s := os.Getenv("PHONE_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("PHONE_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	lengths := map[string][]int{"225": {10}, "229": {8, 10}, "245": {7, 9}, "221": {9}} // the other countries have 8 digits
	accepted, refused := 0, 0
	for code, region := range xofCodes {
		usual := lengths[code]
		if usual == nil {
			usual = []int{8}
		}
		for prefix := range 1000 {
			tried := usual
			if prefix%4 == 0 {
				tried = append(slices.Clone(usual), 2+random.IntN(10))
			}
			for _, length := range tried {
				number := fmt.Sprintf("%03d", prefix)
				for len(number) < length {
					number += strconv.Itoa(random.IntN(10))
				}
				number = "+" + code + number[:length]

				want := checkout.Phone{}
				n, err := phonenumbers.Parse(number, "")
				kind := phonenumbers.UNKNOWN
				if err == nil {
					kind = phonenumbers.GetNumberType(n)
				}
				if kind == phonenumbers.MOBILE || kind == phonenumbers.FIXED_LINE_OR_MOBILE {
					e164 := phonenumbers.Format(n, phonenumbers.E164)
					want = checkout.Phone{Number: e164, Dialable: e164, Region: phonenumbers.GetRegionCodeForNumber(n)}
				}

				got, err := checkout.ParsePhone(number)
				if err == nil && got.Legacy {
					if kind != phonenumbers.UNKNOWN || region != "CI" && region != "BJ" {
						t.Errorf("%s was read as a number of an old plan; the library has type %d", number, kind)
					}
					continue
				}
				if err == nil {
					accepted++
				} else {
					refused++
					if fault := fieldError(t, err); (fault.Code == checkout.CodeUnsupported) != (kind != phonenumbers.UNKNOWN) &&
						!strings.Contains(fault.Detail, "old-plan") {
						t.Errorf("%s: got the fault %s; the library has type %d", number, fault, kind)
					}
				}
				got.Operator = ""
				if got != want {
					t.Errorf("%s: got %+v; the library has %+v", number, got, want)
				}
			}
		}
	}
	if accepted < 1000 || refused < 8000 {
		t.Errorf("only %d numbers accepted and %d refused, too few to test the plans", accepted, refused)
	}
}

// FuzzParsePhone checks rules for any text: numbers are in E.164, a result that is parsed again does not change, an error does not show
// four digits in a row, and MaskPhone shows the calling code and at most two other digits.
func FuzzParsePhone(f *testing.F) {
	for _, s := range []string{
		"", "+", "+22507987654", "+225 07 98 76 54", "+(225) 07-98-76-54", "+2250707987654", "0022507987654",
		"+22520212223", "+22520001122", "+22510203040", "+22997112233", "+22921301112", "+22985751234", "+2290197112233",
		"+2455012345", "+245955012345", "+2454012345", "+22670123456", "+22370112233", "+22380012345", "+22796123456",
		"+22708123456", "+221771234567", "+221933301234", "+22890123456", "+228", "+2250", "+22500000000", "+2250000000000",
		"+33612345678", "+33 (0)6 12 34 56 78", "+447400123456", "+12015550123", "+18002345678", "+393123456789",
		"+870301234567", "+999123456", "+00225", "+5491123456789", "+541112345678", "+5215512345678", "+79123456789",
		"+٢٢٥٠٧٩٨٧٦٥٤", "+225 07 98 76 54 ext. 5", "tel:+22507987654;ext=1", "++225", "+225\x00", "+225\xff",
		"+2250707987654321", strings.Repeat("+2", 40),
	} {
		f.Add(s)
	}

	number := regexp.MustCompile(`^\+[1-9][0-9]{1,14}$`)
	fourDigits := regexp.MustCompile(`[0-9]{4}`)
	mask := regexp.MustCompile(`^(|\*\*\*|\+[1-9][0-9]{0,2}(\*{4,}[0-9]{2}|\**))$`)
	separators := strings.NewReplacer(" ", "", ".", "", "-", "", "(", "", ")", "")

	f.Fuzz(func(t *testing.T, s string) {
		if masked := checkout.MaskPhone(s); !mask.MatchString(masked) {
			t.Errorf("MaskPhone(%q) = %q", s, masked)
		}

		p, err := checkout.ParsePhone(s)
		if err != nil {
			if p != (checkout.Phone{}) {
				t.Errorf("ParsePhone(%q) = %+v with an error", s, p)
			}
			fault := fieldError(t, err)
			switch fault.Code {
			case checkout.CodeMissing, checkout.CodeMalformed, checkout.CodeUnsupported:
			default:
				t.Errorf("ParsePhone(%q): unexpected code %s", s, fault.Code)
			}
			if (fault.Code == checkout.CodeMissing) != (s == "") {
				t.Errorf("ParsePhone(%q): got code %s, want missing exactly for an empty text", s, fault.Code)
			}
			if fault.Detail == "" || fourDigits.MatchString(err.Error()) {
				t.Errorf("ParsePhone(%q): the error has no detail or shows digits: %v", s, err)
			}
			return
		}

		if !number.MatchString(p.Number) || !number.MatchString(p.Dialable) || len(p.Region) != 2 {
			t.Errorf("ParsePhone(%q) = %+v", s, p)
		}
		if p.Legacy != (p.Number != p.Dialable) {
			t.Errorf("ParsePhone(%q) = %+v: want Legacy exactly if Number and Dialable differ", s, p)
		}
		for _, same := range []string{p.Number, separators.Replace(s), "+ (" + strings.Join(strings.Split(p.Number[1:], ""), "-")} {
			if again, err := checkout.ParsePhone(same); err != nil || again != p {
				t.Errorf("ParsePhone(%q) = %+v, %v; but ParsePhone(%q) = %+v", same, again, err, s, p)
			}
		}
		today := p
		today.Number, today.Legacy = p.Dialable, false
		if again, err := checkout.ParsePhone(p.Dialable); err != nil || again != today {
			t.Errorf("ParsePhone(%q) = %+v, %v; want %+v", p.Dialable, again, err, today)
		}
		if masked := checkout.MaskPhone(p.Number); masked == "***" || len(masked) != len(p.Number) {
			t.Errorf("MaskPhone(%q) = %q", p.Number, masked)
		}
	})
}
