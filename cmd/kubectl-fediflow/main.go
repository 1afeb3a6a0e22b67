// Command kubectl-fediflow is a kubectl plugin: flags and wiring, nothing else.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

// version is set at link time.
var version = "development"

// Exit codes are those of kubectl diff.
const (
	exitDifferent = 1
	exitFailed    = 2
)

// errDifferent is no failure: diff found differences.
var errDifferent = errors.New("there are differences")

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

func run(arguments []string, in io.Reader, out, errOut io.Writer) int {
	root := &cobra.Command{
		Use:           "kubectl-fediflow",
		Short:         "See what a FediFlowCluster is doing, and what a change of it would do",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl fediflow"},
	}
	root.AddCommand(planCommand(), diffCommand(), statusCommand(), switchoverCommand(), profileCommand())
	root.SetArgs(arguments)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	switch err := root.Execute(); {
	case err == nil:
		return 0
	case errors.Is(err, errDifferent):
		return exitDifferent
	default:
		_, _ = fmt.Fprintln(errOut, "kubectl fediflow:", err)
		return exitFailed
	}
}
