// The end of the process. As the first process of a container it gets no default action
// for a signal, so both are handled here.
import { log } from "./log.js";

export function stopOnSignal(app, graceSeconds) {
  const work = new AbortController();
  const queueEnded = app.federation.startQueue(undefined, { signal: work.signal });
  let stopping = false;
  for (const signal of ["SIGTERM", "SIGINT"]) {
    process.on(signal, async () => {
      if (stopping) return;
      stopping = true;
      log.info("Stopping after {signal}", { signal });
      app.health.stop();
      setTimeout(() => abandon(app.server, graceSeconds), graceSeconds * 1000).unref();
      await drain(app, work, queueEnded);
      log.info("Stopped");
      process.exit(0);
    });
  }
}

// Requests first: they still need the pools. What a stopped queue handler leaves is taken
// over by another process when its lease ends.
async function drain(app, work, queueEnded) {
  work.abort();
  await closeServer(app.server);
  await app.delivery.stop();
  await queueEnded;
  await app.database.close();
  for (const store of Object.values(app.stores)) store.disconnect();
}

// Idle connections end at once, busy ones with their answer.
function closeServer(server) {
  server.draining = true;
  return new Promise((resolve) => server.close(resolve));
}

function abandon(server, graceSeconds) {
  log.error("Requests were still running after {graceSeconds} s; ending them", { graceSeconds });
  server.closeAllConnections();
  process.exit(1);
}
