package redisstore

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/parley-rtc/parley/internal/redistest"
	"github.com/parley-rtc/parley/signaling/store"
	"github.com/parley-rtc/parley/signaling/storetest"
)

// Releases with one schema serve the same rooms. What an earlier one wrote is in testdata; if it is to be written anew, for anything but a new
// schema, those who update cannot do so node by node.
var update = flag.Bool("update", false, "write testdata anew, as this release keeps a room")

const (
	roomFile   = "testdata/schema-1.json"
	layoutFile = "testdata/schema-1.layout"
)

// keptRoom is a room as its keys hold it.
type keptRoom struct{ State, Live []keptField }

type keptField struct{ Name, Value []byte }

// longRules are such that a room outlives releases.
func longRules() store.Rules {
	const long = 50 * 365 * 24 * time.Hour
	r := storetest.Rules
	r.Lease, r.Polling, r.Away, r.Left, r.Unlinked, r.Leaving, r.Attempt, r.Tombstone = long, long, long, long, long, long, long, long
	return r
}

func refTo(name string) store.Ref {
	return store.Ref{Room: "room", Session: "session of " + name, SecretHash: sha256.Sum256([]byte("secret of " + name))}
}

func namedRequest(name, peer string) store.JoinRequest {
	ref := refTo(name)
	return store.JoinRequest{
		Attempt: sha256.Sum256([]byte("attempt of " + name)), Body: sha256.Sum256([]byte("body of " + name)), Session: ref.Session, Salt: []byte("salt of " + name),
		SecretHash: ref.SecretHash, Peer: peer, Spare: "spare", Instance: "instance of " + name, Name: "name of " + name, Rules: longRules(),
	}
}

// furnish has everything happen in a room that leaves something in its keys.
func furnish(t *testing.T, s *Store) {
	t.Helper()
	ctx := context.Background()
	did := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	join := func(name string, edit func(*store.JoinRequest), link *store.Link) (fence int64) {
		t.Helper()
		request := namedRequest(name, name)
		if edit != nil {
			edit(&request)
		}
		_, err := s.Join(ctx, "room", request)
		did("join "+name, err)
		if link != nil {
			attached, err := s.Attach(ctx, refTo(name), *link)
			did("attach "+name, err)
			fence = attached.Fence
		}
		return fence
	}
	send := func(name string, frames ...store.Sent) {
		t.Helper()
		for i := range frames {
			frames[i].N = int64(i + 1)
		}
		result, err := s.Exchange(ctx, refTo(name), store.Exchange{Frames: frames})
		did("exchange of "+name, err)
		if result.Received != int64(len(frames)) {
			t.Fatalf("received are %d of %d frames of %s", result.Received, len(frames), name)
		}
	}
	join("alice", func(r *store.JoinRequest) {
		r.Subject, r.Address, r.Meta, r.Deny = "user 1", "192.0.2.1", []byte(`{"colour":"red"}`), store.Deny{Broadcast: true}
	}, &store.Link{Kind: "websocket", After: -1})
	join("bob", func(r *store.JoinRequest) { r.Expires = 40 * 365 * 24 * time.Hour }, &store.Link{Kind: "poll", Polls: true, After: -1})
	fence := join("carol", nil, &store.Link{Kind: "events", After: -1})
	_, err := s.Attach(ctx, refTo("carol"), store.Link{Kind: "websocket", Probe: true, After: -1})
	did("a probe", err)
	text, name := []byte(`"text"`), "another name"
	send("alice", store.Sent{Kind: store.Signal, To: "bob", Data: text}, store.Sent{Kind: store.Signal, To: "nobody", Data: text}, store.Sent{Kind: store.Broadcast, Data: text})
	send("bob", store.Sent{Kind: store.Broadcast, Data: text}, store.Sent{Kind: store.Change, Name: &name, Meta: []byte("1")},
		store.Sent{Kind: store.Invalid, Refusal: store.Refusal{To: "alice", Code: "bad_field", Message: "no"}})
	_, err = s.Exchange(ctx, refTo("carol"), store.Exchange{Ack: 1, Fence: fence, Renew: true})
	did("a renewal", err)
	_, err = s.Detach(ctx, refTo("carol"), fence)
	did("detach", err)
	join("dave", nil, nil)
	send("dave", store.Sent{Kind: store.Signal, To: "alice", Data: text})
	_, _, err = s.Leave(ctx, refTo("dave"), false)
	did("leave", err)
	join("bob again", func(r *store.JoinRequest) {
		r.Peer, r.Resuming, r.Resume = "bob", true, refTo("bob").SecretHash
	}, &store.Link{Kind: "websocket", After: -1})
	_, _, err = s.Leave(ctx, refTo("carol"), true)
	did("a soft leave", err)
	_, err = s.Post(ctx, "room", "key", "", []byte(`"posted"`))
	did("post", err)
}

