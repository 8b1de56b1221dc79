//go:build linux

package main

import (
	"net/http"

	"github.com/parley-rtc/parley/bench/internal/dialect"
)

// streamEvents joins and stays on a stream of server-sent events.
func (g *group) streamEvents(at dialect.Place) {
	session, err := dialect.Join(at)
	if err != nil {
		g.fail(err)
		return
	}
	stream, err := session.Events()
	if err != nil {
		g.fail(err)
		return
	}
	g.stay(stream, func() error {
		for {
			if err := stream.Pinged(); err != nil {
				return err
			}
			if _, err := session.Request(http.MethodPost, "/frames", "{}", http.StatusOK); err != nil {
				return err
			}
		}
	})
}

// parkPolls joins and stays with polls that wait, one after the other on one connection.
func (g *group) parkPolls(at dialect.Place) {
	session, err := dialect.Join(at)
	if err != nil {
		g.fail(err)
		return
	}
	poll, err := session.Poller()
	if err != nil {
		g.fail(err)
		return
	}
	g.stay(poll, func() error {
		for {
			if err := poll.Poll(25); err != nil {
				return err
			}
		}
	})
}

// pollOnce joins and polls once, and holds no connection.
func (g *group) pollOnce(at dialect.Place) {
	session, err := dialect.Join(at)
	if err == nil {
		_, err = session.Request(http.MethodGet, "/frames", "", http.StatusOK)
	}
	if err != nil {
		g.fail(err)
	}
}
