package build

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// requirement is the module in go.mod that gives a folder its version.
var requirement = map[string]string{
	"etcd":           "go.etcd.io/etcd/server/v3",
	"kubernetes":     "k8s.io/kubernetes",
	"metrics-server": "sigs.k8s.io/metrics-server",
	"coredns":        "github.com/coredns/coredns",
}

// Folders are named by version: a stale name would keep stale programs.
func TestVersionsAreThoseOfTheModules(t *testing.T) {
	for _, m := range modules {
		text, err := os.ReadFile(filepath.Join("..", "..", "modules", m.name, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		pattern := regexp.MustCompile(`(?m)^\s*(?:require )?` + regexp.QuoteMeta(requirement[m.name]) + ` (v\S+)`)
		found := pattern.FindStringSubmatch(string(text))
		if found == nil || found[1] != m.version {
			t.Errorf("%s is %v in go.mod and %s here", m.name, found, m.version)
		}
	}
}

func TestPathLeavesForeignProgramsAlone(t *testing.T) {
	b := Builder{Root: "/checkout"}
	if got := b.Path("containerd"); got != "containerd" {
		t.Errorf("containerd is taken from %s", got)
	}
	if got := b.Path("kubectl"); !strings.HasPrefix(got, "/checkout/.cache/bin/kubernetes-v") {
		t.Errorf("kubectl is taken from %s", got)
	}
}
