// Users, their keys and their followers.
import { importJwk } from "@fedify/fedify";

const TTL_SECONDS = 60;
const FOLLOWERS_A_PAGE = 200;

export class Users {
  #database;
  #cache;
  #domain;
  // Keys never change, and importing one costs more than a lookup.
  #keyPairs = new Map();

  constructor(database, cache, domain) {
    this.#database = database;
    this.#cache = cache;
    this.#domain = domain;
  }

  // The active user of that handle, or null: {id, tenantId, handle, name, summary, createdAt}.
  async find(handle) {
    return (await this.#cache.remember(`user:${handle}`, TTL_SECONDS, () => this.#load(handle))) ?? null;
  }

  async #load(handle) {
    const [user] = await this.#database.read({
      name: "user-by-handle",
      text: `SELECT u.id, u.tenant_id AS "tenantId", u.handle, u.name, u.summary, u.created_at AS "createdAt"
             FROM users u JOIN tenants t ON t.id = u.tenant_id
             WHERE t.domain = $1 AND u.handle = $2 AND u.status = 'active'`,
      values: [this.#domain, handle],
    });
    return user;
  }

  // Private keys are read from the database alone, never from the cache store.
  async keyPairs(handle) {
    const known = this.#keyPairs.get(handle);
    if (known) return known;
    const user = await this.find(handle);
    if (!user) return [];
    const rows = await this.#database.read({
      name: "keys-by-user",
      text: `SELECT private_jwk AS private, public_jwk AS public FROM actor_keys
             WHERE user_id = $1 ORDER BY algorithm DESC`,
      values: [user.id],
    });
    const pairs = await Promise.all(rows.map(importPair));
    if (pairs.length > 0) this.#keyPairs.set(handle, pairs);
    return pairs;
  }

  count() {
    return this.#cache.remember("users:count", TTL_SECONDS, async () => {
      const [row] = await this.#database.read({
        name: "users-count",
        text: "SELECT count(*)::int AS count FROM users WHERE status = 'active'",
      });
      return row.count;
    });
  }

  async addFollower(userId, { actorUri, inboxUri, sharedInboxUri }) {
    await this.#database.write({
      name: "follower-add",
      text: `INSERT INTO followers (user_id, actor_uri, inbox_uri, shared_inbox_uri) VALUES ($1, $2, $3, $4)
             ON CONFLICT (user_id, actor_uri) DO UPDATE
             SET inbox_uri = EXCLUDED.inbox_uri, shared_inbox_uri = EXCLUDED.shared_inbox_uri`,
      values: [userId, actorUri, inboxUri, sharedInboxUri],
    });
  }

  async removeFollower(userId, actorUri) {
    await this.#database.write({
      name: "follower-remove",
      text: "DELETE FROM followers WHERE user_id = $1 AND actor_uri = $2",
      values: [userId, actorUri],
    });
  }

  // A page of followers after the given actor, from the primary: whoever has just followed
  // must get the next note.
  async followers(userId, after) {
    const rows = await this.#database.readPrimary({
      name: "followers-page",
      text: `SELECT actor_uri AS "actorUri", inbox_uri AS "inboxUri", shared_inbox_uri AS "sharedInboxUri"
             FROM followers WHERE user_id = $1 AND actor_uri > $2 ORDER BY actor_uri LIMIT $3`,
      values: [userId, after, FOLLOWERS_A_PAGE],
    });
    return { rows, next: rows.length === FOLLOWERS_A_PAGE ? rows.at(-1).actorUri : null };
  }

  async countFollowers(userId) {
    const [row] = await this.#database.read({
      name: "followers-count",
      text: "SELECT count(*)::int AS count FROM followers WHERE user_id = $1",
      values: [userId],
    });
    return row.count;
  }
}

async function importPair(row) {
  return {
    privateKey: await importJwk(row.private, "private"),
    publicKey: await importJwk(row.public, "public"),
  };
}
