// Package cluster runs whole nodes, processes of cmd/signal, that share real Redis servers, and kills
// both while clients talk: nothing is lost or doubled, and nobody is seen to leave.
//
// The tests are short forms; make chaos-cluster runs the long one.
package cluster
