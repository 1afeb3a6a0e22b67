package component

import (
	"fmt"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

func TestTheNextStepOfARollingChange(t *testing.T) {
	type situation struct {
		set       *appsv1.StatefulSet
		pods      []*corev1.Pod
		leader    string
		followers []string
	}
	three := statefulSet(3)
	behind := statefulSet(3)
	behind.Generation = 3
	unknown := statefulSet(3)
	unknown.Spec.Template.Annotations = nil
	tests := map[string]struct {
		situation

		want string
	}{
		"nothing is stale: nothing to do": {
			situation{three, []*corev1.Pod{member(0), member(1), member(2)}, "db-0", []string{"db-1"}}, "nothing",
		},
		"no StatefulSet: nothing to do": {
			situation{nil, []*corev1.Pod{member(0, stale)}, "", nil}, "nothing",
		},
		"the controller has not seen the template: wait": {
			situation{behind, []*corev1.Pod{member(0, stale), member(1, stale), member(2, stale)}, "db-0", nil}, "nothing",
		},
		"the template has no digest: wait": {
			situation{unknown, []*corev1.Pod{member(0, stale), member(1, stale), member(2, stale)}, "db-0", nil}, "nothing",
		},
		"replicas go before the leader, the highest first": {
			situation{three, []*corev1.Pod{member(0, stale), member(1, stale), member(2, stale)}, "db-1", []string{"db-0"}}, "delete db-2",
		},
		"the leader is passed over even if it is the highest": {
			situation{three, []*corev1.Pod{member(0, stale), member(1, stale), member(2, stale)}, "db-2", []string{"db-0"}}, "delete db-1",
		},
		"ten comes after nine, not after one": {
			situation{statefulSet(3), []*corev1.Pod{member(0, stale), member(10, stale), member(9, stale)}, "db-0", nil}, "delete db-10",
		},
		"the leader goes last, by handing over": {
			situation{three, []*corev1.Pod{member(0), member(1, stale), member(2)}, "db-1", []string{"db-2", "db-0"}}, "hand over db-1 to [db-2 db-0]",
		},
		"nobody can take over: wait": {
			situation{three, []*corev1.Pod{member(0), member(1, stale), member(2)}, "db-1", nil}, "nothing",
		},
		"a single pod has nobody to hand over to": {
			situation{statefulSet(1), []*corev1.Pod{member(0, stale)}, "db-0", nil}, "delete db-0",
		},
		"without a leader every pod is a replica": {
			situation{three, []*corev1.Pod{member(0, stale), member(1), member(2)}, "", nil}, "delete db-0",
		},
		"a broken pod of the new template: stop": {
			situation{three, []*corev1.Pod{member(0, stale), member(1, stale), member(2, broken)}, "db-0", []string{"db-1"}}, "nothing",
		},
		"a broken pod of the old template is replaced first": {
			situation{three, []*corev1.Pod{member(0), member(1, stale, broken), member(2, stale)}, "db-0", []string{"db-2"}}, "delete db-1",
		},
		"one broken pod of each template: stop": {
			situation{three, []*corev1.Pod{member(0, stale, broken), member(1, broken), member(2, stale)}, "", nil}, "nothing",
		},
		"a pod is on its way out: wait": {
			situation{three, []*corev1.Pod{member(0, stale), member(1, stale), member(2, stale, terminating)}, "db-0", []string{"db-1"}}, "nothing",
		},
		"a broken pod while another is on its way out: wait": {
			situation{three, []*corev1.Pod{member(0), member(1, stale, broken), member(2, stale, terminating)}, "db-0", nil}, "nothing",
		},
		"a pod is missing: wait": {
			situation{three, []*corev1.Pod{member(0, stale), member(1)}, "db-1", []string{"db-0"}}, "nothing",
		},
		"the leader is not handed over while a pod is missing": {
			situation{three, []*corev1.Pod{member(0, stale), member(1)}, "db-0", []string{"db-1"}}, "nothing",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			before := slices.Clone(test.pods)
			if got := describe(NextStep(test.set, test.pods, test.leader, test.followers)); got != test.want {
				t.Errorf("%s, not %s", got, test.want)
			}
			if !slices.Equal(before, test.pods) {
				t.Error("the pods that were observed were put into another order")
			}
		})
	}
}

func describe(step Step) string {
	switch step.Action {
	case ActionDelete:
		return "delete " + step.Pod.Name
	case ActionHandOver:
		return fmt.Sprintf("hand over %s to %v", step.Pod.Name, step.Candidates)
	case ActionNone:
	}
	return "nothing"
}

func TestStalePodsAreThoseOfAnotherTemplate(t *testing.T) {
	pods := []*corev1.Pod{member(0), member(1, stale), member(2, stale, broken)}
	var names []string
	for _, pod := range Stale(statefulSet(3), pods) {
		names = append(names, pod.Name)
	}
	if fmt.Sprint(names) != "[db-1 db-2]" {
		t.Errorf("stale: %v", names)
	}
}
