-- The ledger: append-only, double entry, one idempotency key per entry, hash-chained per flushed chunk.
-- Rules: money-path §1, §5-§8. One attempt is one entry with two accounts.

-- The idempotency key lives in one unpartitioned table: a unique key of a partitioned table holds only inside a partition.
CREATE TABLE tollgate.entry_key (entry_key text PRIMARY KEY);

CREATE TABLE tollgate.attempt (
  attempt_id          text NOT NULL,             -- gateway-epoch-n
  at                  timestamptz NOT NULL,      -- commit time on PostgreSQL's clock
  reserved_at         timestamptz NOT NULL,      -- gateway's reading, informational
  request_id          text NOT NULL,
  gateway_id          text NOT NULL,
  epoch               bigint NOT NULL,
  team_id             text NOT NULL,
  key_id              text NOT NULL,
  feature             text,
  user_id             text,
  environment         text,
  asserted            jsonb,                     -- which of the above were asserted by the key
  claimed             jsonb,                     -- what the caller claimed; never attribution
  provider            text NOT NULL,
  deployment          text NOT NULL,
  protocol            text NOT NULL,
  endpoint            text NOT NULL,
  model               text NOT NULL,             -- model reserved for, as the caller named it or as a line that degrades made it
  priced_model        text NOT NULL,             -- model of the price line it was reserved at; another than `model` for a configured alias
  priced_tiers        text[] NOT NULL,           -- price tiers the reservation covers
  answered_model      text,
  service_tier        text,                      -- price tier the cost was computed at
  outcome             text NOT NULL CHECK (outcome IN ('settled', 'unresolved', 'estimated', 'quarantined')),
  reason              text,                      -- why not settled
  reserved_nano_usd   bigint NOT NULL,
  reserved_tokens     bigint NOT NULL,
  cost_nano_usd       bigint NOT NULL,
  cost_tokens         bigint NOT NULL,
  overrun_nano_usd    bigint NOT NULL DEFAULT 0,
  price_version       bigint NOT NULL,
  prices_as_of        timestamptz NOT NULL,      -- when that version was read, on PostgreSQL's clock: which of its dated prices held
  input_tokens        bigint, cached_input_tokens bigint, cache_write_5m_tokens bigint, cache_write_1h_tokens bigint,
  output_tokens       bigint, reasoning_tokens bigint,
  tool_calls          jsonb,                     -- hosted by the provider and billed by the call
  clamped_output_tokens bigint,
  provider_request_id text,
  http_status         integer,
  duration_ms         double precision,
  window_ids          bigint[] NOT NULL,
  answer_id           text,                      -- of an answer that the provider keeps: only this team may continue it, all teams share the provider account
  asked_model         text,                      -- the alias the caller named, where a line made another serve it
  degraded_by         jsonb,                     -- that line: budgetId, place, windowId, windowSeq, lineAmount, granted, idle, need
  reserved_output_tokens bigint,                 -- of the reserved tokens; null = not known
  cost_output_tokens  bigint,                    -- of the cost in tokens
  run_ids             bigint[],                  -- numbers of its agent run (0020) and of those above it, root first; null = none
  run_tool_calls      jsonb,                     -- calls of tools in the answer, by tool; of a run alone, as the next
  output_bytes        bigint,                    -- of the answer's body
  task_kind           text,                      -- by length and structure (domain/audit/task-kind.ts); null = not known
  PRIMARY KEY (attempt_id, at),
  CHECK ((asked_model IS NULL) = (degraded_by IS NULL)),
  CHECK (reserved_nano_usd >= 0 AND reserved_tokens >= 0 AND cost_tokens >= 0 AND overrun_nano_usd >= 0),
  CHECK (cost_nano_usd BETWEEN 0 AND greatest(reserved_nano_usd, 1000000000000000))
) PARTITION BY RANGE (at);
CREATE TABLE tollgate.attempt_default PARTITION OF tollgate.attempt DEFAULT;
CREATE INDEX attempt_team_at ON tollgate.attempt (team_id, at);
CREATE INDEX attempt_request ON tollgate.attempt (request_id);
CREATE INDEX attempt_answer ON tollgate.attempt (answer_id) WHERE answer_id IS NOT NULL;

