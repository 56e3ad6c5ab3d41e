package checkout_test

import (
	"encoding/csv"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/matryer/is"
	"github.com/nyaruka/phonenumbers"

	"github.com/caisse/checkout"
)

// xofCodes are the eight countries that use XOF, by calling code.
var xofCodes = map[string]string{
	"221": "SN", "223": "ML", "225": "CI", "226": "BF", "227": "NE", "228": "TG", "229": "BJ", "245": "GW",
}

// phoneTable returns the rows of a file in testdata/phones.
func phoneTable(t *testing.T, name string, columns int) [][]string {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "phones", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.Comment, r.LazyQuotes, r.FieldsPerRecord = ';', '#', true, -1
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for i, row := range rows {
		if columns == 3 && len(row) > 3 { // the detail may contain semicolons
			rows[i] = []string{row[0], row[1], strings.Join(row[2:], ";")}
		} else if len(row) != columns {
			t.Fatalf("%s: %q has %d columns, not %d", name, row, len(row), columns)
		}
	}
	if len(rows) < 20 {
		t.Fatalf("%s has %d rows, want at least 20", name, len(rows))
	}
	return rows
}

// fieldError returns the fault of user_phone, which must be the only fault of err.
func fieldError(t *testing.T, err error) checkout.FieldError {
	t.Helper()
	var invalid *checkout.ValidationError
	if !errors.As(err, &invalid) || len(invalid.Fields) != 1 || invalid.Fields[0].Field != "user_phone" {
		t.Fatalf("error %v is not a ValidationError about user_phone alone", err)
	}
	return invalid.Fields[0]
}

func TestParsePhoneKnowsTheNumberingPlans(t *testing.T) {
	for _, region := range slices.Sorted(maps.Values(xofCodes)) {
		for _, row := range phoneTable(t, region+".good.csv", 5) {
			t.Run(region+" accepts "+row[0], func(t *testing.T) {
				is := is.New(t)
				got, err := checkout.ParsePhone(row[0])
				is.NoErr(err)
				is.True(row[4] == "old" || row[4] == "today") // the row of the table is valid
				is.Equal(got, checkout.Phone{
					Number: row[1], Dialable: row[2], Region: region, Operator: row[3], Legacy: row[4] == "old",
				})
			})
		}
		for _, row := range phoneTable(t, region+".bad.csv", 3) {
			t.Run(region+" refuses "+row[0], func(t *testing.T) {
				is := is.New(t)
				got, err := checkout.ParsePhone(row[0])
				is.Equal(got, checkout.Phone{})
				fault := fieldError(t, err)
				is.Equal(fault.Code, row[1])
				is.Equal(fault.Detail, row[2])
			})
		}
	}
}

func TestParsePhoneAcceptsThePagesNumber(t *testing.T) {
	const page = "+22507987654"

	t.Run("as it was sent, although today's plan has no such number", func(t *testing.T) {
		is := is.New(t)
		n, err := phonenumbers.Parse(page, "")
		is.NoErr(err)
		is.True(!phonenumbers.IsValidNumber(n)) // if the library accepts it one day, ParsePhone needs no rule of its own

		got, err := checkout.ParsePhone(page)
		is.NoErr(err)
		is.Equal(got.Number, page)
		is.Equal(got.Dialable, "+2250707987654")
		is.True(got.Legacy)
	})

	t.Run("and adds the prefix to each old mobile number of Côte d'Ivoire by its second digit", func(t *testing.T) {
		is := is.New(t)
		for first := range 10 {
			for second := range 10 {
				sent := fmt.Sprintf("+225%d%d123456", first, second)
				got, err := checkout.ParsePhone(sent)
				if first >= 1 && first <= 3 {
					is.True(err != nil)
					continue
				}
				is.NoErr(err)
				prefix := [10]string{"01", "01", "01", "01", "05", "05", "05", "07", "07", "07"}[second]
				is.Equal(got.Dialable, "+225"+prefix+sent[4:])
			}
		}
	})
}

