-- What writes calls into the ledger: settle, seal, anchor. One function call in one statement each. How an epoch ends: 0008.
-- Lock order: the chain of a gateway epoch (advisory), window rows by id, lease rows by window id, the epoch row last.
-- Rules: money-path §1, §5 and §7.

-- One writer at a time per chain. Whoever adds to a chain takes it first.
CREATE FUNCTION tollgate.lock_chain(p_gateway text, p_epoch bigint) RETURNS void
LANGUAGE sql AS $$
  SELECT pg_advisory_xact_lock(hashtextextended('tollgate.chain/' || p_gateway || '/' || p_epoch, 0))
$$;

CREATE FUNCTION tollgate.next_chunk_seq(p_gateway text, p_epoch bigint) RETURNS bigint
LANGUAGE sql STABLE AS $$
  SELECT coalesce((SELECT chunk_seq FROM tollgate.chunk WHERE gateway_id = p_gateway AND epoch = p_epoch ORDER BY chunk_seq DESC LIMIT 1), 0) + 1
$$;

-- The line of an entry in the text of its chunk: the PostgreSQL text form of a row ("(a,b,…)": null is empty; a field that is
-- empty or holds a quote, backslash, parenthesis, comma or white space stands in double quotes, with quotes and backslashes
-- doubled) over the columns below: times as microseconds since 1970, duration in whole microseconds, jsonb and bigint[] in
-- PostgreSQL's text form. The attempt's columns belong to the entry whose key is its attempt id; of any other entry they are
-- null. One expression, so that the planner takes it in where it is used.
CREATE FUNCTION tollgate.chunk_line(e tollgate.entry, a tollgate.attempt) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT ROW(
    e.entry_key, (extract(epoch FROM e.at) * 1000000)::bigint, e.kind, e.attempt_id, e.gateway_id, e.epoch, e.chunk_seq,
    e.debit_account, e.credit_account, e.amount_nano_usd, e.price_version, e.detail,
    (extract(epoch FROM a.reserved_at) * 1000000)::bigint, a.request_id, a.team_id, a.key_id, a.feature, a.user_id, a.environment,
    a.asserted, a.claimed, a.provider, a.deployment, a.protocol, a.endpoint, a.model, a.priced_model, a.priced_tiers, a.answered_model, a.service_tier,
    a.outcome, a.reason, a.reserved_nano_usd, a.reserved_tokens, a.cost_nano_usd, a.cost_tokens, a.overrun_nano_usd,
    a.price_version, (extract(epoch FROM a.prices_as_of) * 1000000)::bigint, a.input_tokens, a.cached_input_tokens, a.cache_write_5m_tokens, a.cache_write_1h_tokens,
    a.output_tokens, a.reasoning_tokens, a.tool_calls, a.clamped_output_tokens, a.provider_request_id, a.http_status,
    (a.duration_ms * 1000)::bigint, a.window_ids, a.answer_id, a.asked_model, a.degraded_by,
    a.reserved_output_tokens, a.cost_output_tokens, a.run_ids, a.run_tool_calls, a.output_bytes, a.task_kind
  )::text
$$;

-- Closes a chunk: hash = sha256(previous hash || text), where the previous hash of chunk 1 is sha256('<gateway>/<epoch>')
-- and the text is one line per entry (chunk_line), ordered by entry key in byte order, joined by a line feed.
-- The planner settings: a plan cached while the tables were empty must not scan them once they are large.
CREATE FUNCTION tollgate.seal_chunk(p_gateway text, p_epoch bigint, p_seq bigint, p_at timestamptz) RETURNS bytea
LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
  v_previous bytea;
  v_text text;
  v_count integer;
  v_hash bytea;
