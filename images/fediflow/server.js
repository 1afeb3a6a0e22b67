// The API process: wiring, start and stop.
import { once } from "node:events";
import { limitOutgoingRequests } from "./src/agent.js";
import { Cache } from "./src/cache.js";
import { ConfigError, loadConfig } from "./src/config.js";
import { Database } from "./src/database.js";
import { Delivery } from "./src/delivery.js";
import { buildFederation } from "./src/federation.js";
import { Health } from "./src/health.js";
import { createHttpServer } from "./src/http.js";
import { KeyValueStore } from "./src/kv.js";
import { log, startLogging } from "./src/log.js";
import { latestVersion } from "./src/migrations.js";
import { Notes } from "./src/notes.js";
import { MessageQueue } from "./src/queue.js";
import { connectStore } from "./src/redis.js";
import { Routes } from "./src/routes.js";
import { stopOnSignal } from "./src/shutdown.js";
import { Users } from "./src/users.js";

// A request waits for the cache at most this long, for the queue a little longer.
const CACHE_TIMEOUT_MS = 200;
const QUEUE_TIMEOUT_MS = 1000;

function build(config) {
  const database = new Database(config);
  const stores = {
    queue: connectStore(config, config.queueName, QUEUE_TIMEOUT_MS),
    cache: connectStore(config, config.cacheName, CACHE_TIMEOUT_MS),
  };
  const cache = new Cache(stores.cache);
  const users = new Users(database, cache, config.domain);
  const notes = new Notes(database, cache);
  const queue = new MessageQueue(stores.queue);
  const federation = buildFederation({ config, kv: new KeyValueStore(stores.cache), queue, users, notes });
  const delivery = new Delivery({ federation, notes, config });
  const health = new Health({ database, stores, migration: latestVersion() });
  const routes = new Routes({ config, federation, health, users, notes, delivery });
  const server = createHttpServer({ origin: config.origin, handle: (request) => routes.handle(request) });
  return { database, stores, federation, delivery, health, server };
}

async function main() {
  const config = loadConfig("server");
  await startLogging();
  limitOutgoingRequests();
  const app = build(config);
  stopOnSignal(app, config.graceSeconds);
  app.server.listen(config.port);
  await once(app.server, "listening");
  app.delivery.start();
  log.info("Serving {origin} on port {port}", { origin: config.origin, port: config.port });
}

try {
  await main();
} catch (error) {
  console.error(error instanceof ConfigError ? error.message : error.stack);
  process.exit(1);
}
