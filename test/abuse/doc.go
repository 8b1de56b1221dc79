// Package abuse runs the relay as a process of its own and treats it badly: requests with spoofed addresses as fast as
// the machine sends them, crowds of connections that say nothing or nonsense, clients that want more than there is. Memory and
// file descriptors are read from the system, and a call that goes on meanwhile must not notice.
//
// The figures are those of docs/operations.md. With -full the crowds have their full size; without, the tests are short.
package abuse
