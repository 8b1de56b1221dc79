// Package daemon holds what the commands share: flags and their environment, logging, signals,
// listeners whose errors help, health answers, a listener for operators, and the version.
//
// A command's main is one line, so that a test can start the program in its own process:
//
//	func main() { daemon.Main(run) }
//
//	func run(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error
package daemon
