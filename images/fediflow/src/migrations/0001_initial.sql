-- One row for the domain this database belongs to. A domain is part of every identifier
-- that other servers remember, so it can never be changed afterwards.
CREATE TABLE tenants (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  domain     text NOT NULL UNIQUE,
  created_at timestamptz(3) NOT NULL DEFAULT now()
);

CREATE TABLE users (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id  bigint NOT NULL REFERENCES tenants,
  handle     text NOT NULL,
  name       text NOT NULL,
  summary    text NOT NULL DEFAULT '',
  status     text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, handle)
);

-- The keys with which an actor signs: created once, never replaced.
CREATE TABLE actor_keys (
  user_id     bigint NOT NULL REFERENCES users,
  algorithm   text NOT NULL,
  private_jwk jsonb NOT NULL,
  public_jwk  jsonb NOT NULL,
  created_at  timestamptz(3) NOT NULL DEFAULT now(),
  PRIMARY KEY (user_id, algorithm)
);

-- Identifiers are made by the server (UUID version 7), not by a sequence: after a failover
-- that lost the newest rows a sequence would give a second note a known identifier.
CREATE TABLE content (
  id              uuid PRIMARY KEY,
  tenant_id       bigint NOT NULL REFERENCES tenants,
  author_id       bigint NOT NULL REFERENCES users,
  kind            text NOT NULL CHECK (kind IN ('Note')),
  body            text NOT NULL,
  metadata        jsonb NOT NULL DEFAULT '{}',
  idempotency_key text,
  published_at    timestamptz(3) NOT NULL DEFAULT now(),
  UNIQUE (author_id, idempotency_key)
);

CREATE VIEW notes AS
  SELECT id, tenant_id, author_id, body, metadata, published_at FROM content WHERE kind = 'Note';

CREATE TABLE activities (
  id           uuid PRIMARY KEY,
  tenant_id    bigint NOT NULL REFERENCES tenants,
  actor_id     bigint NOT NULL REFERENCES users,
  type         text NOT NULL CHECK (type IN ('Create')),
  object_id    uuid NOT NULL REFERENCES content,
  published_at timestamptz(3) NOT NULL DEFAULT now(),
  -- When this activity must be handed to the delivery queue (again); null once it has been.
  fanout_after timestamptz(3)
);
CREATE INDEX activities_outbox ON activities (actor_id, published_at DESC, id DESC);
CREATE INDEX activities_fanout ON activities (fanout_after) WHERE fanout_after IS NOT NULL;

CREATE TABLE followers (
  user_id          bigint NOT NULL REFERENCES users,
  actor_uri        text NOT NULL,
  inbox_uri        text NOT NULL,
  shared_inbox_uri text,
  created_at       timestamptz(3) NOT NULL DEFAULT now(),
  PRIMARY KEY (user_id, actor_uri)
);
