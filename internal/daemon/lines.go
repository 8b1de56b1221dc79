package daemon

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

const (
	maxLines = 16 << 20 // bytes of a file
	maxLine  = 64 << 10 // bytes of a line
)

// ReadLines calls take for each line of a file, without the spaces around it; empty lines and those that begin with # are
// left out. Errors, take's too, name the flag, the file and the line, but quote nothing of it, which may be secret.
func ReadLines(flag, path string, take func(line string) error) error {
	fault := func(err error) error {
		if failed, ok := errors.AsType[*os.PathError](err); ok {
			err = failed.Err // the path is in our own words already
		}
		return fmt.Errorf("%s: %s: %w", flag, path, err)
	}
	file, err := os.Open(path)
	if err != nil {
		return fault(err)
	}
	defer func() { _ = file.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(file, maxLines+1))
	switch {
	case err != nil:
		return fault(err)
	case len(text) > maxLines:
		return fault(fmt.Errorf("is over %d bytes long", maxLines))
	}
	number := 0
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		number++
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		err := errors.New("is not UTF-8 text")
		if utf8.ValidString(line) {
			err = take(line)
		}
		if err != nil {
			return fault(fmt.Errorf("line %d: %w", number, err))
		}
	}
	if lines.Err() != nil {
		return fault(fmt.Errorf("line %d: is over %d bytes long", number+1, maxLine))
	}
	return nil
}

// ReadSecrets reads a file with a secret on each line, the newest first.
func ReadSecrets(flag, path string) ([]string, error) {
	var secrets []string
	err := ReadLines(flag, path, func(line string) error {
		secrets = append(secrets, line)
		return nil
	})
	if err == nil && secrets == nil {
		err = fmt.Errorf("%s: %s: there is no secret in it", flag, path)
	}
	return secrets, err
}
