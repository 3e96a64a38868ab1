-- Months of the ledger that are kept outside of the database, with their chains still provable. What leaves is whole chunks of
-- settled charges without an overrun; every chunk that holds anything else (lumps, adjustments, charges whose cost nobody knew)
-- stays, since later entries refer to it. The chunk rows stay all the same: hash, link and anchors of every chain are there,
-- and the text behind each hash is in the file of its month.
ALTER TABLE tollgate.chunk ADD COLUMN archived_month date;
ALTER TABLE tollgate.entry_key ADD COLUMN archived_month date;
CREATE INDEX chunk_archived ON tollgate.chunk (archived_month) WHERE archived_month IS NOT NULL;

CREATE TABLE tollgate.archived_month (
  month       date PRIMARY KEY CHECK (month = date_trunc('month', month)),
  chunks      bigint NOT NULL,
  entries     bigint NOT NULL,
  digest      bytea NOT NULL,                    -- sha256 over the hashes of its chunks, by gateway, epoch and number
  file        text NOT NULL,                     -- where it was written, for whoever looks for a call of that month
  file_hash   bytea NOT NULL,                    -- sha256 of the file
  archived_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  archived_by text NOT NULL
);

-- What the archived attempts posted to each lease, in the unit of its window: the lease rows go on counting it.
CREATE TABLE tollgate.archived_booking (
  month      date NOT NULL REFERENCES tollgate.archived_month (month),
  gateway_id text NOT NULL,
  epoch      bigint NOT NULL,
  window_id  bigint NOT NULL,
  amount     numeric NOT NULL,
  rows       bigint NOT NULL,
  PRIMARY KEY (month, gateway_id, epoch, window_id)
);

-- What the archived attempts took of each run (0020): the parts go on counting it.
CREATE TABLE tollgate.archived_part (
  month         date NOT NULL REFERENCES tollgate.archived_month (month),
  run_number    bigint NOT NULL,
  gateway_id    text NOT NULL,
  epoch         bigint NOT NULL,
  steps         bigint NOT NULL,
  cost_nano_usd numeric NOT NULL,
  input_tokens  numeric NOT NULL,
  output_tokens numeric NOT NULL,
  output_bytes  numeric NOT NULL,
  tool_calls    jsonb NOT NULL,
  PRIMARY KEY (month, run_number, gateway_id, epoch)
);

-- What the archived calls cost, by day (UTC) and by every dimension of a budget, as their entries had it: what a new window starts with
-- (booked_in_archive), and what the sums of spend (0032) are held to.
CREATE TABLE tollgate.archived_spend (
  month           date NOT NULL REFERENCES tollgate.archived_month (month),
  day             date NOT NULL,
  debit_account   text NOT NULL,
  credit_account  text NOT NULL,
  model           text NOT NULL,
  asked_model     text,                          -- where a line made another alias serve it
  feature         text,
  user_id         text,
  key_id          text NOT NULL,
  environment     text,
  calls           bigint NOT NULL,
  input_tokens    numeric NOT NULL,
  output_tokens   numeric NOT NULL,
  amount_nano_usd numeric NOT NULL,
  cost_tokens     numeric NOT NULL
);
CREATE INDEX archived_spend_day ON tollgate.archived_spend (day);

-- The archived part of booked_outside (0005): days that the window touches, less what was reserved in it. A window that begins
-- inside a day has the whole of that day: a new budget rather starts with too much than with too little.
CREATE FUNCTION tollgate.booked_in_archive(p_window_id bigint) RETURNS bigint
LANGUAGE sql STABLE AS $$
  SELECT greatest(0, coalesce(sum(tollgate.amount_in(b.unit, s.amount_nano_usd::bigint, s.cost_tokens::bigint, NULL, NULL)), 0)
    - (SELECT coalesce(sum(k.amount), 0) FROM tollgate.archived_booking k WHERE k.window_id = p_window_id))::bigint
  FROM tollgate.budget_window w
  JOIN tollgate.declared_budget b ON b.id = w.budget_id
  JOIN tollgate.archived_spend s ON s.day >= (w.starts_at AT TIME ZONE 'UTC')::date AND s.day::timestamp AT TIME ZONE 'UTC' < w.ends_at
    AND (b.team_id IS NULL OR s.debit_account = 'team/' || b.team_id)
    AND CASE b.dimension
      WHEN 'feature' THEN s.feature = b.dimension_value
      WHEN 'user' THEN s.user_id = b.dimension_value
      WHEN 'model' THEN s.model = b.dimension_value
      WHEN 'provider' THEN s.credit_account = 'provider/' || b.dimension_value
      WHEN 'key' THEN s.key_id = b.dimension_value
      WHEN 'environment' THEN s.environment = b.dimension_value
      ELSE true END
  WHERE w.id = p_window_id
