// What this server does with activities of others: it accepts every follower and lets
// them go. Fedify has checked the signature before a listener runs. A listener may run
// twice for the same activity.
import { Accept, Follow, Undo } from "@fedify/vocab";
import { log } from "./log.js";

export function listenToInbox(federation, users) {
  federation
    .setInboxListeners("/users/{identifier}/inbox", "/inbox")
    .on(Follow, (context, follow) => accept(context, follow, users))
    .on(Undo, (context, undo) => release(context, undo, users))
    .onError((_context, error) => log.error("An activity could not be handled: {reason}", { reason: error.message }));
}

// The local user that a Follow is about, or null.
async function followed(context, follow, users) {
  const target = context.parseUri(follow.objectId);
  return target?.type === "actor" ? users.find(target.identifier) : null;
}

async function accept(context, follow, users) {
  const user = await followed(context, follow, users);
  if (!user || !follow.id || !follow.actorId) return;
  const follower = await follow.getActor(context);
  if (!follower?.id || !follower.inboxId) return;
  await users.addFollower(user.id, {
    actorUri: follower.id.href,
    inboxUri: follower.inboxId.href,
    sharedInboxUri: follower.endpoints?.sharedInbox?.href ?? null,
  });
  const answer = new Accept({
    id: new URL(`#accepts/${crypto.randomUUID()}`, context.getActorUri(user.handle)),
    actor: context.getActorUri(user.handle),
    object: follow,
  });
  await context.sendActivity({ identifier: user.handle }, follower, answer);
}

async function release(context, undo, users) {
  const follow = await undo.getObject(context);
  if (!(follow instanceof Follow) || follow.actorId?.href !== undo.actorId?.href) return;
  const user = await followed(context, follow, users);
  if (user) await users.removeFollower(user.id, undo.actorId.href);
}
