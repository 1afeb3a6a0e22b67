// Package plan says what the lab consists of: its machines, addresses, paths,
// programs and their configuration. It is pure: it reads no file, starts no
// process and asks no clock, so that all of it can be tested as values.
package plan

import (
	"fmt"
	"path/filepath"
)

// Addresses. They are private to the lab's own network namespaces; only the
// host's end of one veth pair (HostIP) is visible outside of them.
const (
	HostIP         = "10.245.0.1"
	ControlPlaneIP = "10.245.0.2"
	MachineBits    = 24
	PodCIDR        = "10.244.0.0/16"
	ServiceCIDR    = "10.96.0.0/16"
	KubernetesIP   = "10.96.0.1"
	DNSServiceIP   = "10.96.0.10"
	ClusterDomain  = "cluster.local"
	APIServerPort  = 6443
	APIServerURL   = "https://" + ControlPlaneIP + ":6443"
)

// Names on the host.
const (
	HostLink     = "fflab0"       // the host's end of the veth pair into the lab
	Bridge       = "br0"          // inside the control plane's namespace
	CgroupRoot   = "fediflow-lab" // in every cgroup hierarchy
	ControlPlane = "control-plane"
	netnsPrefix  = "fediflow-lab-"
)

// Where the lab keeps its state. Everything below these two folders belongs
// to the lab and is thrown away by `lab down`.
const (
	StateDir = "/var/lib/fediflow-lab"
	RunDir   = "/run/fediflow-lab"
)

// PauseImage is the sandbox image of every pod; the lab builds it itself.
const PauseImage = "docker.io/fediflow/lab-pause:1"

// Node is one of the cluster's machines.
type Node struct {
	Name   string
	Region string
	Number int // 1-based; part of its addresses
}

// Nodes returns the lab's nodes, one a region.
func Nodes() []Node {
	regions := []string{"us-east", "eu-west", "asia-pacific"}
	nodes := make([]Node, 0, len(regions))
	for i, r := range regions {
		nodes = append(nodes, Node{Name: "node-" + r, Region: r, Number: i + 1})
	}
	return nodes
}

// FindNode returns the node with that name; the prefix "node-" may be left out.
func FindNode(name string) (Node, error) {
	var names []string
	for _, n := range Nodes() {
		if n.Name == name || n.Region == name {
			return n, nil
		}
		names = append(names, n.Name)
	}
	return Node{}, fmt.Errorf("there is no node %q; the nodes are %v", name, names)
}

// IP is the node's address on the machines' network.
func (n Node) IP() string { return fmt.Sprintf("10.245.0.%d", 10+n.Number) }

// PodCIDR is the range of the node's pods.
func (n Node) PodCIDR() string { return fmt.Sprintf("10.244.%d.0/24", n.Number) }

// Port is the name of the node's port on the bridge.
func (n Node) Port() string { return fmt.Sprintf("port%d", n.Number) }

// Zone is the node's failure domain.
func (n Node) Zone() string { return n.Region + "-a" }

// Dir holds what a node keeps over a reboot.
func (n Node) Dir() string { return filepath.Join(StateDir, "nodes", n.Name) }

// RunDir holds what a node loses in a reboot.
func (n Node) RunDir() string { return filepath.Join(RunDir, "nodes", n.Name) }

// Socket is the address of the node's containerd.
func (n Node) Socket() string { return filepath.Join(n.RunDir(), "containerd.sock") }

// Machines are the names of the control plane and of all nodes.
func Machines() []string {
	names := []string{ControlPlane}
	for _, n := range Nodes() {
		names = append(names, n.Name)
	}
	return names
}

// Netns is the network namespace of a machine.
func Netns(machine string) string { return netnsPrefix + machine }

// Cgroup is the cgroup below which all processes of a machine live, relative
// to the root of a hierarchy.
func Cgroup(machine string) string { return CgroupRoot + "/" + machine }

// SystemCgroup holds a machine's own programs, beside the pods.
func SystemCgroup(machine string) string { return Cgroup(machine) + "/system" }

// PKIDir holds certificates and kubeconfigs.
func PKIDir() string { return filepath.Join(StateDir, "pki") }

// Kubeconfig is the administrator's kubeconfig.
func Kubeconfig() string { return filepath.Join(RunDir, "kubeconfig") }

// AuditLog is where the API server writes one line a request.
func AuditLog() string { return filepath.Join(StateDir, "logs", ControlPlane, "audit.log") }

// VolumeDir holds the persistent volumes of all nodes.
func VolumeDir() string { return filepath.Join(StateDir, "volumes") }

// LogFile is the log of one unit of a machine.
func LogFile(machine, unit string) string {
	return filepath.Join(StateDir, "logs", machine, unit+".log")
}

// PIDFile remembers the process of one unit of a machine.
func PIDFile(machine, unit string) string {
	return filepath.Join(RunDir, "units", machine, unit+".json")
}
