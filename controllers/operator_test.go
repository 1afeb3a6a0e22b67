package controllers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/fediflow/fediflow-operator/internal/plan"
)

// images are those the tests' operator ships.
var images = plan.Images{
	Postgres: "fediflow/postgres:test", PgBouncer: "fediflow/pgbouncer:test",
	Valkey: "fediflow/valkey:test", Edge: "fediflow/edge:test",
}

// operator is a running operator as cmd/manager makes it. Its requests and passes are counted.
type operator struct {
	manager    ctrl.Manager
	reconciler *FediFlowClusterReconciler
	wire       *wire
	passes     *passes
	cancel     context.CancelFunc
	done       chan error
}

func startOperator() (*operator, error) {
	config, err := operatorConfig()
	if err != nil {
		return nil, err
	}
	o := &operator{wire: &wire{}, done: make(chan error, 1)}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) { return o.wire.send(next, request) })
	})
	options := ManagerOptions()
	options.Metrics = metricsserver.Options{BindAddress: "0"}
	// Every restart in this process registers the same controller again.
	options.Controller.SkipNameValidation = new(true)
	if o.manager, err = ctrl.NewManager(config, options); err != nil {
		return nil, err
	}
	if o.reconciler, err = NewReconciler(o.manager, images); err != nil {
		return nil, err
	}
	o.passes = &passes{Reader: o.reconciler.Reader.Cache, started: map[string]int{}}
	o.reconciler.Reader.Cache = o.passes
	o.reconciler.Operations.HTTP = func(string, string) *http.Client { return &http.Client{Transport: roundTripper(answerAsPatroni)} }
	if err := o.reconciler.SetupWithManager(o.manager); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	o.cancel = cancel
	go func() { o.done <- o.manager.Start(ctx) }()
	if !o.manager.GetCache().WaitForCacheSync(ctx) {
		return nil, errors.New("the operator's cache did not start")
	}
	return o, nil
}

func (o *operator) stop() {
	o.cancel()
	if err := <-o.done; err != nil {
		fmt.Println("operator:", err)
	}
}

// whileDown stops the operator, lets the world change, and starts a new operator, which remembers nothing.
func whileDown(t *testing.T, change func()) {
	t.Helper()
	current.stop()
	change()
	next, err := startOperator()
	if err != nil {
		t.Fatal(err)
	}
	current = next
}

// passes counts the passes that have begun, by namespace. Each reads the world first.
type passes struct {
	client.Reader

	mutex   sync.Mutex
	started map[string]int
}

func (p *passes) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	if _, ok := list.(*corev1.ConfigMapList); ok {
		options := client.ListOptions{}
		options.ApplyOptions(opts)
		p.mutex.Lock()
		p.started[options.Namespace]++
		p.mutex.Unlock()
	}
	return p.Reader.List(ctx, list, opts...)
}

func (p *passes) in(namespace string) int {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.started[namespace]
}

type roundTripper func(*http.Request) (*http.Response, error)

func (r roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }

// request is one request of the operator to the API server; watches and events are not counted.
type request struct{ method, path, accept, body string }

func (r request) writes() bool { return r.method != http.MethodGet }

func (r request) String() string { return r.method + " " + r.path }

// wire is what the operator sends to the API server.
type wire struct {
	mutex    sync.Mutex
	requests []request
	// fault decides what becomes of a request; it may be nil.
	fault func(request) fate
}

// fate of a request.
type fate int

const (
	arrives fate = iota
	// lostBefore: the API server never sees it.
	lostBefore
	// lostAfter: the operator never sees the answer.
	lostAfter
	// conflicts: somebody else was faster.
	conflicts
)

var errLost = errors.New("the connection is lost")

func (w *wire) send(next http.RoundTripper, r *http.Request) (*http.Response, error) {
	if r.URL.Query().Get("watch") == "true" || strings.HasSuffix(r.URL.Path, "/events") {
		return next.RoundTrip(r)
	}
	sent, err := describe(r)
	if err != nil {
		return nil, err
	}
	fate := w.note(sent)
	switch fate {
	case lostBefore:
		return nil, errLost
	case conflicts:
		return &http.Response{
			StatusCode: http.StatusConflict, Request: r, Header: http.Header{"Content-Type": {"application/json"}},
			Body: io.NopCloser(strings.NewReader(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Conflict","code":409}`)),
		}, nil
	case arrives, lostAfter:
	}
	response, err := next.RoundTrip(r)
	if fate == lostAfter && err == nil {
		return nil, errors.Join(errLost, response.Body.Close())
	}
	return response, err
}

func describe(r *http.Request) (request, error) {
	sent := request{r.Method, r.URL.Path, r.Header.Get("Accept"), ""}
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return request{}, err
		}
		sent.body = string(body)
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return sent, nil
}

func (w *wire) note(sent request) fate {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	decided := arrives
	if w.fault != nil {
		decided = w.fault(sent)
	}
	if decided == arrives || decided == lostAfter {
		w.requests = append(w.requests, sent)
	}
	return decided
}

// breakWith decides the fate of all further requests; nil mends the connection.
func (w *wire) breakWith(fault func(request) fate) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.fault = fault
}

// mark is a point in the stream of requests.
func (w *wire) mark() int {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return len(w.requests)
}

// since are the requests to a namespace since a mark.
func (w *wire) since(mark int, namespace string) []request {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	var found []request
	for _, r := range w.requests[mark:] {
		if strings.Contains(r.path+"/", "/namespaces/"+namespace+"/") {
			found = append(found, r)
		}
	}
	return found
}

// writesSince are the writes among them.
func (w *wire) writesSince(mark int, namespace string) []request {
	var found []request
	for _, r := range w.since(mark, namespace) {
		if r.writes() {
			found = append(found, r)
		}
	}
	return found
}
