package proxies

import (
	"os/exec"
	"syscall"
)

// endsWithParent has the process ended when the test does not get to do it: when it panics, say.
func endsWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
}
