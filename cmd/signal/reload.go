package main

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/parley-rtc/parley/internal/daemon"
	"github.com/parley-rtc/parley/relay/credentials"
)

// secrets are what TURN credentials are signed and checked with: the newest secret signs.
type secrets struct {
	value, file string // the flags; one of them is set
	log         *slog.Logger
	keyring     atomic.Pointer[credentials.Keyring]
}

func newSecrets(f flags, log *slog.Logger) (*secrets, error) {
	s := &secrets{value: string(f.TurnSecret), file: f.TurnSecretFile, log: log}
	keyring, err := s.read()
	if err != nil {
		return nil, &daemon.UsageError{Err: err}
	}
	s.keyring.Store(keyring)
	return s, nil
}

// read returns the keyring that the flags and the file say now; the error names the flag.
func (s *secrets) read() (*credentials.Keyring, error) {
	if s.file == "" {
		daemon.WarnOfShort(s.log, "--turn-secret", []string{s.value})
		return credentials.New(s.value)
	}
	values, err := daemon.ReadSecrets("--turn-secret-file", s.file)
	if err != nil {
		return nil, err
	}
	daemon.WarnOfShort(s.log, "--turn-secret-file", values)
	return credentials.New(values...)
}

// reload reads the secrets again. The relay of this process knows a new one before clients have credentials that it signs.
func (s *secrets) reload(stun relayService) error {
	keyring, err := s.read()
	if err != nil {
		return err
	}
	if stun.server != nil {
		cfg := stun.cfg
		cfg.Keyring = keyring
		if err := stun.server.Reload(cfg); err != nil {
			return err
		}
	}
	s.keyring.Store(keyring)
	return nil
}

// reloads reads secrets and certificates again whenever SIGHUP asks for it, until stop is called, which waits for it. What is broken leaves
// in force what was. It goes on after ctx ends: SIGHUP would end the process else, and with it what it drains.
func reloads(ctx context.Context, s *secrets, stun relayService, certificates *daemon.Certificates, log *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	asked, done := daemon.Reloads(ctx), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-ctx.Done():
				return
			case <-asked:
			}
			err := s.reload(stun)
			if err != nil {
				log.Error("secrets not reloaded; those before are still in force", "error", err)
			}
			if certificates != nil {
				if fault := certificates.Reload(); fault != nil {
					log.Error("certificate not reloaded; the one before is still in force", "error", fault)
					err = fault
				}
			}
			if err == nil {
				log.Info("reloaded")
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}
