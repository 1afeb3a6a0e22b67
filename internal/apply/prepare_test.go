package apply

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	acapps "k8s.io/client-go/applyconfigurations/apps/v1"
	accore "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

func TestPreparedObjectsBelongToTheirClusterUnlessTheyOutliveIt(t *testing.T) {
	service := accore.Service("db", "social")
	tests := map[string]struct {
		object component.Object
		owners int
	}{
		"with the cluster":           {component.Owned(service)[0], 1},
		"SafetyDataOutlivesTheOwner": {component.Retained(service)[0], 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			desired, err := Prepare(owner, test.object)
			if err != nil {
				t.Fatal(err)
			}
			owners := desired.GetOwnerReferences()
			if len(owners) != test.owners {
				t.Fatalf("owners: %v", owners)
			}
			if test.owners == 1 && (owners[0].UID != owner.UID || owners[0].Kind != "FediFlowCluster" || owners[0].Controller == nil || !*owners[0].Controller) {
				t.Errorf("owner: %+v", owners[0])
			}
			if len(desired.GetAnnotations()[plan.AnnotationApplied]) != 16 {
				t.Errorf("annotations: %v", desired.GetAnnotations())
			}
		})
	}
}

func TestTheDigestFollowsTheContentAndNothingElse(t *testing.T) {
	digest := func(object component.Object) string {
		desired, err := Prepare(owner, object)
		if err != nil {
			t.Fatal(err)
		}
		return desired.GetAnnotations()[plan.AnnotationApplied]
	}
	annotated := func(d *acapps.DeploymentApplyConfiguration) { d.WithAnnotations(map[string]string{"a": "b"}) }
	plain := digest(deployment())
	if digest(deployment()) != plain {
		t.Error("the same content has two digests")
	}
	if digest(deployment(annotated)) == plain {
		t.Error("different contents have one digest")
	}
	object := deployment(annotated)
	if desired, err := Prepare(owner, object); err != nil || desired.GetAnnotations()["a"] != "b" {
		t.Errorf("annotations of its own: %v, %v", desired.GetAnnotations(), err)
	}
	if again := digest(object); again != digest(deployment(annotated)) {
		t.Error("preparing an object changes it")
	}
}

func TestKeysNameKindAndName(t *testing.T) {
	keys, err := Keys([]component.Object{deployment(), component.Owned(accore.Service("api", "social"))[0]})
	if err != nil || len(keys) != 2 || !keys[component.Key{Kind: "Deployment", Name: "api"}] || !keys[component.Key{Kind: "Service", Name: "api"}] {
		t.Errorf("%v, %v", keys, err)
	}
}

func TestSplitSeparatesWhatARetryCannotFix(t *testing.T) {
	one, two := problem("One", "first %d", 1), problem("Two", "second")
	other, another := errors.New("timeout"), errors.New("conflict")
	tests := map[string]struct {
		err      error
		problems string
		rest     []error
	}{
		"nothing":                {nil, "[]", nil},
		"a problem":              {one, "[{One first 1}]", nil},
		"an error":               {other, "[]", []error{other}},
		"a wrapped problem":      {fmt.Errorf("apply: %w", two), "[{Two second}]", nil},
		"both, joined":           {errors.Join(other, one, two, another), "[{One first 1} {Two second}]", []error{other, another}},
		"joined twice":           {errors.Join(errors.Join(one, other), errors.Join(two)), "[{One first 1} {Two second}]", []error{other}},
		"only problems, joined":  {errors.Join(one, two), "[{One first 1} {Two second}]", nil},
		"an empty join":          {errors.Join(nil, nil), "[]", nil},
		"wrapped twice in a row": {fmt.Errorf("apply: %w, %w", one, other), "[{One first 1}]", []error{other}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			problems, rest := Split(test.err)
			if got := fmt.Sprint(problems); got != test.problems {
				t.Errorf("problems: %s", got)
			}
			if (rest == nil) != (len(test.rest) == 0) {
				t.Errorf("rest: %v", rest)
			}
			for _, want := range test.rest {
				if !errors.Is(rest, want) {
					t.Errorf("%v is lost: %v", want, rest)
				}
			}
		})
	}
}

