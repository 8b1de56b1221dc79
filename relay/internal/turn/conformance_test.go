package turn

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Every test that the conformance page names exists, and every row names one or gives a reason.
func TestTheConformancePage(t *testing.T) {
	text, err := os.ReadFile("../../../docs/conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := testsHere(t)
	named := regexp.MustCompile("`(Test[A-Za-z0-9_]+)(?:/([^`]+))?`")
	rows := 0
	for i, line := range strings.Split(string(text), "\n") {
		for _, m := range named.FindAllStringSubmatch(line, -1) {
			literals, found := tests[m[1]]
			if !found {
				t.Errorf("line %d: there is no test %s", i+1, m[1])
			} else if m[2] != "" && !literals[m[2]] {
				t.Errorf("line %d: %s has no case %q", i+1, m[1], m[2])
			}
		}
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| section") {
			continue
		}
		rows++
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if len(cells) != 3 {
			t.Errorf("line %d has %d cells, want 3", i+1, len(cells))
			continue
		}
		how := cells[2]
		if !named.MatchString(how) && !strings.HasPrefix(how, "sockets") && !strings.HasPrefix(how, "otherwise") &&
			!strings.HasPrefix(how, "no use") && !strings.HasPrefix(how, "every test") && !strings.Contains(how, "hmac.Equal") {
			t.Errorf("line %d names no test and gives no reason: %s", i+1, how)
		}
	}
	if rows < 90 {
		t.Errorf("the page has only %d rows", rows)
	}
}

// testsHere returns the tests of this package, and of package relay where it has none of the name, with the strings in each, among which its cases are.
func testsHere(t *testing.T) map[string]map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	ofSockets, err := filepath.Glob("../../*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	files = append(ofSockets, files...)
	tests := map[string]map[string]bool{}
	for _, name := range files {
		file, err := parser.ParseFile(gotoken.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !strings.HasPrefix(f.Name.Name, "Test") {
				continue
			}
			literals := map[string]bool{}
			ast.Inspect(f, func(n ast.Node) bool {
				if l, ok := n.(*ast.BasicLit); ok && l.Kind == gotoken.STRING {
					if s, err := strconv.Unquote(l.Value); err == nil {
						literals[s] = true
					}
				}
				return true
			})
			tests[f.Name.Name] = literals
		}
	}
	return tests
}
