// Package webhookjson encodes the lists that the SQL stores keep in one column as JSON: the attempts of a delivery and the event types
// of an endpoint.
package webhookjson

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/caisse/checkout/webhook"
)

// attempt is a [webhook.Attempt] with short names in JSON, because a delivery may have ten attempts.
type attempt struct {
	At       int64  `json:"t"` // microseconds since 1970
	Code     int    `json:"c,omitempty"`
	Error    string `json:"e,omitempty"`
	Duration int64  `json:"d"` // microseconds
}

// Attempts returns attempts as JSON.
func Attempts(attempts []webhook.Attempt) string {
	kept := make([]attempt, len(attempts))
	for i, a := range attempts {
		kept[i] = attempt{a.At.UnixMicro(), a.StatusCode, a.Error, a.Duration.Microseconds()}
	}
	return marshal(kept)
}

// ReadAttempts reads what Attempts wrote.
func ReadAttempts(text string) ([]webhook.Attempt, error) {
	var kept []attempt
	if err := json.Unmarshal([]byte(text), &kept); err != nil {
		return nil, fmt.Errorf("kept attempts cannot be read: %w", err)
	}
	var attempts []webhook.Attempt
	for _, a := range kept {
		attempts = append(attempts, webhook.Attempt{At: time.UnixMicro(a.At).UTC(), StatusCode: a.Code, Error: a.Error, Duration: time.Duration(a.Duration) * time.Microsecond})
	}
	return attempts, nil
}

// Events returns event types as JSON. nil, which means all types, is null.
func Events(types []string) string { return marshal(types) }

// ReadEvents reads what Events wrote.
func ReadEvents(text string) (types []string, err error) {
	if err := json.Unmarshal([]byte(text), &types); err != nil {
		return nil, fmt.Errorf("kept event types cannot be read: %w", err)
	}
	return types, nil
}

func marshal(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // numbers and strings can always be encoded
	}
	return string(text)
}