func TestARefusalSaysWhichFieldAndWhy(t *testing.T) {
	long := strings.Repeat("x", 200) + strings.Repeat("ü", 200) + " is invalid"
	refused := func(message string, causes ...metav1.StatusCause) error {
		return &apierrors.StatusError{ErrStatus: metav1.Status{Message: message, Details: &metav1.StatusDetails{Causes: causes}}}
	}
	tests := map[string]struct {
		err  error
		want string
	}{
		"fields":       {refused("long", metav1.StatusCause{Field: "spec.a", Message: "too large"}, metav1.StatusCause{Message: "no quota"}), "spec.a: too large; no quota"},
		"no fields":    {refused("exceeded quota"), "exceeded quota"},
		"no details":   {apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "a", errors.New("no")), `pods "a" is forbidden: no`},
		"no API error": {errors.New("broken"), "broken"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := statusMessage(test.err); got != test.want {
				t.Errorf("%s", got)
			}
		})
	}
	short := statusMessage(refused(long))
	if len(short) > 2*longestCause/3+len(" … ") || !strings.HasPrefix(short, "xxx") || !strings.HasSuffix(short, " is invalid") {
		t.Errorf("%d bytes: %s", len(short), short)
	}
}

func TestSafetyVolumesAndSecretsAreNeverPruned(t *testing.T) {
	for _, kind := range []string{
		"PersistentVolumeClaim", "PersistentVolume", "Secret", "Endpoints", "Namespace", "FediFlowCluster", "Pod",
	} {
		if prunable[kind] {
			t.Errorf("%s may be pruned", kind)
		}
	}
	if len(prunable) != 11 {
		t.Errorf("%d kinds may be pruned: think of their data, then change this test", len(prunable))
	}
}

func TestSafetyAMissingSecretOfExistingDataIsNotMadeAnew(t *testing.T) {
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Labels: plan.ClusterName("fediflow").Labels(plan.Postgres)}}
	world := component.World{Objects: map[component.Key]runtime.Object{
		{Kind: "PersistentVolumeClaim", Name: "data-fediflow-postgres-0"}: claim,
		{Kind: "StatefulSet", Name: "fediflow-redis-queue"}: &appsv1.StatefulSet{
			ObjectMeta: metav1.ObjectMeta{Labels: plan.ClusterName("fediflow").Labels(plan.Redis)},
		},
	}}
	tests := map[string]struct {
		guards map[string]string
		want   string
	}{
		"data that needs it":         {plan.ClusterName("fediflow").Selector(plan.Postgres), "data-fediflow-postgres-0"},
		"data of another component":  {plan.ClusterName("fediflow").Selector(plan.Redis), ""},
		"data of another cluster":    {plan.ClusterName("other").Selector(plan.Postgres), ""},
		"a Secret that no data need": {nil, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := guarded(world, test.guards); got != test.want {
				t.Errorf("guarded by %q", got)
			}
		})
	}
}

func TestVolumesAreTheSameInAnyNotation(t *testing.T) {
	volume := func(name, size string, class *string) corev1.PersistentVolumeClaim {
		claim := corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: name}}
		claim.Spec.StorageClassName = class
		claim.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(size)}
		return claim
	}
	fast, slow := "fast", "slow"
	base := []corev1.PersistentVolumeClaim{volume("data", "1Gi", &fast)}
	tests := map[string]struct {
		other []corev1.PersistentVolumeClaim
		same  bool
	}{
		"the same":          {[]corev1.PersistentVolumeClaim{volume("data", "1Gi", &fast)}, true},
		"other notation":    {[]corev1.PersistentVolumeClaim{volume("data", "1024Mi", &fast)}, true},
		"other size":        {[]corev1.PersistentVolumeClaim{volume("data", "2Gi", &fast)}, false},
		"other class":       {[]corev1.PersistentVolumeClaim{volume("data", "1Gi", &slow)}, false},
		"the default class": {[]corev1.PersistentVolumeClaim{volume("data", "1Gi", nil)}, false},
		"other name":        {[]corev1.PersistentVolumeClaim{volume("cache", "1Gi", &fast)}, false},
		"none":              {nil, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if sameVolumes(base, test.other) != test.same || sameVolumes(test.other, base) != test.same {
				t.Errorf("same: %v", !test.same)
			}
		})
	}
}

func TestProblemsCarryAReasonOfTheAPI(t *testing.T) {
	problems, err := Split(forbidden("social"))
	if err != nil || !slices.Equal(problems, []plan.Problem{{
		Reason:  v1alpha1.ReasonSecretForbidden,
		Message: "the operator may not use Secrets in namespace social: enrol it, see config/namespace",
	}}) {
		t.Errorf("%v, %v", problems, err)
	}
}
