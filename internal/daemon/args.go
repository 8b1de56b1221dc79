package daemon

import (
	"regexp"
	"slices"

	"github.com/alecthomas/kong"
)

var negative = regexp.MustCompile(`^-[0-9]`)

// joinNegatives writes "--size -5" as "--size=-5": the parser takes -5 for a flag, and says so, where the number is what is wrong.
func joinNegatives(parser *kong.Kong, args []string) []string {
	takesValue := make(map[string]bool)
	for _, flags := range parser.Model.AllFlags(false) {
		for _, flag := range flags {
			takesValue["--"+flag.Name] = !flag.IsBool() && !flag.IsCounter()
		}
	}
	joined := make([]string, 0, len(args))
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "--":
			return slices.Concat(joined, args[i:])
		case takesValue[args[i]] && i+1 < len(args) && negative.MatchString(args[i+1]):
			joined = append(joined, args[i]+"="+args[i+1])
			i++
		default:
			joined = append(joined, args[i])
		}
	}
	return joined
}
