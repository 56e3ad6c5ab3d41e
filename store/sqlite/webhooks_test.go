package sqlite_test

import (
	"testing"

	"github.com/caisse/checkout/webhook"
	"github.com/caisse/checkout/webhook/webhooktest"
)

func TestWebhooks(t *testing.T) {
	t.Run("of Open", func(t *testing.T) {
		webhooktest.Run(t, func(t *testing.T) webhook.Store { return open(t, newPath(t)).Webhooks() })
	})
	t.Run("of a host's pool", func(t *testing.T) {
		webhooktest.Run(t, func(t *testing.T) webhook.Store { return migrated(t, hostPool(t, hostDSN(newPath(t)))).Webhooks() })
	})
}
