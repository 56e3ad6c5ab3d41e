package postgres_test

import (
	"testing"

	"github.com/caisse/checkout/internal/pgtest"
	"github.com/caisse/checkout/webhook"
	"github.com/caisse/checkout/webhook/webhooktest"
)

func TestWebhooks(t *testing.T) {
	webhooktest.Run(t, func(t *testing.T) webhook.Store { return openURL(t, pgtest.URL(t)).Webhooks() })
}
