package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/parley-rtc/parley/internal/daemon"
	"github.com/parley-rtc/parley/relay/credentials"
	"github.com/parley-rtc/parley/signaling/redisstore"
)

// secrets are what TURN credentials are signed and checked with: the newest secret signs.
type secrets struct {
	made    []string          // without a file, newest first; owned by whoever reloads
	file    string            // the flag
	shared  *redisstore.Store // where nodes share what they made; nil: nowhere
	log     *slog.Logger
	keyring atomic.Pointer[credentials.Keyring]
}

func newSecrets(f flags, log *slog.Logger) (*secrets, error) {
	s := &secrets{made: []string{string(f.TurnSecret)}, file: f.TurnSecretFile, log: log}
	keyring, err := s.read()
	if err != nil {
		return nil, &daemon.UsageError{Err: err}
	}
	s.keyring.Store(keyring)
	return s, nil
}

// shareIn has the secret shared, if it was made here, before anything is signed with it.
func (s *secrets) shareIn(ctx context.Context, f flags, rooms *redisstore.Store) error {
	if rooms == nil || !f.turnSecretMade {
		return nil
	}
	s.shared = rooms
	changed, err := s.share(ctx)
	if err == nil && changed {
		err = s.reload(relayService{})
	}
	if err != nil {
		return fmt.Errorf("--redis: %w", err)
	}
	return nil
}

// read returns the keyring that the flags and the file say now; the error names the flag.
func (s *secrets) read() (*credentials.Keyring, error) {
	if s.file == "" {
		daemon.WarnOfShort(s.log, "--turn-secret", s.made)
		return credentials.New(s.made...)
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

// reloads reads secrets and certificates again whenever SIGHUP asks for it, and those that nodes share now and then, until stop is called, which
// waits for it. What is broken leaves in force what was. It goes on after ctx ends: SIGHUP would end the process else, and with it what it drains.
func reloads(ctx context.Context, s *secrets, stun relayService, certificates *daemon.Certificates, log *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	asked, done := daemon.Reloads(ctx), make(chan struct{})
	go func() {
		defer close(done)
		var shares <-chan time.Time
		if s.shared != nil {
			ticker := time.NewTicker(shareTime)
			defer ticker.Stop()
			shares = ticker.C
		}
		for {
			select {
			case <-ctx.Done():
				return
			case <-asked:
			case <-shares:
				if changed, err := s.share(ctx); err == nil && changed { // if Redis is gone, it is back some time
					if err := s.reload(stun); err != nil {
						log.Error("the secret of the other nodes cannot be used", "error", err)
					}
				}
				continue
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
