package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/http/httpproxy"

	"github.com/parley-rtc/parley/internal/daemon"
	"github.com/parley-rtc/parley/internal/doctor"
)

var doctorProgram = daemon.Program{
	Name: "signal doctor",
	Description: "Finds out how WebRTC fares between this host and a server, and what is in the way: each kind of signaling link, STUN, and the relay over UDP, TCP and TLS, " +
		"each alone and by a real data channel. It says the cause of what fails, and the cure, and exits with 1 then. The page /doctor of the server does the same in a browser.",
}

// doctorFlags are the command line of signal doctor.
type doctorFlags struct {
	URL string `arg:"" help:"URL of the server, such as https://parley.example."`

	Room     string        `help:"Room to join. By default one of a random name." placeholder:"ROOM"`
	Token    string        `help:"App token, if joining needs one." env:"PARLEY_TOKEN" placeholder:"TOKEN"`
	Origin   string        `help:"Web origin of the pages that use the server, such as https://app.example, to check that they may. By default the server's own." placeholder:"ORIGIN"`
	Insecure bool          `help:"Take any certificate, for tests."`
	Timeout  time.Duration `help:"How long each check waits for an answer; from 100ms to 1m." default:"5s"`
	Hold     time.Duration `help:"How long a poll is held open, to see whether something cuts it; from 1s to 25s." default:"6s"`

	JSON     bool `name:"json" help:"Print a report in JSON, to give away: without secrets and with addresses shortened."`
	Markdown bool `help:"The same as Markdown, to paste into an issue."`
}

// proxies tells the HTTP proxy for a URL, by the variables that most programs know.
func proxies(getenv func(string) string) func(*url.URL) (*url.URL, error) {
	either := func(name string) string { return cmp.Or(getenv(name), getenv(strings.ToLower(name))) }
	config := httpproxy.Config{HTTPProxy: either("HTTP_PROXY"), HTTPSProxy: either("HTTPS_PROXY"), NoProxy: either("NO_PROXY")}
	return config.ProxyFunc()
}

// examine makes the checks of signal doctor and prints a line for each. The error names those that failed.
func examine(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	var f doctorFlags
	if err := daemon.ParseFlags(doctorProgram, &f, args, getenv, stdout); err != nil {
		return err
	}
	if f.JSON && f.Markdown {
		return daemon.Usagef("--json, --markdown: give one of them")
	}
	if f.Timeout < 100*time.Millisecond || f.Timeout > time.Minute {
		return daemon.Usagef("--timeout: %v is not 100ms to 1m", f.Timeout)
	}
	if f.Hold < time.Second || f.Hold > 25*time.Second {
		return daemon.Usagef("--hold: %v is not 1s to 25s", f.Hold)
	}
	aloud := !f.JSON && !f.Markdown
	group := ""
	show := func(row doctor.Row) {
		if !aloud {
			return
		}
		if row.Group != group {
			group = row.Group
			_, _ = fmt.Fprintf(stdout, "%s\n", group) // nobody is watching
		}
		_, _ = io.WriteString(stdout, row.Line())
	}
	report, err := doctor.Run(ctx, doctor.Options{
		Server: f.URL, Room: f.Room, Token: f.Token, Origin: f.Origin, Insecure: f.Insecure, Timeout: f.Timeout, Hold: f.Hold, Proxy: proxies(getenv), Version: daemon.Version(),
	}, show)
	if err != nil {
		return &daemon.UsageError{Err: err}
	}
	switch {
	case f.JSON:
		out := json.NewEncoder(stdout)
		out.SetEscapeHTML(false)
		out.SetIndent("", "  ")
		err = out.Encode(report.Redacted())
	case f.Markdown:
		_, err = io.WriteString(stdout, report.Redacted().Markdown())
	default:
		_, err = fmt.Fprintf(stdout, "\n%s\n", report.Verdict.Text)
	}
	if err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	if ctx.Err() != nil {
		return errors.New("the examination was broken off")
	}
	if failed := report.Failed(); failed != nil {
		return errors.New("failed: " + strings.Join(failed, "; "))
	}
	return nil
}
