import assert from "node:assert/strict";
import { execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { request as forward } from "node:http";
import { createServer } from "node:https";
import { join } from "node:path";
import { after, before, test } from "node:test";
import pg from "pg";
import { eventually, freePort, Instance, Platform, ROOT, runNode } from "./harness.js";

let platform, server, edge, peer, database, actor;
const received = [];

// The certificate of both servers, trusted by both.
function certificate(folder) {
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
    "-keyout", key, "-out", cert, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], { stdio: "ignore" });
  return { KEY: key, CERT: cert, NODE_EXTRA_CA_CERTS: cert };
}

// What an edge does: ends TLS and passes everything on.
async function startEdge({ KEY, CERT }, port, target) {
  const proxy = createServer({ key: readFileSync(KEY), cert: readFileSync(CERT) }, (message, reply) => {
    const { method, headers, url } = message;
    message.pipe(forward(target + url, { method, headers }, (answer) => {
      reply.writeHead(answer.statusCode, answer.headers);
      answer.pipe(reply);
    }));
  });
  proxy.listen(port, "127.0.0.1");
  await once(proxy, "listening");
  return proxy;
}

async function startPeer(tls) {
  const env = { PATH: process.env.PATH, ...tls, PORT: String(await freePort()) };
  const child = fork(join(ROOT, "test/integration/peer.js"), { env });
  child.on("message", (message) => received.push(message));
  await arrival("listening");
  return child;
}

const arrival = (type, matches = () => true) =>
  eventually(type, () => received.find((message) => message.type === type && matches(message)), 60_000);

async function order(command) {
  received.length = 0;
  peer.send({ command, target: actor, inbox: `${actor}/inbox` });
  await arrival("sent");
}

const followers = async () => (await database.query("SELECT actor_uri FROM followers")).rows.length;

before(async () => {
  platform = await new Platform().start();
  const tls = certificate(platform.path("tls"));
  const port = await freePort();
  const more = { FEDIFLOW_DOMAIN: `localhost:${port}` };
  actor = `https://localhost:${port}/users/admin`;
  await platform.createDatabase("federation");
  const migrated = await runNode(["migrate.js", "up"], platform.migrationEnvironment("federation", more));
  assert.equal(migrated.code, 0, migrated.stderr);
  database = new pg.Pool({ connectionString: platform.url("federation"), max: 1 });
  server = await new Instance(platform.environment("federation", {
    ...more, FEDIFLOW_ALLOW_PRIVATE_ADDRESS: "true", NODE_EXTRA_CA_CERTS: tls.NODE_EXTRA_CA_CERTS,
  })).start();
  edge = await startEdge(tls, port, server.base);
  peer = await startPeer(tls);
});

after(async () => {
  peer?.kill();
  await server?.stop();
  edge?.close();
  edge?.closeAllConnections();
  await database?.end();
  await platform?.stop();
});

test("a follower is accepted with a signature that holds", async () => {
  await order("follow");
  assert.equal((await arrival("Accept")).actor, actor);
  assert.equal(await followers(), 1);
});

test("a note is delivered to a follower", async () => {
  const posted = await server.post("Hello <follower>");
  const create = await arrival("Create");
  assert.equal(create.actor, actor);
  assert.equal(create.id, posted.headers.get("location"));
  assert.equal(create.content, "<p>Hello &lt;follower&gt;</p>");
  await eventually("the end of the fan-out", async () =>
    (await database.query("SELECT FROM activities WHERE fanout_after IS NOT NULL")).rowCount === 0);
});

test("a note posted while the queue is away is delivered later", async () => {
  await platform.queue.stop();
  assert.equal((await server.post("patience")).status, 201);
  assert.equal((await database.query("SELECT FROM activities WHERE fanout_after IS NOT NULL")).rowCount, 1);
  await platform.queue.start();
  // Instead of waiting for half a minute.
  await database.query("UPDATE activities SET fanout_after = now() WHERE fanout_after IS NOT NULL");
  await arrival("Create", ({ content }) => content === "<p>patience</p>");
});

test("followers are a public collection", async () => {
  const response = await server.get("/users/admin/followers?cursor=");
  assert.equal([(await response.json()).orderedItems].flat().length, 1);
});

test("a follower that leaves gets nothing more", async () => {
  await order("undo");
  await eventually("the end of the follow", async () => (await followers()) === 0);
});
