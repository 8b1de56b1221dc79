//go:build race

package main

// racing says that the race detector is on, with which times say little.
const racing = true
