// The same notes and actors for people: small HTML pages without scripts.
import { STYLESHEET } from "./assets.js";
import { escapeHtml, toHtml } from "./text.js";

const HEADERS = {
  "Content-Type": "text/html; charset=utf-8",
  "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'",
  "Referrer-Policy": "same-origin",
  Vary: "Accept",
};

function page(title, body, alternate = "") {
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title>
<link rel="stylesheet" href="${STYLESHEET}">
${alternate && `<link rel="alternate" type="application/activity+json" href="${escapeHtml(alternate)}">`}
</head>
<body>
${body}
</body>
</html>
`;
  return new Response(html, { headers: HEADERS });
}

const notePath = (note) => `/users/${note.handle}/notes/${note.id}`;

function article(note) {
  const time = new Date(note.publishedAt).toISOString();
  return `<article>
<a class="handle" href="/users/${escapeHtml(note.handle)}">@${escapeHtml(note.handle)}</a>
${toHtml(note.body)}
<a href="${escapeHtml(notePath(note))}"><time datetime="${time}">${time}</time></a>
</article>`;
}

export function notePage(origin, note) {
  return page(`@${note.handle}`, `<main>${article(note)}</main>`, origin + notePath(note));
}

export function profilePage(origin, domain, user, notes) {
  const handle = `@${user.handle}@${domain}`;
  const body = `<header><h1>${escapeHtml(user.name)}</h1>
<p class="handle">${escapeHtml(handle)}</p>${user.summary && toHtml(user.summary)}</header>
<main>${notes.map(article).join("\n")}</main>`;
  return page(`${user.name} (${handle})`, body, `${origin}/users/${user.handle}`);
}

export function frontPage(domain, user, notes) {
  const body = `<header><h1>${escapeHtml(domain)}</h1>
<p><a href="/users/${escapeHtml(user.handle)}">@${escapeHtml(user.handle)}</a></p></header>
<main>${notes.map(article).join("\n")}</main>`;
  return page(domain, body);
}
