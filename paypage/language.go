package paypage

import (
	"strconv"
	"strings"
)

// maxAcceptLanguage is how many bytes of the header are read.
const maxAcceptLanguage = 1024

// negotiate chooses a language by an Accept-Language header (RFC 9110 section 12.5.4): the one with the highest quality, the first of
// several with the same quality, and fallback if the header accepts none. If there is no language with the whole tag, its first subtag
// is used: fr-CI is fr.
func negotiate(header string, has func(tag string) bool, fallback string) string {
	if len(header) > maxAcceptLanguage {
		header = header[:maxAcceptLanguage]
	}
	best, bestQuality := fallback, 0.0
	for header != "" {
		var part string
		part, header, _ = strings.Cut(header, ",")
		tag, quality := languageRange(part)
		if quality <= bestQuality {
			continue
		}
		if tag == "*" {
			tag = fallback
		}
		if !has(tag) {
			if tag, _, _ = strings.Cut(tag, "-"); !has(tag) {
				continue
			}
		}
		best, bestQuality = tag, quality
	}
	return best
}

// languageRange reads "fr-CI;q=0.8" in any letter case. Anything malformed has quality 0.
func languageRange(s string) (tag string, quality float64) {
	tag, weight, weighted := strings.Cut(s, ";")
	tag = strings.ToLower(strings.TrimSpace(tag))
	if !weighted {
		return tag, 1
	}
	name, value, _ := strings.Cut(weight, "=")
	if !strings.EqualFold(strings.TrimSpace(name), "q") {
		return tag, 0
	}
	quality, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil || !(quality >= 0 && quality <= 1) {
		return tag, 0
	}
	return tag, quality
}
