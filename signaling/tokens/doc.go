// Package tokens checks app tokens for a [signaling.Server]: JSON Web Tokens (RFC 7519) that
// an app's own service signs, and that say who a user is and what they may do in which rooms.
//
//	verifier, err := tokens.New(tokens.Config{JWKSURL: "https://app.example/.well-known/jwks.json"})
//	…
//	server, err := signaling.New(signaling.Config{
//		Authenticate: verifier.Authenticate,
//		Authorize:    verifier.Authorize,
//	})
//
// A token is signed either with a shared secret (HS256) or with a private key whose public half
// is in the app's key set (RS256, ES256 or EdDSA; RFC 7517). The key decides the algorithm, the
// token does not: a token whose header names another one is refused. Its claims:
//
//	sub    who it is; required, not empty
//	exp    when it ends; required
//	nbf    when it begins
//	iss    who issued it; must be Config.Issuer, if that is set
//	aud    for whom; must be, or hold, Config.Audience, if that is set
//	name   what the others are shown as the user's name
//	rooms  an array of room names, each exact or a prefix ending in "*"; absent: no room
//	can    an array of "join", "signal" and "broadcast"; absent: nothing
//
// The key set is fetched when the [Verifier] is made, every ten minutes, and when a token names a
// key that is not in it, then at most every 30 s. A set that is fetched replaces the one before;
// where it cannot be, the one before is kept for a day, and fetching tried again after 1 s, 2 s and
// so on up to a minute. Keys rotate without a restart if each has an id of its own. A token without
// a key id is taken if there is exactly one key of its algorithm; among keys that share an algorithm and
// an id, none is.
package tokens
