package host

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
)

// programs maps a program that the lab calls to the Debian package it is in.
var programs = map[string]string{
	"containerd":                         "containerd",
	"runc":                               "runc",
	"/usr/lib/cni/bridge":                "containernetworking-plugins",
	"nft":                                "nftables",
	"iptables":                           "iptables",
	"ip":                                 "iproute2",
	"npm":                                "npm",
	"conntrack":                          "conntrack",
	"debootstrap":                        "debootstrap",
	"buildah":                            "buildah",
	"nsenter":                            "util-linux",
	"/etc/ssl/certs/ca-certificates.crt": "ca-certificates",
}

// CheckMachine tells in one sentence why the lab cannot run here, if so.
func CheckMachine() error {
	const instead = "to use a cluster that exists, run `make deploy KUBECONFIG=… IMG=…`"
	if runtime.GOOS != "linux" {
		return fmt.Errorf("the lab needs Linux, this is %s; %s", runtime.GOOS, instead)
	}
	if os.Geteuid() != 0 {
		return errors.New("the lab needs root, for network namespaces, mounts and cgroups; " + instead)
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return errors.New("the lab needs Debian or Ubuntu, apt-get is missing; " + instead)
	}
	return nil
}

// EnsurePackages installs the Debian packages whose programs are missing.
func EnsurePackages() error {
	var missing []string
	for program, pkg := range programs {
		if _, err := exec.LookPath(program); err == nil {
			continue
		}
		if _, err := os.Stat(program); err == nil {
			continue
		}
		missing = append(missing, pkg)
	}
	if len(missing) == 0 {
		return nil
	}
	fmt.Fprintln(os.Stderr, "installing Debian packages:", missing)
	quiet := []string{"DEBIAN_FRONTEND=noninteractive"}
	install := append([]string{"install", "-y", "-q", "--no-install-recommends"}, missing...)
	if err := Stream("", quiet, "apt-get", install...); err == nil {
		return nil
	}
	if err := Stream("", quiet, "apt-get", "update", "-q"); err != nil {
		return err
	}
	return Stream("", quiet, "apt-get", install...)
}

// LoadModules loads the kernel modules that nothing else loads on demand.
// A kernel may have them built in, so failing is no error here: what really
// lacks shows when it is used.
func LoadModules() {
	_, _ = Run("modprobe", "-a", "br_netfilter", "overlay", "nf_tables")
}
