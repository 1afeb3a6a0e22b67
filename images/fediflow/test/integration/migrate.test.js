import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import pg from "pg";
import { freePort, Platform, runNode } from "./harness.js";

let platform;
before(async () => (platform = await new Platform().start()));
after(() => platform?.stop());

const up = (database, more) => runNode(["migrate.js", "up"], platform.migrationEnvironment(database, more));

async function query(database, sql) {
  const client = new pg.Client(platform.url(database));
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

test("many migrations at once apply everything once; the identity never changes", async () => {
  await platform.createDatabase("together");
  const results = await Promise.all(Array.from({ length: 4 }, () => up("together")));
  for (const result of results) assert.equal(result.code, 0, result.stderr);
  const output = results.map(({ stdout }) => stdout).join("");
  assert.equal(output.match(/Applied 0001_initial/g).length, 1, output);
  const keys = await query("together", "SELECT * FROM actor_keys ORDER BY algorithm");
  assert.equal(keys.length, 2);
  assert.match((await up("together")).stdout, /up to date/);
  assert.deepEqual(await query("together", "SELECT * FROM actor_keys ORDER BY algorithm"), keys);
});

test("another domain is refused", async () => {
  await platform.createDatabase("domain");
  assert.equal((await up("domain")).code, 0);
  const other = await up("domain", { FEDIFLOW_DOMAIN: "other.example.edu" });
  assert.equal(other.code, 1);
  assert.match(other.stderr, /belongs to social\.example\.edu, but FEDIFLOW_DOMAIN is other\.example\.edu/);
});

test("a migration that was changed after it was applied is refused", async () => {
  await platform.createDatabase("changed");
  assert.equal((await up("changed")).code, 0);
  await query("changed", "UPDATE schema_migrations SET checksum = 'x'");
  const result = await up("changed");
  assert.equal(result.code, 1);
  assert.match(result.stderr, /0001_initial\.sql is not the file that was applied/);
});

test("a database ahead of this version is left alone", async () => {
  await platform.createDatabase("ahead");
  assert.equal((await up("ahead")).code, 0);
  await query("ahead", "INSERT INTO schema_migrations (version, name, checksum) VALUES (9999, 'x', 'x')");
  assert.match((await up("ahead")).stdout, /up to date/);
});

test("the wait for a database is bounded and visible", async () => {
  const DATABASE_URL = `postgresql://postgres@127.0.0.1:${await freePort()}/x`;
  const result = await up("x", { DATABASE_URL, MIGRATE_WAIT_SECONDS: "3" });
  assert.equal(result.code, 1);
  assert.match(result.stdout, /Waiting for the database, 3 s left: .*ECONNREFUSED/);
  assert.match(result.stderr, /not reachable within 3 s/);
});

test("a wrong environment is one clear line", async () => {
  const result = await runNode(["server.js"], { PATH: process.env.PATH });
  assert.equal(result.code, 1);
  assert.match(result.stderr, /^The environment is not usable: FEDIFLOW_DOMAIN is not set; [^\n]*\.\n$/);
});
