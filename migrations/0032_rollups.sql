-- What was spent, by hour and by every dimension that is asked for, kept beside the ledger so that no question adds up its calls. Fed from whole
-- chunks: a chain grows by one chunk after the other under its lock (0004), so the number of the last chunk counted is all there is to
-- remember, and nothing is counted twice or left out, however late it is written. `tollgate verify` holds every sum to the entries.
-- Hours, days and months are UTC's. An entry counts when it was booked, a correction too: what is over does not change. No text = not attributed.

-- What sums are of. With dimension '' a combination of team, provider, model, alias asked for, feature, key and environment that was ever booked;
-- there are few of them, so that sums stay narrow. Else one value of the dimension that is named, with all others empty: the sums of these
-- are sums of the others', kept because most questions ask by one dimension.
CREATE TABLE tollgate.spend_slice (
  id             integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  dimension      text NOT NULL,
  debit_account  text NOT NULL DEFAULT '',
  credit_account text NOT NULL DEFAULT '',
  model          text NOT NULL DEFAULT '',
  asked_model    text NOT NULL DEFAULT '',       -- the alias asked for, also where it is the one that served
  feature        text NOT NULL DEFAULT '',
  key_id         text NOT NULL DEFAULT '',
  environment    text NOT NULL DEFAULT '',
  user_id        text NOT NULL DEFAULT '',       -- of dimension 'user' alone
  batch_number   bigint NOT NULL DEFAULT 0,      -- of dimension 'batch' alone (0024); 0 = none
  UNIQUE (dimension, debit_account, credit_account, model, asked_model, feature, key_id, environment, user_id, batch_number)
);

-- Of combinations by hour, day and month; of single dimensions by day and month. Days of users, of which there are many, stand by themselves.
CREATE TABLE tollgate.spend_hour (
  slice_id            integer NOT NULL,
  starts_at           timestamptz NOT NULL,
  calls               bigint NOT NULL,
  input_tokens        numeric NOT NULL,
  output_tokens       numeric NOT NULL,
  amount_nano_usd     numeric NOT NULL,          -- corrections included; they may outweigh the rest
  unresolved_nano_usd numeric NOT NULL,          -- of what was booked then: charged without knowing, and not resolved since
  PRIMARY KEY (slice_id, starts_at)
) WITH (fillfactor = 70);
CREATE INDEX spend_hour_starts ON tollgate.spend_hour USING brin (starts_at);
CREATE TABLE tollgate.spend_utc_day (LIKE tollgate.spend_hour INCLUDING ALL) WITH (fillfactor = 70);
CREATE TABLE tollgate.spend_user_day (LIKE tollgate.spend_hour INCLUDING ALL) WITH (fillfactor = 70);
CREATE TABLE tollgate.spend_utc_month (LIKE tollgate.spend_hour INCLUDING ALL) WITH (fillfactor = 70);

-- The finest: every combination with its users, runs and batches, which are many.
CREATE TABLE tollgate.spend_detail_hour (
  starts_at           timestamptz NOT NULL,
  slice_id            integer NOT NULL,
  user_id             text NOT NULL,
  run_number          bigint NOT NULL,           -- of the run it was a step of (0020); 0 = none
  batch_number        bigint NOT NULL,           -- of the batch it was an item of; 0 = none
  calls               bigint NOT NULL,
  input_tokens        numeric NOT NULL,
  output_tokens       numeric NOT NULL,
  amount_nano_usd     numeric NOT NULL,          -- corrections included; they may outweigh the rest
  unresolved_nano_usd numeric NOT NULL,          -- of what was booked then: charged without knowing, and not resolved since
  PRIMARY KEY (slice_id, starts_at, user_id, run_number, batch_number)
) WITH (fillfactor = 70);
CREATE INDEX spend_detail_hour_starts ON tollgate.spend_detail_hour USING brin (starts_at);
CREATE TABLE tollgate.spend_detail_month (LIKE tollgate.spend_detail_hour INCLUDING ALL) WITH (fillfactor = 70);
CREATE INDEX spend_detail_hour_user ON tollgate.spend_detail_hour (user_id, starts_at) WHERE user_id <> '';
CREATE INDEX spend_detail_month_run ON tollgate.spend_detail_month (run_number) WHERE run_number <> 0;

