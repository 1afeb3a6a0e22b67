package plan

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

// parameterKind is how the values of a PostgreSQL setting are written.
type parameterKind int

const (
	kindBool parameterKind = iota
	kindInteger
	kindReal
	kindEnum
)

// parameter is a PostgreSQL setting that a spec may set, as pg_settings describes it.
type parameter struct {
	kind parameterKind
	// unit of an integer without one: kB, ms, s, min or none.
	unit string
	// least and most are in that unit.
	least, most float64
	words       []string
	// restart is set where only a restart of PostgreSQL changes the setting.
	restart bool
	// shareOfMemory is the part of the members' memory that a size may have: 4 is a quarter. Zero is no bound.
	shareOfMemory int64
}

func switchable() parameter { return parameter{kind: kindBool} }

func number(least, most float64) parameter {
	return parameter{kind: kindInteger, least: least, most: most}
}

func fraction(least, most float64) parameter {
	return parameter{kind: kindReal, least: least, most: most}
}

func size(least, most float64, shareOfMemory int64) parameter {
	return parameter{kind: kindInteger, unit: "kB", least: least, most: most, shareOfMemory: shareOfMemory}
}

func duration(unit string, least, most float64) parameter {
	return parameter{kind: kindInteger, unit: unit, least: least, most: most}
}

func word(words ...string) parameter { return parameter{kind: kindEnum, words: words} }

func (p parameter) needsRestart() parameter {
	p.restart = true
	return p
}

// allowedParameters are the settings that a spec may set. What connects members, what the connection
// and disk budgets are made of, and what names files, programs or libraries is not among them.
var allowedParameters = map[string]parameter{
	"autovacuum_analyze_scale_factor":       fraction(0, 1),
	"autovacuum_analyze_threshold":          number(0, math.MaxInt32),
	"autovacuum_max_workers":                number(1, 16).needsRestart(),
	"autovacuum_naptime":                    duration("s", 1, 3600),
	"autovacuum_vacuum_cost_delay":          fraction(0, 100),
	"autovacuum_vacuum_cost_limit":          number(1, 10000),
	"autovacuum_vacuum_insert_scale_factor": fraction(0, 1),
	"autovacuum_vacuum_scale_factor":        fraction(0, 1),
	"autovacuum_vacuum_threshold":           number(0, math.MaxInt32),
	"checkpoint_timeout":                    duration("s", 30, 3600),
	"deadlock_timeout":                      duration("ms", 100, 60000),
	"default_statistics_target":             number(1, 10000),
	"effective_cache_size":                  size(1024, math.MaxInt32, 0),
	"effective_io_concurrency":              number(0, 1000),
	"gin_pending_list_limit":                size(64, 1<<20, 16),
	"idle_in_transaction_session_timeout":   duration("ms", 1000, 86_400_000),
	"jit":                                   switchable(),
	"log_autovacuum_min_duration":           duration("ms", -1, 86_400_000),
	"log_checkpoints":                       switchable(),
	"log_lock_waits":                        switchable(),
	"log_min_duration_statement":            duration("ms", -1, 86_400_000),
	"log_temp_files":                        {kind: kindInteger, unit: "kB", least: -1, most: math.MaxInt32},
	"maintenance_io_concurrency":            number(0, 1000),
	"maintenance_work_mem":                  size(1024, 2<<20, 4),
	"max_parallel_maintenance_workers":      number(0, 8),
	"max_parallel_workers":                  number(0, 8),
	"max_parallel_workers_per_gather":       number(0, 8),
	"pg_stat_statements.max":                number(100, 50_000).needsRestart(),
	"pg_stat_statements.track":              word("none", "top", "all"),
	"pg_stat_statements.track_planning":     switchable(),
	"plan_cache_mode":                       word("auto", "force_generic_plan", "force_custom_plan"),
	"random_page_cost":                      fraction(0.1, 100),
	"seq_page_cost":                         fraction(0.1, 100),
	"temp_file_limit":                       {kind: kindInteger, unit: "kB", least: 1 << 10, most: math.MaxInt32},
	"track_activity_query_size":             {kind: kindInteger, least: 100, most: 65536, restart: true},
	"track_functions":                       word("none", "pl", "all"),
	"track_io_timing":                       switchable(),
	"wal_compression":                       word("on", "off", "pglz", "lz4", "zstd"),
	"work_mem":                              size(64, 4<<20, 8),
}

