// Two connection pools behind transaction pooling: nothing here depends on a session.
// Writes go to the primary and are repeated when a connection breaks, which is safe
// because every write of this server may be applied twice. Reads prefer a replica.
import pg from "pg";
import { log } from "./log.js";

// A connection is renewed after this long, so that a new pooler gets its share.
const CONNECTION_LIFETIME_SECONDS = 300;
// After a failure the replica is left alone this long instead of delaying every read.
const REPLICA_PAUSE_MS = 5000;
const WRITE_DEADLINE_MS = 5000;
const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 1000;

// The connection or its server is gone (class 08 also carries PgBouncer's own errors), is
// shutting down or starting up, or is a former primary that now refuses writes.
const BROKEN_STATES = new Set(["57P01", "57P02", "57P03", "25006"]);
const BROKEN_CODES = new Set(["ECONNREFUSED", "ECONNRESET", "EPIPE", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH"]);
const OVERLOAD_CODES = new Set(["53300", "57014", "ETIMEDOUT"]);
// These errors of pg carry no code.
const BROKEN_MESSAGE = /^(Connection terminated|Client has encountered a connection error)/;
const TIMEOUT_MESSAGE = /^(timeout exceeded when trying to connect|Query read timeout|Connection terminated due to connection timeout)/;

export function isTimeout(error) {
  return OVERLOAD_CODES.has(error.code) || TIMEOUT_MESSAGE.test(error.message);
}

export function isBroken(error) {
  if (isTimeout(error)) return false;
  return BROKEN_STATES.has(error.code) || BROKEN_CODES.has(error.code) ||
    /^08/.test(error.code ?? "") || BROKEN_MESSAGE.test(error.message);
}

// Whether the database, not the statement, is at fault: worth another try later.
export const isUnavailable = (error) => isBroken(error) || isTimeout(error);

function createPool(connectionString, config) {
  const pool = new pg.Pool({
    connectionString,
    application_name: "fediflow-api",
    min: config.poolMin,
    max: config.poolMax,
    idleTimeoutMillis: config.poolIdleMs,
    connectionTimeoutMillis: config.poolConnectMs,
    maxLifetimeSeconds: CONNECTION_LIFETIME_SECONDS,
    // Kept by this side: PgBouncer refuses statement_timeout as a startup parameter.
    query_timeout: config.statementMs,
    keepAlive: true,
  });
  // An idle connection that breaks is replaced by the pool; unheard it would end the process.
  pool.on("error", (error) => log.warn("An idle database connection broke: {reason}", { reason: error.message }));
  return pool;
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class Database {
  #primary;
  #replica;
  #replicaPausedUntil = 0;

  constructor(config) {
    this.#primary = createPool(config.databaseUrl, config);
    // Without replicas both addresses may be the same; then one pool is enough.
    const separate = config.replicaUrl && config.replicaUrl !== config.databaseUrl;
    this.#replica = separate ? createPool(config.replicaUrl, config) : null;
  }

  // The statement must be safe to apply twice: after a broken connection nobody knows
  // whether it was applied once.
  async write(query) {
    const deadline = Date.now() + WRITE_DEADLINE_MS;
    for (let wait = FIRST_RETRY_MS; ; wait = Math.min(wait * 2, MAX_RETRY_MS)) {
      try {
        return (await this.#primary.query(query)).rows;
      } catch (error) {
        if (!isBroken(error) || Date.now() + wait > deadline) throw error;
        log.warn("Repeating a write after a broken connection: {reason}", { reason: error.message });
        await pause(wait);
      }
    }
  }

  // A row that the replica does not have yet may be on the primary: whoever has just
  // written must be able to read it. The same goes for tables of a new migration, so every
  // error of the replica sends the read to the primary.
  async read(query) {
    if (this.#replica && Date.now() >= this.#replicaPausedUntil) {
      try {
        const { rows } = await this.#replica.query(query);
        if (rows.length > 0) return rows;
      } catch (error) {
        this.#leaveReplica(error);
      }
    }
    return this.readPrimary(query);
  }

  // Reads under way fail together; one line for all of them.
  #leaveReplica(error) {
    if (Date.now() >= this.#replicaPausedUntil) {
      log.warn("Reading from the primary, the replica failed: {reason}", { reason: error.message });
    }
    this.#replicaPausedUntil = Date.now() + REPLICA_PAUSE_MS;
  }

  async readPrimary(query) {
    try {
      return (await this.#primary.query(query)).rows;
    } catch (error) {
      // One stale connection of the pool must not fail a read; a second failure is real.
      if (!isBroken(error)) throw error;
      return (await this.#primary.query(query)).rows;
    }
  }

  async close() {
    await Promise.all([this.#primary.end(), this.#replica?.end()]);
  }
}
