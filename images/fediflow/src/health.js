// What the kubelet asks. Probes come from many sides at once and must stay cheap while the
// database is slow, so one answer serves for a second.
import { json } from "./http.js";

const REMEMBER_MS = 1000;
const PROBE_MS = 1500;

export class Health {
  #database;
  #stores;
  #migration;
  #stopping = false;
  #answer;
  #answerUntil = 0;

  // stores: {queue, cache}; migration: the newest version this server needs.
  constructor({ database, stores, migration }) {
    this.#database = database;
    this.#stores = stores;
    this.#migration = migration;
  }

  stop() {
    this.#stopping = true;
  }

  live() {
    return json(200, { status: "alive" });
  }

  // Ready means: this process can reach a migrated database through the write pool. A
  // Redis store that is away is named, but what it costs is no reason to serve nothing.
  async ready() {
    if (this.#stopping) return json(503, { status: "stopping" });
    if (Date.now() >= this.#answerUntil) {
      this.#answerUntil = Infinity;
      this.#answer = this.#check().finally(() => (this.#answerUntil = Date.now() + REMEMBER_MS));
    }
    const { problem } = await this.#answer;
    const redis = Object.fromEntries(Object.entries(this.#stores).map(([name, store]) => [name, store.status]));
    if (problem) return json(503, { status: "unready", problem, redis });
    const degraded = Object.values(redis).some((status) => status !== "ready");
    return json(200, { status: degraded ? "degraded" : "ready", redis });
  }

  async #check() {
    let timer;
    const timeout = new Promise((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`the database did not answer within ${PROBE_MS} ms`)), PROBE_MS);
    });
    try {
      return await Promise.race([this.#ask(), timeout]);
    } catch (error) {
      return { problem: error.code === "42P01" ? this.#notMigrated() : error.message };
    } finally {
      clearTimeout(timer);
    }
  }

  async #ask() {
    const [row] = await this.#database.readPrimary({
      name: "ready",
      text: "SELECT max(version) AS version FROM schema_migrations",
    });
    return { problem: row.version >= this.#migration ? null : this.#notMigrated() };
  }

  #notMigrated() {
    return `the database has not reached migration ${this.#migration}: run node migrate.js up`;
  }
}