// keys returns the keys of the room.
func (s *Store) keysOf(room string) (state, live string) {
	p := s.partitionOf(room)
	return p.state(room), p.tag + "l:" + room
}

func (s *Store) keep(t *testing.T) (k keptRoom) {
	t.Helper()
	read := func(key string) (list []keptField) {
		fields, err := s.client.Do(context.Background(), s.client.B().Hgetall().Key(key).Build()).AsStrMap()
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range fields {
			list = append(list, keptField{[]byte(name), []byte(value)})
		}
		slices.SortFunc(list, func(a, b keptField) int { return bytes.Compare(a.Name, b.Name) })
		return list
	}
	state, live := s.keysOf("room")
	k.State, k.Live = read(state), read(live)
	return k
}

// layout is a script that says of what the fields of a room are made: of each kind of field, how long its array is and of what types its values are.
const layout = `
local kinds, lines = {}, {}
for i = 1, #ARGV, 2 do
  local name, value = ARGV[i], ARGV[i + 1]
  local kind, packed = string.sub(name, 1, 1), {}
  if kind == 'r' or kind == 'h' or kind == 'c' or (kind == 'f' or kind == 'b') and string.byte(value) ~= 98 then packed = cmsgpack.unpack(value) end
  if kind == 'f' or kind == 'b' then kind = 'frame ' .. (packed[1] or 'shared') end
  kinds[kind] = kinds[kind] or {}
  kinds[kind][0] = math.max(kinds[kind][0] or 0, #packed)
  for at, part in ipairs(packed) do
    kinds[kind][at] = kinds[kind][at] or {}
    kinds[kind][at][type(part)] = true
  end
end
for kind, parts in pairs(kinds) do
  local line = {}
  for at = 1, parts[0] do
    local types = {}
    for name in pairs(parts[at]) do types[#types + 1] = name end
    table.sort(types)
    line[at] = table.concat(types, '|')
  end
  lines[#lines + 1] = kind .. ': ' .. parts[0] .. ' ' .. table.concat(line, ' ')
end
table.sort(lines)
return table.concat(lines, '\n') .. '\n'`

func (s *Store) layout(t *testing.T, k keptRoom) string {
	t.Helper()
	args := make([]string, 0, 2*len(k.State))
	for _, f := range k.State {
		args = append(args, string(f.Name), string(f.Value))
	}
	text, err := rueidis.NewLuaScript(layout).Exec(context.Background(), s.client, nil, args).ToString()
	if err != nil {
		t.Fatal(err)
	}
	return text + "a room is in: " + strings.TrimPrefix(s.partitionOf("room").tag, s.base) + "\n"
}

