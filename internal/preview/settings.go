package preview

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/component/postgres"
	"github.com/fediflow/fediflow-operator/internal/component/redis"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// SettingChange is a setting of a running program.
type SettingChange struct {
	// Component as in status, for example postgres or redis-queue.
	Component string `json:"component"`
	Name      string `json:"name"`
	Old       string `json:"old,omitempty"`
	New       string `json:"new,omitempty"`
	// Takes is Reload where the program takes the setting up while it runs, else Restart.
	Takes string `json:"takes"`
}

// What a changed setting takes.
const (
	takesReload  = "Reload"
	takesRestart = "Restart"
)

// databaseSettings compare what Patroni's members share with what they are to share.
func databaseSettings(c Change) []SettingChange {
	if c.After.Database.Managed == nil || c.World.StatefulSet(c.After.Name.Component(plan.Postgres)) == nil {
		return nil
	}
	current := []byte(postgres.CurrentConfiguration(c.After, c.World))
	if len(current) == 0 && c.Before != nil && c.Before.Database.Managed != nil {
		current = postgres.DynamicConfiguration(*c.Before)
	}
	changes := settingChanges(string(plan.Postgres), databaseValues(current), databaseValues(postgres.DynamicConfiguration(c.After)))
	for i := range changes {
		if postgres.NeedsRestart(changes[i].Name) {
			changes[i].Takes = takesRestart
		}
	}
	return changes
}

// databaseValues are PostgreSQL's parameters by name, and Patroni's own settings.
func databaseValues(configuration []byte) map[string]string {
	var top map[string]any
	values := map[string]string{}
	if json.Unmarshal(configuration, &top) != nil {
		return values
	}
	server, _ := top["postgresql"].(map[string]any)
	parameters, _ := server["parameters"].(map[string]any)
	delete(top, "postgresql")
	delete(server, "parameters")
	for _, settings := range []map[string]any{top, server, parameters} {
		for name, value := range settings {
			values[name] = text(value)
		}
	}
	return values
}

// storeSettings are what running Redis stores are told.
func storeSettings(c Change) []SettingChange {
	var changes []SettingChange
	for _, store := range c.After.Redis.Stores {
		pods := redis.Pods(c.After, c.World, store.Name)
		if len(pods) == 0 {
			continue
		}
		told, want := tuning(pods[0].Annotations[plan.AnnotationTuning]), tuning(redis.Tuning(store).String())
		changes = append(changes, settingChanges(c.After.Short(c.After.Name.RedisStore(store.Name)), told, want)...)
	}
	return changes
}

func tuning(annotation string) map[string]string {
	values := map[string]string{}
	for word := range strings.FieldsSeq(annotation) {
		name, value, _ := strings.Cut(word, "=")
		values[name] = value
	}
	return values
}

// settingChanges compares values by name.
func settingChanges(part string, before, after map[string]string) []SettingChange {
	every := maps.Clone(before)
	maps.Copy(every, after)
	var changes []SettingChange
	for _, name := range slices.Sorted(maps.Keys(every)) {
		if before[name] != after[name] {
			changes = append(changes, SettingChange{part, name, before[name], after[name], takesReload})
		}
	}
	return changes
}

// What becomes of a volume.
const (
	volumeKeep   = "Keep"
	volumeDelete = "Delete"
)

// VolumeChange is what becomes of the volume of a pod that goes for good.
type VolumeChange struct {
	// Name of the PersistentVolumeClaim.
	Name string `json:"name"`
	// Action is Keep or Delete.
	Action string `json:"action"`
}

// volumeChanges are about the volumes of pods that are removed: data is kept, caches go.
func volumeChanges(c Change, groups []PodGroup, objects []ObjectChange) []VolumeChange {
	var changes []VolumeChange
	for _, group := range groups {
		name := string(c.After.Name) + "-" + group.Name
		set := c.World.StatefulSet(name)
		if set == nil {
			continue
		}
		action := volumeKeep
		removed := slices.ContainsFunc(objects, func(o ObjectChange) bool {
			return o.Action == actionRemove && o.Kind == "StatefulSet" && o.Name == name
		})
		if policy := set.Spec.PersistentVolumeClaimRetentionPolicy; policy != nil &&
			(removed && policy.WhenDeleted == appsv1.DeletePersistentVolumeClaimRetentionPolicyType ||
				!removed && policy.WhenScaled == appsv1.DeletePersistentVolumeClaimRetentionPolicyType) {
			action = volumeDelete
		}
		for _, step := range group.Steps {
			for _, template := range set.Spec.VolumeClaimTemplates {
				claim := component.Key{Kind: "PersistentVolumeClaim", Name: template.Name + "-" + step.Pod}
				if step.Action == PodRemove && c.World.Objects[claim] != nil {
					changes = append(changes, VolumeChange{claim.Name, action})
				}
			}
		}
	}
	return changes
}