-- By kind of task, for the audit of which calls a cheaper model would serve: what every class of tokens came to, so that it can be priced again.
CREATE TABLE tollgate.spend_task_day (
  starts_at             timestamptz NOT NULL,
  debit_account         text NOT NULL,
  credit_account        text NOT NULL,
  feature               text NOT NULL,
  model                 text NOT NULL,
  priced_model          text NOT NULL,
  task_kind             text NOT NULL,           -- domain/audit/task-kind.ts; '' = not known
  calls                 bigint NOT NULL,
  input_tokens          numeric NOT NULL,
  cached_input_tokens   numeric NOT NULL,
  cache_write_5m_tokens numeric NOT NULL,
  cache_write_1h_tokens numeric NOT NULL,
  output_tokens         numeric NOT NULL,
  reasoning_tokens      numeric NOT NULL,
  amount_nano_usd       numeric NOT NULL,
  PRIMARY KEY (starts_at, debit_account, credit_account, feature, model, priced_model, task_kind)
) WITH (fillfactor = 70);

CREATE TABLE tollgate.spend_counted (
  gateway_id text NOT NULL,
  epoch      bigint NOT NULL,
  chunk_seq  bigint NOT NULL,                    -- every chunk of the chain up to this one is counted, here and in spend_day
  PRIMARY KEY (gateway_id, epoch)
) WITH (fillfactor = 50);

-- One row, or none before the first count that left nothing: every chunk that a transaction before this one wrote is counted.
CREATE TABLE tollgate.spend_looked (
  is_only    boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  written_by xid8 NOT NULL
) WITH (fillfactor = 50);

-- A database that was restored into another cluster counts transactions from elsewhere: then everything is looked at.
CREATE FUNCTION tollgate.spend_looked_to() RETURNS xid8
LANGUAGE sql STABLE AS $$
  SELECT coalesce((SELECT written_by FROM tollgate.spend_looked WHERE written_by <= pg_snapshot_xmax(pg_current_snapshot())), '0')
$$;

-- Entries whose first correction is counted: it took them out of what is unresolved.
CREATE TABLE tollgate.spend_resolved (entry_key text PRIMARY KEY);

-- The batch that holds money as this gateway does (batch_holder in 0024); 0 = none.
CREATE FUNCTION tollgate.batch_held_by(p_gateway text) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$ SELECT coalesce(substring(p_gateway FROM '^batch([0-9]{1,18})$')::bigint, 0) $$;

-- An entry as it is counted, by its attempt; a lump has none, and no dimensions but team and provider. What is charged without knowing is unresolved.
CREATE FUNCTION tollgate.counted_as(e tollgate.entry, a tollgate.attempt) RETURNS TABLE (
  model text, asked_model text, feature text, key_id text, environment text, user_id text, run_number bigint, batch_number bigint,
  calls bigint, input_tokens bigint, output_tokens bigint, unresolved_nano_usd bigint, priced_model text, task_kind text, cached_input_tokens bigint,
  cache_write_5m_tokens bigint, cache_write_1h_tokens bigint, reasoning_tokens bigint)
LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(a.model, ''), coalesce(a.asked_model, a.model, ''), coalesce(a.feature, ''), coalesce(a.key_id, ''), coalesce(a.environment, ''), coalesce(a.user_id, ''),
         coalesce(a.run_ids[cardinality(a.run_ids)], 0), tollgate.batch_held_by(coalesce(a.gateway_id, e.gateway_id)),
         CASE WHEN e.kind IN ('charge', 'unresolved', 'estimated') THEN 1 ELSE 0 END::bigint,
         CASE WHEN e.kind <> 'adjustment' THEN coalesce(a.input_tokens, 0) ELSE 0 END, CASE WHEN e.kind <> 'adjustment' THEN coalesce(a.output_tokens, 0) ELSE 0 END,
         CASE WHEN e.kind IN ('unresolved', 'estimated') OR e.kind = 'lump' AND e.detail ->> 'resolves' IS DISTINCT FROM e.entry_key THEN e.amount_nano_usd ELSE 0 END,
         coalesce(a.priced_model, ''), coalesce(a.task_kind, ''), CASE WHEN e.kind <> 'adjustment' THEN coalesce(a.cached_input_tokens, 0) ELSE 0 END,
         CASE WHEN e.kind <> 'adjustment' THEN coalesce(a.cache_write_5m_tokens, 0) ELSE 0 END,
         CASE WHEN e.kind <> 'adjustment' THEN coalesce(a.cache_write_1h_tokens, 0) ELSE 0 END, CASE WHEN e.kind <> 'adjustment' THEN coalesce(a.reasoning_tokens, 0) ELSE 0 END
