package component

import (
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// lives are what a pod can be; nil changes with present false is a pod that is missing.
var lives = []struct {
	name    string
	present bool
	changes []change
}{
	{"current", true, nil},
	{"current broken", true, []change{broken}},
	{"current leaving", true, []change{terminating}},
	{"stale", true, []change{stale}},
	{"stale broken", true, []change{stale, broken}},
	{"stale leaving", true, []change{stale, terminating}},
	{"missing", false, nil},
}

// state is one combination of pods, with a leader or without.
type state struct {
	replicas  int
	names     []string
	pods      []*corev1.Pod
	leader    string
	followers []string
}

func (s *state) String() string { return fmt.Sprintf("%v, leader %q", s.names, s.leader) }

// everyState makes all combinations of up to four pods, each with every leader and with none.
func everyState(visit func(state)) int {
	visited := 0
	for replicas, combinations := 1, len(lives); replicas <= 4; replicas, combinations = replicas+1, combinations*len(lives) {
		for combination := range combinations {
			for leader := -1; leader < replicas; leader++ {
				visit(makeState(replicas, combination, leader))
				visited++
			}
		}
	}
	return visited
}

func makeState(replicas, combination, leader int) state {
	s := state{replicas: replicas}
	if leader >= 0 {
		s.leader = fmt.Sprintf("db-%d", leader)
	}
	for i := range replicas {
		life := lives[combination%len(lives)]
		combination /= len(lives)
		s.names = append(s.names, life.name)
		if !life.present {
			continue
		}
		pod := member(i, life.changes...)
		s.pods = append(s.pods, pod)
		if i != leader && IsReady(pod) {
			s.followers = append(s.followers, pod.Name)
		}
	}
	return s
}

func (s *state) next() Step {
	return NextStep(statefulSet(int32(s.replicas)), s.pods, s.leader, s.followers) //nolint:gosec // at most four
}

// TestSafetyOneDisruptionAtATimeInEveryState: replicas first, the leader last by hand-over, nothing
// while a member is away.
func TestSafetyOneDisruptionAtATimeInEveryState(t *testing.T) {
	deleted, handedOver := 0, 0
	visited := everyState(func(s state) {
		step := s.next()
		rule := s.rules(t, step)
		serving := int(CountReady(s.pods)) == s.replicas
		switch step.Action {
		case ActionDelete:
			deleted++
			victim := step.Pod
			rule(slices.Contains(Stale(statefulSet(1), s.pods), victim), "the victim is stale")
			rule(victim.DeletionTimestamp == nil, "the victim is not on its way out")
			rule(!IsReady(victim) || serving, "a serving pod goes only while all others serve")
			rule(!IsReady(victim) || victim.Name != s.leader || s.replicas == 1, "a serving leader hands over first")
		case ActionHandOver:
			handedOver++
			rule(step.Pod.Name == s.leader, "only the leader hands over")
			rule(serving && len(Stale(statefulSet(1), s.pods)) == 1, "the leader is the last that is stale")
			rule(slices.Equal(step.Candidates, s.followers), "followers take over, in their order")
		case ActionNone:
		}
	})
	if visited < 10_000 || deleted == 0 || handedOver == 0 {
		t.Errorf("%d states, %d deletions, %d hand-overs", visited, deleted, handedOver)
	}
}

// TestSafetyAFailedMemberOfTheNewTemplateStopsTheChangeInEveryState: a bad change must not spread.
func TestSafetyAFailedMemberOfTheNewTemplateStopsTheChangeInEveryState(t *testing.T) {
	everyState(func(s state) {
		if slices.Contains(s.names, "current broken") {
			step := s.next()
			s.rules(t, step)(step.Action == ActionNone, "nothing happens")
		}
	})
}

func TestARevertReplacesBrokenPodsInEveryStateInWhichNoneIsLeaving(t *testing.T) {
	everyState(func(s state) {
		if !slices.Contains(s.names, "stale broken") || slices.ContainsFunc(s.names, func(name string) bool {
			return name == "current broken" || name == "current leaving" || name == "stale leaving"
		}) {
			return
		}
		step := s.next()
		s.rules(t, step)(step.Action == ActionDelete && !IsReady(step.Pod), "a broken pod is replaced")
	})
}

func TestAChangeGoesOnInEveryStateInWhichAllServe(t *testing.T) {
	everyState(func(s state) {
		if int(CountReady(s.pods)) != s.replicas {
			return
		}
		step := s.next()
		wanted := slices.Contains(s.names, "stale")
		s.rules(t, step)((step.Action != ActionNone) == wanted, "there is a step exactly while a pod is stale")
	})
}

// rules reports each rule that a step breaks.
func (s *state) rules(t *testing.T, step Step) func(holds bool, rule string) {
	t.Helper()
	return func(holds bool, rule string) {
		t.Helper()
		if !holds {
			t.Errorf("%s: %s: broken: %s", s, describe(step), rule)
		}
	}
}

func TestSafetyTheLeaderIsNotGivenToAMemberThatIsNotNamed(t *testing.T) {
	pods := []*corev1.Pod{member(0, stale), member(1), member(2)}
	if got := describe(NextStep(statefulSet(3), pods, "db-0", []string{"db-2"})); got != "hand over db-0 to [db-2]" {
		t.Errorf("db-1 is ready and not caught up: %s", got)
	}
}
