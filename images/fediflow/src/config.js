// Reads the environment once, at start. Everything wrong with it is reported in one
// sentence, so that an admin mends a manifest once and not once per restart.

const HANDLE = /^[a-z0-9_]{1,30}$/;
const HOST = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;

// What every Service adds to the pods of its namespace unless enableServiceLinks is
// false, e.g. FEDIFLOW_API_PORT=tcp://10.0.0.1:80 for a Service called fediflow-api.
const SERVICE_LINK = /_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)$/;
const OWN_PREFIX = /^(FEDIFLOW|DATABASE|REDIS)_/;
// Set for Kubernetes, which puts them into DATABASE_URL as $(DATABASE_USER) and so on.
const INGREDIENTS = ["DATABASE_USER", "DATABASE_PASSWORD"];

export class ConfigError extends Error {}

const text = (value) => value;

function integer(min, max) {
  return (value) => {
    const number = /^\d+$/.test(value) ? Number(value) : NaN;
    if (!(number >= min && number <= max)) {
      throw new ConfigError(`must be a whole number from ${min} to ${max}, not ${JSON.stringify(value)}`);
    }
    return number;
  };
}

function pattern(regexp, expectation) {
  return (value) => {
    if (!regexp.test(value)) throw new ConfigError(`must be ${expectation}, not ${JSON.stringify(value)}`);
    return value;
  };
}

// A port is accepted in a domain for test instances; a public domain has none.
function domain(value) {
  const [host, port, ...rest] = value.split(":");
  if (!HOST.test(host) || rest.length > 0 || (port !== undefined && !/^\d{1,5}$/.test(port))) {
    throw new ConfigError(`must be a lower-case host name such as social.example.edu, not ${JSON.stringify(value)}`);
  }
  return value;
}

// The value holds a password: it is never part of a message.
function databaseUrl(value) {
  if (!URL.canParse(value) || !/^postgres(ql)?:$/.test(new URL(value).protocol)) {
    throw new ConfigError("must be a URL such as postgresql://user:password@host:6432/database");
  }
  return value;
}

function token(value) {
  if (value.length < 16) throw new ConfigError("must have at least 16 characters");
  return value;
}

function sentinels(value) {
  return value.split(",").map((entry) => {
    const [host, port, ...rest] = entry.trim().split(":");
    if (!HOST.test(host) || !/^\d{1,5}$/.test(port ?? "") || rest.length > 0) {
      throw new ConfigError(`must be host:port[,host:port…], but has ${JSON.stringify(entry)}`);
    }
    return { host, port: Number(port) };
  });
}

function flag(value) {
  if (value !== "true" && value !== "false") throw new ConfigError(`must be true or false, not ${JSON.stringify(value)}`);
  return value === "true";
}

// The contract, one line a variable: [name, parser, default]; no default means required.
// docs/app-contract.md repeats it and a test compares the two.
const COMMON = {
  domain: ["FEDIFLOW_DOMAIN", domain],
  adminUser: ["FEDIFLOW_ADMIN_USER", pattern(HANDLE, "1 to 30 of a-z, 0-9 and _"), "admin"],
  databaseUrl: ["DATABASE_URL", databaseUrl],
};

const SERVER = {
  ...COMMON,
  port: ["PORT", integer(1, 65535), "3000"],
  adminToken: ["FEDIFLOW_ADMIN_TOKEN", token],
  replicaUrl: ["DATABASE_REPLICA_URL", databaseUrl, null],
  poolMin: ["DATABASE_POOL_MIN", integer(0, 1000), "2"],
  poolMax: ["DATABASE_POOL_MAX", integer(1, 1000), "20"],
  poolIdleMs: ["DATABASE_POOL_IDLE_TIMEOUT_MS", integer(0, 3_600_000), "30000"],
  poolConnectMs: ["DATABASE_POOL_CONNECTION_TIMEOUT_MS", integer(1, 60_000), "2000"],
  statementMs: ["DATABASE_STATEMENT_TIMEOUT_MS", integer(1, 600_000), "5000"],
  sentinels: ["REDIS_SENTINELS", sentinels],
  redisPassword: ["REDIS_PASSWORD", text, null],
  queueName: ["REDIS_QUEUE_NAME", pattern(/^[\w.-]+$/, "a Sentinel master name"), "queue"],
  cacheName: ["REDIS_CACHE_NAME", pattern(/^[\w.-]+$/, "a Sentinel master name"), "cache"],
  graceSeconds: ["SHUTDOWN_GRACE_SECONDS", integer(1, 3600), "25"],
  allowPrivateAddress: ["FEDIFLOW_ALLOW_PRIVATE_ADDRESS", flag, "false"],
};

const MIGRATION = {
  ...COMMON,
  waitSeconds: ["MIGRATE_WAIT_SECONDS", integer(0, 3600), "60"],
};

export const CONTRACT = { server: SERVER, migration: MIGRATION };

function read(table, env, problems) {
  const config = {};
  for (const [key, [name, parse, fallback]] of Object.entries(table)) {
    const value = env[name] || fallback;
    if (value === undefined) problems.push(`${name} is not set`);
    if (value == null) continue;
    try {
      config[key] = parse(value);
    } catch (error) {
      problems.push(`${name} ${error.message}`);
    }
  }
  return config;
}

// A misspelt name would otherwise be a default nobody asked for.
function unknownNames(env) {
  const known = new Set([...INGREDIENTS, ...Object.values({ ...SERVER, ...MIGRATION }).map(([name]) => name)]);
  return Object.keys(env).filter((name) => OWN_PREFIX.test(name) && !known.has(name) && !SERVICE_LINK.test(name)).sort();
}

export function loadConfig(role, env = process.env) {
  const problems = unknownNames(env).map((name) => `${name} is not a known variable`);
  const config = read(CONTRACT[role], env, problems);
  // The default follows a smaller maximum; a minimum that was asked for does not.
  if (!env.DATABASE_POOL_MIN && config.poolMin > config.poolMax) config.poolMin = config.poolMax;
  if (config.poolMin > config.poolMax) {
    problems.push(`DATABASE_POOL_MIN (${config.poolMin}) is more than DATABASE_POOL_MAX (${config.poolMax})`);
  }
  if (problems.length > 0) throw new ConfigError(`The environment is not usable: ${problems.join("; ")}.`);
  return Object.freeze({ ...config, origin: `https://${config.domain}` });
}
