package pionturn

import (
	"fmt"
	"log/slog"

	"github.com/pion/logging"
)

// quiet gives the TURN server a logger that passes on warnings only, and those as debug lines: the
// server logs per packet, at every level.
type quiet struct{ log *slog.Logger }

func (q quiet) NewLogger(string) logging.LeveledLogger { return q }

func (quiet) Trace(string)          {}
func (quiet) Tracef(string, ...any) {}
func (quiet) Debug(string)          {}
func (quiet) Debugf(string, ...any) {}
func (quiet) Info(string)           {}
func (quiet) Infof(string, ...any)  {}

func (q quiet) Warn(text string)                  { q.log.Debug("turn server warns", "detail", text) }
func (q quiet) Warnf(format string, args ...any)  { q.Warn(fmt.Sprintf(format, args...)) }
func (q quiet) Error(text string)                 { q.Warn(text) }
func (q quiet) Errorf(format string, args ...any) { q.Warn(fmt.Sprintf(format, args...)) }
