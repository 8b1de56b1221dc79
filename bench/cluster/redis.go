//go:build linux

package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// ask runs a command of Redis without arguments that have spaces, and returns its text or number.
func ask(address, command string) (string, error) {
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, command+"\r\n"); err != nil {
		return "", err
	}
	in := bufio.NewReader(conn)
	line, err := in.ReadString('\n')
	if err != nil {
		return "", err
	}
	rest := strings.TrimSpace(line[1:])
	switch line[0] {
	case '+', ':':
		return rest, nil
	case '$':
		size, err := strconv.Atoi(rest)
		if err != nil || size < 0 {
			return "", fmt.Errorf("redis: %s: answer %q", command, line)
		}
		text := make([]byte, size)
		_, err = io.ReadFull(in, text)
		return string(text), err
	}
	return "", fmt.Errorf("redis: %s: answer %q", command, line)
}

// commands returns how many commands nodes have sent, and how many of them were scripts. What scripts run themselves, and the
// nodes' signs of life, are left out.
func commands(address string) (asked, scripts int, err error) {
	text, err := ask(address, "INFO commandstats")
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "cmdstat_"), ":")
		text, _, _ := strings.Cut(strings.TrimPrefix(rest, "calls="), ",")
		n, err := strconv.Atoi(text)
		if err != nil {
			continue
		}
		switch name {
		case "evalsha", "eval":
			scripts += n
			asked += n
		case "hexists", "ssubscribe", "sunsubscribe":
			asked += n
		}
	}
	return asked, scripts, nil
}

// memoryUsed returns the bytes that Redis holds, and its keys.
func memoryUsed(address string) (bytes, keys int, err error) {
	text, err := ask(address, "INFO memory")
	if err != nil {
		return 0, 0, err
	}
	_, rest, _ := strings.Cut(text, "used_memory:")
	line, _, _ := strings.Cut(rest, "\r")
	if bytes, err = strconv.Atoi(line); err != nil {
		return 0, 0, fmt.Errorf("redis: used_memory is %q", line)
	}
	if text, err = ask(address, "DBSIZE"); err != nil {
		return 0, 0, err
	}
	keys, err = strconv.Atoi(text)
	return bytes, keys, err
}
