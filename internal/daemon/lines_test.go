package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadSecrets(t *testing.T) {
	tests := map[string]struct {
		text, want string // want: what is read, or what the error says
		fails      bool
	}{
		"one to a line, the order kept":  {"# newest first\n\nnew\n  old \r\n#gone\n", "[new old]", false},
		"without a line's end":           {"new", "[new]", false},
		"spaces and hashes inside":       {"a b#c\n", "[a b#c]", false},
		"nothing":                        {"", "--secret-file: FILE: there is no secret in it", true},
		"nothing but comments":           {"# none\n\n", "there is no secret", true},
		"what is no text":                {"good\n\xff\xfe\n", "--secret-file: FILE: line 2: is not UTF-8 text", true},
		"a line that does not end":       {"good\n" + strings.Repeat("x", maxLine+1), "line 2: is over 65536 bytes", true},
		"a file that does not end, ever": {strings.Repeat("x\n", maxLines/2) + "x", "FILE: is over 16777216 bytes", true},
	}
	for name, test := range tests {
		path := filepath.Join(t.TempDir(), "secrets")
		if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		secrets, err := ReadSecrets("--secret-file", path)
		if test.fails {
			if err == nil || !strings.Contains(err.Error(), strings.ReplaceAll(test.want, "FILE", path)) {
				t.Errorf("%s: got %v, want %q", name, err, test.want)
			}
			continue
		}
		if got := fmt.Sprint(secrets); err != nil || got != test.want {
			t.Errorf("%s: got %s, %v, want %s", name, got, err, test.want)
		}
	}
	if _, err := ReadSecrets("--secret-file", "/nowhere/secrets"); err == nil || err.Error() != "--secret-file: /nowhere/secrets: no such file or directory" {
		t.Errorf("a missing file: %v", err)
	}
}

func TestReadLinesNamesTheLineThatIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "peers")
	if err := os.WriteFile(path, []byte("# rules\nallow 10.0.0.0/8\nlet me in\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := ReadLines("--peers-file", path, func(line string) error {
		if !strings.HasPrefix(line, "allow ") {
			return fmt.Errorf("%q is no rule", line)
		}
		return nil
	})
	if want := "--peers-file: " + path + `: line 3: "let me in" is no rule`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