$$;

-- The same where the attempt has to be looked up. Of a charge its time is known, and with it the partition; a correction came later.
CREATE FUNCTION tollgate.counted_entry(e tollgate.entry) RETURNS TABLE (
  model text, asked_model text, feature text, key_id text, environment text, user_id text, run_number bigint, batch_number bigint,
  calls bigint, input_tokens bigint, output_tokens bigint, unresolved_nano_usd bigint, priced_model text, task_kind text, cached_input_tokens bigint,
  cache_write_5m_tokens bigint, cache_write_1h_tokens bigint, reasoning_tokens bigint)
LANGUAGE sql STABLE AS $$
  SELECT c.*
  FROM (SELECT) one
  LEFT JOIN LATERAL (
    SELECT x AS row FROM tollgate.attempt x WHERE e.kind <> 'adjustment' AND x.attempt_id = e.attempt_id AND x.at = e.at
    UNION ALL
    SELECT x FROM tollgate.attempt x WHERE e.kind = 'adjustment' AND x.attempt_id = e.attempt_id
  ) a ON true
  CROSS JOIN LATERAL tollgate.counted_as(e, a.row) c
$$;

-- The slices of one dimension that a combination belongs to; users and batches stand beside combinations.
CREATE FUNCTION tollgate.single_slices(p_debit text, p_credit text, p_model text, p_asked text, p_feature text, p_key text, p_environment text)
RETURNS TABLE (dimension text, debit_account text, credit_account text, model text, asked_model text, feature text, key_id text, environment text)
LANGUAGE sql IMMUTABLE AS $$
  VALUES ('team', p_debit, '', '', '', '', '', ''), ('provider', '', p_credit, '', '', '', '', ''), ('model', '', '', p_model, '', '', '', ''),
         ('askedModel', '', '', '', p_asked, '', '', ''), ('feature', '', '', '', '', p_feature, '', ''), ('key', '', '', '', '', '', p_key, ''),
         ('environment', '', '', '', '', '', '', p_environment)
$$;

-- Chunks that are not counted yet, by chain: p_chunks or up to twice as many. Only those are looked at that transactions wrote which may have been under way
-- at the last count that left nothing: chains are many (each batch has one), and most never get another chunk.
CREATE FUNCTION tollgate.spend_due(p_chunks integer) RETURNS TABLE (gateway_id text, epoch bigint, after_seq bigint, to_seq bigint)
LANGUAGE sql STABLE AS $$
  WITH came AS (
    SELECT k.gateway_id, k.epoch, max(k.chunk_seq) AS chunk_seq FROM tollgate.chunk k
    -- The end, which leaves nothing out, lets the planner take it for a short range.
    WHERE k.written_by >= tollgate.spend_looked_to() AND k.written_by <= '18446744073709551615' GROUP BY 1, 2
  ), behind AS (
    SELECT c.gateway_id, c.epoch, coalesce(s.chunk_seq, 0) AS after_seq, least(c.chunk_seq, coalesce(s.chunk_seq, 0) + p_chunks) AS to_seq
    FROM came c LEFT JOIN tollgate.spend_counted s ON s.gateway_id = c.gateway_id AND s.epoch = c.epoch
    WHERE c.chunk_seq > coalesce(s.chunk_seq, 0)
  )
  SELECT r.gateway_id, r.epoch, r.after_seq, r.to_seq
  FROM (SELECT b.*, sum(b.to_seq - b.after_seq) OVER (ORDER BY b.gateway_id, b.epoch) - (b.to_seq - b.after_seq) AS chunks_before FROM behind b) r
  WHERE r.chunks_before < p_chunks
$$;

