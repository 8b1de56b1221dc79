package peers

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/pion/interceptor"
	"github.com/pion/logging"
	"github.com/pion/webrtc/v4"

	"github.com/parley-rtc/parley/client"
	"github.com/parley-rtc/parley/client/peers/internal/mesh"
)

const (
	channelMost = 100 // what every browser can number
	nameMost    = 128 // UTF-16 code units of a channel's name
)

// Config is what a room is joined with. The zero value works, and has no channels.
type Config struct {
	// Client says who joins, and how the server is reached. With a Key its Instance stays empty, which makes it random: the
	// signatures of one run of the process are worth nothing in the next.
	Client client.Options

	// Channels are the app's channels by name, at most 100 of at most 128 characters. All peers should have the
	// same; one that only one of two has never opens between them, which is told as [ChannelsDifferError].
	Channels map[string]ChannelOptions

	// MaxMessage is the most bytes of one message, sent or received; a larger one that comes is dropped. Default 64 MiB.
	MaxMessage int

	// Key is the room's key, as [NewKey] makes it, which all peers share and the server does not know. With it nobody between two
	// peers can read or change what they tell each other, not even the server. "": the server is trusted.
	Key string

	// AllowUnverified lets peers in that have no key. A peer with another one is refused all the same.
	AllowUnverified bool

	// RelayOnly lets nothing but relayed paths be used.
	RelayOnly bool

	// NoServerRelay lets no message go through the server, where two peers have no path to each other.
	NoServerRelay bool

	// API makes the connections, for an app with a [webrtc.SettingEngine] of its own: a UDP mux, say, or loopback addresses; see
	// [NewAPI]. It must not detach data channels. Nil: one with the settings of [NewSettingEngine].
	API *webrtc.API

	// NoMesh has this side be connected to everybody in the room, however many they are, and pass nothing on; others do the same with it.
	// So does a Client.Instance of one's own, unless it ends in "~1".
	NoMesh bool

	haste time.Duration // tests divide by it what is waited for; 0: they do not
}

// ChannelOptions is how a channel behaves; both sides should say the same. The zero value is reliable and in order.
type ChannelOptions struct {
	// Unordered lets messages arrive in another order than sent.
	Unordered bool

	// MaxRetransmits is how often a lost packet is sent again. Nil: until it arrives.
	MaxRetransmits *uint16

	// LatestOnly keeps only the newest message while the channel cannot send: for carets and the like.
	LatestOnly bool
}

// lossy says whether messages may be dropped.
func (o ChannelOptions) lossy() bool { return o.MaxRetransmits != nil || o.LatestOnly }

// settled is a Config with its defaults.
type settled struct {
	Config
	names []string // of the channels, in order
	log   *slog.Logger
}

func (c Config) resolved() (settled, error) {
	var faults []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf("peers: "+format, args...))
		}
	}
	fault(len(c.Channels) > channelMost, "%d Channels are more than %d", len(c.Channels), channelMost)
	names := slices.Sorted(maps.Keys(c.Channels))
	for _, name := range names {
		fault(len(utf16.Encode([]rune(name))) > nameMost, "the name of a channel has more than %d characters: %.20q…", nameMost, name)
	}
	fault(c.MaxMessage < 0 || int64(c.MaxMessage) > math.MaxUint32, "MaxMessage is not 0 to %d", uint32(math.MaxUint32))
	if c.Key != "" {
		_, err := parseKey(c.Key)
		if err != nil {
			faults = append(faults, err)
		}
	}
	fault(c.Key != "" && c.Client.Instance != "", "Client.Instance is set together with Key: signatures are good for one run of a process, so it has to be another in each; leave it empty")
	fault(c.NoMesh && mesh.IsFellow(c.Client.Instance), "NoMesh is set, and Client.Instance ends in %q, which says the contrary", mesh.Mark)
	fault(c.AllowUnverified && c.Key == "", "AllowUnverified is set, and Key is not")

	c.Channels = maps.Clone(c.Channels)
	c.haste = cmp.Or(c.haste, 1)
	c.MaxMessage = cmp.Or(c.MaxMessage, 64<<20)
	if c.Client.Instance == "" {
		c.Client.Instance = strings.ToLower(rand.Text())
		if !c.NoMesh {
			c.Client.Instance += mesh.Mark
		}
	}
	c.Client.Logger = cmp.Or(c.Client.Logger, slog.Default())
	if c.API == nil {
		c.API = NewAPI(NewSettingEngine(c.Client.Logger))
	}
	return settled{c, names, c.Client.Logger}, errors.Join(faults...)
}

// NewAPI returns an API for data channels alone: without codecs and what else media need.
func NewAPI(settings webrtc.SettingEngine) *webrtc.API {
	return webrtc.NewAPI(webrtc.WithSettingEngine(settings),
		webrtc.WithMediaEngine(&webrtc.MediaEngine{}), webrtc.WithInterceptorRegistry(&interceptor.Registry{}))
}

// NewSettingEngine returns the settings that are used when [Config.API] is nil, to be changed and given to [NewAPI].
// They bound what a connection may hold, and send what pion logs to logger (nil: slog.Default) at level Debug.
func NewSettingEngine(logger *slog.Logger) webrtc.SettingEngine {
	var s webrtc.SettingEngine
	s.LoggerFactory = loggers{cmp.Or(logger, slog.Default())}
	s.SetSCTPMaxReceiveBufferSize(768 << 10) // what is not read holds at most 1 MiB, with an inbox
	s.SetSCTPMaxMessageSize(64 << 10)        // no peer sends more than 16 KiB
	s.SetSCTPRTOMax(2 * time.Second)         // so that messages flow soon after a path was cut for long, and not up to a minute later
	return s
}

// loggers gives pion's own lines to a slog.Logger.
type loggers struct{ to *slog.Logger }

// NewLogger implements [logging.LoggerFactory].
func (l loggers) NewLogger(scope string) logging.LeveledLogger {
	return pionLogger{l.to.With("pion", scope)}
}

type pionLogger struct{ to *slog.Logger }

func (pionLogger) Trace(string)          {}
func (pionLogger) Tracef(string, ...any) {}
func (pionLogger) Debug(string)          {}
func (pionLogger) Debugf(string, ...any) {}
func (pionLogger) Info(string)           {}
func (pionLogger) Infof(string, ...any)  {}

func (l pionLogger) Warn(text string)                  { l.say(text) }
func (l pionLogger) Warnf(format string, args ...any)  { l.say(fmt.Sprintf(format, args...)) }
func (l pionLogger) Error(text string)                 { l.say(text) }
func (l pionLogger) Errorf(format string, args ...any) { l.say(fmt.Sprintf(format, args...)) }

func (l pionLogger) say(text string) { l.to.Debug("pion says", "text", text) }
