//go:build linux

package contender

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/parley-rtc/parley/bench/internal/serve"
)

// Profile writes a profile of a Go server to a file: "heap?gc=1", "profile?seconds=3".
func (p *Process) Profile(ctx context.Context, what, path string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.Address+serve.PprofPath+what, nil)
	if err != nil {
		return err
	}
	r.Close = true
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		return fmt.Errorf("profile %s: %s", what, reply.Status)
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := io.Copy(file, reply.Body); err != nil {
		_ = file.Close()
		return err
	}
	return file.Close()
}
