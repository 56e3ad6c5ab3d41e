package checkout

import (
	"regexp"
	"slices"
	"sync"

	"github.com/nyaruka/phonenumbers"
)

// xofKind is phonenumbers.GetNumberType for a number of one of the eight countries. The library puts the patterns of
// its ten kinds together anew for every number (35 allocations, 2 µs: half of what creating a session costs); most
// numbers are mobile, and for those one pattern, compiled once from the library's own table, says as much.
func xofKind(number, region string) phonenumbers.PhoneNumberType {
	national := number[4:]
	switch plan := xofPlans()[region]; {
	case plan.hasMobile(national):
		return phonenumbers.MOBILE
	case !plan.hasLength(national):
		return phonenumbers.UNKNOWN
	}
	return phonenumbers.GetNumberType(libraryNumber(number))
}

// xofPlan is what the library's table says of one country.
type xofPlan struct {
	lengths []int32          // that any of its numbers has; none: not told
	mobile  *regexp.Regexp   // nil: not told
	others  []*regexp.Regexp // kinds that the library would rather call a number than mobile
}

func (p xofPlan) hasLength(national string) bool {
	return len(p.lengths) == 0 || slices.Contains(p.lengths, int32(len(national)))
}

func (p xofPlan) hasMobile(national string) bool {
	return p.mobile != nil && p.hasLength(national) && p.mobile.MatchString(national) &&
		!slices.ContainsFunc(p.others, func(other *regexp.Regexp) bool { return other.MatchString(national) })
}

// xofPlans reads the table once a process. A plan that the library lacks, or that it tells in a way not foreseen here,
// stays empty, and every number of it goes to the library.
var xofPlans = sync.OnceValue(func() map[string]xofPlan {
	plans := make(map[string]xofPlan)
	table, err := phonenumbers.MetadataCollection()
	if err != nil {
		return plans
	}
	for _, country := range table.GetMetadata() {
		switch country.GetId() {
		case "BJ", "BF", "CI", "GW", "ML", "NE", "SN", "TG":
		default:
			continue
		}
		plan := xofPlan{lengths: country.GetGeneralDesc().GetPossibleLength(), mobile: pattern(country.GetMobile())}
		for _, kind := range []*phonenumbers.PhoneNumberDesc{
			country.GetPremiumRate(), country.GetTollFree(), country.GetSharedCost(), country.GetVoip(),
			country.GetPersonalNumber(), country.GetPager(), country.GetUan(), country.GetVoicemail(), country.GetFixedLine(),
		} {
			if other := pattern(kind); other != nil {
				plan.others = append(plan.others, other)
			}
		}
		plans[country.GetId()] = plan
	}
	return plans
})

// pattern is that of one kind of number, whole, or nil where there are no such numbers.
func pattern(kind *phonenumbers.PhoneNumberDesc) *regexp.Regexp {
	if kind.GetNationalNumberPattern() == "" {
		return nil
	}
	compiled, err := regexp.Compile("^(?:" + kind.GetNationalNumberPattern() + ")$")
	if err != nil {
		return nil
	}
	return compiled
}
