-- Adjustments after the fact: what `tollgate verify --resolve` and `tollgate lease resolve` post.
-- An adjustment of an attempt is an entry of the pseudo gateway 'verify', epoch 1, with a hash chain of its own; its
-- effect on the windows stands in the lease rows of ('verify', 1), so that no row of a live gateway moves under it.
-- Lock order as in 0004: chain, window rows by id, lease rows by window id.

-- Money given back makes the pseudo gateway's `granted`, `posted` and `overrun` negative; every other row only grows.
ALTER TABLE tollgate.lease DROP CONSTRAINT lease_check;
ALTER TABLE tollgate.lease ADD CONSTRAINT lease_amounts_check CHECK (returned >= 0 AND (posted >= 0 AND overrun >= 0 OR gateway_id = 'verify'));
ALTER TABLE tollgate.window_event DROP CONSTRAINT window_event_kind_check;
ALTER TABLE tollgate.window_event ADD CONSTRAINT window_event_kind_check CHECK (kind IN ('opened', 'limit', 'grant', 'return', 'opening_balance', 'adjustment', 'presented'));

-- Moves windows by signed amounts without asking a limit: a corrected price may leave an overhang, never an overspend.
-- What is given back lowers the window's overrun first: an overrun was never in `granted`, so that taking it out of there
-- would free money that other calls have spent. Returns what each window's overrun went down by (window id -> amount).
CREATE FUNCTION tollgate.adjust_windows(p_windows bigint[], p_amounts bigint[]) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  v_row record;
  v_overrun bigint;
  v_taken bigint;
  v_overruns jsonb := '{}';
BEGIN
  FOR v_row IN
    SELECT w.*, u.amount FROM tollgate.budget_window w JOIN unnest(p_windows, p_amounts) AS u (id, amount) ON u.id = w.id
    WHERE u.amount <> 0 ORDER BY w.id FOR NO KEY UPDATE OF w
  LOOP
    -- Flushes only add to an overrun, and who lowers one holds the chain of 'verify': it cannot be less than this.
    SELECT coalesce(sum(overrun), 0) INTO v_overrun FROM tollgate.lease WHERE window_id = v_row.id;
    v_taken := greatest(0, least(-v_row.amount, v_overrun));
    INSERT INTO tollgate.lease AS l (gateway_id, epoch, window_id, granted, posted, overrun, version)
    VALUES ('verify', 1, v_row.id, v_row.amount + v_taken, v_row.amount + v_taken, -v_taken, 1)
    ON CONFLICT (gateway_id, epoch, window_id) DO UPDATE
    SET granted = l.granted + excluded.granted, posted = l.posted + excluded.posted, overrun = l.overrun + excluded.overrun, version = l.version + 1;
    IF v_taken > 0 THEN
      -- What a person cleared is gone with it; a later overrun has to stop the window again.
      UPDATE tollgate.budget_window SET overrun_cleared = least(overrun_cleared, v_overrun - v_taken) WHERE id = v_row.id;
      v_overruns := v_overruns || jsonb_build_object(v_row.id::text, v_taken::text);
    END IF;
    CONTINUE WHEN v_row.amount + v_taken = 0;
    UPDATE tollgate.budget_window SET granted = granted + v_row.amount + v_taken, event_seq = event_seq + 1 WHERE id = v_row.id;
    INSERT INTO tollgate.window_event (window_id, seq, kind, gateway_id, epoch, amount, granted_after, limit_amount, stop_amount, is_frozen, revision)
    VALUES (v_row.id, v_row.event_seq + 1, 'adjustment', 'verify', 1, v_row.amount + v_taken, v_row.granted + v_row.amount + v_taken,
            v_row.limit_amount, v_row.stop_amount, v_row.is_frozen, v_row.revision);
  END LOOP;
  RETURN v_overruns;
END $$;

