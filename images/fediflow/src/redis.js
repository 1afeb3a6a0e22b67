// Connections to the two stores, found through Sentinel. A store that is away fails a
// command at once or after its timeout; nothing waits in memory for it to come back.
import { Redis } from "ioredis";
import { log } from "./log.js";

const CONNECT_TIMEOUT_MS = 2000;
// A connection that owes an answer this long is replaced: its peer may be a lost node.
const SILENCE_MS = 5000;
const MAX_RECONNECT_DELAY_MS = 2000;
const REPEATED_ERROR_MS = 30_000;

const backoff = (attempt) => Math.min(100 * attempt, MAX_RECONNECT_DELAY_MS);

// A former master answers READONLY: connect anew, Sentinel knows the right one. 2 means
// that the command is sent again there.
const afterFailover = (error) => (error.message.startsWith("READONLY") ? 2 : false);

// ioredis' failoverDetector stays off: a failover it hears of while it is connecting makes
// it give up for good. Sentinel cuts the clients of a former master, READONLY and silence
// tell the rest.
export function connectStore(config, name, commandTimeoutMs) {
  const redis = new Redis({
    sentinels: config.sentinels,
    name,
    password: config.redisPassword,
    sentinelPassword: config.redisPassword,
    connectionName: "fediflow-api",
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    commandTimeout: commandTimeoutMs,
    connectTimeout: CONNECT_TIMEOUT_MS,
    sentinelCommandTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: SILENCE_MS,
    retryStrategy: backoff,
    sentinelRetryStrategy: backoff,
    sentinelReconnectStrategy: backoff,
    reconnectOnError: afterFailover,
  });
  reportErrors(redis, name);
  return redis;
}

// While a store is away an error comes with every attempt to connect; one line in a while
// says enough.
function reportErrors(redis, name) {
  let quietUntil = 0;
  redis.on("error", (error) => {
    if (Date.now() < quietUntil) return;
    quietUntil = Date.now() + REPEATED_ERROR_MS;
    log.warn("The Redis store {store} is not reachable: {reason}", { store: name, reason: error.message });
  });
  redis.on("ready", () => {
    if (quietUntil > 0) log.info("The Redis store {store} is reachable again", { store: name });
    quietUntil = 0;
  });
}
