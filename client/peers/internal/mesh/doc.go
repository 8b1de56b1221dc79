// Package mesh decides who is connected to whom in a room with many peers, and brings messages to those who are no
// neighbours: docs/protocol/peers.md, "Mesh".
//
// It has no network and no goroutine: a [Mesh] is told of peers and of what came from them, and tells what is to be done. All its methods, and
// all that it calls, belong to one goroutine.
package mesh