-- Brings an unresolved, estimated or quarantined attempt to what it really cost (0 releases it) and marks it resolved.
-- p_cost_tokens null leaves budgets in tokens alone; of p_cost_output_tokens null as many are taken for output as were, at most all. It stays one step.
-- Repeating it changes nothing. Returns the entry key, null when there is nothing to do.
CREATE FUNCTION tollgate.adjust_attempt(
  p_attempt text, p_cost_nano_usd bigint, p_cost_tokens bigint, p_reason text, p_admin text, p_cost_output_tokens bigint DEFAULT NULL
) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
  v_attempt tollgate.attempt;
  v_charged bigint;
  v_tokens bigint;
  v_output bigint;
  v_earlier bigint;
  v_delta bigint;
  v_delta_tokens bigint;
  v_delta_output bigint;
  v_windows bigint[];
  v_amounts bigint[];
  v_overruns jsonb;
  v_seq bigint;
  v_key text;
BEGIN
  PERFORM tollgate.lock_chain('verify', 1);
  v_now := clock_timestamp();
  SELECT * INTO v_attempt FROM tollgate.attempt WHERE attempt_id = p_attempt ORDER BY at LIMIT 1;
  IF NOT FOUND OR v_attempt.outcome = 'settled' THEN RETURN NULL; END IF;
  SELECT sum(amount_nano_usd), count(*) FILTER (WHERE kind = 'adjustment'), sum(coalesce((detail ->> 'tokens')::bigint, 0)) + v_attempt.cost_tokens,
    sum(coalesce((detail ->> 'outputTokens')::bigint, 0)) + coalesce(v_attempt.cost_output_tokens, 0)
  INTO v_charged, v_earlier, v_tokens, v_output FROM tollgate.entry WHERE attempt_id = p_attempt;
  v_delta := p_cost_nano_usd - v_charged;
  v_delta_tokens := coalesce(p_cost_tokens - v_tokens, 0);
  v_delta_output := CASE WHEN p_cost_tokens IS NULL OR v_attempt.cost_output_tokens IS NULL THEN 0 ELSE least(coalesce(p_cost_output_tokens, v_output), p_cost_tokens) - v_output END;
  IF v_earlier > 0 AND v_delta = 0 AND v_delta_tokens = 0 AND v_delta_output = 0 THEN RETURN NULL; END IF;

  SELECT array_agg(w.id ORDER BY w.id), array_agg(tollgate.amount_in(b.unit, v_delta, v_delta_tokens, v_delta_output, 0) ORDER BY w.id)
  INTO v_windows, v_amounts
  FROM tollgate.budget_window w JOIN tollgate.budget b ON b.id = w.budget_id WHERE w.id = ANY (v_attempt.window_ids);
  v_overruns := tollgate.adjust_windows(coalesce(v_windows, '{}'), coalesce(v_amounts, '{}'));
  PERFORM tollgate.correct_parts(v_attempt.run_ids, v_delta, v_delta_tokens, v_delta_output);

  v_seq := tollgate.next_chunk_seq('verify', 1);
  v_key := p_attempt || '/adjust/' || (v_earlier + 1);
  INSERT INTO tollgate.entry_key (entry_key) VALUES (v_key);
  INSERT INTO tollgate.entry (entry_key, at, kind, attempt_id, gateway_id, epoch, chunk_seq, debit_account, credit_account, amount_nano_usd, price_version, detail)
  VALUES (v_key, v_now, 'adjustment', p_attempt, 'verify', 1, v_seq, 'team/' || v_attempt.team_id, 'provider/' || v_attempt.provider, v_delta, v_attempt.price_version,
          jsonb_build_object('resolves', p_attempt, 'reason', p_reason, 'admin', p_admin, 'tokens', v_delta_tokens::text, 'outputTokens', v_delta_output::text,
            'windows', coalesce((SELECT jsonb_object_agg(u.id::text, u.amount::text) FROM unnest(v_windows, v_amounts) AS u (id, amount) WHERE u.amount <> 0), '{}'), 'overruns', v_overruns));
  PERFORM tollgate.seal_chunk('verify', 1, v_seq, v_now);
  PERFORM tollgate.anchor_chain('verify', 1);
  RETURN v_key;
END $$;

