package redisstore

import (
	"embed"
	"strings"

	"github.com/redis/rueidis"
)

//go:embed lua
var sources embed.FS

// script reads a script; parts come before it.
func script(name string, parts ...string) *rueidis.Lua {
	var text strings.Builder
	for _, part := range append(parts, name) {
		b, err := sources.ReadFile("lua/" + part + ".lua")
		if err != nil {
			panic(err) // the program is not whole
		}
		text.Write(b)
	}
	return rueidis.NewLuaScript(text.String())
}

func stepScript(name string) *rueidis.Lua { return script(name, "room", "mailbox", "member", "step") }

var (
	joinScript     = stepScript("join")
	attachScript   = stepScript("attach")
	ownerScript    = stepScript("owner")
	exchangeScript = stepScript("exchange")
	detachScript   = stepScript("detach")
	leaveScript    = stepScript("leave")
	endScript      = stepScript("end")
	postScript     = stepScript("post")
	rosterScript   = stepScript("roster")
	roomsScript    = script("rooms")
)
