//go:build !linux

package controls_test

import "github.com/caisse/checkout/faults/internal/child"

func programs() []child.Program { return nil }
