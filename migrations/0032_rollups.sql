-- What was spent, by hour and by every dimension that is asked for, kept beside the ledger so that no question adds up its calls. Fed from whole
-- chunks: a chain grows by one chunk after the other under its lock (0004), so the number of the last chunk counted is all there is to
-- remember, and nothing is counted twice or left out, however late it is written. `tollgate verify` holds every sum to the entries.
-- Hours, days and months are UTC's. An entry counts when it was booked, a correction too: what is over does not change. No text = not attributed.

-- Each combination that was ever booked. There are few of them, so that sums stay narrow; users, runs and batches are many and stand beside.
CREATE TABLE tollgate.spend_slice (
  id             integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  debit_account  text NOT NULL,
  credit_account text NOT NULL,
  model          text NOT NULL,
  asked_model    text NOT NULL,                  -- the alias asked for, also where it is the one that served
  feature        text NOT NULL,
  key_id         text NOT NULL,
  environment    text NOT NULL,
  UNIQUE (debit_account, credit_account, model, asked_model, feature, key_id, environment)
);

CREATE TABLE tollgate.spend_hour (
  starts_at           timestamptz NOT NULL,
  slice_id            integer NOT NULL,
  calls               bigint NOT NULL,
  input_tokens        numeric NOT NULL,
  output_tokens       numeric NOT NULL,
  amount_nano_usd     numeric NOT NULL,          -- corrections included; they may outweigh the rest
  unresolved_nano_usd numeric NOT NULL,          -- of what was booked then: charged without knowing, and not resolved since
  PRIMARY KEY (starts_at, slice_id)
) WITH (fillfactor = 70);
CREATE TABLE tollgate.spend_utc_day (LIKE tollgate.spend_hour INCLUDING ALL) WITH (fillfactor = 70);

CREATE TABLE tollgate.spend_detail_hour (
  starts_at           timestamptz NOT NULL,
  slice_id            integer NOT NULL,
  user_id             text NOT NULL,
  run_number          bigint NOT NULL,           -- of the run it was a step of (0020); 0 = none
  batch_number        bigint NOT NULL,           -- of the batch it was an item of (0024); 0 = none
  calls               bigint NOT NULL,
  input_tokens        numeric NOT NULL,
  output_tokens       numeric NOT NULL,
  amount_nano_usd     numeric NOT NULL,
  unresolved_nano_usd numeric NOT NULL,
  PRIMARY KEY (starts_at, slice_id, user_id, run_number, batch_number)
) WITH (fillfactor = 70);
CREATE TABLE tollgate.spend_detail_month (LIKE tollgate.spend_detail_hour INCLUDING ALL) WITH (fillfactor = 70);

CREATE TABLE tollgate.spend_counted (
  gateway_id text NOT NULL,
  epoch      bigint NOT NULL,
  chunk_seq  bigint NOT NULL,                    -- every chunk of the chain up to this one is counted, here and in spend_day
  PRIMARY KEY (gateway_id, epoch)
) WITH (fillfactor = 50);

-- Entries whose first correction is counted: it took them out of what is unresolved.
CREATE TABLE tollgate.spend_resolved (entry_key text PRIMARY KEY);

-- The batch that holds money as this gateway does (batch_holder in 0024); 0 = none.
CREATE FUNCTION tollgate.batch_held_by(p_gateway text) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$ SELECT coalesce(substring(p_gateway FROM '^batch([0-9]{1,18})$')::bigint, 0) $$;

-- An entry as it is counted, by its attempt; a lump has none, and no dimensions but team and provider. What is charged without knowing is unresolved.
CREATE FUNCTION tollgate.counted_as(e tollgate.entry, a tollgate.attempt) RETURNS TABLE (
  model text, asked_model text, feature text, key_id text, environment text, user_id text, run_number bigint, batch_number bigint,
  calls bigint, input_tokens bigint, output_tokens bigint, unresolved_nano_usd bigint)
LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(a.model, ''), coalesce(a.asked_model, a.model, ''), coalesce(a.feature, ''), coalesce(a.key_id, ''), coalesce(a.environment, ''), coalesce(a.user_id, ''),
         coalesce(a.run_ids[cardinality(a.run_ids)], 0), tollgate.batch_held_by(coalesce(a.gateway_id, e.gateway_id)),
         CASE WHEN e.kind IN ('charge', 'unresolved', 'estimated') THEN 1 ELSE 0 END::bigint,
         CASE WHEN e.kind <> 'adjustment' THEN coalesce(a.input_tokens, 0) ELSE 0 END, CASE WHEN e.kind <> 'adjustment' THEN coalesce(a.output_tokens, 0) ELSE 0 END,
         CASE WHEN e.kind IN ('unresolved', 'estimated') OR e.kind = 'lump' AND e.detail ->> 'resolves' IS DISTINCT FROM e.entry_key THEN e.amount_nano_usd ELSE 0 END
$$;

