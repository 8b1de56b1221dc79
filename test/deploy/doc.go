// Package deploy checks that the files by which Parley is deployed fit the programs and each other: Kubernetes' manifests and
// docker-compose.yml. The files of haproxy and nginx run in test/cluster.
package deploy
