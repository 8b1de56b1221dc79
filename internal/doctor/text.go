package doctor

import (
	"fmt"
	"strings"
	"time"
)

// words are the outcomes as lines have them.
var words = map[Outcome]string{Pass: "ok", Warn: "warn", Fail: "FAIL", Skipped: "skip"}

// Line returns a row as a terminal shows it, with the lines of its cause and cure.
func (r Row) Line() string {
	first := r.Found
	if first == "" {
		first = r.Cause
	}
	line := strings.TrimRight(fmt.Sprintf("  %-4s  %-32s %8s  %s", words[r.Outcome], r.Title, round(time.Duration(r.Millis*float64(time.Millisecond))), first), " ") + "\n"
	if r.Cause != "" && r.Found != "" {
		line += "        cause: " + r.Cause + "\n"
	}
	if r.Cure != "" {
		line += "        cure:  " + r.Cure + "\n"
	}
	return line
}

// Markdown returns the report as a text to paste into an issue.
func (r Report) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "## Connection report\n\n**%s**\n\n", cell(r.Verdict.Text))
	fmt.Fprintf(&b, "%s, %s by %s %s, in %s.\n", cell(r.Server), r.At.Format(time.RFC3339), r.Tool, cell(r.Version), round(time.Duration(r.Millis*float64(time.Millisecond))))
	group := ""
	for _, row := range r.Rows {
		if row.Group != group {
			group = row.Group
			fmt.Fprintf(&b, "\n### %s\n\n| | check | ms | found |\n|---|---|---|---|\n", group)
		}
		found := row.Found
		for _, more := range []struct{ name, text string }{{"cause", row.Cause}, {"cure", row.Cure}} {
			if more.text != "" {
				found += "<br>*" + more.name + ":* " + more.text
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %.1f | %s |\n", words[row.Outcome], cell(row.Title), row.Millis, cell(strings.TrimPrefix(found, "<br>")))
	}
	if r.Note != "" {
		fmt.Fprintf(&b, "\n%s\n", r.Note)
	}
	return b.String()
}

// cell is a text as a cell of a table may have it.
func cell(text string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ", "\r", " ").Replace(text)
}
