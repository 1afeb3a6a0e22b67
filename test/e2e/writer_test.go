//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fediflow/fediflow-operator/internal/component/postgres"
	"github.com/fediflow/fediflow-operator/internal/plan"
	"github.com/fediflow/fediflow-operator/test/failover/history"
)

const (
	writersName = "writer"
	// The writer's pods wait for the program, which is no part of any image. A shell as process 1
	// takes in the programs that are left behind in its pod.
	awaitWork = "trap exit TERM; while :; do sleep 3600 & wait $!; done"
	// A program that is started in the background must hold on to none of the caller's files.
	startWriting = `cd /writer || exit; setsid ./writer "${@:2}" >"$1.history" 2>"$1.errors" </dev/null & echo $! >"/writer/$1.pid"`
	stopWriting  = `pid=$(cat "/writer/$1.pid")
for ((i = 0; i < 300; i++)); do
  [ "$(readlink "/proc/$pid/exe")" = /writer/writer ] || break
  kill -TERM "$pid" 2>/dev/null
  sleep 0.1
done
cat "/writer/$1.errors" >&2`
)

// writers are pods of a DaemonSet: wherever the primary is, one is beside it and others are not.
// They are there until their namespace goes.
func (d *database) writers(t *testing.T) map[string]string {
	t.Helper()
	set := d.writerSet(t)
	err := d.env.client.Create(t.Context(), set)
	if err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatalf("start the writers: %v", err)
	}
	created := err == nil
	byNode := map[string]string{}
	eventually(t, "writers running", func() (bool, string) {
		var pods corev1.PodList
		if err := d.env.client.List(t.Context(), &pods, client.InNamespace(d.namespace), client.MatchingLabels{"app": writersName}); err != nil {
			return false, err.Error()
		}
		for _, pod := range pods.Items {
			if pod.Status.Phase == corev1.PodRunning {
				byNode[pod.Spec.NodeName] = pod.Name
			}
		}
		return len(byNode) >= members, fmt.Sprintf("%d writers", len(byNode))
	})
	if !created {
		return byNode
	}
	program := d.env.buildWriter(t)
	for _, pod := range byNode {
		file, err := os.Open(program)
		if err != nil {
			t.Fatal(err)
		}
		_, err = d.env.exec(t, file, d.namespace, pod, "sh", "-c", "cat >/writer/new && chmod 755 /writer/new && mv /writer/new /writer/writer")
		_ = file.Close() // it was only read
		if err != nil {
			t.Fatalf("install the writer: %v", err)
		}
		arguments := []string{"-writers", "0", "-address", d.addresses[history.Direct]}
		if output, err := d.env.exec(t, nil, d.namespace, pod, append([]string{"/writer/writer"}, arguments...)...); err != nil {
			t.Fatalf("create the table: %v\n%s", err, output)
		}
	}
	return byNode
}

// buildWriter builds the program that runs in the writers' pods, whatever their C library.
func (e *environment) buildWriter(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "writer")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "./test/failover/writer")
	build.Dir = e.root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the writer: %v\n%s", err, output)
	}
	return program
}

func (d *database) writerSet(t *testing.T) *appsv1.DaemonSet {
	t.Helper()
	primary := d.primary(t)
	secret := func(key string) *corev1.EnvVarSource {
		return &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: d.credentials}, Key: key}}
	}
	labels := map[string]string{"app": writersName}
	if cluster, ok := primary.Labels[plan.LabelCluster]; ok {
		labels[plan.LabelCluster] = cluster // to whom the network policies open the database
	}
	return &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: d.namespace, Name: writersName},
		Spec: appsv1.DaemonSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": writersName}},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					TerminationGracePeriodSeconds: new(int64),
					SecurityContext:               primary.Spec.SecurityContext,
					Containers: []corev1.Container{{
						Name:            "writer",
						Image:           primary.Spec.Containers[0].Image,
						SecurityContext: primary.Spec.Containers[0].SecurityContext,
						Command:         []string{"bash", "-c", awaitWork},
						VolumeMounts:    []corev1.VolumeMount{{Name: "writer", MountPath: "/writer"}},
						Env: []corev1.EnvVar{
							{Name: "PGDATABASE", Value: plan.DatabaseName},
							{Name: "PGUSER", ValueFrom: secret(postgres.KeyUsername)},
							{Name: "PGPASSWORD", ValueFrom: secret(postgres.KeyPassword)},
						},
					}},
					Volumes: []corev1.Volume{{Name: "writer", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
				},
			},
		},
	}
}

