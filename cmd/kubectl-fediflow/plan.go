package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fediflow/fediflow-operator/internal/plan"
	"github.com/fediflow/fediflow-operator/internal/preview"
)

func planCommand() *cobra.Command {
	var file, format, figure string
	var live bool
	command := &cobra.Command{
		Use:   "plan (NAME | -f FILE [--live])",
		Short: "Print every figure that a cluster or a manifest resolves to, and why",
		Long: `Resolves a FediFlowCluster with the very functions that the operator runs.

By NAME it is one that exists, resolved with the facts of its Kubernetes cluster: regions, zones,
nodes, quotas, limits, storage classes, volumes, and the PerformanceProfile that it refers to.

From a FILE no Kubernetes cluster is needed: regions, zones and storage classes are taken to be there,
and a PerformanceProfile that the manifest refers to must be in the same file. With --live a manifest
is resolved with the facts of the cluster, too.`,
		Example: `  kubectl fediflow plan fediflow -n fediflow
  kubectl fediflow plan fediflow --explain postgres.max_connections
  kubectl fediflow plan -f cluster.yaml
  kubectl fediflow plan -f cluster.yaml --live --explain postgres
  kubectl fediflow plan -f - -o yaml <cluster.yaml`,
		Args: cobra.MaximumNArgs(1),
	}
	access := newAccess(command)
	command.Flags().StringVarP(&file, "filename", "f", "", "file with the FediFlowCluster, or - for standard input")
	command.Flags().StringVarP(&format, "output", "o", "table", "table, yaml or json")
	command.Flags().StringVar(&figure, "explain", "", "print the derivation of a figure, of a component's figures, or of all")
	command.Flags().BoolVar(&live, "live", false, "resolve a file with the facts of the cluster")
	command.RunE = func(command *cobra.Command, arguments []string) error {
		resolve := func() (plan.Plan, []string, error) { return resolveOffline(file, command.InOrStdin()) }
		switch named := len(arguments) == 1; {
		case named == (file != ""):
			return errors.New("say either the NAME of a cluster, or which manifest: -f FILE, or -f - for standard input")
		case named:
			resolve = func() (plan.Plan, []string, error) { return resolveNamed(command.Context(), access, arguments[0]) }
		case live:
			resolve = func() (plan.Plan, []string, error) {
				return resolveLive(command.Context(), access, file, command.InOrStdin())
			}
		}
		resolved, shortfalls, err := resolve()
		if err != nil {
			return err
		}
		return printPlan(command.OutOrStdout(), resolved, shortfalls, format, figure)
	}
	return command
}

func printPlan(out io.Writer, resolved plan.Plan, shortfalls []string, format, figure string) error {
	switch {
	case figure != "":
		return preview.Explain(out, resolved, figure)
	case format == formatTable:
		return preview.PrintPlan(out, resolved, shortfalls)
	}
	return preview.Print(out, format, preview.NewDocument(resolved, shortfalls))
}

const formatTable = "table"

func resolveOffline(file string, input io.Reader) (plan.Plan, []string, error) {
	manifests, err := readManifests(file, input)
	if err != nil {
		return plan.Plan{}, nil, err
	}
	resolved, problems := manifests.Resolve()
	if len(problems) > 0 {
		return plan.Plan{}, nil, refusal(problems)
	}
	return resolved, nil, nil
}

func resolveNamed(ctx context.Context, access *access, name string) (plan.Plan, []string, error) {
	connection, err := access.connect()
	if err != nil {
		return plan.Plan{}, nil, err
	}
	cluster, exists, err := connection.cluster(ctx, client.ObjectKey{Namespace: connection.namespace, Name: name})
	if err != nil {
		return plan.Plan{}, nil, err
	}
	if !exists {
		return plan.Plan{}, nil, fmt.Errorf("there is no FediFlowCluster %s in namespace %s", name, connection.namespace)
	}
	world, err := connection.world(ctx, cluster)
	if err != nil {
		return plan.Plan{}, nil, err
	}
	return connection.resolve(ctx, cluster, world, nil)
}

func resolveLive(ctx context.Context, access *access, file string, input io.Reader) (plan.Plan, []string, error) {
	connection, err := access.connect()
	if err != nil {
		return plan.Plan{}, nil, err
	}
	manifests, err := connection.manifest(file, input)
	if err != nil {
		return plan.Plan{}, nil, err
	}
	world, err := connection.world(ctx, manifests.Cluster)
	if err != nil {
		return plan.Plan{}, nil, err
	}
	return connection.resolve(ctx, manifests.Cluster, world, manifests)
}

func readManifests(file string, input io.Reader) (preview.Manifests, error) {
	var content []byte
	var err error
	if file == "-" {
		content, err = io.ReadAll(input)
	} else {
		content, err = os.ReadFile(file) //nolint:gosec // the user names the file to read
	}
	if err != nil {
		return preview.Manifests{}, fmt.Errorf("read the manifest: %w", err)
	}
	manifests, err := preview.Read(content)
	if err != nil {
		return preview.Manifests{}, fmt.Errorf("%s: %w", file, err)
	}
	return manifests, nil
}

func refusal(problems []plan.Problem) error {
	messages := make([]string, 0, len(problems))
	for _, problem := range problems {
		messages = append(messages, problem.Message)
	}
	return errors.New(strings.Join(messages, "\n"))
}
