package arch

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	root    = "../.."
	module  = "github.com/parley-rtc/parley"
	maxFile = 500 // lines
)

// arrows are the imports that may be, package by package, tests left out.
var arrows = map[string][]string{
	"cmd/signal": {"internal/daemon", "internal/doctor", "internal/metrics", "internal/oneport", "internal/probe", "internal/relays", "relay", "relay/credentials", "signaling", "signaling/redisstore", "signaling/tokens", "web"},
	"cmd/turn":   {"internal/daemon", "internal/metrics", "internal/probe", "internal/wire", "relay", "relay/credentials"},

	"signaling":            {"internal/hostname", "internal/wire", "signaling/internal/budget", "signaling/internal/eventstream", "signaling/internal/memory", "signaling/internal/schedule", "signaling/internal/socket", "signaling/internal/tally", "signaling/internal/websocket", "signaling/store"},
	"signaling/redisstore": {"signaling/internal/msgpack", "signaling/internal/tally", "signaling/store"},
	"signaling/store":      {},
	"signaling/storetest":  {"signaling/store"},
	"signaling/tokens":     {"signaling"},

	"signaling/internal/budget":      {},
	"signaling/internal/eventstream": {"signaling/internal/socket"},
	"signaling/internal/memory":      {"signaling/internal/budget", "signaling/store"},
	"signaling/internal/msgpack":     {},
	"signaling/internal/schedule":    {},
	"signaling/internal/socket":      {},
	"signaling/internal/tally":       {},
	"signaling/internal/websocket":   {"signaling/internal/socket"},

	"relay":                 {"relay/credentials", "relay/internal/packet", "relay/internal/policy", "relay/internal/turn", "relay/internal/worker"},
	"relay/credentials":     {},
	"relay/internal/worker": {"relay/internal/packet", "relay/internal/turn"},
	"relay/internal/packet": {},
	"relay/internal/policy": {},
	"relay/internal/turn":   {"relay/internal/policy"},

	"bench/internal/contender": {"bench/internal/gauge", "bench/internal/serve"},
	"bench/internal/dialect":   {"bench/internal/contender", "bench/internal/rawws", "internal/wire"},
	"bench/internal/flow":      {"bench/internal/contender", "bench/internal/dialect", "bench/internal/gauge", "bench/internal/sample"},
	"bench/internal/gauge":     {},
	"bench/internal/rawws":     {},
	"bench/internal/sample":    {},
	"bench/internal/serve":     {"signaling", "signaling/redisstore"},

	"bench/cluster": {"bench/internal/contender", "bench/internal/dialect", "bench/internal/flow", "bench/internal/gauge", "bench/internal/sample", "bench/internal/serve"},

	"bench/relay":                    {"bench/internal/gauge", "bench/relay/internal/allocate", "bench/relay/internal/contender", "bench/relay/internal/lab", "bench/relay/internal/load", "bench/relay/internal/pion", "bench/relay/internal/results", "bench/relay/internal/soak"},
	"bench/relay/internal/allocate":  {},
	"bench/relay/internal/contender": {"bench/internal/gauge", "bench/relay/internal/lab"},
	"bench/relay/internal/lab":       {},
	"bench/relay/internal/load":      {},
	"bench/relay/internal/pion":      {},
	"bench/relay/internal/results":   {"bench/relay/internal/contender", "bench/relay/internal/load"},
	"bench/relay/internal/soak":      {"bench/internal/gauge", "bench/relay/internal/contender", "bench/relay/internal/lab", "bench/relay/internal/load"},

	"bench/signaling": {"bench/internal/contender", "bench/internal/dialect", "bench/internal/flow", "bench/internal/sample", "bench/internal/serve"},

	"client":                     {"internal/wire"},
	"client/peers":               {"client", "client/peers/internal/mesh"},
	"client/peers/internal/mesh": {},
	"examples/echo":              {"client", "client/peers"},
	"examples/guest":             {"client", "client/peers"},
	"web":                        {},
	"internal/acmetest":          {},
	"internal/arch":              {},
	"internal/daemon":            {"internal/hostname", "internal/probe", "internal/wire"},
	"internal/doctor":            {"internal/probe", "internal/wire"},
	"internal/hostname":          {},
	"internal/metrics":           {"internal/oneport", "internal/relays", "relay", "signaling"},
	"internal/oneport":           {},
	"internal/leaktest":          {},
	"internal/probe":             {},
	"internal/redistest":         {},
	"internal/relays":            {"internal/probe"},
	"internal/wire":              {},
	"test/abuse":                 {},
	"test/cluster":               {},
	"test/deploy":                {},
	"test/interop":               {},
	"test/proxies":               {},
}

