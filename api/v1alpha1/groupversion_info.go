// Package v1alpha1 holds the FediFlow API types and their markers, nothing else.
//
// +kubebuilder:object:generate=true
// +kubebuilder:ac:generate=true
// +groupName=fediflow.io
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	// SchemeGroupVersion is the API group and version of every FediFlow kind.
	SchemeGroupVersion = schema.GroupVersion{Group: "fediflow.io", Version: "v1alpha1"}

	// SchemeBuilder registers the FediFlow kinds in a scheme.
	SchemeBuilder = runtime.NewSchemeBuilder(func(scheme *runtime.Scheme) error {
		scheme.AddKnownTypes(SchemeGroupVersion, &FediFlowCluster{}, &FediFlowClusterList{},
			&PerformanceProfile{}, &PerformanceProfileList{})
		metav1.AddToGroupVersion(scheme, SchemeGroupVersion)
		return nil
	})

	// AddToScheme adds the FediFlow kinds to a scheme.
	AddToScheme = SchemeBuilder.AddToScheme
)
