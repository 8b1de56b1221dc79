package deploy

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"

	"github.com/parley-rtc/parley/internal/metrics"
	"github.com/parley-rtc/parley/signaling"
)

const kubernetes = "../../deploy/kubernetes"

type kustomization struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Namespace  string
	Resources  []string
	Images     []struct {
		Name    string
		NewName string `yaml:"newName"`
		NewTag  string `yaml:"newTag"`
	}
	ConfigMapGenerator []struct {
		Name     string
		Literals []string
	} `yaml:"configMapGenerator"`
}

// read decodes all documents of a file; fields that are not known are refused.
func read[T any](t *testing.T, path string) (all []T) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	for {
		var one T
		if err := d.Decode(&one); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all = append(all, one)
	}
}

// manifests are the objects of all resources, and the keys of the ConfigMap that is made.
func manifests(t *testing.T) (objects []object, config map[string]string) {
	t.Helper()
	k := read[kustomization](t, filepath.Join(kubernetes, "kustomization.yaml"))[0]
	for _, name := range k.Resources {
		objects = append(objects, read[object](t, filepath.Join(kubernetes, name))...)
	}
	config = make(map[string]string)
	for _, literal := range k.ConfigMapGenerator[0].Literals {
		key, value, _ := strings.Cut(literal, "=")
		config[key] = value
	}
	return objects, config
}

func TestManifestsFitThePrograms(t *testing.T) {
	objects, config := manifests(t)
	secret := secretKeys(t)
	usedConfig, usedSecret := make(map[string]bool), make(map[string]bool)
	seen := 0
	for _, o := range objects {
		for _, c := range o.Spec.Template.Spec.Containers {
			if c.Image != "parley" {
				continue
			}
			seen++
			program := "signal"
			if len(c.Command) > 0 {
				program = strings.TrimPrefix(c.Command[0], "/")
			}
			given := make(map[string]string)
			for _, arg := range c.Args {
				name, value, _ := strings.Cut(arg, "=")
				given[name] = value
			}
			for _, e := range c.Env {
				if ref := e.ValueFrom.SecretKeyRef; ref.Name != "" {
					usedSecret[ref.Key] = true
					if ref.Name != "parley" || !slices.Contains(secret, ref.Key) {
						t.Errorf("%s wants %v, which is not in the secret that kustomization.yaml tells how to make: %v", c.Name, ref, secret)
					}
				}
				if ref := e.ValueFrom.ConfigMapKeyRef; ref.Name != "" {
					usedConfig[ref.Key] = true
					e.Value = config[ref.Key]
					if e.Value == "" || ref.Name != "parley" {
						t.Errorf("%s wants %v, which kustomization.yaml does not make", c.Name, ref)
					}
				}
				if strings.HasPrefix(e.Name, "PARLEY_") {
					given[e.Name] = e.Value
				} else if e.Name != "GOMEMLIMIT" {
					t.Errorf("%s sets %s, which is nobody's", c.Name, e.Name)
				}
			}
			takes(t, program, given)
			checkPorts(t, c, given)
			if c.SecurityContext.AllowPrivilegeEscalation == nil || *c.SecurityContext.AllowPrivilegeEscalation || !c.SecurityContext.ReadOnlyRootFilesystem {
				t.Errorf("%s may do more than it needs", c.Name)
			}
		}
	}
	if seen != 2 {
		t.Errorf("%d containers run Parley, want the node and the relay", seen)
	}
	if len(usedConfig) != len(config) || len(usedSecret) != len(secret) {
		t.Errorf("used are %v and %v, made %v and %v", usedConfig, usedSecret, config, secret)
	}
}

// checkPorts fails unless probes and ports lead to where the program listens.
func checkPorts(t *testing.T, c container, given map[string]string) {
	t.Helper()
	var listens []string
	for _, flag := range []string{"--listen", "--admin-listen"} {
		_, number, err := net.SplitHostPort(given[flag])
		if err != nil {
			t.Fatalf("%s: %s: %v", c.Name, flag, err)
		}
		listens = append(listens, number)
	}
	named := make(map[string]string)
	for _, p := range c.Ports {
		number := portText(p.ContainerPort)
		named[p.Name] = number
		if !slices.Contains(listens, number) {
			t.Errorf("%s has a port %s, and listens to %v", c.Name, number, listens)
		}
	}
	for what, probe := range map[string]probe{"readiness": c.ReadinessProbe, "liveness": c.LivenessProbe} {
		if probe.HTTPGet.Path == "" && what == "liveness" {
			continue
		}
		number := probe.HTTPGet.Port
		if n, is := named[number]; is {
			number = n
		}
		if !slices.Contains(listens, number) || probe.HTTPGet.Path != map[string]string{"readiness": "/readyz", "liveness": "/healthz"}[what] {
			t.Errorf("%s is asked for its %s at %s%s, and listens to %v", c.Name, what, number, probe.HTTPGet.Path, listens)
		}
	}
}

