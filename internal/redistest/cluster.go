package redistest

import (
	"os/exec"
	"strconv"
	"testing"
)

// Cluster starts a Redis Cluster of so many masters, each with so many replicas.
func Cluster(t testing.TB, masters, replicas int) []*Server {
	t.Helper()
	args := []string{"--cluster", "create"}
	nodes := make([]*Server, masters*(1+replicas))
	for i := range nodes {
		nodes[i] = Start(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "1500", "--repl-diskless-sync-delay", "0")
		args = append(args, nodes[i].Address())
	}
	args = append(args, "--cluster-replicas", strconv.Itoa(replicas), "--cluster-yes")
	if out, err := exec.Command("redis-cli", args...).CombinedOutput(); err != nil {
		t.Fatalf("redistest: %v\n%s", err, out)
	}
	for _, node := range nodes {
		node.Await("CLUSTER INFO", "cluster_state:ok")
		node.Await("CLUSTER INFO", "cluster_known_nodes:"+strconv.Itoa(len(nodes)))
	}
	return nodes
}

// ClusterURL names all nodes.
func ClusterURL(nodes []*Server) string {
	url := "redis://"
	for i, node := range nodes {
		if i > 0 {
			url += ","
		}
		url += node.Address()
	}
	return url
}
