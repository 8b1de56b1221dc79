// Package arch holds the shape of the house as tests: which package may import
// which, what embedding a package links, that each says what it is for, and how long a file may be.
package arch
