package plan

// TLSPlan says where certificates come from.
type TLSPlan struct {
	// GivenSecret has a certificate for everything, kept by somebody else; empty where the operator
	// keeps one for each component.
	GivenSecret string
}

// Keys of a Secret with a certificate.
const (
	KeyCertificate = "tls.crt"
	KeyPrivateKey  = "tls.key"
	KeyAuthorities = "ca.crt"
)

// Certificates are what is in the Secrets with certificates.
type Certificates struct {
	// Authorities to trust, in PEM.
	Authorities string
	// Shown are the digests of the certificates, by component.
	Shown map[ComponentName]string
}

// CertificateSecret is the Secret with the certificate of a component.
func (p *Plan) CertificateSecret(component ComponentName) string {
	if p.TLS.GivenSecret != "" {
		return p.TLS.GivenSecret
	}
	return p.Name.Certificate(component)
}

// CertificateNames are the DNS names that each component is known by.
func (p *Plan) CertificateNames() map[ComponentName][]string {
	names := map[ComponentName][]string{
		Pooler: p.dnsNames(p.Name.Pooler(ReadWrite), p.Name.Pooler(ReadOnly)),
	}
	if p.Database.Managed != nil {
		names[Postgres] = p.dnsNames(p.Name.Component(Postgres), p.Name.PostgresReadOnly(),
			p.Name.PostgresMembers(), "*."+p.Name.PostgresMembers())
	}
	return names
}

// dnsNames are the names of Services as pods in the namespace and elsewhere know them.
func (p *Plan) dnsNames(services ...string) []string {
	var names []string
	for _, service := range services {
		names = append(names, service, service+"."+p.Namespace, service+"."+p.Namespace+".svc")
	}
	return names
}
