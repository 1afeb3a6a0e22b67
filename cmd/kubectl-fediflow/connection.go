package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/observe"
	"github.com/fediflow/fediflow-operator/internal/plan"
	"github.com/fediflow/fediflow-operator/internal/preview"
)

// access is kubectl's way to say which cluster and namespace are meant.
type access struct {
	rules     *clientcmd.ClientConfigLoadingRules
	overrides clientcmd.ConfigOverrides
}

func newAccess(command *cobra.Command) *access {
	a := &access{rules: clientcmd.NewDefaultClientConfigLoadingRules()}
	command.Flags().StringVar(&a.rules.ExplicitPath, "kubeconfig", "", "path of the kubeconfig file")
	clientcmd.BindOverrideFlags(&a.overrides, command.Flags(), clientcmd.RecommendedConfigOverrideFlags(""))
	return a
}

// connection is to the cluster that is meant. Only requests of a user are ever written.
type connection struct {
	client    client.Client
	reader    *observe.Reader
	namespace string
	// chosen is set where a flag says which namespace.
	chosen bool
}

func (a *access) connect() (*connection, error) {
	config := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(a.rules, &a.overrides)
	namespace, _, err := config.Namespace()
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	target, err := config.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	// Patroni's Endpoints are read on purpose, deprecated or not.
	target.WarningHandlerWithContext = rest.NoWarnings{}
	resizes, err := observe.CanResize(target)
	if err != nil {
		return nil, err
	}
	live, err := client.New(target, client.Options{Scheme: observe.Scheme()})
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	reader := &observe.Reader{Cache: live, ReplaceToResize: !resizes}
	return &connection{client: live, reader: reader, namespace: namespace, chosen: a.overrides.Context.Namespace != ""}, nil
}

// cluster reads a FediFlowCluster; without one, what it returns has only a name.
func (c *connection) cluster(ctx context.Context, key client.ObjectKey) (cluster *v1alpha1.FediFlowCluster, exists bool, err error) {
	cluster = &v1alpha1.FediFlowCluster{}
	err = c.client.Get(ctx, key, cluster)
	if apierrors.IsNotFound(err) {
		cluster.Namespace, cluster.Name = key.Namespace, key.Name
		return cluster, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read FediFlowCluster %s: %w", key.Name, err)
	}
	return cluster, true, nil
}

// world is what the operator would observe, with the masters that it found last: the plugin asks no
// Sentinel.
func (c *connection) world(ctx context.Context, cluster *v1alpha1.FediFlowCluster) (component.World, error) {
	world, err := c.reader.World(ctx, client.ObjectKeyFromObject(cluster))
	if err != nil {
		return world, err
	}
	world.Masters = map[plan.StoreName]string{}
	for _, store := range cluster.Status.Redis {
		if store.Master != "" {
			world.Masters[plan.StoreName(store.Name)] = store.Master
		}
	}
	return world, nil
}

// resolve resolves a spec with the facts of the cluster; profiles of a file come before those that
// exist.
func (c *connection) resolve(ctx context.Context, cluster *v1alpha1.FediFlowCluster, world component.World, file *preview.Manifests) (plan.Plan, []string, error) {
	facts, err := c.reader.Facts(ctx, cluster)
	if err != nil {
		return plan.Plan{}, nil, err
	}
	facts = world.Complete(facts)
	if file != nil {
		if profile, ok := file.Profiles[cluster.Spec.Profile.Ref]; ok {
			facts.Profile = &profile
		}
	}
	resolved, problems := plan.Resolve(cluster, facts)
	if len(problems) > 0 {
		return plan.Plan{}, nil, refusal(problems)
	}
	return resolved, resolved.Shortfalls(facts), nil
}

// operatorDeployment is the name of the operator's Deployment, in whatever namespace it runs.
const operatorDeployment = "fediflow-operator"

// useImages takes the images from what runs, else from the operator's Deployment if it may be read.
func (c *connection) useImages(ctx context.Context, name plan.ClusterName, world component.World) error {
	var operators appsv1.DeploymentList
	err := c.client.List(ctx, &operators, client.MatchingFields{"metadata.name": operatorDeployment})
	if err != nil && !apierrors.IsForbidden(err) {
		return fmt.Errorf("look for the operator: %w", err)
	}
	var known plan.Images
	if len(operators.Items) == 1 {
		known = preview.OperatorImages(&operators.Items[0])
	}
	c.reader.Images = preview.Images(name, world, known)
	return nil
}

// manifest reads a file and puts its cluster into the namespace that is meant.
func (c *connection) manifest(file string, input io.Reader) (*preview.Manifests, error) {
	manifests, err := readManifests(file, input)
	if err != nil {
		return nil, err
	}
	switch namespace := manifests.Cluster.Namespace; {
	case namespace == "":
		manifests.Cluster.Namespace = c.namespace
	case c.chosen && namespace != c.namespace:
		return nil, fmt.Errorf("the manifest is of namespace %s, and you say %s: leave -n out, or change the manifest",
			namespace, c.namespace)
	}
	return &manifests, nil
}
