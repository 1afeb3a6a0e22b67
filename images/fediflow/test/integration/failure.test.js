import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, beforeEach, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { eventually, Instance, Platform, runNode, TOKEN } from "./harness.js";

let platform, server;

before(async () => {
  platform = await new Platform().start();
  await platform.createDatabase("failure");
  const migrated = await runNode(["migrate.js", "up"], platform.migrationEnvironment("failure"));
  assert.equal(migrated.code, 0, migrated.stderr);
});

beforeEach(async () => {
  server = await new Instance(platform.environment("failure")).start();
  await eventually("readiness", async () => (await (await server.get("/readyz")).json()).status === "ready");
});

after(() => platform?.stop());

async function timed(promise) {
  const start = performance.now();
  const result = await promise;
  return [result, performance.now() - start];
}

async function session() {
  const client = new pg.Client(platform.url("failure"));
  client.on("error", () => {});
  await client.connect();
  return client;
}

async function stored() {
  const client = await session();
  const { rows } = await client.query("SELECT body FROM notes");
  await client.end();
  return rows.map((row) => row.body);
}

// Serving without the stores: quickly, and ready though degraded.
async function servesWithoutStores() {
  const [posted, postMs] = await timed(server.post("without Redis"));
  assert.equal(posted.status, 201);
  const [note, readMs] = await timed(server.get(new URL(posted.headers.get("location")).pathname));
  assert.equal(note.status, 200);
  assert.ok(postMs < 2000 && readMs < 2000, `${postMs} ms, ${readMs} ms`);
  assert.equal((await server.get("/users/admin")).status, 200);
  assert.equal((await server.get("/readyz")).status, 200);
}

const storesReady = async () => (await (await server.get("/readyz")).json()).status === "ready";

test("without Redis everything is served, and it is found again", async () => {
  await Promise.all([platform.cache.stop(), platform.queue.stop(), platform.sentinel.stop()]);
  await servesWithoutStores();
  assert.equal((await (await server.get("/readyz")).json()).status, "degraded");
  await Promise.all([platform.cache.start(), platform.queue.start(), platform.sentinel.start()]);
  await eventually("the stores", storesReady);
  assert.equal(await server.stop(), 0);
});

test("a server that starts without Redis serves", async () => {
  await server.stop();
  await Promise.all([platform.cache.stop(), platform.queue.stop(), platform.sentinel.stop()]);
  server = await new Instance(platform.environment("failure")).start();
  await servesWithoutStores();
  await Promise.all([platform.cache.start(), platform.queue.start(), platform.sentinel.start()]);
  await eventually("the stores", storesReady);
  assert.equal(await server.stop(), 0);
});

test("stores that hang cost little", async () => {
  for (const store of [platform.cache, platform.queue]) store.signal("SIGSTOP");
  await servesWithoutStores();
  for (const store of [platform.cache, platform.queue]) store.signal("SIGCONT");
  await eventually("the stores", storesReady);
  assert.equal(await server.stop(), 0);
});

test("without the standby reads come from the primary", async () => {
  const posted = await server.post("no standby");
  await platform.standby.stop();
  await platform.flushCache();
  assert.equal((await server.get(new URL(posted.headers.get("location")).pathname)).status, 200);
  await platform.standby.start();
  assert.equal(await server.stop(), 0);
});

test("without the database a server is alive, not ready, and says why", async () => {
  await Promise.all([platform.postgres.stop("SIGQUIT"), platform.standby.stop("SIGQUIT")]);
  await eventually("unreadiness", async () => (await server.get("/readyz")).status === 503);
  assert.equal((await server.get("/healthz")).status, 200);
  const posted = await server.post("lost?");
  assert.equal(posted.status, 503);
  assert.equal((await posted.json()).error, "database_unavailable");
  assert.ok(posted.headers.get("retry-after"));
  await Promise.all([platform.postgres.start(), platform.standby.start()]);
  await eventually("readiness", async () => (await server.get("/readyz")).status === 200);
  assert.equal(await server.stop(), 0);
});

test("a crash of the database loses no acknowledged note and doubles none", async () => {
  let writing = true;
  const acknowledged = [];
  const writers = Array.from({ length: 4 }, async (_, writer) => {
    for (let i = 0; writing; i++) {
      const content = `crash ${writer} ${i}`;
      for (;;) {
        const response = await server.post(content, { "idempotency-key": content });
        if (response.status === 201) break;
        assert.equal(response.status, 503);
      }
      acknowledged.push(content);
    }
  });
  for (let i = 0; i < 2; i++) {
    await pause(1000);
    await platform.postgres.stop("SIGQUIT");
    await pause(500);
    await platform.postgres.start();
  }
  await pause(1000);
  writing = false;
  await Promise.all(writers);
  const notes = (await stored()).filter((body) => body.startsWith("crash"));
  assert.ok(acknowledged.length > 50, `${acknowledged.length} notes`);
  assert.deepEqual(notes.toSorted(), acknowledged.toSorted());
  assert.equal(await server.stop(), 0);
});

test("SIGTERM ends what has begun and nothing more", async () => {
  const lock = await session();
  await lock.query("BEGIN; LOCK TABLE content IN ACCESS EXCLUSIVE MODE");
  const posting = server.post("in flight");
  await pause(300);
  server.child.kill("SIGTERM");
  await eventually("the closed port", () => fetch(`${server.base}/healthz`).then(() => false, () => true));
  assert.equal(server.child.exitCode, null);
  await lock.query("COMMIT");
  await lock.end();
  const posted = await posting;
  assert.deepEqual([posted.status, posted.headers.get("connection")], [201, "close"]);
  assert.equal(await server.stop(), 0);
  assert.ok((await stored()).includes("in flight"));
});

test("a request that is still being sent at SIGTERM is answered", async () => {
  const body = JSON.stringify({ content: "slow" });
  const socket = connect(server.port, "127.0.0.1");
  await once(socket, "connect");
  socket.write(`POST /api/notes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\n` +
    `Content-Length: ${body.length}\r\n\r\n${body.slice(0, 5)}`);
  await pause(300);
  server.child.kill("SIGTERM");
  await pause(300);
  socket.write(body.slice(5));
  assert.match(String((await once(socket, "data"))[0]), /^HTTP\/1.1 201 /);
  assert.equal(await server.stop(), 0);
});

test("the grace period is the longest a stop takes", async () => {
  await server.stop();
  server = await new Instance(platform.environment("failure", { SHUTDOWN_GRACE_SECONDS: "1" })).start();
  const lock = await session();
  await lock.query("BEGIN; LOCK TABLE content IN ACCESS EXCLUSIVE MODE");
  const posting = server.post("too slow").catch(() => "ended");
  await pause(300);
  const [code, ms] = await timed(server.stop());
  assert.equal(code, 1);
  assert.ok(ms < 2500, `${ms} ms`);
  assert.equal(await posting, "ended");
  await lock.end();
});
