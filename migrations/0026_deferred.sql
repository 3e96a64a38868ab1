-- Items that were handed in alone, with a deadline (docs/adr/0013). Each is an item of a batch from the first moment: of the one that its team,
-- deployment, model and price version collect. Tables, lock order: 0024; money: 0025. One function call in one statement each, and each may be repeated.

-- Two of a kind are never collected at once. What is priced otherwise is another one.
CREATE UNIQUE INDEX batch_collecting ON tollgate.batch (team_id, protocol, endpoint, deployment, model, priced_model, price_version)
  WHERE origin = 'collected' AND state = 'collecting';

-- Who asked for an item's money and has it not yet. An asker who rested for longer begins anew. `claims`: by window the claim that stood when this
-- item first lacked money there; whoever has answered that one has given back what was idle.
CREATE TABLE tollgate.deferred_ask (
  deferred_id  text PRIMARY KEY,
  batch_number bigint NOT NULL,
  asks         integer NOT NULL,
  asked_at     timestamptz NOT NULL,               -- first and last
  asked_last   timestamptz NOT NULL,
  claims       jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX deferred_ask_batch ON tollgate.deferred_ask (batch_number, asked_last);
CREATE INDEX deferred_ask_old ON tollgate.deferred_ask (asked_last);

-- Without its status, which is DeferredStatus of domain/batching/deferred.ts over batchState, outcome, isCarried and answeredAtMs.
CREATE FUNCTION tollgate.deferred_record(b tollgate.batch, i tollgate.batch_item) RETURNS jsonb
LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('deferredId', i.custom_id, 'teamId', b.team_id, 'keyId', i.attribution ->> 'keyId', 'batchId', b.id, 'n', i.n, 'protocol', b.protocol,
    'endpoint', b.endpoint, 'model', b.model, 'batchState', b.state, 'outcome', i.outcome, 'isCarried', i.part IS NOT NULL, 'lane', i.lane,
    'acceptedAtMs', tollgate.to_ms(i.held_at), 'deadlineMs', tollgate.to_ms(i.deadline), 'answeredAtMs', tollgate.to_ms(i.answered_at),
    'isLate', coalesce(coalesce(i.answered_at, clock_timestamp()) > i.deadline, false),
    'heldNanoUsd', (i.bound_nano_usd * ((i.outcome IS NULL)::integer + i.is_second_held::integer))::text,
    'costNanoUsd', (SELECT coalesce(sum(a.cost_nano_usd), i.cost_nano_usd)::text FROM tollgate.attempt a
      WHERE a.request_id = i.custom_id AND a.gateway_id = tollgate.batch_holder(b.number)),
    'httpStatus', i.http_status, 'answerBlobKey', i.answer_blob_key, 'webhook', i.webhook, 'requestHash', i.request_hash)
$$;

-- An item that was accepted before, as accept_deferred says it; null: there is none. An id of another team is not told about.
CREATE FUNCTION tollgate.accepted_deferred(p_team text, p_id text) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
  v_item tollgate.batch_item;
  v_batch tollgate.batch;
BEGIN
  SELECT * INTO v_item FROM tollgate.batch_item WHERE custom_id = p_id AND attribution IS NOT NULL;
  IF NOT FOUND THEN RETURN NULL; END IF;
  SELECT * INTO v_batch FROM tollgate.batch WHERE number = v_item.batch_number;
  IF v_batch.team_id <> p_team THEN RAISE EXCEPTION 'item % is of another team', p_id USING ERRCODE = 'invalid_parameter_value'; END IF;
  RETURN jsonb_build_object('kind', 'accepted', 'record', tollgate.deferred_record(v_batch, v_item), 'batch', tollgate.batch_record(v_batch));
END $$;

-- The batch that collects what p_item (NewDeferredItem) is like, locked; made where there is none.
CREATE FUNCTION tollgate.lock_collecting_batch(p_item jsonb) RETURNS tollgate.batch
LANGUAGE plpgsql AS $$
DECLARE
  v_batch tollgate.batch;
BEGIN
  LOOP
    SELECT * INTO v_batch FROM tollgate.batch
    WHERE origin = 'collected' AND state = 'collecting' AND team_id = p_item ->> 'teamId' AND protocol = p_item ->> 'protocol' AND endpoint = p_item ->> 'endpoint'
      AND deployment = p_item ->> 'deployment' AND model = p_item ->> 'model' AND priced_model = p_item ->> 'pricedModel'
      AND price_version = (p_item ->> 'priceVersion')::bigint
    FOR NO KEY UPDATE;
    IF FOUND THEN RETURN v_batch; END IF;
    -- The prices of its first item are those of all: their version is the same.
    INSERT INTO tollgate.batch (id, team_id, origin, protocol, endpoint, model, priced_model, deployment, provider, rules, price_version, prices_as_of)
    VALUES (CASE p_item ->> 'protocol' WHEN 'anthropic' THEN 'msgbatch_' ELSE 'batch_' END || left(replace(gen_random_uuid()::text, '-', ''), 24), p_item ->> 'teamId',
      'collected', p_item ->> 'protocol', p_item ->> 'endpoint', p_item ->> 'model', p_item ->> 'pricedModel', p_item ->> 'deployment', p_item ->> 'provider',
      '{"mayResubmit": true, "mayRelane": true}', (p_item ->> 'priceVersion')::bigint, tollgate.instant(p_item -> 'pricesAsOfMs'))
    ON CONFLICT (team_id, protocol, endpoint, deployment, model, priced_model, price_version) WHERE origin = 'collected' AND state = 'collecting' DO NOTHING;
  END LOOP;
END $$;

-- grant_lease for one item, to a holder whose money is spoken for: what it has there is of other items, and nothing of it is idle.
CREATE FUNCTION tollgate.grant_beside(
  p_holder text, p_budgets bigint[], p_needs bigint[], p_is_final boolean, p_is_new_ask boolean, p_drops_claims boolean
) RETURNS json
LANGUAGE plpgsql AS $$
DECLARE
  v_windows bigint[] := '{}';
  v_base bigint[];
  v_nothing bigint[] := array_fill(0::bigint, ARRAY[cardinality(p_budgets)]);
BEGIN
  -- As in grant_lease: a window is opened when the grants before have ended.
  PERFORM tollgate.stand_in_line(p_budgets);
  FOR i IN 1..cardinality(p_budgets) LOOP v_windows := v_windows || tollgate.open_window(p_budgets[i]); END LOOP;
  SELECT array_agg(coalesce(l.granted, 0) ORDER BY q.i) INTO v_base FROM unnest(v_windows) WITH ORDINALITY AS q (id, i)
  LEFT JOIN tollgate.lease l ON l.gateway_id = p_holder AND l.epoch = 1 AND l.window_id = q.id;
  RETURN tollgate.grant_lease(p_holder, 1, p_budgets, v_windows, v_base, v_nothing, v_nothing, p_needs, true, p_is_final, p_is_new_ask, p_drops_claims);
END $$;

-- Adds an item to its collecting batch and holds its bound in every budget that it meets, or neither. p_item: NewDeferredItem of
-- activities/batches/deferred-port.ts. An id that was accepted is answered as it was. One that does not fit leaves claims, and is told what there is: whether
-- that refuses it is decided by whoever asks, as for a batch (0025). `kind`: accepted, short or uncovered.
CREATE FUNCTION tollgate.accept_deferred(p_item jsonb, p_is_final boolean) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  v_id text := p_item ->> 'deferredId';
  v_nano_usd bigint := (p_item #>> '{item,boundNanoUsd}')::bigint;
  v_tokens bigint := (p_item #>> '{item,boundTokens}')::bigint;
  v_known jsonb := tollgate.accepted_deferred(p_item ->> 'teamId', p_item ->> 'deferredId');
  v_batch tollgate.batch;
  v_team tollgate.team;
  v_ask tollgate.deferred_ask;
  v_last timestamptz;
  v_now timestamptz;
  v_budgets bigint[];
  v_needs bigint[];
  v_has_own boolean;
  v_rules json;
  v_grant json;
  v_told jsonb;
BEGIN
  IF v_known IS NOT NULL THEN RETURN v_known; END IF;
  v_batch := tollgate.lock_collecting_batch(p_item);
  v_known := tollgate.accepted_deferred(p_item ->> 'teamId', v_id);
  IF v_known IS NOT NULL THEN RETURN v_known; END IF;
  v_now := clock_timestamp();
  SELECT coalesce(array_agg(d.id ORDER BY d.id), '{}'), coalesce(array_agg(tollgate.amount_in(d.unit, v_nano_usd, v_tokens, NULL, NULL) ORDER BY d.id), '{}'),
    coalesce(bool_or(d.team_id IS NOT NULL), false),
    coalesce(json_agg(json_build_object('budgetId', d.id::text, 'teamId', d.team_id, 'dimension', d.dimension, 'dimensionValue', d.dimension_value,
      'unit', d.unit, 'windowKind', d.window_kind) ORDER BY d.id), '[]')
  INTO v_budgets, v_needs, v_has_own, v_rules FROM tollgate.budgets_met(v_batch, p_item -> 'attribution') d;
  SELECT * INTO v_team FROM tollgate.team WHERE id = v_batch.team_id;

  SELECT asked_last INTO v_last FROM tollgate.deferred_ask WHERE deferred_id = v_id FOR UPDATE;
  INSERT INTO tollgate.deferred_ask AS a (deferred_id, batch_number, asks, asked_at, asked_last) VALUES (v_id, v_batch.number, 1, v_now, v_now)
  ON CONFLICT (deferred_id) DO UPDATE SET asks = a.asks + 1, batch_number = excluded.batch_number, asked_last = v_now,
    asked_at = CASE WHEN a.asked_last < v_now - interval '10 seconds' THEN v_now ELSE a.asked_at END,
    -- Claims are of the holder that asked.
    claims = CASE WHEN a.asked_last < v_now - interval '10 seconds' OR a.batch_number <> excluded.batch_number THEN '{}' ELSE a.claims END
  RETURNING * INTO v_ask;
  v_told := jsonb_build_object('number', v_batch.number::text, 'teamId', v_batch.team_id, 'keyId', p_item #>> '{attribution,keyId}', 'asks', v_ask.asks,
    'waitedMs', tollgate.to_ms(v_now) - tollgate.to_ms(v_ask.asked_at),
    'sinceLastAskMs', CASE WHEN v_ask.asked_at < v_now THEN tollgate.to_ms(v_now) - tollgate.to_ms(v_last) END,
    'askedAtMs', tollgate.to_ms(v_now), 'policy', v_team.policy, 'needNanoUsd', v_nano_usd::text, 'needTokens', v_tokens::text, 'budgets', v_rules);

  -- Also of what is refused: its refusal is in the books of this holder.
  INSERT INTO tollgate.gateway_epoch (gateway_id, epoch, boot_id, fsync_mode, kind) VALUES (tollgate.batch_holder(v_batch.number), 1, 'batch', 'none', 'batch')
  ON CONFLICT (gateway_id, epoch) DO NOTHING;
  IF v_team.deleted_at IS NOT NULL OR NOT (v_has_own OR v_team.is_unlimited) OR cardinality(v_budgets) > 32 THEN
    RETURN jsonb_build_object('kind', 'uncovered') || v_told;
  END IF;
  IF cardinality(v_budgets) > 0 THEN
    v_grant := tollgate.grant_beside(tollgate.batch_holder(v_batch.number), v_budgets, v_needs, p_is_final, v_ask.asked_at = v_now, NOT EXISTS (
      SELECT 1 FROM tollgate.deferred_ask WHERE batch_number = v_batch.number AND deferred_id <> v_id AND asked_last > v_now - interval '2 seconds'));
    IF (v_grant ->> 'fenced')::boolean THEN
      RAISE EXCEPTION 'the holder of batch % is closed', v_batch.id USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    IF NOT (v_grant -> 'served' ->> 0)::boolean THEN
      UPDATE tollgate.deferred_ask SET claims = (
        SELECT coalesce(jsonb_object_agg(x ->> 'windowId', x ->> 'claimId'), '{}') FROM json_array_elements(v_grant -> 'items') AS x WHERE (x ->> 'claimId')::bigint > 0
      ) || claims
      WHERE deferred_id = v_id RETURNING * INTO v_ask;
      RETURN jsonb_build_object('kind', 'short', 'items', v_grant -> 'items', 'claims', v_ask.claims) || v_told;
    END IF;
  END IF;
  PERFORM tollgate.add_deferred_item(v_batch, p_item, ARRAY(SELECT (x ->> 'windowId')::bigint FROM json_array_elements(v_grant -> 'items') AS x ORDER BY 1));
  DELETE FROM tollgate.deferred_ask WHERE deferred_id = v_id;
  RETURN tollgate.accepted_deferred(v_batch.team_id, v_id) || jsonb_build_object('items', coalesce(v_grant -> 'items', '[]')) || v_told;
END $$;

-- Its bound was granted in these windows (ascending).
CREATE FUNCTION tollgate.add_deferred_item(b tollgate.batch, p_item jsonb, p_windows bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_nano_usd bigint := (p_item #>> '{item,boundNanoUsd}')::bigint;
  v_tokens bigint := (p_item #>> '{item,boundTokens}')::bigint;
BEGIN
  INSERT INTO tollgate.batch_item (batch_number, n, custom_id, bound_nano_usd, bound_tokens, bound_input_tokens, bytes, tiers, team_id, attribution, windows, held_at,
    deadline, may_go_real_time, webhook, body_blob_key, request_hash, embedding_inputs)
  VALUES (b.number, b.items + 1, p_item ->> 'deferredId', v_nano_usd, v_tokens, (p_item #>> '{item,boundInputTokens}')::bigint, (p_item #>> '{item,bytes}')::bigint,
    ARRAY(SELECT jsonb_array_elements_text(p_item #> '{item,tiers}')), b.team_id, p_item -> 'attribution', p_windows, clock_timestamp(),
    tollgate.instant(p_item -> 'deadlineMs'), (p_item ->> 'mayGoRealTime')::boolean, p_item ->> 'webhook', p_item ->> 'bodyBlobKey', p_item ->> 'requestHash',
    coalesce((p_item #>> '{item,embeddingInputs}')::integer, 1));
  INSERT INTO tollgate.batch_window AS h (batch_number, window_id, unit, held)
  SELECT b.number, w.id, d.unit, tollgate.amount_in(d.unit, v_nano_usd, v_tokens, NULL, NULL)
  FROM tollgate.budget_window w JOIN tollgate.declared_budget d ON d.id = w.budget_id WHERE w.id = ANY (p_windows)
  ON CONFLICT (batch_number, window_id) DO UPDATE SET held = h.held + excluded.held;
  UPDATE tollgate.batch SET items = items + 1, open_items = open_items + 1, held_nano_usd = held_nano_usd + v_nano_usd, held_tokens = held_tokens + v_tokens,
    version = version + 1, changed_at = clock_timestamp()
  WHERE number = b.number;
END $$;

-- Ends an item that no part carries, and gives its bound back. One that a part carries ends as it ends. False: none of this team is called so.
CREATE FUNCTION tollgate.cancel_deferred(p_team text, p_id text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  v_batch tollgate.batch;
  v_item tollgate.batch_item;
BEGIN
  SELECT b.* INTO v_batch FROM tollgate.batch_item i JOIN tollgate.batch b ON b.number = i.batch_number
  WHERE i.custom_id = p_id AND i.attribution IS NOT NULL AND i.team_id = p_team FOR NO KEY UPDATE OF b;
  IF NOT FOUND THEN RETURN false; END IF;
  -- It was cancelled before anybody answered: there is nothing to be written of it.
  UPDATE tollgate.batch_item SET outcome = 'cancelled', outcome_try = try, answered_at = clock_timestamp()
  WHERE batch_number = v_batch.number AND custom_id = p_id AND outcome IS NULL AND part IS NULL RETURNING * INTO v_item;
  IF NOT FOUND THEN RETURN true; END IF;
  UPDATE tollgate.batch SET open_items = open_items - 1, cancelled_items = cancelled_items + 1, held_nano_usd = held_nano_usd - v_item.bound_nano_usd,
    held_tokens = held_tokens - v_item.bound_tokens, version = version + 1, changed_at = clock_timestamp()
  WHERE number = v_batch.number;
  PERFORM tollgate.release_bounds(v_batch.number, ARRAY[v_item.n]);
  -- While parts run, what items leave stays for those that cost more than their bound (0025).
  IF NOT EXISTS (SELECT 1 FROM tollgate.batch_part WHERE batch_number = v_batch.number AND state NOT IN ('collected', 'failed')) THEN
    PERFORM tollgate.free_batch(v_batch.number, v_item.windows);
  END IF;
  PERFORM tollgate.tell_ended(v_batch.number, ARRAY[v_item.n]);
  RETURN true;
END $$;

-- CollectorTally of domain/batching/collect.ts, over the open items. 256: what stands around a body in its line (LINE_OVERHEAD_BYTES of
-- domain/batching/split-parts.ts).
CREATE FUNCTION tollgate.collector_tally(p_number bigint) RETURNS jsonb
LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('items', count(*), 'bytes', coalesce(sum(bytes + 256), 0), 'embeddingInputs', coalesce(sum(embedding_inputs), 0),
    'inputTokens', coalesce(sum(bound_input_tokens), 0), 'leastInputTokens', coalesce(min(bound_input_tokens), 0), 'firstArrivedAtMs', tollgate.to_ms(min(held_at)),
    'lastArrivedAtMs', tollgate.to_ms(max(held_at)), 'earliestDeadlineMs', tollgate.to_ms(min(deadline)))
  FROM tollgate.batch_item WHERE batch_number = p_number AND outcome IS NULL
$$;

-- Null: it does not collect, or not any more.
CREATE FUNCTION tollgate.read_collector(p_batch text) RETURNS jsonb
LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('batch', tollgate.batch_record(b), 'tally', tollgate.collector_tally(b.number))
  FROM tollgate.batch b WHERE b.id = p_batch AND b.origin = 'collected' AND b.state = 'collecting'
$$;

CREATE FUNCTION tollgate.collecting_batches(p_most integer) RETURNS SETOF jsonb
LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('batch', tollgate.batch_record(b), 'tally', tollgate.collector_tally(b.number))
  FROM tollgate.batch b WHERE b.origin = 'collected' AND b.state = 'collecting' AND b.open_items > 0 ORDER BY b.number LIMIT p_most
$$;

-- The batches of one collector: as a rule one, another for each price version and alias that items still come at. p_scope: BatchScope of
-- domain/batching/batch.ts. `reachableDeadlineMs`: the earliest of those deadlines that a batch, which takes p_needed_ms, could keep when their items came.
CREATE FUNCTION tollgate.batches_of_collector(p_scope jsonb, p_needed_ms bigint, p_most integer) RETURNS SETOF jsonb
LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('batchId', b.id, 'version', b.version::text, 'heldNanoUsd', b.held_nano_usd::text, 'tally', tollgate.collector_tally(b.number),
    'reachableDeadlineMs', (SELECT tollgate.to_ms(min(i.deadline)) FROM tollgate.batch_item i
      WHERE i.batch_number = b.number AND i.outcome IS NULL AND i.deadline >= i.held_at + p_needed_ms * interval '1 millisecond'))
  FROM tollgate.batch b
  WHERE b.origin = 'collected' AND b.state = 'collecting' AND b.open_items > 0 AND b.team_id = p_scope ->> 'teamId' AND b.protocol = p_scope ->> 'protocol'
    AND b.endpoint = p_scope ->> 'endpoint' AND b.deployment = p_scope ->> 'deployment' AND b.model = p_scope ->> 'model'
  ORDER BY b.number LIMIT p_most
$$;

-- It takes no more items: its money is held already, and its job begins. Its deadline is the last of its items', so that none is given up before its own.
-- Null, and nothing changed: it is not as it was when that was decided (p_version; null: more items change nothing), or does not collect any more.
CREATE FUNCTION tollgate.flush_collector(p_batch text, p_version bigint) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  v_batch tollgate.batch := tollgate.lock_batch(p_batch);
BEGIN
  IF v_batch.version <> p_version OR v_batch.origin <> 'collected' OR v_batch.state <> 'collecting' OR v_batch.open_items = 0 THEN RETURN NULL; END IF;
  UPDATE tollgate.batch SET state = 'held', held_at = clock_timestamp(), version = version + 1, changed_at = clock_timestamp(), deadline = (
    SELECT CASE WHEN bool_or(deadline IS NULL) THEN NULL ELSE max(deadline) END FROM tollgate.batch_item WHERE batch_number = v_batch.number AND outcome IS NULL)
  WHERE number = v_batch.number RETURNING * INTO v_batch;
  RETURN tollgate.batch_record(v_batch);
END $$;

-- What the provider's batches took lately, of one deployment and endpoint: those that ran and ended within 14 days, the newest 10,000, and those that run.
-- A part that failed was not run. `isCancelled`: we ended it. Milliseconds, in the order they ended.
CREATE INDEX batch_part_ran ON tollgate.batch_part (running_since) WHERE lane = 'batch' AND running_since IS NOT NULL;
CREATE FUNCTION tollgate.batch_turnarounds(p_provider text, p_deployment text, p_endpoint text) RETURNS jsonb
LANGUAGE sql STABLE AS $$
  WITH ran AS MATERIALIZED (
    SELECT tollgate.to_ms(coalesce(p.submit_began_at, p.running_since)) AS submitted_ms, tollgate.to_ms(p.ended_at) AS ended_ms,
      coalesce(b.cancel_asked_at < p.ended_at, false) AS is_cancelled
    FROM tollgate.batch_part p JOIN tollgate.batch b ON b.number = p.batch_number
    WHERE p.lane = 'batch' AND p.running_since > statement_timestamp() - interval '14 days' AND p.state IN ('running', 'ended', 'collected')
      AND (p.state = 'running') = (p.ended_at IS NULL) AND b.provider = p_provider AND b.deployment = p_deployment AND b.endpoint = p_endpoint
    ORDER BY p.running_since DESC LIMIT 15000
  )
  SELECT jsonb_build_object('nowMs', tollgate.to_ms(statement_timestamp()),
    'ended', (SELECT coalesce(jsonb_agg(jsonb_build_array(e.submitted_ms, e.ended_ms, e.is_cancelled) ORDER BY e.ended_ms), '[]') FROM (
      SELECT * FROM ran WHERE ended_ms IS NOT NULL ORDER BY ended_ms DESC LIMIT 10000) e),
    'running', (SELECT coalesce(jsonb_agg(r.submitted_ms ORDER BY r.submitted_ms), '[]') FROM (
      SELECT * FROM ran WHERE ended_ms IS NULL ORDER BY submitted_ms DESC LIMIT 5000) r))
$$;

-- The second bound of items of which a try may still be billed when another one goes in real time: as much as the first, in the windows of the item, those
-- that ended meanwhile too; all or nothing by the item, in the order asked. Nobody waits for it and no claim is left, but with p_is_final others' claims are
-- passed. Answers the items that have it. Not of a caller's batch: what it holds is bounded at the price of batches.
CREATE FUNCTION tollgate.hold_more(p_batch text, p_numbers integer[], p_is_final boolean) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  v_batch tollgate.batch := tollgate.lock_batch(p_batch);
  v_holder text := tollgate.batch_holder(v_batch.number);
  v_windows bigint[];
  v_units text[];
  v_free bigint[];
  v_raise bigint[];
  v_needs bigint[];
  v_item record;
  v_fresh integer[] := '{}';
BEGIN
  IF v_batch.state IN ('held', 'running') THEN
    SELECT coalesce(array_agg(w.window_id ORDER BY w.window_id), '{}') INTO v_windows FROM tollgate.batch_window w
    WHERE w.batch_number = v_batch.number AND w.window_id IN (
      SELECT unnest(i.windows) FROM tollgate.batch_item i WHERE i.batch_number = v_batch.number AND i.n = ANY (p_numbers) AND i.outcome IS NULL AND i.may_go_real_time);
    -- As grant_lease: in line with the other grants of these budgets, and before their rows.
    PERFORM tollgate.stand_in_line(ARRAY(SELECT budget_id FROM tollgate.budget_window WHERE id = ANY (v_windows)));
    PERFORM 1 FROM tollgate.budget_window WHERE id = ANY (v_windows) ORDER BY id FOR NO KEY UPDATE;
    PERFORM tollgate.lower_windows(v_windows);
    SELECT array_agg(h.unit ORDER BY w.id),
      array_agg(CASE WHEN w.is_frozen OR l.overrun > w.overrun_cleared AND NOT w.is_observed THEN 0
        ELSE greatest(0, tollgate.room_of(w) - CASE WHEN p_is_final THEN 0 ELSE c.claimed END) END ORDER BY w.id)
    INTO v_units, v_free
    FROM tollgate.budget_window w JOIN tollgate.batch_window h ON h.batch_number = v_batch.number AND h.window_id = w.id
    CROSS JOIN LATERAL (SELECT coalesce(sum(x.overrun), 0) AS overrun FROM tollgate.lease x WHERE x.window_id = w.id) l
    CROSS JOIN LATERAL (
      SELECT coalesce(sum(x.need), 0) AS claimed FROM tollgate.claim x WHERE x.window_id = w.id AND x.expires_at > clock_timestamp() AND x.gateway_id <> v_holder
    ) c
    WHERE w.id = ANY (v_windows);
    v_raise := array_fill(0::bigint, ARRAY[cardinality(v_windows)]);
    FOR v_item IN
      SELECT i.* FROM unnest(p_numbers) WITH ORDINALITY AS q (n, o) JOIN tollgate.batch_item i ON i.batch_number = v_batch.number AND i.n = q.n
      WHERE i.outcome IS NULL AND i.may_go_real_time AND NOT i.is_second_held ORDER BY q.o
    LOOP
      CONTINUE WHEN v_item.n = ANY (v_fresh);
      v_needs := ARRAY(SELECT CASE WHEN q.id = ANY (v_item.windows) THEN tollgate.amount_in(q.unit, v_item.bound_nano_usd, v_item.bound_tokens, NULL, NULL) ELSE 0 END
        FROM unnest(v_windows, v_units) WITH ORDINALITY AS q (id, unit, o) ORDER BY q.o);
      CONTINUE WHEN EXISTS (SELECT 1 FROM unnest(v_needs, v_free, v_raise) AS q (need, free, raised) WHERE q.need > 0 AND q.need + q.raised > q.free);
      v_raise := ARRAY(SELECT q.raised + q.need FROM unnest(v_raise, v_needs) WITH ORDINALITY AS q (raised, need, o) ORDER BY q.o);
      v_fresh := v_fresh || v_item.n;
    END LOOP;
    IF 0 < ANY (v_raise) THEN
      PERFORM tollgate.raise_leases(v_holder, 1, v_windows, v_raise);
      UPDATE tollgate.batch_window w SET held = w.held + q.amount FROM unnest(v_windows, v_raise) AS q (id, amount)
      WHERE w.batch_number = v_batch.number AND w.window_id = q.id AND q.amount > 0;
    END IF;
    IF cardinality(v_fresh) > 0 THEN
      UPDATE tollgate.batch_item SET is_second_held = true, seconds = seconds + 1 WHERE batch_number = v_batch.number AND n = ANY (v_fresh);
      UPDATE tollgate.batch SET version = version + 1, changed_at = clock_timestamp() WHERE number = v_batch.number;
    END IF;
  END IF;
  RETURN (SELECT coalesce(jsonb_agg(i.n ORDER BY i.n), '[]') FROM tollgate.batch_item i
    WHERE i.batch_number = v_batch.number AND i.n = ANY (p_numbers) AND i.outcome IS NULL AND i.is_second_held);
END $$;

-- Items that were handed in alone and ended, and whose answer is not written yet.
CREATE FUNCTION tollgate.unanswered_items(p_batch text, p_after integer, p_most integer) RETURNS SETOF jsonb
LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('n', i.n, 'tryNumber', i.outcome_try, 'part', i.part, 'deferredId', i.custom_id, 'bodyBlobKey', i.body_blob_key, 'outcome', i.outcome,
    'isCharged', i.cost_nano_usd IS NOT NULL)
  FROM tollgate.batch_item i WHERE i.batch_number = (SELECT number FROM tollgate.batch WHERE id = p_batch) AND i.n > p_after
    AND i.attribution IS NOT NULL AND i.outcome IS NOT NULL AND i.answered_at IS NULL
  ORDER BY i.n LIMIT p_most
$$;

-- p_answers: [{n, httpStatus, answerBlobKey}]. The first answer of an item stays. One that has not ended is not answered.
CREATE FUNCTION tollgate.mark_answered(p_batch text, p_answers jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_batch tollgate.batch := tollgate.lock_batch(p_batch);
  v_fresh integer[];
BEGIN
  IF EXISTS (
    SELECT 1 FROM jsonb_to_recordset(p_answers) AS a (n integer) LEFT JOIN tollgate.batch_item i ON i.batch_number = v_batch.number AND i.n = a.n
    WHERE i.outcome IS NULL OR i.attribution IS NULL
  ) THEN
    RAISE EXCEPTION 'an item of batch % that has not ended, or was not handed in alone, is not answered', p_batch USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  WITH answered AS (
    UPDATE tollgate.batch_item i SET answered_at = clock_timestamp(), http_status = a."httpStatus", answer_blob_key = a."answerBlobKey"
    FROM jsonb_to_recordset(p_answers) AS a (n integer, "httpStatus" integer, "answerBlobKey" text)
    WHERE i.batch_number = v_batch.number AND i.n = a.n AND i.answered_at IS NULL RETURNING i.n
  )
  SELECT coalesce(array_agg(n), '{}') INTO v_fresh FROM answered;
  PERFORM tollgate.tell_ended(v_batch.number, v_fresh);
END $$;
