// Package report turns measured rounds into a table and a plot. It measures nothing itself.
package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fediflow/fediflow-operator/test/failover/history"
)

// Round is what one path to one system saw of one fault.
type Round struct {
	Fault   string       `json:"fault"`
	System  string       `json:"system"`
	Path    history.Path `json:"path"`
	Round   int          `json:"round"`
	Clients int          `json:"clients"`

	history.Interruption `json:"interruption"`

	Loss history.Loss `json:"loss"`
	// Overlap is that of the whole round, the same for each path.
	Overlap history.Overlap `json:"overlap"`
	// Redundant is the time from the fault, or from the end of one that has to be healed, until all
	// members are ready and stream, one of them synchronously.
	Redundant time.Duration `json:"redundant"`
}

// Case is a way to reach a system: what is compared.
func (r Round) Case() string { return r.System + ", " + string(r.Path) }

// Requests are those that one account made to the API server, by the minute, while nothing happened.
type Requests struct {
	Account   string  `json:"account"`
	PerMinute float64 `json:"perMinute"`
	// Leases of them keep the account elected among its own kind.
	Leases float64 `json:"leases"`
}

// Results are all that was measured.
type Results struct {
	Started  time.Time  `json:"started"`
	Rounds   []Round    `json:"rounds"`
	Requests []Requests `json:"requests"`
	// Notes say under which conditions.
	Notes []string `json:"notes"`
}

// group is the rounds of one fault and case.
type group struct {
	fault, name string
	rounds      []Round
}

// groups are in the order of their first round.
func groups(rounds []Round) []group {
	var all []group
	for _, round := range rounds {
		i := slices.IndexFunc(all, func(g group) bool { return g.fault == round.Fault && g.name == round.Case() })
		if i < 0 {
			i = len(all)
			all = append(all, group{fault: round.Fault, name: round.Case()})
		}
		all[i].rounds = append(all[i].rounds, round)
	}
	slices.SortStableFunc(all, func(a, b group) int {
		return firstOf(rounds, a.fault) - firstOf(rounds, b.fault)
	})
	return all
}

func firstOf(rounds []Round, fault string) int {
	return slices.IndexFunc(rounds, func(r Round) bool { return r.Fault == fault })
}

func (g group) times(of func(Round) time.Duration) []time.Duration {
	var times []time.Duration
	for _, round := range g.rounds {
		times = append(times, of(round))
	}
	slices.Sort(times)
	return times
}

func (g group) gaps() []time.Duration {
	return g.times(func(r Round) time.Duration { return r.Gap })
}

func (g group) sum(of func(Round) int) int {
	sum := 0
	for _, round := range g.rounds {
		sum += of(round)
	}
	return sum
}

// Markdown is the report.
func Markdown(results Results) string {
	var text strings.Builder
	fmt.Fprintf(&text, "# Failover: %d measurements\n\nStarted %s.\n\n", len(results.Rounds), results.Started.UTC().Format(time.RFC3339))
	text.WriteString(legend)
	all := groups(results.Rounds)
	text.WriteString("\n| fault | case | rounds | gap p50 | p99 | max | client's wait p50 | p99 | max | " +
		"failed statements | failed connects | lost | duplicate | ghost | fully redundant p50 | max |\n" +
		"| --- | --- " + strings.Repeat("| ---: ", 14) + "|\n")
	for _, g := range all {
		gaps, redundant := g.gaps(), g.times(func(r Round) time.Duration { return r.Redundant })
		var waits []time.Duration
		for _, round := range g.rounds {
			waits = append(waits, round.Waits...)
		}
		slices.Sort(waits)
		fmt.Fprintf(&text, "| %s | %s | %s | %s | %s | %d | %d | %d of %d | %d | %d | %s | %s |\n",
			g.fault, g.name, g.count(), quantiles(gaps), quantiles(waits),
			g.sum(func(r Round) int { return r.Failed }), g.sum(func(r Round) int { return r.FailedConnects }),
			g.sum(func(r Round) int { return len(r.Loss.Lost) }), g.sum(func(r Round) int { return r.Loss.Acknowledged }),
			g.sum(func(r Round) int { return len(r.Loss.Duplicates) }), g.sum(func(r Round) int { return len(r.Loss.Ghosts) }),
			seconds(history.Quantile(redundant, 50)), seconds(history.Quantile(redundant, 100)))
	}
	text.WriteString(ratios(all))
	text.WriteString(overlaps(results.Rounds))
	if len(results.Requests) > 0 {
		text.WriteString("\n## Requests to the API server at rest\n\n| account | a minute | of them for leases |\n| --- | ---: | ---: |\n")
		for _, requests := range results.Requests {
			fmt.Fprintf(&text, "| %s | %.1f | %.1f |\n", requests.Account, requests.PerMinute, requests.Leases)
		}
	}
	text.WriteString("\n## Conditions\n\n")
	for _, note := range results.Notes {
		fmt.Fprintf(&text, "- %s\n", note)
	}
	return text.String()
}

