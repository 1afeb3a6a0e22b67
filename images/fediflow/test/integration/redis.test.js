import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Redis } from "ioredis";
import { KeyValueStore } from "../../src/kv.js";
import { MessageQueue } from "../../src/queue.js";
import { connectStore } from "../../src/redis.js";
import { eventually, PASSWORD, Platform } from "./harness.js";

let platform, config, replica;
const connections = [];

before(async () => {
  platform = await new Platform().start();
  config = { sentinels: [{ host: "127.0.0.1", port: platform.sentinel.port }], redisPassword: PASSWORD };
});

after(async () => {
  for (const connection of connections) connection.disconnect();
  await replica?.stop();
  await platform?.stop();
});

async function store(name) {
  const redis = connectStore(config, name, 1000);
  connections.push(redis);
  await eventually(name, () => redis.status === "ready");
  return redis;
}

const inSeconds = (seconds) => ({ total: () => seconds * 1000 });

// Collects what a queue hands out until stopped.
function listen(queue, handler = () => {}) {
  const work = new AbortController();
  const got = [];
  const ended = queue.listen(async (message) => {
    got.push(message);
    await handler(message);
  }, { signal: work.signal });
  return { got, stop: () => (work.abort(), ended) };
}

test("every message is handled by one of many processes, once", async () => {
  const queues = [new MessageQueue(await store("queue")), new MessageQueue(await store("queue"))];
  const workers = queues.map((queue) => listen(queue, () => pause(5)));
  const messages = Array.from({ length: 200 }, (_, i) => ({ i }));
  await queues[0].enqueueMany(messages);
  const got = () => workers.flatMap((worker) => worker.got);
  await eventually("all messages", () => got().length >= messages.length);
  await Promise.all(workers.map((worker) => worker.stop()));
  assert.deepEqual(got().map(({ i }) => i).sort((a, b) => a - b), messages.map(({ i }) => i));
  assert.deepEqual(await queues[0].getDepth(), { queued: 0 });
});

test("a delayed message waits", async () => {
  const queue = new MessageQueue(await store("queue"));
  const worker = listen(queue);
  await queue.enqueue("later", { delay: inSeconds(1.5) });
  await pause(1000);
  assert.deepEqual(worker.got, []);
  await eventually("the message", () => worker.got.length === 1);
  await worker.stop();
});

test("a failed message and one of a lost process are handled again", async () => {
  const redis = await store("queue");
  const queue = new MessageQueue(redis);
  const failing = listen(queue, () => { throw new Error("on purpose"); });
  await queue.enqueue("again");
  await eventually("the failure", () => failing.got.length === 1);
  await failing.stop();
  const [[id, leaseEnd]] = [await redis.zrange("fediflow:queue:due", 0, -1, "WITHSCORES")];
  assert.ok(Number(leaseEnd) > Date.now() + 30_000);
  // Instead of waiting for the end of the lease.
  await redis.zadd("fediflow:queue:due", 0, id);
  const worker = listen(queue);
  await eventually("the second attempt", () => worker.got.length === 1);
  await worker.stop();
});

test("the key-value store keeps, lists and forgets", async () => {
  const kv = new KeyValueStore(await store("cache"));
  await kv.set(["a", "x*"], { n: 1 });
  await kv.set(["a", "y"], 2, { ttl: inSeconds(0.2) });
  await kv.set(["ab", "z"], 3);
  const entries = [];
  for await (const entry of kv.list(["a"])) entries.push(entry.key.join("/"));
  assert.deepEqual(entries.sort(), ["a/x*", "a/y"]);
  assert.deepEqual(await kv.get(["a", "x*"]), { n: 1 });
  await pause(300);
  assert.equal(await kv.get(["a", "y"]), undefined);
  await kv.delete(["a", "x*"]);
  assert.equal(await kv.get(["a", "x*"]), undefined);
});

// Sentinel with a replica of the queue store and quick decisions.
async function replicate() {
  replica = await platform.startStore("queue-replica", ["--replicaof", "127.0.0.1", String(platform.queue.port)]);
  const sentinel = new Redis(platform.sentinel.port, { password: PASSWORD });
  connections.push(sentinel);
  await sentinel.call("SENTINEL", "SET", "queue", "down-after-milliseconds", "1000", "failover-timeout", "5000");
}

async function failsOver(from, to, fail) {
  const redis = await store("queue");
  const queue = new MessageQueue(redis);
  // Sentinel asks a master for its replicas every ten seconds; writes wait for the replica.
  await eventually("a replica in step", async () => {
    const info = await redis.info("replication");
    return info.includes("state=online") && (await redis.wait(1, 500)) === 1;
  }, 60_000);
  await pause(11_000);
  for (let i = 0; i < 10; i++) await queue.enqueue({ i });
  assert.equal(await redis.wait(1, 1000), 1);
  await fail(from);
  await eventually("the new master", () => queue.enqueue({ i: 10 }).then(() => redis.stream.remotePort === to.port), 30_000);
  const worker = listen(queue);
  await eventually("all messages", () => new Set(worker.got.map(({ i }) => i)).size === 11);
  await worker.stop();
}

test("a failover from a store that hangs, as on a lost node, is followed and loses no message", async () => {
  await replicate();
  await failsOver(platform.queue, replica, (program) => program.signal("SIGSTOP"));
});

test("a failover from a store that dies is followed and loses no message", async () => {
  platform.queue.signal("SIGCONT");
  await failsOver(replica, platform.queue, (program) => program.stop("SIGKILL"));
});
