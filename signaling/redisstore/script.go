package redisstore

import (
	"embed"
	"regexp"
	"slices"
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
	return rueidis.NewLuaScript(folded(text.String()))
}

var (
	comments  = regexp.MustCompile(`(?m)(^|\s)--.*$`)
	constants = regexp.MustCompile(`(?m)^local ([A-Z][A-Z_]*(?:, [A-Z][A-Z_]*)*) =\s+([0-9e]+(?:, [0-9e]+)*)\s*\n`)
	words     = regexp.MustCompile(`'[^'\n]*'|[A-Za-z_][A-Za-z0-9_]*`)
)

// folded puts the values of constants, which are in capitals, in their place. Redis runs a script from its first line each time,
// and there each function is made anew, with a reference to whatever it names outside: by names that took a third of the time.
func folded(text string) string {
	text = comments.ReplaceAllString(text, "")
	values := make(map[string]string)
	for _, found := range constants.FindAllStringSubmatch(text, -1) {
		names, numbers := strings.Split(found[1], ", "), strings.Split(found[2], ", ")
		for i, name := range names {
			values[name] = numbers[i]
		}
	}
	text = constants.ReplaceAllString(text, "")
	return words.ReplaceAllStringFunc(text, func(word string) string {
		if value, is := values[word]; is {
			return value
		}
		return word
	})
}

// stepScript reads a script that is a step; parts come before it.
func stepScript(name string, parts ...string) *rueidis.Lua {
	return script(name, slices.Concat([]string{"room", "mailbox", "member", "step"}, parts)...)
}

var (
	joinScript     = stepScript("join", "people")
	attachScript   = stepScript("attach", "people")
	ownerScript    = stepScript("owner", "people")
	exchangeScript = stepScript("exchange")
	detachScript   = stepScript("detach")
	leaveScript    = stepScript("leave")
	endScript      = stepScript("end")
	postScript     = stepScript("post")
	rosterScript   = stepScript("roster", "people")
	roomsScript    = script("rooms")
)
