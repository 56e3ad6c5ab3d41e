package outage_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caisse/checkout/internal/outage"
	"github.com/matryer/is"
)

func TestOutage(t *testing.T) {
	t.Run("begins once and ends once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			var o outage.Outage
			_, _, ended := o.Answered()
			is.True(!ended) // no outage has begun
			is.True(o.Failed())
			time.Sleep(20 * time.Second)
			is.True(!o.Failed())
			_, _, ended = o.Answered()
			is.True(!ended) // a success so soon after a failure does not end the outage
			time.Sleep(5 * time.Second)
			lasted, failures, ended := o.Answered()
			is.True(ended)
			is.Equal(lasted, 20*time.Second)
			is.Equal(failures, 2)
			_, _, ended = o.Answered()
			is.True(!ended)     // the end is reported once
			is.True(o.Failed()) // another outage
			time.Sleep(5 * time.Second)
			_, failures, ended = o.Answered()
			is.True(ended)
			is.Equal(failures, 1)
		})
	})
	t.Run("reports the beginning and the end to one caller each", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			var (
				o             outage.Outage
				begun, ended  atomic.Int32
				first, second sync.WaitGroup
			)
			for range 100 {
				first.Go(func() {
					if o.Failed() {
						begun.Add(1)
					}
				})
			}
			first.Wait()
			time.Sleep(5 * time.Second)
			for range 100 {
				second.Go(func() {
					if _, n, is := o.Answered(); is && n == 100 {
						ended.Add(1)
					}
				})
			}
			second.Wait()
			is.Equal(begun.Load(), int32(1))
			is.Equal(ended.Load(), int32(1))
		})
	})
}
