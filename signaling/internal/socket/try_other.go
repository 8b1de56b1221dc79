//go:build !unix

package socket

const canTry = false

func (w *Writer) try(uintptr) bool { return true }

func (r *Reader) try(uintptr) bool { return true }
