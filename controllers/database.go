package controllers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/component/migration"
	"github.com/fediflow/fediflow-operator/internal/component/postgres"
	"github.com/fediflow/fediflow-operator/internal/database"
	"github.com/fediflow/fediflow-operator/internal/plan"
	sql "github.com/fediflow/fediflow-operator/internal/postgres"
)

// When to look again into a database that is not as declared. One that is, is left alone.
const (
	retryUnreached = 5 * time.Second
	retryUnsettled = time.Minute
	retryRefused   = time.Hour
)

// Databases makes databases as declared, in the background: a build of an index may take hours. It
// looks into a database when its declaration, its primary or the state of its migration is another one
// than when it looked last, and after its own start.
type Databases struct {
	// Live reads Secrets; no value outlives the run that read it.
	Live client.Reader
	// Wanted asks for a pass over a cluster of which there is news.
	Wanted chan event.GenericEvent

	mutex   sync.Mutex
	runs    map[client.ObjectKey]*inspection
	started chan struct{}
	stopped context.Context //nolint:containedctx // the life of all runs, which no pass outlives
	work    sync.WaitGroup
}

// NewDatabases knows nothing of any database yet.
func NewDatabases(live client.Reader) *Databases {
	return &Databases{
		Live: live, Wanted: make(chan event.GenericEvent),
		runs: map[client.ObjectKey]*inspection{}, started: make(chan struct{}),
	}
}

// inspection is the last look into one database, or the present one.
type inspection struct {
	question question
	objects  database.Objects
	// cancel is nil where nothing is being done.
	cancel context.CancelFunc
	// due is when to look again; zero is never.
	due     time.Time
	refused int
	// passwords are the versions of the Secrets that the passwords of roles were last set from.
	passwords map[string]string
}

// question is what a run was started for.
type question struct {
	declared database.Declared
	// host is the primary.
	host string
}

func (q question) fingerprint() string { return q.host + q.declared.Fingerprint() }

// Start lets runs begin, and returns when they have ended after the end of the operator.
func (d *Databases) Start(ctx context.Context) error {
	d.stopped = ctx
	close(d.started)
	<-ctx.Done()
	d.work.Wait()
	return nil
}

// Forget ends what is being done for a cluster that is gone.
func (d *Databases) Forget(key client.ObjectKey) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if r := d.runs[key]; r != nil && r.cancel != nil {
		r.cancel()
	}
	delete(d.runs, key)
}

// Look returns what is known of everything declared in a database, and starts a run where that may be
// out of date.
func (d *Databases) Look(cluster *v1alpha1.FediFlowCluster, p plan.Plan, world component.World) database.Objects {
	key := client.ObjectKeyFromObject(cluster)
	q := question{declared: database.Of(p), host: primaryHost(p, world)}
	if !migration.Done(p, world) {
		q.declared.HoldIndexes = "waiting for the migration to complete"
	}
	before := objectsOf(cluster.Status.Database)
	if q.declared.Empty() && len(before.Roles) == 0 {
		d.Forget(key)
		return database.Objects{}
	}
	d.mutex.Lock()
	defer d.mutex.Unlock()
	r := d.runs[key]
	if r == nil {
		r = &inspection{objects: before, passwords: map[string]string{}}
		if cluster.Status.ObservedGeneration == cluster.Generation {
			r.question.declared = q.declared
		}
		d.runs[key] = r
	}
	r.objects = r.objects.Project(r.question.declared, q.declared)
	if r.cancel != nil && q.host != "" && r.question.host != q.host {
		r.cancel() // what it is connected to is no primary any more, or gone
	}
	if r.cancel == nil && q.host != "" && r.outdated(q) {
		d.begin(key, r, q, p)
	}
	return r.objects.Clone()
}

func (r *inspection) outdated(q question) bool {
	return r.question.fingerprint() != q.fingerprint() || !r.due.IsZero() && !time.Now().Before(r.due)
}

// primaryHost is the address of a database that takes writes, or empty.
func primaryHost(p plan.Plan, world component.World) string {
	if external := p.Database.External; external != nil {
		return external.Host
	}
	if !postgres.PrimaryReady(p, world) {
		return ""
	}
	for _, pod := range postgres.Pods(p, world) {
		if pod.Name == postgres.Leader(p, world) {
			return pod.Status.PodIP
		}
	}
	return ""
}