-- Adds entries to the sums: those of chunks that are not counted yet, p_chunks or up to twice as many; or, where p_day is given and its sums are taken away,
-- what is counted of that day. Returns how many chunks there were. Whoever calls it holds the lock.
-- On a team's local day a correction counts on the day of what it corrects, where that is in the database; a late settle, and what it takes
-- out of a lump, on the day it was booked. The planner settings: a plan cached while the tables were empty must not scan them once they are large, and
-- what is added up at once stays in memory.
CREATE FUNCTION tollgate.add_spend(p_chunks integer, p_day timestamptz) RETURNS integer
LANGUAGE plpgsql SET enable_seqscan = off SET enable_mergejoin = off SET work_mem = '64MB' SET jit = off AS $$
DECLARE
  v_counted integer;
BEGIN
  WITH due AS MATERIALIZED (
    SELECT d.* FROM tollgate.spend_due(p_chunks) d WHERE p_day IS NULL
  ), of_day AS MATERIALIZED (
    SELECT x AS e FROM tollgate.entry x JOIN tollgate.spend_counted s ON (s.gateway_id, s.epoch) = (x.gateway_id, x.epoch) AND x.chunk_seq <= s.chunk_seq
    WHERE p_day IS NOT NULL AND x.at >= p_day AND x.at < p_day + interval '24 hours'
  ), booked AS MATERIALIZED (
    SELECT b.e, (b.e).at, (b.e).debit_account, (b.e).credit_account, (b.e).amount_nano_usd, c.*
    FROM due d
    CROSS JOIN LATERAL (
      SELECT x AS e FROM tollgate.entry x WHERE x.gateway_id = d.gateway_id AND x.epoch = d.epoch AND x.chunk_seq > d.after_seq AND x.chunk_seq <= d.to_seq OFFSET 0
    ) b
    CROSS JOIN LATERAL tollgate.counted_entry(b.e) c
    UNION ALL
    SELECT b.e, (b.e).at, (b.e).debit_account, (b.e).credit_account, (b.e).amount_nano_usd, c.*
    FROM of_day b CROSS JOIN LATERAL tollgate.counted_entry(b.e) c
  ), resolved AS (
    INSERT INTO tollgate.spend_resolved (entry_key)
    SELECT DISTINCT (e).detail ->> 'resolves' FROM booked WHERE (e).kind = 'adjustment' AND (e).detail ->> 'resolves' IS NOT NULL
    ON CONFLICT DO NOTHING RETURNING entry_key
  ), line AS (
    SELECT at, debit_account, credit_account, model, asked_model, feature, key_id, environment, user_id, run_number, batch_number,
           calls, input_tokens, output_tokens, amount_nano_usd, unresolved_nano_usd
    FROM booked
    UNION ALL
    SELECT (b.e).at, b.debit_account, b.credit_account, b.model, b.asked_model, b.feature, b.key_id, b.environment, b.user_id, b.run_number, b.batch_number,
           0, 0, 0, 0, -b.unresolved_nano_usd
    FROM booked b WHERE p_day IS NOT NULL AND b.unresolved_nano_usd <> 0 AND EXISTS (SELECT 1 FROM tollgate.spend_resolved r WHERE r.entry_key = (b.e).entry_key)
    UNION ALL
    SELECT o.at, o.debit_account, o.credit_account, c.model, c.asked_model, c.feature, c.key_id, c.environment, c.user_id, c.run_number, c.batch_number,
           0, 0, 0, 0, -c.unresolved_nano_usd
    FROM resolved r JOIN tollgate.entry o ON o.entry_key = r.entry_key CROSS JOIN LATERAL tollgate.counted_entry(o) c
    WHERE c.unresolved_nano_usd <> 0
  ), keyed AS MATERIALIZED (
    SELECT ROW('', debit_account, credit_account, model, asked_model, feature, key_id, environment, '', 0)::text AS combination, * FROM line
  ), combination AS MATERIALIZED (
    SELECT DISTINCT combination, debit_account, credit_account, model, asked_model, feature, key_id, environment FROM keyed
  ), sums AS MATERIALIZED (
    SELECT combination, date_trunc('hour', at, 'UTC') AS starts_at, user_id, run_number, batch_number,
           sum(calls) AS calls, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, sum(amount_nano_usd) AS amount_nano_usd,
           sum(unresolved_nano_usd) AS unresolved_nano_usd
    FROM keyed GROUP BY 1, 2, 3, 4, 5
  ), of_user AS MATERIALIZED (
    SELECT date_trunc('day', starts_at, 'UTC') AS starts_at, user_id, sum(calls) AS calls, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
           sum(amount_nano_usd) AS amount_nano_usd, sum(unresolved_nano_usd) AS unresolved_nano_usd
    FROM sums GROUP BY 1, 2
  ), of_batch AS MATERIALIZED (
    SELECT date_trunc('day', starts_at, 'UTC') AS starts_at, batch_number, sum(calls) AS calls, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
           sum(amount_nano_usd) AS amount_nano_usd, sum(unresolved_nano_usd) AS unresolved_nano_usd
    FROM sums GROUP BY 1, 2
  ), single AS MATERIALIZED (
    SELECT c.combination, v.*
    FROM combination c CROSS JOIN LATERAL tollgate.single_slices(c.debit_account, c.credit_account, c.model, c.asked_model, c.feature, c.key_id, c.environment) v
  ), named AS MATERIALIZED (
    SELECT '' AS dimension, debit_account, credit_account, model, asked_model, feature, key_id, environment, '' AS user_id, 0::bigint AS batch_number FROM combination
    UNION
    SELECT dimension, debit_account, credit_account, model, asked_model, feature, key_id, environment, '', 0 FROM single
    UNION
    SELECT 'user', '', '', '', '', '', '', '', user_id, 0 FROM of_user
    UNION
    SELECT 'batch', '', '', '', '', '', '', '', '', batch_number FROM of_batch
  ), added AS (
    INSERT INTO tollgate.spend_slice (dimension, debit_account, credit_account, model, asked_model, feature, key_id, environment, user_id, batch_number)
    SELECT n.* FROM named n
    WHERE NOT EXISTS (
      SELECT 1 FROM tollgate.spend_slice x
      WHERE (x.dimension, x.debit_account, x.credit_account, x.model, x.asked_model, x.feature, x.key_id, x.environment, x.user_id, x.batch_number)
          = (n.dimension, n.debit_account, n.credit_account, n.model, n.asked_model, n.feature, n.key_id, n.environment, n.user_id, n.batch_number))
    RETURNING *
  ), slice AS MATERIALIZED (
    SELECT ROW(s.dimension, s.debit_account, s.credit_account, s.model, s.asked_model, s.feature, s.key_id, s.environment, s.user_id, s.batch_number)::text AS name, s.*
    FROM (
      SELECT x.* FROM named n JOIN tollgate.spend_slice x
        ON (x.dimension, x.debit_account, x.credit_account, x.model, x.asked_model, x.feature, x.key_id, x.environment, x.user_id, x.batch_number)
         = (n.dimension, n.debit_account, n.credit_account, n.model, n.asked_model, n.feature, n.key_id, n.environment, n.user_id, n.batch_number)
      UNION ALL
      SELECT * FROM added
    ) s
  ), part AS MATERIALIZED (
    SELECT c.id AS slice_id, x.id AS of_id
    FROM single v
    JOIN slice c ON c.name = v.combination
    JOIN slice x ON x.name = ROW(v.dimension, v.debit_account, v.credit_account, v.model, v.asked_model, v.feature, v.key_id, v.environment, '', 0)::text
  ), detail AS MATERIALIZED (
    SELECT x.id AS slice_id, s.starts_at, s.user_id, s.run_number, s.batch_number, s.calls, s.input_tokens, s.output_tokens, s.amount_nano_usd, s.unresolved_nano_usd
    FROM sums s JOIN slice x ON x.name = s.combination
  ), hours_of AS MATERIALIZED (
    SELECT slice_id, starts_at, sum(calls) AS calls, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, sum(amount_nano_usd) AS amount_nano_usd,
           sum(unresolved_nano_usd) AS unresolved_nano_usd
    FROM detail GROUP BY 1, 2
  ), combination_days AS MATERIALIZED (
    SELECT slice_id, date_trunc('day', starts_at, 'UTC') AS starts_at, sum(calls) AS calls, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
           sum(amount_nano_usd) AS amount_nano_usd, sum(unresolved_nano_usd) AS unresolved_nano_usd
    FROM hours_of GROUP BY 1, 2
  ), days_of AS MATERIALIZED (
    SELECT * FROM combination_days
    UNION ALL
    SELECT p.of_id, d.starts_at, sum(d.calls), sum(d.input_tokens), sum(d.output_tokens), sum(d.amount_nano_usd), sum(d.unresolved_nano_usd)
    FROM combination_days d JOIN part p ON p.slice_id = d.slice_id GROUP BY 1, 2
    UNION ALL
    SELECT x.id, b.starts_at, b.calls, b.input_tokens, b.output_tokens, b.amount_nano_usd, b.unresolved_nano_usd FROM of_batch b JOIN slice x ON x.dimension = 'batch' AND x.batch_number = b.batch_number
  ), user_days_of AS MATERIALIZED (
    SELECT x.id AS slice_id, u.starts_at, u.calls, u.input_tokens, u.output_tokens, u.amount_nano_usd, u.unresolved_nano_usd
    FROM of_user u JOIN slice x ON x.dimension = 'user' AND x.user_id = u.user_id
  ), hours AS (
    INSERT INTO tollgate.spend_hour AS t (slice_id, starts_at, calls, input_tokens, output_tokens, amount_nano_usd, unresolved_nano_usd)
    SELECT * FROM hours_of ORDER BY 1, 2
    ON CONFLICT (slice_id, starts_at) DO UPDATE SET calls = t.calls + excluded.calls, input_tokens = t.input_tokens + excluded.input_tokens,
      output_tokens = t.output_tokens + excluded.output_tokens, amount_nano_usd = t.amount_nano_usd + excluded.amount_nano_usd,
      unresolved_nano_usd = t.unresolved_nano_usd + excluded.unresolved_nano_usd
  ), days AS (
    INSERT INTO tollgate.spend_utc_day AS t (slice_id, starts_at, calls, input_tokens, output_tokens, amount_nano_usd, unresolved_nano_usd)
    SELECT * FROM days_of ORDER BY 1, 2
    ON CONFLICT (slice_id, starts_at) DO UPDATE SET calls = t.calls + excluded.calls, input_tokens = t.input_tokens + excluded.input_tokens,
      output_tokens = t.output_tokens + excluded.output_tokens, amount_nano_usd = t.amount_nano_usd + excluded.amount_nano_usd,
      unresolved_nano_usd = t.unresolved_nano_usd + excluded.unresolved_nano_usd
  ), user_days AS (
    INSERT INTO tollgate.spend_user_day AS t (slice_id, starts_at, calls, input_tokens, output_tokens, amount_nano_usd, unresolved_nano_usd)
    SELECT * FROM user_days_of ORDER BY 1, 2
    ON CONFLICT (slice_id, starts_at) DO UPDATE SET calls = t.calls + excluded.calls, input_tokens = t.input_tokens + excluded.input_tokens,
      output_tokens = t.output_tokens + excluded.output_tokens, amount_nano_usd = t.amount_nano_usd + excluded.amount_nano_usd,
      unresolved_nano_usd = t.unresolved_nano_usd + excluded.unresolved_nano_usd
  ), months AS (
    INSERT INTO tollgate.spend_utc_month AS t (slice_id, starts_at, calls, input_tokens, output_tokens, amount_nano_usd, unresolved_nano_usd)
    SELECT slice_id, date_trunc('month', starts_at, 'UTC'), sum(calls), sum(input_tokens), sum(output_tokens), sum(amount_nano_usd), sum(unresolved_nano_usd)
    FROM (SELECT * FROM days_of UNION ALL SELECT * FROM user_days_of) d GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (slice_id, starts_at) DO UPDATE SET calls = t.calls + excluded.calls, input_tokens = t.input_tokens + excluded.input_tokens,
      output_tokens = t.output_tokens + excluded.output_tokens, amount_nano_usd = t.amount_nano_usd + excluded.amount_nano_usd,
      unresolved_nano_usd = t.unresolved_nano_usd + excluded.unresolved_nano_usd
  ), detail_hours AS (
    INSERT INTO tollgate.spend_detail_hour AS t
      (starts_at, slice_id, user_id, run_number, batch_number, calls, input_tokens, output_tokens, amount_nano_usd, unresolved_nano_usd)
    SELECT starts_at, slice_id, user_id, run_number, batch_number, calls, input_tokens, output_tokens, amount_nano_usd, unresolved_nano_usd FROM detail ORDER BY 2, 1, 3, 4, 5
    ON CONFLICT (slice_id, starts_at, user_id, run_number, batch_number) DO UPDATE SET calls = t.calls + excluded.calls,
      input_tokens = t.input_tokens + excluded.input_tokens, output_tokens = t.output_tokens + excluded.output_tokens,
      amount_nano_usd = t.amount_nano_usd + excluded.amount_nano_usd, unresolved_nano_usd = t.unresolved_nano_usd + excluded.unresolved_nano_usd
  ), detail_months AS (
    INSERT INTO tollgate.spend_detail_month AS t
      (starts_at, slice_id, user_id, run_number, batch_number, calls, input_tokens, output_tokens, amount_nano_usd, unresolved_nano_usd)
    SELECT date_trunc('month', starts_at, 'UTC'), slice_id, user_id, run_number, batch_number, sum(calls), sum(input_tokens), sum(output_tokens), sum(amount_nano_usd),
           sum(unresolved_nano_usd)
    FROM detail GROUP BY 1, 2, 3, 4, 5 ORDER BY 2, 1, 3, 4, 5
    ON CONFLICT (slice_id, starts_at, user_id, run_number, batch_number) DO UPDATE SET calls = t.calls + excluded.calls,
      input_tokens = t.input_tokens + excluded.input_tokens, output_tokens = t.output_tokens + excluded.output_tokens,
      amount_nano_usd = t.amount_nano_usd + excluded.amount_nano_usd, unresolved_nano_usd = t.unresolved_nano_usd + excluded.unresolved_nano_usd
  ), task_days AS (
    INSERT INTO tollgate.spend_task_day AS t (starts_at, debit_account, credit_account, feature, model, priced_model, task_kind, calls, input_tokens, cached_input_tokens,
      cache_write_5m_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, amount_nano_usd)
    SELECT date_trunc('day', at, 'UTC'), debit_account, credit_account, feature, model, priced_model, task_kind, sum(calls), sum(input_tokens), sum(cached_input_tokens),
           sum(cache_write_5m_tokens), sum(cache_write_1h_tokens), sum(output_tokens), sum(reasoning_tokens), sum(amount_nano_usd)
    FROM booked GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7
    ON CONFLICT (starts_at, debit_account, credit_account, feature, model, priced_model, task_kind) DO UPDATE SET calls = t.calls + excluded.calls,
      input_tokens = t.input_tokens + excluded.input_tokens, cached_input_tokens = t.cached_input_tokens + excluded.cached_input_tokens,
      cache_write_5m_tokens = t.cache_write_5m_tokens + excluded.cache_write_5m_tokens, cache_write_1h_tokens = t.cache_write_1h_tokens + excluded.cache_write_1h_tokens,
      output_tokens = t.output_tokens + excluded.output_tokens, reasoning_tokens = t.reasoning_tokens + excluded.reasoning_tokens,
      amount_nano_usd = t.amount_nano_usd + excluded.amount_nano_usd
  ), of_team AS MATERIALIZED (
    SELECT substr(b.debit_account, 6) AS team_id, coalesce(o.at, b.at) AS at, sum(b.amount_nano_usd) AS amount
    FROM booked b
    LEFT JOIN LATERAL (SELECT y.at FROM tollgate.entry y WHERE (b.e).kind = 'adjustment' AND y.entry_key = (b.e).detail ->> 'resolves' LIMIT 1) o ON true
    WHERE p_day IS NULL AND starts_with(b.debit_account, 'team/') AND b.debit_account <> 'team/@unknown'
    GROUP BY 1, 2
  ), zone AS MATERIALIZED (
    SELECT team_id, tollgate.team_time_zone(team_id) AS name FROM (SELECT DISTINCT team_id FROM of_team) t
  ), local_days AS (
    INSERT INTO tollgate.spend_day AS d (team_id, day, amount_nano_usd)
    SELECT b.team_id, (b.at AT TIME ZONE z.name)::date, sum(b.amount) FROM of_team b JOIN zone z ON z.team_id = b.team_id GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (team_id, day) DO UPDATE SET amount_nano_usd = d.amount_nano_usd + excluded.amount_nano_usd
  ), counted AS (
    INSERT INTO tollgate.spend_counted AS s (gateway_id, epoch, chunk_seq)
    SELECT gateway_id, epoch, to_seq FROM due
    ON CONFLICT (gateway_id, epoch) DO UPDATE SET chunk_seq = excluded.chunk_seq
  )
  SELECT coalesce(sum(to_seq - after_seq), 0) INTO v_counted FROM due;
  RETURN v_counted;