-- Brings a lump down to what is known to have been spent of it, at most what it still holds, and marks it resolved.
-- The epoch is over, so its own lease rows give the money back. Budgets in another unit follow only when nothing was spent.
-- Returns the entry key, null when there is no such lump or nothing left to do.
CREATE FUNCTION tollgate.reduce_lump(p_lump text, p_spent_nano_usd bigint, p_reason text, p_admin text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  v_now timestamptz;
  v_lump tollgate.entry;
  v_rest bigint;
  v_is_resolved boolean;
  v_row record;
  v_give bigint;
  v_windows jsonb := '{}';
  v_seq bigint;
  v_key text;
BEGIN
  SELECT * INTO v_lump FROM tollgate.entry WHERE entry_key = p_lump AND kind = 'lump';
  IF NOT FOUND THEN RETURN NULL; END IF;
  PERFORM tollgate.lock_chain(v_lump.gateway_id, v_lump.epoch);
  v_now := clock_timestamp();
  SELECT sum(amount_nano_usd), coalesce(bool_or(detail ->> 'resolves' = p_lump), false) INTO v_rest, v_is_resolved
  FROM tollgate.entry WHERE gateway_id = v_lump.gateway_id AND epoch = v_lump.epoch AND attempt_id IS NULL AND coalesce(detail ->> 'lump', entry_key) = p_lump;
  IF v_is_resolved AND v_rest <= p_spent_nano_usd THEN RETURN NULL; END IF;

  FOR v_row IN
    SELECT w.*, b.unit, x.held FROM (
      SELECT d.key::bigint AS window_id, sum(d.value::bigint) AS held
      FROM tollgate.entry e CROSS JOIN LATERAL jsonb_each_text(e.detail -> 'windows') AS d
      WHERE e.gateway_id = v_lump.gateway_id AND e.epoch = v_lump.epoch AND e.attempt_id IS NULL AND coalesce(e.detail ->> 'lump', e.entry_key) = p_lump
      GROUP BY 1
    ) x JOIN tollgate.budget_window w ON w.id = x.window_id JOIN tollgate.budget b ON b.id = w.budget_id
    ORDER BY w.id FOR NO KEY UPDATE OF w
  LOOP
    v_give := CASE WHEN v_row.unit = 'nano_usd' THEN greatest(0, v_row.held - p_spent_nano_usd) WHEN p_spent_nano_usd = 0 THEN v_row.held ELSE 0 END;
    CONTINUE WHEN v_give <= 0;
    UPDATE tollgate.lease SET posted = posted - v_give, returned = returned + v_give, version = version + 1
    WHERE gateway_id = v_lump.gateway_id AND epoch = v_lump.epoch AND window_id = v_row.id;
    UPDATE tollgate.budget_window SET granted = granted - v_give, event_seq = event_seq + 1 WHERE id = v_row.id;
    INSERT INTO tollgate.window_event (window_id, seq, kind, gateway_id, epoch, amount, granted_after, limit_amount, stop_amount, is_frozen, revision)
    VALUES (v_row.id, v_row.event_seq + 1, 'return', v_lump.gateway_id, v_lump.epoch, v_give, v_row.granted - v_give,
            v_row.limit_amount, v_row.stop_amount, v_row.is_frozen, v_row.revision);
    v_windows := v_windows || jsonb_build_object(v_row.id::text, (-v_give)::text);
  END LOOP;

  v_seq := tollgate.next_chunk_seq(v_lump.gateway_id, v_lump.epoch);
  v_key := p_lump || '/adjust/' || v_seq;
  INSERT INTO tollgate.entry_key (entry_key) VALUES (v_key);
  INSERT INTO tollgate.entry (entry_key, at, kind, gateway_id, epoch, chunk_seq, debit_account, credit_account, amount_nano_usd, price_version, detail)
  VALUES (v_key, v_now, 'adjustment', v_lump.gateway_id, v_lump.epoch, v_seq, v_lump.debit_account, v_lump.credit_account, -greatest(0, v_rest - p_spent_nano_usd), 0,
          jsonb_build_object('lump', p_lump, 'resolves', p_lump, 'reason', p_reason, 'admin', p_admin, 'windows', v_windows));
  PERFORM tollgate.seal_chunk(v_lump.gateway_id, v_lump.epoch, v_seq, v_now);
  PERFORM tollgate.anchor_chain(v_lump.gateway_id, v_lump.epoch);
  RETURN v_key;
END $$;

-- Posts what the logged calls of an epoch that nobody can settle any more cost beyond what its lumps hold: calls of a team
-- without a budget in money leave nothing on a lease that could become a lump. p_spent is what all logged calls cost that
-- the ledger does not name, p_attempts their ids. The entry is a lump in no window, resolved from the start, so that a
-- late settle moves out of it. Its account is the one team of the epoch whose calls had no window in money; where that
-- is none or several, 'team/@unknown'. Returns the entry key, null when there is nothing to post.
CREATE FUNCTION tollgate.post_found_calls(
  p_gateway text, p_epoch bigint, p_spent bigint, p_attempts text[], p_reason text, p_admin text, p_longest_call_ms bigint
) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  v_now timestamptz;
  v_excess bigint;
  v_accounts text[];
  v_seq bigint;
  v_key text;
BEGIN
  IF EXISTS (SELECT 1 FROM tollgate.gateway_epoch WHERE gateway_id = p_gateway AND epoch = p_epoch AND closed_at IS NULL) THEN
    PERFORM tollgate.lump_epoch(p_gateway, p_epoch, 'gateway_lost', p_longest_call_ms + 60000);
  END IF;
  PERFORM tollgate.lock_chain(p_gateway, p_epoch);
  v_now := clock_timestamp();
  IF NOT EXISTS (SELECT 1 FROM tollgate.gateway_epoch WHERE gateway_id = p_gateway AND epoch = p_epoch AND closed_how IN ('lump', 'resolved'))
    OR EXISTS (SELECT 1 FROM tollgate.entry WHERE attempt_id = ANY (p_attempts)) -- settled since: p_spent counts it still
  THEN RETURN NULL; END IF;
  SELECT p_spent - coalesce(sum(amount_nano_usd), 0) INTO v_excess
  FROM tollgate.entry WHERE gateway_id = p_gateway AND epoch = p_epoch AND attempt_id IS NULL AND kind IN ('lump', 'adjustment');
  IF v_excess <= 0 THEN RETURN NULL; END IF;

  SELECT array_agg(DISTINCT e.debit_account) INTO v_accounts
  FROM tollgate.entry e JOIN tollgate.attempt a ON a.attempt_id = e.entry_key AND a.at = e.at
  WHERE e.gateway_id = p_gateway AND e.epoch = p_epoch
    AND NOT EXISTS (SELECT 1 FROM tollgate.budget_window w JOIN tollgate.budget b ON b.id = w.budget_id WHERE w.id = ANY (a.window_ids) AND b.unit = 'nano_usd');
  v_seq := tollgate.next_chunk_seq(p_gateway, p_epoch);
  v_key := 'lump/' || p_gateway || '/' || p_epoch || '/@found/' || v_seq;
  INSERT INTO tollgate.entry_key (entry_key) VALUES (v_key);
  INSERT INTO tollgate.entry (entry_key, at, kind, gateway_id, epoch, chunk_seq, debit_account, credit_account, amount_nano_usd, price_version, detail)
  VALUES (v_key, v_now, 'lump', p_gateway, p_epoch, v_seq, CASE WHEN cardinality(v_accounts) = 1 THEN v_accounts[1] ELSE 'team/@unknown' END, 'provider/unknown', v_excess, 0,
          jsonb_build_object('resolves', v_key, 'reason', p_reason, 'admin', p_admin, 'attempts', to_jsonb(p_attempts[1:1000]), 'windows', '{}'::jsonb));
  PERFORM tollgate.seal_chunk(p_gateway, p_epoch, v_seq, v_now);
  PERFORM tollgate.anchor_chain(p_gateway, p_epoch);
  RETURN v_key;
END $$;
