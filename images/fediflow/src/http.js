// Between Node's HTTP server and the web's Request and Response, with what concerns every
// answer: errors, validators, and the end of a connection while the process stops.
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { isUnavailable } from "./database.js";
import { log } from "./log.js";

const MAX_BODY_BYTES = 1024 * 1024;
// Longer than nginx keeps an idle upstream connection (60 s), so that the proxy and not
// this server ends it: a request sent into a closing connection would be an error.
const KEEP_ALIVE_MS = 75_000;
const REQUEST_MS = 30_000;

// An error as the client sees it: what it is called, what happened and what to do.
export class HttpError extends Error {
  constructor(status, error, message, action, headers = {}) {
    super(message);
    Object.assign(this, { status, error, action, headers });
  }
}

export function json(status, value, headers = {}) {
  return new Response(`${JSON.stringify(value)}\n`, {
    status,
    headers: { "Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store", ...headers },
  });
}

export function toErrorResponse(error) {
  if (error instanceof HttpError) {
    return json(error.status, { error: error.error, message: error.message, action: error.action }, error.headers);
  }
  if (isUnavailable(error)) {
    log.warn("The database is not available: {reason}", { reason: error.message });
    return json(503, {
      error: "database_unavailable",
      message: "The database did not answer.",
      action: "Try again in a few seconds; a note sent with the same Idempotency-Key is stored once.",
    }, { "Retry-After": "2" });
  }
  log.error("A request failed", { stack: error.stack });
  return json(500, {
    error: "internal_error",
    message: "The server met an error of its own.",
    action: "Try again; if it stays, look for this time in the server's log.",
  });
}

// Lets caches keep a page and ask for it again cheaply. Only a full answer to GET or HEAD
// is changed.
export async function withCaching(request, response, cacheControl) {
  if (response.status !== 200) return response;
  const body = Buffer.from(await response.arrayBuffer());
  const headers = new Headers(response.headers);
  const etag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`;
  headers.set("ETag", etag);
  headers.set("Cache-Control", cacheControl);
  if (matches(request.headers.get("If-None-Match"), etag)) {
    headers.delete("Content-Type");
    return new Response(null, { status: 304, headers });
  }
  return new Response(body, { headers });
}

function matches(header, etag) {
  if (!header) return false;
  return header === "*" || header.split(",").some((value) => value.trim().replace(/^W\//, "") === etag);
}

// What is too much flows past unread, so that its sender gets the answer.
function readBody(message) {
  return new Promise((resolve, reject) => {
    const chunks = [];
    let size = 0;
    message.on("data", (chunk) => {
      size += chunk.length;
      if (size <= MAX_BODY_BYTES) chunks.push(chunk);
      else reject(new HttpError(413, "too_large", "The request body is too large.", `Send at most ${MAX_BODY_BYTES} bytes.`,
        { Connection: "close" }));
    });
    message.on("end", () => resolve(Buffer.concat(chunks)));
    message.on("error", reject);
  });
}

// The edge ends TLS and may have been reached by another name: for the application and for
// signatures every request was made to the one public origin.
async function toRequest(message, origin) {
  if (!message.url.startsWith("/") || !URL.canParse(origin + message.url)) {
    throw new HttpError(400, "bad_url", "The request target is not a path.", "Send a path that begins with a slash.");
  }
  const headers = new Headers();
  for (const [name, values] of Object.entries(message.headersDistinct)) {
    for (const value of values) headers.append(name, value);
  }
  headers.set("host", new URL(origin).host);
  const body = message.method === "POST" ? await readBody(message) : undefined;
  return new Request(origin + message.url, { method: message.method, headers, body });
}

async function send(message, reply, response, closing) {
  const body = Buffer.from(await response.arrayBuffer());
  for (const [name, value] of response.headers) reply.setHeader(name, value);
  if (closing) reply.setHeader("Connection", "close");
  reply.setHeader("X-Content-Type-Options", "nosniff");
  if (response.status !== 304) reply.setHeader("Content-Length", body.length);
  reply.writeHead(response.status);
  reply.end(message.method === "HEAD" || response.status === 304 ? undefined : body);
}

// handle(request) → Response. The server's `draining` is set when it stops.
export function createHttpServer({ origin, handle }) {
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: REQUEST_MS }, async (message, reply) => {
    let response;
    try {
      response = await handle(await toRequest(message, origin));
    } catch (error) {
      // Nobody is there to be answered.
      if (message.destroyed && !message.complete) return reply.destroy();
      response = toErrorResponse(error);
    }
    try {
      await send(message, reply, response, server.draining);
    } catch (error) {
      log.error("An answer could not be sent: {reason}", { reason: error.message });
      reply.destroy();
    }
  });
  server.headersTimeout = KEEP_ALIVE_MS + 1000;
  server.draining = false;
  return server;
}
