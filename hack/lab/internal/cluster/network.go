package cluster

import (
	"fmt"

	"github.com/fediflow/fediflow-operator/hack/lab/internal/host"
	"github.com/fediflow/fediflow-operator/hack/lab/internal/plan"
)

// The bridge that joins the machines is inside the control plane's namespace,
// not on the host: the host's firewall never sees traffic between nodes, and
// everything goes away with the namespace. The host has one veth pair into it.

// ensureControlPlaneNetwork makes what is missing of the control plane's
// namespace, its bridge and the host's way to it.
func ensureControlPlaneNetwork() error {
	ns := plan.Netns(plan.ControlPlane)
	if !host.HasNetns(ns) {
		if err := host.AddNetns(ns); err != nil {
			return err
		}
	}
	if host.LinkState(ns, plan.Bridge) == "missing" {
		err := host.RunAll(
			fmt.Sprintf("ip -n %s link add %s type bridge", ns, plan.Bridge),
			fmt.Sprintf("ip -n %s addr add %s/%d dev %s", ns, plan.ControlPlaneIP, plan.MachineBits, plan.Bridge),
			fmt.Sprintf("ip -n %s link set %s up", ns, plan.Bridge),
		)
		if err != nil {
			return err
		}
		if err := addPodRoutes("-n "+ns, ""); err != nil {
			return err
		}
	}
	if host.LinkState("", plan.HostLink) != "missing" {
		return nil
	}
	err := host.RunAll(
		fmt.Sprintf("ip -n %s link add host0 type veth peer name %s netns 1", ns, plan.HostLink),
		fmt.Sprintf("ip -n %s link set host0 master %s up", ns, plan.Bridge),
		fmt.Sprintf("ip addr add %s/%d dev %s", plan.HostIP, plan.MachineBits, plan.HostLink),
		fmt.Sprintf("ip link set %s up", plan.HostLink),
	)
	if err != nil {
		return err
	}
	return addPodRoutes("", "")
}

// addPodRoutes adds the plain routes to the pods of all nodes but one. where
// selects the namespace as an option of ip.
func addPodRoutes(where, except string) error {
	for _, n := range plan.Nodes() {
		if n.Name == except {
			continue
		}
		if err := host.RunAll(fmt.Sprintf("ip %s route replace %s via %s", where, n.PodCIDR(), n.IP())); err != nil {
			return err
		}
	}
	return nil
}

// ensureNodeNetwork makes a node's namespace and its link to the bridge.
func ensureNodeNetwork(n plan.Node) error {
	ns, bridge := plan.Netns(n.Name), plan.Netns(plan.ControlPlane)
	if host.HasNetns(ns) && host.LinkState(bridge, n.Port()) != "missing" {
		return nil
	}
	if err := removeNodeNetwork(n); err != nil {
		return err
	}
	if err := host.AddNetns(ns); err != nil {
		return err
	}
	err := host.RunAll(
		fmt.Sprintf("ip -n %s link add %s type veth peer name eth0 netns %s", bridge, n.Port(), ns),
		fmt.Sprintf("ip -n %s link set %s master %s up", bridge, n.Port(), plan.Bridge),
		fmt.Sprintf("ip -n %s addr add %s/%d dev eth0", ns, n.IP(), plan.MachineBits),
		fmt.Sprintf("ip -n %s link set eth0 up", ns),
		// Service addresses need some route before kube-proxy's rules rewrite
		// them. There is no default route: nothing leaves the lab.
		fmt.Sprintf("ip -n %s route add %s dev eth0", ns, plan.ServiceCIDR),
	)
	if err != nil {
		return err
	}
	if err := addPodRoutes("-n "+ns, n.Name); err != nil {
		return err
	}
	return host.SetSysctls(ns, "net.ipv4.ip_forward=1", "net.bridge.bridge-nf-call-iptables=1",
		"net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0")
}

// removeNodeNetwork removes a node's link and namespace. The link first: the
// kernel takes it down with the namespace, but only some time later.
func removeNodeNetwork(n plan.Node) error {
	bridge := plan.Netns(plan.ControlPlane)
	if host.LinkState(bridge, n.Port()) != "missing" {
		if err := host.RunAll(fmt.Sprintf("ip -n %s link delete %s", bridge, n.Port())); err != nil {
			return err
		}
	}
	return host.DeleteNetns(plan.Netns(n.Name))
}
