package storetest_test

import (
	"testing"

	"github.com/caisse/checkout"
	"github.com/caisse/checkout/store/memory"
	"github.com/caisse/checkout/store/storetest"
)

// In a real test file this function is named TestStore.
func ExampleRun() {
	_ = func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) checkout.Store {
			store := memory.New() // a store that holds nothing
			t.Cleanup(func() { store.Close() })
			return store
		})
	}
}
