// Brings the database to the state this version needs. Each migration is one transaction
// that holds the same lock, so any number of migrating processes is safe, also through a
// transaction pooler.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";

const FOLDER = new URL("migrations/", import.meta.url);
const FILE = /^(\d{4})_[a-z0-9_]+\.sql$/;
// An arbitrary number that every migrating process agrees on.
const LOCK = 7_236_114_001;

export class MigrationError extends Error {}

export function listMigrations(folder = FOLDER) {
  return readdirSync(folder).filter((name) => FILE.test(name)).sort().map((name) => {
    const sql = readFileSync(new URL(name, folder), "utf8");
    return { version: Number(FILE.exec(name)[1]), name, sql, checksum: createHash("sha256").update(sql).digest("hex") };
  });
}

export const latestVersion = () => listMigrations().at(-1).version;

export async function inLockedTransaction(client, work) {
  await client.query("BEGIN");
  try {
    await client.query("SELECT pg_advisory_xact_lock($1)", [LOCK]);
    const result = await work();
    await client.query("COMMIT");
    return result;
  } catch (error) {
    await client.query("ROLLBACK").catch(() => {});
    throw error;
  }
}

// Returns the names of the migrations that were applied now.
export async function migrate(client, migrations = listMigrations()) {
  await inLockedTransaction(client, () => client.query(`CREATE TABLE IF NOT EXISTS schema_migrations (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    checksum   text NOT NULL,
    applied_at timestamptz(3) NOT NULL DEFAULT now()
  )`));
  const applied = [];
  for (const migration of migrations) {
    if (await inLockedTransaction(client, () => apply(client, migration))) applied.push(migration.name);
  }
  return applied;
}

async function apply(client, { version, name, sql, checksum }) {
  const { rows } = await client.query("SELECT checksum FROM schema_migrations WHERE version = $1", [version]);
  if (rows.length > 0) {
    if (rows[0].checksum === checksum) return false;
    throw new MigrationError(`${name} is not the file that was applied to this database; restore it and add a new migration instead`);
  }
  await client.query(sql);
  await client.query("INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)", [version, name, checksum]);
  return true;
}
