package redisstore

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
)

// Config configures a [Store].
type Config struct {
	// URL names the servers, as described at [ParseURL].
	URL string

	// Prefix begins the names of all keys, so that several deployments can share one Redis. It is 1 to 64 characters of A-Z a-z 0-9 . _ -; default "parley".
	// Behind it comes the version of what is kept, so that releases that keep it otherwise have rooms of their own.
	Prefix string

	// Logger takes a line when Redis cannot be reached, and one when it can again. Nil: slog.Default.
	Logger *slog.Logger
}

var prefixes = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Check returns what is wrong with the configuration, as far as that can be told without asking anybody.
func (c Config) Check() error {
	c, err := c.resolved()
	if err == nil {
		_, err = ParseURL(c.URL)
	}
	return err
}

func (c Config) resolved() (Config, error) {
	var faults []error
	if c.URL == "" {
		faults = append(faults, errors.New("there is no URL"))
	}
	c.Prefix = cmp.Or(c.Prefix, "parley")
	if !prefixes.MatchString(c.Prefix) {
		faults = append(faults, fmt.Errorf("the prefix is %q; it must be 1 to 64 characters of A-Z a-z 0-9 . _ -", c.Prefix))
	}
	c.Logger = cmp.Or(c.Logger, slog.Default())
	return c, errors.Join(faults...)
}
