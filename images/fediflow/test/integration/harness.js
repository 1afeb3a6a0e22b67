// Private instances of what the server needs, on loopback ports and in temporary folders:
// PostgreSQL with a lagging standby, two Redis-protocol stores and a Sentinel that knows
// them. Debian's postgresql and redis-server (with redis-sentinel) or valkey must be there.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { Redis } from "ioredis";

const run = promisify(execFile);
export const ROOT = new URL("../../", import.meta.url).pathname;
export const TOKEN = "a token for these tests only";
export const PASSWORD = "redis-test-password";
const NOBODY = 65534;
// PostgreSQL refuses to run as root.
const credentials = process.getuid() === 0 ? { uid: NOBODY, gid: NOBODY } : {};

export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

export async function eventually(what, probe, timeoutMs = 20_000) {
  const deadline = Date.now() + timeoutMs;
  let last;
  while (Date.now() < deadline) {
    try {
      const result = await probe();
      if (result) return result;
    } catch (error) {
      last = error;
    }
    await pause(100);
  }
  throw new Error(`${what} did not happen within ${timeoutMs} ms`, { cause: last });
}

function reachable(port) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => resolve(true)).on("error", () => resolve(false));
    socket.on("connect", () => socket.end());
  });
}

function postgresBin(name) {
  const base = "/usr/lib/postgresql";
  const newest = readdirSync(base).sort((a, b) => b - a)[0];
  return join(base, newest, "bin", name);
}

const store = ["valkey", "redis"].find((name) => existsSync(`/usr/bin/${name}-server`)) ?? "redis";

// One program of the platform that a test may stop and start again.
export class Program {
  constructor(command, args, port) {
    Object.assign(this, { command, args, port, output: "" });
  }

  async start() {
    this.child = spawn(this.command, this.args, { ...credentials, cwd: "/tmp", stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.child.stdout, this.child.stderr]) stream.on("data", (data) => (this.output += data));
    await eventually(`${this.command} on ${this.port}`, () => reachable(this.port)).catch((error) => {
      throw new Error(`${error.message}\n${this.output}`);
    });
    return this;
  }

  signal(name) {
    this.child?.kill(name);
  }

  async stop(signal = "SIGINT") {
    if (!this.child || this.child.exitCode !== null || this.child.signalCode) return;
    this.child.kill("SIGCONT");
    this.child.kill(signal);
    await once(this.child, "exit");
  }
}

export class Platform {
  async start() {
    try {
      await this.#startAll();
    } catch (error) {
      await this.stop();
      throw error;
    }
    return this;
  }