func TestManifestsFitEachOther(t *testing.T) {
	objects, _ := manifests(t)
	workloads := make(map[string]object)
	kinds := make(map[string]int)
	for _, o := range objects {
		kinds[o.APIVersion+" "+o.Kind]++
		if o.Kind == "Deployment" || o.Kind == "DaemonSet" {
			workloads[o.Kind+" "+o.Metadata.Name] = o
			if !maps.Equal(o.Spec.Selector.labels(), o.Spec.Template.Metadata.Labels) {
				t.Errorf("%s selects %v, and its pods have %v", o.Metadata.Name, o.Spec.Selector.labels(), o.Spec.Template.Metadata.Labels)
			}
		}
	}
	want := map[string]int{
		"apps/v1 Deployment": 2, "apps/v1 DaemonSet": 1, "v1 Service": 2, "policy/v1 PodDisruptionBudget": 1, "autoscaling/v2 HorizontalPodAutoscaler": 1,
	}
	if !maps.Equal(kinds, want) {
		t.Errorf("there are %v, want %v", kinds, want)
	}
	for _, o := range objects {
		switch o.Kind {
		case "Service", "PodDisruptionBudget":
			w, is := workloads["Deployment "+o.Metadata.Name]
			if !is || !maps.Equal(o.Spec.Selector.labels(), w.Spec.Template.Metadata.Labels) {
				t.Errorf("%s %s selects %v, which are no deployment's pods", o.Kind, o.Metadata.Name, o.Spec.Selector.labels())
				continue
			}
			for _, p := range o.Spec.Ports {
				named := func(q port) bool { return q.Name == p.TargetPort }
				if !slices.ContainsFunc(w.Spec.Template.Spec.Containers[0].Ports, named) {
					t.Errorf("service %s leads to port %q, which its pods do not have", o.Metadata.Name, p.TargetPort)
				}
			}
		case "HorizontalPodAutoscaler":
			target := o.Spec.ScaleTargetRef
			w, is := workloads[target.Kind+" "+target.Name]
			if !is || w.APIVersion != target.APIVersion || w.Spec.Replicas != 0 {
				t.Errorf("the autoscaler is for %v, which is not there, or says by itself how many replicas it has", target)
			}
			if m := o.Spec.Metrics[0].Pods.Metric.Name; !metricIs(t, m) {
				t.Errorf("the autoscaler wants the metric %q, which there is not", m)
			}
		}
	}
	if w := workloads["DaemonSet relay"].Spec.Template.Spec; !w.HostNetwork || w.DNSPolicy != "ClusterFirstWithHostNet" {
		t.Error("the relay is not in the network of its machine")
	}
}

func TestTheAdapterMakesTheMetric(t *testing.T) {
	values := read[struct {
		Rules struct {
			Custom []struct {
				SeriesQuery string `yaml:"seriesQuery"`
				Resources   struct {
					Overrides map[string]struct{ Resource string }
				}
				Name         struct{ Matches, As string }
				MetricsQuery string `yaml:"metricsQuery"`
			}
		}
	}](t, filepath.Join(kubernetes, "prometheus-adapter.yaml"))
	rule := values[0].Rules.Custom[0]
	name, _, _ := strings.Cut(rule.SeriesQuery, "{")
	if !metricIs(t, name) || rule.Name.As != name {
		t.Errorf("the rule is for %q and makes %q, want a metric of the nodes under its own name", name, rule.Name.As)
	}
}

// metricIs says whether the nodes have a metric.
func metricIs(t *testing.T, name string) bool {
	t.Helper()
	descs := make(chan *prometheus.Desc, 100)
	metrics.Signaling(func() signaling.Stats { return signaling.Stats{} }).Describe(descs)
	close(descs)
	for desc := range descs {
		if strings.Contains(desc.String(), `"`+name+`"`) {
			return true
		}
	}
	return false
}

// secretKeys are those of the secret that kustomization.yaml tells how to make.
func secretKeys(t *testing.T) (keys []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(kubernetes, "kustomization.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range strings.Fields(string(text)) {
		if literal, found := strings.CutPrefix(word, "--from-literal="); found {
			key, _, _ := strings.Cut(literal, "=")
			keys = append(keys, key)
		}
	}
	return keys
}