func TestReleasesOfOneSchemaKeepRoomsAlike(t *testing.T) {
	t.Parallel()
	s := open(t, redistest.Start(t).URL())
	furnish(t, s)
	kept := s.keep(t)
	got := s.layout(t, kept)
	if *update {
		text, err := json.MarshalIndent(kept, "", " ")
		if err := cmp.Or(err, os.WriteFile(roomFile, append(text, '\n'), 0o600), os.WriteFile(layoutFile, []byte(got), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(layoutFile)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("this release keeps a room as\n%s\nothers of schema %d read it as\n%s\nraise schema", got, schema, want)
	}
}

// What another release with the same schema left is gone on with.
func TestARoomOfAnotherReleaseGoesOn(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(roomFile)
	if err != nil {
		t.Fatal(err)
	}
	var kept keptRoom
	if err := json.Unmarshal(text, &kept); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	s := open(t, redistest.Start(t).URL())
	state, live := s.keysOf("room")
	for key, fields := range map[string][]keptField{state: kept.State, live: kept.Live} {
		for _, f := range fields {
			if err := s.client.Do(ctx, s.client.B().Hset().Key(key).FieldValue().FieldValue(string(f.Name), string(f.Value)).Build()).Error(); err != nil {
				t.Fatal(err)
			}
		}
	}
	// This is the server that the room was written on.
	here := rueidis.NewLuaScript(`local r, info = cmsgpack.unpack(redis.call('HGET', KEYS[1], 'r')), redis.call('INFO')
r[1], r[2] = string.sub(string.match(info, 'master_replid:(%w+)'), 1, 16), string.sub(string.match(info, 'run_id:(%w+)'), 1, 16)
return redis.call('HSET', KEYS[1], 'r', cmsgpack.pack(r))`)
	if err := here.Exec(ctx, s.client, []string{state}, nil).Error(); err != nil {
		t.Fatal(err)
	}

	if got, want := presences(t, s, "room"), "alice:here carol:leaving bob:here "; got != want {
		t.Errorf("in the room are %s, want %s", got, want)
	}
	alice, again := refTo("alice"), refTo("bob again")
	result, err := s.Exchange(ctx, alice, store.Exchange{Max: 1 << 20, Fence: 1})
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, f := range result.Frames {
		got += fmt.Sprintf("%d %d %s%s", f.N, f.Kind, f.From, f.Data)
		if f.Peer != nil {
			got += " of " + f.Peer.ID + f.Reason
		}
		if f.Refusal != nil {
			got += fmt.Sprint(f.Refusal.N, f.Refusal.Code)
		}
		got += "; "
	}
	const want = `1 7  of bob; 2 7  of carol; 3 10 2no_peer; 4 10 3forbidden; 5 1 bob"text"; 6 9 bob of bob; 7 7  of dave; 8 1 dave"text"; ` +
		`9 8  of daveleave; 10 7  of bob; 11 9 carol of carol; 12 1 "posted"; `
	if got != want || result.Received != 3 {
		t.Errorf("alice has %s, want %s; received are %d of her frames, want 3", got, want, result.Received)
	}
	sent, err := s.Exchange(ctx, alice, store.Exchange{
		Ack: 12, Frames: []store.Sent{{N: 3, Kind: store.Signal, To: "bob", Data: []byte("3")}, {N: 4, Kind: store.Signal, To: "bob", Data: []byte("4")}},
	})
	if err != nil || sent.Received != 4 || sent.Acked != 12 {
		t.Errorf("an exchange: %+v, error %v", sent, err)
	}
	read, err := s.Exchange(ctx, again, store.Exchange{Max: 1 << 20, Fence: 1})
	if err != nil || len(read.Frames) == 0 || string(read.Frames[len(read.Frames)-1].Data) != "4" {
		t.Errorf("bob has %+v, error %v", read.Frames, err)
	}
	for name, want := range map[string]string{"dave": store.CodeLeft, "bob": store.CodeResumed} {
		_, err := s.Exchange(ctx, refTo(name), store.Exchange{})
		var ended *store.EndedError
		if !errors.As(err, &ended) || ended.Code != want {
			t.Errorf("session of %s: got error %v, want its end as %s", name, err, want)
		}
	}
	if joined, err := s.Join(ctx, "room", func() store.JoinRequest {
		r := namedRequest("carol", "carol")
		r.Session, r.Salt = "another", nil
		return r
	}()); err != nil || joined.Session != "session of carol" || string(joined.Salt) != "salt of carol" {
		t.Errorf("a join sent again: %+v, error %v", joined, err)
	}
	if _, err := s.Post(ctx, "room", "key", "", []byte(`"posted"`)); err != nil {
		t.Error(err)
	}
	if after, err := s.Exchange(ctx, alice, store.Exchange{}); err != nil || after.Tail != 12 {
		t.Errorf("after a post sent again alice has %d frames, error %v", after.Tail, err)
	}
	if _, err := s.Attach(ctx, refTo("carol"), store.Link{Kind: "websocket", Use: 2, After: -1}); err != nil {
		t.Errorf("the probe of carol: %v", err)
	}
	late, err := s.Join(ctx, "room", namedRequest("erin", "erin"))
	if err != nil || len(late.Peers) != 3 {
		t.Errorf("a join finds %v, error %v", late.Peers, err)
	}
}

// Releases that keep rooms otherwise are apart, and say so.
func TestReleasesOfTwoSchemasAreApart(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var log lines
	this := openAs(t, server.URL(), "both")
	this.log = slog.New(slog.NewTextHandler(&log, nil))
	alice := this.enter(t, "room", "peer", rules())
	next, err := openSchema(context.Background(), Config{URL: server.URL(), Prefix: "both", Logger: slog.New(slog.NewTextHandler(&log, nil))}, schema+1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = next.Close() })
	if bob := next.enter(t, "room", "peer", rules()); len(bob.Peers) != 0 {
		t.Errorf("the other release's peers are shown: %v", bob.Peers)
	}
	if err := alice.at(next).renew(); !errors.Is(err, store.ErrNoSession) {
		t.Errorf("at the other release: %v", err)
	}
	if err := alice.renew(); err != nil {
		t.Error(err)
	}
	await(t, "a warning", func() bool { return log.count("nodes of another release use this Redis") == 1 })
	this.work.Go(func() { this.look(10 * time.Millisecond) })
	await(t, "another one", func() bool { return log.count("nodes of another release use this Redis") == 2 })
	_ = next.Close()
	server.Do("DEL " + next.presence(schema+1)) // its time to live is over
	await(t, "a word that it is over", func() bool { return strings.Contains(log.text(), "no nodes of another release") })
}
