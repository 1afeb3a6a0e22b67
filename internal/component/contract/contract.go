// Package contract is the application contract: what the application is told in its environment.
// docs/app-contract.md is its description.
package contract

import (
	"fmt"
	"strconv"
	"strings"

	accore "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/fediflow/fediflow-operator/internal/component/postgres"
	"github.com/fediflow/fediflow-operator/internal/kube"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// Port is the application's HTTP port.
const Port int32 = 3000

// KeyAdminToken is the key of the application secrets that holds the token for posting.
const KeyAdminToken = "admin-token"

// ShutdownGraceSeconds is how long the application may take to finish requests after SIGTERM.
const ShutdownGraceSeconds = 25

// Common is the environment of every application process.
func Common(p plan.Plan) []*accore.EnvVarApplyConfiguration {
	secret := p.DatabaseSecret()
	return []*accore.EnvVarApplyConfiguration{
		kube.Env("FEDIFLOW_DOMAIN", p.Domain),
		kube.EnvSecret("DATABASE_USER", secret, postgres.KeyUsername),
		kube.EnvSecret("DATABASE_PASSWORD", secret, postgres.KeyPassword),
	}
}

// Direct is the environment of a process that connects to the primary itself.
func Direct(p plan.Plan) []*accore.EnvVarApplyConfiguration {
	host, port := p.DatabaseServer(plan.ReadWrite)
	address := url(p, host, port)
	if p.Database.Managed != nil {
		address += verified
	}
	return append(Common(p), kube.Env("DATABASE_URL", address))
}

// Pooled is the environment of a process that serves: it connects through the poolers.
func Pooled(p plan.Plan) []*accore.EnvVarApplyConfiguration {
	pool := p.API.Pool
	return append(Common(p),
		kube.EnvSecret("FEDIFLOW_ADMIN_TOKEN", p.Name.AppSecrets(), KeyAdminToken),
		kube.Env("PORT", number(Port)),
		kube.Env("SHUTDOWN_GRACE_SECONDS", number(ShutdownGraceSeconds)),
		kube.Env("NODE_OPTIONS", fmt.Sprintf("--max-old-space-size=%d", p.API.HeapMiB)),
		kube.Env("UV_THREADPOOL_SIZE", strconv.FormatInt(p.API.Threads, 10)),
		kube.Env("DATABASE_URL", url(p, p.Name.Pooler(plan.ReadWrite), plan.PoolerPort)+verified),
		kube.Env("DATABASE_REPLICA_URL", url(p, p.Name.Pooler(p.Pooler.ReadAccess), plan.PoolerPort)+verified),
		kube.Env("DATABASE_POOL_MIN", number(pool.Min)),
		kube.Env("DATABASE_POOL_MAX", number(pool.Max)),
		kube.Env("DATABASE_POOL_IDLE_TIMEOUT_MS", number(pool.IdleMilliseconds)),
		kube.Env("DATABASE_POOL_CONNECTION_TIMEOUT_MS", number(pool.ConnectionMilliseconds)),
		kube.Env("DATABASE_STATEMENT_TIMEOUT_MS", number(pool.StatementMilliseconds)),
		kube.Env("REDIS_SENTINELS", strings.Join(p.SentinelAddresses(), ",")),
		kube.EnvSecret("REDIS_PASSWORD", p.Name.RedisCredentials(), plan.KeyRedisPassword),
		kube.Env("REDIS_QUEUE_NAME", string(plan.Queue)),
		kube.Env("REDIS_CACHE_NAME", string(plan.Cache)),
	)
}

// verified ends the URL of a server whose certificate is one of ours, in the words of libpq.
const verified = "?sslmode=verify-full&sslrootcert=" + kube.AuthoritiesFile

// url holds references to variables that Common defines: Kubernetes fills them in.
func url(p plan.Plan, host string, port int32) string {
	return fmt.Sprintf("postgres://$(DATABASE_USER):$(DATABASE_PASSWORD)@%s:%d/%s", host, port, p.DatabaseName())
}

func number(value int32) string { return strconv.Itoa(int(value)) }
