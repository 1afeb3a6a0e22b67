package controllers

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/fediflow/fediflow-operator/internal/component/postgres"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// patroniActor plays the Patronis of one platform: it keeps their state in Endpoints and answers
// their REST API.
type patroniActor struct {
	namespace, address string

	mutex  sync.Mutex
	leader string
	// config was put by the operator; empty until then.
	config string
	// shown is the members' certificate.
	shown *x509.Certificate
	// asked are the requests of the operator, in order.
	asked []string
}

// patronis are all of them, by address.
var patronis sync.Map

func newPatroniActor(namespace string, number int32) *patroniActor {
	actor := &patroniActor{namespace: namespace, address: fmt.Sprintf("198.18.%d.%d", number/250, number%250+1)}
	patronis.Store(actor.address, actor)
	return actor
}

// answerAsPatroni is the network between the operator and the Patronis.
func answerAsPatroni(request *http.Request) (*http.Response, error) {
	host, _, err := net.SplitHostPort(request.URL.Host)
	if err != nil {
		return nil, err
	}
	found, ok := patronis.Load(host)
	actor, isActor := found.(*patroniActor)
	if !ok || !isActor {
		return nil, fmt.Errorf("no route to %s", host)
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	shown, err := actor.certificate(request)
	if err != nil {
		return nil, err
	}
	code := actor.answer(request, body)
	return &http.Response{
		StatusCode: code, Body: io.NopCloser(strings.NewReader(http.StatusText(code))), Request: request,
		TLS: &tls.ConnectionState{PeerCertificates: []*x509.Certificate{shown}},
	}, nil
}

func (a *patroniActor) answer(request *http.Request, body []byte) int {
	var secret corev1.Secret
	key := client.ObjectKey{Namespace: a.namespace, Name: names.PostgresCredentials()}
	if err := admin.Get(request.Context(), key, &secret); err != nil {
		return http.StatusInternalServerError
	}
	user, password, _ := request.BasicAuth()
	if user != postgres.RestAPIUser || password != string(secret.Data[postgres.KeyRestAPIPassword]) {
		return http.StatusUnauthorized
	}
	a.mutex.Lock()
	defer a.mutex.Unlock()
	switch what := request.Method + " " + request.URL.Path; what {
	case "GET /patroni":
	case "POST /reload":
		a.asked = append(a.asked, what)
	case "PUT /config":
		a.config = string(body)
		a.asked = append(a.asked, what)
	case "POST /switchover":
		var wish struct {
			Leader    string `json:"leader"`
			Candidate string `json:"candidate"`
		}
		if json.Unmarshal(body, &wish) != nil || wish.Leader != a.leader {
			return http.StatusPreconditionFailed
		}
		a.leader = wish.Candidate
		a.asked = append(a.asked, what+" "+wish.Leader+" "+wish.Candidate)
	default:
		return http.StatusNotFound
	}
	return http.StatusOK
}

// lead makes another member the primary, as after a failover.
func (a *patroniActor) lead(member string) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.leader = member
}

func (a *patroniActor) requests() []string {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return append([]string{}, a.asked...)
}

// play writes the state of the members: the first pod bootstraps, the others stream from the leader.
func (a *patroniActor) play(t *testing.T, p *platform) {
	t.Helper()
	var pods corev1.PodList
	p.list(t, &pods, client.MatchingLabels(names.Selector(plan.Postgres)))
	if len(pods.Items) == 0 {
		return
	}
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if a.leader == "" {
		a.leader = pods.Items[0].Name
	}
	if a.config == "" {
		a.config = bootstrapConfiguration(t, p)
	}
	var standbys []string
	for i := range pods.Items {
		pod := &pods.Items[i]
		role, replication := "replica", `"replication_state":"streaming",`
		if pod.Name == a.leader {
			role, replication = "primary", ""
		} else {
			standbys = append(standbys, pod.Name)
		}
		status := fmt.Sprintf(`{"role":%q,"state":"running",%s"timeline":1,"xlog_location":67108864}`, role, replication)
		if pod.Annotations["status"] != status {
			before := pod.DeepCopy()
			metav1.SetMetaDataAnnotation(&pod.ObjectMeta, "status", status)
			metav1.SetMetaDataLabel(&pod.ObjectMeta, plan.LabelRole, role)
			if err := client.IgnoreNotFound(admin.Patch(t.Context(), pod, client.MergeFrom(before))); err != nil {
				t.Fatal(err)
			}
		}
	}
	p.annotateEndpoints(t, names.PostgresConfig(), map[string]string{"config": a.config})
	p.annotateEndpoints(t, names.PostgresSync(), map[string]string{"leader": a.leader, "sync_standby": strings.Join(standbys, ",")})
	p.annotateEndpoints(t, names.Component(plan.Postgres), map[string]string{"leader": a.leader, "optime": "67108864"})
}

