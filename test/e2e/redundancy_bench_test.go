//go:build e2e && bench

package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// state is a database's redundancy as its leader sees it.
type state struct{ timeline, streaming, synchronous int }

const askState = `select ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int,
	count(*) filter (where state = 'streaming'), count(*) filter (where sync_state in ('sync', 'quorum')) from pg_stat_replication`

// state fails while there is no leader that takes writes.
func (d *database) state(t *testing.T) (state, error) {
	t.Helper()
	var s state
	answer, err := d.sql(t, d.leader(t), askState)
	if err != nil {
		return s, err
	}
	if _, err := fmt.Sscan(strings.ReplaceAll(answer, "|", " "), &s.timeline, &s.streaming, &s.synchronous); err != nil {
		return s, fmt.Errorf("read %q: %w", answer, err)
	}
	return s, nil
}

// redundant says whether all members are ready and stream, one of them synchronously, and if not, why.
func (d *database) redundant(t *testing.T) (now state, missing string) {
	t.Helper()
	pods := d.pods(t)
	for _, pod := range pods {
		if !pod.DeletionTimestamp.IsZero() {
			return now, pod.Name + " is ending"
		}
		if !podReady(&pod) {
			return now, pod.Name + " is not ready"
		}
	}
	now, err := d.state(t)
	switch {
	case err != nil:
		return now, firstLine(err.Error())
	case len(pods) != members || now.streaming != members-1 || now.synchronous == 0:
		return now, fmt.Sprintf("%d pods, %d stream, %d synchronous", len(pods), now.streaming, now.synchronous)
	}
	return now, ""
}

func podReady(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// waitRedundant waits until the database is redundant and nothing else is missing, and returns how
// long after the given time that was.
func (d *database) waitRedundant(t *testing.T, since time.Time, alsoMissing func(state) string) time.Duration {
	t.Helper()
	said := ""
	for {
		now, missing := d.redundant(t)
		if missing == "" {
			missing = alsoMissing(now)
		}
		after := time.Since(since)
		if missing == "" {
			return after
		}
		if missing != said {
			t.Logf("%4.0f s  %s: %s", after.Seconds(), d.system, missing)
			said = missing
		}
		if after > recovery {
			t.Fatalf("%s is not redundant after %s: %s", d.system, recovery, missing)
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// startedBefore names a member whose server has run since before a time.
func (d *database) startedBefore(t *testing.T, at time.Time) string {
	t.Helper()
	for _, pod := range d.pods(t) {
		started, err := d.sql(t, pod.Name, "select extract(epoch from pg_postmaster_start_time())")
		if err != nil {
			return firstLine(err.Error())
		}
		seconds, err := strconv.ParseFloat(strings.TrimSpace(started), 64)
		if err != nil {
			return err.Error()
		}
		if seconds < float64(at.UnixMicro())/1e6 {
			return pod.Name + " was not restarted"
		}
	}
	return ""
}
