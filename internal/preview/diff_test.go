package preview

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

const (
	small      = "  profile: {size: Small}\n"
	twoRegions = small + "  edge: {regions: [{name: us-east}, {name: eu-west}]}\n"
	roomy      = small + "  database: {managed: {resources: {cpu: 1, memory: 2Gi}}}\n"
	oneRegion  = small + "  edge: {regions: [{name: us-east}]}\n"
)

func groups(d Difference) []string {
	var names []string
	for _, group := range d.Pods {
		names = append(names, group.Name)
	}
	return names
}

func object(t *testing.T, d Difference, kind, name string) ObjectChange {
	t.Helper()
	for _, change := range d.Objects {
		if change.Kind == kind && change.Name == name {
			return change
		}
	}
	t.Fatalf("%s %s is not among %v", kind, name, d.Objects)
	return ObjectChange{}
}

func setting(d Difference, part, name string) SettingChange {
	for _, change := range d.Settings {
		if change.Component == part && change.Name == name {
			return change
		}
	}
	return SettingChange{}
}

func same(t *testing.T, have, want any, options ...cmp.Option) {
	t.Helper()
	if difference := cmp.Diff(want, have, options...); difference != "" {
		t.Errorf("(-want +have)\n%s", difference)
	}
}

func TestTheSameManifestChangesNothing(t *testing.T) {
	for _, spec := range []string{small, twoRegions, "  profile: {size: Development}\n", "  profile: {size: XLarge}\n"} {
		d := changed(t, spec, spec)
		if !d.Empty() || len(d.Volumes) > 0 || d.Minimum.Difference.Pods != 0 || d.Minimum.Difference.CPU != "0" {
			t.Errorf("%s: %+v", spec, d)
		}
		var out bytes.Buffer
		if err := PrintDifference(&out, d); err != nil || !strings.Contains(out.String(), "social/social: nothing would change") {
			t.Errorf("%v %s", err, out.String())
		}
	}
}