// withObjects adds what is inside a database to its status.
func withObjects(status *v1alpha1.DatabaseStatus, objects database.Objects) *v1alpha1.DatabaseStatus {
	if objects.Empty() {
		return status
	}
	if status == nil {
		status = &v1alpha1.DatabaseStatus{}
	}
	status.Indexes, status.Extensions, status.Roles = objects.Indexes, objects.Extensions, objects.Roles
	return status
}

func objectsOf(status *v1alpha1.DatabaseStatus) database.Objects {
	if status == nil {
		return database.Objects{}
	}
	return database.Objects{Indexes: status.Indexes, Extensions: status.Extensions, Roles: status.Roles}
}

// begin starts a run; the mutex is held.
func (d *Databases) begin(key client.ObjectKey, r *inspection, q question, p plan.Plan) {
	if r.question.fingerprint() != q.fingerprint() {
		r.refused = 0
	}
	ctx, cancel := context.WithCancel(context.Background())
	known := r.objects.Clone()
	r.question, r.cancel, r.due = q, cancel, time.Time{}
	d.work.Go(func() {
		defer cancel()
		<-d.started
		defer context.AfterFunc(d.stopped, cancel)() //nolint:contextcheck // a run outlives the pass that began it
		objects, err := d.converge(ctx, key, r, known, q, p)
		d.end(key, r, objects, err)
	})
}

// end records a run and says when the next one is due.
func (d *Databases) end(key client.ObjectKey, r *inspection, objects database.Objects, err error) {
	d.mutex.Lock()
	r.cancel, r.objects = nil, objects
	var wait time.Duration
	switch {
	case err != nil:
		r.objects, wait = r.objects.Unreached(err), retryUnreached
	case objects.Refused():
		// What PostgreSQL refuses it will mostly refuse again, and trying may cost it hours.
		wait = min(retryUnsettled<<min(r.refused, 10), retryRefused)
		r.refused++
	case len(objects.Unsettled()) > 0:
		wait = retryUnsettled
	}
	if wait > 0 {
		r.due = time.Now().Add(wait)
		time.AfterFunc(wait, func() { d.want(key) })
	}
	d.mutex.Unlock()
	d.want(key)
}

// want asks for a pass over a cluster.
func (d *Databases) want(key client.ObjectKey) {
	cluster := &v1alpha1.FediFlowCluster{}
	cluster.Namespace, cluster.Name = key.Namespace, key.Name
	select {
	case d.Wanted <- event.GenericEvent{Object: cluster}:
	case <-d.stopped.Done():
	}
}

// report publishes how far a run is.
func (d *Databases) report(key client.ObjectKey, r *inspection, objects database.Objects) {
	d.mutex.Lock()
	r.objects = objects
	d.mutex.Unlock()
	d.want(key)
}

// converge looks, takes every step there is one after the other, and looks again.
func (d *Databases) converge(ctx context.Context, key client.ObjectKey, r *inspection, known database.Objects, q question, p plan.Plan) (database.Objects, error) {
	session, err := d.connect(ctx, p, q.host)
	if err != nil {
		return known, err
	}
	defer session.Close() //nolint:contextcheck // also after the end of the run
	declared, passwords := d.readPasswords(ctx, p.Namespace, q.declared)
	objects, steps, err := inspect(ctx, session, declared, r.passwords)
	if err != nil {
		return known, err
	}
	if len(steps) == 0 {
		return objects, nil
	}
	objects, refused, err := d.take(ctx, key, r, session, objects, steps, passwords)
	if err != nil {
		return objects, err
	}
	seen, steps, err := inspect(ctx, session, declared, r.passwords)
	if err != nil {
		return objects, err
	}
	for _, step := range steps {
		if cause, ok := refused[step.Name()]; ok {
			seen = seen.With(step, v1alpha1.ObjectFailed, cause)
		}
	}
	return seen, nil
}

