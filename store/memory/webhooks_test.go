package memory_test

import (
	"testing"

	"github.com/caisse/checkout/store/memory"
	"github.com/caisse/checkout/webhook"
	"github.com/caisse/checkout/webhook/webhooktest"
)

func TestWebhooks(t *testing.T) {
	webhooktest.Run(t, func(*testing.T) webhook.Store { return memory.New().Webhooks() })
}
