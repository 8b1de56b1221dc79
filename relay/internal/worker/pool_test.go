package worker

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/parley-rtc/parley/relay/internal/turn"
)

func bindable(uint16) error { return nil }

func TestEveryPortIsHandedOutOnce(t *testing.T) {
	p := newPool(1000, 1099)
	taken := make(map[uint16]bool)
	for range 3 {
		for range 100 {
			port, err := p.take(turn.Wish{}, bindable)
			if err != nil || port < 1000 || port > 1099 || taken[port] {
				t.Fatalf("after %d ports: %d, %v", len(taken), port, err)
			}
			taken[port] = true
		}
		if port, err := p.take(turn.Wish{}, bindable); !errors.Is(err, turn.ErrPorts) {
			t.Fatalf("when all are taken: %d, %v", port, err)
		}
		for port := range taken {
			p.release(port)
		}
		clear(taken)
	}
}

func TestPairsAreEvenAndFree(t *testing.T) {
	p := newPool(1001, 1010) // 1002 to 1009 make four pairs
	var pairs []uint16
	for {
		port, err := p.take(turn.Wish{Even: true, Pair: true}, bindable)
		if err != nil {
			break
		}
		if port%2 != 0 {
			t.Errorf("%d is odd", port)
		}
		pairs = append(pairs, port)
	}
	if len(pairs) != 4 {
		t.Fatalf("%d pairs, want 4: %v", len(pairs), pairs)
	}
	if port, err := p.take(turn.Wish{Even: true}, bindable); err != nil || port != 1010 {
		t.Errorf("an even port alone: %d, %v, want 1010", port, err)
	}
	if port, err := p.take(turn.Wish{}, bindable); err != nil || port != 1001 {
		t.Errorf("any port: %d, %v, want 1001", port, err)
	}
	p.release(pairs[0] + 1)
	if port, err := p.take(turn.Wish{Even: true, Pair: true}, bindable); !errors.Is(err, turn.ErrPorts) {
		t.Errorf("half a pair: %d, %v, want none", port, err)
	}
	p.release(pairs[0])
	if port, err := p.take(turn.Wish{Even: true, Pair: true}, bindable); err != nil || port != pairs[0] {
		t.Errorf("a pair given back: %d, %v, want %d", port, err, pairs[0])
	}
}

func TestThePortOf65535HasNoPair(t *testing.T) {
	p := newPool(65534, 65535)
	if port, err := p.take(turn.Wish{Even: true, Pair: true}, bindable); err != nil || port != 65534 {
		t.Errorf("got %d, %v", port, err)
	}
	p = newPool(65535, 65535)
	if port, err := p.take(turn.Wish{Even: true, Pair: true}, bindable); !errors.Is(err, turn.ErrPorts) {
		t.Errorf("got %d, %v", port, err)
	}
}

func TestPortsOfOthersArePassedOver(t *testing.T) {
	p := newPool(1000, 1009)
	odd := func(port uint16) error {
		if port%2 == 0 {
			return fmt.Errorf("bind: %w", syscall.EADDRINUSE)
		}
		return nil
	}
	for range 5 {
		if port, err := p.take(turn.Wish{}, odd); err != nil || port%2 == 0 {
			t.Fatalf("got %d, %v", port, err)
		}
	}
	if port, err := p.take(turn.Wish{}, odd); !errors.Is(err, turn.ErrPorts) {
		t.Errorf("got %d, %v", port, err)
	}
	if port, err := p.take(turn.Wish{}, bindable); err != nil || port%2 != 0 {
		t.Errorf("when the other program has ended: %d, %v", port, err)
	}
	tries := 0
	large := newPool(1000, 60000)
	if _, err := large.take(turn.Wish{}, func(uint16) error { tries++; return syscall.EADDRINUSE }); !errors.Is(err, turn.ErrPorts) || tries != maxTries {
		t.Errorf("%v after %d tries, want %d", err, tries, maxTries)
	}
}

func TestWhyBindingFailsIsSaid(t *testing.T) {
	p := newPool(1000, 1009)
	if _, err := p.take(turn.Wish{}, func(uint16) error { return syscall.EMFILE }); !errors.Is(err, syscall.EMFILE) {
		t.Errorf("got %v", err)
	}
	if len(p.free) != 10 {
		t.Errorf("%d ports are free, want all", len(p.free))
	}
}
