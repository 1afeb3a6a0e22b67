// Makes load from inside a cluster: `node load.js --url URL --seconds N --concurrency N`
// asks for one address over and over; with --post TEXT it posts notes to it, with the token
// of FEDIFLOW_ADMIN_TOKEN. Prints one line of JSON and fails if nothing was answered.
import { parseArgs } from "node:util";
import { Agent, request } from "undici";

const { values } = parseArgs({
  options: {
    url: { type: "string" },
    seconds: { type: "string", default: "10" },
    concurrency: { type: "string", default: "8" },
    accept: { type: "string", default: "application/activity+json" },
    post: { type: "string" },
  },
});
const seconds = Number(values.seconds);
const concurrency = Number(values.concurrency);
if (!URL.canParse(values.url) || !(seconds > 0 && seconds <= 3600) || !(concurrency >= 1 && concurrency <= 1000)) {
  console.error("Usage: node load.js --url URL [--seconds 1…3600] [--concurrency 1…1000] [--accept TYPE] [--post TEXT]");
  process.exit(2);
}

const agent = new Agent({ connections: concurrency, headersTimeout: 10_000, bodyTimeout: 10_000 });
const headers = { accept: values.accept };
const options = { dispatcher: agent, headers };
if (values.post !== undefined) {
  Object.assign(options, { method: "POST", body: JSON.stringify({ content: values.post }) });
  Object.assign(headers, {
    "content-type": "application/json",
    authorization: `Bearer ${process.env.FEDIFLOW_ADMIN_TOKEN}`,
  });
}

// A histogram in microseconds on a logarithmic scale (steps of 2 %), so that memory stays
// the same however long it runs.
const STEP = Math.log(1.02);
const buckets = new Map();
let requests = 0;
let errors = 0;

async function ask() {
  const start = performance.now();
  try {
    const { statusCode, body } = await request(values.url, options);
    await body.dump({ limit: Infinity });
    if (statusCode >= 400) errors++;
  } catch {
    errors++;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  requests++;
  const bucket = Math.ceil(Math.log(Math.max(1, (performance.now() - start) * 1000)) / STEP);
  buckets.set(bucket, (buckets.get(bucket) ?? 0) + 1);
}

function percentile(share) {
  let left = requests * share;
  for (const bucket of [...buckets.keys()].sort((a, b) => a - b)) {
    left -= buckets.get(bucket);
    if (left <= 0) return Math.round(Math.exp(bucket * STEP)) / 1000;
  }
  return null;
}

const end = Date.now() + seconds * 1000;
await Promise.all(Array.from({ length: concurrency }, async () => {
  while (Date.now() < end) await ask();
}));
console.log(JSON.stringify({
  requests, errors, perSecond: Math.round(requests / seconds), p50ms: percentile(0.5), p99ms: percentile(0.99),
}));
process.exit(errors === requests ? 1 : 0);