  async #startAll() {
    this.folder = mkdtempSync(join(tmpdir(), "fediflow-test-"));
    if (credentials.uid) chownSync(this.folder, NOBODY, NOBODY);
    await this.#startPostgres();
    await this.#startStandby();
    this.queue = await this.startStore("queue", ["--appendonly", "yes"]);
    this.cache = await this.startStore("cache", ["--save", ""]);
    await this.#startSentinel();
  }

  async stop() {
    for (const program of [this.sentinel, this.cache, this.queue, this.standby, this.postgres]) await program?.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  path(name) {
    const path = join(this.folder, name);
    mkdirSync(path, { recursive: true, mode: 0o700 });
    if (credentials.uid) chownSync(path, NOBODY, NOBODY);
    return path;
  }

  url(database, port = this.postgres.port) {
    return `postgresql://postgres@127.0.0.1:${port}/${database}`;
  }

  async createDatabase(name) {
    await run(postgresBin("psql"), ["-q", "-c", `CREATE DATABASE ${name}`, this.url("postgres")]);
  }

  async #startPostgres() {
    const data = this.path("primary");
    const port = await freePort();
    await run(postgresBin("initdb"), ["-D", data, "-U", "postgres", "-A", "trust", "-N"], { ...credentials, cwd: "/tmp" });
    this.postgres = await new Program(postgresBin("postgres"), [
      "-D", data, "-p", String(port), "-k", data, "-c", "fsync=off", "-c", "listen_addresses=127.0.0.1",
    ], port).start();
    await eventually("PostgreSQL", () => run(postgresBin("psql"), ["-c", "SELECT 1", this.url("postgres")]));
  }

  // Two seconds behind, so that a note just written is not there yet.
  async #startStandby() {
    const data = this.path("standby");
    const port = await freePort();
    await run(postgresBin("pg_basebackup"), ["-D", data, "-R", "-c", "fast", "-N", "-d", this.url("postgres")],
      { ...credentials, cwd: "/tmp" });
    this.standby = await new Program(postgresBin("postgres"), [
      "-D", data, "-p", String(port), "-k", data, "-c", "recovery_min_apply_delay=2s", "-c", "listen_addresses=127.0.0.1",
    ], port).start();
    await eventually("the standby", () => run(postgresBin("psql"), ["-c", "SELECT 1", this.url("postgres", port)]));
  }

  async startStore(name, args) {
    const port = await freePort();
    return new Program(`/usr/bin/${store}-server`, [
      "--port", String(port), "--bind", "127.0.0.1", "--dir", this.path(name), "--requirepass", PASSWORD,
      "--masterauth", PASSWORD, ...args,
    ], port).start();
  }

  async #startSentinel() {
    const port = await freePort();
    const file = join(this.path("sentinel"), "sentinel.conf");
    const masters = [["queue", this.queue.port], ["cache", this.cache.port]].map(([name, storePort]) => `
sentinel monitor ${name} 127.0.0.1 ${storePort} 1
sentinel auth-pass ${name} ${PASSWORD}`).join("");
    writeFileSync(file, `port ${port}\nbind 127.0.0.1\nrequirepass ${PASSWORD}\ndir ${this.path("sentinel")}\n${masters}\n`, { mode: 0o666 });
    if (credentials.uid) chownSync(file, NOBODY, NOBODY);
    this.sentinel = await new Program(`/usr/bin/${store}-server`, [file, "--sentinel"], port).start();
  }

  async flushCache() {
    const redis = new Redis(this.cache.port, { password: PASSWORD });
    await redis.flushall();
    await redis.quit();
  }

  environment(database, more = {}) {
    return {
      PATH: process.env.PATH,
      FEDIFLOW_DOMAIN: "social.example.edu",
      FEDIFLOW_ADMIN_TOKEN: TOKEN,
      DATABASE_URL: this.url(database),
      DATABASE_REPLICA_URL: this.url(database, this.standby.port),
      REDIS_SENTINELS: `127.0.0.1:${this.sentinel.port}`,
      REDIS_PASSWORD: PASSWORD,
      ...more,
    };
  }

  migrationEnvironment(database, more = {}) {
    const { PATH, FEDIFLOW_DOMAIN, DATABASE_URL } = this.environment(database);
    return { PATH, FEDIFLOW_DOMAIN, DATABASE_URL, ...more };
  }
}

// Runs one of our programs to its end: {code, stdout, stderr}.
export async function runNode(args, env) {
  try {
    const { stdout, stderr } = await run(process.execPath, args, { cwd: ROOT, env });
    return { code: 0, stdout, stderr };
  } catch (error) {
    return { code: error.code, stdout: error.stdout, stderr: error.stderr };
  }
}

// A running FediFlow server.
export class Instance {
  constructor(env, script = "server.js") {
    Object.assign(this, { env, script, output: "" });
  }

  async start() {
    this.port = Number(this.env.PORT ?? (await freePort()));
    this.base = `http://127.0.0.1:${this.port}`;
    this.child = spawn(process.execPath, [this.script], { cwd: ROOT, env: { ...this.env, PORT: String(this.port) } });
    for (const stream of [this.child.stdout, this.child.stderr]) stream.on("data", (data) => (this.output += data));
    this.exited = once(this.child, "exit");
    await eventually("the server", () => reachable(this.port)).catch((error) => {
      throw new Error(`${error.message}\n${this.output}`);
    });
    return this;
  }

  get(path, accept = "application/activity+json", headers = {}) {
    return fetch(this.base + path, { headers: { accept, ...headers }, redirect: "manual" });
  }

  post(content, headers = {}) {
    return fetch(`${this.base}/api/notes`, {
      method: "POST",
      headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json", ...headers },
      body: JSON.stringify({ content }),
    });
  }

  async stop() {
    if (this.child.exitCode === null && !this.child.signalCode) this.child.kill("SIGTERM");
    const [code] = await this.exited;
    return code;
  }
}
