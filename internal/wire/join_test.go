package wire

import (
	"strings"
	"testing"
)

var joinLimits = Limits{Frame: 65536, Broadcast: 8192, Name: 64, Meta: 1024, Peers: 64}

func TestParseJoin(t *testing.T) {
	const attempt = `"attempt":"q83vEiM0RVZneImaq7zN3g"`
	const ids = attempt + `,"instance":"b3f1c0"`
	for name, c := range map[string]struct {
		body  string
		code  Code // "": accepted
		field string
	}{
		"the least there can be":       {body: `{` + ids + `}`},
		"everything":                   {body: `{` + ids + `,"peer":"a.b~c","name":"Zoë","meta":{"c":1},"resume":"x"}`},
		"meta that is null":            {body: `{` + ids + `,"meta":null}`},
		"nothing":                      {body: ``, code: BadRequest},
		"not JSON":                     {body: `room=1`, code: BadRequest},
		"an array":                     {body: `[]`, code: BadRequest},
		"null":                         {body: `null`, code: BadRequest},
		"more than one object":         {body: `{` + ids + `} {}`, code: BadRequest},
		"not UTF-8":                    {body: "{" + ids + ",\"name\":\"\xff\"}", code: BadRequest},
		"an unknown field":             {body: `{` + ids + `,"romm":1}`, code: UnknownField, field: "romm"},
		"an unknown field, very long":  {body: `{` + ids + `,"` + strings.Repeat("x", 500) + `":1}`, code: UnknownField, field: strings.Repeat("x", 64) + "…"},
		"a field in capitals":          {body: `{` + ids + `,"NAME":"a"}`, code: UnknownField, field: "NAME"},
		"a field twice":                {body: `{` + ids + `,"name":"a","name":"b"}`, code: BadRequest, field: "name"},
		"a field of the wrong type":    {body: `{` + ids + `,"peer":7}`, code: BadField, field: "peer"},
		"no attempt":                   {body: `{"instance":"a"}`, code: BadField, field: "attempt"},
		"an attempt of too few bits":   {body: `{"attempt":"abc","instance":"a"}`, code: BadField, field: "attempt"},
		"an attempt that is too long":  {body: `{"attempt":"` + strings.Repeat("a", 129) + `","instance":"a"}`, code: BadField, field: "attempt"},
		"an attempt of other letters":  {body: `{"attempt":"q83vEiM0RVZneImaq7zN3g==","instance":"a"}`, code: BadField, field: "attempt"},
		"no instance":                  {body: `{` + attempt + `}`, code: BadField, field: "instance"},
		"an instance with a slash":     {body: `{` + attempt + `,"instance":"a/b"}`, code: BadField, field: "instance"},
		"a peer id with a space":       {body: `{` + ids + `,"peer":"a b"}`, code: BadField, field: "peer"},
		"a peer id that is too long":   {body: `{` + ids + `,"peer":"` + strings.Repeat("p", 65) + `"}`, code: BadField, field: "peer"},
		"a peer id that is a dot path": {body: `{` + ids + `,"peer":".."}`, code: BadField, field: "peer"},
		"a name that is too long":      {body: `{` + ids + `,"name":"` + strings.Repeat("é", 33) + `"}`, code: BadField, field: "name"},
		"a name with a line break":     {body: `{` + ids + `,"name":"a\nb"}`, code: BadField, field: "name"},
		"meta that is too large":       {body: `{` + ids + `,"meta":"` + strings.Repeat("m", 1024) + `"}`, code: BadField, field: "meta"},
		"a resume that is too long":    {body: `{` + ids + `,"resume":"` + strings.Repeat("r", 129) + `"}`, code: BadField, field: "resume"},
	} {
		t.Run(name, func(t *testing.T) {
			_, refusal := ParseJoin([]byte(c.body), joinLimits)
			switch {
			case c.code == "" && refusal != nil:
				t.Errorf("refused: %v", refusal)
			case c.code != "" && refusal == nil:
				t.Errorf("accepted, want %s", c.code)
			case c.code != "" && (refusal.Code != c.code || refusal.Field != c.field):
				t.Errorf("refused as %s in %q (%s), want %s in %q", refusal.Code, refusal.Field, refusal.Message, c.code, c.field)
			}
		})
	}
}

func TestValidRoom(t *testing.T) {
	for name, want := range map[string]bool{
		"a": true, "A-Z.a_z~0": true, strings.Repeat("r", 128): true, "...": true,
		"": false, ".": false, "..": false, strings.Repeat("r", 129): false, strings.Repeat("r", 300): false,
		"a/b": false, "a b": false, "ä": false, "a%2Fb": false, "a\x00": false,
	} {
		if got := ValidRoom(name); got != want {
			t.Errorf("ValidRoom(%q) = %v, want %v", name, got, want)
		}
	}
}
