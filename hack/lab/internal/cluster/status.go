package cluster

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/fediflow/fediflow-operator/hack/lab/internal/host"
	"github.com/fediflow/fediflow-operator/hack/lab/internal/plan"
)

// Status prints what runs, the state of the nodes and where the files are.
func (l *Lab) Status() error {
	if !isUp() {
		fmt.Println("the lab is down")
		return nil
	}
	units, err := controlPlaneUnits()
	if err != nil {
		return err
	}
	printMachine(plan.ControlPlane, plan.ControlPlaneIP, "", units)
	for _, n := range plan.Nodes() {
		printMachine(n.Name, n.IP(), faultOf(n), plan.NodeUnits(n))
	}
	fmt.Printf("\nkubeconfig  %s\naudit log   %s\nlogs        %s\nvolumes     %s\n", plan.Kubeconfig(),
		plan.AuditLog(), filepath.Dir(filepath.Dir(plan.AuditLog())), plan.VolumeDir())
	out, err := l.kubectl("", "get", "nodes", "--request-timeout=3s", "-L", "topology.kubernetes.io/region")
	if err != nil {
		return fmt.Errorf("the API server does not answer: %w", err)
	}
	fmt.Printf("\n%s", out)
	return nil
}

func printMachine(name, address, fault string, units []plan.Unit) {
	fmt.Printf("%-18s %-12s %s\n", name, address, fault)
	for _, u := range units {
		p, alive := host.Recall(plan.PIDFile(u.Machine, u.Name))
		state := "not running"
		if alive {
			state = fmt.Sprintf("running, process %d", p.PID)
		}
		fmt.Printf("  %-24s %s\n", u.Name, state)
	}
}

// faultOf says in a word what is wrong with a node, if anything.
func faultOf(n plan.Node) string {
	switch host.LinkState(plan.Netns(plan.ControlPlane), n.Port()) {
	case "up":
		return ""
	case "down":
		return "partitioned"
	}
	return "off"
}

// Logs prints the logs of one unit of a machine, or of all.
func (l *Lab) Logs(machine string, unit ...string) error {
	if n, err := plan.FindNode(machine); err == nil {
		machine = n.Name
	} else if machine != plan.ControlPlane {
		return err
	}
	pattern := plan.LogFile(machine, "*")
	if len(unit) > 0 {
		pattern = plan.LogFile(machine, unit[0])
	}
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		return fmt.Errorf("there is no log %s", pattern)
	}
	for _, f := range files {
		content, err := os.ReadFile(f)
		if err != nil {
			return fmt.Errorf("read log: %w", err)
		}
		if len(files) > 1 {
			fmt.Printf("==> %s <==\n", f)
		}
		if _, err := os.Stdout.Write(content); err != nil {
			return fmt.Errorf("print log: %w", err)
		}
	}
	return nil
}

// KubectlEnv is the environment in which kubectl finds the cluster.
func (l *Lab) KubectlEnv() []string {
	return append(os.Environ(), "KUBECONFIG="+plan.Kubeconfig())
}