// NeedsRestart says whether a setting of a spec changes only with a restart of PostgreSQL.
func NeedsRestart(name string) bool { return allowedParameters[name].restart }

// units by their spelling: how many of the smallest unit of their kind they are.
var (
	sizeUnits     = map[string]float64{"B": 1, "kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
	durationUnits = map[string]float64{"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
)

// check says what is wrong with a value, or nothing.
func (p parameter) check(value string, memoryMiB int64) string {
	switch p.kind {
	case kindBool:
		return oneOf(value, []string{"on", "off"})
	case kindEnum:
		return oneOf(value, p.words)
	case kindReal:
		figure, err := strconv.ParseFloat(value, 64)
		if err != nil || !decimal(value) || figure < p.least || figure > p.most {
			return fmt.Sprintf("use a number from %v to %v", p.least, p.most)
		}
		return ""
	case kindInteger:
	}
	figure, ok := p.parse(value)
	if !ok || figure < p.least || figure > p.most {
		return fmt.Sprintf("use a whole number from %.0f to %.0f%s", p.least, p.most, p.spelling())
	}
	if p.shareOfMemory > 0 && figure > float64(memoryMiB/p.shareOfMemory<<10) {
		return fmt.Sprintf("use at most %dMB, a part of %d of the memory of %d MiB: more would not fit beside the connections",
			memoryMiB/p.shareOfMemory, p.shareOfMemory, memoryMiB)
	}
	return ""
}

func oneOf(value string, words []string) string {
	if slices.Contains(words, value) {
		return ""
	}
	return "use one of " + strings.Join(words, ", ")
}

// decimal keeps out what a float can be in Go and not in PostgreSQL, such as hexadecimal and infinity.
func decimal(value string) bool { return strings.Trim(value, "-0123456789.") == "" }

func (p parameter) spelling() string {
	switch p.unit {
	case "":
		return ""
	case "kB":
		return " in kB, or with the unit kB, MB or GB, such as 64MB"
	}
	return " in " + p.unit + ", or with the unit ms, s, min or h, such as 30s"
}

// parse reads an integer with or without a unit, in the setting's own unit.
func (p parameter) parse(value string) (float64, bool) {
	digits := strings.TrimRight(value, "kMGTBmsinhd")
	figure, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0, false
	}
	unit := value[len(digits):]
	if unit == "" {
		return float64(figure), true
	}
	units := durationUnits
	if p.unit == "kB" {
		units = sizeUnits
	}
	factor, known := units[unit]
	if p.unit == "" || !known {
		return 0, false
	}
	return float64(figure) * factor / units[p.unit], true
}

// mergeParameters lets the settings of a spec win over derived ones.
func mergeParameters(l *ledger, derived map[string]string, explicit map[string]v1alpha1.ParameterValue) {
	for _, name := range slices.Sorted(maps.Keys(explicit)) {
		value := string(explicit[name])
		field := "spec.database.managed.parameters." + name
		if old, replaces := derived[name]; replaces {
			l.overrides = append(l.overrides, field)
			l.amend("postgres."+name, value, "set by %s instead of %s", field, old)
		} else {
			l.record("postgres."+name, value, "set by %s", field)
		}
		derived[name] = value
	}
}

// refusedParameters are problems of the settings of a spec.
func refusedParameters(explicit map[string]v1alpha1.ParameterValue, memoryMiB int64) []Problem {
	var problems []Problem
	refuse := func(name, format string, arguments ...any) {
		problems = append(problems, Problem{v1alpha1.ReasonInvalidSpec,
			fmt.Sprintf("spec.database.managed.parameters: %q ", name) + fmt.Sprintf(format, arguments...)})
	}
	for _, name := range slices.Sorted(maps.Keys(explicit)) {
		allowed, known := allowedParameters[name]
		if !known {
			refuse(name, "cannot be set: use one of %s", strings.Join(ParameterNames(), ", "))
			continue
		}
		if wrong := allowed.check(string(explicit[name]), memoryMiB); wrong != "" {
			refuse(name, "cannot be %q: %s", string(explicit[name]), wrong)
		}
	}
	return problems
}

// ParameterNames are the settings that a spec may set, sorted.
func ParameterNames() []string { return slices.Sorted(maps.Keys(allowedParameters)) }
