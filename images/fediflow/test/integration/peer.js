// Another server of the fediverse, for the tests: one actor that follows, leaves and
// reports what arrives in its inbox. Its HTTP signatures and those it checks are real.
// Speaks with its parent by messages; PORT, KEY and CERT come from the environment.
import { createFederation, generateCryptoKeyPair, MemoryKvStore } from "@fedify/fedify";
import { Accept, Activity, Create, Follow, Person, Undo } from "@fedify/vocab";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";

const ORIGIN = `https://localhost:${process.env.PORT}`;
const keys = [await generateCryptoKeyPair("RSASSA-PKCS1-v1_5")];
const federation = createFederation({ kv: new MemoryKvStore(), origin: ORIGIN, allowPrivateAddress: true });

federation
  .setActorDispatcher("/users/{identifier}", async (context, identifier) => new Person({
    id: context.getActorUri(identifier),
    preferredUsername: identifier,
    inbox: context.getInboxUri(identifier),
    publicKey: (await context.getActorKeyPairs(identifier))[0].cryptographicKey,
  }))
  .setKeyPairsDispatcher(() => keys);

federation
  .setInboxListeners("/users/{identifier}/inbox")
  .on(Accept, (_context, accept) => process.send({ type: "Accept", actor: accept.actorId.href }))
  .on(Create, async (context, create) => {
    const note = await create.getObject(context);
    process.send({ type: "Create", actor: create.actorId.href, id: note.id.href, content: String(note.content) });
  })
  .on(Activity, (_context, activity) => process.send({ type: activity.constructor.name }));

const server = createServer({ key: readFileSync(process.env.KEY), cert: readFileSync(process.env.CERT) }, async (message, reply) => {
  const chunks = [];
  for await (const chunk of message) chunks.push(chunk);
  const body = message.method === "POST" ? Buffer.concat(chunks) : undefined;
  const request = new Request(ORIGIN + message.url, { method: message.method, headers: message.headers, body });
  const response = await federation.fetch(request, { contextData: undefined });
  reply.writeHead(response.status, Object.fromEntries(response.headers));
  reply.end(Buffer.from(await response.arrayBuffer()));
});

process.on("message", async ({ command, target, inbox }) => {
  const context = federation.createContext(new URL(ORIGIN), undefined);
  const actor = context.getActorUri("peer");
  const follow = new Follow({ id: new URL("#follow", actor), actor, object: new URL(target) });
  const activity = command === "follow" ? follow : new Undo({ id: new URL("#undo", actor), actor, object: follow });
  const recipient = { id: new URL(target), inboxId: new URL(inbox) };
  await context.sendActivity({ identifier: "peer" }, recipient, activity).then(
    () => process.send({ type: "sent" }),
    (error) => process.send({ type: "failed", message: error.message }));
});

server.listen(Number(process.env.PORT), "127.0.0.1");
await once(server, "listening");
process.send({ type: "listening" });