-- An amount in the unit of a budget, of the amounts that a call has in each. Input tokens are all but the output tokens; where those are not known
-- there are none. Whatever counts attempts against windows asks here.
CREATE FUNCTION tollgate.amount_in(p_unit text, p_nano_usd bigint, p_tokens bigint, p_output_tokens bigint, p_steps bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE p_unit WHEN 'nano_usd' THEN p_nano_usd WHEN 'tokens' THEN p_tokens WHEN 'input_tokens' THEN p_tokens - coalesce(p_output_tokens, 0)
    WHEN 'output_tokens' THEN coalesce(p_output_tokens, 0) WHEN 'steps' THEN p_steps END
$$;

-- What an attempt cost. It is one step of its run, unless it only counted tokens. One expression, so that the planner takes it in where it is used.
CREATE FUNCTION tollgate.cost_in(p_unit text, a tollgate.attempt) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
  SELECT tollgate.amount_in(p_unit, a.cost_nano_usd, a.cost_tokens, a.cost_output_tokens, CASE a.endpoint WHEN 'count_tokens' THEN 0 ELSE 1 END::bigint)
$$;

CREATE TABLE tollgate.entry (
  entry_key      text NOT NULL,                  -- attempt id for a charge; attempt id + '/adjust/n'; 'lump/gateway/epoch/team'
  at             timestamptz NOT NULL,
  kind           text NOT NULL CHECK (kind IN ('charge', 'unresolved', 'estimated', 'lump', 'adjustment')),
  attempt_id     text,
  gateway_id     text NOT NULL,
  epoch          bigint NOT NULL,
  chunk_seq      bigint NOT NULL,
  debit_account  text NOT NULL,                  -- 'team/<id>'
  credit_account text NOT NULL,                  -- 'provider/<id>'
  amount_nano_usd bigint NOT NULL,               -- negative only for adjustments that give back
  price_version  bigint NOT NULL,
  detail         jsonb NOT NULL DEFAULT '{}',
  PRIMARY KEY (entry_key, at)
) PARTITION BY RANGE (at);
CREATE TABLE tollgate.entry_default PARTITION OF tollgate.entry DEFAULT;
CREATE INDEX entry_chunk ON tollgate.entry (gateway_id, epoch, chunk_seq);
CREATE INDEX entry_attempt ON tollgate.entry (attempt_id);

CREATE TABLE tollgate.chunk (
  gateway_id  text NOT NULL,
  epoch       bigint NOT NULL,
  chunk_seq   bigint NOT NULL,                   -- 1, 2, 3 … without a gap
  entry_count integer NOT NULL,
  previous_hash bytea NOT NULL,
  hash        bytea NOT NULL,
  at          timestamptz NOT NULL DEFAULT clock_timestamp(),
  written_by  xid8 NOT NULL DEFAULT pg_current_xact_id(),
  PRIMARY KEY (gateway_id, epoch, chunk_seq)
);
CREATE INDEX chunk_written ON tollgate.chunk (written_by); -- what came since somebody looked (spend_due in 0032)
CREATE TABLE tollgate.chain_anchor (
  gateway_id text NOT NULL,
  epoch      bigint NOT NULL,
  chunk_seq  bigint NOT NULL,
  hash       bytea NOT NULL,
  at         timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (gateway_id, epoch, chunk_seq)
);

CREATE TABLE tollgate.refusal (
  refusal_id   text PRIMARY KEY,                 -- gateway-epoch-f-n; of a limit gateway-epoch-l-n
  at           timestamptz NOT NULL DEFAULT clock_timestamp(),
  refused_at   timestamptz NOT NULL,
  request_id   text NOT NULL,
  gateway_id   text NOT NULL,
  epoch        bigint NOT NULL,
  team_id      text NOT NULL,
  key_id       text NOT NULL,
  code         text NOT NULL,                    -- domain/errors/codes.ts
  budget_id    bigint,                           -- null for budget.none and of a limit
  window_id    bigint,
  window_seq   bigint,                           -- window_event.seq current at the refusing grant's commit
  limit_amount bigint, granted bigint, idle bigint, need bigint,
  open_reservations bigint,                      -- all of them, at the refusing grant
  waited_ms    integer NOT NULL DEFAULT 0,
  is_remembered boolean NOT NULL DEFAULT false,
  is_observed  boolean NOT NULL DEFAULT false,   -- the call was let pass: what an observed budget would have refused
  limit_name   text,                             -- of a limit (no budget): as in x-tollgate-limit; limit_amount and need are in the unit of its measure
  stood_at     bigint,                           -- what all gateways together had taken of that limit; null for a cap
  unrecorded_before integer NOT NULL DEFAULT 0,  -- calls it refused since the row before that have no row of their own
  line         integer                           -- of a batch that a cap refused: the first request that is beyond it, from 1
);
CREATE INDEX refusal_team_at ON tollgate.refusal (team_id, at);
CREATE INDEX refusal_request ON tollgate.refusal (request_id);

CREATE TABLE tollgate.quarantine (
  attempt_id text PRIMARY KEY,
  at         timestamptz NOT NULL DEFAULT clock_timestamp(),
  gateway_id text NOT NULL,
  epoch      bigint NOT NULL,
  problem    text NOT NULL,
  row        jsonb NOT NULL
);

-- Monthly partitions (UTC) from the current month on. Rows that reached the default partition meanwhile move into theirs.
CREATE FUNCTION tollgate.ensure_partitions(p_months_ahead integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
  v_table text;
  v_name text;
  v_from timestamptz;
  v_to timestamptz;
  v_created integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('tollgate.partitions', 0));
  FOR i IN 0..p_months_ahead LOOP
    v_from := (date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC') + i * interval '1 month') AT TIME ZONE 'UTC';
    v_to := (date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC') + (i + 1) * interval '1 month') AT TIME ZONE 'UTC';
    FOREACH v_table IN ARRAY ARRAY['attempt', 'entry'] LOOP
      v_name := v_table || to_char(v_from AT TIME ZONE 'UTC', '_YYYY_MM');
      CONTINUE WHEN to_regclass('tollgate.' || v_name) IS NOT NULL;
      EXECUTE format('CREATE TABLE tollgate.%I (LIKE tollgate.%I INCLUDING ALL)', v_name, v_table);
      EXECUTE format('WITH moved AS (DELETE FROM tollgate.%I WHERE at >= %L AND at < %L RETURNING *) INSERT INTO tollgate.%I SELECT * FROM moved',
        v_table || '_default', v_from, v_to, v_name);
      EXECUTE format('ALTER TABLE tollgate.%I ATTACH PARTITION tollgate.%I FOR VALUES FROM (%L) TO (%L)', v_table, v_name, v_from, v_to);
      v_created := v_created + 1;
    END LOOP;
  END LOOP;
  RETURN v_created;
END $$;
SELECT tollgate.ensure_partitions(3);
