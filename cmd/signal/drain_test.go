package main

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// ends stops a program and returns how long it took to end.
func (p *program) ends(t *testing.T, within time.Duration) time.Duration {
	t.Helper()
	http.DefaultClient.CloseIdleConnections()
	began := time.Now()
	p.stop()
	select {
	case err := <-p.done:
		p.done <- nil
		if err != nil {
			t.Errorf("run: %v", err)
		}
	case <-time.After(within):
		t.Errorf("it did not end within %v", within)
	}
	return time.Since(began)
}

func TestWithNobodyThereItEndsAtOnce(t *testing.T) {
	p := start(t, nil)
	join(t, p.url, "room") // and no link to it
	t.Log(p.ends(t, 3*time.Second))
}

// While balancers find out that a node goes, it serves whom they still send.
func TestItServesWhileBalancersFindOut(t *testing.T) {
	p := start(t, map[string]string{"PARLEY_DRAIN_DELAY": "2s"})
	p.stop()
	began := time.Now()
	for {
		status, body := get(t, p.url+"/readyz")
		if status == http.StatusServiceUnavailable && strings.Contains(body, "not ready") {
			break
		}
		if time.Since(began) > time.Second {
			t.Fatalf("/readyz after a second: %d %s", status, body)
		}
	}
	if status, _ := get(t, p.url+"/healthz"); status != http.StatusOK {
		t.Errorf("/healthz: %d", status)
	}
	join(t, p.url, "room")
	if took := time.Since(began) + p.ends(t, 6*time.Second); took < 1900*time.Millisecond {
		t.Errorf("it ended after %v", took)
	}
}
