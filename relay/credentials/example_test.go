package credentials_test

import (
	"fmt"
	"time"

	"github.com/parley-rtc/parley/relay/credentials"
)

func Example() {
	// The new secret signs; what the old one signed is good until it expires.
	ring, err := credentials.New("new secret", "old secret")
	if err != nil {
		panic(err)
	}
	now := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	credential, err := ring.Mint("alice", now, time.Hour)
	if err != nil {
		panic(err)
	}
	fmt.Println(credential.Username)
	fmt.Println(ring.Verify(credential.Username, credential.Password, now))
	fmt.Println(ring.Verify(credential.Username, credential.Password, now.Add(2*time.Hour)))
	// Output:
	// 1893502800:alice
	// <nil>
	// credential expired at 2030-01-01T13:00:00Z
}
