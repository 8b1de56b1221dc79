package main

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/parley-rtc/parley/internal/daemon"
	"github.com/parley-rtc/parley/signaling/tokens"
)

// tokens says whether joining needs an app token.
func (f *flags) tokens() bool { return len(f.JWTSecret) > 0 || f.JWKSURL != "" }

// verifier checks app tokens; nil: none are needed.
func (f *flags) verifier(log *slog.Logger) (*tokens.Verifier, error) {
	if !f.tokens() {
		return nil, nil
	}
	verifier, err := tokens.New(tokens.Config{
		Secrets:  f.JWTSecret,
		JWKSURL:  f.JWKSURL,
		Issuer:   f.JWTIssuer,
		Audience: f.JWTAudience,
		Logger:   log,
	})
	if err != nil {
		names := []string{"tokens: ", "", "JWKSURL", "--jwks-url", ", unless AllowHTTP is set", ""}
		for i := range f.JWTSecret {
			name := "--jwt-secret"
			if len(f.JWTSecret) > 1 {
				name = fmt.Sprintf("--jwt-secret: number %d", i+1)
			}
			names = append(names, fmt.Sprintf("Secrets[%d]", i), name)
		}
		return nil, daemon.Usagef("%s", strings.NewReplacer(names...).Replace(oneLine(err)))
	}
	return verifier, nil
}
