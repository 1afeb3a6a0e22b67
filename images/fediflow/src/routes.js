// Which request is answered by whom: probes, the small API, files, pages for people, and
// everything of the fediverse by Fedify.
import { createHash, timingSafeEqual } from "node:crypto";
import { serveAsset } from "./assets.js";
import { noteUri } from "./federation.js";
import { HttpError, json, toErrorResponse, withCaching } from "./http.js";
import { isId } from "./id.js";
import { CursorError, IdempotencyConflict } from "./notes.js";
import { frontPage, notePage, profilePage } from "./pages.js";

// How long caches may keep an answer.
const USUAL = "public, max-age=60";
const SHORT = "public, max-age=5";
const FOR_EVER = "public, max-age=31536000, immutable";
const MAX_NOTE_CHARACTERS = 5000;
const MAX_KEY_CHARACTERS = 200;

const notFound = () => toErrorResponse(
  new HttpError(404, "not_found", "There is nothing under this address.", "Check the address."));
const notAcceptable = () => toErrorResponse(
  new HttpError(406, "not_acceptable", "There is no page for people under this address.",
    "Ask with Accept: application/activity+json.", { Vary: "Accept" }));

export class Routes {
  #config;
  #federation;
  #health;
  #users;
  #notes;
  #delivery;

  constructor({ config, federation, health, users, notes, delivery }) {
    this.#config = config;
    this.#federation = federation;
    this.#health = health;
    this.#users = users;
    this.#notes = notes;
    this.#delivery = delivery;
  }

  async handle(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/healthz") return this.#health.live();
    if (pathname === "/readyz") return this.#health.ready();
    if (pathname === "/api/notes") return this.#postNote(request);
    if (!["GET", "HEAD", "POST"].includes(request.method)) {
      throw new HttpError(405, "method_not_allowed", `${request.method} is not used here.`, "Use GET, HEAD or POST.",
        { Allow: "GET, HEAD, POST" });
    }
    if (request.method === "POST") return this.#federate(request);
    const asset = serveAsset(pathname);
    if (asset) return withCaching(request, asset, FOR_EVER);
    if (pathname === "/") return withCaching(request, await this.#frontPage(), SHORT);
    return withCaching(request, await this.#federate(request), USUAL);
  }

  async #federate(request) {
    try {
      return await this.#federation.fetch(request, {
        contextData: undefined,
        onNotFound: notFound,
        onNotAcceptable: () => this.#page(request),
      });
    } catch (error) {
      if (!(error instanceof CursorError)) throw error;
      throw new HttpError(400, "bad_cursor", "The cursor is not one of this server.", "Follow the links of the collection.");
    }
  }

  // Asked by Fedify for what has an address of the fediverse but is wanted as HTML.
  async #page(request) {
    const [root, handle, kind, id, ...rest] = new URL(request.url).pathname.slice(1).split("/");
    if (root !== "users" || rest.length > 0) return notAcceptable();
    if (kind === undefined) return this.#profile(handle);
    if (kind !== "notes") return notAcceptable();
    const note = isId(id) ? await this.#notes.find(handle, id) : null;
    return note ? notePage(this.#config.origin, note) : notFound();
  }

  async #profile(handle) {
    const user = await this.#users.find(handle);
    if (!user) return notFound();
    const { notes } = await this.#notes.outbox(user, null);
    return profilePage(this.#config.origin, this.#config.domain, user, notes);
  }

  async #frontPage() {
    const user = await this.#author();
    return frontPage(this.#config.domain, user, await this.#notes.timeline(user.tenantId));
  }

  async #author() {
    const user = await this.#users.find(this.#config.adminUser);
    if (user) return user;
    throw new HttpError(503, "no_such_user", `There is no user ${this.#config.adminUser} yet.`,
      "Run node migrate.js up with the same FEDIFLOW_ADMIN_USER.");
  }

  async #postNote(request) {
    if (request.method !== "POST") {
      throw new HttpError(405, "method_not_allowed", "Notes are posted.", "Use POST.", { Allow: "POST" });
    }
    this.#authorize(request);
    const content = await readContent(request);
    const key = readKey(request);
    const author = await this.#author();
    const { note, fanout } = await this.#notes.create(author, content, key).catch(explainConflict);
    if (fanout) await this.#delivery.announce(note);
    const uri = noteUri(this.#federation.createContext(new URL(this.#config.origin), undefined), note).href;
    return json(201, { id: uri, content: note.body, published: note.publishedAt }, { Location: uri });
  }

  #authorize(request) {
    const digest = (text) => createHash("sha256").update(text).digest();
    const given = request.headers.get("Authorization") ?? "";
    if (timingSafeEqual(digest(given), digest(`Bearer ${this.#config.adminToken}`))) return;
    throw new HttpError(401, "unauthorized", "The bearer token is missing or wrong.",
      "Send Authorization: Bearer with the value of FEDIFLOW_ADMIN_TOKEN.", { "WWW-Authenticate": "Bearer" });
  }
}

async function readContent(request) {
  const { content } = (await request.json().catch(() => null)) ?? {};
  if (typeof content === "string" && content.trim() !== "" && content.length <= MAX_NOTE_CHARACTERS &&
      !content.includes("\0") && content.isWellFormed()) {
    return content.replaceAll("\r\n", "\n");
  }
  throw new HttpError(422, "bad_content", "The note has no usable content.",
    `Send JSON such as {"content": "Hello"} with 1 to ${MAX_NOTE_CHARACTERS} characters.`);
}

function readKey(request) {
  const key = request.headers.get("Idempotency-Key");
  if (key === null || (key !== "" && key.length <= MAX_KEY_CHARACTERS)) return key;
  throw new HttpError(422, "bad_idempotency_key", "The Idempotency-Key is not usable.",
    `Send 1 to ${MAX_KEY_CHARACTERS} characters, such as a UUID.`);
}

function explainConflict(error) {
  if (!(error instanceof IdempotencyConflict)) throw error;
  throw new HttpError(422, "idempotency_conflict", "Another note was sent with this Idempotency-Key.",
    "Use a new key for a new note.");
}
