import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { CONTRACT, loadConfig } from "../src/config.js";

const required = {
  FEDIFLOW_DOMAIN: "social.example.edu",
  FEDIFLOW_ADMIN_TOKEN: "0123456789abcdef",
  DATABASE_URL: "postgresql://app:pa55word@pooler:6432/fediflow",
  REDIS_SENTINELS: "sentinel-0.ns.svc:26379,sentinel-1.ns.svc:26379",
};

test("the required variables alone give the documented defaults", () => {
  const config = loadConfig("server", required);
  assert.deepEqual(
    [config.poolMax, config.poolMin, config.poolIdleMs, config.poolConnectMs], [20, 2, 30000, 2000]);
  assert.equal(config.origin, "https://social.example.edu");
  assert.equal(config.adminUser, "admin");
  assert.deepEqual(config.sentinels[1], { host: "sentinel-1.ns.svc", port: 26379 });
});

test("an empty value is no value", () => {
  assert.equal(loadConfig("server", { ...required, DATABASE_POOL_MAX: "" }).poolMax, 20);
});

test("the default minimum follows a smaller maximum", () => {
  assert.equal(loadConfig("server", { ...required, DATABASE_POOL_MAX: "1" }).poolMin, 1);
});

test("a migration needs neither Redis nor a token", () => {
  const { FEDIFLOW_DOMAIN, DATABASE_URL } = required;
  assert.equal(loadConfig("migration", { FEDIFLOW_DOMAIN, DATABASE_URL }).waitSeconds, 60);
});

test("everything wrong is named in one sentence, without secrets", () => {
  const env = { ...required, PORT: "http", DATABASE_POOL_MIN: "30", FEDIFLOW_ADMIN_TOKEN: "short-secret",
    DATABASE_URL: "mysql://app:pa55word@db/x", DATABASE_POOL_SIZE: "9", FEDIFLOW_DOMAIN: "Social.Example/" };
  assert.throws(() => loadConfig("server", env), ({ message }) => {
    for (const part of ["PORT must be", "DATABASE_POOL_MIN (30) is more than", "FEDIFLOW_ADMIN_TOKEN must",
      "DATABASE_URL must", "DATABASE_POOL_SIZE is not a known variable", "FEDIFLOW_DOMAIN must"]) {
      assert.ok(message.includes(part), `${part} in ${message}`);
    }
    assert.doesNotMatch(message, /pa55word|short-secret/);
    assert.doesNotMatch(message, /\n/);
    return true;
  });
  assert.throws(() => loadConfig("server", {}), /FEDIFLOW_DOMAIN is not set; DATABASE_URL is not set/);
});

test("what Kubernetes adds to an environment is not a mistake", () => {
  loadConfig("server", { ...required,
    FEDIFLOW_API_SERVICE_HOST: "10.0.0.1", FEDIFLOW_API_PORT: "tcp://10.0.0.1:80",
    FEDIFLOW_API_PORT_80_TCP_ADDR: "10.0.0.1", REDIS_SERVICE_PORT_CLIENT: "6379",
    DATABASE_USER: "app", DATABASE_PASSWORD: "pa55word" });
});

for (const domain of ["", "a b", "-x.edu", "x..edu", "social.example.edu/", "x:y", "x:1:2", "evil.edu\nx"]) {
  test(`${JSON.stringify(domain)} is not a domain`, () => {
    assert.throws(() => loadConfig("server", { ...required, FEDIFLOW_DOMAIN: domain }), /FEDIFLOW_DOMAIN/);
  });
}

test("docs/app-contract.md lists every variable with its default", () => {
  const text = readFileSync(new URL("../../../docs/app-contract.md", import.meta.url), "utf8");
  for (const [name, , fallback] of [...Object.values(CONTRACT.server), ...Object.values(CONTRACT.migration)]) {
    const shown = fallback === undefined ? "required" : fallback === null ? "–" : `\`${fallback}\``;
    const row = text.split("\n").find((line) => line.startsWith(`| \`${name}\` |`));
    assert.ok(row, `${name} has a row`);
    assert.equal(row.split("|").at(-2).trim(), shown, `default of ${name}`);
  }
});
