package signaling_test

import (
	"fmt"
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
