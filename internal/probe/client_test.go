package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"github.com/parley-rtc/parley/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// server answers each request on loopback as a function says until the test ends; nil: not at all.
func server(t *testing.T, answer func(request *stun.Message, from *net.UDPAddr) *stun.Message) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		conn.Close()
		<-done
	})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFromUDP(buf)
			if err != nil {
				return
			}
			request := stun.New()
			if stun.Decode(buf[:n], request) != nil {
				continue
			}
			if m := answer(request, from); m != nil {
				_, _ = conn.WriteToUDP(m.Raw, from)
			}
		}
	}()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func bounded(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestMappedAsksAgain(t *testing.T) {
	var asked atomic.Int32
	seen := net.IPv4(198, 51, 100, 7)
	at := server(t, func(request *stun.Message, from *net.UDPAddr) *stun.Message {
		if asked.Add(1) == 1 {
			return nil // lost
		}
		return stun.MustBuild(request, stun.BindingSuccess, &stun.XORMappedAddress{IP: seen, Port: from.Port})
	})
	mapped, local, err := Mapped(bounded(t, 10*time.Second), at.String())
	if err != nil || mapped.Addr().String() != seen.String() || mapped.Port() != local.Port() || !local.Addr().IsLoopback() || asked.Load() != 2 {
		t.Errorf("got %v, %v, %v after %d requests", mapped, local, err, asked.Load())
	}
}

func TestWhatAllocationSaysOfServers(t *testing.T) {
	type servant = func(*stun.Message, *net.UDPAddr) *stun.Message
	failure := func(request *stun.Message, code stun.ErrorCode, more ...stun.Setter) *stun.Message {
		return stun.MustBuild(append([]stun.Setter{request, stun.NewType(request.Type.Method, stun.ClassErrorResponse), code}, more...)...)
	}
	challenge := []stun.Setter{stun.NewRealm("lab"), stun.NewNonce("nonce")}
	// after serves the challenge itself.
	after := func(next servant) servant {
		return func(request *stun.Message, from *net.UDPAddr) *stun.Message {
			if !request.Contains(stun.AttrMessageIntegrity) {
				return failure(request, stun.CodeUnauthorized, challenge...)
			}
			return next(request, from)
		}
	}
	for name, test := range map[string]struct {
		serve servant
		want  string
	}{
		"silent": {func(*stun.Message, *net.UDPAddr) *stun.Message { return nil }, "challenge: no answer"},
		"anonymous": {func(request *stun.Message, _ *net.UDPAddr) *stun.Message {
			return stun.MustBuild(request, stun.NewType(request.Type.Method, stun.ClassSuccessResponse))
		}, "challenge: the server gives an allocation to somebody without credentials"},
		"a challenge without a nonce": {func(request *stun.Message, _ *net.UDPAddr) *stun.Message {
			return failure(request, stun.CodeUnauthorized, challenge[0])
		}, "challenge: the 401 has no realm or no nonce"},
		"never content with a nonce": {after(func(request *stun.Message, _ *net.UDPAddr) *stun.Message {
			return failure(request, stun.CodeStaleNonce, challenge...)
		}), "allocate: " + ErrNonces.Error()},
		"full": {after(func(request *stun.Message, _ *net.UDPAddr) *stun.Message {
			return failure(request, stun.CodeInsufficientCapacity)
		}), `allocate: Allocate is refused with 508 ("Insufficient Capacity")`},
		"unsigned": {after(func(request *stun.Message, _ *net.UDPAddr) *stun.Message {
			return stun.MustBuild(request, stun.NewType(request.Type.Method, stun.ClassSuccessResponse))
		}), "allocate: " + ErrUnsigned.Error()},
	} {
		wait := 5 * time.Second
		if name == "silent" {
			wait = 300 * time.Millisecond
		}
		err := Allocation(bounded(t, wait), server(t, test.serve), "alice", "secret", false)
		if err == nil || err.Error() != test.want {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
}

func TestAllocationEndsWithItsContext(t *testing.T) {
	at := server(t, func(*stun.Message, *net.UDPAddr) *stun.Message { return nil })
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	time.AfterFunc(20*time.Millisecond, cancel)
	if err := Allocation(ctx, at, "alice", "secret", false); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestNear(t *testing.T) {
	for listener, want := range map[string]string{
		"0.0.0.0:3478": "127.0.0.1:3478", "[::]:3478": "127.0.0.1:3478", "192.0.2.1:3478": "192.0.2.1:3478", "[2001:db8::1]:5349": "[2001:db8::1]:5349",
	} {
		if got := Near(netip.MustParseAddrPort(listener)).String(); got != want {
			t.Errorf("%s: %s, want %s", listener, got, want)
		}
	}
}
