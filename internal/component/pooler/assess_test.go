package pooler

import (
	"testing"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/component"
)

func TestEachPoolerIsJudgedUnderItsOwnName(t *testing.T) {
	p := resolved(t, cluster(v1alpha1.SizeSmall))
	healths := assess(p, component.World{})
	if len(healths) != 2 || healths[0].Name != "pooler-rw" || healths[1].Name != "pooler-ro" {
		t.Fatalf("%v", healths)
	}
	for _, health := range healths {
		if health.State != v1alpha1.StateProgressing || health.Ready != 0 || health.Desired != p.Pooler.Replicas {
			t.Errorf("a pooler that is not there is %v", health)
		}
	}
}
