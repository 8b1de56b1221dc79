package redisstore

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/parley-rtc/parley/internal/leaktest"
	"github.com/parley-rtc/parley/internal/redistest"
	"github.com/parley-rtc/parley/signaling/storetest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "48") // the tests mostly wait
	leaktest.Main(m)
}

var prefixesMade atomic.Int64

// open opens a store whose keys are its own.
func open(t testing.TB, url string) *Store {
	t.Helper()
	return openAs(t, url, fmt.Sprintf("test-%d", prefixesMade.Add(1)))
}

func openAs(t testing.TB, url, prefix string) *Store {
	t.Helper()
	s, err := Open(context.Background(), Config{URL: url, Prefix: prefix, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func contract(t *testing.T, url string) {
	for _, c := range storetest.Cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			c.Run(t, open(t, url))
		})
	}
}

func TestStore(t *testing.T) {
	t.Parallel()
	contract(t, redistest.Start(t).URL())
}

func TestStoreOnACluster(t *testing.T) {
	t.Parallel()
	contract(t, redistest.ClusterURL(redistest.Cluster(t, 3, 0)))
}
