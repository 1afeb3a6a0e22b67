// What is read often, kept for a short time in the cache store. The cache may be away or
// empty at any moment: a failure here is a miss, never an error.
const PREFIX = "fediflow:cache:";

export class Cache {
  #redis;

  constructor(redis) {
    this.#redis = redis;
  }

  async get(key) {
    try {
      const text = await this.#redis.get(PREFIX + key);
      return text == null ? undefined : JSON.parse(text);
    } catch {
      return undefined;
    }
  }

  async set(key, value, ttlSeconds) {
    try {
      await this.#redis.set(PREFIX + key, JSON.stringify(value), "EX", ttlSeconds);
    } catch {
      // A miss later on costs less than a failed request now.
    }
  }

  // Returns the cached value or loads it. Nothing is remembered about what does not exist:
  // it may be written in the next moment.
  async remember(key, ttlSeconds, load) {
    const cached = await this.get(key);
    if (cached !== undefined) return cached;
    const value = await load();
    if (value != null) await this.set(key, value, ttlSeconds);
    return value;
  }
}
