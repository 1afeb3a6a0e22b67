package cluster

import (
	"errors"
	"fmt"
	"os"

	"github.com/fediflow/fediflow-operator/hack/lab/internal/host"
	"github.com/fediflow/fediflow-operator/hack/lab/internal/plan"
)

// Node breaks or heals a node: crash, partition or heal.
func (l *Lab) Node(action, name string) error {
	n, err := plan.FindNode(name)
	if err != nil {
		return err
	}
	if err := host.CheckMachine(); err != nil {
		return err
	}
	if !isUp() {
		return errors.New("the lab is down; run `lab up` first")
	}
	if err := l.lock(); err != nil {
		return err
	}
	switch action {
	case "partition":
		return l.partition(n)
	case "crash":
		return l.crash(n)
	case "heal":
		return l.startNode(n)
	}
	return fmt.Errorf("unknown fault %q: use crash, partition or heal", action)
}

// partition unplugs a node's cable. Everything on the node goes on.
func (l *Lab) partition(n plan.Node) error {
	if err := setPort(n, "down"); err != nil {
		return err
	}
	l.Say("%s is cut off", n.Name)
	return nil
}

func setPort(n plan.Node, state string) error {
	return host.RunAll(fmt.Sprintf("ip -n %s link set %s %s", plan.Netns(plan.ControlPlane), n.Port(), state))
}

// crash pulls a node's plug. The cable goes first: a machine without power
// does not say goodbye, and a dying process would.
func (l *Lab) crash(n plan.Node) error {
	if state := host.LinkState(plan.Netns(plan.ControlPlane), n.Port()); state != "missing" {
		if err := setPort(n, "down"); err != nil {
			return err
		}
	}
	if err := host.KillMembers(plan.Cgroup(n.Name)); err != nil {
		return err
	}
	if err := removeNodeNetwork(n); err != nil {
		return err
	}
	l.Say("%s is dead", n.Name)
	return nil
}

// repair makes a node that crashed fit to start, as a reboot does, and plugs
// in the cable of one that was cut off.
func (l *Lab) repair(n plan.Node) error {
	switch host.LinkState(plan.Netns(plan.ControlPlane), n.Port()) {
	case "up":
		return nil
	case "down":
		if host.HasNetns(plan.Netns(n.Name)) {
			l.Say("plugging in %s", n.Name)
			return setPort(n, "up")
		}
	}
	return reboot(n)
}

// reboot removes what a machine loses in a reboot: processes, mounts,
// cgroups, network and all of /run.
func reboot(n plan.Node) error {
	if err := host.KillMembers(plan.Cgroup(n.Name)); err != nil {
		return err
	}
	if err := host.UnmountBelow(n.RunDir(), n.Dir()); err != nil {
		return err
	}
	removeTraces(n)
	if err := removeNodeNetwork(n); err != nil {
		return err
	}
	if err := host.RemoveCgroup(plan.Cgroup(n.Name)); err != nil {
		return err
	}
	if err := os.RemoveAll(n.RunDir()); err != nil {
		return fmt.Errorf("remove %s: %w", n.RunDir(), err)
	}
	return nil
}
