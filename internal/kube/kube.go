// Package kube is the vocabulary all components build their objects with: metadata, pod security,
// resources, environment, probes and volumes. It is pure.
package kube

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/resource"
	acmeta "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/fediflow/fediflow-operator/internal/plan"
)

// Selector selects the pods of a component; extra labels narrow it.
func Selector(p plan.Plan, component plan.ComponentName, extra map[string]string) *acmeta.LabelSelectorApplyConfiguration {
	return acmeta.LabelSelector().WithMatchLabels(SelectorLabels(p, component, extra))
}

// SelectorLabels are the labels of Selector as a map.
func SelectorLabels(p plan.Plan, component plan.ComponentName, extra map[string]string) map[string]string {
	labels := p.Name.Selector(component)
	maps.Copy(labels, extra)
	return labels
}

// Labels are the labels of every object of a component, with extra ones.
func Labels(p plan.Plan, component plan.ComponentName, extra map[string]string) map[string]string {
	labels := p.Name.Labels(component)
	maps.Copy(labels, extra)
	return labels
}

// Hash is a short digest of texts, for names and annotations.
func Hash(texts ...string) string {
	digest := sha256.New()
	for _, text := range texts {
		digest.Write([]byte(text))
		digest.Write([]byte{0})
	}
	return hex.EncodeToString(digest.Sum(nil))[:10]
}

// HashMap is a short digest of a map, independent of its order.
func HashMap(values map[string]string) string {
	texts := make([]string, 0, 2*len(values))
	for _, key := range slices.Sorted(maps.Keys(values)) {
		texts = append(texts, key, values[key])
	}
	return Hash(texts...)
}

// Bytes is a quantity in bytes.
func Bytes(value int64) resource.Quantity { return *resource.NewQuantity(value, resource.BinarySI) }