func TestParsePhoneReadsAnyCountry(t *testing.T) {
	good := []struct{ sent, number, region string }{
		{"+33 6 12 34 56 78", "+33612345678", "FR"},
		{"+33 (0)6 12 34 56 78", "+33612345678", "FR"},
		{"+44 (0) 7400 123456", "+447400123456", "GB"},
		{"+44 7911 123456", "+447911123456", "GG"},
		{"+1 (201) 555-0123", "+12015550123", "US"}, // its plan does not separate mobile from fixed lines
		{"+39 312 345 6789", "+393123456789", "IT"},
		{"+233 23 123 4567", "+233231234567", "GH"},
		{"+234 802 123 4567", "+2348021234567", "NG"},
		{"+55 11 96123-4567", "+5511961234567", "BR"},
		{"+7 912 345-67-89", "+79123456789", "RU"},
		{"+383 43 201 234", "+38343201234", "XK"},
	}
	for _, tt := range good {
		t.Run("accepts "+tt.sent, func(t *testing.T) {
			is := is.New(t)
			got, err := checkout.ParsePhone(tt.sent)
			is.NoErr(err)
			got.Operator = ""
			is.Equal(got, checkout.Phone{Number: tt.number, Dialable: tt.number, Region: tt.region})
		})
	}

	bad := []struct{ sent, code, detail string }{
		{"+33 1 42 34 56 78", checkout.CodeUnsupported, "is a fixed line; only mobile numbers can pay"},
		{"+44 121 234 5678", checkout.CodeUnsupported, "is a fixed line; only mobile numbers can pay"},
		{"+44 56 1234 5678", checkout.CodeUnsupported, "is an internet telephony number; only mobile numbers can pay"},
		{"+44 70 1234 5678", checkout.CodeUnsupported, "is not a mobile number; only mobile numbers can pay"},
		{"+44 76 4012 3456", checkout.CodeUnsupported, "is a pager; only mobile numbers can pay"},
		{"+1 800 234 5678", checkout.CodeUnsupported, "is a toll-free number; only mobile numbers can pay"},
		{"+41 860 123 456 789", checkout.CodeUnsupported, "is a voicemail number; only mobile numbers can pay"},
		{"+800 1234 5678", checkout.CodeUnsupported, "is a toll-free number; only mobile numbers can pay"},
		{"+870 301 234 567", checkout.CodeUnsupported, "is of an international network, not of a country; only mobile numbers can pay"},
		{"+33 9", checkout.CodeMalformed, "has too few digits for a phone number"},
		{"+3", checkout.CodeMalformed, "has too few digits for a phone number"},
		{"+33 6 12", checkout.CodeMalformed, "has too few digits for a number of +33"},
		{"+33 6 12 34 56 78 90", checkout.CodeMalformed, "has too many digits for a number of +33"},
		{"+40 784 4975", checkout.CodeMalformed, "does not have as many digits as a number of +40"},
		{"+1 201 155 0123", checkout.CodeMalformed, "is in no range of the numbering plan of +1"},
		{"+999 12 34 56 78", checkout.CodeMalformed, "must have the calling code of a country after the +"},
		{"+0 12 34 56 78", checkout.CodeMalformed, "must have the calling code of a country after the +"},
	}
	for _, tt := range bad {
		t.Run("refuses "+tt.sent, func(t *testing.T) {
			is := is.New(t)
			_, err := checkout.ParsePhone(tt.sent)
			fault := fieldError(t, err)
			is.Equal(fault.Code, tt.code)
			is.Equal(fault.Detail, tt.detail)
		})
	}
}

