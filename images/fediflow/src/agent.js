// How this server calls others: kept-alive connections, and no peer may hold a worker for
// long by answering slowly.
import { Agent, setGlobalDispatcher } from "undici";

const CONNECTIONS_PER_HOST = 256;
const KEEP_ALIVE_MS = 1000;
const CONNECT_MS = 5000;
const ANSWER_MS = 10_000;

export function limitOutgoingRequests() {
  setGlobalDispatcher(new Agent({
    connections: CONNECTIONS_PER_HOST,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connect: { timeout: CONNECT_MS },
    headersTimeout: ANSWER_MS,
    bodyTimeout: ANSWER_MS,
  }));
}