BEGIN
  SELECT count(*), string_agg(tollgate.chunk_line(e, a), E'\n' ORDER BY e.entry_key COLLATE "C")
  INTO v_count, v_text
  FROM tollgate.entry e
  LEFT JOIN tollgate.attempt a ON a.attempt_id = e.entry_key AND a.at = p_at
  WHERE e.gateway_id = p_gateway AND e.epoch = p_epoch AND e.chunk_seq = p_seq AND e.at = p_at;

  SELECT hash INTO v_previous FROM tollgate.chunk WHERE gateway_id = p_gateway AND epoch = p_epoch AND chunk_seq = p_seq - 1;
  v_previous := coalesce(v_previous, sha256(convert_to(p_gateway || '/' || p_epoch, 'UTF8')));
  v_hash := sha256(v_previous || convert_to(v_text, 'UTF8'));
  INSERT INTO tollgate.chunk (gateway_id, epoch, chunk_seq, entry_count, previous_hash, hash, at)
  VALUES (p_gateway, p_epoch, p_seq, v_count, v_previous, v_hash, p_at);
  RETURN v_hash;
END $$;

-- A late settle of an epoch that ended as a lump is taken out of the lump, never added to it: one adjustment per lump,
-- at most what the lump still holds. Returns, per window, the part of the amounts that the lump had already posted.
-- Where an account has several lumps, each covers what those before it left, and only calls that were held in one of its
-- windows. A lump of no team's account covers what the teams' lumps do not. An overrun was never in a lump, which holds
-- what was left on the leases: taking it out there would leave too little for the calls that nobody can name.
CREATE FUNCTION tollgate.move_out_of_lumps(p_gateway text, p_epoch bigint, p_seq bigint, p_at timestamptz, p_windows bigint[], p_amounts bigint[]) RETURNS bigint[]
LANGUAGE plpgsql AS $$
DECLARE
  v_lump record;
  v_moved bigint[] := array_fill(0::bigint, ARRAY[cardinality(p_windows)]);
  v_given jsonb := '{}'; -- account -> what its lumps gave so far
  v_detail jsonb;
  v_due bigint;
  v_held bigint;
  v_taken bigint;
  v_uncovered bigint;
  v_key text;
BEGIN
  SELECT coalesce(sum(greatest(0, e.amount_nano_usd - a.overrun_nano_usd)), 0) INTO v_uncovered
  FROM tollgate.entry e JOIN tollgate.attempt a ON a.attempt_id = e.entry_key AND a.at = p_at
  WHERE e.gateway_id = p_gateway AND e.epoch = p_epoch AND e.chunk_seq = p_seq AND e.at = p_at;
  FOR v_lump IN
    SELECT l.entry_key AS lump_key, l.debit_account AS account, l.debit_account IN ('organization', 'team/@unknown') AS is_of_nobody,
      ARRAY(SELECT jsonb_object_keys(l.detail -> 'windows')::bigint) AS windows,
      l.amount_nano_usd + coalesce((SELECT sum(x.amount_nano_usd) FROM tollgate.entry x
        WHERE x.gateway_id = p_gateway AND x.epoch = p_epoch AND x.attempt_id IS NULL AND x.kind = 'adjustment' AND x.detail ->> 'lump' = l.entry_key), 0)::bigint AS rest
    FROM tollgate.entry l
    WHERE l.gateway_id = p_gateway AND l.epoch = p_epoch AND l.kind = 'lump'
    ORDER BY is_of_nobody, l.entry_key
  LOOP
    SELECT coalesce(sum(x.cost), 0), coalesce(sum(x.cost) FILTER (WHERE v_lump.windows = '{}' OR x.window_ids && v_lump.windows), 0) INTO v_due, v_held
    FROM (
      SELECT greatest(0, e.amount_nano_usd - a.overrun_nano_usd) AS cost, a.window_ids
      FROM tollgate.entry e JOIN tollgate.attempt a ON a.attempt_id = e.entry_key AND a.at = p_at
      WHERE e.gateway_id = p_gateway AND e.epoch = p_epoch AND e.chunk_seq = p_seq AND e.at = p_at AND (v_lump.is_of_nobody OR e.debit_account = v_lump.account)
    ) x;
    v_taken := greatest(0, least(v_held, v_due - coalesce((v_given ->> v_lump.account)::bigint, 0), v_uncovered, v_lump.rest));
    v_uncovered := v_uncovered - v_taken;
    v_given := v_given || jsonb_build_object(v_lump.account, coalesce((v_given ->> v_lump.account)::bigint, 0) + v_taken);

    v_detail := '{}';
    FOR i IN 1..cardinality(p_windows) LOOP
      SELECT greatest(0, least(p_amounts[i] - v_moved[i], coalesce(sum((detail -> 'windows' ->> p_windows[i]::text)::bigint), 0))) INTO v_due
      FROM tollgate.entry
      WHERE gateway_id = p_gateway AND epoch = p_epoch AND attempt_id IS NULL AND kind IN ('lump', 'adjustment')
        AND coalesce(detail ->> 'lump', entry_key) = v_lump.lump_key;
      IF v_due > 0 THEN
        v_moved[i] := v_moved[i] + v_due;
        v_detail := v_detail || jsonb_build_object(p_windows[i]::text, (-v_due)::text);
      END IF;
    END LOOP;

    IF v_taken > 0 OR v_detail <> '{}' THEN
      v_key := v_lump.lump_key || '/adjust/' || p_seq;
      INSERT INTO tollgate.entry_key (entry_key) VALUES (v_key);
      INSERT INTO tollgate.entry (entry_key, at, kind, gateway_id, epoch, chunk_seq, debit_account, credit_account, amount_nano_usd, price_version, detail)
      VALUES (v_key, p_at, 'adjustment', p_gateway, p_epoch, p_seq, v_lump.account, 'provider/unknown', -v_taken, 0,
              jsonb_build_object('lump', v_lump.lump_key, 'reason', 'late_settle', 'windows', v_detail));
    END IF;
  END LOOP;
  RETURN v_moved;
