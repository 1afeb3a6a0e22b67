// `node migrate.js up`: prepares the database and ends with 0 once it is up to date. It
// needs a connection of its own to the primary, not one of a pooler.
import pg from "pg";
import { ConfigError, loadConfig } from "./src/config.js";
import { isUnavailable } from "./src/database.js";
import { ensureIdentity } from "./src/identity.js";
import { migrate, MigrationError } from "./src/migrations.js";

const RETRY_MS = 2000;
const CONNECT_MS = 5000;
// Rather fail and be repeated than queue behind a long query and block everybody else.
const LOCK_TIMEOUT = "30s";
// A database that is being made knows neither its role nor its name yet.
const NOT_YET = new Set(["28P01", "28000", "3D000"]);

async function connect(config) {
  const deadline = Date.now() + config.waitSeconds * 1000;
  for (;;) {
    const client = new pg.Client({
      connectionString: config.databaseUrl,
      application_name: "fediflow-migrate",
      connectionTimeoutMillis: CONNECT_MS,
    });
    // Without a listener a broken connection would end the process; the query fails anyway.
    client.on("error", () => {});
    try {
      await client.connect();
      return client;
    } catch (error) {
      if (!isUnavailable(error) && !NOT_YET.has(error.code)) throw error;
      const left = Math.round((deadline - Date.now()) / 1000);
      if (left <= 0) throw new MigrationError(`the database was not reachable within ${config.waitSeconds} s: ${error.message}`);
      console.log(`Waiting for the database, ${left} s left: ${error.message}`);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

async function up() {
  const config = loadConfig("migration");
  const client = await connect(config);
  try {
    await client.query(`SET lock_timeout = '${LOCK_TIMEOUT}'`);
    const applied = await migrate(client);
    for (const name of applied) console.log(`Applied ${name}`);
    const created = await ensureIdentity(client, config);
    if (created) console.log(`Created @${config.adminUser}@${config.domain} and its keys`);
    if (applied.length === 0 && !created) console.log("The database is up to date");
  } finally {
    await client.end();
  }
}

if (process.argv.length !== 3 || process.argv[2] !== "up") {
  console.error("Usage: node migrate.js up");
  process.exit(2);
}
try {
  await up();
} catch (error) {
  const expected = error instanceof ConfigError || error instanceof MigrationError;
  console.error(`Migration failed: ${expected ? error.message : error.stack}`);
  process.exit(1);
}