$$;

-- The chunks of a month that can leave. A month is over for at least an hour: nothing is written into it any more.
CREATE FUNCTION tollgate.archivable_chunks(p_month date) RETURNS TABLE (gateway_id text, epoch bigint, chunk_seq bigint)
LANGUAGE sql STABLE AS $$
  SELECT e.gateway_id, e.epoch, e.chunk_seq
  FROM tollgate.entry e LEFT JOIN tollgate.attempt a ON a.attempt_id = e.entry_key AND a.at = e.at
  WHERE e.at >= p_month::timestamp AT TIME ZONE 'UTC' AND e.at < (p_month + interval '1 month') AT TIME ZONE 'UTC'
    AND clock_timestamp() > (p_month + interval '1 month') AT TIME ZONE 'UTC' + interval '1 hour'
  GROUP BY 1, 2, 3
  HAVING bool_and(e.kind = 'charge' AND a.outcome = 'settled' AND a.overrun_nano_usd = 0) IS TRUE
  ORDER BY e.gateway_id COLLATE "C", e.epoch, e.chunk_seq
$$;

-- The text that the hash of a chunk was taken of (tollgate.chunk_line in 0004), and its rows as JSON. Both empty once archived.
CREATE FUNCTION tollgate.chunk_content(p_gateway text, p_epoch bigint, p_seq bigint) RETURNS TABLE (text text, rows jsonb)
LANGUAGE sql STABLE AS $$
  SELECT string_agg(tollgate.chunk_line(e, a), E'\n' ORDER BY e.entry_key COLLATE "C"), jsonb_agg(jsonb_build_object('entry', to_jsonb(e), 'attempt', to_jsonb(a)) ORDER BY e.entry_key COLLATE "C")
  FROM tollgate.entry e LEFT JOIN tollgate.attempt a ON a.attempt_id = e.entry_key AND a.at = e.at
  WHERE e.gateway_id = p_gateway AND e.epoch = p_epoch AND e.chunk_seq = p_seq
$$;

