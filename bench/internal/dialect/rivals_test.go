//go:build linux

package dialect

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/parley-rtc/parley/bench/internal/contender"
)

func TestRivalsPassOnWhatIsSent(t *testing.T) {
	field := contender.Field{Rivals: "../../signaling/rivals"}
	if _, err := os.Stat(field.Rivals + "/node_modules"); err != nil {
		t.Skip("the rivals are not installed")
	}
	for _, kind := range contender.Kinds {
		if !kind.Rival() {
			continue
		}
		t.Run(string(kind), func(t *testing.T) {
			server, err := field.Start(context.Background(), kind, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer server.Stop()
			var clients []Client
			for i := range 3 {
				c, err := Connect(kind, Place{Address: server.Address, Room: "lobby", Peer: fmt.Sprint("peer", i), Relays: true})
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				clients = append(clients, c)
			}
			expect := func(n int, data string) {
				t.Helper()
				if message, err := clients[n].Next(); err != nil || !bytes.Contains(message, []byte(data)) {
					t.Errorf("client %d got %q, %v; want %s", n, message, err, data)
				}
			}
			if err := clients[0].Signal(clients[2].ID(), []byte(`{"to":"one"}`)); err != nil {
				t.Fatal(err)
			}
			expect(2, `{"to":"one"}`)
			if err := clients[2].Broadcast([]string{clients[0].ID(), clients[1].ID()}, []byte(`{"to":"all"}`)); err != nil {
				t.Fatal(err)
			}
			expect(0, `{"to":"all"}`)
			expect(1, `{"to":"all"}`)
			if _, err := server.Collect(context.Background()); err != nil {
				t.Error(err)
			}
			if err := server.Running(); err != nil {
				t.Error(err)
			}
		})
	}
}
