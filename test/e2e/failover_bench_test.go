//go:build e2e && bench

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/plan"
	"github.com/fediflow/fediflow-operator/test/failover/history"
	"github.com/fediflow/fediflow-operator/test/failover/report"
)

// recovery is how long a fault may keep a database from being redundant before the run is given up.
const recovery = 10 * time.Minute

// TestBenchFailover breaks the primary of a FediFlowCluster and of a plain Patroni by turns, while
// clients write, and reports what they felt. ROUNDS is how often; FAULTS names the faults, by commas.
func TestBenchFailover(t *testing.T) {
	env, err := newEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	rounds, faults := benchSelection(t)
	results := report.Results{Started: time.Now(), Notes: benchNotes()}
	databases := []*database{env.benchCluster(t), env.plainPatroni(t)}
	for _, db := range databases {
		db.waitRedundant(t, time.Now(), func(state) string { return "" })
		db.writers(t)
	}
	results.Requests = requestsAtRest(t, time.Minute)
	for round := 1; round <= rounds; round++ {
		for _, fault := range faults {
			for _, db := range databases {
				measured := db.round(t, fault, round)
				results.Rounds = append(results.Rounds, measured...)
				env.writeReport(t, results)
				for _, one := range measured {
					t.Logf("ROUND %d/%d  %s, %s: gap %s, %d failed, %d of %d lost, redundant after %s", round, rounds, fault.name, one.Case(),
						one.Gap.Round(time.Millisecond), one.Failed+one.FailedConnects, len(one.Loss.Lost), one.Loss.Acknowledged, one.Redundant.Round(time.Second))
				}
			}
		}
	}
	for _, round := range results.Rounds {
		if len(round.Loss.Lost)+len(round.Loss.Duplicates)+len(round.Loss.Ghosts) > 0 {
			t.Errorf("%s, %s, round %d: %+v", round.Fault, round.Case(), round.Round, round.Loss)
		}
	}
}

// benchSelection reads ROUNDS and FAULTS.
func benchSelection(t *testing.T) (rounds int, faults []benchFault) {
	t.Helper()
	rounds = 5
	if text := os.Getenv("ROUNDS"); text != "" {
		var err error
		if rounds, err = strconv.Atoi(text); err != nil || rounds < 1 {
			t.Fatalf("ROUNDS=%s is no number of rounds", text)
		}
	}
	wanted := os.Getenv("FAULTS")
	if wanted == "" {
		return rounds, benchFaults
	}
	for key := range strings.SplitSeq(wanted, ",") {
		i := slices.IndexFunc(benchFaults, func(f benchFault) bool { return f.key == key })
		if i < 0 {
			var known []string
			for _, fault := range benchFaults {
				known = append(known, fault.key)
			}
			t.Fatalf("FAULTS: there is no %q among %s", key, strings.Join(known, ","))
		}
		faults = append(faults, benchFaults[i])
	}
	return rounds, faults
}

func benchNotes() []string {
	return []string{
		"All nodes, the control plane and the clients share one machine, so CPU and disk are busier than a real cluster's.",
		fmt.Sprintf("A client keeps its connection and rests %s between rows; in a planned switchover %d clients rest %s each. A gap cannot be told from a rest.",
			fewPause, manyClients, manyPause),
		"A client gives up a statement after 20 s, a connect after 2 s, and tries again after 20 ms.",
		"FediFlow: the database of a FediFlowCluster of size Small, pooled through PgBouncer, direct through the write Service.",
		"plain Patroni: test/e2e/testdata/plain-patroni.yaml, the same image, resources and Patroni times, but Patroni as Debian packages it; synchronous mode, clients direct through a Service that selects the primary's label.",
	}
}

func (e *environment) benchCluster(t *testing.T) *database {
	t.Helper()
	space := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: namespace, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}}}
	if err := e.client.Create(t.Context(), space); err != nil {
		t.Fatal(err)
	}
	e.kubectl(t, "apply", "--server-side", "-k", "config/namespace")
	if err := e.client.Create(t.Context(), newCluster(v1alpha1.SizeSmall)); err != nil {
		t.Fatal(err)
	}
	e.waitReady(t)
	return e.database()
}

// round lets one fault happen while clients write on all paths, and measures each path.
func (d *database) round(t *testing.T, fault benchFault, number int) []report.Round {
	t.Helper()
	d.settled(t)
	d.waitRedundant(t, time.Now(), func(state) string { return "" })
	before, err := d.state(t)
	if err != nil {
		t.Fatal(err)
	}
	primary := d.primary(t)
	run := fmt.Sprintf("%s-%d", fault.key, number)
	clients, session := d.startClients(t, fault, run, primary)

	defer func() {
		if t.Failed() && fault.heal != nil {
			fault.heal(t, d, primary)
		}
	}()
	struck := time.Now()
	fault.strike(t, d, primary)
	since := struck
	if fault.heal != nil {
		time.Sleep(time.Until(struck.Add(fault.lasts)))
		fault.heal(t, d, primary)
		since = time.Now()
	}
	redundant := d.waitRedundant(t, since, func(now state) string {
		if fault.everyMember {
			return d.startedBefore(t, struck)
		}
		if now.timeline == before.timeline {
			return "there was no new primary"
		}
		return ""
	})
	time.Sleep(2 * time.Second) // the clients notice
	var statements []history.Statement
	for _, w := range append(clients, session) {
		w.stop(t)
		statements = append(statements, w.history(t)...)
	}
	table := d.table(t, run)
	overlap := history.Overlapped(statements, primary.Status.PodIP, struck)
	var measured []report.Round
	for _, w := range clients {
		measured = append(measured, report.Round{
			Fault: fault.name, System: d.system, Path: w.path, Round: number, Clients: fault.clients,
			Interruption: history.Interrupted(w.path, statements, struck),
			Loss:         history.Check(w.path, statements, table), Overlap: overlap, Redundant: redundant,
		})
	}
	return measured
}

// startClients starts a writer on each path apart from the primary's node, and one beside it that has
// a session open on the very pod.
func (d *database) startClients(t *testing.T, fault benchFault, run string, primary *corev1.Pod) (clients []*writer, session *writer) {
	t.Helper()
	writers := d.writers(t)
	apart := ""
	for node, pod := range writers {
		if node != primary.Spec.NodeName {
			apart = pod
		}
	}
	for _, path := range []history.Path{history.Pooled, history.Direct} {
		if address, ok := d.addresses[path]; ok {
			clients = append(clients, d.startWriter(t, apart, run, path, address, fault.clients, fault.pause))
		}
	}
	session = d.startWriter(t, writers[primary.Spec.NodeName], run, history.Session,
		address(primary.Status.PodIP, plan.PostgresPort), 1, fewPause)
	for _, w := range append(slices.Clone(clients), session) {
		w.waitAcknowledged(t, 50)
	}
	return clients, session
}

// writeReport keeps what is known after each round: a run may take hours.
func (e *environment) writeReport(t *testing.T, results report.Results) {
	t.Helper()
	data, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(e.root, "dist", "bench-failover")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"results.json": string(data) + "\n", "report.md": report.Markdown(results), "plot.svg": report.Plot(results),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
