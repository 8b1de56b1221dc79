package signaling_test

import (
	"context"
	"encoding/json"
	"errors"
	"expvar"
	"fmt"
	"hash/fnv"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/dgryski/go-rendezvous"
	"github.com/golang-jwt/jwt/v5"

	"github.com/parley-rtc/parley/client"
	"github.com/parley-rtc/parley/relay/credentials"
	"github.com/parley-rtc/parley/signaling"
	"github.com/parley-rtc/parley/signaling/tokens"
)

func Example_prefix() {
	server, err := signaling.New(signaling.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	mux := http.NewServeMux()
	mux.Handle("/rtc/v1/", server) // in http.StripPrefix or not, it is the same
	app := httptest.NewServer(mux) // http.ListenAndServe(":8080", mux)
	defer app.Close()

	session, err := client.Join(context.Background(), app.URL+"/rtc", "lobby", client.Options{Peer: "ada"})
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	fmt.Println(session.ID())
	// Output: ada
}

// recorder is middleware's writer, which notes the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap is what http.ResponseController, and by it the signaling server, finds the connection with.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func Example_middleware() {
	server, err := signaling.New(signaling.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	recorded := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// type recorder struct { http.ResponseWriter; status int }
		// func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
		rec := &recorder{ResponseWriter: w, status: http.StatusOK}
		server.ServeHTTP(rec, r)
		if r.Method == http.MethodPost {
			fmt.Println(rec.status)
		}
	})
	app := httptest.NewUnstartedServer(recorded)
	app.Config.ReadTimeout = 10 * time.Second  // for a request
	app.Config.WriteTimeout = 10 * time.Second // for an answer; links live on
	app.Start()
	defer app.Close()

	session, err := client.Join(context.Background(), app.URL, "lobby", client.Options{Link: client.WebSocket})
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	// Output: 201
}

func Example_tokens() {
	const secret = "at least 32 random bytes, shared with whoever signs"
	verifier, err := tokens.New(tokens.Config{Secrets: []string{secret}})
	if err != nil {
		log.Fatal(err)
	}
	defer verifier.Close()
	server, err := signaling.New(signaling.Config{
		Authenticate: verifier.Authenticate,
		Authorize:    verifier.Authorize,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	app := httptest.NewServer(server)
	defer app.Close()

	// The app's own service signs what its user may do, by any JWT library.
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": "42", "name": "Ada", "exp": time.Now().Add(time.Hour).Unix(),
		"rooms": []string{"team7.*"}, "can": []string{"join", "signal"},
	}).SignedString([]byte(secret))
	if err != nil {
		log.Fatal(err)
	}
	opts := client.Options{Token: func(context.Context) (string, error) { return token, nil }}
	session, err := client.Join(context.Background(), app.URL, "team7.standup", opts)
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	fmt.Println(session.Name())
	_, err = client.Join(context.Background(), app.URL, "team8.standup", opts)
	fmt.Println(err)
	// Output:
	// Ada
	// client: forbidden: the app token does not allow this room
}

