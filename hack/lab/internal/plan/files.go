package plan

import (
	"embed"
	"fmt"
	"path/filepath"
	"strings"
	"text/template"
)

//go:embed assets
var assets embed.FS

// KubeletDir is the kubelet's root: pods' volumes live below it.
func KubeletDir(n Node) string { return filepath.Join(n.Dir(), "kubelet") }

func containerdPath(n Node) string { return filepath.Join(n.Dir(), "containerd.toml") }
func kubeletPath(n Node) string    { return filepath.Join(n.Dir(), "kubelet.yaml") }
func kubeProxyPath(n Node) string  { return filepath.Join(n.Dir(), "kube-proxy.yaml") }
func cniDir(n Node) string         { return filepath.Join(n.Dir(), "cni") }
func resolvConfPath() string       { return filepath.Join(StateDir, "etc", "resolv.conf") }
func corefilePath() string         { return filepath.Join(StateDir, "etc", "Corefile") }
func auditPolicyPath() string      { return filepath.Join(StateDir, "etc", "audit-policy.yaml") }

// ControlPlaneFiles are the configuration files of the control plane.
func ControlPlaneFiles() []File {
	values := map[string]any{
		"Listen":     ControlPlaneIP,
		"Domain":     ClusterDomain,
		"Kubeconfig": pki("coredns.kubeconfig"),
	}
	return []File{
		{corefilePath(), render("Corefile", values)},
		{auditPolicyPath(), render("audit-policy.yaml", values)},
		// Pods inherit nothing of the host's resolver: search domains of the
		// host would leak into them.
		{resolvConfPath(), "# the lab resolves cluster names only\n"},
	}
}

// NodeFiles are the configuration files of one node.
func NodeFiles(n Node) []File {
	values := map[string]any{
		"Name": n.Name, "IP": n.IP(), "PodCIDR": n.PodCIDR(), "ClusterCIDR": PodCIDR,
		"Dir": n.Dir(), "RunDir": n.RunDir(), "Socket": n.Socket(),
		"CNIConf": cniDir(n), "PauseImage": PauseImage, "PKI": PKIDir(),
		"Cgroup": "/" + Cgroup(n.Name), "ResolvConf": resolvConfPath(),
		"DNS": DNSServiceIP, "Domain": ClusterDomain,
	}
	return []File{
		{containerdPath(n), render("containerd.toml", values)},
		{kubeletPath(n), render("kubelet.yaml", values)},
		{kubeProxyPath(n), render("kube-proxy.yaml", values)},
		{filepath.Join(cniDir(n), "10-lab.conflist"), render("cni.conflist", values)},
	}
}

// Manifest is what the cluster itself needs: names and rights for DNS, the
// metrics API and the volume provisioner, which all run outside of it.
// caBundle is the cluster's CA in base64.
func Manifest(caBundle string) string {
	return render("cluster.yaml", map[string]any{
		"Address": ControlPlaneIP, "DNS": DNSServiceIP, "CABundle": caBundle,
		"Provisioner": ProvisionerName, "StorageClass": StorageClass,
	})
}

// ProvisionerName is how claims name the lab's volume provisioner.
const ProvisionerName = "lab.fediflow.io/local"

// StorageClass is the default storage class.
const StorageClass = "lab-local"

// render fills in one of the embedded templates. A template that does not
// parse or lacks a value is a defect of this program, so it panics; the tests
// render every template.
func render(name string, values map[string]any) string {
	text, err := assets.ReadFile("assets/" + name)
	if err != nil {
		panic(fmt.Sprintf("read template %s: %v", name, err))
	}
	t := template.Must(template.New(name).Option("missingkey=error").Parse(string(text)))
	var out strings.Builder
	if err := t.Execute(&out, values); err != nil {
		panic(fmt.Sprintf("render template %s: %v", name, err))
	}
	return out.String()
}
