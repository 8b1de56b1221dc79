package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/parley-rtc/parley/internal/redistest"
	"github.com/parley-rtc/parley/signaling/store"
)

// BenchmarkScripts says what CPU time of Redis a script takes, with so many under way that its system calls hardly count.
func BenchmarkScripts(b *testing.B) {
	server := redistest.Start(b)
	s := open(b, server.URL())
	ctx := context.Background()
	r := rules()
	r.Rate, r.Burst, r.MailboxFrames, r.MailboxBytes = 1<<30, 1<<30, 1<<20, 1<<30
	const pairs = 32
	var one, two [pairs]*guest
	var sent [pairs]int64
	for i := range pairs {
		room := fmt.Sprint("room", i)
		one[i], two[i] = s.enter(b, room, "one", r), s.enter(b, room, "two", r)
	}
	data := []byte(`"` + strings.Repeat("v", 198) + `"`)
	send := func(i int) error {
		sent[i]++
		_, err := one[i].Exchange(ctx, one[i].ref, store.Exchange{
			Frames: []store.Sent{{N: sent[i], Kind: store.Signal, To: "two", Data: data}}, Ack: 1, Fence: one[i].fence,
		})
		return err
	}
	var heard [pairs]int64
	read := func(i int) error {
		got, err := two[i].Exchange(ctx, two[i].ref, store.Exchange{Ack: heard[i], After: heard[i], Max: 1 << 16, Fence: two[i].fence})
		heard[i] = got.Tail
		return err
	}
	for _, c := range []struct {
		name string
		do   func(int) error
	}{
		{"a frame sent", send},
		{"a frame sent and read", func(i int) error {
			if err := send(i); err != nil {
				return err
			}
			return read(i)
		}},
		{"a heartbeat", func(i int) error { return two[i].renew() }},
		{"nothing to read", read},
		{"a roster", func(i int) error { _, err := s.Roster(ctx, one[i].ref.Room); return err }},
	} {
		b.Run(c.name, func(b *testing.B) {
			before := used(b, server)
			var group sync.WaitGroup
			for i := range pairs {
				group.Go(func() {
					for range b.N / pairs {
						if err := c.do(i); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			group.Wait()
			b.ReportMetric((used(b, server)-before)*1e6/float64(max(b.N/pairs*pairs, 1)), "redis-µs/op")
			for i := range pairs {
				_ = read(i)
			}
		})
	}
}

// used is the CPU time of a server's main thread, in seconds.
func used(t testing.TB, server *redistest.Server) (sum float64) {
	for line := range strings.Lines(server.Do("INFO cpu")) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "used_cpu_user_main_thread" || name == "used_cpu_sys_main_thread" {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			sum += n
		}
	}
	return sum
}
