package postgres

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	accore "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

func cluster(size v1alpha1.ProfileSize) *v1alpha1.FediFlowCluster {
	c := &v1alpha1.FediFlowCluster{}
	c.Name, c.Namespace = "fediflow", "social"
	c.Spec.Domain, c.Spec.Image, c.Spec.Profile.Size = "social.example.edu", "fediflow:1", size
	return c
}

func resolved(t *testing.T, c *v1alpha1.FediFlowCluster) plan.Plan {
	t.Helper()
	p, problems := plan.Resolve(c, plan.Facts{Images: plan.Images{Postgres: "postgres"}})
	if len(problems) > 0 {
		t.Fatalf("resolve: %v", problems)
	}
	return p
}

func small(t *testing.T) plan.Plan {
	t.Helper()
	return resolved(t, cluster(v1alpha1.SizeSmall))
}

// asynchronous is a small cluster that may lose what its primary acknowledged.
func asynchronous(t *testing.T) plan.Plan {
	t.Helper()
	c := cluster(v1alpha1.SizeSmall)
	durability := v1alpha1.DurabilityAsynchronous
	c.Spec.Database = &v1alpha1.DatabaseSpec{Managed: &v1alpha1.ManagedDatabaseSpec{Durability: &durability}}
	return resolved(t, c)
}

// file is Patroni's configuration file, read back.
type file struct {
	Scope      string `json:"scope"`
	Kubernetes struct {
		Namespace     string            `json:"namespace"`
		Labels        map[string]string `json:"labels"`
		ScopeLabel    string            `json:"scope_label"`
		RoleLabel     string            `json:"role_label"`
		LeaderValue   string            `json:"leader_label_value"`
		FollowerValue string            `json:"follower_label_value"`
		UseEndpoints  bool              `json:"use_endpoints"`
		Ports         []map[string]any  `json:"ports"`
	} `json:"kubernetes"`
	RestAPI struct {
		Authentication map[string]string `json:"authentication"`
	} `json:"restapi"`
	Bootstrap struct {
		DCS    map[string]any `json:"dcs"`
		Initdb []any          `json:"initdb"`
	} `json:"bootstrap"`
	PostgreSQL struct {
		Authentication map[string]map[string]string `json:"authentication"`
		HBA            []string                     `json:"pg_hba"`
		Ident          []string                     `json:"pg_ident"`
		DataDir        string                       `json:"data_dir"`
		OnFailure      bool                         `json:"remove_data_directory_on_rewind_failure"`
		OnDivergence   bool                         `json:"remove_data_directory_on_diverged_timelines"`
	} `json:"postgresql"`
}

