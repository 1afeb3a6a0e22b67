package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/apply"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// glance is the time between two looks at what became of a request.
const glance = 500 * time.Millisecond

func switchoverCommand() *cobra.Command {
	var member string
	var timeout time.Duration
	command := &cobra.Command{
		Use:   "switchover NAME",
		Short: "Make another member the database's primary",
		Long: `Asks the operator for a planned switchover, by an annotation on the FediFlowCluster, and waits until it
is done. Clients of the poolers wait for a moment and see no error. Only a member that has every
acknowledged write can take over. A pipeline can set the annotation itself: ` + plan.AnnotationSwitchover + `
is a time as in RFC 3339, from which on it is to happen, and may be followed by a slash and a member.`,
		Example: `  kubectl fediflow switchover fediflow
  kubectl fediflow switchover fediflow --to fediflow-postgres-1`,
		Args: cobra.ExactArgs(1),
	}
	access := newAccess(command)
	command.Flags().StringVar(&member, "to", "", "the member that is to be primary; default: whichever is best")
	command.Flags().DurationVar(&timeout, "timeout", 2*time.Minute, "how long to wait until it is done; 0 does not wait")
	command.RunE = func(command *cobra.Command, arguments []string) error {
		connection, err := access.connect()
		if err != nil {
			return err
		}
		key := client.ObjectKey{Namespace: connection.namespace, Name: arguments[0]}
		return connection.switchOver(command.Context(), command.OutOrStdout(), key, member, timeout)
	}
	return command
}

func (c *connection) switchOver(ctx context.Context, out io.Writer, key client.ObjectKey, member string, timeout time.Duration) error {
	cluster, exists, err := c.cluster(ctx, key)
	switch {
	case err != nil:
		return err
	case !exists:
		return fmt.Errorf("there is no FediFlowCluster %s in namespace %s", key.Name, key.Namespace)
	case cluster.Status.Database == nil:
		return fmt.Errorf("FediFlowCluster %s has no database that the operator manages", key.Name)
	}
	request := time.Now().UTC().Format(time.RFC3339)
	if member != "" {
		request += "/" + member
	}
	if err := apply.Request(ctx, c.client, cluster, plan.AnnotationSwitchover, request); err != nil {
		return fmt.Errorf("ask for a switchover: %w", err)
	}
	if timeout == 0 {
		_, err := fmt.Fprintf(out, "asked for a switchover of %s\n", key.Name)
		return err //nolint:wrapcheck // of the terminal
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return c.awaitSwitchover(ctx, out, key, request)
}

// awaitSwitchover prints what the operator says of the request until it is done or given up.
func (c *connection) awaitSwitchover(ctx context.Context, out io.Writer, key client.ObjectKey, request string) error {
	said := "the operator has not answered yet"
	for {
		cluster, _, err := c.cluster(ctx, key)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if database := cluster.Status.Database; database != nil && database.Switchover != nil && database.Switchover.Request == request {
			answer := database.Switchover
			if answer.Message != said {
				said = answer.Message
				_, _ = fmt.Fprintf(out, "%s: %s\n", answer.State, said)
			}
			switch answer.State {
			case v1alpha1.SwitchoverDone:
				return nil
			case v1alpha1.SwitchoverExpired, v1alpha1.SwitchoverRefused:
				return errors.New(said)
			case v1alpha1.SwitchoverPending:
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not done in time, and still asked for: %s", said)
		case <-time.After(glance):
		}
	}
}
