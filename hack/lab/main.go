// Command lab brings up a real Kubernetes with three nodes on one Linux
// machine, breaks its nodes and takes it down again. See README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/fediflow/fediflow-operator/hack/lab/internal/cluster"
	imagestore "github.com/fediflow/fediflow-operator/hack/lab/internal/images"
	"github.com/fediflow/fediflow-operator/hack/lab/internal/provision"
)

const help = `lab: a real Kubernetes with three nodes on this machine. Run as root.

  lab up                            bring up the cluster, or what is missing of it
  lab down                          remove the cluster and all its data
  lab status                        show what runs and where its files are
  lab images [--tag T] [--fresh] [NAME...]
                                    build images and give them to the nodes
  lab node crash NAME               pull a node's plug
  lab node partition NAME           unplug a node's network cable
  lab node heal NAME                undo both
  lab logs NAME [UNIT]              show the logs of a node or of control-plane
  lab binaries [PROGRAM...]         build the cluster's programs, print their folders
  lab kubectl ARGS...               run kubectl as the administrator

The kubeconfig is .lab/kubeconfig of the checkout. There is one lab a machine.
`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		fmt.Print(help)
		return nil
	}
	if args[0] == "provisioner" { // a unit of the control plane, not for users
		return provisioner(args[1:])
	}
	command, known := commands[args[0]]
	if !known {
		return fmt.Errorf("there is no command %q; see `lab help`", args[0])
	}
	lab, err := cluster.New()
	if err != nil {
		return err
	}
	return command(lab, args[1:])
}

// commands are what a user can ask for.
var commands = map[string]func(lab *cluster.Lab, args []string) error{
	"up":       func(lab *cluster.Lab, _ []string) error { return lab.Up() },
	"down":     func(lab *cluster.Lab, _ []string) error { return lab.Down() },
	"status":   func(lab *cluster.Lab, _ []string) error { return lab.Status() },
	"images":   images,
	"node":     node,
	"logs":     logs,
	"binaries": binaries,
	"kubectl":  kubectl,
}

func node(lab *cluster.Lab, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: lab node crash|partition|heal NAME")
	}
	return lab.Node(args[0], args[1])
}

func logs(lab *cluster.Lab, args []string) error {
	if len(args) == 0 || len(args) > 2 {
		return errors.New("usage: lab logs NAME [UNIT]")
	}
	return lab.Logs(args[0], args[1:]...)
}

func kubectl(lab *cluster.Lab, args []string) error {
	return syscall.Exec(lab.Kubectl(), append([]string{"kubectl"}, args...), lab.KubectlEnv())
}

func binaries(lab *cluster.Lab, programs []string) error {
	dirs, err := lab.Build.Ensure(programs...)
	if err != nil {
		return err
	}
	fmt.Println(strings.Join(dirs, "\n"))
	return nil
}

func images(lab *cluster.Lab, args []string) error {
	flags := flag.NewFlagSet("lab images", flag.ContinueOnError)
	tag := flags.String("tag", "0.1.0", "tag of the images")
	fresh := flags.Bool("fresh", false, "make the base images anew, with Debian's current packages")
	if err := flags.Parse(args); err != nil {
		return err
	}
	freshness := imagestore.Cached
	if *fresh {
		freshness = imagestore.Fresh
	}
	return lab.Images(*tag, freshness, flags.Args())
}

func provisioner(args []string) error {
	flags := flag.NewFlagSet("lab provisioner", flag.ContinueOnError)
	kubeconfig := flags.String("kubeconfig", "", "how to reach the cluster")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return provision.Run(ctx, *kubeconfig)
}
