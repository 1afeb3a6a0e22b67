// Fedify's key-value store on the cache store: remote keys and documents, inbox
// identifiers already seen, circuit breaker states. Losing any of it costs another fetch
// or another run of a listener that may run twice, so a failure reads as "not there".
// There is no compare-and-swap: breaker states may race, which only delays a delivery.
const PREFIX = "fediflow:kv:";
const SCAN_COUNT = 100;
// Fedify sets no limit for some keys; in a cache nothing is kept for ever.
const DEFAULT_TTL_MS = 30 * 24 * 3600 * 1000;

const encode = (key) => PREFIX + JSON.stringify(key);
const decode = (name) => JSON.parse(name.slice(PREFIX.length));

export class KeyValueStore {
  #redis;

  constructor(redis) {
    this.#redis = redis;
  }

  async get(key) {
    const text = await this.#redis.get(encode(key)).catch(() => null);
    return text == null ? undefined : JSON.parse(text);
  }

  async set(key, value, options) {
    const ttl = options?.ttl ? Math.max(1, Math.ceil(options.ttl.total("milliseconds"))) : DEFAULT_TTL_MS;
    await this.#redis.set(encode(key), JSON.stringify(value), "PX", ttl).catch(() => {});
  }

  async delete(key) {
    await this.#redis.del(encode(key)).catch(() => {});
  }

  async *list(prefix = []) {
    // JSON escapes nothing that a glob would read, except these.
    const start = encode(prefix).slice(0, -1).replace(/[[\]*?\\]/g, "\\$&");
    for await (const names of this.#redis.scanStream({ match: `${start}*`, count: SCAN_COUNT })) {
      for (const name of names) {
        const key = decode(name);
        if (!prefix.every((part, index) => key[index] === part)) continue;
        const value = await this.get(key);
        if (value !== undefined) yield { key, value };
      }
    }
  }
}
