package memory

import (
	"testing"
	"testing/synctest"

	"github.com/parley-rtc/parley/internal/leaktest"
	"github.com/parley-rtc/parley/signaling/storetest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func TestStore(t *testing.T) {
	for _, c := range storetest.Cases {
		t.Run(c.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { c.Run(t, New()) })
		})
	}
}
