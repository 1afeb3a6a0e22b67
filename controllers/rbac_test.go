package controllers

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fediflow/fediflow-operator/internal/observe"
)

// clusterRole is what the operator may do everywhere.
func clusterRole(t *testing.T) rbacv1.ClusterRole {
	t.Helper()
	objects, err := readManifests("config/rbac/role.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var role rbacv1.ClusterRole
	for _, object := range objects {
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
		if err == nil && object.GetObjectKind().GroupVersionKind().Kind == "ClusterRole" {
			err = runtime.DefaultUnstructuredConverter.FromUnstructured(content, &role)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(role.Rules) == 0 {
		t.Fatal("config/rbac/role.yaml has no ClusterRole with rules")
	}
	return role
}

func TestTheClusterRoleGivesNothingDangerous(t *testing.T) {
	for _, rule := range clusterRole(t).Rules {
		for _, resource := range rule.Resources {
			switch resource {
			case "secrets", "*", "clusterroles", "clusterrolebindings", "pods/exec", "serviceaccounts/token", "nodes/proxy":
				t.Errorf("%v on %s", rule.Verbs, resource)
			case "nodes", "storageclasses", "resourcequotas", "limitranges", "performanceprofiles":
				if slices.ContainsFunc(rule.Verbs, func(verb string) bool { return verb != "get" && verb != "list" && verb != "watch" }) {
					t.Errorf("%v on %s", rule.Verbs, resource)
				}
			case "persistentvolumeclaims":
				if !slices.Equal(rule.Verbs, []string{"get", "list", "patch", "watch"}) {
					t.Errorf("%v on %s", rule.Verbs, resource)
				}
			case "pods":
				if slices.Contains(rule.Verbs, "create") || slices.Contains(rule.Verbs, "update") {
					t.Errorf("%v on %s", rule.Verbs, resource)
				}
			case "pods/resize":
				if !slices.Equal(rule.Verbs, []string{"patch"}) {
					t.Errorf("%v on %s", rule.Verbs, resource)
				}
			case "fediflowclusters":
				if slices.Contains(rule.Verbs, "update") || slices.Contains(rule.Verbs, "patch") {
					t.Error("the operator may write the spec")
				}
			}
		}
		for _, verb := range rule.Verbs {
			switch verb {
			case "*", "escalate", "bind", "impersonate", "deletecollection":
				t.Errorf("%s on %v", verb, rule.Resources)
			}
		}
		if slices.Contains(rule.APIGroups, "*") {
			t.Errorf("%v of every group", rule.Resources)
		}
	}
}

func TestTheOperatorReachesOnlySecretsOfEnrolledNamespaces(t *testing.T) {
	config, err := operatorConfig()
	if err != nil {
		t.Fatal(err)
	}
	operator, err := client.New(config, client.Options{Scheme: observe.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	foreign, enrolled := newNamespace(t), newNamespace(t)
	enrolled.enrol(t)
	secret := func(p *platform, name string) *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: name}}
	}
	foreign.create(t, secret(foreign, "theirs"))
	enrolled.create(t, secret(enrolled, "theirs"))
	eventually(t, "enrolled", func() (bool, string) {
		err := operator.Get(t.Context(), enrolled.key("theirs"), &corev1.Secret{})
		return err == nil, "may not read"
	})
	if err := operator.Create(t.Context(), secret(enrolled, "ours")); err != nil {
		t.Errorf("create in an enrolled namespace: %v", err)
	}
	for name, try := range map[string]func() error{
		"get elsewhere":    func() error { return operator.Get(t.Context(), foreign.key("theirs"), &corev1.Secret{}) },
		"create elsewhere": func() error { return operator.Create(t.Context(), secret(foreign, "ours")) },
		"list elsewhere": func() error {
			return operator.List(t.Context(), &corev1.SecretList{}, client.InNamespace(foreign.namespace))
		},
		"list everywhere": func() error { return operator.List(t.Context(), &corev1.SecretList{}) },
		"list": func() error {
			return operator.List(t.Context(), &corev1.SecretList{}, client.InNamespace(enrolled.namespace))
		},
		"update elsewhere": func() error { return operator.Update(t.Context(), secret(foreign, "theirs")) },
		"delete":           func() error { return operator.Delete(t.Context(), secret(enrolled, "theirs")) },
		"patch": func() error {
			return operator.Patch(t.Context(), secret(enrolled, "theirs"), client.RawPatch("application/merge-patch+json", []byte(`{"data":{}}`)))
		},
		"delete all": func() error {
			return operator.DeleteAllOf(t.Context(), &corev1.Secret{}, client.InNamespace(enrolled.namespace))
		},
	} {
		if err := try(); !apierrors.IsForbidden(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The operator may give Patroni only what it has itself.
func TestTheOperatorCannotGrantMoreThanItHas(t *testing.T) {
	config, err := operatorConfig()
	if err != nil {
		t.Fatal(err)
	}
	operator, err := client.New(config, client.Options{Scheme: observe.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	p := newNamespace(t)
	p.enrol(t)
	for resource, verb := range map[string]string{"secrets": "list", "pods": "create"} {
		role := &rbacv1.Role{
			ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: "more"},
			Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{resource}, Verbs: []string{verb}}},
		}
		if err := operator.Create(t.Context(), role); !apierrors.IsForbidden(err) {
			t.Errorf("granting %s %s: %v", verb, resource, err)
		}
	}
}
