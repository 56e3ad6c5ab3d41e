package webhook

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/internal/strictjson"
)

// readBody reads a JSON object, as strictly as the checkout endpoint does.
func (h *Handler) readBody(w http.ResponseWriter, r *http.Request) ([]strictjson.Member, error) {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if encoding := r.Header.Get("Content-Encoding"); err != nil || mediaType != "application/json" || len(r.Header["Content-Type"]) != 1 ||
		encoding != "" && !strings.EqualFold(encoding, "identity") {
		return nil, &problem{Status: 415, Code: "unsupported_media_type", Detail: "the body must be sent with Content-Type: application/json and without Content-Encoding"}
	}
	tooLarge := &problem{Status: 413, Code: "payload_too_large", Detail: fmt.Sprintf("the body must have at most %d bytes", h.config.MaxBodyBytes)}
	if r.ContentLength > h.config.MaxBodyBytes {
		return nil, tooLarge
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.config.MaxBodyBytes))
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return nil, tooLarge
	}
	if err != nil {
		return nil, &problem{Status: 400, Code: "invalid_json", Detail: "the body could not be read to its end"}
	}
	members, err := strictjson.ParseObject(nil, body, 32)
	if fault := (*strictjson.SyntaxError)(nil); errors.As(err, &fault) {
		return nil, &problem{Status: 400, Code: "invalid_json", Detail: fmt.Sprintf("the body is not one JSON object: %s at byte %d", fault.Reason, fault.Offset)}
	}
	return members, err
}

// decode reads the members of an endpoint. The fields of absent members are nil.
func decode(members []strictjson.Member, create bool) (change EndpointChange, f faults) {
	text := func(m strictjson.Member) *string {
		if m.Value.Kind() != strictjson.String {
			f.add(m.Name, checkout.CodeWrongType, "must be a string")
			return nil
		}
		value := m.Value.Text()
		return &value
	}
	for _, m := range members {
		null := m.Value.Kind() == strictjson.Null
		switch {
		case m.Name == "url" && create && null:
		case m.Name == "url":
			change.URL = text(m)
		case m.Name == "description" && null:
			change.Description = new("")
		case m.Name == "description":
			change.Description = text(m)
		case m.Name == "events" && null:
			change.Events = new([]string(nil))
		case m.Name == "events":
			if m.Value.Kind() != strictjson.Array {
				f.add("events", checkout.CodeWrongType, "must be an array of strings, or null for all")
				continue
			}
			types := make([]string, 0, len(m.Value.Items()))
			for i, item := range m.Value.Items() {
				if item.Kind() != strictjson.String {
					f.add("events/"+strconv.Itoa(i), checkout.CodeWrongType, "must be a string")
				}
				types = append(types, item.Text())
			}
			change.Events = &types
		case m.Name == "status" && !create:
			if status := text(m); status != nil {
				change.Status = new(Status(*status))
			}
		default:
			f.add(m.Name, checkout.CodeUnknownField, "is not a member that can be set")
		}
	}
	return change, f
}

func (h *Handler) create(c *call) (answer, error) {
	change, f := decode(c.body, true)
	var p EndpointParams
	if change.URL != nil {
		p.URL = *change.URL
	}
	if change.Events != nil {
		p.Events = *change.Events
	}
	if change.Description != nil {
		p.Description = *change.Description
	}
	if f != nil {
		return answer{}, f.and(p.faults(h.webhooks.config.AllowPrivate)).err() // one answer lists all faults
	}
	e, err := h.webhooks.Create(c.Context(), c.account, p)
	if err != nil {
		return answer{}, err
	}
	return answer{201, endpointOf(e), "/v1/webhooks/" + e.ID}, nil
}

func (h *Handler) list(c *call) (answer, error) {
	if err := parameters(c.URL, nil); err != nil {
		return answer{}, err
	}
	endpoints, err := h.webhooks.List(c.Context(), c.account)
	all := struct {
		Webhooks []endpointJSON `json:"webhooks"`
	}{make([]endpointJSON, 0, len(endpoints))}
	for _, e := range endpoints {
		all.Webhooks = append(all.Webhooks, endpointOf(e))
	}
	return answer{status: 200, body: all}, err
}

func (h *Handler) get(c *call) (answer, error) {
	e, err := h.webhooks.Get(c.Context(), c.account, c.id)
	return answer{status: 200, body: endpointOf(e)}, err
}

func (h *Handler) change(c *call) (answer, error) {
	change, f := decode(c.body, false)
	if f = f.and(change.faults(h.webhooks.config.AllowPrivate)); f != nil {
		if _, err := h.webhooks.Get(c.Context(), c.account, c.id); err != nil {
			return answer{}, err
		}
		return answer{}, f.err()
	}
	e, err := h.webhooks.Update(c.Context(), c.account, c.id, change)
	return answer{status: 200, body: endpointOf(e)}, err
}

func (h *Handler) remove(c *call) (answer, error) {
	return answer{status: 204}, h.webhooks.Delete(c.Context(), c.account, c.id)
}

func (h *Handler) rotate(c *call) (answer, error) {
	e, err := h.webhooks.Rotate(c.Context(), c.account, c.id)
	return answer{status: 200, body: endpointOf(e)}, err
}

func (h *Handler) test(c *call) (answer, error) {
	return answer{status: 202, body: struct{}{}}, h.webhooks.Test(c.Context(), c.account, c.id)
}

func (h *Handler) retry(c *call) (answer, error) {
	return answer{status: 202, body: struct{}{}}, h.webhooks.Retry(c.Context(), c.account, c.id, c.delivery)
}

func (h *Handler) deliveries(c *call) (answer, error) {
	limit, cursor := 0, ""
	if err := parameters(c.URL, func(name, value string) bool {
		var err error
		switch name {
		case "limit":
			limit, err = strconv.Atoi(value)
			return err == nil && limit >= 1 && limit <= MaxPage
		case "cursor":
			cursor = value
			return addressable(checkout.Account{ID: "any"}, "wd_", cursor) == nil
		}
		return false
	}); err != nil {
		return answer{}, err
	}
	page, err := h.webhooks.Deliveries(c.Context(), c.account, c.id, cursor, limit)
	all := struct {
		Deliveries []deliveryJSON `json:"deliveries"`
		HasMore    bool           `json:"has_more"`
		NextCursor *string        `json:"next_cursor"`
	}{make([]deliveryJSON, 0, len(page.Deliveries)), page.HasMore, nil}
	if page.NextCursor != "" {
		all.NextCursor = &page.NextCursor
	}
	for _, d := range page.Deliveries {
		all.Deliveries = append(all.Deliveries, deliveryOf(d))
	}
	return answer{status: 200, body: all}, err
}

// parameters passes each query parameter to take. It refuses a parameter that take does not accept, that is empty or that is given twice.
func parameters(u *url.URL, take func(name, value string) bool) error {
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return &problem{Status: 400, Code: "invalid_query", Detail: "the query cannot be read"}
	}
	for name, all := range values {
		if len(all) != 1 || all[0] == "" || take == nil || !take(name, all[0]) {
			if len(name) > 64 {
				name = "a parameter"
			}
			return &problem{Status: 400, Code: "invalid_query", Detail: "the parameter " + strconv.QuoteToASCII(name) + " is unknown to this path, or its value is not valid"}
		}
	}
	return nil
}
