// Package soak runs a relay for long under a load whose clients come and go, writes down what the process holds, and judges whether
// that grows.
package soak