func TestParsePhoneReadsWhatPeopleWrite(t *testing.T) {
	const number = "+2250707987654"
	for name, sent := range map[string]string{
		"spaces":                         "+225 07 07 98 76 54",
		"dots":                           "+225.07.07.98.76.54",
		"hyphens":                        "+225-07-07-98-76-54",
		"a calling code in parentheses":  "+(225) 07 07 98 76 54",
		"parentheses":                    "+225 (07) 07 98 76 54",
		"a closing parenthesis":          "+225 (07 07 98 76 54)",
		"spaces after +":                 "+ 225 07 07 98 76 54",
		"separators between every digit": "+2 2 5-0.7 0 7 9 8 7 6 5 4",
	} {
		t.Run("with "+name, func(t *testing.T) {
			is := is.New(t)
			got, err := checkout.ParsePhone(sent)
			is.NoErr(err)
			is.Equal(got.Number, number)
		})
	}

	const allowed = "; after the + only ASCII digits, spaces, dots, hyphens and parentheses may stand"
	for name, tt := range map[string]struct{ sent, code, detail string }{
		"nothing":                  {"", checkout.CodeMissing, "is required"},
		"only a +":                 {"+", checkout.CodeMalformed, "has no digits after the +"},
		"only separators":          {"+ (-.)", checkout.CodeMalformed, "has no digits after the +"},
		"only white space":         {"  ", checkout.CodeMalformed, "must begin with + and the country's calling code"},
		"a leading space":          {" +2250707987654", checkout.CodeMalformed, "must begin with + and the country's calling code"},
		"a leading parenthesis":    {"(+225) 0707987654", checkout.CodeMalformed, "must begin with + and the country's calling code"},
		"00 instead of +":          {"002250707987654", checkout.CodeMalformed, "must begin with + and the country's calling code"},
		"a fullwidth +":            {"＋2250707987654", checkout.CodeMalformed, "must begin with + and the country's calling code"},
		"a tel URI":                {"tel:+2250707987654", checkout.CodeMalformed, "must begin with + and the country's calling code"},
		"two +":                    {"++2250707987654", checkout.CodeMalformed, "has a second +"},
		"a tab":                    {"+225\t0707987654", checkout.CodeMalformed, "has a character that no phone number has" + allowed},
		"a line break":             {"+2250707987654\n", checkout.CodeMalformed, "has a character that no phone number has" + allowed},
		"a slash":                  {"+225/0707987654", checkout.CodeMalformed, "has a character that no phone number has" + allowed},
		"U+0000":                   {"+2250707987654\x00", checkout.CodeMalformed, "has a character that no phone number has" + allowed},
		"a no-break space":         {"+225\u00a00707987654", checkout.CodeMalformed, "has a character that is not ASCII" + allowed},
		"a non-breaking hyphen":    {"+225\u20110707987654", checkout.CodeMalformed, "has a character that is not ASCII" + allowed},
		"Arabic-Indic digits":      {"+٢٢٥٠٧٠٧٩٨٧٦٥٤", checkout.CodeMalformed, "has a character that is not ASCII" + allowed},
		"fullwidth digits":         {"+22５0707987654", checkout.CodeMalformed, "has a character that is not ASCII" + allowed},
		"invalid UTF-8":            {"+225\xff0707987654", checkout.CodeMalformed, "has a character that is not ASCII" + allowed},
		"a vanity number":          {"+1 800 FLOWERS", checkout.CodeMalformed, "has a letter or an extension" + allowed},
		"an extension":             {"+12015550123 ext. 5", checkout.CodeMalformed, "has a letter or an extension" + allowed},
		"an RFC 3966 extension":    {"+12015550123;ext=5", checkout.CodeMalformed, "has a letter or an extension" + allowed},
		"a pause":                  {"+12015550123,5", checkout.CodeMalformed, "has a letter or an extension" + allowed},
		"a service code":           {"+225*144#", checkout.CodeMalformed, "has a letter or an extension" + allowed},
		"a space at the end":       {"+2250707987654 ", checkout.CodeMalformed, "must end with a digit"},
		"a hyphen at the end":      {"+2250707987654-", checkout.CodeMalformed, "must end with a digit"},
		"16 digits":                {"+2250707987654321", checkout.CodeMalformed, "has more than 15 digits, the most that an international number has"},
		"two numbers":              {"+22507987654 +22505987654", checkout.CodeMalformed, "has a second +"},
		"65 bytes":                 {"+2250707987654" + strings.Repeat(" ", 51), checkout.CodeMalformed, "is longer than any phone number"},
		"a megabyte of digits":     {"+" + strings.Repeat("9", 1<<20), checkout.CodeMalformed, "is longer than any phone number"},
		"a megabyte of separators": {"+" + strings.Repeat("-", 1<<20), checkout.CodeMalformed, "is longer than any phone number"},
	} {
		t.Run("but refuses "+name, func(t *testing.T) {
			is := is.New(t)
			got, err := checkout.ParsePhone(tt.sent)
			is.Equal(got, checkout.Phone{})
			fault := fieldError(t, err)
			is.Equal(fault.Code, tt.code)
			is.Equal(fault.Detail, tt.detail)
		})
	}

	t.Run("in up to 64 bytes", func(t *testing.T) {
		is := is.New(t)
		got, err := checkout.ParsePhone("+" + strings.Repeat(" ", 64-len(number)) + number[1:])
		is.NoErr(err)
		is.Equal(got.Number, number)
	})
}

