// Package web holds the built pages of Parley (the demo editor and the connection doctor) and serves them: content-hashed files that may be
// cached for ever, each also compressed, under a content security policy that lets a page reach its own server only.
//
// The TypeScript sources are in client, editor and doctor; `go generate` builds them into dist with node and npm. The built
// files are committed, so nobody who only has Go needs either.
package web

import "embed"

//go:generate npm ci --ignore-scripts
//go:generate npm run build

//go:embed all:dist
var embedded embed.FS
