// What is created once and never changed: the domain of the database, its first user and
// that user's keys. Other servers remember all three.
import { exportJwk, generateCryptoKeyPair } from "@fedify/fedify";
import { inLockedTransaction, MigrationError } from "./migrations.js";

const ALGORITHMS = ["RSASSA-PKCS1-v1_5", "Ed25519"];

// Returns true if the identity was created now.
export function ensureIdentity(client, { domain, adminUser }) {
  return inLockedTransaction(client, async () => {
    const tenantId = await ensureTenant(client, domain);
    const { rows: [user] } = await client.query(
      `INSERT INTO users (tenant_id, handle, name) VALUES ($1, $2, $2)
       ON CONFLICT (tenant_id, handle) DO NOTHING RETURNING id`, [tenantId, adminUser]);
    if (!user) return false;
    for (const algorithm of ALGORITHMS) await createKeys(client, user.id, algorithm);
    return true;
  });
}

async function ensureTenant(client, domain) {
  const { rows: [other] } = await client.query("SELECT domain FROM tenants WHERE domain <> $1", [domain]);
  if (other) {
    throw new MigrationError(`this database belongs to ${other.domain}, but FEDIFLOW_DOMAIN is ${domain}; ` +
      "a domain cannot be changed, so set the old one or use an empty database");
  }
  await client.query("INSERT INTO tenants (domain) VALUES ($1) ON CONFLICT DO NOTHING", [domain]);
  const { rows: [tenant] } = await client.query("SELECT id FROM tenants WHERE domain = $1", [domain]);
  return tenant.id;
}

async function createKeys(client, userId, algorithm) {
  const { privateKey, publicKey } = await generateCryptoKeyPair(algorithm);
  await client.query(
    "INSERT INTO actor_keys (user_id, algorithm, private_jwk, public_jwk) VALUES ($1, $2, $3, $4)",
    [userId, algorithm, await exportJwk(privateKey), await exportJwk(publicKey)]);
}