// take takes steps, and returns what PostgreSQL refused, and why.
func (d *Databases) take(ctx context.Context, key client.ObjectKey, r *inspection, session *sql.Session, objects database.Objects, steps []database.Step, passwords map[string]string) (database.Objects, map[string]string, error) {
	refused := map[string]string{}
	for _, step := range steps {
		if refused[step.Name()] != "" {
			continue // what could not be dropped cannot be built anew
		}
		if step.Action == database.CreateIndex {
			objects = objects.With(step, v1alpha1.ObjectBuilding, "being built")
			d.report(key, r, objects)
		}
		err := session.Do(ctx, step, passwords[step.Name()])
		switch {
		case err == nil && step.SetPassword:
			r.passwords[step.Name()] = step.Role.Version
		case err == nil:
		case ctx.Err() != nil || session.Broken():
			return objects, nil, fmt.Errorf("%s was interrupted: %w", step.Name(), err)
		default:
			log.Log.Info("refused by PostgreSQL", "cluster", key, "object", step.Name(), "cause", err.Error())
			refused[step.Name()] = err.Error()
			objects = objects.With(step, v1alpha1.ObjectFailed, err.Error())
		}
	}
	return objects, refused, nil
}

func inspect(ctx context.Context, session *sql.Session, declared database.Declared, passwords map[string]string) (database.Objects, []database.Step, error) {
	found, err := session.Inspect(ctx, declared)
	if err != nil {
		return database.Objects{}, nil, err
	}
	found.Passwords = passwords
	objects, steps := database.Diff(declared, found)
	return objects, steps, nil
}

// connect goes to the primary itself: a pooler would take a session away in the middle of a build.
func (d *Databases) connect(ctx context.Context, p plan.Plan, host string) (*sql.Session, error) {
	target := sql.Target{Host: host, Port: plan.PostgresPort, Database: p.DatabaseName(), User: plan.OperatorRole}
	secret := p.Name.PostgresOperator()
	var err error
	if p.Database.Managed != nil {
		target.TLS = sql.NewTLS(p.Certificates.Authorities, p.Name.PostgresMembers())
	}
	if external := p.Database.External; external != nil {
		target.Port, secret = external.Port, external.CredentialsSecret
		if target.User, _, err = d.readSecret(ctx, p.Namespace, secret, postgres.KeyUsername); err != nil {
			return nil, err
		}
	}
	if target.Password, _, err = d.readSecret(ctx, p.Namespace, secret, postgres.KeyPassword); err != nil {
		return nil, err
	}
	return sql.Connect(ctx, target)
}

// readPasswords reads those of the declared roles. One that cannot be read is no empty one.
func (d *Databases) readPasswords(ctx context.Context, namespace string, declared database.Declared) (database.Declared, map[string]string) {
	passwords := map[string]string{}
	roles := make([]database.Role, 0, len(declared.Roles))
	for _, role := range declared.Roles {
		value, version, err := d.readSecret(ctx, namespace, role.Secret, role.Key)
		if err != nil {
			role.Unreadable = err.Error()
		}
		role.Version, passwords[role.Name] = version, value
		roles = append(roles, role)
	}
	declared.Roles = roles
	return declared, passwords
}

// readSecret returns a value and the version of its Secret.
func (d *Databases) readSecret(ctx context.Context, namespace, name, key string) (value, version string, err error) {
	var secret corev1.Secret
	err = d.Live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &secret)
	switch {
	case apierrors.IsNotFound(err):
		return "", "", fmt.Errorf("Secret %s does not exist: create it", name) //nolint:staticcheck // a kind
	case apierrors.IsForbidden(err):
		return "", "", errors.New("the operator may not use Secrets in this namespace: enrol it, see config/namespace")
	case err != nil:
		return "", "", fmt.Errorf("read Secret %s: %w", name, err)
	}
	value = string(secret.Data[key])
	switch {
	case value == "":
		return "", "", fmt.Errorf("Secret %s has no value of key %s: add it", name, key) //nolint:staticcheck // a kind
	case strings.ContainsAny(value, "\x00\r\n"):
		return "", "", fmt.Errorf("key %s of Secret %s contains a line break: remove it", key, name)
	}
	return value, string(secret.UID) + "/" + secret.ResourceVersion + "/" + key, nil
}
