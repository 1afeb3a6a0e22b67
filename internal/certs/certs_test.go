package certs

import (
	"bytes"
	"crypto/x509"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var (
	start = time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC)
	names = map[string][]string{
		"postgres": {"fediflow-postgres", "*.fediflow-postgres-members"},
		"pooler":   {"fediflow-pooler-rw"},
	}
	// quick has authorities that last for weeks.
	quick = Policy{
		Authority: 80 * day, RotateBefore: 60 * day, Leaf: 30 * day, RenewAfter: 10 * day, Settle: day,
	}
)

func next(t *testing.T, p Policy, now time.Time, state State) (State, time.Time) {
	t.Helper()
	following, when, err := p.Next(now, state, names)
	if err != nil {
		t.Fatal(err)
	}
	return following, when
}

func same(a, b State) bool {
	pairs := func(a, b Pair) bool {
		return bytes.Equal(a.Certificate, b.Certificate) && bytes.Equal(a.Key, b.Key)
	}
	return slices.EqualFunc(a.Authorities, b.Authorities, pairs) && maps.EqualFunc(a.Leaves, b.Leaves, func(a, b Leaf) bool {
		return pairs(a.Pair, b.Pair) && bytes.Equal(a.Trust, b.Trust)
	})
}

func TestAFirstCertificateIsForItsNamesAndNoOthers(t *testing.T) {
	state, _ := next(t, Default, start, State{})
	for name, leaf := range state.Leaves {
		expires, err := Check(start, leaf, names[name])
		if err != nil || !expires.Equal(start.Add(Default.Leaf)) {
			t.Errorf("%s expires at %s: %v", name, expires, err)
		}
	}
	for _, other := range []string{"fediflow-pooler-rw", "fediflow-postgres-members", "a.b.fediflow-postgres-members", "10.0.0.1"} {
		if _, err := Check(start, state.Leaves["postgres"], []string{other}); err == nil {
			t.Errorf("the certificate of postgres is for %s, too", other)
		}
	}
	if _, err := Check(start, state.Leaves["postgres"], []string{"fediflow-postgres-0.fediflow-postgres-members"}); err != nil {
		t.Error(err)
	}
}

func TestNothingChangesBeforeItIsDue(t *testing.T) {
	state, when := next(t, Default, start, State{})
	if !when.Equal(start.Add(Default.RenewAfter)) {
		t.Errorf("due at %s", when)
	}
	for _, age := range []time.Duration{0, time.Second, Default.Settle, Default.RenewAfter - time.Second} {
		again, still := next(t, Default, start.Add(age), state)
		if !same(again, state) || !still.Equal(when) {
			t.Errorf("at the age of %s something changes", age)
		}
	}
	renewed, _ := next(t, Default, when, state)
	for name := range names {
		if bytes.Equal(renewed.Leaves[name].Certificate, state.Leaves[name].Certificate) ||
			bytes.Equal(renewed.Leaves[name].Key, state.Leaves[name].Key) {
			t.Errorf("%s was not renewed", name)
		}
	}
	if !same(State{Authorities: renewed.Authorities}, State{Authorities: state.Authorities}) {
		t.Error("the authority was renewed, too")
	}
}

