// Package packet reads and writes UDP sockets many datagrams at a time. It knows nothing of what they carry.
//
// On Linux one goroutine serves a whole [Group] of sockets by epoll, and a system call moves up to 64 datagrams
// (recvmmsg, sendmmsg), or one that the kernel or the network card cuts into 64 (UDP_SEGMENT, UDP_GRO). What the
// system lacks is found out at run time, socket by socket, and done without. Elsewhere, and where it is asked for,
// package net does the work, one datagram at a time. Both behave alike and pass the same tests.
//
// What arrives is handed to a [Handler] in the buffers that it came in; what the handler puts into its [Outbox] leaves
// from there when it returns. So a datagram that is passed on is not copied.
package packet
