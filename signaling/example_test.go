package signaling_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/parley-rtc/parley/signaling"
)

func Example() {
	server, err := signaling.New(signaling.Config{})
	if err != nil {
		panic(err)
	}
	defer server.Close()
	mux := http.NewServeMux()
	mux.Handle("/rtc/v1/", server)

	app := httptest.NewServer(mux) // http.ListenAndServe(":8080", mux)
	defer app.Close()
	join := `{"attempt": "4fzzzxjylrxmivqfcqjhe7t4zi", "instance": "page-1"}`
	res, err := http.Post(app.URL+"/rtc/v1/rooms/lobby/sessions", "application/json", strings.NewReader(join))
	if err != nil {
		panic(err)
	}
	defer res.Body.Close()
	fmt.Println(res.Status)
	// Output: 201 Created
}

// user is what an app knows of its users.
type user struct{ ID, Name string }

var yourSTUNAndTURN = []signaling.ICEServer{{URLs: []string{"stun:relay.example"}}}

func userOf(*http.Request) (user, error) { return user{"42", "Ada"}, nil }

func Example_embed() {
	server, err := signaling.New(signaling.Config{
		Authenticate: func(r *http.Request) (signaling.Identity, error) {
			user, err := userOf(r) // your own cookie, token, …
			return signaling.Identity{Subject: user.ID, Name: user.Name}, err
		},
		ICEServers: func(context.Context, signaling.ICERequest) (signaling.ICE, error) {
			return signaling.ICE{Servers: yourSTUNAndTURN}, nil // package relay/credentials mints for ours
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/v1/", server)
	log.Fatal(http.ListenAndServe(":8080", nil))
}

func ExampleServer_AdminHandler() {
	server, err := signaling.New(signaling.Config{})
	if err != nil {
		panic(err)
	}
	defer server.Close()
	operators := func(next http.Handler) http.Handler { // your own login
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, password, _ := r.BasicAuth(); password != "a secret" {
				http.Error(w, "not for you", http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	mux := http.NewServeMux()
	mux.Handle("/v1/", server)
	mux.Handle("/ops/v1/admin/", operators(server.AdminHandler()))

	app := httptest.NewServer(mux)
	defer app.Close()
	res, err := http.Get(app.URL + "/ops/v1/admin/rooms")
	if err != nil {
		panic(err)
	}
	defer res.Body.Close()
	fmt.Println(res.Status)
	// Output: 401 Unauthorized
}