END $$;

-- Moves the lease counters by the given amounts (arrays ascending by window). What the reservation and idle money do
-- not cover goes to `overrun`, as does everything where a lost commit left no lease row: a settle is never refused.
CREATE FUNCTION tollgate.post_to_leases(p_gateway text, p_epoch bigint, p_windows bigint[], p_amounts bigint[], p_overruns bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_rows integer;
BEGIN
  PERFORM 1 FROM tollgate.lease WHERE gateway_id = p_gateway AND epoch = p_epoch AND window_id = ANY (p_windows) ORDER BY window_id FOR NO KEY UPDATE;
  UPDATE tollgate.lease l
  SET posted = l.posted + least(greatest(u.amount - u.overrun, 0), l.granted - l.returned - l.posted),
      overrun = l.overrun + u.amount - least(greatest(u.amount - u.overrun, 0), l.granted - l.returned - l.posted),
      version = l.version + 1
  FROM unnest(p_windows, p_amounts, p_overruns) AS u (window_id, amount, overrun)
  WHERE l.gateway_id = p_gateway AND l.epoch = p_epoch AND l.window_id = u.window_id;
  GET DIAGNOSTICS v_rows = ROW_COUNT;
  IF v_rows < cardinality(p_windows) THEN
    INSERT INTO tollgate.lease (gateway_id, epoch, window_id, overrun, version)
    SELECT p_gateway, p_epoch, w.id, u.amount, 1
    FROM unnest(p_windows, p_amounts) AS u (window_id, amount) JOIN tollgate.budget_window w ON w.id = u.window_id
    ORDER BY w.id
    ON CONFLICT DO NOTHING;
  END IF;
END $$;

-- Idempotent on the refusal id. Returns how many were new.
CREATE FUNCTION tollgate.record_refusals(p_gateway text, p_epoch bigint, p_refusals json) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
  v_inserted integer;
BEGIN
  INSERT INTO tollgate.refusal (refusal_id, refused_at, request_id, gateway_id, epoch, team_id, key_id, code, budget_id, window_id, window_seq,
    limit_amount, granted, idle, need, open_reservations, waited_ms, is_remembered, is_observed, limit_name, stood_at, unrecorded_before, line)
  SELECT refusal_id, to_timestamp(refused_at_ms / 1000.0), request_id, p_gateway, p_epoch, team_id, key_id, code, budget_id, window_id, window_seq,
    limit_amount, granted, idle, need, open_reservations, waited_ms, is_remembered, coalesce(is_observed, false), limit_name, stood_at, coalesce(unrecorded_before, 0), line
  FROM json_to_recordset(p_refusals) AS r (refusal_id text, refused_at_ms bigint, request_id text, team_id text, key_id text, code text,
    budget_id bigint, window_id bigint, window_seq bigint, limit_amount bigint, granted bigint, idle bigint, need bigint,
    open_reservations bigint, waited_ms integer, is_remembered boolean, is_observed boolean, limit_name text, stood_at bigint, unrecorded_before integer, line integer)
  ORDER BY refusal_id
  ON CONFLICT (refusal_id) DO NOTHING;
  GET DIAGNOSTICS v_inserted = ROW_COUNT;
  RETURN v_inserted;
END $$;

-- Flushes one chunk: attempts, entries, lease counters, hash chain, refusals, quarantine; renews the lease; carries the news.
-- Counters move by the rows this statement really inserted, so a repeated, regrouped or overlapping chunk changes nothing.
-- p_rows: JSON array of objects named as tollgate.attempt (reserved_at_ms for reserved_at), plus item_ids (0010) and charges: [[windowId, amount, overrun], …]
-- with amounts in the unit of the window. p_quarantined: [{attempt_id, problem, row}]. p_runs: RunNote of activities/runs/port.ts, beside the money:
-- what is wrong there is told ('notesProblem') and changes nothing else. 'runs' of the reply says what all gateways took of the runs of the chunk
-- and of those above them (tally_runs, 0020). Never touches rows of budget_window or run.
CREATE FUNCTION tollgate.settle_chunk(
  p_gateway text, p_epoch bigint, p_rows json, p_refusals json, p_quarantined json, p_runs json DEFAULT '[]'
) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
  v_seq bigint;
  v_inserted integer := 0;
  v_refusals integer := 0;
  v_hash bytea;
  v_windows bigint[];
  v_amounts bigint[];
  v_overruns bigint[];
  v_moved bigint[];
  v_steps text[];                                        -- attempts of runs among the inserted
  v_runs bigint[];
  v_notes_problem text;
  v_epoch tollgate.gateway_epoch;
BEGIN
  IF json_array_length(p_rows) > 0 THEN
    PERFORM tollgate.lock_chain(p_gateway, p_epoch);
    v_seq := tollgate.next_chunk_seq(p_gateway, p_epoch);
    WITH given AS MATERIALIZED (
      SELECT DISTINCT ON (attempt_id) * FROM json_to_recordset(p_rows) AS r (
        attempt_id text, reserved_at_ms bigint, request_id text, team_id text, key_id text, feature text, user_id text, environment text,
        asserted jsonb, claimed jsonb, provider text, deployment text, protocol text, endpoint text, model text, priced_model text, priced_tiers text[], answered_model text,
        service_tier text, outcome text, reason text, reserved_nano_usd bigint, reserved_tokens bigint, cost_nano_usd bigint,
        cost_tokens bigint, overrun_nano_usd bigint, price_version bigint, prices_as_of_ms bigint, input_tokens bigint, cached_input_tokens bigint,
        cache_write_5m_tokens bigint, cache_write_1h_tokens bigint, output_tokens bigint, reasoning_tokens bigint, tool_calls jsonb,
        clamped_output_tokens bigint, provider_request_id text, http_status integer, duration_ms double precision, window_ids bigint[], answer_id text, asked_model text,
        degraded_by jsonb, reserved_output_tokens bigint, cost_output_tokens bigint, run_ids bigint[], run_tool_calls jsonb, output_bytes bigint, task_kind text,
        item_ids text[], charges json)
    ), keys AS (
      INSERT INTO tollgate.entry_key (entry_key) SELECT attempt_id FROM given ON CONFLICT DO NOTHING RETURNING entry_key
    ), fresh AS MATERIALIZED (
      SELECT given.* FROM given JOIN keys ON keys.entry_key = given.attempt_id
    ), attempts AS (
      INSERT INTO tollgate.attempt (attempt_id, at, reserved_at, request_id, gateway_id, epoch, team_id, key_id, feature, user_id, environment,
        asserted, claimed, provider, deployment, protocol, endpoint, model, priced_model, priced_tiers, answered_model, service_tier, outcome, reason, reserved_nano_usd,
        reserved_tokens, cost_nano_usd, cost_tokens, overrun_nano_usd, price_version, prices_as_of, input_tokens, cached_input_tokens, cache_write_5m_tokens,
        cache_write_1h_tokens, output_tokens, reasoning_tokens, tool_calls, clamped_output_tokens, provider_request_id, http_status, duration_ms, window_ids, answer_id, asked_model, degraded_by,
        reserved_output_tokens, cost_output_tokens, run_ids, run_tool_calls, output_bytes, task_kind)
      SELECT attempt_id, v_now, to_timestamp(reserved_at_ms / 1000.0), request_id, p_gateway, p_epoch, team_id, key_id, feature, user_id, environment,
        asserted, claimed, provider, deployment, protocol, endpoint, model, priced_model, priced_tiers, answered_model, service_tier, outcome, reason, reserved_nano_usd,
        reserved_tokens, cost_nano_usd, cost_tokens, overrun_nano_usd, price_version, to_timestamp(prices_as_of_ms / 1000.0), input_tokens, cached_input_tokens, cache_write_5m_tokens,
        cache_write_1h_tokens, output_tokens, reasoning_tokens, tool_calls, clamped_output_tokens, provider_request_id, http_status, duration_ms, window_ids, answer_id, asked_model, degraded_by,
        reserved_output_tokens, cost_output_tokens, run_ids, run_tool_calls, output_bytes, task_kind
      FROM fresh
    ), entries AS (
      INSERT INTO tollgate.entry (entry_key, at, kind, attempt_id, gateway_id, epoch, chunk_seq, debit_account, credit_account, amount_nano_usd, price_version)
      SELECT attempt_id, v_now, CASE outcome WHEN 'settled' THEN 'charge' WHEN 'estimated' THEN 'estimated' ELSE 'unresolved' END,
        attempt_id, p_gateway, p_epoch, v_seq, 'team/' || team_id, 'provider/' || provider, cost_nano_usd, price_version
      FROM fresh
    ), items AS (
      INSERT INTO tollgate.answer_item (item_id, team_id)
      SELECT DISTINCT item_id, team_id FROM fresh CROSS JOIN LATERAL unnest(fresh.item_ids) AS item_id ORDER BY item_id, team_id
      ON CONFLICT DO NOTHING
    ), moves AS (
      SELECT (c ->> 0)::bigint AS window_id, sum((c ->> 1)::bigint)::bigint AS amount, sum((c ->> 2)::bigint)::bigint AS overrun
      FROM fresh CROSS JOIN LATERAL json_array_elements(fresh.charges) AS c GROUP BY 1
    )
    SELECT (SELECT count(*) FROM fresh), (SELECT array_agg(window_id ORDER BY window_id) FROM moves),
      (SELECT array_agg(amount ORDER BY window_id) FROM moves), (SELECT array_agg(overrun ORDER BY window_id) FROM moves),
      (SELECT array_agg(attempt_id) FROM fresh WHERE run_ids IS NOT NULL),
      (SELECT array_agg(DISTINCT number) FROM given CROSS JOIN LATERAL unnest(given.run_ids) AS number WHERE given.run_ids IS NOT NULL)
    INTO v_inserted, v_windows, v_amounts, v_overruns, v_steps, v_runs;

    IF 0 > ANY (v_amounts) THEN RAISE EXCEPTION 'a charge is negative' USING ERRCODE = 'numeric_value_out_of_range'; END IF;
    IF v_inserted > 0 THEN
      IF EXISTS (SELECT 1 FROM tollgate.gateway_epoch WHERE gateway_id = p_gateway AND epoch = p_epoch AND closed_how IN ('lump', 'resolved')) THEN
        v_moved := tollgate.move_out_of_lumps(p_gateway, p_epoch, v_seq, v_now, coalesce(v_windows, '{}'),
          ARRAY(SELECT greatest(0, a - v) FROM unnest(v_amounts, v_overruns) WITH ORDINALITY AS u (a, v, o) ORDER BY o));
        SELECT array_agg(a - m ORDER BY o) INTO v_amounts FROM unnest(v_amounts, v_moved) WITH ORDINALITY AS u (a, m, o);
      END IF;
      v_hash := tollgate.seal_chunk(p_gateway, p_epoch, v_seq, v_now);
      IF v_windows IS NOT NULL THEN PERFORM tollgate.post_to_leases(p_gateway, p_epoch, v_windows, v_amounts, v_overruns); END IF;
      IF v_steps IS NOT NULL THEN PERFORM tollgate.count_steps(p_gateway, p_epoch, v_now, v_steps); END IF;
    END IF;
  END IF;

  IF json_array_length(p_refusals) > 0 THEN v_refusals := tollgate.record_refusals(p_gateway, p_epoch, p_refusals); END IF;
  IF json_array_length(p_quarantined) > 0 THEN
    INSERT INTO tollgate.quarantine (attempt_id, gateway_id, epoch, problem, row)
    SELECT attempt_id, p_gateway, p_epoch, problem, row FROM json_to_recordset(p_quarantined) AS r (attempt_id text, problem text, row jsonb)
    ON CONFLICT (attempt_id) DO NOTHING;
  END IF;

  IF json_array_length(p_runs) > 0 THEN
    BEGIN
      v_runs := v_runs || tollgate.note_runs(p_gateway, p_epoch, p_runs);
    EXCEPTION WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded THEN
      v_notes_problem := SQLERRM;
    END;
  END IF;

  -- Whoever holds this row is renewing it too, and may be waiting for a lease row of ours: never wait here.
  UPDATE tollgate.gateway_epoch SET last_seen_at = clock_timestamp()
  WHERE (gateway_id, epoch) IN (
    SELECT gateway_id, epoch FROM tollgate.gateway_epoch
    WHERE gateway_id = p_gateway AND epoch = p_epoch AND closed_at IS NULL FOR NO KEY UPDATE SKIP LOCKED);
  SELECT * INTO v_epoch FROM tollgate.gateway_epoch WHERE gateway_id = p_gateway AND epoch = p_epoch;
  RETURN jsonb_build_object('inserted', v_inserted, 'refusals', v_refusals,
    'chunkSeq', CASE WHEN v_hash IS NULL THEN NULL ELSE v_seq::text END, 'hash', encode(v_hash, 'hex'),
    'fenced', v_epoch.epoch IS NULL OR v_epoch.fenced_at IS NOT NULL OR v_epoch.closed_at IS NOT NULL,
    'revision', (SELECT max(revision) FROM tollgate.change)::text,
    'flushRequest', coalesce((SELECT max(revision) FROM tollgate.change WHERE kind = 'flush'), 0)::text,
    'claims', tollgate.open_claims(p_gateway, p_epoch),
    'notesProblem', v_notes_problem, 'runs', CASE WHEN v_runs IS NULL THEN '[]' ELSE tollgate.tally_runs(p_gateway, p_epoch, v_runs) END);
END $$;

-- Anchors the head of a chain, so that a cut tail is found. Returns null for an empty chain.
CREATE FUNCTION tollgate.anchor_chain(p_gateway text, p_epoch bigint) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  v_head record;
BEGIN
  SELECT chunk_seq, hash INTO v_head FROM tollgate.chunk WHERE gateway_id = p_gateway AND epoch = p_epoch ORDER BY chunk_seq DESC LIMIT 1;
  IF NOT FOUND THEN RETURN NULL; END IF;
  INSERT INTO tollgate.chain_anchor (gateway_id, epoch, chunk_seq, hash) VALUES (p_gateway, p_epoch, v_head.chunk_seq, v_head.hash) ON CONFLICT DO NOTHING;
  RETURN jsonb_build_object('chunkSeq', v_head.chunk_seq::text, 'hash', encode(v_head.hash, 'hex'));
END $$;

-- Anchors every chain that can still grow, or grew within the last hour. Returns [{gatewayId, epoch, chunkSeq, hash}].
CREATE FUNCTION tollgate.anchor_chains() RETURNS jsonb
LANGUAGE sql AS $$
  SELECT coalesce(jsonb_agg(jsonb_build_object('gatewayId', g.gateway_id, 'epoch', g.epoch::text) || a.head), '[]')
  FROM tollgate.gateway_epoch g CROSS JOIN LATERAL (SELECT tollgate.anchor_chain(g.gateway_id, g.epoch) AS head) a
  WHERE (g.closed_at IS NULL OR g.closed_at > clock_timestamp() - interval '1 hour') AND a.head IS NOT NULL
$$;
