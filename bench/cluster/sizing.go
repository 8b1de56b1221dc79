//go:build linux

package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// The sessions of the tables: in rooms of two, on WebSockets.
const (
	stay   = 1800.0 // seconds from joining to leaving
	frames = 20.0   // sent meanwhile: a description and some candidates, twice
	beat   = 25.0   // seconds between heartbeats
	// Of a node's memory for an idle session, in bytes: without Redis by make bench-signaling, with it by test/cluster, where
	// requests go anywhere (docs/operations.md, "memory of the nodes for a session").
	plainBytes, sharedBytes = 8.1e3, 15.3e3
	// How busy nodes and Redis are to be: nodes have to do the work of those that are gone, and a script runs alone.
	nodeShare, redisShare = 1.0 / 3, 0.5
	// The pace at which a frame costs what is calculated with: about that of one Redis which is half busy so.
	pace = "pair/1000 a second, "
)

// need is what one session takes of a processor, in millionths.
type need struct{ joins, beats, frames float64 }

func (n need) sum() float64 { return n.joins + n.beats + n.frames }

// needOf calculates from what is in the table, as it is there. It is false where something was not measured.
func (b *book) needOf(of string, in setup) (n need, ok bool) {
	ok = true
	cost := func(what string) float64 {
		v, measured := b.get(what, in)
		ok = ok && measured
		shown, _ := strconv.ParseFloat(number(v), 64)
		return shown
	}
	step := func(what string) float64 { return cost("steps/" + what + ", " + of + " CPU, µs") }
	n = need{
		joins:  (step("a join") + step("its WebSocket") + step("to leave")) / stay,
		beats:  step("a heartbeat") / beat,
		frames: cost(pace+of+" CPU a frame, µs") * frames / stay,
	}
	return n, ok
}

// sizings are the tables that are calculated, by the marks that they stand between; empty where something was not measured.
func (b *book) sizings() map[string]string {
	plain, ok1 := b.needOf("node", inMemory)
	node, ok2 := b.needOf("node", oneNode)
	redis, ok3 := b.needOf("Redis", oneNode)
	idle, ok4 := b.get("memory/bytes of an idle session", oneNode)
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return map[string]string{"how many": "", "a million": ""}
	}
	many := new(strings.Builder)
	many.WriteString("| sessions at once | nodes, with a processor each | memory of all nodes | Redis | its memory |\n|---|---|---|---|---|\n")
	const alone = 50_000
	fmt.Fprintf(many, "| up to %s | 1, without Redis: %.0f %% busy | %s | none | |\n", thousands(alone), alone*plain.sum()/1e4, amount(alone*plainBytes))
	for _, sessions := range []float64{30_000, 100_000, 300_000, 1_000_000} {
		nodes := max(3, math.Ceil(sessions*node.sum()/1e6/nodeShare)) // one may be gone, and another be restarted
		masters := math.Ceil(sessions * redis.sum() / 1e6 / redisShare)
		servers := "1, and a replica"
		if masters > 1 {
			servers = fmt.Sprintf("a cluster of %.0f masters", max(3, masters)) // it has no fewer
		}
		fmt.Fprintf(many, "| %s | %.0f | %s | %s | %s |\n", thousands(sessions), nodes, amount(sessions*sharedBytes), servers, amount(sessions*idle))
	}
	million := new(strings.Builder)
	fmt.Fprint(million, "| of a million sessions | a second | Redis, cores | nodes, cores |\n|---|---|---|---|\n")
	fmt.Fprintf(million, "| joins, with their WebSockets and ends | %s | %.1f | %.1f |\n", thousands(1e6/stay), redis.joins, node.joins)
	fmt.Fprintf(million, "| heartbeats | %s | %.1f | %.1f |\n", thousands(1e6/beat), redis.beats, node.beats)
	fmt.Fprintf(million, "| frames | %s | %.1f | %.1f |\n", thousands(1e6*frames/stay), redis.frames, node.frames)
	fmt.Fprintf(million, "| **together** | | **%.1f** | **%.1f** |\n", redis.sum(), node.sum())
	return map[string]string{"how many": many.String(), "a million": million.String()}
}

// amount writes bytes as people say them.
func amount(bytes float64) string {
	if bytes < 1e9 {
		return strconv.FormatFloat(math.Round(bytes/1e7)*10, 'f', -1, 64) + " MB"
	}
	return fmt.Sprintf("%.1f GB", bytes/1e9)
}

func thousands(n float64) string {
	text := strconv.FormatFloat(math.Round(n), 'f', -1, 64)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}