// links are what must not be among the dependencies of a package, by prefix.
var links = map[string][]string{
	"signaling":         {"github.com/prometheus/", "github.com/pion/", "github.com/golang-jwt/", "github.com/redis/", module + "/relay", module + "/web"},
	"relay":             {"net/http", "github.com/gorilla/", module + "/signaling", module + "/web"},
	"relay/credentials": {"net/http", "github.com/"},
	"client":            {"github.com/pion/", module + "/signaling", module + "/relay"},
	"client/peers":      {module + "/signaling", module + "/relay"},
}

type listed struct {
	ImportPath string
	Imports    []string
	GoFiles    []string
}

func goList(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Dir = root
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %v: %v", args, err)
	}
	return out
}

func TestImportsFollowTheArrows(t *testing.T) {
	seen := map[string]bool{}
	for d := json.NewDecoder(bytes.NewReader(goList(t, "-json=ImportPath,Imports,GoFiles", "./..."))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		seen[name] = true
		allowed, known := arrows[name]
		if !known {
			t.Errorf("package %s has no row in the table of arrows", name)
		}
		for _, i := range p.Imports {
			if imported, own := strings.CutPrefix(i, module+"/"); own && !slices.Contains(allowed, imported) {
				t.Errorf("%s imports %s, which its row in the table of arrows does not have", name, imported)
			}
		}
		for _, a := range allowed {
			if !slices.Contains(p.Imports, module+"/"+a) {
				t.Errorf("%s may import %s and does not: take it out of the table", name, a)
			}
		}
	}
	for name := range arrows {
		if !seen[name] {
			t.Errorf("the table of arrows has a row for %s, which is no package", name)
		}
	}
}

func TestWhatEmbeddingLinks(t *testing.T) {
	for name, banned := range links {
		for dep := range strings.FieldsSeq(string(goList(t, "-deps", "./"+name))) {
			for _, prefix := range banned {
				own := strings.HasPrefix(dep, module+"/") && !strings.HasPrefix(prefix, module+"/")
				if strings.HasPrefix(dep, prefix) && !own {
					t.Errorf("embedding %s links %s", name, dep)
				}
			}
		}
	}
}

// source calls f for every hand-written file of the tree with one of the endings.
func source(t *testing.T, f func(path string), endings ...string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			made := []string{"node_modules", "dist", "testdata"} // by machines
			if slices.Contains(made, d.Name()) || len(d.Name()) > 2 && d.Name()[0] == '.' {
				return filepath.SkipDir
			}
			return nil
		}
		if slices.Contains(endings, filepath.Ext(path)) {
			f(path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestFilesAreNotTooLong(t *testing.T) {
	source(t, func(path string) {
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		lines := 0
		for s := bufio.NewScanner(file); s.Scan(); {
			lines++
		}
		if lines > maxFile {
			t.Errorf("%s has %d lines, more than %d", path, lines, maxFile)
		}
	}, ".go", ".ts", ".mjs", ".css")
}

func TestPackagesSayWhatTheyAreFor(t *testing.T) {
	documented := map[string]bool{}
	source(t, func(path string) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Dir(path)
		documented[dir] = documented[dir] || file.Doc != nil
	}, ".go")
	for dir, has := range documented {
		if !has {
			t.Errorf("package %s has no doc comment", dir)
		}
	}
}

// shown is code in a document, with the example that it is a part of.
var shown = regexp.MustCompile("(?s)<!-- example: (\\S+), (\\w+) -->\n```go\n(.*?)\n```\n")

func TestTheExamplesInTheDocsCompile(t *testing.T) {
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for document, least := range map[string]int{"README.md": 1, "docs/embedding.md": 8} {
		text := read(document)
		found := shown.FindAllStringSubmatch(text, -1)
		if marks := strings.Count(text, "<!-- example:"); marks != len(found) || marks < least {
			t.Errorf("%s has %d marks of examples, %d of them before code; want at least %d", document, marks, len(found), least)
		}
		for _, match := range found {
			file, name, code := match[1], match[2], match[3]
			_, compiled, _ := strings.Cut(read(file), "func "+name+"() {\n")
			compiled, _, _ = strings.Cut(compiled, "\n}\n")
			compiled = "\n" + strings.TrimPrefix(strings.ReplaceAll(compiled, "\n\t", "\n"), "\t") + "\n"
			if !strings.Contains(compiled, "\n"+code+"\n") {
				t.Errorf("%s shows\n%s\nwhich is not in %s of %s:\n%s", document, code, name, file, compiled)
			}
			if lines := strings.Count(code, "\n") + 1; document == "README.md" && lines > 15 {
				t.Errorf("the example of the README has %d lines, more than 15", lines)
			}
		}
	}
}
