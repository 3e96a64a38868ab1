-- Agent runs: what is known of each, what its gateways took of it, and what happened to it (docs/adr/0011-agent-runs.md). Their ceilings on
-- money, tokens and steps are budgets of dimension 'run' (0001). Functions that open, hold and decide runs are in 0021; parts are written
-- by settle_chunk (0004).
-- Lock order: run rows by number, budget rows by id, windows by id, leases by window; record_change last. A settle locks no row of run.

CREATE TABLE tollgate.run (
  number        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id            text NOT NULL UNIQUE CHECK (id ~ '^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$'), -- the deployment's, not the team's
  team_id       text NOT NULL REFERENCES tollgate.team (id),
  key_id        text NOT NULL,
  feature       text,
  origin        text NOT NULL CHECK (origin IN ('header', 'implicit', 'registered')),
  prefix        text,                                  -- of an implicit run: 16 hexadecimal digits of how its conversation begins
  parent_number bigint REFERENCES tollgate.run (number),
  root_number   bigint NOT NULL,
  path          bigint[] NOT NULL,                     -- root first, its own number last; ascending, so that locks by it are in order
  budget_ids    bigint[] NOT NULL DEFAULT '{}',        -- of the whole chain, ascending; parents never change, and so it does not
  limits        jsonb NOT NULL DEFAULT '{}',           -- what it states itself: writeRunLimits of domain/agents
  on_loop       text NOT NULL DEFAULT 'pause' CHECK (on_loop IN ('pause', 'stop')),
  state         text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'paused', 'stopped', 'finished')),
  hold          jsonb,                                 -- RunHold of domain/agents; null while it runs
  held_by       bigint,                                -- number of the run whose ceiling holds it
  version       bigint NOT NULL DEFAULT 1,             -- +1 with every change of state, limits or hold
  told_version  bigint NOT NULL DEFAULT 0,             -- the newest that its workflow was told of
  is_governed   boolean NOT NULL DEFAULT false,        -- registered or held: its workflow is told of every version
  forgiven      integer NOT NULL DEFAULT 0,            -- times its loops were forgiven
  children      integer NOT NULL DEFAULT 0,
  tree_runs     integer NOT NULL DEFAULT 1,            -- of a root: runs of its tree, itself included
  opened_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  held_at       timestamptz,
  paused_ms     bigint NOT NULL DEFAULT 0,             -- by holds that are over
  ended_at      timestamptz,
  CHECK ((parent_number IS NULL) = (root_number = number)),
  CHECK (path[1] = root_number AND path[cardinality(path)] = number)
) WITH (fillfactor = 80);
CREATE INDEX run_team ON tollgate.run (team_id, state, number);
CREATE INDEX run_root ON tollgate.run (root_number);
CREATE INDEX run_key_opened ON tollgate.run (key_id, opened_at) WHERE parent_number IS NULL;
CREATE INDEX run_prefix ON tollgate.run (key_id, prefix, number DESC) WHERE prefix IS NOT NULL;
CREATE INDEX run_untold ON tollgate.run (number) WHERE is_governed AND told_version < version;

-- What one gateway epoch took of a run and of all below it: absolute amounts that only grow, moved by settle_chunk by the rows that it
-- really inserted. Like a lease, each row is written by its gateway epoch alone; ('verify', 1) holds corrections, which may be negative.
CREATE TABLE tollgate.run_part (
  run_number    bigint NOT NULL,
  gateway_id    text NOT NULL,
  epoch         bigint NOT NULL,
  steps         bigint NOT NULL DEFAULT 0,
  cost_nano_usd bigint NOT NULL DEFAULT 0,
  input_tokens  bigint NOT NULL DEFAULT 0,
  output_tokens bigint NOT NULL DEFAULT 0,
  output_bytes  bigint NOT NULL DEFAULT 0,
  tool_calls    jsonb NOT NULL DEFAULT '{}',           -- tool -> calls
  exchanges     bigint NOT NULL DEFAULT 0,             -- that `memory` has seen: the row with the most has the newest
  memory        bytea,                                 -- packRunMemory of domain/agents, of this run alone; null = none was written yet
  at            timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (run_number, gateway_id, epoch)
) WITH (fillfactor = 50);

-- What happened to a run; rows are never changed but for `is_told`.
CREATE TABLE tollgate.run_event (
  run_number bigint NOT NULL,
  seq        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  event_key  text UNIQUE,                              -- makes a repeated one a no-op; null = it cannot be repeated
  at         timestamptz NOT NULL DEFAULT clock_timestamp(),
  kind       text NOT NULL CHECK (kind IN ('opened', 'warned', 'paused', 'resumed', 'raised', 'stopped', 'finished')),
  detail     jsonb NOT NULL DEFAULT '{}',
  is_told    boolean NOT NULL DEFAULT false            -- to the run's workflow
);
CREATE INDEX run_event_run ON tollgate.run_event (run_number, seq);
CREATE INDEX run_event_untold ON tollgate.run_event (seq) WHERE NOT is_told AND kind <> 'opened';

-- The steps of a run, newest last; those of its children are their own.
CREATE INDEX attempt_run ON tollgate.attempt ((run_ids[cardinality(run_ids)]), at) WHERE run_ids IS NOT NULL;
