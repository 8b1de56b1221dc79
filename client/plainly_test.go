package client

import (
	"bufio"
	"io"
	"iter"
	"strings"
)

// plainEvent is a server-sent event, as the standard has it.
type plainEvent struct{ id, data string }

// readPlainly reads a stream of server-sent events by the standard (WHATWG HTML, section 9.2.6), where lines end
// by line feeds: an event is what an empty line ends, and what the stream's end cuts off is none.
func readPlainly(stream io.Reader) iter.Seq2[plainEvent, error] {
	return func(yield func(plainEvent, error) bool) {
		var id string
		var data []string
		for lines := bufio.NewReader(stream); ; {
			line, err := lines.ReadString('\n')
			if err != nil {
				if err != io.EOF {
					yield(plainEvent{}, err)
				}
				return
			}
			line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
			if line == "" {
				if data != nil && !yield(plainEvent{id, strings.Join(data, "\n")}, nil) {
					return
				}
				data = nil
				continue
			}
			name, value, _ := strings.Cut(line, ":")
			value = strings.TrimPrefix(value, " ")
			switch name {
			case "data":
				data = append(data, value)
			case "id":
				id = value
			}
		}
	}
}
