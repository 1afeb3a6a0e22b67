package postgres

import "github.com/fediflow/fediflow-operator/internal/kube"

// Members connect to each other by IP address, which no certificate can name: they verify that the
// other is a server of this cluster, since nobody else has a certificate of its authority. By DNS
// name, a failover would wait for DNS.

// verified is how a member logs in to another, for replication and to rewind.
func verified(user string) object {
	return object{"username": user, "sslmode": "verify-ca", "sslrootcert": kube.AuthoritiesFile}
}

// betweenMembers is how one Patroni asks another. With a certificate of its own, which restapi has,
// insecure leaves out the comparison of names and nothing else.
func betweenMembers() object {
	return object{"cacert": kube.AuthoritiesFile, "insecure": true}
}

// localParameters are PostgreSQL's settings that name files and directories of the pod.
func localParameters() object {
	return object{
		"unix_socket_directories":  "/run/postgresql",
		"ssl":                      "on",
		"ssl_cert_file":            kube.CertificateFile,
		"ssl_key_file":             kube.PrivateKeyFile,
		"ssl_min_protocol_version": "TLSv1.3",
	}
}
