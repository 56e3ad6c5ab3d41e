package sqlite

import (
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/idempotency"
)

// encodeID returns an id as it is stored. An id of the documented form, cs_ci_<32 hex digits>, becomes the 16 bytes of its UUID
// and then "ci". That is half as long, and ids of one millisecond are neighbours in the index, whatever their countries are. Any
// other id is stored as it is.
func encodeID(id string) any {
	rest, ok := strings.CutPrefix(id, "cs_")
	scope, digits, _ := strings.Cut(rest, "_")
	if !ok || len(digits) != 2*uuidSize || hasUpper(digits) {
		return id
	}
	b := make([]byte, uuidSize, uuidSize+len(scope))
	if _, err := hex.Decode(b, []byte(digits)); err != nil {
		return id
	}
	return append(b, scope...)
}

// idText is decodeID in SQL. Lists and sweeps need it, since they are in the order of the ids' texts.
const idText = `CASE typeof(id)
	WHEN 'blob' THEN 'cs_' || CAST(substr(id, 17) AS TEXT) || '_' || lower(hex(substr(id, 1, 16)))
	ELSE id END`

const uuidSize = len(uuid.UUID{})

func decodeID(kept any) (string, error) {
	switch kept := kept.(type) {
	case string:
		return kept, nil
	case []byte:
		if len(kept) >= uuidSize {
			return "cs_" + string(kept[uuidSize:]) + "_" + hex.EncodeToString(kept[:uuidSize]), nil
		}
	}
	return "", fmt.Errorf("a kept id cannot be read: %T", kept)
}

// encodeKey returns an idempotency key as it is stored: a UUID in lower case as its 16 bytes, any other key as it is, no key as NULL.
func encodeKey(key idempotency.Key) any {
	if key == "" {
		return nil
	}
	if len(key) == 36 && !hasUpper(string(key)) {
		if id, err := uuid.Parse(string(key)); err == nil { // at this length it accepts only the canonical form
			return id[:]
		}
	}
	return string(key)
}

func hasUpper(s string) bool {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return true
		}
	}
	return false
}

func decodeKey(kept any) (idempotency.Key, error) {
	switch kept := kept.(type) {
	case nil:
		return "", nil
	case string:
		return idempotency.Key(kept), nil
	case []byte:
		if len(kept) == uuidSize {
			return idempotency.Key(uuid.UUID(kept).String()), nil
		}
	}
	return "", fmt.Errorf("a kept idempotency key cannot be read: %T", kept)
}

// statuses are stored as their index in this list. It may only grow at its end.
var statuses = [...]checkout.Status{
	checkout.StatusCreated, checkout.StatusPending, checkout.StatusProcessing, checkout.StatusCompleted,
	checkout.StatusFailed, checkout.StatusExpired, checkout.StatusCancelled,
}

// These are indexes in statuses. The two statuses before processing are the ones that can expire.
const (
	statusProcessing = 2
	statusExpired    = 5
)

func encodeStatus(s checkout.Status) (int64, error) {
	for code, status := range statuses {
		if s == status {
			return int64(code), nil
		}
	}
	return 0, fmt.Errorf("%q is not a status", s)
}

func decodeStatus(code int64) (checkout.Status, error) {
	if code < 0 || code >= int64(len(statuses)) {
		return "", fmt.Errorf("status %d is not known: a newer program wrote it", code)
	}
	return statuses[code], nil
}

var errTimeRange = errors.New("a time is out of range")

// The first and the last instant that can be stored in 64 bits, as microseconds since 1970.
var (
	firstInstant = time.UnixMicro(math.MinInt64)
	lastInstant  = time.UnixMicro(math.MaxInt64)
)

// encodeTime returns the whole microseconds since 1970.
func encodeTime(t time.Time) (int64, error) {
	if t.Before(firstInstant) || t.After(lastInstant) {
		return 0, errTimeRange
	}
	return t.UnixMicro(), nil
}

// microsAt is encodeTime for the instant of a query. For an instant out of range, it returns the nearest one that can be stored.
func microsAt(t time.Time) int64 {
	switch {
	case t.Before(firstInstant):
		return math.MinInt64
	case t.After(lastInstant):
		return math.MaxInt64
	}
	return t.UnixMicro()
}

func decodeTime(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

// encodeMetadata returns metadata as a JSON object, or nil if there is none.
func encodeMetadata(m map[string]string) (any, error) {
	if len(m) == 0 {
		return nil, nil
	}
	text, err := json.Marshal(m)
	return string(text), err
}

func decodeMetadata(kept sql.NullString) (m map[string]string, err error) {
	if !kept.Valid {
		return nil, nil
	}
	if err := json.Unmarshal([]byte(kept.String), &m); err != nil {
		return nil, errors.New("kept metadata cannot be read")
	}
	return m, nil
}
