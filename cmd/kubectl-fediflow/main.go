// Command kubectl-fediflow is a kubectl plugin: flags and wiring, nothing else.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/plan"
	"github.com/fediflow/fediflow-operator/internal/preview"
)

// version is set at link time.
var version = "development"

func main() {
	root := &cobra.Command{
		Use:           "kubectl-fediflow",
		Short:         "See what a FediFlowCluster becomes before it does",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version,
	}
	root.AddCommand(planCommand(), profileCommand())
	if err := root.Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "kubectl fediflow:", err)
		os.Exit(1)
	}
}

func planCommand() *cobra.Command {
	var file, format, figure string
	command := &cobra.Command{
		Use:   "plan -f FILE",
		Short: "Print every figure that a manifest resolves to, and why",
		Long: `Resolves a FediFlowCluster with the very functions that the operator runs. No Kubernetes cluster is
needed: regions, zones and storage classes are taken to be there. A PerformanceProfile that the
manifest refers to must be in the same file.`,
		Example: `  kubectl fediflow plan -f cluster.yaml
  kubectl fediflow plan -f cluster.yaml --explain postgres.max_connections
  kubectl fediflow plan -f cluster.yaml --explain postgres
  kubectl fediflow plan -f - -o yaml <cluster.yaml`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			resolved, err := resolve(file, command.InOrStdin())
			if err != nil {
				return err
			}
			switch {
			case figure != "":
				return preview.Explain(command.OutOrStdout(), resolved, figure)
			case format == "table":
				return preview.PrintPlan(command.OutOrStdout(), resolved)
			}
			return preview.Print(command.OutOrStdout(), format, preview.NewDocument(resolved))
		},
	}
	command.Flags().StringVarP(&file, "filename", "f", "", "file with the FediFlowCluster, or - for standard input")
	command.Flags().StringVarP(&format, "output", "o", "table", "table, yaml or json")
	command.Flags().StringVar(&figure, "explain", "", "print the derivation of a figure, of a component's figures, or of all")
	return command
}

func resolve(file string, input io.Reader) (plan.Plan, error) {
	var content []byte
	var err error
	switch file {
	case "":
		return plan.Plan{}, errors.New("say which manifest: -f FILE, or -f - for standard input")
	case "-":
		content, err = io.ReadAll(input)
	default:
		content, err = os.ReadFile(file) //nolint:gosec // the user names the file to read
	}
	if err != nil {
		return plan.Plan{}, fmt.Errorf("read the manifest: %w", err)
	}
	manifests, err := preview.Read(content)
	if err != nil {
		return plan.Plan{}, fmt.Errorf("%s: %w", file, err)
	}
	resolved, problems := manifests.Resolve()
	if len(problems) == 0 {
		return resolved, nil
	}
	messages := make([]string, 0, len(problems))
	for _, problem := range problems {
		messages = append(messages, problem.Message)
	}
	return plan.Plan{}, errors.New(strings.Join(messages, "\n"))
}

func profileCommand() *cobra.Command {
	command := &cobra.Command{Use: "profile", Short: "The built-in profiles"}
	command.AddCommand(&cobra.Command{
		Use: "list", Short: "List the named sizes", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return preview.PrintSizes(command.OutOrStdout()) },
	})
	var format string
	var users int64
	show := &cobra.Command{
		Use:   "show [SIZE]",
		Short: "Print a built-in profile as a PerformanceProfile to start from",
		Example: `  kubectl fediflow profile show Medium -o yaml >campus.yaml
  kubectl fediflow profile show --users 12000`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			profile, err := builtIn(arguments, users)
			if err != nil {
				return err
			}
			return preview.Print(command.OutOrStdout(), format, profile)
		},
	}
	show.Flags().StringVarP(&format, "output", "o", "yaml", "yaml or json")
	show.Flags().Int64Var(&users, "users", 0, "a number of monthly active users, 1 to 1000000, instead of a size")
	command.AddCommand(show)
	return command
}

func builtIn(arguments []string, users int64) (*v1alpha1.PerformanceProfile, error) {
	profile := &v1alpha1.PerformanceProfile{TypeMeta: metav1.TypeMeta{
		APIVersion: v1alpha1.SchemeGroupVersion.String(), Kind: "PerformanceProfile"}}
	switch {
	case users != 0 && len(arguments) == 0:
		if users < 1 || users > 1_000_000 {
			return nil, fmt.Errorf("--users %d: use 1 to 1000000", users)
		}
		profile.Name, profile.Spec = fmt.Sprintf("users-%d", users), plan.ForUsers(users)
		return profile, nil
	case users == 0 && len(arguments) == 1:
		for _, size := range plan.Sizes() {
			if strings.EqualFold(string(size), arguments[0]) {
				profile.Name = strings.ToLower(arguments[0])
				profile.Spec, _ = plan.BuiltIn(size)
				return profile, nil
			}
		}
		return nil, fmt.Errorf("there is no size %s: use one of %v", arguments[0], plan.Sizes())
	}
	return nil, errors.New("name one size, or give --users")
}
