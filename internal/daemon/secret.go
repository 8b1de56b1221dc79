package daemon

import "log/slog"

// enoughSecret is how many bytes of a secret are out of reach of those who try.
const enoughSecret = 16

// WarnOfShort says in the log which of the secrets given by a flag are short. It refuses none: they may be those of a relay that runs already.
func WarnOfShort(log *slog.Logger, flag string, secrets []string) {
	for i, secret := range secrets {
		if len(secret) < enoughSecret {
			log.Warn("a secret is short: whoever has a credential that it signed may find it by trying, and make others; better is openssl rand -hex 16",
				"flag", flag, "number", i+1, "bytes", len(secret))
		}
	}
}
