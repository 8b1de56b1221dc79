// Package msgpack writes and reads the part of MessagePack that scripts in Redis understand and
// produce: nil, booleans, numbers, texts and arrays.
package msgpack