const legend = `*gap*: the longest time after the fault in which no client was acknowledged a write. *client's wait*: from a client's first attempt to write until the acknowledgement of that row or the next. *lost*: acknowledged and absent in the end; *duplicate*: there twice; *ghost*: refused and there all the same. *fully redundant*: from the fault, or from the end of a fault that has to be healed, until all members are ready and stream, one of them synchronously. Times are in seconds.

![The gap of every round](plot.svg)
`

// count says how many rounds there were, and in how many writes never came back.
func (g group) count() string {
	stuck := g.sum(func(r Round) int {
		if r.Recovered {
			return 0
		}
		return 1
	})
	if stuck == 0 {
		return fmt.Sprint(len(g.rounds))
	}
	return fmt.Sprintf("%d (%d not recovered)", len(g.rounds), stuck)
}

// ratios compares the median gap of each case with that of the fault's first case.
func ratios(all []group) string {
	var text strings.Builder
	text.WriteString("\n## Median gaps compared\n\n| fault | case | against | ratio |\n| --- | --- | --- | ---: |\n")
	first := map[string]group{}
	for _, g := range all {
		base, known := first[g.fault]
		if !known {
			first[g.fault] = g
			continue
		}
		ours, theirs := history.Quantile(base.gaps(), 50), history.Quantile(g.gaps(), 50)
		if ours > 0 {
			fmt.Fprintf(&text, "| %s | %s | %s | %.2f |\n", g.fault, g.name, base.name, float64(theirs)/float64(ours))
		}
	}
	return text.String()
}

// overlaps says what lost primaries still did, by fault and system.
func overlaps(rounds []Round) string {
	var text strings.Builder
	text.WriteString("\n## The old primary after the fault\n\n" +
		"A session stays open on the pod that was primary and commits without waiting for a standby. *commits*: how many it, or any other client, was acknowledged by the old primary after another one had acknowledged its first.\n\n" +
		"| fault | system | last commit after the fault, max | commits beside another primary | for at most |\n| --- | --- | ---: | ---: | ---: |\n")
	type key struct{ fault, system string }
	var keys []key
	sums := map[key]history.Overlap{}
	seen := map[string]bool{} // the paths of one round share what is counted here
	for _, round := range rounds {
		at := key{round.Fault, round.System}
		if !slices.Contains(keys, at) {
			keys = append(keys, at)
		}
		this := fmt.Sprint(at, round.Round)
		if seen[this] {
			continue
		}
		seen[this] = true
		sum := sums[at]
		sum.Commits += round.Overlap.Commits
		sum.For = max(sum.For, round.Overlap.For)
		sum.After = max(sum.After, round.Overlap.After)
		sums[at] = sum
	}
	for _, at := range keys {
		sum := sums[at]
		fmt.Fprintf(&text, "| %s | %s | %s | %d | %s |\n", at.fault, at.system, seconds(sum.After), sum.Commits, seconds(sum.For))
	}
	return text.String()
}

func quantiles(sorted []time.Duration) string {
	return seconds(history.Quantile(sorted, 50)) + " | " + seconds(history.Quantile(sorted, 99)) + " | " + seconds(history.Quantile(sorted, 100))
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()) }
