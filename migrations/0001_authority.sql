-- The authority over money: budgets, windows, gateway epochs, leases, claims, keys, prices.
-- Rules: money-path §1 and §3. Functions that change these rows are in 0002 (authority), 0004 and 0008 (ledger); here stand the change log's
-- writer and what a gateway reads of a key and its team.
-- Amounts are bigint, in the unit of the budget: nano-USD, tokens or, for runs alone, input tokens, output tokens or steps.

CREATE SCHEMA IF NOT EXISTS tollgate;

-- Every administrative change, in commit order: audit log and cache invalidation in one.
-- `record_change` serialises writers, so that a reader of revision n has seen every revision below n.
CREATE TABLE tollgate.change (
  revision   bigint PRIMARY KEY,
  at         timestamptz NOT NULL DEFAULT clock_timestamp(),
  kind       text NOT NULL,          -- 'key' | 'team' | 'budget' | 'increase' | 'price' | 'policy' | 'admin_key' | 'console' | 'flush' | 'run'
  subject    text NOT NULL,          -- key id, team id, budget id, increase id (or its budget's), provider/model, id of a tree's root run
  admin_name text NOT NULL,
  detail     jsonb NOT NULL DEFAULT '{}'
);
INSERT INTO tollgate.change (revision, kind, subject, admin_name) VALUES (0, 'policy', 'installed', 'migration');

CREATE TABLE tollgate.team (
  id           text PRIMARY KEY CHECK (id ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
  is_unlimited boolean NOT NULL DEFAULT false,   -- a team without a budget may not spend unless declared unlimited
  policy       jsonb NOT NULL DEFAULT '{}',      -- admissionWaitMs, clampFloorTokens, unknownFields, onDisconnect …
  limits       jsonb NOT NULL DEFAULT '{}',      -- caps per call and rates: TeamLimits of domain/limits/team-limits.ts
  runs         jsonb NOT NULL DEFAULT '{}',      -- of agent runs: TeamRuns of domain/agents/team-runs.ts; {} = all as by default
  created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  deleted_at   timestamptz
);

CREATE TABLE tollgate.virtual_key (
  id                text PRIMARY KEY,             -- 'key_' + 16 hex; shown everywhere, not secret
  secret_hash       bytea NOT NULL UNIQUE,        -- SHA-256 of the secret; the secret itself is shown once
  derive_public_key bytea NOT NULL,               -- Ed25519 public key of the pair seeded by the secret: verifies derived child keys
  team_id           text NOT NULL REFERENCES tollgate.team (id),
  feature           text,
  user_id           text,
  environment       text,
  models            text[],                       -- null = all
  endpoints         text[],                       -- null = all
  may_assert        text[] NOT NULL DEFAULT '{}', -- subset of {user, feature}
  max_asserted      integer NOT NULL DEFAULT 10000,
  requires_run      boolean NOT NULL DEFAULT false, -- calls that name no agent run join an implicit one
  resubmits_batches boolean NOT NULL DEFAULT false, -- what its batches leave undone goes into another batch
  rotated_from      text REFERENCES tollgate.virtual_key (id),
  created_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
  created_by        text NOT NULL,
  expires_at        timestamptz,
  revoked_at        timestamptz
);
CREATE INDEX virtual_key_team ON tollgate.virtual_key (team_id);

CREATE TABLE tollgate.asserted_value (             -- distinct asserted users / features per key, capped at max_asserted
  key_id text NOT NULL REFERENCES tollgate.virtual_key (id),
  dimension text NOT NULL,
  value text NOT NULL,
  PRIMARY KEY (key_id, dimension, value)
);

-- A rate that holds for one key or user for a while, beside the team's own (functions in 0016).
CREATE TABLE tollgate.throttle (
  team_id             text NOT NULL REFERENCES tollgate.team (id),
  dimension           text NOT NULL CHECK (dimension IN ('key', 'user')),
  value               text NOT NULL,
  requests_per_minute integer NOT NULL CHECK (requests_per_minute BETWEEN 1 AND 1000000000),
  until               timestamptz NOT NULL,
  reason              text NOT NULL,
  alert_key           text NOT NULL,             -- of the alert that told of it
  set_at              timestamptz NOT NULL DEFAULT clock_timestamp(),
  set_by              text NOT NULL,
  PRIMARY KEY (team_id, dimension, value)
);

CREATE TABLE tollgate.admin_key (
  id          text PRIMARY KEY,
  name        text NOT NULL,
  secret_hash bytea NOT NULL UNIQUE,
  created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  created_by  text NOT NULL,
  revoked_at  timestamptz,
  role        text NOT NULL DEFAULT 'operator' CHECK (role IN ('operator', 'viewer', 'finance', 'team-owner')),
  team_ids    text[],                            -- of a team-owner, at least one; null = not narrowed to teams
  CHECK (CASE WHEN role = 'team-owner' THEN coalesce(cardinality(team_ids) > 0, false) ELSE team_ids IS NULL END)
);

-- A budget selects calls by attributed values: a whole team, the organisation, or one dimension inside a team; or by the run they belong to.
CREATE TABLE tollgate.budget (
  id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  team_id         text REFERENCES tollgate.team (id),   -- null = organisation
  dimension       text NOT NULL CHECK (dimension IN ('organization', 'team', 'feature', 'user', 'model', 'provider', 'key', 'environment', 'run')),
  dimension_value text NOT NULL DEFAULT '',             -- '' for organization and team; the number of a run (0020)
  unit            text NOT NULL DEFAULT 'nano_usd' CHECK (unit IN ('nano_usd', 'tokens', 'input_tokens', 'output_tokens', 'steps')),
  window_kind     text NOT NULL CHECK (window_kind IN ('hour', 'day', 'week', 'month', 'quarter', 'lifetime')),
  time_zone       text NOT NULL DEFAULT 'UTC',
  limit_amount    bigint NOT NULL CHECK (limit_amount BETWEEN 0 AND 1000000000000000000),
  thresholds      jsonb NOT NULL DEFAULT '[{"action": "notify", "at": {"basisPoints": 8000}}]', -- domain/budget/scope.ts BudgetThreshold, ascending
  mode            text NOT NULL DEFAULT 'enforce' CHECK (mode IN ('enforce', 'observe')),
  week_start      smallint NOT NULL DEFAULT 1 CHECK (week_start BETWEEN 1 AND 7),         -- ISO weekday
  fiscal_year_start smallint NOT NULL DEFAULT 1 CHECK (fiscal_year_start BETWEEN 1 AND 12), -- quarters begin in this month and every third after
  is_frozen       boolean NOT NULL DEFAULT false,
  revision        bigint NOT NULL DEFAULT 0,            -- policy revision that wrote it last: the fence
  created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  deleted_at      timestamptz,
  CHECK ((dimension = 'organization') = (team_id IS NULL)),
  CHECK (unit IN ('nano_usd', 'tokens') OR dimension = 'run'),
  CHECK (dimension <> 'run' OR window_kind = 'lifetime')
);
CREATE UNIQUE INDEX budget_selector ON tollgate.budget (coalesce(team_id, ''), dimension, dimension_value, unit, window_kind) WHERE deleted_at IS NULL;
CREATE INDEX budget_team ON tollgate.budget (team_id) WHERE deleted_at IS NULL AND dimension <> 'run';
-- By account: a team, or the organisation. What a team's workflow reads does not grow with the other teams.
CREATE INDEX budget_account ON tollgate.budget ((coalesce(team_id, '@organization'))) WHERE dimension <> 'run';
-- What people declare. A run states its own ceilings, and there may be a hundred thousand of them: no part of what a team is governed by.
CREATE VIEW tollgate.declared_budget AS SELECT * FROM tollgate.budget WHERE dimension <> 'run';

-- `granted` = posted + pending; changed only by grant and return (and by the opening balance of a new budget).
CREATE TABLE tollgate.budget_window (
  id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  budget_id       bigint NOT NULL REFERENCES tollgate.budget (id),
  starts_at       timestamptz NOT NULL,
  ends_at         timestamptz NOT NULL,                 -- 'infinity' for lifetime
  limit_amount    bigint NOT NULL,
  stop_amount     bigint NOT NULL,                      -- the lowest line where spend stops, at most the limit (0013)
  needs_approval  boolean NOT NULL DEFAULT false,       -- that line is one that a person may approve
  approved_amount bigint NOT NULL DEFAULT 0,            -- up to here spend was approved in this window
  degrade_amounts bigint[] NOT NULL DEFAULT '{}',       -- its degrade lines in the order of the definition
  is_observed     boolean NOT NULL DEFAULT false,       -- books everything, refuses nothing
  granted         bigint NOT NULL DEFAULT 0 CHECK (granted >= 0),
  overrun_cleared bigint NOT NULL DEFAULT 0,
  is_frozen       boolean NOT NULL DEFAULT false,
  revision        bigint NOT NULL DEFAULT 0,
  event_seq       bigint NOT NULL DEFAULT 0,
  is_ahead        boolean NOT NULL DEFAULT false,       -- opened in its predecessor's last minute and not yet found due
  UNIQUE (budget_id, starts_at),
  CHECK (ends_at > starts_at)
) WITH (fillfactor = 70);

-- History of one window in commit order (seq is taken under the row lock): what `verify` replays.
CREATE TABLE tollgate.window_event (
  window_id     bigint NOT NULL REFERENCES tollgate.budget_window (id),
  seq           bigint NOT NULL,
  at            timestamptz NOT NULL DEFAULT clock_timestamp(),
  kind          text NOT NULL CHECK (kind IN ('opened', 'limit', 'grant', 'return', 'opening_balance', 'presented')),
  gateway_id    text,
  epoch         bigint,
  amount        bigint NOT NULL DEFAULT 0,              -- granted (+) or returned (+)
  granted_after bigint NOT NULL,
  limit_amount  bigint NOT NULL,                        -- in force after this event
  stop_amount   bigint NOT NULL,
  is_frozen     boolean NOT NULL,
  revision      bigint NOT NULL,
  is_observed   boolean,                                -- of 'opened' and 'limit'; null = as it was before
  degrade_amounts bigint[],                             -- the same
  PRIMARY KEY (window_id, seq)
);

-- One row per boot of a gateway. The lease of an epoch lives until last_seen_at + 60 s. Of kind 'batch': the holder of a batch (0024, 0025), gateway_id 'batch<number>',
-- epoch 1, which holds money until the batch ends and is no gateway: never live, reachable or silent, never ended as a lump.
CREATE TABLE tollgate.gateway_epoch (
  gateway_id     text NOT NULL,
  epoch          bigint NOT NULL,
  boot_id        text NOT NULL,
  fsync_mode     text NOT NULL,
  kind           text NOT NULL DEFAULT 'gateway' CHECK (kind IN ('gateway', 'batch')),
  started_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  last_seen_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  fenced_at      timestamptz,                           -- a later epoch exists: no more grants, settles go on
  closed_at      timestamptz,                           -- drained or adopted: nothing is open any more
  closed_how     text CHECK (closed_how IN ('drained', 'adopted', 'lump', 'resolved')),
  answered_claim bigint NOT NULL DEFAULT 0,
  flushed_request bigint NOT NULL DEFAULT 0,            -- newest 'flush' change this gateway has carried out
  PRIMARY KEY (gateway_id, epoch)
) WITH (fillfactor = 50);

-- Absolute amounts that only grow. Written only by its gateway or the adopter of its journal.
-- pending = granted - returned - posted. The opening balance of a new budget is the row ('opening', 0).
CREATE TABLE tollgate.lease (
  gateway_id text NOT NULL,
  epoch      bigint NOT NULL,
  window_id  bigint NOT NULL REFERENCES tollgate.budget_window (id),
  granted    bigint NOT NULL DEFAULT 0,
  returned   bigint NOT NULL DEFAULT 0,
  posted     bigint NOT NULL DEFAULT 0,
  overrun    bigint NOT NULL DEFAULT 0,                 -- cost above reservation that no idle money covered
  version    bigint NOT NULL DEFAULT 0,                 -- +1 per change; the team's totals version is their sum
  PRIMARY KEY (gateway_id, epoch, window_id),
  CHECK (returned >= 0 AND posted >= 0 AND overrun >= 0),
  CHECK (granted - returned - posted >= 0)
) WITH (fillfactor = 50);
CREATE INDEX lease_window ON tollgate.lease (window_id);

-- A short grant leaves a claim in each window that is short; others answer it by returning idle money there. `id` is what
-- they answer: a new ask takes a new one, since an older answer says nothing of it. `place` is its first id, and its
-- place before the younger claims of other gateways.
CREATE SEQUENCE tollgate.claim_id;
CREATE TABLE tollgate.claim (
  gateway_id text NOT NULL,
  epoch      bigint NOT NULL,
  window_id  bigint NOT NULL REFERENCES tollgate.budget_window (id),
  id         bigint NOT NULL UNIQUE,
  place      bigint NOT NULL,
  need       bigint NOT NULL CHECK (need > 0),
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (gateway_id, epoch, window_id)
);
CREATE INDEX claim_window ON tollgate.claim (window_id);

-- Effective-dated, versioned price lines. The book at version v: for each (provider, model) the line with the
-- highest version <= v whose effective_from has come. `line` is domain/pricing/price-book.ts PriceLine, bigints as strings.
CREATE TABLE tollgate.price_line (
  version        bigint NOT NULL,
  provider       text NOT NULL,
  model          text NOT NULL,
  effective_from timestamptz NOT NULL DEFAULT '-infinity',
  line           jsonb NOT NULL,
  source         text NOT NULL,
  created_by     text NOT NULL,
  created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (version, provider, model, effective_from)
);
CREATE TABLE tollgate.price_version (
  version    bigint PRIMARY KEY,
  source     text NOT NULL,
  checksum   text NOT NULL,
  created_by text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Appends to the change log in commit order and wakes the gateways. Call it last: it serialises administrators.
-- A plan made while the log was short would read all of it later, once for each change of a long transaction: hence the index.
CREATE FUNCTION tollgate.record_change(p_kind text, p_subject text, p_admin text, p_detail jsonb) RETURNS bigint
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  v_revision bigint;
BEGIN
  PERFORM pg_advisory_xact_lock(718204001);
  SELECT max(revision) + 1 INTO v_revision FROM tollgate.change;
  INSERT INTO tollgate.change (revision, kind, subject, admin_name, detail)
  VALUES (v_revision, p_kind, p_subject, p_admin, coalesce(p_detail, '{}'));
  PERFORM pg_notify('tollgate_change', v_revision::text);
  RETURN v_revision;
END $$;

-- Team policy, limits, and every budget a call of this team can meet (its own and the organisation's), in one reply.
CREATE FUNCTION tollgate.load_team(p_team text) RETURNS jsonb
LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('teamId', t.id, 'isUnlimited', t.is_unlimited, 'policy', t.policy, 'isDeleted', t.deleted_at IS NOT NULL,
    'revision', (SELECT max(revision) FROM tollgate.change)::text,
    'limits', t.limits, 'runs', t.runs,
    'throttles', coalesce((
      SELECT jsonb_agg(jsonb_build_object('dimension', h.dimension, 'value', h.value, 'requestsPerMinute', h.requests_per_minute,
        'endsInMs', floor(extract(epoch FROM h.until - clock_timestamp()) * 1000)) ORDER BY h.dimension, h.value)
      FROM tollgate.throttle h WHERE h.team_id = t.id AND h.until > clock_timestamp()), '[]'),
    'budgets', coalesce((
      SELECT jsonb_agg(jsonb_build_object('budgetId', b.id::text, 'teamId', b.team_id, 'dimension', b.dimension, 'dimensionValue', b.dimension_value,
        'unit', b.unit, 'windowKind', b.window_kind,
        'degrade', CASE WHEN b.mode = 'enforce' THEN (
          SELECT jsonb_agg(jsonb_build_object('at', t.line->'at', 'degradeTo', t.line->'degradeTo') ORDER BY t.place)
          FROM jsonb_array_elements(b.thresholds) WITH ORDINALITY AS t (line, place) WHERE t.line->>'action' = 'degrade') END) ORDER BY b.id)
      FROM tollgate.declared_budget b WHERE b.deleted_at IS NULL AND (b.team_id = t.id OR b.team_id IS NULL)), '[]'))
  FROM tollgate.team t WHERE t.id = p_team
$$;

-- First sight of a key costs one round trip: the key by the hash of its secret (or by id, for a derived child key), and its team.
-- Expiry is judged here, on PostgreSQL's clock.
CREATE FUNCTION tollgate.resolve_key(p_secret_hash bytea, p_key_id text) RETURNS jsonb
LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('keyId', k.id, 'teamId', k.team_id, 'feature', k.feature, 'userId', k.user_id, 'environment', k.environment,
    'models', k.models, 'endpoints', k.endpoints, 'mayAssert', k.may_assert, 'maxAsserted', k.max_asserted, 'requiresRun', k.requires_run,
    'resubmitsBatches', k.resubmits_batches,
    'derivePublicKey', encode(k.derive_public_key, 'base64'),
    'isRevoked', k.revoked_at IS NOT NULL,
    'expiresInMs', CASE WHEN k.expires_at IS NULL THEN NULL ELSE extract(epoch FROM k.expires_at - clock_timestamp()) * 1000 END,
    'nowMs', extract(epoch FROM clock_timestamp()) * 1000,
    'team', tollgate.load_team(k.team_id))
  FROM tollgate.virtual_key k
  WHERE k.secret_hash = p_secret_hash OR (p_secret_hash IS NULL AND k.id = p_key_id)
$$;
