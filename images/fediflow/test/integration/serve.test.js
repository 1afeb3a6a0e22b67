import assert from "node:assert/strict";
import { request as rawRequest } from "node:http";
import { after, before, test } from "node:test";
import pg from "pg";
import { eventually, Instance, Platform, runNode, TOKEN } from "./harness.js";

const ORIGIN = "https://social.example.edu";
let platform, server, database;

before(async () => {
  platform = await new Platform().start();
  await platform.createDatabase("serve");
  const migrated = await runNode(["migrate.js", "up"], platform.migrationEnvironment("serve"));
  assert.equal(migrated.code, 0, migrated.stderr);
  database = new pg.Pool({ connectionString: platform.url("serve"), max: 1 });
  server = await new Instance(platform.environment("serve")).start();
  await eventually("readiness", async () => (await server.get("/readyz")).status === 200);
});

after(async () => {
  await server?.stop();
  await database?.end();
  await platform?.stop();
});

const count = async () => (await database.query("SELECT count(*)::int AS count FROM notes")).rows[0].count;
const pathOf = (response) => new URL(response.headers.get("location")).pathname;

test("WebFinger leads to the actor, whatever host name was used", async () => {
  const path = "/.well-known/webfinger?resource=acct:admin@social.example.edu";
  const body = await new Promise((resolve, reject) => {
    rawRequest(server.base + path, { headers: { host: "evil.example" } }, (message) => {
      let text = "";
      message.on("data", (data) => (text += data)).on("end", () => resolve(text));
    }).on("error", reject).end();
  });
  const self = JSON.parse(body).links.find(({ rel }) => rel === "self");
  assert.equal(self.href, `${ORIGIN}/users/admin`);
  assert.equal((await server.get("/.well-known/webfinger?resource=acct:nobody@social.example.edu")).status, 404);
});

test("an actor is ActivityPub for servers and a page for people", async () => {
  const machine = await server.get("/users/admin");
  assert.equal(machine.headers.get("content-type"), "application/activity+json");
  const actor = await machine.json();
  assert.equal(actor.id, `${ORIGIN}/users/admin`);
  assert.match(actor.publicKey.publicKeyPem, /BEGIN PUBLIC KEY/);
  const person = await server.get("/users/admin", "text/html,application/xhtml+xml,*/*;q=0.8");
  assert.match(person.headers.get("content-type"), /text\/html/);
  const html = await person.text();
  assert.match(html, /@admin@social\.example\.edu/);
  for (const response of [machine, person]) {
    assert.equal(response.headers.get("vary"), "Accept");
    assert.equal(response.headers.get("cache-control"), "public, max-age=60");
    assert.ok(response.headers.get("etag"));
  }
  const css = await server.get(/\/assets\/app\.[0-9a-f]+\.css/.exec(html)[0], "text/css");
  assert.match(css.headers.get("cache-control"), /immutable/);
});

test("a note is readable at once although the standby is two seconds behind", async () => {
  for (const flush of [false, true]) {
    const posted = await server.post("Hello <world>");
    assert.equal(posted.status, 201);
    if (flush) await platform.flushCache();
    const note = await server.get(pathOf(posted));
    assert.equal(note.status, 200);
    const body = await note.json();
    assert.equal(body.id, posted.headers.get("location"));
    assert.equal((await posted.json()).id, body.id);
    assert.equal(body.content, "<p>Hello &lt;world&gt;</p>");
    const again = await server.get(pathOf(posted), "application/activity+json", { "if-none-match": note.headers.get("etag") });
    assert.equal(again.status, 304);
    assert.match(await (await server.get(pathOf(posted), "text/html")).text(), /Hello &lt;world&gt;/);
    assert.equal((await server.get(pathOf(posted).replace("admin", "other"))).status, 404);
  }
});

test("a note once read comes from the cache store", async () => {
  const path = pathOf(await server.post("cached"));
  await database.query("DELETE FROM activities WHERE object_id = $1", [path.split("/").at(-1)]);
  assert.equal((await server.get(path)).status, 200);
  await platform.flushCache();
  await eventually("the end of the note", async () => {
    await platform.flushCache();
    return (await server.get(path)).status === 404;
  });
});

test("one Idempotency-Key is one note", async () => {
  const earlier = await count();
  const key = { "idempotency-key": "the-same" };
  const answers = await Promise.all(Array.from({ length: 8 }, () => server.post("once", key)));
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([201]));
  assert.equal(new Set(answers.map((answer) => answer.headers.get("location"))).size, 1);
  assert.equal(await count(), earlier + 1);
  const other = await server.post("something else", key);
  assert.equal(other.status, 422);
  assert.equal((await other.json()).error, "idempotency_conflict");
});

