package plan

import "path/filepath"

// Unit is one long-running program of a machine.
type Unit struct {
	Machine string
	Name    string
	Program string   // name of the binary
	Args    []string // without the program's name
}

// File is a configuration file to be written before a machine's units start.
type File struct {
	Path    string
	Content string
}

// APIServerUnits is how many of the control plane's units make up the API
// server, without which the others cannot start.
const APIServerUnits = 2

func pki(name string) string { return filepath.Join(PKIDir(), name) }

// ControlPlaneUnits returns the programs of the control plane, in the order
// in which they start. self is the path of the lab's own program, which also
// contains the volume provisioner.
func ControlPlaneUnits(self string) []Unit {
	unit := func(name, program string, args ...string) Unit {
		return Unit{Machine: ControlPlane, Name: name, Program: program, Args: args}
	}
	return []Unit{
		unit("etcd", "etcd", etcdArgs()...),
		unit("kube-apiserver", "kube-apiserver", apiServerArgs()...),
		unit("kube-controller-manager", "kube-controller-manager", controllerManagerArgs()...),
		unit("kube-scheduler", "kube-scheduler",
			"--kubeconfig="+pki("kube-scheduler.kubeconfig"),
			"--authentication-kubeconfig="+pki("kube-scheduler.kubeconfig"),
			"--authorization-kubeconfig="+pki("kube-scheduler.kubeconfig"),
			"--bind-address=127.0.0.1", "--leader-elect=false"),
		unit("coredns", "coredns", "-conf", corefilePath()),
		unit("metrics-server", "metrics-server", metricsServerArgs()...),
		unit("provisioner", self, "provisioner", "--kubeconfig", pki("provisioner.kubeconfig")),
	}
}

func etcdArgs() []string {
	return []string{
		"--name=lab",
		"--data-dir=" + filepath.Join(StateDir, "etcd"),
		// Loopback of the control plane's own namespace: only the API server is there.
		"--listen-client-urls=http://127.0.0.1:2379",
		"--advertise-client-urls=http://127.0.0.1:2379",
		"--listen-peer-urls=http://127.0.0.1:2380",
		"--initial-advertise-peer-urls=http://127.0.0.1:2380",
		"--initial-cluster=lab=http://127.0.0.1:2380",
	}
}

func apiServerArgs() []string {
	return []string{
		"--etcd-servers=http://127.0.0.1:2379",
		"--bind-address=" + ControlPlaneIP,
		"--advertise-address=" + ControlPlaneIP,
		"--service-cluster-ip-range=" + ServiceCIDR,
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true",
		"--client-ca-file=" + pki("ca.crt"),
		"--tls-cert-file=" + pki("kube-apiserver.crt"),
		"--tls-private-key-file=" + pki("kube-apiserver.key"),
		"--service-account-issuer=https://kubernetes.default.svc." + ClusterDomain,
		"--service-account-key-file=" + pki("sa.pub"),
		"--service-account-signing-key-file=" + pki("sa.key"),
		"--kubelet-certificate-authority=" + pki("ca.crt"),
		"--kubelet-client-certificate=" + pki("kubelet-client.crt"),
		"--kubelet-client-key=" + pki("kubelet-client.key"),
		"--kubelet-preferred-address-types=InternalIP",
		"--requestheader-client-ca-file=" + pki("front-proxy-ca.crt"),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-username-headers=X-Remote-User",
		"--proxy-client-cert-file=" + pki("front-proxy-client.crt"),
		"--proxy-client-key-file=" + pki("front-proxy-client.key"),
		// No kube-proxy runs beside it: call webhooks and aggregated APIs at
		// their endpoints instead of their Service address.
		"--enable-aggregator-routing=true",
		"--audit-policy-file=" + auditPolicyPath(),
		"--audit-log-path=" + AuditLog(),
		"--audit-log-maxsize=1024", "--audit-log-maxbackup=1",
	}
}

func controllerManagerArgs() []string {
	kubeconfig := pki("kube-controller-manager.kubeconfig")
	return []string{
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--bind-address=127.0.0.1", "--leader-elect=false",
		"--root-ca-file=" + pki("ca.crt"),
		"--service-account-private-key-file=" + pki("sa.key"),
		"--cluster-signing-cert-file=" + pki("ca.crt"),
		"--cluster-signing-key-file=" + pki("ca.key"),
		"--use-service-account-credentials=true",
		// Pod ranges are written into each node's CNI configuration. How soon
		// a node counts as lost stays at its default: measured gaps depend on it.
		"--allocate-node-cidrs=false",
	}
}

func metricsServerArgs() []string {
	kubeconfig := pki("metrics-server.kubeconfig")
	return []string{
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--bind-address=" + ControlPlaneIP, "--secure-port=4443",
		"--tls-cert-file=" + pki("metrics-server.crt"),
		"--tls-private-key-file=" + pki("metrics-server.key"),
		"--kubelet-certificate-authority=" + pki("ca.crt"),
		"--kubelet-preferred-address-types=InternalIP",
		"--metric-resolution=15s",
	}
}

// ContainerdUnits is how many of a node's units make up containerd, without
// which the others cannot start.
const ContainerdUnits = 1

// NodeUnits returns a node's programs, in the order in which they start.
func NodeUnits(n Node) []Unit {
	unit := func(name, program string, args ...string) Unit {
		return Unit{Machine: n.Name, Name: name, Program: program, Args: args}
	}
	return []Unit{
		unit("containerd", "containerd", "--config", containerdPath(n)),
		unit("kubelet", "kubelet",
			"--config="+kubeletPath(n),
			"--kubeconfig="+pki(n.Name+".kubeconfig"),
			"--hostname-override="+n.Name,
			"--node-ip="+n.IP(),
			"--root-dir="+KubeletDir(n),
			"--node-labels=topology.kubernetes.io/region="+n.Region+
				",topology.kubernetes.io/zone="+n.Zone()),
		unit("kube-proxy", "kube-proxy", "--config="+kubeProxyPath(n),
			"--hostname-override="+n.Name),
	}
}
