package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/fediflow/fediflow-operator/hack/lab/internal/host"
	"github.com/fediflow/fediflow-operator/hack/lab/internal/plan"
)

// Down removes the lab and all its data from the machine, whoever started it,
// and checks that nothing is left.
func (l *Lab) Down() error {
	if err := host.CheckMachine(); err != nil {
		return err
	}
	if err := l.lock(); err != nil {
		return err
	}
	// Killed, not stopped: all data goes, and the API server would spend a
	// minute on saying goodbye to its watchers.
	if err := host.KillMembers(plan.CgroupRoot); err != nil {
		return err
	}
	l.Say("ended all processes")
	if err := host.UnmountBelow(plan.RunDir, plan.StateDir); err != nil {
		return err
	}
	for _, n := range plan.Nodes() {
		removeTraces(n)
	}
	if err := removeNetwork(); err != nil {
		return err
	}
	if err := host.RemoveCgroup(plan.CgroupRoot); err != nil {
		return err
	}
	l.Say("removed mounts, network and cgroups")
	for _, path := range []string{plan.StateDir, plan.RunDir, filepath.Join(l.Root, ".lab", "kubeconfig")} {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove %s: %w", path, err)
		}
	}
	if left := leftovers(); len(left) > 0 {
		return fmt.Errorf("the lab is down, but this is left:\n  %s", strings.Join(left, "\n  "))
	}
	l.Say("the lab is down, nothing is left of it")
	return nil
}

func removeNetwork() error {
	for _, n := range plan.Nodes() {
		if err := removeNodeNetwork(n); err != nil {
			return err
		}
	}
	if err := host.DeleteNetns(plan.Netns(plan.ControlPlane)); err != nil {
		return err
	}
	if host.LinkState("", plan.HostLink) == "missing" {
		return nil
	}
	return host.RunAll("ip link delete " + plan.HostLink)
}

// leftovers lists what a lab consists of and should be gone.
func leftovers() []string {
	var left []string
	for _, pid := range host.Members(plan.CgroupRoot) {
		left = append(left, fmt.Sprintf("process %d", pid))
	}
	mounts, err := host.MountsBelow(plan.RunDir, plan.StateDir)
	if err != nil {
		left = append(left, err.Error())
	}
	for _, m := range mounts {
		left = append(left, "mount "+m)
	}
	for _, ns := range host.Namespaces(plan.Netns("")) {
		left = append(left, "network namespace "+ns)
	}
	if host.LinkState("", plan.HostLink) != "missing" {
		left = append(left, "network link "+plan.HostLink)
	}
	for _, dir := range host.CgroupFolders(plan.CgroupRoot) {
		left = append(left, "cgroup "+dir)
	}
	for _, dir := range []string{plan.RunDir, plan.StateDir} {
		if _, err := os.Stat(dir); err == nil {
			left = append(left, "folder "+dir)
		}
	}
	return left
}
