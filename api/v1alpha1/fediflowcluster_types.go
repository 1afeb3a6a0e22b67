package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// FediFlowCluster is one fediverse platform: application, database, poolers, Redis stores and edge
// caches, all derived from its domain, image and performance profile.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=ffc,categories=fediflow
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 26",message="metadata.name must have at most 26 characters: names of pods and Jobs are made from it"
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([a-z0-9-]*[a-z0-9])?$')",message="metadata.name must start with a letter and consist of lower-case letters, digits and hyphens: names of Services are made from it"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Profile",type=string,JSONPath=`.status.plan.profile`
// +kubebuilder:printcolumn:name="API",type=string,JSONPath=`.status.api`
// +kubebuilder:printcolumn:name="Primary",type=string,JSONPath=`.status.database.primary`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Edge",type=string,priority=1,JSONPath=`.status.edge`
// +kubebuilder:printcolumn:name="Image",type=string,priority=1,JSONPath=`.spec.image`
type FediFlowCluster struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata.
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired state.
	// +required
	Spec FediFlowClusterSpec `json:"spec"`
	// status is what the operator last saw. A cluster that no operator has looked at has
	// observedGeneration -1, so that no tool reads it as healthy.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status FediFlowClusterStatus `json:"status,omitempty"`
}

// FediFlowClusterList is a list of FediFlowClusters.
//
// +kubebuilder:object:root=true
type FediFlowClusterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	// items of the list.
	Items []FediFlowCluster `json:"items"`
}
