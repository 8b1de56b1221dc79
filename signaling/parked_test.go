package signaling_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling"
)

// polled is the answer of a poll that waited.
type polled struct {
	wire.PollReply
	status int
	closed bool // the connection ends with it
	code   wire.Code
	err    error
}

// poll polls with a wait of 20 s, and sends the answer.
func (p *peer) poll(ctx context.Context, query string) chan polled {
	answer := make(chan polled, 1)
	go func() {
		var got polled
		defer func() { answer <- got }()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+p.path+"/frames?wait=20"+query, nil)
		if err != nil {
			got.err = err
			return
		}
		req.Header.Set("Authorization", "Bearer "+p.Secret)
		req.Header.Set("Origin", p.url)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			got.err = err
			return
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		got.status, got.closed, got.err = res.StatusCode, res.Close, err
		if got.status != http.StatusOK {
			got.code = reply{body: body}.refusal().Code
			return
		}
		got.err = json.Unmarshal(body, &got.PollReply)
		if allowed := res.Header.Get("Access-Control-Allow-Origin"); allowed != p.url && got.err == nil {
			got.err = fmt.Errorf("allowed origin is %q", allowed)
		}
	}()
	return answer
}

// parks lets polls wait long enough to be parked.
const parks = 1500 * time.Millisecond

func await(t *testing.T, answer chan polled) polled {
	t.Helper()
	select {
	case got := <-answer:
		if got.err != nil {
			t.Fatal(got.err)
		}
		return got
	case <-time.After(patience):
		t.Fatal("the poll is not answered")
		return polled{}
	}
}

func TestAPollThatWaitsIsParked(t *testing.T) {
	s := serve(t, signaling.Config{})
	alice, bob := s.join("lobby", as("alice")), s.join("lobby", as("bob"))
	link := bob.link()
	answer := alice.poll(t.Context(), "&after=1") // has heard that bob joined
	time.Sleep(parks)
	link.signal(alice, `"one"`)
	got := await(t, answer)
	if got.status != 200 || len(got.Frames) != 1 || !got.closed {
		t.Fatalf("got %+v", got)
	}
	var f wire.Downlink
	if err := json.Unmarshal(got.Frames[0], &f); err != nil || string(f.Data) != `"one"` || f.N != 2 {
		t.Errorf("got %s, %v", got.Frames[0], err)
	}

	// What is answered soon keeps its connection.
	again := alice.poll(t.Context(), fmt.Sprintf("&after=2&link=%d", got.Link))
	link.signal(alice, `"two"`)
	if got := await(t, again); len(got.Frames) != 1 || got.closed {
		t.Errorf("got %+v", got)
	}
}

func TestAParkedPollIsSuperseded(t *testing.T) {
	s := serve(t, signaling.Config{})
	alice := s.join("lobby")
	answer := alice.poll(t.Context(), "")
	time.Sleep(parks)
	alice.link()
	if got := await(t, answer); got.status != http.StatusConflict || got.code != wire.Superseded {
		t.Errorf("got %+v", got)
	}
}

func TestAParkedPollHearsThatItsSessionEnded(t *testing.T) {
	s := serve(t, signaling.Config{})
	alice := s.join("lobby", as("alice"))
	answer := alice.poll(t.Context(), "")
	time.Sleep(parks)
	s.must(s.Disconnect(t.Context(), "lobby", "alice"))
	if got := await(t, answer); got.status != http.StatusGone || got.code != wire.Kicked {
		t.Errorf("got %+v", got)
	}
}

func TestShutdownAnswersParkedPolls(t *testing.T) {
	s := serve(t, signaling.Config{})
	answer := s.join("lobby").poll(t.Context(), "")
	time.Sleep(parks)
	began := time.Now()
	s.must(s.Shutdown(t.Context()))
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	if got := await(t, answer); got.status != http.StatusGone || got.code != wire.Rejoin {
		t.Errorf("got %+v", got)
	}
}

func TestAParkedPollThatIsGivenUpIsForgotten(t *testing.T) {
	s := serve(t, signaling.Config{})
	alice := s.join("lobby")
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(t.Context())
	answer := alice.poll(ctx, "")
	time.Sleep(parks)
	cancel()
	<-answer
	http.DefaultClient.CloseIdleConnections()
	for deadline := time.Now().Add(patience); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}
