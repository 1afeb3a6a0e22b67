package pooler

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	acapps "k8s.io/client-go/applyconfigurations/apps/v1"
	accore "k8s.io/client-go/applyconfigurations/core/v1"

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
	p, problems := plan.Resolve(c, plan.Facts{Images: plan.Images{PgBouncer: "pgbouncer"}})
	if len(problems) > 0 {
		t.Fatalf("resolve: %v", problems)
	}
	return p
}

func external(t *testing.T) plan.Plan {
	t.Helper()
	c := cluster(v1alpha1.SizeSmall)
	port, database := int32(5433), "mastodon"
	c.Spec.Database = &v1alpha1.DatabaseSpec{External: &v1alpha1.ExternalDatabaseSpec{
		Host: "db.example.edu", Port: &port, Database: &database, CredentialsSecret: v1alpha1.SecretName{Name: "external"},
	}}
	return resolved(t, c)
}

// forEach runs a test on the configuration of every pooler of every size.
func forEach(t *testing.T, test func(t *testing.T, p plan.Plan, access plan.Access, ini map[string]map[string]string)) {
	t.Helper()
	all := map[string]plan.Plan{"external": external(t)}
	for _, size := range plan.Sizes() {
		all[string(size)] = resolved(t, cluster(size))
	}
	for name, p := range all {
		for _, access := range p.Pooler.Accesses {
			t.Run(name+"/"+string(access), func(t *testing.T) { test(t, p, access, parse(t, configuration(p, access))) })
		}
	}
}

// parse reads sections of "name = value".
func parse(t *testing.T, text string) map[string]map[string]string {
	t.Helper()
	sections := map[string]map[string]string{}
	var section map[string]string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, ";") {
			continue
		}
		if name, ok := strings.CutPrefix(line, "["); ok {
			section = map[string]string{}
			sections[strings.TrimSuffix(name, "]")] = section
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		name = strings.TrimSpace(name)
		if _, twice := section[name]; !ok || section == nil || twice {
			t.Fatalf("what is %q", line)
		}
		section[name] = strings.TrimSpace(value)
	}
	return sections
}

// fields reads name=value words of a connection string, with quoted values.
func fields(t *testing.T, text string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for text != "" {
		name, rest, ok := strings.Cut(text, "=")
		if !ok {
			t.Fatalf("what is %q", text)
		}
		var value string
		if quoted, isQuoted := strings.CutPrefix(rest, "'"); isQuoted {
			value, rest, ok = strings.Cut(quoted, "'")
			if !ok {
				t.Fatalf("%q has no end", quoted)
			}
			rest = strings.TrimSpace(rest)
		} else {
			value, rest, _ = strings.Cut(rest, " ")
		}
		all[name], text = value, rest
	}
	return all
}

func TestConfigurationIsTransactionPoolingWithPreparedStatements(t *testing.T) {
	forEach(t, func(t *testing.T, _ plan.Plan, _ plan.Access, ini map[string]map[string]string) {
		t.Helper()
		settings := ini["pgbouncer"]
		if settings["pool_mode"] != "transaction" {
			t.Errorf("pool_mode is %s", settings["pool_mode"])
		}
		if n, err := strconv.Atoi(settings["max_prepared_statements"]); err != nil || n <= 0 {
			t.Errorf("max_prepared_statements is %q", settings["max_prepared_statements"])
		}
	})
}

func TestPoolsAreAsLargeAsThePlan(t *testing.T) {
	forEach(t, func(t *testing.T, p plan.Plan, _ plan.Access, ini map[string]map[string]string) {
		t.Helper()
		for name, want := range map[string]int32{
			"max_client_conn":   p.Pooler.MaxClients,
			"default_pool_size": p.Pooler.PoolSize,
			"reserve_pool_size": p.Pooler.ReserveSize,
			"listen_port":       plan.PoolerPort,
		} {
			if have := ini["pgbouncer"][name]; have != fmt.Sprint(want) {
				t.Errorf("%s is %s, not %d", name, have, want)
			}
		}
	})
}