func TestOtherNamesMakeAnotherCertificate(t *testing.T) {
	state, _ := next(t, Default, start, State{})
	renamed := maps.Clone(names)
	renamed["pooler"] = []string{"fediflow-pooler-rw", "fediflow-pooler-ro"}
	after, _, err := Default.Next(start.Add(time.Hour), state, renamed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Check(start.Add(time.Hour), after.Leaves["pooler"], renamed["pooler"]); err != nil {
		t.Error(err)
	}
	if !bytes.Equal(after.Leaves["postgres"].Certificate, state.Leaves["postgres"].Certificate) {
		t.Error("the other certificate changed, too")
	}
}

// Safety rule 10: what cannot be read is not made anew.
func TestSafetyWhatCannotBeReadIsNotReplaced(t *testing.T) {
	good, _ := next(t, Default, start, State{})
	other, _ := next(t, Default, start, State{})
	for name, damage := range map[string]func(*State){
		"no authority in it":     func(s *State) { s.Authorities = []Pair{{[]byte("x"), []byte("y")}} },
		"an authority's key":     func(s *State) { s.Authorities = []Pair{{good.Authorities[0].Certificate, other.Authorities[0].Key}} },
		"a leaf as an authority": func(s *State) { s.Authorities = []Pair{good.Leaves["pooler"].Pair} },
		"a leaf's key":           func(s *State) { s.Leaves["pooler"] = Leaf{Pair: Pair{good.Leaves["pooler"].Certificate, nil}} },
	} {
		t.Run(name, func(t *testing.T) {
			damaged := State{slices.Clone(good.Authorities), maps.Clone(good.Leaves)}
			damage(&damaged)
			if _, _, err := Default.Next(start.Add(time.Hour), damaged, names); err == nil {
				t.Error("it was replaced")
			}
		})
	}
}

func TestADeadAuthorityIsFollowedAtOnce(t *testing.T) {
	state, _ := next(t, quick, start, State{})
	late := start.Add(quick.Authority + day)
	state, _ = next(t, quick, late, state)
	for name, leaf := range state.Leaves {
		if _, err := Check(late, leaf, names[name]); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheckNamesWhatIsWrong(t *testing.T) {
	state, _ := next(t, Default, start, State{})
	other, _ := next(t, Default, start, State{})
	leaf := state.Leaves["pooler"]
	for name, c := range map[string]struct {
		now   time.Time
		leaf  Leaf
		names []string
	}{
		"expired":           {start.Add(Default.Leaf + time.Second), leaf, names["pooler"]},
		"not yet valid":     {start.Add(-2 * backdate), leaf, names["pooler"]},
		"another authority": {start, Leaf{leaf.Pair, other.Leaves["pooler"].Trust}, names["pooler"]},
		"no authority":      {start, Leaf{leaf.Pair, nil}, names["pooler"]},
		"another name":      {start, leaf, names["postgres"]},
		"another key":       {start, Leaf{Pair{leaf.Certificate, other.Leaves["pooler"].Key}, leaf.Trust}, names["pooler"]},
	} {
		if _, err := Check(c.now, c.leaf, c.names); err == nil {
			t.Errorf("%s: nothing is wrong", name)
		}
	}
}

// version is what a Secret held from a time on.
type version struct {
	from time.Time
	leaf Leaf
}

// TestSafetyEveryPodTrustsEveryOther is the reason for the order of a rotation: whatever a pod may
// still show at any time, any pod must trust, be it behind as well. Passes come at any time or not
// for weeks, and end after any write.
func TestSafetyEveryPodTrustsEveryOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kept := State{Leaves: map[string]Leaf{}}
		history := map[string][]version{}
		rotations, crashes, authority := 0, 0, []byte(nil)
		// Within this, every pod has read what was written.
		lag := quick.Settle - time.Second
		now := start
		for now.Before(start.Add(100 * day)) {
			following, when, err := quick.Next(now, kept, names)
			if err != nil {
				t.Fatal(err)
			}
			complete := same(kept, following)
			writes := rapid.IntRange(0, 3).Draw(t, "writes before a crash")
			if crashes++; len(kept.Authorities) == 0 || crashes == 5 {
				writes = 3
			}
			if !same(State{Authorities: kept.Authorities}, State{Authorities: following.Authorities}) && writes > 0 {
				kept.Authorities, writes = following.Authorities, writes-1
			}
			for _, name := range []string{"postgres", "pooler"} {
				if bytes.Equal(kept.Leaves[name].Certificate, following.Leaves[name].Certificate) || writes == 0 {
					continue
				}
				kept.Leaves[name], writes = following.Leaves[name], writes-1
				history[name] = append(history[name], version{now, following.Leaves[name]})
			}
			if same(kept, following) {
				crashes = 0
			}
			if newest := kept.Authorities[len(kept.Authorities)-1].Certificate; !bytes.Equal(newest, authority) {
				rotations, authority = rotations+1, newest
			}
			checkTrust(t, now, lag, history)
			checkTrust(t, now.Add(lag), lag, history)
			if complete && !when.After(now) {
				t.Fatalf("at %s nothing is left to do, and the next is due at %s", now, when)
			}
			pauses := []time.Duration{time.Second, quick.Settle, 2 * quick.Settle}
			if crashes == 0 {
				pauses = append(pauses, 5*day, 7*day)
			}
			now = now.Add(rapid.SampledFrom(pauses).Draw(t, "pause"))
		}
		if rotations < 3 {
			t.Fatalf("there were %d authorities: nothing was rotated", rotations)
		}
	})
}

// checkTrust lets every pod connect to every other, each with all that it may have.
func checkTrust(t *rapid.T, now time.Time, lag time.Duration, history map[string][]version) {
	held := map[string][]Leaf{}
	for name, versions := range history {
		for i, v := range versions {
			if i+1 == len(versions) || versions[i+1].from.Add(lag).After(now) {
				held[name] = append(held[name], v.leaf)
			}
		}
	}
	for server, shown := range held {
		for _, leaf := range shown {
			for client, trusted := range held {
				for _, trust := range trusted {
					if err := verify(now, leaf, trust, names[server][0]); err != nil {
						t.Fatalf("at %s %s does not trust %s: %v", now, client, server, err)
					}
				}
			}
		}
	}
}

func verify(now time.Time, shown, trusting Leaf, name string) error {
	c, err := parse(shown.Pair)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(trusting.Trust)
	_, err = c.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: now})
	return err
}
