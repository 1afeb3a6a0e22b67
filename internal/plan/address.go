package plan

import (
	"fmt"
	"strings"
)

// KeyRedisPassword is the key of the Redis credentials Secret.
const KeyRedisPassword = "password"

// DatabaseSecret is the Secret with the application's database credentials.
func (p *Plan) DatabaseSecret() string {
	if external := p.Database.External; external != nil {
		return external.CredentialsSecret
	}
	return p.Name.PostgresCredentials()
}

// DatabaseName is the application's database.
func (p *Plan) DatabaseName() string {
	if external := p.Database.External; external != nil {
		return external.Database
	}
	return DatabaseName
}

// DatabaseServer is the host and port of the PostgreSQL behind a pooler.
func (p *Plan) DatabaseServer(access Access) (host string, port int32) {
	if external := p.Database.External; external != nil {
		return external.Host, external.Port
	}
	if access == ReadOnly {
		return p.Name.PostgresReadOnly(), PostgresPort
	}
	return p.Name.Component(Postgres), PostgresPort
}

// SentinelHosts are the DNS names of the Sentinels.
func (p *Plan) SentinelHosts() []string {
	return p.memberHosts(p.Name.RedisSentinel(), p.Redis.Sentinels.Replicas)
}

// SentinelAddresses are host:port of the Sentinels.
func (p *Plan) SentinelAddresses() []string {
	var addresses []string
	for _, host := range p.SentinelHosts() {
		addresses = append(addresses, fmt.Sprintf("%s:%d", host, SentinelPort))
	}
	return addresses
}

// StoreHosts are the DNS names of the members of a store.
func (p *Plan) StoreHosts(store StorePlan) []string {
	return p.memberHosts(p.Name.RedisStore(store.Name), store.Replicas)
}

// memberHosts are the DNS names of the pods of a StatefulSet whose headless Service has its name.
func (p *Plan) memberHosts(set string, replicas int32) []string {
	hosts := make([]string, 0, replicas)
	for ordinal := range replicas {
		hosts = append(hosts, fmt.Sprintf("%s.%s.%s.svc", Member(set, ordinal), set, p.Namespace))
	}
	return hosts
}

// Short is an object's name without the name of the cluster, as status calls it.
func (p *Plan) Short(name string) string { return strings.TrimPrefix(name, string(p.Name)+"-") }

// RequiredSecrets are the Secrets that the spec names and that somebody else must have created.
func (p *Plan) RequiredSecrets() []string {
	names := append([]string{}, p.PullSecrets...)
	if p.TLS.GivenSecret != "" {
		names = append(names, p.TLS.GivenSecret)
	}
	if external := p.Database.External; external != nil {
		names = append(names, external.CredentialsSecret)
	}
	return names
}