// writer writes to a database on one path, as fast as it is let.
type writer struct {
	database *database
	pod      string
	run      string
	path     history.Path
	stopped  bool
}

// file is where the writer's pod keeps what it did.
func (w *writer) file() string { return w.run + "-" + string(w.path) }

// startWriter starts a writer in a pod.
func (d *database) startWriter(t *testing.T, pod, run string, path history.Path, address string, clients int, pause time.Duration) *writer {
	t.Helper()
	w := &writer{database: d, pod: pod, run: run, path: path}
	arguments := []string{"-run", run, "-path", string(path), "-address", address,
		"-writers", strconv.Itoa(clients), "-pause", pause.String()}
	if _, err := d.env.exec(t, nil, d.namespace, pod, append([]string{"bash", "-c", startWriting, "bash", w.file()}, arguments...)...); err != nil {
		t.Fatalf("start the writer: %v", err)
	}
	t.Cleanup(func() { w.stop(t) })
	return w
}

// stop waits for the statements that are under way. The pod may be on a node that is only coming back.
func (w *writer) stop(t *testing.T) {
	t.Helper()
	if w.stopped {
		return
	}
	w.stopped = true
	eventually(t, "stopped "+w.file(), func() (bool, string) {
		_, err := w.database.env.exec(t, nil, w.database.namespace, w.pod, "bash", "-c", stopWriting, "bash", w.file())
		if err != nil {
			return false, err.Error()
		}
		return true, ""
	})
}

// history is what the writer did so far.
func (w *writer) history(t *testing.T) []history.Statement {
	t.Helper()
	text, err := w.database.env.exec(t, nil, w.database.namespace, w.pod, "cat", "/writer/"+w.file()+".history")
	if err != nil {
		t.Fatalf("fetch the history: %v", err)
	}
	statements, err := history.Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return statements
}

// acknowledged returns how many writes were acknowledged so far.
func (w *writer) acknowledged(t *testing.T) int {
	t.Helper()
	count, err := w.database.env.exec(t, nil, w.database.namespace, w.pod, "sh", "-c",
		"grep -c '"+`"outcome":"ack"`+"' /writer/"+w.file()+".history || true")
	if err != nil {
		t.Fatalf("count writes: %v", err)
	}
	number, err := strconv.Atoi(strings.TrimSpace(count))
	if err != nil {
		t.Fatalf("count writes: %v", err)
	}
	return number
}

// waitAcknowledged waits for more acknowledged writes.
func (w *writer) waitAcknowledged(t *testing.T, more int) {
	t.Helper()
	before := w.acknowledged(t)
	eventually(t, strconv.Itoa(more)+" more writes acknowledged", func() (bool, string) {
		return w.acknowledged(t) >= before+more, "writing"
	})
}

// table reads what is stored of a run.
func (d *database) table(t *testing.T, run string) []history.Row {
	t.Helper()
	text, err := d.sql(t, d.leader(t), "select path, writer, number from written where run = '"+run+"'")
	if err != nil {
		t.Fatalf("read the table: %v", err)
	}
	var rows []history.Row
	for line := range strings.Lines(text) {
		var row history.Row
		if _, err := fmt.Sscan(strings.ReplaceAll(line, "|", " "), &row.Path, &row.Writer, &row.Number); err != nil {
			t.Fatalf("read the table: %v in %q", err, line)
		}
		rows = append(rows, row)
	}
	return rows
}

// check stops the writer and fails unless the table holds exactly what it was told.
func (w *writer) check(t *testing.T) {
	t.Helper()
	w.stop(t)
	statements := w.history(t)
	if len(statements) == 0 {
		t.Fatal("nothing was written: nothing was proven")
	}
	loss := history.Check(w.path, statements, w.database.table(t, w.run))
	felt := history.Interrupted(w.path, statements, time.UnixMicro(statements[0].Start))
	t.Logf("%d writes acknowledged, %d lost, longest gap %s", loss.Acknowledged, len(loss.Lost), felt.Gap.Round(time.Millisecond))
	if len(loss.Lost)+len(loss.Duplicates)+len(loss.Ghosts) > 0 {
		t.Fatalf("acknowledged writes are lost: %v; written twice: %v; refused and written: %v", loss.Lost, loss.Duplicates, loss.Ghosts)
	}
	if loss.Acknowledged == 0 {
		t.Fatal("no write was acknowledged: nothing was proven")
	}
}
