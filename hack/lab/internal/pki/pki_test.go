package pki

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/fediflow/fediflow-operator/hack/lab/internal/plan"
)

func parse(t *testing.T, text []byte) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatal("no PEM block")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// made makes a full set once and returns its folder and the CA's pool.
func made(t *testing.T) (string, *x509.CertPool) {
	t.Helper()
	dir := t.TempDir()
	if err := Ensure(dir); err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parse(t, read(t, dir, "ca.crt")))
	return dir, pool
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestServersAreTrustedUnderTheNamesTheyAreCalledBy(t *testing.T) {
	dir, pool := made(t)
	calls := map[string][]string{
		"kube-apiserver": {"kubernetes.default.svc", "kubernetes.default.svc.cluster.local", plan.KubernetesIP, plan.ControlPlaneIP},
		"metrics-server": {"metrics-server.kube-system.svc"},
	}
	for _, n := range plan.Nodes() {
		calls[n.Name+"-serving"] = []string{n.IP()}
	}
	for server, names := range calls {
		cert := parse(t, read(t, dir, server+".crt"))
		for _, name := range names {
			if _, err := cert.Verify(x509.VerifyOptions{DNSName: name, Roots: pool}); err != nil {
				t.Errorf("%s called as %s: %v", server, name, err)
			}
		}
		if _, err := cert.Verify(x509.VerifyOptions{DNSName: "example.com", Roots: pool}); err == nil {
			t.Errorf("%s is trusted under a foreign name", server)
		}
	}
}

func TestNodesAuthenticateAsNodesAndAreNoAdministrators(t *testing.T) {
	dir, pool := made(t)
	for _, n := range plan.Nodes() {
		config, err := clientcmd.LoadFromFile(filepath.Join(dir, n.Name+".kubeconfig"))
		if err != nil {
			t.Fatal(err)
		}
		cert := parse(t, config.AuthInfos[config.Contexts[config.CurrentContext].AuthInfo].ClientCertificateData)
		if cert.Subject.CommonName != "system:node:"+n.Name {
			t.Errorf("%s is user %s", n.Name, cert.Subject.CommonName)
		}
		if len(cert.Subject.Organization) != 1 || cert.Subject.Organization[0] != "system:nodes" {
			t.Errorf("%s is in groups %v", n.Name, cert.Subject.Organization)
		}
		use := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		if _, err := cert.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: use}); err != nil {
			t.Errorf("%s: %v", n.Name, err)
		}
	}
}

func TestOnlyTheAdministratorIsOne(t *testing.T) {
	for name, subject := range clients() {
		for _, group := range subject.Groups {
			if group == "system:masters" && name != "admin" {
				t.Errorf("%s is an administrator", name)
			}
		}
	}
}

func TestTheFrontProxyHasAnAuthorityOfItsOwn(t *testing.T) {
	dir, pool := made(t)
	cert := parse(t, read(t, dir, "front-proxy-client.crt"))
	use := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: use}); err == nil {
		t.Error("the cluster's CA vouches for the front proxy: any client could pose as it")
	}
}

func TestASecondCallKeepsEverything(t *testing.T) {
	dir, _ := made(t)
	before := string(read(t, dir, "ca.crt"))
	if err := Ensure(dir); err != nil {
		t.Fatal(err)
	}
	if string(read(t, dir, "ca.crt")) != before {
		t.Error("the CA of a running cluster was replaced")
	}
}
