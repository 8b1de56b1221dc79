package tokens_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/parley-rtc/parley/signaling"
	"github.com/parley-rtc/parley/signaling/tokens"
)

// The app's service signs a token for a user; the server lets the user into the rooms in it.
func Example() {
	secret := "a secret of 32 random bytes, as a rule" // which the app's service has too
	verifier, err := tokens.New(tokens.Config{Secrets: []string{secret}})
	if err != nil {
		panic(err)
	}
	defer verifier.Close()
	server, err := signaling.New(signaling.Config{
		Authenticate: verifier.Authenticate,
		Authorize:    verifier.Authorize,
	})
	if err != nil {
		panic(err)
	}
	defer server.Close()
	web := httptest.NewServer(server)
	defer web.Close()

	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub":   "ada",
		"exp":   time.Now().Add(time.Hour).Unix(),
		"rooms": []string{"lobby", "team-*"},
		"can":   []string{"join", "signal"},
	}).SignedString([]byte(secret))
	if err != nil {
		panic(err)
	}

	join := func(room, authorization string) {
		body := `{"attempt": "4fzzzxjylrxmivqfcqjhe7t4zi", "instance": "page-1"}`
		r, err := http.NewRequest(http.MethodPost, web.URL+"/v1/rooms/"+room+"/sessions", strings.NewReader(body))
		if err != nil {
			panic(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", authorization)
		res, err := web.Client().Do(r)
		if err != nil {
			panic(err)
		}
		res.Body.Close()
		fmt.Println(room, res.Status)
	}
	join("lobby", "Bearer "+token)
	join("team-7", "Bearer "+token)
	join("office", "Bearer "+token)
	join("lobby", "")
	// Output:
	// lobby 201 Created
	// team-7 201 Created
	// office 403 Forbidden
	// lobby 401 Unauthorized
}
