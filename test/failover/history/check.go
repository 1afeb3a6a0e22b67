package history

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Loss is how the table differs from what the clients were told.
type Loss struct {
	// Lost rows were acknowledged and are absent.
	Lost []Row `json:"lost"`
	// Duplicates are rows that are there more than once.
	Duplicates []Row `json:"duplicates"`
	// Ghosts were refused, or never sent, and are there.
	Ghosts []Row `json:"ghosts"`
	// Acknowledged is how many rows were; Uncertain ones may be there or not.
	Acknowledged int `json:"acknowledged"`
	Uncertain    int `json:"uncertain"`
}

// Check compares what clients saw with what the table holds of one path.
func Check(path Path, statements []Statement, table []Row) Loss {
	var loss Loss
	stored := map[Row]int{}
	for _, row := range table {
		stored[row]++
	}
	possible := map[Row]bool{}
	for _, statement := range onPath(path, statements) {
		switch statement.Outcome {
		case Acknowledged:
			loss.Acknowledged++
			possible[statement.Row] = true
			if stored[statement.Row] == 0 {
				loss.Lost = append(loss.Lost, statement.Row)
			}
		case Unknown:
			loss.Uncertain++
			possible[statement.Row] = true
		case Refused, NotConnected:
		}
	}
	for row, times := range stored {
		if row.Path != path {
			continue
		}
		if times > 1 {
			loss.Duplicates = append(loss.Duplicates, row)
		}
		if !possible[row] {
			loss.Ghosts = append(loss.Ghosts, row)
		}
	}
	for _, rows := range [][]Row{loss.Lost, loss.Duplicates, loss.Ghosts} {
		slices.SortFunc(rows, func(a, b Row) int {
			return cmp.Or(cmp.Compare(a.Writer, b.Writer), cmp.Compare(a.Number, b.Number))
		})
	}
	return loss
}

// Interruption is what the clients of a path felt of a fault.
type Interruption struct {
	// Gap is the longest time after the fault in which no client was acknowledged anything.
	Gap time.Duration `json:"gap"`
	// Recovered is false when nothing was acknowledged after the gap.
	Recovered bool `json:"recovered"`
	// Waits are for each client the longest that it tried to have one row acknowledged, or another
	// one in its place; sorted.
	Waits []time.Duration `json:"waits"`
	// Failed statements got an error or no answer; FailedConnects had no connection to be sent on.
	Failed         int `json:"failed"`
	FailedConnects int `json:"failedConnects"`
}

// Interrupted measures what a fault at a time did to the clients of a path.
func Interrupted(path Path, statements []Statement, fault time.Time) Interruption {
	since := microseconds(fault)
	end := int64(math.MinInt64)
	writers := map[int][]Statement{}
	var acknowledged []int64
	result := Interruption{}
	for _, statement := range onPath(path, statements) {
		end = max(end, statement.End)
		writers[statement.Writer] = append(writers[statement.Writer], statement)
		switch {
		case statement.Outcome == Acknowledged:
			acknowledged = append(acknowledged, statement.End)
		case statement.End <= since:
		case statement.Outcome == NotConnected:
			result.FailedConnects++
		default:
			result.Failed++
		}
	}
	result.Gap, result.Recovered = longestGap(acknowledged, since, end)
	for _, own := range writers {
		result.Waits = append(result.Waits, longestWait(own, since))
	}
	slices.Sort(result.Waits)
	return result
}

// longestWait is the longest time from a client's first attempt to the next acknowledgement, or to its
// last failure if there is none.
func longestWait(own []Statement, since int64) time.Duration {
	slices.SortFunc(own, func(a, b Statement) int { return cmp.Compare(a.Start, b.Start) })
	var longest time.Duration
	trying := int64(math.MaxInt64)
	for _, statement := range own {
		trying = min(trying, statement.Start)
		if statement.End > since {
			longest = max(longest, duration(statement.End-trying))
		}
		if statement.Outcome == Acknowledged {
			trying = math.MaxInt64
		}
	}
	return longest
}

// longestGap is the longest time without an acknowledgement that ends after since. The time from the
// last one to the end of the history counts, too: it is a gap that nothing has closed.
func longestGap(acknowledged []int64, since, end int64) (gap time.Duration, closed bool) {
	slices.Sort(acknowledged)
	last := since
	closed = true
	for _, at := range acknowledged {
		if at > since {
			gap = max(gap, duration(at-last))
		}
		last = at
	}
	if open := duration(end - last); end > last && open > gap {
		return open, false
	}
	return gap, closed
}

// Overlap is what a lost primary still did when another one was already serving.
type Overlap struct {
	// Commits is how many statements the old primary still committed that were sent after the new
	// one's first acknowledgement; For is until how long after it.
	Commits int           `json:"commits"`
	For     time.Duration `json:"for"`
	// After is how long after the fault the old primary's last commit was.
	After time.Duration `json:"after"`
}

// Overlapped compares the old primary's address with who acknowledged what after the fault, on all paths.
func Overlapped(statements []Statement, old string, fault time.Time) Overlap {
	since := microseconds(fault)
	first := int64(math.MaxInt64)
	for _, statement := range statements {
		if statement.Outcome == Acknowledged && statement.Server != old && statement.End > since {
			first = min(first, statement.End)
		}
	}
	var overlap Overlap
	for _, statement := range statements {
		if statement.Outcome != Acknowledged || statement.Server != old || statement.End <= since {
			continue
		}
		overlap.After = max(overlap.After, duration(statement.End-since))
		if statement.Start > first {
			overlap.Commits++
			overlap.For = max(overlap.For, duration(statement.End-first))
		}
	}
	return overlap
}

// Quantile is the smallest of the sorted values that at least this percentage does not exceed.
func Quantile[T any](sorted []T, percent int) T {
	var none T
	if len(sorted) == 0 {
		return none
	}
	return sorted[max(0, (len(sorted)*percent+99)/100-1)]
}

func onPath(path Path, statements []Statement) []Statement {
	var own []Statement
	for _, statement := range statements {
		if statement.Path == path {
			own = append(own, statement)
		}
	}
	return own
}