func Example_authorize() {
	server, err := signaling.New(signaling.Config{
		Authenticate: func(r *http.Request) (signaling.Identity, error) {
			cookie, err := r.Cookie("user") // your own session
			if err != nil {
				return signaling.Identity{}, &signaling.Error{Code: "unauthorized", Message: "log in first"}
			}
			return signaling.Identity{Subject: cookie.Value}, nil
		},
		Authorize: func(_ context.Context, id signaling.Identity, a signaling.Action) error {
			if a.Verb == signaling.VerbBroadcast && id.Subject != "moderator" {
				return errors.New("not a moderator") // for the log; the client is told: forbidden
			}
			return nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	app := httptest.NewServer(server)
	defer app.Close()

	_, err = client.Join(context.Background(), app.URL, "lobby", client.Options{})
	fmt.Println(err)
	// Output: client: unauthorized: log in first
}

func Example_ice() {
	keyring, err := credentials.New("the secret that the relay has, too")
	if err != nil {
		log.Fatal(err)
	}
	server, err := signaling.New(signaling.Config{
		ICEServers: func(_ context.Context, r signaling.ICERequest) (signaling.ICE, error) {
			const ttl = time.Hour
			c, err := keyring.Mint(r.Peer, time.Now(), ttl)
			return signaling.ICE{TTL: ttl, Servers: []signaling.ICEServer{
				{URLs: []string{"stun:relay.example:3478"}},
				{URLs: []string{"turn:relay.example:3478"}, Username: c.Username, Credential: c.Password},
			}}, err
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	app := httptest.NewServer(server)
	defer app.Close()

	session, err := client.Join(context.Background(), app.URL, "lobby", client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	fmt.Println(session.ICE().Servers[1].URLs, session.ICE().TTL)
	// Output: [turn:relay.example:3478] 1h0m0s
}

func Example_relays() {
	keyring, err := credentials.New("the secret that the relays have, too")
	if err != nil {
		log.Fatal(err)
	}
	hash := func(name string) uint64 {
		h := fnv.New64a()
		_, _ = h.Write([]byte(name))
		return h.Sum64()
	}
	var relays atomic.Pointer[rendezvous.Rendezvous] // github.com/dgryski/go-rendezvous
	relays.Store(rendezvous.New([]string{"relay1.example", "relay2.example", "relay3.example"}, hash))
	server, err := signaling.New(signaling.Config{
		ICEServers: func(_ context.Context, r signaling.ICERequest) (signaling.ICE, error) {
			const ttl = time.Hour
			c, err := keyring.Mint(r.Peer, time.Now(), ttl)
			relay := relays.Load().Lookup(r.Room) // all peers of a room have the same
			return signaling.ICE{TTL: ttl, Servers: []signaling.ICEServer{
				{URLs: []string{"turn:" + relay}, Username: c.Username, Credential: c.Password},
			}}, err
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	app := httptest.NewServer(server)
	defer app.Close()

	relayOf := func(room string) string {
		session, err := client.Join(context.Background(), app.URL, room, client.Options{})
		if err != nil {
			log.Fatal(err)
		}
		defer session.Close()
		return session.ICE().Servers[0].URLs[0]
	}
	fmt.Println(relayOf("lobby"), relayOf("lobby"), relayOf("kitchen"))

	before := relays.Swap(rendezvous.New([]string{"relay2.example", "relay3.example"}, hash)) // relay1 is down
	server.RenewICE(func(room string) bool {
		return before.Lookup(room) != relays.Load().Lookup(room)
	})
	fmt.Println(relayOf("lobby"), relayOf("kitchen"))
	// Output:
	// turn:relay1.example turn:relay1.example turn:relay2.example
	// turn:relay2.example turn:relay2.example
}

func Example_observe() {
	counts := new(expvar.Map)
	server, err := signaling.New(signaling.Config{
		Observe: func(e signaling.Event) { counts.Add(string(e.Kind), 1) },
	})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	app := httptest.NewServer(server)
	defer app.Close()

	session, err := client.Join(context.Background(), app.URL, "lobby", client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	fmt.Println(counts.Get(string(signaling.SessionJoined)), server.Stats().Joins)
	// Output: 1 1
}

func Example_operate() {
	server, err := signaling.New(signaling.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	app := httptest.NewServer(server)
	defer app.Close()
	ctx := context.Background()
	session, err := client.Join(ctx, app.URL, "lobby", client.Options{Peer: "ada"})
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()

	peers, err := server.Peers(ctx, "lobby")
	fmt.Println(len(peers), peers[0].ID, err)
	fmt.Println(server.Send(ctx, "lobby", "ada", json.RawMessage(`"closing at ten"`)))
	for event := range session.Events() {
		if signal, is := event.(client.Signal); is {
			fmt.Println(string(signal.Data))
			break
		}
	}
	fmt.Println(server.Disconnect(ctx, "lobby", "ada"))
	// Output:
	// 1 ada <nil>
	// <nil>
	// "closing at ten"
	// <nil>
}

func Example_shutdown() {
	server, err := signaling.New(signaling.Config{})
	if err != nil {
		log.Fatal(err)
	}
	app := &http.Server{Handler: server, ReadHeaderTimeout: 10 * time.Second}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- app.Serve(listener) }()

	// … until SIGTERM comes: <-ctx.Done()
	drain, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	fmt.Println(server.Shutdown(drain)) // first: it tells the clients, and closes their links
	fmt.Println(app.Shutdown(drain))    // then: it waits for requests, and knows of no links
	fmt.Println(<-served)
	// Output:
	// <nil>
	// <nil>
	// http: Server closed
}
