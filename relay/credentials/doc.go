// Package credentials mints and checks time-limited TURN credentials.
//
// A service that knows its users and a relay share a secret. The service gives a user the username
// "expiry:user", expiry being a Unix time in seconds, and the password
// base64(HMAC-SHA1(secret, username)); the relay computes the same password from the username
// alone. This is the scheme of draft-uberti-behave-turn-rest, spoken by coturn and others too.
package credentials
