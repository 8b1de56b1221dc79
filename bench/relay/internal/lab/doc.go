// Package lab is where a relay, its clients and their peers are put: all on loopback, or in network namespaces of their own with
// links between them. Namespaces have no name, so that nothing of them is left when the process has ended, however it ended.
package lab