-- Takes a month that was exported out of the database, in one transaction. Writing is held up only while the two partitions
-- are detached; with lock_timeout set it is given up instead. p_chunks, p_entries and p_digest are the file's: when the
-- database would take out anything else, nothing happens and an error is raised.
CREATE FUNCTION tollgate.archive_month(p_month date, p_chunks bigint, p_entries bigint, p_digest bytea, p_file text, p_file_hash bytea, p_admin text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_suffix text := to_char(p_month, '_YYYY_MM');
  v_chunks bigint;
  v_entries bigint;
  v_digest bytea;
BEGIN
  IF EXISTS (SELECT 1 FROM tollgate.archived_month WHERE month = p_month) THEN
    RAISE EXCEPTION 'month % is archived already', p_month USING ERRCODE = 'unique_violation';
  END IF;
  -- What the sums of spend (0032) have not counted by now, they never would.
  WHILE tollgate.count_spend(500) > 0 LOOP NULL; END LOOP;
  CREATE TEMPORARY TABLE archived_chunk ON COMMIT DROP AS SELECT * FROM tollgate.archivable_chunks(p_month);
  ALTER TABLE archived_chunk ADD PRIMARY KEY (gateway_id, epoch, chunk_seq);
  ANALYZE archived_chunk;
  UPDATE tollgate.chunk c SET archived_month = p_month FROM archived_chunk x
  WHERE (c.gateway_id, c.epoch, c.chunk_seq) = (x.gateway_id, x.epoch, x.chunk_seq);
  SELECT count(*), coalesce(sum(entry_count), 0), sha256(coalesce(string_agg(hash, ''::bytea ORDER BY gateway_id COLLATE "C", epoch, chunk_seq), ''))
  INTO v_chunks, v_entries, v_digest FROM tollgate.chunk WHERE archived_month = p_month;
  IF (v_chunks, v_entries, v_digest) IS DISTINCT FROM (p_chunks, p_entries, p_digest) THEN
    RAISE EXCEPTION 'the file of month % is not what the ledger holds', p_month USING ERRCODE = 'data_exception';
  END IF;
  INSERT INTO tollgate.archived_month (month, chunks, entries, digest, file, file_hash, archived_by)
  VALUES (p_month, p_chunks, p_entries, p_digest, p_file, p_file_hash, p_admin);
  INSERT INTO tollgate.archived_booking (month, gateway_id, epoch, window_id, amount, rows)
  SELECT p_month, e.gateway_id, e.epoch, w.id, sum(tollgate.cost_in(b.unit, a)), count(*)
  FROM archived_chunk x
  JOIN tollgate.entry e ON (e.gateway_id, e.epoch, e.chunk_seq) = (x.gateway_id, x.epoch, x.chunk_seq)
  JOIN tollgate.attempt a ON a.attempt_id = e.entry_key AND a.at = e.at
  CROSS JOIN LATERAL unnest(a.window_ids) AS u (window_id)
  JOIN tollgate.budget_window w ON w.id = u.window_id
  JOIN tollgate.budget b ON b.id = w.budget_id
  GROUP BY e.gateway_id, e.epoch, w.id;
  INSERT INTO tollgate.archived_part (month, run_number, gateway_id, epoch, steps, cost_nano_usd, input_tokens, output_tokens, output_bytes, tool_calls)
  SELECT p_month, r.number, e.gateway_id, e.epoch, sum(tollgate.cost_in('steps', a)), sum(tollgate.cost_in('nano_usd', a)), sum(tollgate.cost_in('input_tokens', a)),
         sum(tollgate.cost_in('output_tokens', a)), sum(coalesce(a.output_bytes, 0)), tollgate.sum_of_counts(a.run_tool_calls)
  FROM archived_chunk x
  JOIN tollgate.entry e ON (e.gateway_id, e.epoch, e.chunk_seq) = (x.gateway_id, x.epoch, x.chunk_seq)
  JOIN tollgate.attempt a ON a.attempt_id = e.entry_key AND a.at = e.at
  CROSS JOIN LATERAL unnest(a.run_ids) AS r (number)
  GROUP BY r.number, e.gateway_id, e.epoch;
  INSERT INTO tollgate.archived_spend (month, day, debit_account, credit_account, model, asked_model, feature, user_id, key_id, environment, calls, input_tokens, output_tokens, amount_nano_usd, cost_tokens)
  SELECT p_month, (e.at AT TIME ZONE 'UTC')::date, e.debit_account, e.credit_account, a.model, a.asked_model, a.feature, a.user_id, a.key_id, a.environment,
         count(*), coalesce(sum(a.input_tokens), 0), coalesce(sum(a.output_tokens), 0), sum(e.amount_nano_usd), sum(a.cost_tokens)
  FROM archived_chunk x
  JOIN tollgate.entry e ON (e.gateway_id, e.epoch, e.chunk_seq) = (x.gateway_id, x.epoch, x.chunk_seq)
  JOIN tollgate.attempt a ON a.attempt_id = e.entry_key AND a.at = e.at
  GROUP BY 2, 3, 4, 5, 6, 7, 8, 9, 10;
  UPDATE tollgate.entry_key k SET archived_month = p_month
  FROM archived_chunk x JOIN tollgate.entry e ON (e.gateway_id, e.epoch, e.chunk_seq) = (x.gateway_id, x.epoch, x.chunk_seq)
  WHERE k.entry_key = e.entry_key;

  EXECUTE format('ALTER TABLE tollgate.attempt DETACH PARTITION tollgate.%I', 'attempt' || v_suffix);
  EXECUTE format('ALTER TABLE tollgate.entry DETACH PARTITION tollgate.%I', 'entry' || v_suffix);
  -- What stays goes to the default partitions.
  EXECUTE format('INSERT INTO tollgate.attempt SELECT a.* FROM tollgate.%I a JOIN tollgate.%I e ON e.entry_key = a.attempt_id AND e.at = a.at
    WHERE NOT EXISTS (SELECT 1 FROM archived_chunk x WHERE (x.gateway_id, x.epoch, x.chunk_seq) = (e.gateway_id, e.epoch, e.chunk_seq))', 'attempt' || v_suffix, 'entry' || v_suffix);
  EXECUTE format('INSERT INTO tollgate.entry SELECT e.* FROM tollgate.%I e
    WHERE NOT EXISTS (SELECT 1 FROM archived_chunk x WHERE (x.gateway_id, x.epoch, x.chunk_seq) = (e.gateway_id, e.epoch, e.chunk_seq))', 'entry' || v_suffix);
  EXECUTE format('DROP TABLE tollgate.%I, tollgate.%I', 'attempt' || v_suffix, 'entry' || v_suffix);
  PERFORM tollgate.record_change('ledger', to_char(p_month, 'YYYY-MM'), p_admin,
    jsonb_build_object('action', 'archived', 'chunks', p_chunks, 'entries', p_entries, 'file', p_file, 'digest', encode(p_digest, 'hex'), 'fileHash', encode(p_file_hash, 'hex')));
END $$;