func TestClientsAuthenticateBySCRAMFromTheMountedUserList(t *testing.T) {
	forEach(t, func(t *testing.T, p plan.Plan, access plan.Access, ini map[string]map[string]string) {
		t.Helper()
		if have := ini["pgbouncer"]["auth_type"]; have != "scram-sha-256" {
			t.Errorf("auth_type is %s", have)
		}
		pod := deploymentOf(t, p, access).Spec.Template.Spec
		container := pod.Containers[0]
		mounted := map[string]string{}
		for _, volume := range pod.Volumes {
			if volume.Secret == nil || *volume.Secret.SecretName == p.CertificateSecret(plan.Pooler) {
				continue
			}
			if len(volume.Secret.Items) != 1 || *volume.Secret.Items[0].Key != "userlist.txt" {
				t.Errorf("the pods get of Secret %s: %d keys", *volume.Secret.SecretName, len(volume.Secret.Items))
			}
			for _, mount := range container.VolumeMounts {
				if *mount.Name == *volume.Name {
					mounted[*volume.Secret.SecretName] = *mount.MountPath + "/" + *volume.Secret.Items[0].Path
				}
			}
		}
		// What the image's fediflow-pooler puts together.
		want := map[string]string{p.DatabaseSecret(): "/etc/pgbouncer-auth/database/userlist.txt"}
		if p.Database.Managed != nil {
			want[p.Name.PoolerAdmin()] = "/etc/pgbouncer-auth/admin/userlist.txt"
		}
		if !maps.Equal(mounted, want) || ini["pgbouncer"]["auth_file"] != "/tmp/userlist.txt" {
			t.Errorf("mounted are %v, auth_file is %s", mounted, ini["pgbouncer"]["auth_file"])
		}
	})
}

func TestWritesGoToThePrimarysServiceAndReadsToTheReplicasService(t *testing.T) {
	managed := resolved(t, cluster(v1alpha1.SizeSmall))
	for access, want := range map[plan.Access]string{plan.ReadWrite: "fediflow-postgres", plan.ReadOnly: "fediflow-postgres-ro"} {
		server := fields(t, parse(t, configuration(managed, access))["databases"]["fediflow"])
		if server["host"] != want || server["port"] != "5432" || server["dbname"] != "fediflow" {
			t.Errorf("%s goes to %v", access, server)
		}
	}
}

func TestAnExternalDatabaseHasOnePoolerToItsOwnAddress(t *testing.T) {
	p := external(t)
	if len(p.Pooler.Accesses) != 1 || p.Pooler.Accesses[0] != plan.ReadWrite {
		t.Fatalf("there are poolers %v", p.Pooler.Accesses)
	}
	server := fields(t, parse(t, configuration(p, plan.ReadWrite))["databases"]["mastodon"])
	if server["host"] != "db.example.edu" || server["port"] != "5433" || server["dbname"] != "mastodon" {
		t.Errorf("it goes to %v", server)
	}
}

// A pooler in transaction mode cannot follow a client's statement_timeout: it is set for every
// connection, and what a client says at the start is ignored instead of refused.
func TestStatementTimeoutIsSetByTheConnectQuery(t *testing.T) {
	forEach(t, func(t *testing.T, p plan.Plan, _ plan.Access, ini map[string]map[string]string) {
		t.Helper()
		if len(ini["databases"]) != 1 {
			t.Fatalf("databases are %v", ini["databases"])
		}
		want := fmt.Sprintf("SET statement_timeout = %d", p.API.Pool.StatementMilliseconds)
		if have := fields(t, ini["databases"][p.DatabaseName()])["connect_query"]; have != want {
			t.Errorf("the connect query is %q", have)
		}
		if !strings.Contains(","+ini["pgbouncer"]["ignore_startup_parameters"]+",", ",statement_timeout,") {
			t.Errorf("ignored are %s", ini["pgbouncer"]["ignore_startup_parameters"])
		}
		if p.API.Pool.StatementMilliseconds <= 0 {
			t.Errorf("the timeout is %d ms", p.API.Pool.StatementMilliseconds)
		}
	})
}

