package tokens

import (
	"fmt"

	"github.com/parley-rtc/parley/signaling"
)

// What [Verifier] refuses, for [errors.Is]. Each wraps the [signaling.Error] that a client is
// told, whose message holds nothing from the token; nor does the text of any error here.
var (
	ErrMissing     = refusal("unauthorized", "an app token is needed, in the Authorization header as Bearer")
	ErrMalformed   = refusal("unauthorized", "the app token is malformed")
	ErrAlgorithm   = refusal("unauthorized", "the app token's algorithm is not accepted")
	ErrUnknownKey  = refusal("unauthorized", "the app token's key is not known")
	ErrSignature   = refusal("unauthorized", "the app token's signature is wrong")
	ErrExpired     = refusal("unauthorized", "the app token has expired")
	ErrNotYetValid = refusal("unauthorized", "the app token is not valid yet")
	ErrIssuer      = refusal("unauthorized", "the app token is from another issuer")
	ErrAudience    = refusal("unauthorized", "the app token is for another audience")
	ErrClaims      = refusal("unauthorized", "the app token's claims are missing or of the wrong type")
	ErrUnavailable = refusal("unavailable", "the keys for app tokens cannot be fetched now")

	ErrRoom = refusal("forbidden", "the app token does not allow this room")
	ErrVerb = refusal("forbidden", "the app token does not allow this action")
)

func refusal(code, message string) error {
	return fmt.Errorf("tokens: %w", &signaling.Error{Code: code, Message: message})
}
