package peers

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/parley-rtc/parley/signaling"
)

func TestAChannelIsAStream(t *testing.T) {
	s := serve(t, signaling.Config{})
	cfg := Config{MaxMessage: 100_000}
	alice, bob := s.join("alice", cfg), s.join("bob", cfg)
	ac := alice.open("bob", "chat")
	ctx, cancel := bob.soon()
	defer cancel()
	bc, err := bob.Accept(ctx)
	if err != nil || bc.Peer() != bob.Peer("alice") || bc.Name() != "chat" {
		t.Fatalf("Accept returned %v, %v", bc, err)
	}

	t.Run("Read gives the bytes of messages, and never those of two at once", func(t *testing.T) {
		for _, message := range []string{"", "abcdef", "", "gh"} {
			alice.write(ac, []byte(message))
		}
		buf := make([]byte, 4)
		for _, want := range []string{"abcd", "ef", "gh"} {
			n, err := bc.Read(buf)
			if got := string(buf[:n]); got != want || err != nil {
				t.Errorf("Read gave %q, %v; want %q", got, err, want)
			}
		}
	})
	t.Run("Write cuts what is too long for one message", func(t *testing.T) {
		long := bytes.Repeat([]byte("0123456789"), 25_000)
		go func() { _, _ = ac.Write(long) }()
		got := make([]byte, len(long))
		if _, err := io.ReadFull(bc, got); err != nil || !bytes.Equal(got, long) {
			t.Errorf("what was read differs: %v", err)
		}
		var tooLarge *TooLargeError
		if err := ac.WriteMessage(ctx, long); !errors.As(err, &tooLarge) || tooLarge.Limit != 100_000 {
			t.Errorf("a message over the limit: %v", err)
		}
	})
	t.Run("deadlines pass, and may be moved", func(t *testing.T) {
		_ = bc.SetReadDeadline(time.Now().Add(-time.Second))
		if _, err := bc.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after the deadline: %v", err)
		}
		_ = bc.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		if _, err := bc.ReadMessage(ctx); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("waiting for the deadline: %v", err)
		}
		_ = bc.SetReadDeadline(time.Time{})
		soon, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
		defer cancel()
		if _, err := bc.ReadMessage(soon); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting for the context: %v", err)
		}
		talk(alice, bob, ac, bc)
	})
	t.Run("a channel that was closed can be had anew", func(t *testing.T) {
		if err := bc.Close(); err != nil {
			t.Error(err)
		}
		if _, err := bc.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read of a closed channel: %v", err)
		}
		if err := bc.WriteMessage(ctx, nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write to a closed channel: %v", err)
		}
		bc = bob.open("alice", "chat")
		talk(alice, bob, ac, bc)
	})
	t.Run("when the peer has left, what it said before is read, and then the end", func(t *testing.T) {
		if _, err := io.WriteString(ac, "good-bye"); err != nil {
			t.Fatal(err)
		}
		if err := alice.Leave(ctx); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(bc); string(got) != "good-bye" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
		if err := bc.WriteMessage(ctx, nil); err == nil {
			t.Error("a message could be written to who has left")
		}
		bob.until("alice has left", func() bool {
			return saw(bob, func(e Left) bool { return e.Reason == ByLeaving && e.Peer.State() == Closed })
		})
		if _, err := alice.Accept(ctx); !errors.Is(err, ErrClosed) {
			t.Errorf("Accept after Leave: %v", err)
		}
	})
}

func TestASlowReaderHoldsTheWriter(t *testing.T) {
	t.Parallel() // it waits most of the time
	s := serve(t, signaling.Config{})
	alice, bob := s.join("alice", Config{}), s.join("bob", Config{})
	ac, bc := alice.open("bob", "chat"), bob.open("alice", "chat")
	message := make([]byte, 64<<10)
	written := 0
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		err := ac.WriteMessage(ctx, message)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if written++; written > 100 {
			t.Fatal("more than 6 MiB were taken, and nobody reads")
		}
	}
	if got := ac.Buffered(); got > highWater+chunkSize {
		t.Errorf("%d bytes wait at the sender", got)
	}
	bc.mu.Lock()
	held := bc.bytes
	bc.mu.Unlock()
	if held > inboxHigh+len(message)+messageCost {
		t.Errorf("%d bytes wait at the reader", held)
	}
	for range written {
		bob.read(bc)
	}
	talk(alice, bob, ac, bc) // the message that was given up is no more
}

func TestALatestOnlyChannelNeverHoldsItsWriter(t *testing.T) {
	s := serve(t, signaling.Config{})
	none := uint16(0)
	cfg := Config{Channels: map[string]ChannelOptions{"caret": {Unordered: true, MaxRetransmits: &none, LatestOnly: true}}}
	alice, bob := s.join("alice", cfg), s.join("bob", cfg)
	ac, bc := alice.open("bob", "caret"), bob.open("alice", "caret")
	for i := range 10_000 {
		alice.write(ac, bytes.Repeat([]byte{byte(i)}, 1000))
	}
	alice.write(ac, []byte("last"))
	seen := 0
	for string(bob.read(bc)) != "last" {
		seen++
	}
	if seen > 9000 {
		t.Errorf("%d of 10,000 messages were sent", seen)
	}
}
