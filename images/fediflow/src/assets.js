// Static files under names that change with their content, so they may be cached for ever.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

const css = readFileSync(new URL("assets/app.css", import.meta.url));
const digest = createHash("sha256").update(css).digest("hex").slice(0, 16);

export const STYLESHEET = `/assets/app.${digest}.css`;

export function serveAsset(path) {
  if (path !== STYLESHEET) return null;
  return new Response(css, { headers: { "Content-Type": "text/css; charset=utf-8" } });
}
