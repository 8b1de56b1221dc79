package redisstore

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// release stands in for a release of Redis that cannot be had any more: it says of itself what that one did.
func release(t *testing.T, version string, hello bool) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer conn.Close()
				in := bufio.NewReader(conn)
				for {
					words := command(in)
					if len(words) == 0 {
						return
					}
					answer := "+OK\r\n"
					switch name := strings.ToUpper(words[0]); {
					case name == "HELLO" && hello:
						answer = "%1\r\n+version\r\n+" + version + "\r\n"
					case name == "HELLO":
						answer = "-ERR unknown command `HELLO`, with args beginning with: `3`, \r\n"
					case name == "CLUSTER":
						answer = "-ERR This instance has cluster support disabled\r\n"
					case name == "INFO":
						info := "# Server\r\nredis_version:" + version + "\r\n"
						answer = fmt.Sprintf("$%d\r\n%s\r\n", len(info), info)
					}
					if _, err := io.WriteString(conn, answer); err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		conns.Wait()
	})
	return listener.Addr().String()
}

// command reads a command as clients send it.
func command(in *bufio.Reader) (words []string) {
	line := func(kind byte) int {
		text, err := in.ReadString('\n')
		if err != nil || text[0] != kind {
			return -1
		}
		n, _ := strconv.Atoi(strings.TrimSpace(text[1:]))
		return n
	}
	for range line('*') {
		word := make([]byte, max(line('$'), 0)+2)
		if _, err := io.ReadFull(in, word); err != nil {
			return nil
		}
		words = append(words, string(word[:len(word)-2]))
	}
	return words
}