// A failover takes seconds: clients wait longer, connections to the old primary are noticed sooner.
func TestClientsWaitLongerThanADeadServerIsNoticed(t *testing.T) {
	forEach(t, func(t *testing.T, _ plan.Plan, _ plan.Access, ini map[string]map[string]string) {
		t.Helper()
		number := func(name string) float64 {
			t.Helper()
			n, err := strconv.ParseFloat(ini["pgbouncer"][name], 64)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return n
		}
		noticed := max(number("tcp_user_timeout")/1000, number("tcp_keepidle")+number("tcp_keepintvl")*number("tcp_keepcnt"))
		if wait := number("query_wait_timeout"); wait <= noticed {
			t.Errorf("clients wait %g s, a dead server is noticed after %g s", wait, noticed)
		}
		if number("tcp_keepalive") != 1 || number("server_login_retry") > 2 || number("dns_max_ttl") > 10 {
			t.Errorf("%v", ini["pgbouncer"])
		}
	})
}

func TestConfigurationHoldsNoFormattingErrors(t *testing.T) {
	forEach(t, func(t *testing.T, p plan.Plan, access plan.Access, _ map[string]map[string]string) {
		t.Helper()
		if text := configuration(p, access); strings.Contains(text, "%!") {
			t.Error(text)
		}
	})
}

// Whoever may pause a pooler is an account of its own, and nobody where there is nobody to pause it.
func TestOnlyTheMembersOfAManagedDatabaseMayPause(t *testing.T) {
	forEach(t, func(t *testing.T, p plan.Plan, _ plan.Access, ini map[string]map[string]string) {
		t.Helper()
		want := plan.PoolerAdmin
		if p.Database.Managed == nil {
			want = ""
		}
		if have := ini["pgbouncer"]["admin_users"]; have != want || have == plan.DatabaseUser {
			t.Errorf("admin users are %q", have)
		}
	})
}

// PgBouncer ends at once on SIGTERM: the Service must have stopped sending clients before.
func TestPoolerSleepsBeforeItStops(t *testing.T) {
	p := resolved(t, cluster(v1alpha1.SizeSmall))
	pod := deploymentOf(t, p, plan.ReadWrite).Spec.Template.Spec
	stop := pod.Containers[0].Lifecycle.PreStop
	if stop.Sleep == nil || *stop.Sleep.Seconds < 1 || *stop.Sleep.Seconds >= *pod.TerminationGracePeriodSeconds {
		t.Errorf("before the stop: %v", stop)
	}
}

func TestPodsOfBothPoolersRollWhenTheirFileChanges(t *testing.T) {
	hash := func(p plan.Plan, access plan.Access) string {
		return deploymentOf(t, p, access).Spec.Template.Annotations[plan.AnnotationConfigHash]
	}
	before := resolved(t, cluster(v1alpha1.SizeSmall))
	larger := cluster(v1alpha1.SizeSmall)
	maxReplicas := int32(50)
	larger.Spec.API = &v1alpha1.APISpec{Autoscaling: &v1alpha1.AutoscalingSpec{MaxReplicas: &maxReplicas}}
	after := resolved(t, larger)
	for _, access := range before.Pooler.Accesses {
		if hash(before, access) == hash(after, access) || hash(before, access) == "" {
			t.Errorf("%s keeps its pods", access)
		}
	}
}

func TestEachServiceSelectsThePodsOfItsPoolerOnly(t *testing.T) {
	p := resolved(t, cluster(v1alpha1.SizeSmall))
	for _, object := range render(p).Objects {
		service, ok := object.Configuration.(*accore.ServiceApplyConfiguration)
		if !ok {
			continue
		}
		access := strings.TrimSuffix(strings.TrimPrefix(*service.Name, "fediflow-pooler-"), "-members")
		if service.Spec.Selector[plan.LabelAccess] != access {
			t.Errorf("%s selects %v", *service.Name, service.Spec.Selector)
		}
		if service.Spec.Ports[0].Protocol == nil || *service.Spec.Ports[0].Protocol != corev1.ProtocolTCP || *service.Spec.Ports[0].Port != plan.PoolerPort {
			t.Errorf("%s is on %v", *service.Name, service.Spec.Ports[0])
		}
	}
}

func deploymentOf(t *testing.T, p plan.Plan, access plan.Access) *acapps.DeploymentApplyConfiguration {
	t.Helper()
	for _, object := range render(p).Objects {
		if deployment, ok := object.Configuration.(*acapps.DeploymentApplyConfiguration); ok && *deployment.Name == "fediflow-pooler-"+string(access) {
			return deployment
		}
	}
	t.Fatalf("there is no pooler %s", access)
	return nil
}
