// Notes and the Create activities that announce them.
import { newId } from "./id.js";

const TTL_SECONDS = 60;
const TIMELINE_TTL_SECONDS = 5;
export const PAGE_SIZE = 20;
// How long a fan-out may take before another process takes it over.
const FANOUT_SECONDS = 30;
const FANOUT_BATCH = 20;

const NOTE = `c.id, u.handle, c.body, c.published_at AS "publishedAt", a.id AS "activityId"`;
const JOINS = "content c JOIN users u ON u.id = c.author_id JOIN activities a ON a.object_id = c.id";

// One statement, so that it can be neither half applied nor applied twice: a repetition
// meets the same identifier or the same idempotency key and inserts nothing. The fan-out
// is due at once but left to the request for a while; without followers there is none.
const INSERT = `
WITH note AS (
  INSERT INTO content (id, tenant_id, author_id, kind, body, idempotency_key)
  VALUES ($1, $2, $3, 'Note', $4, $5)
  ON CONFLICT DO NOTHING
  RETURNING id, tenant_id, author_id, published_at
)
INSERT INTO activities (id, tenant_id, actor_id, type, object_id, published_at, fanout_after)
SELECT $6, tenant_id, author_id, 'Create', id, published_at,
       CASE WHEN EXISTS (SELECT FROM followers WHERE user_id = $3)
            THEN now() + make_interval(secs => $7) END
FROM note
RETURNING published_at AS "publishedAt", fanout_after IS NOT NULL AS fanout`;

export class IdempotencyConflict extends Error {}

export class Notes {
  #database;
  #cache;

  constructor(database, cache) {
    this.#database = database;
    this.#cache = cache;
  }

  // Returns {note, fanout}: the note as stored, and whether it still has to be handed to
  // the delivery queue by the caller.
  async create(author, body, idempotencyKey = null) {
    const id = newId();
    const activityId = newId();
    const values = [id, author.tenantId, author.id, body, idempotencyKey, activityId, FANOUT_SECONDS];
    const [row] = await this.#database.write({ name: "note-insert", text: INSERT, values });
    const note = row
      ? { id, handle: author.handle, body, publishedAt: row.publishedAt, activityId }
      : await this.#stored(author, id, idempotencyKey);
    if (note.body !== body) throw new IdempotencyConflict();
    await this.#cache.set(`note:${note.id}`, note, TTL_SECONDS);
    return { note, fanout: row?.fanout ?? false };
  }

  // What a repetition finds: the note of the first time.
  async #stored(author, id, idempotencyKey) {
    const [note] = await this.#database.readPrimary({
      name: "note-stored",
      text: `SELECT ${NOTE} FROM ${JOINS}
             WHERE c.id = $1 OR (c.author_id = $2 AND c.idempotency_key = $3)`,
      values: [id, author.id, idempotencyKey],
    });
    return note;
  }

  async find(handle, id) {
    const note = await this.#cache.remember(`note:${id}`, TTL_SECONDS, async () => {
      const [row] = await this.#database.read({
        name: "note-by-id",
        text: `SELECT ${NOTE} FROM ${JOINS} WHERE c.id = $1 AND u.status = 'active'`,
        values: [id],
      });
      return row;
    });
    return note?.handle === handle ? note : null;
  }

  // A page of a user's notes, newest first, older than the cursor: {notes, next}.
  async outbox(user, cursor) {
    const [publishedAt, id] = cursor ? parseCursor(cursor) : ["infinity", "ffffffff-ffff-ffff-ffff-ffffffffffff"];
    const notes = await this.#database.read({
      name: "outbox-page",
      text: `SELECT ${NOTE} FROM ${JOINS}
             WHERE a.actor_id = $1 AND (a.published_at, a.id) < ($2, $3)
             ORDER BY a.published_at DESC, a.id DESC LIMIT $4`,
      values: [user.id, publishedAt, id, PAGE_SIZE],
    });
    const last = notes.length === PAGE_SIZE ? notes.at(-1) : null;
    return { notes, next: last && `${new Date(last.publishedAt).toISOString()}_${last.activityId}` };
  }

  // The newest notes of the whole server.
  async timeline(tenantId) {
    return this.#cache.remember(`timeline:${tenantId}`, TIMELINE_TTL_SECONDS, () =>
      this.#database.read({
        name: "timeline",
        text: `SELECT ${NOTE} FROM ${JOINS} WHERE a.tenant_id = $1 ORDER BY a.published_at DESC LIMIT $2`,
        values: [tenantId, PAGE_SIZE],
      }));
  }

  count(user) {
    return this.#cache.remember(`notes:count:${user.id}`, TTL_SECONDS, async () => {
      const [row] = await this.#database.read({
        name: "notes-count",
        text: "SELECT count(*)::int AS count FROM activities WHERE actor_id = $1",
        values: [user.id],
      });
      return row.count;
    });
  }

  // Of the whole server, as the planner knows it: counting a large table would cost more
  // than the figure is worth.
  countAll() {
    return this.#cache.remember("notes:count", TTL_SECONDS, async () => {
      const [row] = await this.#database.read({
        name: "notes-count-all",
        text: "SELECT greatest(reltuples, 0)::int AS count FROM pg_class WHERE oid = 'content'::regclass",
      });
      return row.count;
    });
  }

  async fanoutDone(note) {
    await this.#database.write({
      name: "fanout-done",
      text: "UPDATE activities SET fanout_after = NULL WHERE id = $1",
      values: [note.activityId],
    });
  }

  // Notes whose fan-out nobody has finished in time; each is given to one caller only.
  claimFanouts() {
    return this.#database.write({
      name: "fanout-claim",
      text: `WITH due AS (
               SELECT id FROM activities WHERE fanout_after < now()
               ORDER BY fanout_after LIMIT $1 FOR UPDATE SKIP LOCKED
             ), a AS (
               UPDATE activities SET fanout_after = now() + make_interval(secs => $2)
               FROM due WHERE activities.id = due.id
               RETURNING activities.id, activities.object_id
             )
             SELECT ${NOTE} FROM a JOIN content c ON c.id = a.object_id JOIN users u ON u.id = c.author_id`,
      values: [FANOUT_BATCH, FANOUT_SECONDS],
    });
  }
}

export class CursorError extends Error {}

// A cursor is where the page before ended: time and activity.
export function parseCursor(cursor) {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)_([0-9a-f-]{36})$/.exec(cursor);
  if (!match) throw new CursorError();
  return match.slice(1);
}
