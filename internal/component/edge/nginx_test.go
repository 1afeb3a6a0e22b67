package edge

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

const domain = "social.example.edu"

// plans are every size, and one with regions and a small volume.
func plans(t *testing.T) map[string]plan.Plan {
	t.Helper()
	all := map[string]plan.Plan{}
	for _, size := range plan.Sizes() {
		all[string(size)] = resolved(t, cluster(size))
	}
	regional := cluster(v1alpha1.SizeSmall)
	regional.Name, regional.Namespace = "campus", "social"
	regional.Spec.Edge = &v1alpha1.EdgeSpec{Regions: []v1alpha1.EdgeRegionSpec{{Name: "us-east"}, {Name: "eu-west"}}}
	all["regions"] = resolved(t, regional)
	return all
}

func cluster(size v1alpha1.ProfileSize) *v1alpha1.FediFlowCluster {
	c := &v1alpha1.FediFlowCluster{}
	c.Name, c.Namespace = "fediflow", "fediflow"
	c.Spec.Domain, c.Spec.Image, c.Spec.Profile.Size = domain, "fediflow/fediflow:0.1.0", size
	return c
}

func resolved(t *testing.T, c *v1alpha1.FediFlowCluster) plan.Plan {
	t.Helper()
	p, problems := plan.Resolve(c, plan.Facts{Images: plan.Images{Edge: "edge"}, Regions: []string{"eu-west", "us-east"}})
	if len(problems) > 0 {
		t.Fatalf("resolve: %v", problems)
	}
	return p
}

// config is a parsed configuration and its two servers of traffic.
type config struct {
	plan                             plan.Plan
	text                             string
	main, http, foreign, own, status directive
}

// forEach runs a test on the configuration of every region of every plan.
func forEach(t *testing.T, test func(t *testing.T, c config)) {
	t.Helper()
	for name, p := range plans(t) {
		for _, region := range p.Edge.Regions {
			t.Run(name+"/"+region.Name, func(t *testing.T) { test(t, read(t, p, region)) })
		}
	}
}

func read(t *testing.T, p plan.Plan, region plan.EdgeRegionPlan) config {
	t.Helper()
	text := configuration(p, region)
	main, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	http := main.one(t, "http")
	servers := http.all("server")
	if len(servers) != 3 {
		t.Fatalf("there are %d servers", len(servers))
	}
	return config{p, text, main, http, servers[0], servers[1], servers[2]}
}

func TestConfigurationHasBalancedBracesAndNoTemplateLeftOver(t *testing.T) {
	forEach(t, func(t *testing.T, c config) {
		t.Helper()
		for _, leftover := range []string{"{{", "}}", "<no value>", "%!", "<nil>"} {
			if strings.Contains(c.text, leftover) {
				t.Errorf("%q is in the configuration", leftover)
			}
		}
	})
}

func TestCacheAndItsIndexAreAsLargeAsThePlan(t *testing.T) {
	forEach(t, func(t *testing.T, c config) {
		t.Helper()
		path := c.http.one(t, "proxy_cache_path").words
		for _, want := range []string{
			"/var/cache/nginx",
			fmt.Sprintf("keys_zone=edge:%dm", c.plan.Edge.KeysZoneMiB),
			fmt.Sprintf("max_size=%dm", c.plan.Edge.CacheBytes/1024/1024),
		} {
			if !slices.Contains(path, want) {
				t.Errorf("the cache is %v, not %s", path, want)
			}
		}
		if volume := c.plan.Edge.Storage.Size.Value(); c.plan.Edge.CacheBytes >= volume {
			t.Errorf("a cache of %d bytes fills a volume of %d bytes", c.plan.Edge.CacheBytes, volume)
		}
		if workers := c.main.one(t, "worker_processes").value(); workers != fmt.Sprint(c.plan.Edge.Workers) {
			t.Errorf("there are %s workers", workers)
		}
	})
}

func TestUpstreamIsTheAPIServiceOfTheCluster(t *testing.T) {
	forEach(t, func(t *testing.T, c config) {
		t.Helper()
		servers := c.http.one(t, "upstream").all("server")
		want := fmt.Sprintf("%s-api.%s.svc:80", c.plan.Name, c.plan.Namespace)
		for _, server := range servers {
			if server.words[1] != want || server.words[2] != "max_fails=0" {
				t.Errorf("requests go to %v", server.words)
			}
		}
		if len(servers) != 2 {
			t.Errorf("%d servers: a broken connection has no second try", len(servers))
		}
	})
}

func TestForeignHostGets421AndIsNeverCached(t *testing.T) {
	forEach(t, func(t *testing.T, c config) {
		t.Helper()
		if listen := c.foreign.one(t, "listen").value(); listen != "8080 default_server" {
			t.Errorf("the server of foreign hosts listens on %s", listen)
		}
		if answer := c.foreign.one(t, "return").value(); answer != "421" || len(c.foreign.block) != 3 {
			t.Errorf("the server of foreign hosts is %v", c.foreign.block)
		}
		if name := c.own.one(t, "server_name").value(); name != domain {
			t.Errorf("the other server is of %s", name)
		}
		if listen := c.own.one(t, "listen").value(); listen != "8080" {
			t.Errorf("the own server listens on %s", listen)
		}
		passes := 0
		c.main.walk(func(d directive) { passes += len(d.all("proxy_pass")) })
		inside := 0
		c.own.walk(func(d directive) { inside += len(d.all("proxy_pass")) })
		if passes == 0 || passes != inside {
			t.Errorf("%d of %d locations that pass requests on are of the own host", inside, passes)
		}
	})
}