func TestParsePhoneTellsTheOperator(t *testing.T) {
	t.Run("of an old-plan number by the number that is dialled today", func(t *testing.T) {
		is := is.New(t)
		for sent, operator := range map[string]string{
			"+22507987654": "Orange", "+22504987654": "MTN", "+22502987654": "Moov", "+22997112233": "MTN", "+22995112233": "Moov",
		} {
			got, err := checkout.ParsePhone(sent)
			is.NoErr(err)
			is.Equal(got.Operator, operator)
		}
	})

	t.Run("as phonenumbers has it for other countries", func(t *testing.T) {
		is := is.New(t)
		got, err := checkout.ParsePhone("+233241234567")
		is.NoErr(err)
		is.Equal(got.Operator, "MTN")
	})

	t.Run("but gives none if the plan names none", func(t *testing.T) {
		is := is.New(t)
		got, err := checkout.ParsePhone("+12015550123")
		is.NoErr(err)
		is.Equal(got.Operator, "")
	})

	t.Run("to many callers at once", func(t *testing.T) {
		is := is.New(t)
		want, err := checkout.ParsePhone("+22507987654")
		is.NoErr(err)
		var wg sync.WaitGroup
		got := make([]checkout.Phone, 16)
		for i := range got {
			wg.Go(func() { got[i], _ = checkout.ParsePhone("+22507987654") })
		}
		wg.Wait()
		for _, p := range got {
			is.Equal(p, want)
		}
	})
}

func TestSessionPhoneIsThePhoneOfItsNumber(t *testing.T) {
	is := is.New(t)
	want, err := checkout.ParsePhone("+22507987654")
	is.NoErr(err)
	is.Equal(checkout.Session{UserPhone: "+22507987654"}.Phone(), want)
	is.Equal(checkout.Session{}.Phone(), checkout.Phone{})
}

func TestMaskPhoneShowsCallingCodeAndTwoDigits(t *testing.T) {
	for s, want := range map[string]string{
		"":                      "",
		"+22507987654":          "+225******54",
		"+225 07 98 76 54":      "+225******54",
		"+2250707987654":        "+225********54",
		"+12015550123":          "+1********23",
		"+447400123456":         "+44********56",
		"+245955012345":         "+245*******45",
		"+225123456":            "+225****56",
		"+22512345":             "+225*****",
		"+22507":                "+225**",
		"+225":                  "+225",
		"+22":                   "***",
		"+":                     "***",
		"+99912345678":          "***",
		"+0225079876":           "***",
		"+0201234567890":        "***", // 20 is Egypt's calling code, but 020 is none
		"0022507987654":         "***",
		"22507987654":           "***",
		"07987654":              "***",
		" +22507987654":         "***",
		"+22507987654 ext. 123": "***",
		"+2250798765400000000":  "***",
		"+٢٢٥٠٧٩٨٧٦٥٤":          "***",
		"\xff\xfe":              "***",
		"call me":               "***",
	} {
		t.Run(fmt.Sprintf("of %q", s), func(t *testing.T) {
			is := is.New(t)
			is.Equal(checkout.MaskPhone(s), want)
		})
	}
}

func BenchmarkParsePhone(b *testing.B) {
	for name, s := range map[string]string{
		"today": "+2250707987654", "old": "+22507987654", "separated": "+225 07 07 98 76 54", "elsewhere": "+33612345678",
		"refused": "+2252720212223", "wrong length": "+225079876543", "junk": strings.Repeat("9", 1<<16),
	} {
		b.Run(name, func(b *testing.B) {
			_, _ = checkout.ParsePhone("+22507987654") // the first call loads the tables
			b.ReportAllocs()
			for b.Loop() {
				_, _ = checkout.ParsePhone(s)
			}
		})
	}
	b.Run("phonenumbers alone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			n, _ := phonenumbers.Parse("+2250707987654", "")
			_ = phonenumbers.IsValidNumber(n)
			_ = phonenumbers.GetNumberType(n)
		}
	})
}

func BenchmarkMaskPhone(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_ = checkout.MaskPhone("+22507987654")
	}
}
