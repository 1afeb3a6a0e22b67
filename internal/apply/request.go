package apply

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

// Request puts a user's request into an annotation of a cluster. The operator never calls it.
func Request(ctx context.Context, writer client.Client, cluster *v1alpha1.FediFlowCluster, annotation, request string) error {
	changed := cluster.DeepCopy()
	metav1.SetMetaDataAnnotation(&changed.ObjectMeta, annotation, request)
	if err := writer.Patch(ctx, changed, client.MergeFrom(cluster)); err != nil {
		return fmt.Errorf("annotate FediFlowCluster %s: %w", cluster.Name, err)
	}
	return nil
}
