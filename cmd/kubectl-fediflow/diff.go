package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fediflow/fediflow-operator/internal/plan"
	"github.com/fediflow/fediflow-operator/internal/preview"
)

func diffCommand() *cobra.Command {
	var file, format string
	command := &cobra.Command{
		Use:   "diff -f FILE",
		Short: "Print what the operator would do if a manifest were applied",
		Long: `Compares what runs with what a manifest would give, by the functions that the operator runs: objects
that are created, changed and removed; pods that are resized in place, and those that restart, in
order; settings of PostgreSQL and Redis that are taken up without a restart; and totals.

Nothing is written. Secrets are neither read nor compared. Images are those that run. The plugin and
the operator should have the same version.

Exit status: 0 no difference, 1 differences, 2 failure.`,
		Example: `  kubectl fediflow diff -f cluster.yaml -n fediflow
  kubectl fediflow diff -f - -o yaml <cluster.yaml`,
		Args: cobra.NoArgs,
	}
	access := newAccess(command)
	command.Flags().StringVarP(&file, "filename", "f", "", "file with the new FediFlowCluster, or - for standard input")
	command.Flags().StringVarP(&format, "output", "o", formatTable, "table, yaml or json")
	command.RunE = func(command *cobra.Command, _ []string) error {
		if file == "" {
			return errors.New("say which manifest: -f FILE, or -f - for standard input")
		}
		difference, err := diff(command.Context(), access, file, command.InOrStdin())
		if err != nil {
			return err
		}
		if err := printDifference(command.OutOrStdout(), difference, format); err != nil {
			return err
		}
		if !difference.Empty() {
			return errDifferent
		}
		return nil
	}
	return command
}

func printDifference(out io.Writer, difference preview.Difference, format string) error {
	if format == formatTable {
		return preview.PrintDifference(out, difference)
	}
	return preview.Print(out, format, difference)
}

func diff(ctx context.Context, access *access, file string, input io.Reader) (preview.Difference, error) {
	connection, err := access.connect()
	if err != nil {
		return preview.Difference{}, err
	}
	manifests, err := connection.manifest(file, input)
	if err != nil {
		return preview.Difference{}, err
	}
	wanted := manifests.Cluster
	change := preview.Change{}
	var exists bool
	if change.Owner, exists, err = connection.cluster(ctx, client.ObjectKeyFromObject(wanted)); err != nil {
		return preview.Difference{}, err
	}
	if change.World, err = connection.world(ctx, change.Owner); err != nil {
		return preview.Difference{}, err
	}
	if err := connection.useImages(ctx, plan.ClusterName(wanted.Name), change.World); err != nil {
		return preview.Difference{}, err
	}
	if exists {
		// What runs although its spec is wrong is still compared object by object.
		if before, _, err := connection.resolve(ctx, change.Owner, change.World, nil); err == nil {
			change.Before = &before
		}
	}
	if change.After, change.Shortfalls, err = connection.resolve(ctx, wanted, change.World, manifests); err != nil {
		return preview.Difference{}, err
	}
	return preview.Diff(change)
}