test("the outbox gives every note once, newest first", async () => {
  for (let i = 0; i < 45; i++) assert.equal((await server.post(`note ${i}`)).status, 201);
  const expected = (await database.query("SELECT object_id FROM activities ORDER BY published_at DESC, id DESC")).rows;
  const walk = async () => {
    const seen = [];
    let next = (await (await server.get("/users/admin/outbox")).json()).first;
    while (next) {
      const { pathname, search } = new URL(next);
      const page = await (await server.get(pathname + search)).json();
      seen.push(...[page.orderedItems ?? []].flat().map((item) => item.object.id.split("/").at(-1)));
      next = page.next;
    }
    return seen;
  };
  // Lists come from the standby: complete once it has caught up.
  await eventually("the whole outbox", async () => (await walk()).length === expected.length);
  assert.deepEqual(await walk(), expected.map((row) => row.object_id));
  assert.equal((await server.get("/users/admin/outbox?cursor=nonsense")).status, 400);
});

test("what is wrong with a request is said", async () => {
  const body = JSON.stringify({ content: "x" });
  const post = (headers, text = body) => fetch(`${server.base}/api/notes`, { method: "POST", headers, body: text });
  const authorization = `Bearer ${TOKEN}`;
  const cases = [
    [await post({}), 401, "unauthorized"],
    [await post({ authorization: `${authorization}x` }), 401, "unauthorized"],
    [await post({ authorization }, "{"), 422, "bad_content"],
    [await post({ authorization }, JSON.stringify({ content: " " })), 422, "bad_content"],
    [await post({ authorization }, JSON.stringify({ content: "x".repeat(5001) })), 422, "bad_content"],
    [await post({ authorization }, "x".repeat(1024 * 1024 + 1)), 413, "too_large"],
    [await server.get("/api/notes"), 405, "method_not_allowed"],
    [await fetch(`${server.base}/users/admin`, { method: "DELETE" }), 405, "method_not_allowed"],
    [await server.get("/nothing"), 404, "not_found"],
    [await server.get("/users/admin/notes/1"), 404, "not_found"],
    [await server.get("/users/admin/notes/1", "text/html"), 404, "not_found"],
    [await server.get("/users/admin/outbox", "text/html"), 406, "not_acceptable"],
  ];
  for (const [response, status, error] of cases) {
    const answer = await response.json();
    assert.deepEqual([response.status, answer.error], [status, error]);
    assert.ok(answer.message && answer.action);
    assert.equal(response.headers.get("cache-control"), "no-store");
  }
});

test("HEAD has the headers of GET and no body", async () => {
  const options = { method: "HEAD", headers: { accept: "application/activity+json" } };
  const head = await fetch(`${server.base}/users/admin`, options);
  const get = await server.get("/users/admin");
  assert.equal(head.headers.get("etag"), get.headers.get("etag"));
  assert.equal(Number(head.headers.get("content-length")), (await get.arrayBuffer()).byteLength);
});

test("NodeInfo and the front page answer", async () => {
  const info = async () => (await server.get("/nodeinfo/2.1")).json();
  assert.equal((await info()).software.name, "fediflow");
  // Figures come from the standby, which may not know the first user yet.
  await eventually("the count of users", async () => {
    await platform.flushCache();
    return (await info()).usage.users.total === 1;
  });
  assert.match(await (await server.get("/", "text/html")).text(), /social\.example\.edu/);
});

test("an unsigned activity is refused", async () => {
  const response = await fetch(`${server.base}/inbox`, {
    method: "POST",
    headers: { "content-type": "application/activity+json" },
    body: JSON.stringify({ "@context": "https://www.w3.org/ns/activitystreams", type: "Follow",
      id: "https://evil.example/1", actor: "https://evil.example/a", object: `${ORIGIN}/users/admin` }),
  });
  assert.equal(response.status, 401);
});

test("the load generator counts what it did", async () => {
  const args = ["load.js", "--url", `${server.base}/users/admin`, "--seconds", "1", "--concurrency", "4"];
  const { code, stdout } = await runNode(args, {});
  const result = JSON.parse(stdout);
  assert.equal(code, 0);
  assert.ok(result.requests > 10 && result.errors === 0 && result.p50ms <= result.p99ms, stdout);
});
