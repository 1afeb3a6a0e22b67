package kube

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	accore "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/fediflow/fediflow-operator/internal/plan"
)

// User is the numeric user and group that an image runs as.
type User int64

// The users of our images.
const (
	ServiceUser     User = 999
	ExporterUser    User = 998
	ApplicationUser User = 1000
)

// PodSpec starts a pod that Pod Security restricted admits and that gets no service account token.
func PodSpec(p plan.Plan, user User) *accore.PodSpecApplyConfiguration {
	spec := accore.PodSpec().
		WithAutomountServiceAccountToken(false).
		WithEnableServiceLinks(false).
		WithSecurityContext(accore.PodSecurityContext().
			WithRunAsNonRoot(true).
			WithRunAsUser(int64(user)).
			WithRunAsGroup(int64(user)).
			WithFSGroup(int64(user)).
			WithFSGroupChangePolicy(corev1.FSGroupChangeOnRootMismatch).
			WithSeccompProfile(accore.SeccompProfile().WithType(corev1.SeccompProfileTypeRuntimeDefault)))
	for _, name := range p.PullSecrets {
		spec.WithImagePullSecrets(accore.LocalObjectReference().WithName(name))
	}
	return spec
}

// Container starts a container that Pod Security restricted admits, with a read-only root.
func Container(name, image string, r plan.Resources) *accore.ContainerApplyConfiguration {
	return accore.Container().
		WithName(name).
		WithImage(image).
		WithImagePullPolicy(corev1.PullIfNotPresent).
		WithSecurityContext(accore.SecurityContext().
			WithAllowPrivilegeEscalation(false).
			WithReadOnlyRootFilesystem(true).
			WithCapabilities(accore.Capabilities().WithDrop("ALL"))).
		WithResources(accore.ResourceRequirements().
			WithRequests(corev1.ResourceList{corev1.ResourceCPU: r.CPU, corev1.ResourceMemory: r.Memory}).
			WithLimits(corev1.ResourceList{corev1.ResourceMemory: r.Memory}))
}

// Port is a named container port.
func Port(name string, port int32) *accore.ContainerPortApplyConfiguration {
	return accore.ContainerPort().WithName(name).WithContainerPort(port).WithProtocol(corev1.ProtocolTCP)
}

// Env is a literal environment variable.
func Env(name, value string) *accore.EnvVarApplyConfiguration {
	return accore.EnvVar().WithName(name).WithValue(value)
}

// EnvSecret is an environment variable from a Secret.
func EnvSecret(name, secret, key string) *accore.EnvVarApplyConfiguration {
	return accore.EnvVar().WithName(name).WithValueFrom(accore.EnvVarSource().
		WithSecretKeyRef(accore.SecretKeySelector().WithName(secret).WithKey(key)))
}

// EnvField is an environment variable from a field of the pod.
func EnvField(name, path string) *accore.EnvVarApplyConfiguration {
	return accore.EnvVar().WithName(name).WithValueFrom(accore.EnvVarSource().
		WithFieldRef(accore.ObjectFieldSelector().WithAPIVersion("v1").WithFieldPath(path)))
}

// Mount mounts a volume.
func Mount(name, path string) *accore.VolumeMountApplyConfiguration {
	return accore.VolumeMount().WithName(name).WithMountPath(path)
}

// EmptyDir is a scratch volume.
func EmptyDir(name string) *accore.VolumeApplyConfiguration {
	return accore.Volume().WithName(name).WithEmptyDir(accore.EmptyDirVolumeSource())
}

// ConfigMapVolume holds the files of a ConfigMap.
func ConfigMapVolume(name, configMap string) *accore.VolumeApplyConfiguration {
	return accore.Volume().WithName(name).WithConfigMap(accore.ConfigMapVolumeSource().WithName(configMap))
}

// SecretVolume holds one key of a Secret as a file of the same name.
func SecretVolume(name, secret, key string) *accore.VolumeApplyConfiguration {
	return accore.Volume().WithName(name).WithSecret(accore.SecretVolumeSource().
		WithSecretName(secret).
		WithItems(accore.KeyToPath().WithKey(key).WithPath(key)))
}

// Where every pod finds certificates, and the authorities to trust.
const (
	CertificatePath = "/etc/fediflow/tls"
	AuthoritiesFile = CertificatePath + "/" + plan.KeyAuthorities
	CertificateFile = CertificatePath + "/" + plan.KeyCertificate
	PrivateKeyFile  = CertificatePath + "/" + plan.KeyPrivateKey
)

// tlsVolume is the name of the volume with certificates.
const tlsVolume = "tls"

// AuthoritiesVolume holds what is needed to verify servers.
func AuthoritiesVolume(secret string) *accore.VolumeApplyConfiguration {
	return SecretVolume(tlsVolume, secret, plan.KeyAuthorities)
}

// CertificateVolume also holds what is needed to be a server. PostgreSQL refuses a key that others
// can read; the pod's group can.
func CertificateVolume(secret string) *accore.VolumeApplyConfiguration {
	volume := AuthoritiesVolume(secret)
	volume.Secret.WithDefaultMode(0o440)
	for _, key := range []string{plan.KeyCertificate, plan.KeyPrivateKey} {
		volume.Secret.WithItems(accore.KeyToPath().WithKey(key).WithPath(key))
	}
	return volume
}

// CertificateMount mounts either of them.
func CertificateMount() *accore.VolumeMountApplyConfiguration {
	return Mount(tlsVolume, CertificatePath).WithReadOnly(true)
}

// Probe timing, in seconds and attempts.
type Probe struct {
	Period, Timeout, Failures int32
}

// HTTP probes a path.
func (p Probe) HTTP(path, port string) *accore.ProbeApplyConfiguration {
	return p.base().WithHTTPGet(accore.HTTPGetAction().WithPath(path).WithPort(intstr.FromString(port)))
}

// HTTPS probes a path; the kubelet does not verify the certificate.
func (p Probe) HTTPS(path, port string) *accore.ProbeApplyConfiguration {
	probe := p.HTTP(path, port)
	probe.HTTPGet.WithScheme(corev1.URISchemeHTTPS)
	return probe
}

// TCP probes a port.
func (p Probe) TCP(port string) *accore.ProbeApplyConfiguration {
	return p.base().WithTCPSocket(accore.TCPSocketAction().WithPort(intstr.FromString(port)))
}

// Exec probes with a command in the container.
func (p Probe) Exec(command ...string) *accore.ProbeApplyConfiguration {
	return p.base().WithExec(accore.ExecAction().WithCommand(command...))
}

func (p Probe) base() *accore.ProbeApplyConfiguration {
	return accore.Probe().
		WithPeriodSeconds(p.Period).
		WithTimeoutSeconds(p.Timeout).
		WithFailureThreshold(p.Failures)
}
