// What other servers see, in Fedify's terms: WebFinger, NodeInfo, actors, notes and the
// collections. Paths and vocabulary are here, storage is not.
import { createFederation } from "@fedify/fedify";
import { Temporal } from "@js-temporal/polyfill";
import { Create, Endpoints, Note, Person, PUBLIC_COLLECTION } from "@fedify/vocab";
import { isId } from "./id.js";
import { listenToInbox } from "./inbox.js";
import { toHtml } from "./text.js";

const VERSION = "0.1.0";
const instant = (date) => Temporal.Instant.from(new Date(date).toISOString());

export const noteUri = (context, note) => context.getObjectUri(Note, { identifier: note.handle, id: note.id });

export function toNote(context, note) {
  return new Note({
    id: noteUri(context, note),
    url: noteUri(context, note),
    attribution: context.getActorUri(note.handle),
    content: toHtml(note.body),
    published: instant(note.publishedAt),
    to: PUBLIC_COLLECTION,
    cc: context.getFollowersUri(note.handle),
  });
}

export function toCreate(context, note) {
  return new Create({
    id: new URL(`#activities/${note.activityId}`, noteUri(context, note)),
    actor: context.getActorUri(note.handle),
    object: toNote(context, note),
    published: instant(note.publishedAt),
    to: PUBLIC_COLLECTION,
    cc: context.getFollowersUri(note.handle),
  });
}

// The RSA key signs requests, the Ed25519 key signs objects; each is published for its use
// alone, as encoding an RSA key twice would be most of the cost of an actor.
async function toPerson(context, user) {
  const keys = await context.getActorKeyPairs(user.handle);
  const ofType = (name) => keys.filter(({ publicKey }) => publicKey.algorithm.name === name);
  return new Person({
    id: context.getActorUri(user.handle),
    url: context.getActorUri(user.handle),
    preferredUsername: user.handle,
    name: user.name,
    summary: user.summary ? toHtml(user.summary) : null,
    published: instant(user.createdAt),
    inbox: context.getInboxUri(user.handle),
    endpoints: new Endpoints({ sharedInbox: context.getInboxUri() }),
    outbox: context.getOutboxUri(user.handle),
    followers: context.getFollowersUri(user.handle),
    publicKey: ofType("RSASSA-PKCS1-v1_5")[0]?.cryptographicKey,
    assertionMethods: ofType("Ed25519").map((pair) => pair.multikey),
  });
}

function serveActors(federation, users) {
  federation
    .setActorDispatcher("/users/{identifier}", async (context, identifier) => {
      const user = await users.find(identifier);
      return user && toPerson(context, user);
    })
    .setKeyPairsDispatcher((_context, identifier) => users.keyPairs(identifier))
    .mapHandle((_context, username) => username);
}

function serveNotes(federation, users, notes) {
  federation.setObjectDispatcher(Note, "/users/{identifier}/notes/{id}", async (context, { identifier, id }) => {
    const note = isId(id) ? await notes.find(identifier, id) : null;
    return note && toNote(context, note);
  });
  federation
    .setOutboxDispatcher("/users/{identifier}/outbox", async (context, identifier, cursor) => {
      const user = await users.find(identifier);
      if (!user || cursor === null) return null;
      const page = await notes.outbox(user, cursor);
      return { items: page.notes.map((note) => toCreate(context, note)), nextCursor: page.next };
    })
    .setFirstCursor(() => "")
    .setCounter(async (_context, identifier) => {
      const user = await users.find(identifier);
      return user && notes.count(user);
    });
}

function serveFollowers(federation, users) {
  federation
    .setFollowersDispatcher("/users/{identifier}/followers", async (_context, identifier, cursor) => {
      const user = await users.find(identifier);
      if (!user || cursor === null) return null;
      const page = await users.followers(user.id, cursor);
      return { items: page.rows.map(toRecipient), nextCursor: page.next };
    })
    .setFirstCursor(() => "")
    .setCounter(async (_context, identifier) => {
      const user = await users.find(identifier);
      return user && users.countFollowers(user.id);
    });
}

function toRecipient(row) {
  return {
    id: new URL(row.actorUri),
    inboxId: new URL(row.inboxUri),
    endpoints: row.sharedInboxUri ? { sharedInbox: new URL(row.sharedInboxUri) } : null,
  };
}

function serveNodeInfo(federation, users, notes) {
  federation.setNodeInfoDispatcher("/nodeinfo/2.1", async () => ({
    software: { name: "fediflow", version: VERSION },
    protocols: ["activitypub"],
    usage: { users: { total: await users.count() }, localPosts: await notes.countAll(), localComments: 0 },
  }));
}

// Incoming activities are handled while their sender waits: if that fails the sender is
// told and tries again. Outgoing ones go through the queue.
export function buildFederation({ config, kv, queue, users, notes }) {
  const federation = createFederation({
    origin: config.origin,
    kv,
    queue: { outbox: queue, fanout: queue },
    manuallyStartQueue: true,
    allowPrivateAddress: config.allowPrivateAddress,
    userAgent: { software: `FediFlow/${VERSION}`, url: config.origin },
  });
  serveActors(federation, users);
  serveNotes(federation, users, notes);
  serveFollowers(federation, users);
  serveNodeInfo(federation, users, notes);
  listenToInbox(federation, users);
  return federation;
}
