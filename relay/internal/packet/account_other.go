//go:build !linux || 386 || s390x

package packet

func (*Socket) drops() (uint32, bool) { return 0, false }