END $$;

-- Adds chunks that are not counted yet, p_chunks or up to twice as many. Returns how many there were: fewer than p_chunks means all there are.
CREATE FUNCTION tollgate.count_spend(p_chunks integer) RETURNS integer
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  v_counted integer;
  v_finished xid8;
BEGIN
  -- The large statement takes its time also where it has nothing to do, and most who ask find nothing.
  IF NOT EXISTS (SELECT 1 FROM tollgate.spend_due(1)) THEN RETURN 0; END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('tollgate.spend_day', 0));
  -- Before the chunks are read: what transactions before this one wrote is there to be read, and no more will come of them.
  v_finished := pg_snapshot_xmin(pg_current_snapshot());
  v_counted := tollgate.add_spend(p_chunks, NULL);
  IF v_counted < p_chunks OR NOT EXISTS (SELECT 1 FROM tollgate.spend_due(1)) THEN
    -- Of a database that was restored: its chunks are not after every transaction to come.
    UPDATE tollgate.chunk SET written_by = '0' WHERE written_by > pg_snapshot_xmax(pg_current_snapshot());
    INSERT INTO tollgate.spend_looked AS l (written_by) VALUES (v_finished) ON CONFLICT (is_only) DO UPDATE SET written_by = excluded.written_by;
  END IF;
  RETURN v_counted;
