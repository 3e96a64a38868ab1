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
  is_governed   boolean NOT NULL DEFAULT false,        -- registered or held: its workflow is told of every version; with told_version > 0 it has one
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

-- Calls by tool, added up.
CREATE FUNCTION tollgate.add_counts(p_counts jsonb, p_more jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN p_more IS NULL OR p_more = '{}' THEN p_counts ELSE (
    SELECT jsonb_object_agg(s.key, s.calls) FROM (
      SELECT x.key, sum(x.value::bigint) AS calls FROM (SELECT * FROM jsonb_each_text(p_counts) UNION ALL SELECT * FROM jsonb_each_text(p_more)) x GROUP BY x.key
    ) s) END
$$;
CREATE AGGREGATE tollgate.sum_of_counts (jsonb) (SFUNC = tollgate.add_counts, STYPE = jsonb, INITCOND = '{}');

-- Adds what attempts that were just inserted took to the parts of their runs and of all above them. Its caller holds the chain.
-- The planner settings: a plan cached while the tables were empty must not scan them once they are large.
CREATE FUNCTION tollgate.count_steps(p_gateway text, p_epoch bigint, p_at timestamptz, p_attempts text[]) RETURNS void
LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
  INSERT INTO tollgate.run_part AS p (run_number, gateway_id, epoch, steps, cost_nano_usd, input_tokens, output_tokens, output_bytes, tool_calls)
  SELECT r.number, p_gateway, p_epoch, sum(tollgate.cost_in('steps', a)), sum(tollgate.cost_in('nano_usd', a)), sum(tollgate.cost_in('input_tokens', a)),
    sum(tollgate.cost_in('output_tokens', a)), sum(coalesce(a.output_bytes, 0)), tollgate.sum_of_counts(a.run_tool_calls)
  FROM tollgate.attempt a CROSS JOIN LATERAL unnest(a.run_ids) AS r (number)
  WHERE a.attempt_id = ANY (p_attempts) AND a.at = p_at
  GROUP BY r.number ORDER BY r.number
  ON CONFLICT (run_number, gateway_id, epoch) DO UPDATE SET steps = p.steps + excluded.steps, cost_nano_usd = p.cost_nano_usd + excluded.cost_nano_usd,
    input_tokens = p.input_tokens + excluded.input_tokens, output_tokens = p.output_tokens + excluded.output_tokens,
    output_bytes = p.output_bytes + excluded.output_bytes, tool_calls = tollgate.add_counts(p.tool_calls, excluded.tool_calls), at = clock_timestamp();
END $$;

-- What a gateway says of its runs beside their steps (RunNote of activities/runs/port.ts, amounts as decimal strings): loop memories, of which
-- one that has seen fewer exchanges than the one that stands is late and is left out, and warnings, each once. Returns the runs' numbers.
CREATE FUNCTION tollgate.note_runs(p_gateway text, p_epoch bigint, p_runs json) RETURNS bigint[]
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO tollgate.run_part AS p (run_number, gateway_id, epoch, exchanges, memory)
  SELECT DISTINCT ON (n.number) n.number, p_gateway, p_epoch, n.exchanges, decode(n.memory, 'base64')
  FROM json_to_recordset(p_runs) AS n (number bigint, memory text, exchanges bigint)
  WHERE n.memory IS NOT NULL ORDER BY n.number, n.exchanges DESC
  ON CONFLICT (run_number, gateway_id, epoch) DO UPDATE SET exchanges = excluded.exchanges, memory = excluded.memory, at = clock_timestamp()
  WHERE excluded.exchanges >= p.exchanges;
  INSERT INTO tollgate.run_event (run_number, event_key, kind, detail)
  SELECT w.number, concat_ws('/', w.number, w.verdict->>'guard', coalesce(w.verdict->>'atEvent', concat_ws('/', w.verdict->>'tool', w.verdict->>'threshold'))), 'warned', w.verdict
  FROM (
    SELECT n.number, v.verdict FROM json_to_recordset(p_runs) AS n (number bigint, verdicts jsonb) CROSS JOIN LATERAL jsonb_array_elements(n.verdicts) AS v (verdict)
  ) w
  ORDER BY w.number
  ON CONFLICT (event_key) DO NOTHING;
  RETURN ARRAY(SELECT n.number FROM json_to_recordset(p_runs) AS n (number bigint));
END $$;

-- What all gateways together took of each run (RunTotals of domain/agents/run.ts), and whether another one serves it that may spend.
CREATE FUNCTION tollgate.tally_runs(p_gateway text, p_epoch bigint, p_numbers bigint[]) RETURNS jsonb
LANGUAGE plpgsql STABLE SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
  RETURN (
    SELECT coalesce(jsonb_agg(jsonb_build_object('number', t.run_number::text, 'othersServe', t.others_serve, 'totals', jsonb_build_object(
      'costNanoUsd', t.cost_nano_usd::text, 'inputTokens', t.input_tokens, 'outputTokens', t.output_tokens, 'steps', t.steps, 'outputBytes', t.output_bytes,
      'toolCalls', t.tool_calls)) ORDER BY t.run_number), '[]')
    FROM (
      SELECT p.run_number, sum(p.cost_nano_usd) AS cost_nano_usd, sum(p.input_tokens) AS input_tokens, sum(p.output_tokens) AS output_tokens, sum(p.steps) AS steps,
        sum(p.output_bytes) AS output_bytes, tollgate.sum_of_counts(p.tool_calls) AS tool_calls,
        coalesce(bool_or(NOT (p.gateway_id = p_gateway AND p.epoch = p_epoch) AND g.closed_at IS NULL AND g.fenced_at IS NULL)
          FILTER (WHERE g.gateway_id IS NOT NULL), false) AS others_serve
      FROM tollgate.run_part p LEFT JOIN tollgate.gateway_epoch g ON g.gateway_id = p.gateway_id AND g.epoch = p.epoch
      WHERE p.run_number = ANY (p_numbers) GROUP BY p.run_number
    ) t);
END $$;

-- What an attempt is found to have cost otherwise (adjust_attempt, 0007), in the parts of the pseudo gateway 'verify'. Its caller holds that chain.
CREATE FUNCTION tollgate.correct_parts(p_runs bigint[], p_nano_usd bigint, p_tokens bigint, p_output_tokens bigint) RETURNS void
LANGUAGE sql AS $$
  INSERT INTO tollgate.run_part AS p (run_number, gateway_id, epoch, cost_nano_usd, input_tokens, output_tokens)
  SELECT r.number, 'verify', 1, p_nano_usd, p_tokens - p_output_tokens, p_output_tokens FROM unnest(p_runs) AS r (number) ORDER BY r.number
  ON CONFLICT (run_number, gateway_id, epoch) DO UPDATE SET cost_nano_usd = p.cost_nano_usd + excluded.cost_nano_usd,
    input_tokens = p.input_tokens + excluded.input_tokens, output_tokens = p.output_tokens + excluded.output_tokens, at = clock_timestamp()
$$;
