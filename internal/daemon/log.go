package daemon

import (
	"fmt"
	"io"
	"log/slog"
)

// LogFlags are the flags about logging; embed them in a command's flags.
type LogFlags struct {
	LogLevel  LogLevel `help:"Least severe level to log: debug, info, warn or error." default:"info" env:"PARLEY_LOG_LEVEL"`
	LogFormat string   `help:"How to write log lines: text or json." enum:"text,json" default:"text" env:"PARLEY_LOG_FORMAT"`
}

// LogLevel is the value of --log-level.
type LogLevel struct{ slog.Level }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (l *LogLevel) UnmarshalText(text []byte) error {
	if err := l.Level.UnmarshalText(text); err != nil {
		return fmt.Errorf("must be one of debug, info, warn and error, got %q", text)
	}
	return nil
}

// Logger returns a logger that writes to w as the flags say.
func (f LogFlags) Logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: f.LogLevel.Level}
	if f.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
