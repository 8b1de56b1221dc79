// Package contender starts the relays that are compared, each as a process of its own.
package contender
