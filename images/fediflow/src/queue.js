// Fedify's message queue on the queue store. A message stays in the store until its
// handler has ended: whoever takes one leases it for a minute and renews the lease while
// working, so the messages of a lost process are taken by another one. A delivery may
// therefore happen twice, never not at all; ActivityPub servers drop the second.
import { log } from "./log.js";

const DUE = "fediflow:queue:due"; // sorted set: message id → when it may be taken (ms)
const BODY = "fediflow:queue:body"; // hash: message id → message

const LEASE_MS = 60_000;
const RENEW_MS = 20_000;
const POLL_MS = 1000;
const MAX_WORKING = 32;

// Takes up to ARGV[2] due messages and moves each one lease ahead.
const TAKE = `
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[2])
local taken = {}
for _, id in ipairs(ids) do
  redis.call('ZADD', KEYS[1], now + ARGV[1], id)
  taken[#taken + 1] = id
  taken[#taken + 1] = redis.call('HGET', KEYS[2], id) or ''
end
return taken`;

// Adds messages (ARGV[2…]: id, body, id, body…) that are due in ARGV[1] milliseconds.
const PUT = `
local now = redis.call('TIME')
local due = now[1] * 1000 + math.floor(now[2] / 1000) + ARGV[1]
for i = 2, #ARGV, 2 do
  redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
  redis.call('ZADD', KEYS[1], due, ARGV[i])
end`;

// Renews the lease of a message that still exists.
const RENEW = `
local now = redis.call('TIME')
redis.call('ZADD', KEYS[1], 'XX', now[1] * 1000 + math.floor(now[2] / 1000) + ARGV[1], ARGV[2])`;

export class MessageQueue {
  #redis;
  #working = new Set();
  #wake = () => {};

  constructor(redis) {
    this.#redis = redis;
    redis.defineCommand("queueTake", { numberOfKeys: 2, lua: TAKE });
    redis.defineCommand("queuePut", { numberOfKeys: 2, lua: PUT });
    redis.defineCommand("queueRenew", { numberOfKeys: 1, lua: RENEW });
  }

  enqueue(message, options) {
    return this.enqueueMany([message], options);
  }

  async enqueueMany(messages, options) {
    if (options?.orderingKey) throw new TypeError("This queue does not keep an order between messages.");
    const delay = options?.delay ? Math.round(options.delay.total("milliseconds")) : 0;
    const pairs = messages.flatMap((message) => [crypto.randomUUID(), JSON.stringify(message)]);
    await this.#redis.queuePut(DUE, BODY, delay, ...pairs);
    if (delay === 0) this.#wake();
  }

  async getDepth() {
    return { queued: await this.#redis.zcard(DUE) };
  }

  // Works until the signal comes, then ends what has been begun.
  async listen(handler, { signal } = {}) {
    signal?.addEventListener("abort", () => this.#wake());
    while (!signal?.aborted) {
      const taken = await this.#take();
      for (const [id, body] of taken) this.#start(id, body, handler);
      if (taken.length === 0 || this.#working.size >= MAX_WORKING) await this.#rest();
    }
    await Promise.all(this.#working);
  }

  // Until there may be something to do: a message put by this process, one of its handlers
  // ended, or a look at what others have put.
  #rest() {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, POLL_MS);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #take() {
    const free = MAX_WORKING - this.#working.size;
    if (free <= 0) return [];
    const flat = await this.#redis.queueTake(DUE, BODY, LEASE_MS, free).catch(() => []);
    return flat.flatMap((item, index) => (index % 2 === 0 ? [[item, flat[index + 1]]] : []));
  }

  #start(id, body, handler) {
    const work = this.#work(id, body, handler).finally(() => {
      this.#working.delete(work);
      this.#wake();
    });
    this.#working.add(work);
  }

  async #work(id, body, handler) {
    const renewal = setInterval(() => this.#redis.queueRenew(DUE, LEASE_MS, id).catch(() => {}), RENEW_MS);
    try {
      if (body !== "") await handler(JSON.parse(body));
      await this.#redis.multi().zrem(DUE, id).hdel(BODY, id).exec();
    } catch (error) {
      // The lease runs out and somebody tries again.
      log.error("A queued message failed: {reason}", { reason: error.message });
    } finally {
      clearInterval(renewal);
    }
  }
}
