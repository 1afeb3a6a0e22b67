import assert from "node:assert/strict";
import test from "node:test";
import { isBroken, isTimeout } from "../src/database.js";
import { HttpError, toErrorResponse, withCaching } from "../src/http.js";
import { isId, newId } from "../src/id.js";
import { latestVersion, listMigrations } from "../src/migrations.js";
import { parseCursor } from "../src/notes.js";
import { frontPage, notePage, profilePage } from "../src/pages.js";
import { toHtml } from "../src/text.js";

const HOSTILE = `<script>alert("x")</script> & 'y'`;

test("text becomes paragraphs and never markup", () => {
  assert.equal(toHtml("one\ntwo\n\n\nthree"), "<p>one<br>two</p><p>three</p>");
  assert.equal(toHtml(HOSTILE), "<p>&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; &#39;y&#39;</p>");
});

test("no page carries a stranger's markup", async () => {
  const note = { id: newId(), handle: "admin", body: HOSTILE, publishedAt: 0 };
  const user = { handle: "admin", name: HOSTILE, summary: HOSTILE };
  for (const page of [
    notePage("https://a.example", note),
    profilePage("https://a.example", "a.example", user, [note]),
    frontPage("a.example", user, [note]),
  ]) {
    assert.doesNotMatch(await page.text(), /<script/);
    assert.match(page.headers.get("Content-Security-Policy"), /default-src 'none'/);
  }
});

test("identifiers are UUIDs of version 7 that sort by time", () => {
  const ids = [newId(1_000_000_000_000), newId(1_000_000_000_001), newId(2_000_000_000_000)];
  assert.deepEqual(ids.toSorted(), ids);
  for (const id of ids) {
    assert.ok(isId(id));
    assert.match(id, /^.{14}7.{4}[89ab]/);
  }
  assert.ok(!isId(`${ids[0]}x`));
});

test("a cursor is a time and an activity, nothing else", () => {
  const cursor = ["2026-01-02T03:04:05.678Z", newId()];
  assert.deepEqual(parseCursor(cursor.join("_")), cursor);
  for (const wrong of ["x", "2026-01-02_1", `now()_${newId()}`]) assert.throws(() => parseCursor(wrong));
});

test("a write is repeated after a broken connection, not after a timeout or a mistake", () => {
  const error = (code, message = "") => Object.assign(new Error(message), { code });
  for (const broken of [
    error("57P01"), error("08P01", "server login has been failing"), error("25006"), error("ECONNREFUSED"),
    error(undefined, "Connection terminated unexpectedly"),
  ]) assert.ok(isBroken(broken) && !isTimeout(broken), broken.code ?? broken.message);
  for (const timeout of [
    error(undefined, "timeout exceeded when trying to connect"), error(undefined, "Query read timeout"),
    error(undefined, "Connection terminated due to connection timeout"), error("53300"),
  ]) assert.ok(isTimeout(timeout) && !isBroken(timeout), timeout.message);
  assert.ok(!isBroken(error("42P01")) && !isTimeout(error("42P01")));
});

test("a page may be kept for a while and asked for again", async () => {
  const ask = (headers) => new Request("https://a.example/", { headers });
  const answer = () => new Response("body", { headers: { Vary: "Accept" } });
  const first = await withCaching(ask({}), answer(), "public, max-age=60");
  const etag = first.headers.get("ETag");
  assert.equal(first.headers.get("Cache-Control"), "public, max-age=60");
  assert.equal(await first.text(), "body");
  for (const header of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
    const again = await withCaching(ask({ "If-None-Match": header }), answer(), "public, max-age=60");
    assert.deepEqual([again.status, again.headers.get("ETag"), again.headers.get("Vary")], [304, etag, "Accept"]);
  }
  assert.equal((await withCaching(ask({ "If-None-Match": '"other"' }), answer(), "public, max-age=60")).status, 200);
  const missing = await withCaching(ask({}), new Response("", { status: 404 }), "public, max-age=60");
  assert.equal(missing.headers.get("Cache-Control"), null);
});

test("an error says what to do and is not cached", async () => {
  const answer = toErrorResponse(new HttpError(418, "teapot", "It is a teapot.", "Make tea.", { Allow: "BREW" }));
  assert.deepEqual([answer.status, answer.headers.get("Cache-Control"), answer.headers.get("Allow")], [418, "no-store", "BREW"]);
  assert.deepEqual(await answer.json(), { error: "teapot", message: "It is a teapot.", action: "Make tea." });
  const outage = toErrorResponse(Object.assign(new Error("gone"), { code: "57P01" }));
  assert.deepEqual([outage.status, outage.headers.get("Retry-After")], [503, "2"]);
});

test("migrations are numbered from one without a gap", () => {
  const versions = listMigrations().map(({ version }) => version);
  assert.deepEqual(versions, versions.map((_, index) => index + 1));
  assert.equal(latestVersion(), versions.length);
});