func TestANewClusterIsCreatedAltogether(t *testing.T) {
	c := Change{Owner: runningOwner()}
	c.Owner.UID = ""
	c.After = planned(t, small, c.World)
	d, err := Diff(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range d.Objects {
		if change.Action != "Create" {
			t.Errorf("%v", change)
		}
	}
	same(t, steps(d, "postgres"), []string{"Create social-postgres-0", "Create social-postgres-1", "Create social-postgres-2"})
	same(t, steps(d, "api"), []string{"Create "})
	if len(groups(d)) != len(c.After.Rows()) || d.Minimum.Difference != d.Minimum.After || d.Minimum.Before.Pods != 0 || len(d.Settings) > 0 {
		t.Errorf("%+v", d)
	}
	if !slices.Contains(d.Notes, "api stays as it is at first: waiting for the migration") {
		t.Error(d.Notes)
	}
}

func TestMoreMemoryForAStoreResizesItsPodsAndTellsThemWithoutARestart(t *testing.T) {
	d := changed(t, small, small+"  redis: {managed: {cache: {resources: {memory: 256Mi}}}}\n")
	same(t, d.Pods, []PodGroup{{Name: "redis-cache", Steps: []PodStep{
		{PodResize, "social-redis-cache-0", "cpu 50m, memory 128Mi → cpu 50m, memory 256Mi"}}}})
	same(t, d.Settings, []SettingChange{{"redis-cache", "maxmemory", "100663296", "201326592", "Reload"}})
	same(t, d.Minimum.Difference, Totals{Pods: 0, CPU: "0", Memory: "128Mi", Storage: "0"})
	fields := object(t, d, "StatefulSet", "social-redis-cache").Fields
	if !slices.Contains(fields, FieldChange{"spec.template.spec.containers[valkey].resources.limits.memory", "128Mi", "256Mi"}) {
		t.Error(fields)
	}
	same(t, object(t, d, "ConfigMap", "social-redis-cache").Fields,
		[]FieldChange{{"data[valkey.conf]", "maxmemory 100663296", "maxmemory 201326592"}})
}

// Kubernetes before 1.35 cannot resize pods.
func TestWherePodsCannotBeResizedTheyRestart(t *testing.T) {
	d := changed(t, small, small+"  redis: {managed: {cache: {resources: {memory: 256Mi}}}}\n", func(c *Change) { c.After.Resize = plan.ResizeByReplacement })
	same(t, steps(d, "redis-cache"), []string{"Restart social-redis-cache-0"})
}

func TestMoreConnectionsRestartTheMembersAndThePrimaryLast(t *testing.T) {
	d := changed(t, roomy, roomy+"  pooler: {replicas: 3}\n")
	same(t, steps(d, "postgres"), []string{
		"Restart social-postgres-2", "Restart social-postgres-0", "HandOver social-postgres-1", "Restart social-postgres-1"})
	same(t, steps(d, "pooler-rw"), []string{"Create "})
	if s := setting(d, "postgres", "max_connections"); s.Takes != "Restart" || s.Old != "180" {
		t.Errorf("%+v", s)
	}
	if s := setting(d, "postgres", "work_mem"); s.Takes == "Restart" {
		t.Errorf("%+v", s)
	}
}

func TestAStoresMasterRestartsLastAndAnUnknownOneHoldsItBack(t *testing.T) {
	const image = small + "  redis: {managed: {queue: {replicas: 5}}}\n"
	d := changed(t, small, image)
	same(t, steps(d, "redis-queue"), []string{
		"Create social-redis-queue-3", "Create social-redis-queue-4",
		"Restart social-redis-queue-2", "Restart social-redis-queue-0",
		"HandOver social-redis-queue-1", "Restart social-redis-queue-1"})
	d = changed(t, small, image, func(c *Change) { delete(c.World.Masters, plan.Queue) })
	if got := steps(d, "redis-queue"); !slices.Contains(got, "Wait social-redis-queue-0") || slices.Contains(got, "Restart social-redis-queue-0") {
		t.Error(got)
	}
}

func TestAParameterThatIsReloadedRestartsNothing(t *testing.T) {
	// A larger volume gives larger WAL limits, which every member takes up while it runs.
	d := changed(t, small, small+"  database: {managed: {storage: {size: 20Gi}}}\n")
	same(t, groups(d), []string(nil))
	same(t, setting(d, "postgres", "max_wal_size"), SettingChange{"postgres", "max_wal_size", "1024MB", "2048MB", "Reload"})
	for _, s := range d.Settings {
		if s.Takes != "Reload" {
			t.Errorf("%+v", s)
		}
	}
	if change := object(t, d, "StatefulSet", "social-postgres"); change.Action != "Recreate" {
		t.Errorf("%+v", change)
	}
	if len(d.Notes) != 1 || !strings.Contains(d.Notes[0], "a volume that exists keeps its class and never shrinks") {
		t.Error(d.Notes)
	}
}

func TestARemovedRegionGoesWithItsCaches(t *testing.T) {
	d := changed(t, twoRegions, oneRegion)
	for kind, name := range map[string]string{
		"StatefulSet": "social-edge-eu-west", "ConfigMap": "social-edge-eu-west", "PodDisruptionBudget": "social-edge-eu-west",
		"Service": "social-edges-eu-west",
	} {
		if change := object(t, d, kind, name); change.Action != "Remove" {
			t.Errorf("%+v", change)
		}
	}
	same(t, d.Pods, []PodGroup{{Name: "edge-eu-west", Steps: []PodStep{{Action: PodRemove, Pod: "social-edge-eu-west-0"}}}})
	same(t, d.Volumes, []VolumeChange{{"cache-social-edge-eu-west-0", "Delete"}})
	same(t, d.Minimum.Difference, Totals{Pods: -1, CPU: "-50m", Memory: "-128Mi", Storage: "-5Gi"})
}

func TestSafetyTheVolumesOfARemovedDatabaseAreSaidToBeKept(t *testing.T) {
	d := changed(t, small, small+"  database: {external: {host: db.example.edu, credentialsSecret: {name: db}}}\n")
	same(t, steps(d, "postgres"), []string{"Remove social-postgres-0", "Remove social-postgres-1", "Remove social-postgres-2"})
	same(t, d.Volumes, []VolumeChange{
		{"data-social-postgres-0", "Keep"}, {"data-social-postgres-1", "Keep"}, {"data-social-postgres-2", "Keep"}})
	for _, change := range d.Objects {
		if change.Kind == "PersistentVolumeClaim" || change.Kind == "Secret" || change.Name == "social-postgres-sync" {
			t.Errorf("%+v", change)
		}
	}
}

func TestMembersThatAreKeptAreNotRemovedButSaid(t *testing.T) {
	for text, note := range map[string]string{
		"  profile: {size: Development}\n":                                  "postgres keeps 3 members although 1",
		"  profile: {size: Small}\n  database: {managed: {instances: 2}}\n": "postgres goes from 3 to 2 members, one by one",
	} {
		d := changed(t, small, text)
		if slices.Contains(steps(d, "postgres"), "Remove social-postgres-2") || len(d.Volumes) > 0 {
			t.Errorf("%+v", d)
		}
		if !slices.ContainsFunc(d.Notes, func(n string) bool { return strings.HasPrefix(n, note) }) {
			t.Error(d.Notes)
		}
	}
}

func TestAPoolerWithOtherSettingsRolls(t *testing.T) {
	same(t, steps(changed(t, small, "  profile: {size: Medium}\n"), "pooler-rw"), []string{"Roll "})
}

func TestANewImageRollsTheApplicationAfterItsMigration(t *testing.T) {
	d := changed(t, small, small, func(c *Change) { c.After.Image = "fediflow/fediflow:0.2.0" })
	same(t, steps(d, "api"), []string{"Roll "})
	if !slices.ContainsFunc(d.Objects, func(o ObjectChange) bool { return o.Kind == "Job" && o.Action == "Create" }) {
		t.Errorf("no migration in %v", d.Objects)
	}
	same(t, object(t, d, "Deployment", "social-api").Fields, []FieldChange{
		{"spec.template.spec.containers[api].image", "fediflow/fediflow:0.1.0", "fediflow/fediflow:0.2.0"}})
}

func TestAFieldThatIsNoLongerRenderedIsShown(t *testing.T) {
	d := changed(t, small+"  imagePullSecrets: [{name: registry}]\n", small)
	fields := object(t, d, "StatefulSet", "social-postgres").Fields
	if !slices.ContainsFunc(fields, func(f FieldChange) bool {
		return strings.HasPrefix(f.Path, "spec.template.spec.imagePullSecrets") && f.Old != "" && f.New == ""
	}) {
		t.Error(fields)
	}
}

func TestWhatIsNotAsThePresentManifestSaysIsTold(t *testing.T) {
	d := changed(t, small, small, func(c *Change) {
		delete(c.World.Objects, component.Key{Kind: "Service", Name: "social-api"})
	})
	same(t, d.Objects, []ObjectChange{{Action: "Create", Kind: "Service", Name: "social-api"}}, cmpopts.IgnoreUnexported(ObjectChange{}))
	if len(d.Notes) != 1 || !strings.HasPrefix(d.Notes[0], "1 objects are not what the manifest that exists gives here") {
		t.Error(d.Notes)
	}
}

func TestAForeignObjectIsNotRemoved(t *testing.T) {
	key := component.Key{Kind: "ConfigMap", Name: "theirs"}
	d := changed(t, small, small, func(c *Change) { c.World.Objects[key] = &corev1.ConfigMap{} })
	if !d.Empty() {
		t.Errorf("%+v", d)
	}
}

func TestARollingChangeWaitsForAPodThatIsBroken(t *testing.T) {
	d := changed(t, roomy, roomy+"  pooler: {replicas: 3}\n", func(c *Change) {
		for _, pod := range c.World.Pods {
			if pod.Name == "social-postgres-0" {
				pod.Status.Conditions[0].Status = corev1.ConditionFalse
			}
		}
	})
	// A broken stale pod is replaced first: that may heal it.
	if got := steps(d, "postgres"); len(got) == 0 || got[0] != "Restart social-postgres-0" {
		t.Error(got)
	}
}

func TestATableSaysWhatHappensAndShortensWhatIsLong(t *testing.T) {
	var out bytes.Buffer
	d := changed(t, small, "  profile: {size: Medium}\n", func(c *Change) { c.Shortfalls = []string{"ResourceQuota q allows pods 3"} })
	if err := PrintDifference(&out, d); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"social/social would change.", "± StatefulSet social-postgres", "max_connections: \"180\"", "more fields: -o yaml shows all", "hand over",
		"PODS, those of a group in this order", "resize in place", "a restart", "effect while it runs", "scaled down", "→ ", "(+", "ResourceQuota q allows pods 3",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	for _, format := range []string{"yaml", "json"} {
		out.Reset()
		if err := Print(&out, format, d); err != nil || !strings.Contains(out.String(), "max_connections") {
			t.Errorf("%s: %v %s", format, err, out.String())
		}
	}
	for line := range strings.Lines(out.String()) {
		if strings.Contains(line, plan.AnnotationApplied) {
			t.Error("a digest is shown: " + line)
		}
	}
}

func TestImagesAreThoseThatRunElseTheOperatorsElseUnknown(t *testing.T) {
	c := settled(t, small)
	same(t, Images("social", c.World, plan.Images{Postgres: "postgres:2"}), testFacts.Images)
	same(t, Images("other", c.World, plan.Images{Postgres: "postgres:2"}),
		plan.Images{Postgres: "postgres:2", PgBouncer: unknownImage, Valkey: unknownImage, Edge: unknownImage})
	operator := &appsv1.Deployment{}
	operator.Spec.Template.Spec.Containers = []corev1.Container{{Env: []corev1.EnvVar{{Name: "RELATED_IMAGE_EDGE", Value: "edge:2"}}}}
	same(t, OperatorImages(operator), plan.Images{Edge: "edge:2"})
}