// bootstrapConfiguration is what Patroni begins with.
func bootstrapConfiguration(t *testing.T, p *platform) string {
	t.Helper()
	file := must(t, p, names.PostgresPatroni(), &corev1.ConfigMap{}).Data["patroni.yml"]
	var content struct {
		Bootstrap struct {
			DCS map[string]any `json:"dcs"`
		} `json:"bootstrap"`
	}
	if err := yaml.Unmarshal([]byte(file), &content); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(content.Bootstrap.DCS)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// annotateEndpoints writes an Endpoints object as Patroni does, if it differs.
func (p *platform) annotateEndpoints(t *testing.T, name string, annotations map[string]string) {
	t.Helper()
	endpoints := &corev1.Endpoints{} //nolint:staticcheck // Patroni's state is in Endpoints
	exists := p.get(t, name, endpoints)
	same := exists
	for key, value := range annotations {
		same = same && endpoints.Annotations[key] == value
		metav1.SetMetaDataAnnotation(&endpoints.ObjectMeta, key, value)
	}
	var err error
	switch {
	case same:
	case exists:
		err = admin.Update(t.Context(), endpoints)
	default:
		endpoints.Namespace, endpoints.Name, endpoints.Labels = p.namespace, name, names.Labels(plan.Postgres)
		err = admin.Create(t.Context(), endpoints)
	}
	if err != nil && !apierrors.IsConflict(err) {
		t.Fatal(err)
	}
}

// sentinelActor plays the Sentinels and the stores of one platform, on a loopback address of its own.
type sentinelActor struct {
	address string

	mutex     sync.Mutex
	masters   map[plan.StoreName]string
	failovers []plan.StoreName
	// tuned are the settings that stores were told, in order.
	tuned []string
	// untunable stores refuse to be told.
	untunable bool
}

func newSentinelActor(t *testing.T, number int32) *sentinelActor {
	t.Helper()
	actor := &sentinelActor{
		address: fmt.Sprintf("127.%d.%d.%d", 64+os.Getpid()%128, number/250, number%250+1),
		masters: map[plan.StoreName]string{},
	}
	for _, store := range []plan.StoreName{plan.Queue, plan.Cache} {
		actor.masters[store] = plan.Member(names.RedisStore(store), 0)
	}
	for _, port := range []int32{plan.SentinelPort, plan.RedisPort} {
		var listen net.ListenConfig
		listener, err := listen.Listen(t.Context(), "tcp", net.JoinHostPort(actor.address, strconv.Itoa(int(port))))
		if err != nil {
			t.Fatal(err)
		}
		go actor.serve(listener)
		t.Cleanup(func() {
			if err := listener.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	return actor
}

func (a *sentinelActor) serve(listener net.Listener) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer connection.Close()
			reader := bufio.NewReader(connection)
			for {
				command, err := readCommand(reader)
				if err != nil {
					return
				}
				if _, err := io.WriteString(connection, a.answer(command)); err != nil {
					return
				}
			}
		}()
	}
}

// readCommand reads one command of the Redis protocol: an array of strings.
func readCommand(reader *bufio.Reader) ([]string, error) {
	var count int
	if _, err := fmt.Fscanf(reader, "*%d\r\n", &count); err != nil {
		return nil, err
	}
	words := make([]string, count)
	for i := range words {
		var length int
		if _, err := fmt.Fscanf(reader, "$%d\r\n", &length); err != nil {
			return nil, err
		}
		text := make([]byte, length+len("\r\n"))
		if _, err := io.ReadFull(reader, text); err != nil {
			return nil, err
		}
		words[i] = string(text[:length])
	}
	return words, nil
}

func (a *sentinelActor) answer(command []string) string {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	switch strings.ToLower(strings.Join(command[:min(2, len(command))], " ")) {
	case "sentinel get-master-addr-by-name":
		host, port := a.masters[plan.StoreName(command[2])]+".members", "6379"
		return fmt.Sprintf("*2\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", len(host), host, len(port), port)
	case "sentinel failover":
		store := plan.StoreName(command[2])
		a.failovers = append(a.failovers, store)
		next := int32(0)
		if a.masters[store] == plan.Member(names.RedisStore(store), 0) {
			next = 1
		}
		a.masters[store] = plan.Member(names.RedisStore(store), next)
	case "config set":
		if a.untunable {
			return "-ERR CONFIG SET failed\r\n"
		}
		a.tuned = append(a.tuned, strings.Join(command[2:], " "))
	}
	if strings.EqualFold(command[0], "hello") {
		return "-ERR unknown command\r\n"
	}
	return "+OK\r\n"
}

// failedOver are the stores whose master was asked to hand over, in order.
func (a *sentinelActor) failedOver() []plan.StoreName {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return append([]plan.StoreName{}, a.failovers...)
}

// tunings are the settings that stores were told, in order.
func (a *sentinelActor) tunings() []string {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return append([]string{}, a.tuned...)
}

// refuseTuning makes stores refuse to be told settings, or take them again.
func (a *sentinelActor) refuseTuning(refuse bool) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.untunable = refuse
}
