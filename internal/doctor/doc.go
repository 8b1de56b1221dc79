// Package doctor finds out how WebRTC fares between this host and a Parley server, and what is in the way: one row for each thing that
// a client needs, each tried alone and for real, with the cause where it fails and the cure. [Run] is what signal doctor prints; the page
// at /doctor makes the same checks in a browser.
//
// The links are tried by hand and not by package client, which is made to get around what is broken without a word: a doctor has to see on the wire
// what does not work, and at which step.
package doctor
