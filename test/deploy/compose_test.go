package deploy

import (
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// service is of docker-compose.yml what is looked at.
type service struct {
	Image       string
	Profiles    []string
	Entrypoint  []string
	Command     []string
	Ports       []string
	Environment map[string]string
	Networks    any
	User        string
	CapDrop     []string `yaml:"cap_drop"`
	HealthCheck struct {
		Test    []string
		Disable bool
	} `yaml:"healthcheck"`
}

func TestComposeFitsThePrograms(t *testing.T) {
	text, err := os.ReadFile("../../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Services map[string]service }
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	env, err := os.ReadFile("../../.env")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(env), "COMPOSE_PROFILES=single\n") {
		t.Error(".env does not say that docker compose up starts the one process")
	}
	taken := make(map[string]string) // by profile and port
	count := make(map[string]int)
	for name, s := range file.Services {
		if len(s.Profiles) != 1 {
			t.Errorf("%s has the profiles %v: it would start with both", name, s.Profiles)
			continue
		}
		profile := s.Profiles[0]
		if s.HealthCheck.Disable {
			t.Errorf("%s has its health check off, for which docker compose up --wait fails", name)
		}
		if strings.HasPrefix(s.Image, "redis:") && len(s.CapDrop) > 0 && s.User == "" {
			t.Errorf("%s starts as root and has no capability to become another user", name)
		}
		for _, p := range s.Ports {
			host, _, _ := strings.Cut(p, ":")
			key := profile + " " + host + p[strings.IndexByte(p, '/'):]
			if taken[key] != "" {
				t.Errorf("%s and %s publish %s", name, taken[key], p)
			}
			taken[key] = name
		}
		if s.Image != "parley" {
			continue
		}
		count[profile]++
		program, given := "signal", make(map[string]string)
		if len(s.Entrypoint) > 0 {
			program = strings.TrimPrefix(s.Entrypoint[0], "/")
		}
		for variable := range s.Environment {
			given[variable] = ""
		}
		for _, word := range s.Command {
			if strings.HasPrefix(word, "--") {
				given[word] = ""
			}
		}
		takes(t, program, given)
	}
	if count["single"] != 1 || count["cluster"] != 5 {
		t.Errorf("Parley runs %v times, want once alone, and as three nodes and two relays", count)
	}
	front, err := os.ReadFile("../../deploy/compose/haproxy.cfg")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"node-a", "node-b", "node-c"} {
		if !strings.Contains(string(front), " "+name+":8080 ") || !slices.Equal(file.Services[name].Profiles, []string{"cluster"}) {
			t.Errorf("%s is not behind haproxy, or not of the cluster", name)
		}
	}
}
