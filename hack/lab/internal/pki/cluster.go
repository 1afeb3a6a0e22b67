package pki

import (
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/fediflow/fediflow-operator/hack/lab/internal/plan"
)

// complete is written last: a set without it was interrupted and is made anew.
const complete = "complete"

// servers returns who serves TLS, by the name of their files.
func servers() map[string]Subject {
	s := map[string]Subject{
		"kube-apiserver": {User: "kube-apiserver", Hosts: []string{
			"kubernetes", "kubernetes.default", "kubernetes.default.svc",
			"kubernetes.default.svc." + plan.ClusterDomain, "localhost",
			plan.KubernetesIP, plan.ControlPlaneIP, "127.0.0.1",
		}},
		"metrics-server": {User: "metrics-server", Hosts: []string{
			"metrics-server.kube-system.svc", plan.ControlPlaneIP,
		}},
	}
	for _, n := range plan.Nodes() {
		s[n.Name+"-serving"] = Subject{User: "system:node:" + n.Name, Groups: []string{"system:nodes"},
			Hosts: []string{n.Name, n.IP()}}
	}
	return s
}

// clients returns who talks to the API server by a kubeconfig, by its name.
func clients() map[string]Subject {
	c := map[string]Subject{
		"admin":                   {User: "lab:admin", Groups: []string{"system:masters"}},
		"kube-controller-manager": {User: "system:kube-controller-manager"},
		"kube-scheduler":          {User: "system:kube-scheduler"},
		"kube-proxy":              {User: "system:kube-proxy"},
		"coredns":                 {User: "lab:coredns"},
		"metrics-server":          {User: "lab:metrics-server"},
		"provisioner":             {User: "lab:provisioner"},
	}
	for _, n := range plan.Nodes() {
		c[n.Name] = Subject{User: "system:node:" + n.Name, Groups: []string{"system:nodes"}}
	}
	return c
}

// Ensure makes everything in dir unless it is there already.
func Ensure(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, complete)); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make %s: %w", dir, err)
	}
	ca, pair, err := NewAuthority("fediflow-lab")
	if err != nil {
		return err
	}
	if err := writePair(dir, "ca", pair); err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error { return writeServers(dir, ca) },
		func() error { return writeKubeconfigs(dir, ca) },
		func() error { return writeFrontProxy(dir) },
		func() error { return writeSigningKey(dir) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return write(dir, complete, nil)
}

func writeServers(dir string, ca *Authority) error {
	for name, subject := range servers() {
		pair, err := ca.Issue(subject)
		if err != nil {
			return err
		}
		if err := writePair(dir, name, pair); err != nil {
			return err
		}
	}
	pair, err := ca.Issue(Subject{User: "kube-apiserver-kubelet-client"})
	if err != nil {
		return err
	}
	return writePair(dir, "kubelet-client", pair)
}

func writeKubeconfigs(dir string, ca *Authority) error {
	for name, subject := range clients() {
		pair, err := ca.Issue(subject)
		if err != nil {
			return err
		}
		content, err := clientcmd.Write(kubeconfig(ca.PEM, pair))
		if err != nil {
			return fmt.Errorf("encode kubeconfig of %s: %w", name, err)
		}
		if err := write(dir, name+".kubeconfig", content); err != nil {
			return err
		}
	}
	return nil
}

func kubeconfig(ca []byte, pair Pair) api.Config {
	const name = "fediflow-lab"
	c := api.NewConfig()
	c.Clusters[name] = &api.Cluster{Server: plan.APIServerURL, CertificateAuthorityData: ca}
	c.AuthInfos[name] = &api.AuthInfo{ClientCertificateData: pair.Cert, ClientKeyData: pair.Key}
	c.Contexts[name] = &api.Context{Cluster: name, AuthInfo: name}
	c.CurrentContext = name
	return *c
}

func writeFrontProxy(dir string) error {
	ca, pair, err := NewAuthority("fediflow-lab-front-proxy")
	if err != nil {
		return err
	}
	if err := writePair(dir, "front-proxy-ca", pair); err != nil {
		return err
	}
	client, err := ca.Issue(Subject{User: "front-proxy-client"})
	if err != nil {
		return err
	}
	return writePair(dir, "front-proxy-client", client)
}

func writeSigningKey(dir string) error {
	private, public, err := signingKey()
	if err != nil {
		return err
	}
	if err := write(dir, "sa.key", private); err != nil {
		return err
	}
	return write(dir, "sa.pub", public)
}
