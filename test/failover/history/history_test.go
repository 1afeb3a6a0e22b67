package history

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var began = time.UnixMicro(1_000_000_000_000)

// statement ends so many milliseconds after the beginning and took one.
func statement(writer int, number int64, outcome Outcome, millisecond int64) Statement {
	end := began.Add(time.Duration(millisecond) * time.Millisecond)
	return Statement{
		Row:   Row{Path: Pooled, Writer: writer, Number: number},
		Start: microseconds(end.Add(-time.Millisecond)), End: microseconds(end), Outcome: outcome,
	}
}

func TestWhatIsReadIsWhatWasWritten(t *testing.T) {
	want := []Statement{statement(0, 1, Acknowledged, 1), statement(1, 1, Unknown, 2)}
	want[0].Server, want[1].Error = "10.0.0.1", "broken\n\"pipe\""
	var text bytes.Buffer
	for _, one := range want {
		if err := json.NewEncoder(&text).Encode(one); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Read(strings.NewReader(text.String() + `{"path":"pooled","cut o`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := Read(strings.NewReader("not a history\n")); err == nil {
		t.Error("nonsense was read as a history")
	}
}

// A table of everything acknowledged, some of the uncertain rows and other paths' rows is right; each
// row that is taken away, doubled or made up is found, and no other.
func TestEveryPlantedLossIsFoundAndNoOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		outcomes := rapid.SliceOfN(rapid.SampledFrom([]Outcome{Acknowledged, Acknowledged, Refused, Unknown, NotConnected}), 1, 60).Draw(t, "outcomes")
		writers := rapid.IntRange(1, 4).Draw(t, "writers")
		var statements []Statement
		var table []Row
		var want Loss
		for i, outcome := range outcomes {
			one := statement(i%writers, int64(i/writers+1), outcome, int64(i))
			statements = append(statements, one)
			there := false
			switch outcome {
			case Acknowledged:
				want.Acknowledged++
				if there = !rapid.Bool().Draw(t, "planted loss"); !there {
					want.Lost = append(want.Lost, one.Row)
				}
			case Unknown:
				want.Uncertain++
				there = rapid.Bool().Draw(t, "committed")
			case Refused, NotConnected:
				if there = rapid.Bool().Draw(t, "planted ghost"); there {
					want.Ghosts = append(want.Ghosts, one.Row)
				}
			}
			if !there {
				continue
			}
			table = append(table, one.Row)
			if rapid.Bool().Draw(t, "planted duplicate") {
				want.Duplicates = append(want.Duplicates, one.Row)
				table = append(table, one.Row)
			}
		}
		elsewhere := statement(0, 999, Acknowledged, 1)
		elsewhere.Path = Session
		statements, table = append(statements, elsewhere), append(table, Row{Path: Direct, Number: 7})
		table = rapid.Permutation(table).Draw(t, "table")
		got := Check(Pooled, statements, table)
		for _, rows := range [][]Row{want.Lost, want.Duplicates, want.Ghosts} {
			slices.SortFunc(rows, func(a, b Row) int { return (a.Writer-b.Writer)*1000 + int(a.Number-b.Number) })
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestInterruptionIsWhatClientsFelt(t *testing.T) {
	for name, test := range map[string]struct {
		statements []Statement
		want       Interruption
	}{
		"nothing happened": {
			[]Statement{statement(0, 1, Acknowledged, 90), statement(0, 2, Acknowledged, 110), statement(0, 3, Acknowledged, 120)},
			Interruption{Gap: 20 * time.Millisecond, Recovered: true, Waits: []time.Duration{time.Millisecond}},
		},
		"a gap before the fault is not the fault's": {
			[]Statement{statement(0, 1, Acknowledged, 1), statement(0, 2, Acknowledged, 95), statement(0, 3, Acknowledged, 105)},
			Interruption{Gap: 10 * time.Millisecond, Recovered: true, Waits: []time.Duration{time.Millisecond}},
		},
		"a second outage after the first one counts": {
			[]Statement{statement(0, 1, Acknowledged, 99), statement(0, 2, Acknowledged, 200), statement(0, 3, Acknowledged, 500)},
			Interruption{Gap: 300 * time.Millisecond, Recovered: true, Waits: []time.Duration{time.Millisecond}},
		},
		"one client's acknowledgement closes the gap of all, not the wait of the others": {
			[]Statement{
				statement(0, 1, Acknowledged, 99), statement(1, 1, Acknowledged, 99), statement(0, 2, Unknown, 101),
				statement(1, 2, Refused, 101), statement(1, 0, NotConnected, 150), statement(1, 3, Acknowledged, 199),
				statement(0, 3, Acknowledged, 349), statement(1, 4, Acknowledged, 399),
			},
			Interruption{
				Gap: 150 * time.Millisecond, Recovered: true, Failed: 2, FailedConnects: 1,
				Waits: []time.Duration{99 * time.Millisecond, 249 * time.Millisecond},
			},
		},
		"errors after the fault are counted by kind": {
			[]Statement{
				statement(0, 1, Refused, 50), statement(0, 2, Acknowledged, 99), statement(0, 3, Unknown, 101), statement(0, 0, NotConnected, 102),
				statement(0, 0, NotConnected, 103), statement(0, 4, Refused, 104), statement(0, 5, Acknowledged, 109),
			},
			Interruption{
				Gap: 10 * time.Millisecond, Recovered: true, Waits: []time.Duration{9 * time.Millisecond},
				Failed: 2, FailedConnects: 2,
			},
		},
		"an outage that nothing ended is an outage": {
			[]Statement{statement(0, 1, Acknowledged, 99), statement(0, 0, NotConnected, 101), statement(0, 0, NotConnected, 5099)},
			Interruption{Gap: 5 * time.Second, Waits: []time.Duration{4999 * time.Millisecond}, FailedConnects: 2},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := Interrupted(Pooled, test.statements, began.Add(100*time.Millisecond))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Whatever the order in which clients are acknowledged, a planted outage is found, and somebody waited for it.
func TestAPlantedOutageIsNeverMissed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		writers := rapid.IntRange(1, 5).Draw(t, "writers")
		fault := int64(1000)
		outage := rapid.Int64Range(1, 20_000).Draw(t, "outage")
		var statements []Statement
		for writer := range writers {
			number, at := int64(0), int64(0)
			for at < fault+outage+1000 {
				at += rapid.Int64Range(2, 200).Draw(t, "pause")
				number++
				if at <= fault || at > fault+outage {
					statements = append(statements, statement(writer, number, Acknowledged, at))
					continue
				}
				statements = append(statements, statement(writer, number, Unknown, at))
			}
		}
		got := Interrupted(Pooled, rapid.Permutation(statements).Draw(t, "order"), began.Add(time.Duration(fault)*time.Millisecond))
		if got.Gap < time.Duration(outage)*time.Millisecond || !got.Recovered {
			t.Fatalf("an outage of %d ms was measured as %s", outage, got.Gap)
		}
		if len(got.Waits) != writers || (got.Failed > 0 && got.Waits[writers-1] < time.Millisecond) {
			t.Fatalf("%d clients waited %s", writers, got.Waits)
		}
		for _, wait := range got.Waits {
			// A client tries again within 200 ms, so it waits for the outage less its rests.
			if least := time.Duration(outage-400) * time.Millisecond; wait < least {
				t.Fatalf("in an outage of %d ms a client waited for only %s", outage, wait)
			}
		}
	})
}

func TestCommitsOfALostPrimaryAreCounted(t *testing.T) {
	by := func(server string, path Path, start, end int64) Statement {
		one := statement(0, 1, Acknowledged, end)
		one.Path, one.Server = path, server
		one.Start = microseconds(began.Add(time.Duration(start) * time.Millisecond))
		return one
	}
	fault := began.Add(100 * time.Millisecond)
	statements := []Statement{
		by("old", Session, 90, 91), by("old", Direct, 95, 96),
		by("old", Session, 150, 151), by("old", Session, 199, 205),
		by("new", Pooled, 190, 200),
	}
	if diff := cmp.Diff(Overlap{After: 105 * time.Millisecond}, Overlapped(statements, "old", fault)); diff != "" {
		t.Errorf("nothing was sent to the old primary after the new one served: %s", diff)
	}
	statements = append(statements, by("old", Session, 201, 230), by("old", Session, 250, 251))
	want := Overlap{Commits: 2, For: 51 * time.Millisecond, After: 151 * time.Millisecond}
	if diff := cmp.Diff(want, Overlapped(statements, "old", fault)); diff != "" {
		t.Error(diff)
	}
}

func TestQuantile(t *testing.T) {
	values := []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	for percent, want := range map[int]int{0: 1, 50: 5, 51: 6, 99: 10, 100: 10} {
		if got := Quantile(values, percent); got != want {
			t.Errorf("p%d of one to ten is %d, want %d", percent, got, want)
		}
	}
	if got := Quantile([]int{3}, 50); got != 3 {
		t.Errorf("p50 of a three alone is %d", got)
	}
	if got := Quantile([]int(nil), 50); got != 0 {
		t.Errorf("p50 of nothing is %d", got)
	}
}
