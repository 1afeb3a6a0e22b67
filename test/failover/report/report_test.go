package report

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/fediflow/fediflow-operator/test/failover/history"
)

func round(fault, system string, path history.Path, number int, gap time.Duration) Round {
	return Round{
		Fault: fault, System: system, Path: path, Round: number, Clients: 1, Redundant: 2 * gap,
		Interruption: history.Interruption{Gap: gap, Recovered: true, Waits: []time.Duration{gap}, Failed: 1},
		Loss:         history.Loss{Acknowledged: 100},
		Overlap:      history.Overlap{Commits: 3, For: time.Second, After: gap},
	}
}

func measured() Results {
	results := Results{
		Started:  time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC),
		Requests: []Requests{{Account: "operator", PerMinute: 30.4, Leases: 30}}, Notes: []string{"two cores & one disk"},
	}
	for number := 1; number <= 3; number++ {
		gap := time.Duration(number) * time.Second
		results.Rounds = append(results.Rounds,
			round("partition <60 s>", "FediFlow", history.Pooled, number, gap),
			round("partition <60 s>", "FediFlow", history.Direct, number, 2*gap),
			round("SIGKILL", "FediFlow", history.Pooled, number, gap/10),
			round("partition <60 s>", "plain", history.Direct, number, 4*gap),
		)
	}
	return results
}

func TestTheTableSaysWhatWasMeasured(t *testing.T) {
	results := measured()
	results.Rounds[0].Loss.Lost = []history.Row{{Number: 7}}
	results.Rounds[2].Recovered = false
	text := Markdown(results)
	for _, line := range []string{
		"| partition <60 s> | FediFlow, pooled | 3 | 2.00 | 3.00 | 3.00 | 2.00 | 3.00 | 3.00 | 3 | 0 | 1 of 300 | 0 | 0 | 4.00 | 6.00 |",
		"| SIGKILL | FediFlow, pooled | 3 (1 not recovered) | 0.20 | 0.30 | 0.30 |",
		"| partition <60 s> | plain, direct | FediFlow, pooled | 4.00 |",
		"| partition <60 s> | FediFlow | 3.00 | 9 | 1.00 |", // the paths of a round share one old primary
		"| operator | 30.4 | 30.0 |",
		"- two cores & one disk",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("the report does not say %q:\n%s", line, text)
		}
	}
}

func TestThePlotHasOneDotARound(t *testing.T) {
	results := measured()
	results.Rounds[0].Gap = 0
	results.Rounds[1].Loss.Lost = []history.Row{{Number: 7}}
	plot := Plot(results)
	if dots := strings.Count(plot, "<circle"); dots != len(results.Rounds) {
		t.Errorf("%d dots for %d rounds", dots, len(results.Rounds))
	}
	if lost := strings.Count(plot, `stroke="red"`); lost != 1 {
		t.Errorf("%d dots are marked as losses, want 1", lost)
	}
	decoder := xml.NewDecoder(strings.NewReader(plot))
	for {
		_, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the plot is no XML: %v\n%s", err, plot)
		}
	}
	scale := newScale(results.Rounds)
	if short, long := scale.x(time.Second), scale.x(2*time.Second); short >= long {
		t.Errorf("a longer gap is not further right: %f, %f", short, long)
	}
}
