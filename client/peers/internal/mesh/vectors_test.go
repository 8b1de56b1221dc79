package mesh

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"testing"
)

type vectors struct {
	Hash []struct {
		Text string
		Hash uint32
	}
	Neighbours []struct {
		Room       []string
		Neighbours map[string][]string
	}
	Envelopes struct {
		Read []struct {
			Says, Instance, Origin, To, Payload, Hex string
			Sort, Hops                               byte
			N                                        uint32
		}
		Refused []struct{ Says, Hex string }
	}
}

func readVectors(t testing.TB) vectors {
	t.Helper()
	var all struct{ Mesh vectors }
	text, err := os.ReadFile("../../../../docs/protocol/vectors/peers.json")
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		t.Fatal(err)
	}
	return all.Mesh
}

func TestVectorsOfHashes(t *testing.T) {
	hashes := readVectors(t).Hash
	for _, v := range hashes {
		if got := Hash(v.Text); got != v.Hash {
			t.Errorf("the hash of %q is %d, want %d", v.Text, got, v.Hash)
		}
	}
	if len(hashes) < 5 {
		t.Errorf("only %d vectors", len(hashes))
	}
}

func TestVectorsOfNeighbours(t *testing.T) {
	rooms := readVectors(t).Neighbours
	for _, v := range rooms {
		g := newGraph(v.Room)
		for id, want := range v.Neighbours {
			if got := slices.Sorted(slices.Values(g[id])); !slices.Equal(got, want) {
				t.Errorf("of %d, %s has %v, want %v", len(v.Room), id, got, want)
			}
		}
	}
	if len(rooms) < 3 {
		t.Errorf("only %d vectors", len(rooms))
	}
}

func TestVectorsOfEnvelopes(t *testing.T) {
	v := readVectors(t).Envelopes
	for _, r := range v.Read {
		data, _ := hex.DecodeString(r.Hex)
		payload, _ := hex.DecodeString(r.Payload)
		want := envelope{sort: sort(r.Sort), run: Hash(r.Instance), n: r.N, origin: r.Origin, to: r.To, hops: r.Hops, payload: payload}
		got, ok := read(data)
		if !ok || !same(got, want) {
			t.Errorf("%s: %x is %+v, want %+v", r.Says, data, got, want)
		}
		if got := want.encode(); !bytes.Equal(got, data) {
			t.Errorf("%s is %x, want %x", r.Says, got, data)
		}
	}
	for _, r := range v.Refused {
		data, _ := hex.DecodeString(r.Hex)
		if got, ok := read(data); ok {
			t.Errorf("%s: %x was read as %+v", r.Says, data, got)
		}
	}
	if len(v.Read) < 5 || len(v.Refused) < 7 {
		t.Errorf("only %d and %d vectors", len(v.Read), len(v.Refused))
	}
}

func same(a, b envelope) bool {
	p, q := a.payload, b.payload
	a.payload, b.payload = nil, nil
	return a.sort == b.sort && a.run == b.run && a.n == b.n && a.origin == b.origin && a.to == b.to && a.hops == b.hops && bytes.Equal(p, q)
}

func TestAnEnvelopeToOneHasItsLimits(t *testing.T) {
	e := envelope{origin: "a", to: "b", hops: 1, payload: make([]byte, OneMost)}
	data := e.encode()
	if _, ok := read(data); !ok {
		t.Error("64 KiB to one are refused")
	}
	if _, ok := read(append(data, 0)); ok {
		t.Error("more than 64 KiB to one are read")
	}
	e.to = ""
	if _, ok := read(append(e.encode(), 0)); !ok {
		t.Error("more than 64 KiB to all are refused")
	}
	for _, left := range []struct {
		hops byte
		ok   bool
	}{{0, false}, {1, true}} {
		data := envelope{origin: "a", to: "b", hops: left.hops}.encode()
		if got := spend(data); got != left.ok {
			t.Errorf("with %d hops left, one is spent: %v", left.hops, got)
		}
		if got, ok := read(data); !ok || got.hops != 0 {
			t.Errorf("%d hops less one are %+v", left.hops, got)
		}
	}
}

func FuzzReading(f *testing.F) {
	v := readVectors(f).Envelopes
	for _, r := range v.Read {
		data, _ := hex.DecodeString(r.Hex)
		f.Add(data)
	}
	for _, r := range v.Refused {
		data, _ := hex.DecodeString(r.Hex)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, ok := read(data)
		if !ok {
			return
		}
		if again := e.encode(); !bytes.Equal(again, data) {
			t.Errorf("%x is written as %x", data, again)
		}
		if e.to != "" {
			spend(data)
		}
	})
}
