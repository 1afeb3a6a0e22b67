package plan

import (
	"net/netip"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

func TestAddressesDoNotCollide(t *testing.T) {
	machines := netip.MustParsePrefix(HostIP + "/24").Masked()
	pods, services := netip.MustParsePrefix(PodCIDR), netip.MustParsePrefix(ServiceCIDR)
	for _, pair := range [][2]netip.Prefix{{machines, pods}, {machines, services}, {pods, services}} {
		if pair[0].Overlaps(pair[1]) {
			t.Errorf("%s overlaps %s", pair[0], pair[1])
		}
	}
	seen := map[string]bool{HostIP: true, ControlPlaneIP: true}
	for _, n := range Nodes() {
		if seen[n.IP()] || !machines.Contains(netip.MustParseAddr(n.IP())) {
			t.Errorf("%s has the unusable address %s", n.Name, n.IP())
		}
		seen[n.IP()] = true
		own := netip.MustParsePrefix(n.PodCIDR())
		if !pods.Overlaps(own) || own.Bits() <= pods.Bits() {
			t.Errorf("pods of %s, %s, are not within %s", n.Name, own, pods)
		}
		for _, m := range Nodes() {
			if m != n && own.Overlaps(netip.MustParsePrefix(m.PodCIDR())) {
				t.Errorf("pods of %s and %s overlap", n.Name, m.Name)
			}
		}
	}
	for _, ip := range []string{KubernetesIP, DNSServiceIP} {
		if !services.Contains(netip.MustParseAddr(ip)) {
			t.Errorf("service address %s is not within %s", ip, services)
		}
	}
}

func TestLinkNamesFitTheKernel(t *testing.T) {
	const limit = 15
	names := []string{HostLink, Bridge}
	for _, n := range Nodes() {
		names = append(names, n.Port())
	}
	for _, name := range names {
		if len(name) > limit {
			t.Errorf("link name %q is longer than %d", name, limit)
		}
	}
}

func TestFindNodeTakesANameOrARegion(t *testing.T) {
	for _, name := range []string{"node-eu-west", "eu-west"} {
		if n, err := FindNode(name); err != nil || n.Name != "node-eu-west" {
			t.Errorf("FindNode(%q) = %v, %v", name, n, err)
		}
	}
	if n, err := FindNode("node-mars"); err == nil {
		t.Errorf("FindNode of an unknown name = %v", n)
	}
}

// Every unit must read only files that exist: those rendered here, those made
// by package pki, or the state it writes itself.
func TestUnitsReadTheFilesThatAreRendered(t *testing.T) {
	rendered := map[string]bool{}
	files, units := ControlPlaneFiles(), ControlPlaneUnits("/lab")
	for _, n := range Nodes() {
		files, units = append(files, NodeFiles(n)...), append(units, NodeUnits(n)...)
	}
	for _, f := range files {
		if rendered[f.Path] {
			t.Errorf("%s is rendered twice", f.Path)
		}
		rendered[f.Path] = true
	}
	for _, u := range units {
		for i, arg := range u.Args {
			path, found := strings.CutPrefix(arg, "--config=")
			if arg == "--config" || arg == "-conf" {
				path, found = u.Args[i+1], true
			}
			if found && !rendered[path] {
				t.Errorf("%s of %s reads %s, which nothing renders", u.Name, u.Machine, path)
			}
		}
	}
}

func TestNodesShareNoFile(t *testing.T) {
	owner := map[string]string{}
	for _, n := range Nodes() {
		for _, f := range NodeFiles(n) {
			if other, taken := owner[f.Path]; taken {
				t.Errorf("%s and %s share %s", n.Name, other, f.Path)
			}
			owner[f.Path] = n.Name
			for _, m := range Nodes() {
				if m != n && (strings.Contains(f.Content, m.Name) || strings.Contains(f.Content, m.IP())) {
					t.Errorf("%s of %s mentions %s", f.Path, n.Name, m.Name)
				}
			}
		}
	}
}

func TestKubeletKeepsPodsOnAFullDisk(t *testing.T) {
	var config struct {
		FailCgroupV1 *bool             `json:"failCgroupV1"`
		CgroupRoot   string            `json:"cgroupRoot"`
		EvictionHard map[string]string `json:"evictionHard"`
		GC           int               `json:"imageGCHighThresholdPercent"`
	}
	n := Nodes()[0]
	if err := yaml.Unmarshal([]byte(content(t, NodeFiles(n), "kubelet.yaml")), &config); err != nil {
		t.Fatal(err)
	}
	if config.FailCgroupV1 == nil || *config.FailCgroupV1 {
		t.Error("the kubelet refuses cgroup v1")
	}
	if want := "/" + Cgroup(n.Name); config.CgroupRoot != want {
		t.Errorf("pods live below cgroup %s, want %s", config.CgroupRoot, want)
	}
	for _, signal := range []string{"nodefs.available", "imagefs.available", "nodefs.inodesFree", "imagefs.inodesFree"} {
		if config.EvictionHard[signal] != "0%" {
			t.Errorf("pods are evicted at %s of %s", signal, config.EvictionHard[signal])
		}
	}
	if config.GC != 100 {
		t.Errorf("images are collected at %d%% of the disk", config.GC)
	}
}

// How soon a node counts as lost decides what failover figures mean.
func TestNodeLifecycleStaysAtItsDefaults(t *testing.T) {
	var args []string
	for _, u := range ControlPlaneUnits("/lab") {
		args = append(args, u.Args...)
	}
	for _, n := range Nodes() {
		args = append(args, content(t, NodeFiles(n), "kubelet.yaml"))
	}
	for _, word := range []string{"node-monitor", "nodeStatus", "nodeLease", "pod-eviction", "toleration-seconds"} {
		if strings.Contains(strings.Join(args, "\n"), word) {
			t.Errorf("%s is not at its default", word)
		}
	}
}

func TestManifestParsesAndPointsToTheControlPlane(t *testing.T) {
	documents := strings.Split(Manifest("Q0E="), "\n---\n")
	endpoints := 0
	for _, d := range documents {
		var object struct {
			Kind      string `json:"kind"`
			Endpoints []struct {
				Addresses []string `json:"addresses"`
			} `json:"endpoints"`
		}
		if err := yaml.Unmarshal([]byte(d), &object); err != nil || object.Kind == "" {
			t.Errorf("%v in\n%s", err, d)
		}
		for _, e := range object.Endpoints {
			endpoints++
			if len(e.Addresses) != 1 || e.Addresses[0] != ControlPlaneIP {
				t.Errorf("endpoints are at %v, want %s", e.Addresses, ControlPlaneIP)
			}
		}
	}
	if endpoints != 2 {
		t.Errorf("%d endpoints are written by hand, want DNS and metrics", endpoints)
	}
}

func content(t *testing.T, files []File, suffix string) string {
	t.Helper()
	for _, f := range files {
		if strings.HasSuffix(f.Path, suffix) {
			return f.Content
		}
	}
	t.Fatalf("no file ends in %s", suffix)
	return ""
}
