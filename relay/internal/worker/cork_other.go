//go:build !unix

package worker

import "errors"

// canReadNow says that there is readNow.
const canReadNow = false

var errNotNow = errors.ErrUnsupported

func readNow(uintptr, []byte) (int, error) { return 0, errNotNow }
