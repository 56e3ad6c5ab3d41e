package sqlite_test

import (
	"testing"

	"github.com/caisse/checkout/webhook"
	"github.com/caisse/checkout/webhook/webhooktest"
)

func TestWebhooks(t *testing.T) {
	t.Run("work in a store of Open", func(t *testing.T) {
		webhooktest.Run(t, func(t *testing.T) webhook.Store { return open(t, newPath(t)).Webhooks() })
	})
	t.Run("work in a store on a pool of the host", func(t *testing.T) {
		webhooktest.Run(t, func(t *testing.T) webhook.Store { return migrated(t, hostPool(t, hostDSN(newPath(t)))).Webhooks() })
	})
}
