package worker

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

func TestReadDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newWire(nil, pair{client: netip.MustParseAddrPort("192.0.2.1:1000")})
		buf := make([]byte, 10)
		read := func(want error) {
			t.Helper()
			if _, _, err := c.ReadFrom(buf); !errors.Is(err, want) {
				t.Errorf("got %v, want %v", err, want)
			}
		}
		set := func(at time.Time) {
			t.Helper()
			if err := c.SetReadDeadline(at); err != nil {
				t.Error(err)
			}
		}
		began := time.Now()
		set(began.Add(time.Second))
		read(os.ErrDeadlineExceeded)
		read(os.ErrDeadlineExceeded)
		if took := time.Since(began); took != time.Second {
			t.Errorf("it waited %v, want a second", took)
		}
		set(time.Time{})
		go func() {
			time.Sleep(time.Hour)
			c.arrived([]byte("late"))
		}()
		read(nil)
		set(time.Now().Add(time.Second))
		set(time.Now().Add(time.Minute)) // instead
		at := time.Now()
		read(os.ErrDeadlineExceeded)
		if took := time.Since(at); took != time.Minute {
			t.Errorf("it waited %v, want a minute", took)
		}
		set(time.Now().Add(-time.Second))
		c.arrived([]byte("there"))
		read(os.ErrDeadlineExceeded)
		set(time.Time{})
		read(nil)
		set(time.Now().Add(time.Minute))
		go func() {
			time.Sleep(time.Second)
			_ = c.Close()
		}()
		read(net.ErrClosed)
		if _, err := c.WriteTo(buf, nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("WriteTo after Close: %v", err)
		}
		set(time.Time{})
	})
}

func TestASessionsQueueIsBounded(t *testing.T) {
	c := newWire(nil, pair{client: netip.MustParseAddrPort("192.0.2.1:1000")})
	for i := range maxArrived {
		if !c.arrived([]byte{byte(i)}) {
			t.Fatalf("datagram %d found no room", i)
		}
	}
	if c.arrived([]byte("more")) {
		t.Error("there is always room")
	}
}

func TestWhatBeginsADTLSHandshake(t *testing.T) {
	for name, test := range map[string]struct {
		p    string
		want bool
	}{
		"a ClientHello":         {"\x16\xfe\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10\x01", true},
		"a ServerHello":         {"\x16\xfe\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10\x02", false},
		"a later epoch":         {"\x16\xfe\xfd\x00\x01\x00\x00\x00\x00\x00\x00\x00\x10\x01", false},
		"data":                  {"\x17\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10\x01", false},
		"TLS":                   {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x00\x01", false},
		"nothing in the record": {"\x16\xfe\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", false},
		"a byte":                {"\x16", false},
		"an alert":              {"\x15\xfe\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x01\x00", false},
	} {
		if got := isClientHello([]byte(test.p)); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}
