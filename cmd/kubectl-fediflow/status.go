package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/preview"
)

func statusCommand() *cobra.Command {
	var everywhere bool
	command := &cobra.Command{
		Use:   "status [NAME]",
		Short: "Print what clusters are doing",
		Long: `Prints the conditions in words, every component, the members of the database and of the Redis stores,
the plan's totals, and the latest events. Without NAME it prints every cluster of the namespace.`,
		Example: `  kubectl fediflow status -n fediflow
  kubectl fediflow status fediflow
  kubectl fediflow status -A`,
		Args: cobra.MaximumNArgs(1),
	}
	access := newAccess(command)
	command.Flags().BoolVarP(&everywhere, "all-namespaces", "A", false, "every cluster of every namespace")
	command.RunE = func(command *cobra.Command, arguments []string) error {
		if everywhere && len(arguments) > 0 {
			return errors.New("say either the NAME of a cluster or --all-namespaces")
		}
		connection, err := access.connect()
		if err != nil {
			return err
		}
		if everywhere {
			connection.namespace = ""
		}
		clusters, err := connection.clusters(command.Context(), arguments)
		if err != nil {
			return err
		}
		return connection.printStatus(command.Context(), command.OutOrStdout(), clusters)
	}
	return command
}

// clusters are the one that is named, or all of the namespace, or all where there is no namespace.
func (c *connection) clusters(ctx context.Context, names []string) ([]v1alpha1.FediFlowCluster, error) {
	var list v1alpha1.FediFlowClusterList
	if err := c.client.List(ctx, &list, client.InNamespace(c.namespace)); err != nil {
		return nil, fmt.Errorf("list FediFlowClusters: %w", err)
	}
	var found []v1alpha1.FediFlowCluster
	for _, cluster := range list.Items {
		if len(names) == 0 || cluster.Name == names[0] {
			found = append(found, cluster)
		}
	}
	switch {
	case len(found) > 0:
		return found, nil
	case len(names) > 0:
		return nil, fmt.Errorf("there is no FediFlowCluster %s in namespace %s", names[0], c.namespace)
	case c.namespace == "":
		return nil, errors.New("there is no FediFlowCluster")
	}
	return nil, fmt.Errorf("there is no FediFlowCluster in namespace %s: -A shows those of all namespaces", c.namespace)
}

func (c *connection) printStatus(ctx context.Context, out io.Writer, clusters []v1alpha1.FediFlowCluster) error {
	for i := range clusters {
		cluster := &clusters[i]
		var events corev1.EventList
		err := c.client.List(ctx, &events, client.InNamespace(cluster.Namespace),
			client.MatchingFields{"involvedObject.uid": string(cluster.UID)})
		if err != nil {
			return fmt.Errorf("list events of %s: %w", cluster.Name, err)
		}
		if i > 0 {
			_, _ = fmt.Fprintln(out)
		}
		if err := preview.PrintStatus(out, cluster, events.Items, time.Now()); err != nil {
			return err
		}
	}
	return nil
}