END $$;

-- Makes the sums of a day of UTC, and of its month, anew from what is counted of the ledger; teams' own days (0018) stay, which follow the zone a team had then.
-- False: the month is archived, and its sums are all there is of it.
CREATE FUNCTION tollgate.recount_spend(p_day date) RETURNS boolean
LANGUAGE plpgsql SET enable_seqscan = off SET lock_timeout = '5min' AS $$
DECLARE
  v_from  timestamptz := p_day::timestamp AT TIME ZONE 'UTC';
  v_to    timestamptz := (p_day + 1)::timestamp AT TIME ZONE 'UTC';
  v_month timestamptz := date_trunc('month', v_from, 'UTC');
  v_next  timestamptz := (date_trunc('month', p_day::timestamp) + interval '1 month') AT TIME ZONE 'UTC';
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('tollgate.spend_day', 0));
  IF EXISTS (SELECT 1 FROM tollgate.archived_month WHERE month = date_trunc('month', p_day::timestamp)::date) THEN RETURN false; END IF;
  DELETE FROM tollgate.spend_detail_hour WHERE starts_at >= v_from AND starts_at < v_to;
  DELETE FROM tollgate.spend_hour WHERE starts_at >= v_from AND starts_at < v_to;
  DELETE FROM tollgate.spend_utc_day WHERE starts_at >= v_from AND starts_at < v_to;
  DELETE FROM tollgate.spend_user_day WHERE starts_at >= v_from AND starts_at < v_to;
  DELETE FROM tollgate.spend_task_day WHERE starts_at >= v_from AND starts_at < v_to;
  PERFORM tollgate.add_spend(0, v_from);
  DELETE FROM tollgate.spend_utc_month WHERE starts_at = v_month;
  INSERT INTO tollgate.spend_utc_month (slice_id, starts_at, calls, input_tokens, output_tokens, amount_nano_usd, unresolved_nano_usd)
  SELECT slice_id, v_month, sum(calls), sum(input_tokens), sum(output_tokens), sum(amount_nano_usd), sum(unresolved_nano_usd)
  FROM (SELECT * FROM tollgate.spend_utc_day UNION ALL SELECT * FROM tollgate.spend_user_day) d WHERE starts_at >= v_month AND starts_at < v_next GROUP BY 1;
  DELETE FROM tollgate.spend_detail_month WHERE starts_at = v_month;
  INSERT INTO tollgate.spend_detail_month
    (starts_at, slice_id, user_id, run_number, batch_number, calls, input_tokens, output_tokens, amount_nano_usd, unresolved_nano_usd)
  SELECT v_month, slice_id, user_id, run_number, batch_number, sum(calls), sum(input_tokens), sum(output_tokens), sum(amount_nano_usd), sum(unresolved_nano_usd)
  FROM tollgate.spend_detail_hour WHERE starts_at >= v_month AND starts_at < v_next GROUP BY 2, 3, 4, 5;
  RETURN true;
END $$;