func TestStaleAnswersAreBoundedWhileTheyAreUpdated(t *testing.T) {
	forEach(t, func(t *testing.T, c config) {
		t.Helper()
		count := 0
		c.main.walk(func(d directive) {
			if d.name() != "proxy_cache_use_stale" {
				return
			}
			count++
			if slices.Contains(d.words, "updating") {
				t.Errorf("%v has no bound", d.words)
			}
			for _, failure := range []string{"error", "timeout", "http_502", "http_503", "http_504"} {
				if !slices.Contains(d.words, failure) {
					t.Errorf("after %s nobody gets a stale answer", failure)
				}
			}
		})
		if count != 1 {
			t.Errorf("proxy_cache_use_stale is set %d times", count)
		}
	})
}

func TestPurgeAndFiguresAreNotForTheNetwork(t *testing.T) {
	forEach(t, func(t *testing.T, c config) {
		t.Helper()
		c.main.walk(func(d directive) {
			if d.name() == "proxy_cache_purge" && d.value() != "PURGE from 127.0.0.1" {
				t.Errorf("%v", d.words)
			}
		})
		if listen := c.status.one(t, "listen").value(); listen != "8081" {
			t.Errorf("health and figures are on %s", listen)
		}
		c.own.walk(func(d directive) {
			if d.name() == "stub_status" {
				t.Error("figures are on the port of traffic")
			}
		})
	})
}

func TestLogsHoldNoTokens(t *testing.T) {
	forEach(t, func(t *testing.T, c config) {
		t.Helper()
		format := c.http.one(t, "log_format").value()
		for _, variable := range []string{
			"$request_uri", "$request\"", "$args", "$query_string", "$http_authorization", "$http_cookie", "$http_signature", "$arg_",
		} {
			if strings.Contains(format, variable) {
				t.Errorf("%s is logged", variable)
			}
		}
		if !strings.Contains(format, "$uri") {
			t.Errorf("the log says nothing: %s", format)
		}
	})
}

// The root is read-only: the cache volume and /tmp are all there is.
func TestNginxWritesOnlyToItsVolumes(t *testing.T) {
	forEach(t, func(t *testing.T, c config) {
		t.Helper()
		count := 0
		c.main.walk(func(d directive) {
			if !strings.HasSuffix(d.name(), "_temp_path") && d.name() != "pid" {
				return
			}
			count++
			if !strings.HasPrefix(d.words[1], "/tmp/") {
				t.Errorf("%v", d.words)
			}
		})
		if count != 6 {
			t.Errorf("%d of 6 files and folders have a place", count)
		}
	})
}

// A location with a header of its own has none of the headers around it.
func TestEveryLocationTellsTheApplicationWhoAsksAndForWhichHost(t *testing.T) {
	forEach(t, func(t *testing.T, c config) {
		t.Helper()
		for _, scope := range append([]directive{c.http}, c.own.all("location")...) {
			set := scope.all("proxy_set_header")
			for header, want := range map[string]string{"Host": "$host", "X-Forwarded-For": "$proxy_add_x_forwarded_for", "X-Forwarded-Proto": "https"} {
				i := slices.IndexFunc(set, func(d directive) bool { return d.words[1] == header })
				if len(set) > 0 && (i < 0 || set[i].words[2] != want) {
					t.Errorf("%v does not say %s", scope.words, header)
				}
			}
			if scope.name() == "location" && len(scope.all("add_header")) > 0 {
				t.Errorf("%v drops the headers of its server", scope.words)
			}
		}
	})
}

func TestStreamingIsNeitherCachedNorBufferedNorCutOff(t *testing.T) {
	forEach(t, func(t *testing.T, c config) {
		t.Helper()
		streaming := location(t, c, "/api/v1/streaming")
		for name, want := range map[string]string{
			"proxy_cache": "off", "proxy_buffering": "off", "proxy_read_timeout": "1h", "proxy_send_timeout": "1h",
		} {
			if have := streaming.one(t, name).value(); have != want {
				t.Errorf("%s is %s", name, have)
			}
		}
		for header, want := range map[string]string{"Upgrade": "$http_upgrade", "Connection": "$connection_upgrade"} {
			if !slices.ContainsFunc(streaming.all("proxy_set_header"), func(d directive) bool { return d.words[1] == header && d.words[2] == want }) {
				t.Errorf("%s is not passed on", header)
			}
		}
		if mapped(t, c.http, "$connection_upgrade", "websocket") != "upgrade" || mapped(t, c.http, "$connection_upgrade", "") != "" {
			t.Error("Connection does not follow Upgrade")
		}
	})
}

func location(t *testing.T, c config, path string) directive {
	t.Helper()
	for _, l := range c.own.all("location") {
		if l.words[len(l.words)-1] == path {
			return l
		}
	}
	t.Fatalf("there is no location %s", path)
	return directive{}
}
