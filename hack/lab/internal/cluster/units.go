package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"slices"

	"github.com/fediflow/fediflow-operator/hack/lab/internal/host"
	"github.com/fediflow/fediflow-operator/hack/lab/internal/plan"
)

// running tells whether a unit's process lives.
func running(u plan.Unit) bool {
	_, ok := host.Recall(plan.PIDFile(u.Machine, u.Name))
	return ok
}

// startUnits starts those units that do not run.
func (l *Lab) startUnits(units []plan.Unit) error {
	for _, u := range units {
		if running(u) {
			continue
		}
		if err := l.startUnit(u); err != nil {
			return fmt.Errorf("start %s of %s: %w", u.Name, u.Machine, err)
		}
		l.Say("started %s of %s", u.Name, u.Machine)
	}
	return nil
}

func (l *Lab) startUnit(u plan.Unit) error {
	program := l.Build.Path(u.Program)
	if _, err := exec.LookPath(program); err != nil {
		return err
	}
	return host.Start(host.Spec{
		Netns: plan.Netns(u.Machine),
		// One hierarchy is enough to find every process of a machine again.
		Cgroups: []string{host.TrackingCgroup(plan.SystemCgroup(u.Machine))},
		Program: program,
		Args:    u.Args,
		Log:     plan.LogFile(u.Machine, u.Name),
		PIDFile: plan.PIDFile(u.Machine, u.Name),
	})
}

// controlPlaneUnits are the control plane's units with this very program as
// the volume provisioner.
func controlPlaneUnits() ([]plan.Unit, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own program: %w", err)
	}
	return plan.ControlPlaneUnits(self), nil
}

func writeFiles(files []plan.File) error {
	for _, f := range files {
		if err := host.WriteFile(f.Path, f.Content); err != nil {
			return err
		}
	}
	return nil
}

// deadUnits names the units that do not run, of the control plane's and of all
// nodes'.
func deadUnits(controlPlane []plan.Unit) []string {
	units := slices.Clone(controlPlane)
	for _, n := range plan.Nodes() {
		units = append(units, plan.NodeUnits(n)...)
	}
	var dead []string
	for _, u := range units {
		if !running(u) {
			dead = append(dead, u.Name+" of "+u.Machine)
		}
	}
	return dead
}
