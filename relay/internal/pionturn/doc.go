// Package pionturn serves TURN over UDP with the server of github.com/pion/turn.
//
// That server is given two wrappers. The one around a listener looks at each request first: it
// finds the one of several keys that signed it, which the server's hook cannot, refuses what the
// server would get wrong (another user's allocation, an expired credential, a denied peer, a
// family or transport it does not relay) and counts what goes through. The one around each relay
// socket keeps packets for addresses of this host inside the process.
package pionturn
