// Package relays says which external relays the peers of a room are given: its first one, and a second as backup.
//
// Rooms are spread over the relays by rendezvous hashing, so all peers of a room share both, whichever node of a
// cluster they ask, and when a relay comes or goes only the rooms move that have to. A [Set] watches its relays by making an
// allocation at each now and then. One that is down is left out, its rooms have their backup as first one then, and
// another as backup. If all are down they are handed out as if none were: a try is better than none.
package relays
