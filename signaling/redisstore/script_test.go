package redisstore

import "testing"

func TestConstantsAreFolded(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"one":                   {"local LATE = 5e6 -- so long\nif gap > LATE then end\n", "if gap > 5e6 then end\n"},
		"several, on two lines": {"local A, B_C =\n  1, 22\nm[A], m[B_C] = 0, A\n", "m[1], m[22] = 0, 1\n"},
		"part of a word":        {"local TAIL = 3\nlocal TAILS = x\nTAIL_END = TAIL\n", "local TAILS = x\nTAIL_END = 3\n"},
		"in a text":             {"local SET = 3\ncall('SET', SET, 'a SET')\n", "call('SET', 3, 'a SET')\n"},
		"in a comment":          {"local SET = 3\n-- it's a SET\nx = SET\n", "x = 3\n"},
		"not a number":          {"local STATE = KEYS[1]\nx = STATE\n", "local STATE = KEYS[1]\nx = STATE\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := folded(c.text); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
