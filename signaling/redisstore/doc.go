// Package redisstore keeps the rooms of a signaling server in Redis 7 or newer (or Valkey), so that any
// node serves any session, and a node that dies loses nothing.
//
//	rooms, err := redisstore.Open(ctx, redisstore.Config{URL: "redis://redis.internal"})
//	…
//	server, err := signaling.New(signaling.Config{Store: rooms})
//
// Every operation is one script on the keys of one room (lua/). All keys of a room carry the same hash tag,
// {p<CRC-32 of the room's name mod 1024>}, so that a Redis Cluster spreads partitions of rooms, and a script finds
// everything on one server. Wakes go through the partition's shard channel, to which a node listens while
// it serves one of its rooms. A node has two connections to each server: one over which all steps are pipelined, and one that listens.
//
// What Redis acknowledged and then lost cannot be told from what clients know. So each script compares the
// replication ID of its server with the one that the room was written under: where a replica took over, or
// a server came back after a restart, the sessions of the room end as rejoin, and their clients join again.
//
// When Redis cannot be reached, steps fail after two seconds, or at once when that is known already. Afterwards nobody is
// shown as away or ended before every node could renew its leases: who was cut off says so with its next step in each
// partition, which holds back all ends there for half a lease.
package redisstore