-- The same where the attempt has to be looked up. Of a charge its time is known, and with it the partition; a correction came later.
CREATE FUNCTION tollgate.counted_entry(e tollgate.entry) RETURNS TABLE (
  model text, asked_model text, feature text, key_id text, environment text, user_id text, run_number bigint, batch_number bigint,
  calls bigint, input_tokens bigint, output_tokens bigint, unresolved_nano_usd bigint)
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

-- Adds chunks that are not counted yet, p_chunks or up to twice as many. Returns how many there were: fewer than p_chunks means all there are.
-- On a team's local day a correction counts on the day of what it corrects, where that is in the database; a late settle, and what it takes
-- out of a lump, on the day it was booked. The planner setting: a plan cached while the tables were empty must not scan them once they are large.
CREATE FUNCTION tollgate.count_spend(p_chunks integer) RETURNS integer
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  v_counted integer;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('tollgate.spend_day', 0));
  WITH RECURSIVE chain AS (
    (SELECT gateway_id, epoch FROM tollgate.chunk ORDER BY gateway_id, epoch LIMIT 1)
    UNION ALL
    SELECT n.gateway_id, n.epoch
    FROM chain c CROSS JOIN LATERAL (
      SELECT x.gateway_id, x.epoch FROM tollgate.chunk x WHERE (x.gateway_id, x.epoch) > (c.gateway_id, c.epoch) ORDER BY x.gateway_id, x.epoch LIMIT 1
    ) n
  ), behind AS (
    SELECT c.gateway_id, c.epoch, coalesce(s.chunk_seq, 0) AS after_seq, least(h.chunk_seq, coalesce(s.chunk_seq, 0) + p_chunks) AS to_seq
    FROM chain c
    LEFT JOIN tollgate.spend_counted s ON s.gateway_id = c.gateway_id AND s.epoch = c.epoch
    CROSS JOIN LATERAL (
      SELECT x.chunk_seq FROM tollgate.chunk x WHERE x.gateway_id = c.gateway_id AND x.epoch = c.epoch ORDER BY x.chunk_seq DESC LIMIT 1
    ) h
    WHERE h.chunk_seq > coalesce(s.chunk_seq, 0)
  ), due AS MATERIALIZED (
    SELECT gateway_id, epoch, after_seq, to_seq
    FROM (SELECT b.*, sum(to_seq - after_seq) OVER (ORDER BY gateway_id, epoch) - (to_seq - after_seq) AS chunks_before FROM behind b) r
    WHERE chunks_before < p_chunks
  ), booked AS MATERIALIZED (
    SELECT b.e, (b.e).at, (b.e).debit_account, (b.e).credit_account, (b.e).amount_nano_usd, c.*
    FROM due d
    CROSS JOIN LATERAL (
      SELECT x AS e FROM tollgate.entry x WHERE x.gateway_id = d.gateway_id AND x.epoch = d.epoch AND x.chunk_seq > d.after_seq AND x.chunk_seq <= d.to_seq OFFSET 0
    ) b
    CROSS JOIN LATERAL tollgate.counted_entry(b.e) c
  ), resolved AS (
    INSERT INTO tollgate.spend_resolved (entry_key)
    SELECT DISTINCT (e).detail ->> 'resolves' FROM booked WHERE (e).kind = 'adjustment' AND (e).detail ->> 'resolves' IS NOT NULL
    ON CONFLICT DO NOTHING RETURNING entry_key
  ), line AS (
    SELECT at, debit_account, credit_account, model, asked_model, feature, key_id, environment, user_id, run_number, batch_number,
           calls, input_tokens, output_tokens, amount_nano_usd, unresolved_nano_usd
    FROM booked
    UNION ALL
    SELECT o.at, o.debit_account, o.credit_account, c.model, c.asked_model, c.feature, c.key_id, c.environment, c.user_id, c.run_number, c.batch_number,
           0, 0, 0, 0, -c.unresolved_nano_usd
    FROM resolved r JOIN tollgate.entry o ON o.entry_key = r.entry_key CROSS JOIN LATERAL tollgate.counted_entry(o) c
    WHERE c.unresolved_nano_usd <> 0
  ), sums AS MATERIALIZED (
    SELECT date_trunc('hour', at, 'UTC') AS starts_at, debit_account, credit_account, model, asked_model, feature, key_id, environment, user_id, run_number, batch_number,
           sum(calls) AS calls, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, sum(amount_nano_usd) AS amount_nano_usd,
           sum(unresolved_nano_usd) AS unresolved_nano_usd
    FROM line GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
  ), added AS (
    INSERT INTO tollgate.spend_slice (debit_account, credit_account, model, asked_model, feature, key_id, environment)
    SELECT DISTINCT debit_account, credit_account, model, asked_model, feature, key_id, environment FROM sums s
    WHERE NOT EXISTS (
      SELECT 1 FROM tollgate.spend_slice x
      WHERE (x.debit_account, x.credit_account, x.model, x.asked_model, x.feature, x.key_id, x.environment)
          = (s.debit_account, s.credit_account, s.model, s.asked_model, s.feature, s.key_id, s.environment))
    RETURNING *
  ), detail AS MATERIALIZED (
    SELECT x.id AS slice_id, s.* FROM sums s JOIN (SELECT * FROM tollgate.spend_slice UNION ALL SELECT * FROM added) x
      ON (x.debit_account, x.credit_account, x.model, x.asked_model, x.feature, x.key_id, x.environment)
       = (s.debit_account, s.credit_account, s.model, s.asked_model, s.feature, s.key_id, s.environment)
  ), slices AS MATERIALIZED (
    SELECT starts_at, slice_id, sum(calls) AS calls, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, sum(amount_nano_usd) AS amount_nano_usd,
           sum(unresolved_nano_usd) AS unresolved_nano_usd
    FROM detail GROUP BY 1, 2
  ), hours AS (
    INSERT INTO tollgate.spend_hour AS t (starts_at, slice_id, calls, input_tokens, output_tokens, amount_nano_usd, unresolved_nano_usd)
    SELECT starts_at, slice_id, calls, input_tokens, output_tokens, amount_nano_usd, unresolved_nano_usd FROM slices ORDER BY 1, 2
    ON CONFLICT (starts_at, slice_id) DO UPDATE SET calls = t.calls + excluded.calls, input_tokens = t.input_tokens + excluded.input_tokens,
      output_tokens = t.output_tokens + excluded.output_tokens, amount_nano_usd = t.amount_nano_usd + excluded.amount_nano_usd,
      unresolved_nano_usd = t.unresolved_nano_usd + excluded.unresolved_nano_usd
  ), utc_days AS (
    INSERT INTO tollgate.spend_utc_day AS t (starts_at, slice_id, calls, input_tokens, output_tokens, amount_nano_usd, unresolved_nano_usd)
    SELECT date_trunc('day', starts_at, 'UTC'), slice_id, sum(calls), sum(input_tokens), sum(output_tokens), sum(amount_nano_usd), sum(unresolved_nano_usd)
    FROM slices GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (starts_at, slice_id) DO UPDATE SET calls = t.calls + excluded.calls, input_tokens = t.input_tokens + excluded.input_tokens,
      output_tokens = t.output_tokens + excluded.output_tokens, amount_nano_usd = t.amount_nano_usd + excluded.amount_nano_usd,
      unresolved_nano_usd = t.unresolved_nano_usd + excluded.unresolved_nano_usd
  ), detail_hours AS (
    INSERT INTO tollgate.spend_detail_hour AS t
      (starts_at, slice_id, user_id, run_number, batch_number, calls, input_tokens, output_tokens, amount_nano_usd, unresolved_nano_usd)
    SELECT starts_at, slice_id, user_id, run_number, batch_number, calls, input_tokens, output_tokens, amount_nano_usd, unresolved_nano_usd FROM detail ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (starts_at, slice_id, user_id, run_number, batch_number) DO UPDATE SET calls = t.calls + excluded.calls,
      input_tokens = t.input_tokens + excluded.input_tokens, output_tokens = t.output_tokens + excluded.output_tokens,
      amount_nano_usd = t.amount_nano_usd + excluded.amount_nano_usd, unresolved_nano_usd = t.unresolved_nano_usd + excluded.unresolved_nano_usd
  ), detail_months AS (
    INSERT INTO tollgate.spend_detail_month AS t
      (starts_at, slice_id, user_id, run_number, batch_number, calls, input_tokens, output_tokens, amount_nano_usd, unresolved_nano_usd)
    SELECT date_trunc('month', starts_at, 'UTC'), slice_id, user_id, run_number, batch_number, sum(calls), sum(input_tokens), sum(output_tokens), sum(amount_nano_usd),
           sum(unresolved_nano_usd)
    FROM detail GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (starts_at, slice_id, user_id, run_number, batch_number) DO UPDATE SET calls = t.calls + excluded.calls,
      input_tokens = t.input_tokens + excluded.input_tokens, output_tokens = t.output_tokens + excluded.output_tokens,
      amount_nano_usd = t.amount_nano_usd + excluded.amount_nano_usd, unresolved_nano_usd = t.unresolved_nano_usd + excluded.unresolved_nano_usd
  ), of_team AS MATERIALIZED (
    SELECT substr(b.debit_account, 6) AS team_id, coalesce(o.at, b.at) AS at, sum(b.amount_nano_usd) AS amount
    FROM booked b
    LEFT JOIN LATERAL (SELECT y.at FROM tollgate.entry y WHERE (b.e).kind = 'adjustment' AND y.entry_key = (b.e).detail ->> 'resolves' LIMIT 1) o ON true
    WHERE starts_with(b.debit_account, 'team/') AND b.debit_account <> 'team/@unknown'
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