func parse(t *testing.T, p plan.Plan) file {
	t.Helper()
	var f file
	if err := yaml.Unmarshal([]byte(patroniFile(p)), &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// shared is the configuration of all members.
type shared struct {
	TTL                 int   `json:"ttl"`
	LoopWait            int   `json:"loop_wait"`
	RetryTimeout        int   `json:"retry_timeout"`
	PrimaryStartTimeout *int  `json:"primary_start_timeout"`
	FailsafeMode        bool  `json:"failsafe_mode"`
	MaximumLag          int64 `json:"maximum_lag_on_failover"`
	SynchronousMode     bool  `json:"synchronous_mode"`
	PostgreSQL          struct {
		UseRewind  bool              `json:"use_pg_rewind"`
		UseSlots   bool              `json:"use_slots"`
		Parameters map[string]string `json:"parameters"`
	} `json:"postgresql"`
}

func dynamic(t *testing.T, p plan.Plan) shared {
	t.Helper()
	var s shared
	if err := json.Unmarshal(DynamicConfiguration(p), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// Otherwise a primary that still retries loses its lock: Patroni refuses or shortens the times.
func TestLeaderLockOutlivesOneLoopAndTwoRetries(t *testing.T) {
	s := dynamic(t, small(t))
	if s.TTL < s.LoopWait+2*s.RetryTimeout || s.LoopWait < 1 || s.RetryTimeout < 3 {
		t.Errorf("ttl %d, loop_wait %d, retry_timeout %d", s.TTL, s.LoopWait, s.RetryTimeout)
	}
}

// Safety rule 14.
func TestAnAPIServerOutageIsNotThePrimarysDeath(t *testing.T) {
	for _, size := range plan.Sizes() {
		if !dynamic(t, resolved(t, cluster(size))).FailsafeMode {
			t.Errorf("%s: failsafe_mode is off", size)
		}
	}
}

// Safety rule 3.
func TestLeaderLockAndWriteRouteChangeInOneWrite(t *testing.T) {
	k := parse(t, small(t)).Kubernetes
	if !k.UseEndpoints {
		t.Error("use_endpoints is off")
	}
	// Patroni names the port of the Endpoints; it must be the Service's.
	if len(k.Ports) != 1 || k.Ports[0]["name"] != "postgres" || k.Ports[0]["port"] != float64(5432) {
		t.Errorf("Endpoints have ports %v", k.Ports)
	}
}

// Safety rule 5.
func TestSynchronousModeFollowsDurability(t *testing.T) {
	for name, c := range map[string]struct {
		p    plan.Plan
		want bool
	}{
		"three members":               {small(t), true},
		"three members, asynchronous": {asynchronous(t), false},
		"one member":                  {resolved(t, cluster(v1alpha1.SizeDevelopment)), false},
	} {
		if have := dynamic(t, c.p).SynchronousMode; have != c.want {
			t.Errorf("%s: synchronous_mode is %t", name, have)
		}
	}
}

// Safety rule 5: what asynchronous members may lose is bounded.
func TestAFailoverLosesABoundedNumberOfBytes(t *testing.T) {
	if lag := dynamic(t, asynchronous(t)).MaximumLag; lag <= 0 || lag > 64<<20 {
		t.Errorf("maximum_lag_on_failover is %d", lag)
	}
}

func TestAPrimaryThatCrashedIsFailedOverAtOnce(t *testing.T) {
	timeout := dynamic(t, small(t)).PrimaryStartTimeout
	if timeout == nil || *timeout != 0 {
		t.Errorf("primary_start_timeout is %v, by default 300 s", timeout)
	}
}

// Safety rule 8.
func TestAnOldPrimaryComesBackByItself(t *testing.T) {
	p := small(t)
	s, f := dynamic(t, p), parse(t, p)
	if !s.PostgreSQL.UseRewind || !s.PostgreSQL.UseSlots || !f.PostgreSQL.OnFailure || !f.PostgreSQL.OnDivergence {
		t.Errorf("%+v %+v", s.PostgreSQL, f.PostgreSQL)
	}
	if s.PostgreSQL.Parameters["wal_log_hints"] != "on" {
		t.Error("pg_rewind needs wal_log_hints")
	}
}

func TestAPromotionDoesNotWaitForTheNextAttemptToFetchWAL(t *testing.T) {
	if interval := dynamic(t, small(t)).PostgreSQL.Parameters["wal_retrieve_retry_interval"]; interval != "100" {
		t.Errorf("wal_retrieve_retry_interval is %q", interval)
	}
}

// Safety rule 18.
func TestWALThatAStandbyHoldsBackIsCapped(t *testing.T) {
	for _, size := range plan.Sizes() {
		if keep := dynamic(t, resolved(t, cluster(size))).PostgreSQL.Parameters["max_slot_wal_keep_size"]; keep == "" || keep == "-1" {
			t.Errorf("%s: max_slot_wal_keep_size is %q", size, keep)
		}
	}
}

func TestNewDatabasesHaveChecksumsAndALocaleThatNoLibraryChanges(t *testing.T) {
	options := map[string]string{}
	for _, option := range parse(t, small(t)).Bootstrap.Initdb {
		switch o := option.(type) {
		case string:
			options[o] = "set"
		case map[string]any:
			for name, value := range o {
				options[name] = fmt.Sprint(value)
			}
		}
	}
	for name, want := range map[string]string{"data-checksums": "set", "locale-provider": "builtin", "builtin-locale": "C.UTF-8", "encoding": "UTF8"} {
		if options[name] != want {
			t.Errorf("%s is %q", name, options[name])
		}
	}
}

func TestConfigurationFileHoldsNamesAndNoPasswords(t *testing.T) {
	f := parse(t, small(t))
	for role, fields := range f.PostgreSQL.Authentication {
		delete(fields, "sslmode")
		delete(fields, "sslrootcert")
		if len(fields) != 1 || fields["username"] == "" {
			t.Errorf("%s: %v", role, fields)
		}
	}
	if len(f.RestAPI.Authentication) > 0 {
		t.Errorf("the REST API: %v", f.RestAPI.Authentication)
	}
	env := map[string]accore.EnvVarApplyConfiguration{}
	for _, variable := range set(t, small(t)).Spec.Template.Spec.Containers[0].Env {
		env[*variable.Name] = variable
	}
	if user, password := env["PATRONI_RESTAPI_USERNAME"], env["PATRONI_RESTAPI_PASSWORD"]; *user.Value != RestAPIUser || password.ValueFrom == nil {
		t.Error("anybody may use the REST API")
	}
}

func TestRemoteSuperuserIsRejected(t *testing.T) {
	hba := parse(t, small(t)).PostgreSQL.HBA
	for _, c := range []struct{ kind, database, user, want string }{
		{"local", "postgres", "postgres", "peer"},
		{"host", "postgres", "postgres", "reject"},
		{"host", "fediflow", "postgres", "reject"},
		{"host", "replication", "postgres", "reject"},
		{"hostssl", "postgres", "postgres", "reject"},
		{"hostssl", "replication", "replicator", "scram-sha-256"},
		{"hostssl", "replication", "fediflow", "reject"},
		{"hostssl", "fediflow", "fediflow", "scram-sha-256"},
		{"hostssl", "postgres", "rewind", "scram-sha-256"},
		// Without TLS nobody gets in.
		{"host", "replication", "replicator", "reject"},
		{"host", "fediflow", "fediflow", "reject"},
		{"host", "postgres", "rewind", "reject"},
		{"local", "fediflow", "fediflow", "reject"},
		{"local", "fediflow", "fediflow_monitoring", "peer map=monitoring"},
		{"host", "fediflow", "fediflow_monitoring", "reject"},
		{"hostssl", "fediflow", "fediflow_operator", "scram-sha-256"},
		{"host", "fediflow", "fediflow_operator", "reject"},
	} {
		if have := method(t, hba, c.kind, c.database, c.user); have != c.want {
			t.Errorf("%s connection of %s to %s: %s, not %s", c.kind, c.user, c.database, have, c.want)
		}
	}
}

func TestNoConnectionIsTrusted(t *testing.T) {
	for _, line := range parse(t, small(t)).PostgreSQL.HBA {
		fields := strings.Fields(line)
		last := fields[len(fields)-1]
		if strings.HasPrefix(last, "map=") {
			last = fields[len(fields)-2]
		}
		if !slices.Contains([]string{"peer", "reject", "scram-sha-256"}, last) {
			t.Errorf("%s", line)
		}
	}
}

// method is how pg_hba.conf lets a user in: by the first line that matches, or not at all. "all" is
// every database, but not replication.
func method(t *testing.T, lines []string, kind, database, user string) string {
	t.Helper()
	for _, line := range lines {
		fields := strings.Fields(line)
		least := map[string]int{"local": 4, "host": 5, "hostssl": 5}[fields[0]]
		if least == 0 || len(fields) < least {
			t.Fatalf("what is %q", line)
		}
		anyDatabase := fields[1] == "all" && database != "replication"
		anyUser := fields[2] == "all"
		matches := fields[0] == kind || fields[0] == "host" && kind == "hostssl"
		if matches && (anyDatabase || fields[1] == database) && (anyUser || fields[2] == user) {
			return strings.Join(fields[least-1:], " ")
		}
	}
	return "reject"
}

func TestPatroniFindsItsPodsByLabelsThatTheyHave(t *testing.T) {
	p := small(t)
	k := parse(t, p).Kubernetes
	pod := set(t, p).Spec.Template
	for key, value := range k.Labels {
		if pod.Labels[key] != value {
			t.Errorf("label %s is %q, Patroni looks for %q", key, pod.Labels[key], value)
		}
	}
	if pod.Labels[k.ScopeLabel] != parse(t, p).Scope || k.Namespace != p.Namespace {
		t.Errorf("label %s is %q, in namespace %s", k.ScopeLabel, pod.Labels[k.ScopeLabel], k.Namespace)
	}
	if k.RoleLabel != plan.LabelRole || k.FollowerValue != "replica" || k.LeaderValue != "primary" {
		t.Errorf("roles are %s=%s and %s", k.RoleLabel, k.LeaderValue, k.FollowerValue)
	}
}

// The volume is mounted above, so that initdb finds an empty folder.
func TestDataIsBelowTheDataVolume(t *testing.T) {
	p := small(t)
	directory := parse(t, p).PostgreSQL.DataDir
	for _, mount := range set(t, p).Spec.Template.Spec.Containers[0].VolumeMounts {
		if *mount.Name == "data" && strings.HasPrefix(directory, *mount.MountPath+"/") {
			return
		}
	}
	t.Errorf("%s is on no data volume", directory)
}
