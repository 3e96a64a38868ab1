-- The money of batches (docs/batch-money.md): a batch is a holder in the authority, gateway id 'batch<number>', epoch 1, of kind 'batch' (0001). It is
-- granted the sum of its items' bounds by grant_lease (0002), settles by settle_chunk (0004), and gives the rest back by return_idle and adopt_epoch
-- (0008): there is no second set of books. Tables, lock order: 0024. One function call in one statement each, and each may be repeated.

-- Budgets that a batch or an item meets, as domain/budget/match.ts says of a call: by what its key attributes (p_who: Attribution), its model and its provider.
CREATE FUNCTION tollgate.budgets_met(b tollgate.batch, p_who jsonb) RETURNS SETOF tollgate.declared_budget
LANGUAGE sql STABLE AS $$
  SELECT d.* FROM tollgate.declared_budget d
  WHERE d.deleted_at IS NULL AND (d.team_id IS NULL OR d.team_id = b.team_id)
    AND CASE d.dimension
      WHEN 'feature' THEN d.dimension_value = p_who ->> 'feature'
      WHEN 'user' THEN d.dimension_value = p_who ->> 'userId'
      WHEN 'model' THEN d.dimension_value = b.model
      WHEN 'provider' THEN d.dimension_value = b.provider
      WHEN 'key' THEN d.dimension_value = p_who ->> 'keyId'
      WHEN 'environment' THEN d.dimension_value = p_who ->> 'environment'
      ELSE true END
  ORDER BY d.id
$$;

CREATE FUNCTION tollgate.budgets_of_batch(b tollgate.batch) RETURNS SETOF tollgate.declared_budget
LANGUAGE sql STABLE AS $$ SELECT * FROM tollgate.budgets_met(b, tollgate.attribution_of(b)) $$;

-- The windows a batch is held in, and what was granted to it there.
CREATE FUNCTION tollgate.held_windows(p_number bigint) RETURNS json
LANGUAGE sql STABLE AS $$
  SELECT coalesce(json_agg(json_build_object('windowId', w.window_id::text, 'unit', w.unit, 'amount', coalesce(l.granted, 0)::text) ORDER BY w.window_id), '[]')
  FROM tollgate.batch_window w
  LEFT JOIN tollgate.lease l ON l.gateway_id = tollgate.batch_holder(p_number) AND l.epoch = 1 AND l.window_id = w.window_id
  WHERE w.batch_number = p_number
$$;

-- Items ended: their bounds are held no longer in their windows, and are idle until they go back. Its caller has locked the batch.
CREATE FUNCTION tollgate.release_bounds(p_number bigint, p_numbers integer[]) RETURNS void
LANGUAGE sql AS $$
  UPDATE tollgate.batch_window w SET held = w.held - x.amount
  FROM (
    SELECT window_id, sum(amount)::bigint AS amount FROM (
      SELECT w.window_id, tollgate.amount_in(w.unit, s.nano_usd, s.tokens, NULL, NULL) AS amount
      FROM (
        SELECT coalesce(sum(bound_nano_usd), 0)::bigint AS nano_usd, coalesce(sum(bound_tokens), 0)::bigint AS tokens
        FROM tollgate.batch_item WHERE batch_number = p_number AND n = ANY (p_numbers) AND windows IS NULL
      ) s JOIN tollgate.batch_window w ON w.batch_number = p_number
      UNION ALL
      SELECT w.window_id, tollgate.amount_in(w.unit, i.bound_nano_usd, i.bound_tokens, NULL, NULL)
      FROM tollgate.batch_item i CROSS JOIN LATERAL unnest(i.windows) AS q (id) JOIN tollgate.batch_window w ON w.batch_number = p_number AND w.window_id = q.id
      WHERE i.batch_number = p_number AND i.n = ANY (p_numbers)
    ) y GROUP BY window_id
  ) x
  WHERE w.batch_number = p_number AND w.window_id = x.window_id AND x.amount <> 0
$$;

-- The second bounds of these items, or of all: what they were held for is booked, or does not run any more.
CREATE FUNCTION tollgate.release_seconds(p_number bigint, p_numbers integer[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_numbers integer[];
BEGIN
  WITH released AS (
    UPDATE tollgate.batch_item SET is_second_held = false WHERE batch_number = p_number AND is_second_held AND (p_numbers IS NULL OR n = ANY (p_numbers)) RETURNING n
  )
  SELECT array_agg(n) INTO v_numbers FROM released;
  IF v_numbers IS NOT NULL THEN PERFORM tollgate.release_bounds(p_number, v_numbers); END IF;
END $$;

-- Holds the sum of the items' bounds in every budget that matches, all or nothing, and with it the batch is held. Asked again afterwards it
-- says the same. A batch that does not fit leaves claims, as a call does (0002), and is told what there is: whether that refuses it is
-- decided by whoever asks (activities/batches/store/hold-batch.ts), by the numbers of this statement. Degrade lines do not stop a batch: its bodies
-- name the model they are for. 'sinceLastAskMs' is null for the first ask. `kind`: held (with who asked, the first time), short, or uncovered (no budget of its own, or more
-- than 32; nothing was granted).
CREATE FUNCTION tollgate.hold_batch(p_batch text, p_is_final boolean) RETURNS json
LANGUAGE plpgsql AS $$
DECLARE
  v_batch tollgate.batch := tollgate.lock_batch(p_batch);
  v_holder text := tollgate.batch_holder(v_batch.number);
  v_now timestamptz := clock_timestamp();
  v_team tollgate.team;
  v_budgets bigint[];
  v_needs bigint[];
  v_has_own boolean;
  v_rules json;
  v_nothing bigint[];
  v_grant json;
  v_told jsonb;
BEGIN
  IF v_batch.origin <> 'caller' THEN
    RAISE EXCEPTION 'batch % is collected: each of its items is held as it comes', p_batch USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  IF v_batch.held_at IS NOT NULL THEN RETURN json_build_object('kind', 'held', 'windows', tollgate.held_windows(v_batch.number)); END IF;
  IF v_batch.items = 0 OR v_batch.items <> (SELECT max(n) FROM tollgate.batch_item WHERE batch_number = v_batch.number) THEN
    RAISE EXCEPTION 'batch % has not all of its items: there are %', p_batch, v_batch.items USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  SELECT coalesce(array_agg(d.id ORDER BY d.id), '{}'),
    coalesce(array_agg(tollgate.amount_in(d.unit, v_batch.held_nano_usd, v_batch.held_tokens, NULL, NULL) ORDER BY d.id), '{}'),
    coalesce(bool_or(d.team_id IS NOT NULL), false),
    coalesce(json_agg(json_build_object('budgetId', d.id::text, 'teamId', d.team_id, 'dimension', d.dimension, 'dimensionValue', d.dimension_value,
      'unit', d.unit, 'windowKind', d.window_kind) ORDER BY d.id), '[]')
  INTO v_budgets, v_needs, v_has_own, v_rules FROM tollgate.budgets_of_batch(v_batch) d;
  SELECT * INTO v_team FROM tollgate.team WHERE id = v_batch.team_id;

  UPDATE tollgate.batch SET hold_asks = hold_asks + 1, hold_asked_at = coalesce(hold_asked_at, v_now), hold_asked_last = v_now, changed_at = v_now WHERE number = v_batch.number;
  v_told := jsonb_build_object('number', v_batch.number::text, 'teamId', v_batch.team_id, 'keyId', v_batch.key_id, 'asks', v_batch.hold_asks + 1,
    'waitedMs', tollgate.to_ms(v_now) - tollgate.to_ms(coalesce(v_batch.hold_asked_at, v_now)),
    'sinceLastAskMs', tollgate.to_ms(v_now) - tollgate.to_ms(v_batch.hold_asked_last),
    'askedAtMs', tollgate.to_ms(v_now), 'policy', v_team.policy, 'needNanoUsd', v_batch.held_nano_usd::text, 'needTokens', v_batch.held_tokens::text, 'budgets', v_rules);
  IF v_team.deleted_at IS NOT NULL OR NOT (v_has_own OR v_team.is_unlimited) OR cardinality(v_budgets) > 32 THEN
    RETURN jsonb_build_object('kind', 'uncovered') || v_told;
  END IF;

  INSERT INTO tollgate.gateway_epoch (gateway_id, epoch, boot_id, fsync_mode, kind) VALUES (v_holder, 1, 'batch', 'none', 'batch') ON CONFLICT (gateway_id, epoch) DO NOTHING;
  IF cardinality(v_budgets) > 0 THEN
    v_nothing := array_fill(0::bigint, ARRAY[cardinality(v_budgets)]);
    v_grant := tollgate.grant_lease(v_holder, 1, v_budgets, v_nothing, v_nothing, v_nothing, v_nothing, v_needs, true, p_is_final, v_batch.hold_asked_at IS NULL, true);
    IF (v_grant ->> 'fenced')::boolean THEN RAISE EXCEPTION 'the holder of batch % is closed', p_batch USING ERRCODE = 'object_not_in_prerequisite_state'; END IF;
    IF NOT (v_grant -> 'served' ->> 0)::boolean THEN RETURN jsonb_build_object('kind', 'short') || v_told || jsonb_build_object('items', v_grant -> 'items'); END IF;
  END IF;
  INSERT INTO tollgate.batch_window (batch_number, window_id, unit, held)
  SELECT v_batch.number, w.id, d.unit, tollgate.amount_in(d.unit, v_batch.held_nano_usd, v_batch.held_tokens, NULL, NULL)
  FROM json_array_elements(v_grant -> 'items') AS x JOIN tollgate.budget_window w ON w.id = (x ->> 'windowId')::bigint JOIN tollgate.declared_budget d ON d.id = w.budget_id;
  UPDATE tollgate.batch SET state = 'held', held_at = clock_timestamp(), version = version + 1, changed_at = clock_timestamp() WHERE number = v_batch.number RETURNING * INTO v_batch;
  RETURN jsonb_build_object('kind', 'held', 'windows', tollgate.held_windows(v_batch.number)) || v_told
    || jsonb_build_object('items', coalesce(v_grant -> 'items', '[]'));
END $$;

-- Gives back what the holder has beyond the bounds of its open items, in these windows or in all. Its caller has locked the batch. While a part is being collected nothing
-- goes back, so that an item that costs more than its bound, or is paid twice, takes it from what the others left.
CREATE FUNCTION tollgate.free_batch(p_number bigint, p_windows bigint[] DEFAULT NULL) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_windows bigint[];
  v_return_to bigint[];
BEGIN
  SELECT array_agg(x.window_id ORDER BY x.window_id), array_agg(x.returned + x.spare ORDER BY x.window_id) INTO v_windows, v_return_to
  FROM (
    SELECT w.window_id, l.returned, l.granted - l.returned - l.posted - w.held AS spare
    FROM tollgate.batch_window w JOIN tollgate.lease l ON l.gateway_id = tollgate.batch_holder(p_number) AND l.epoch = 1 AND l.window_id = w.window_id
    WHERE w.batch_number = p_number AND (p_windows IS NULL OR w.window_id = ANY (p_windows))
  ) x WHERE x.spare > 0;
  IF v_windows IS NULL THEN RETURN; END IF;
  PERFORM tollgate.return_idle(tollgate.batch_holder(p_number), 1, v_windows, v_return_to);
  UPDATE tollgate.batch SET version = version + 1, changed_at = clock_timestamp() WHERE number = p_number;
END $$;

-- Everything that says how results of some items are to be booked, in one snapshot: the batch (whose version fences what is decided on it), what
-- its holder has beyond the bounds of open items in the windows of these, the items, and the tries (p_numbers, p_tries) that are booked already.
CREATE FUNCTION tollgate.batch_books(p_batch text, p_numbers integer[], p_tries integer[]) RETURNS jsonb
LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('record', tollgate.batch_record(b), 'heldAtMs', tollgate.to_ms(b.held_at),
    'windows', coalesce((
      SELECT jsonb_agg(jsonb_build_object('windowId', w.window_id::text, 'unit', w.unit,
        'idle', greatest(0, coalesce(l.granted - l.returned - l.posted, 0) - w.held)::text) ORDER BY w.window_id)
      FROM tollgate.batch_window w LEFT JOIN tollgate.lease l ON l.gateway_id = tollgate.batch_holder(b.number) AND l.epoch = 1 AND l.window_id = w.window_id
      WHERE w.batch_number = b.number AND (b.origin = 'caller' OR w.window_id IN (
        SELECT unnest(i.windows) FROM tollgate.batch_item i WHERE i.batch_number = b.number AND i.n = ANY (p_numbers)))), '[]'),
    'items', coalesce((
      SELECT jsonb_agg(jsonb_build_object('n', i.n, 'tryNumber', i.try, 'outcome', i.outcome, 'boundNanoUsd', i.bound_nano_usd::text, 'boundTokens', i.bound_tokens, 'tiers', i.tiers)
        || CASE WHEN i.windows IS NULL THEN '{}' ELSE jsonb_build_object('windows', i.windows::text[], 'attribution', i.attribution, 'heldAtMs', tollgate.to_ms(i.held_at), 'requestId', i.custom_id,
          'isSecondHeld', i.is_second_held, 'traceContext', i.trace_context) END)
      FROM tollgate.batch_item i WHERE i.batch_number = b.number AND i.n = ANY (p_numbers)), '[]'),
    'booked', coalesce((
      SELECT jsonb_agg(jsonb_build_array(q.n, q.try))
      FROM unnest(p_numbers, p_tries) AS q (n, try)
      JOIN tollgate.entry_key k ON k.entry_key = tollgate.batch_holder(b.number) || '-1-' || (q.n + b.items::bigint * (q.try - 1))), '[]'))
  FROM tollgate.batch b WHERE b.id = p_batch
$$;

-- Books tries of items, at most 500: entries and lease counters of the holder as settle_chunk writes them (p_rows), and outcomes of items
-- (p_endings: [{n, try, outcome, cost_nano_usd, real_time_nano_usd, lane}], without a cost: not billed), and the second bounds
-- that were spent or are free with it (p_seconds: items). False, and nothing changed, where the batch is not as it was when that was
-- decided (p_version): read it again. Settles are never refused, not after the end either: what was paid is spent.
CREATE FUNCTION tollgate.book_batch(p_batch text, p_version bigint, p_rows json, p_endings json, p_quarantined json, p_seconds integer[])
RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  v_batch tollgate.batch := tollgate.lock_batch(p_batch);
  v_inserted integer;
  v_numbers integer[] := ARRAY(SELECT (e ->> 'n')::integer FROM json_array_elements(p_endings) AS e);
  v_ended record;
  v_booked record;
BEGIN
  IF v_batch.version <> p_version THEN RETURN false; END IF;
  IF v_batch.held_at IS NULL THEN RAISE EXCEPTION 'batch % holds nothing yet', p_batch USING ERRCODE = 'object_not_in_prerequisite_state'; END IF;
  IF json_array_length(p_rows) > 500 THEN RAISE EXCEPTION 'a chunk has at most 500 rows' USING ERRCODE = 'program_limit_exceeded'; END IF;
  v_inserted := (tollgate.settle_chunk(tollgate.batch_holder(v_batch.number), 1, p_rows, '[]', p_quarantined) ->> 'inserted')::integer;
  IF v_inserted <> json_array_length(p_rows) THEN RAISE EXCEPTION 'batch %: % of its rows were booked already', p_batch, json_array_length(p_rows) - v_inserted; END IF;
  WITH ended AS (
    UPDATE tollgate.batch_item i SET outcome = e.outcome, outcome_try = e.try, cost_nano_usd = e.cost_nano_usd, real_time_nano_usd = e.real_time_nano_usd,
      lane = coalesce(e.lane, i.lane)
    FROM json_to_recordset(p_endings) AS e (n integer, try integer, outcome text, cost_nano_usd bigint, real_time_nano_usd bigint, lane text)
    -- By their numbers, whatever the statistics say: of a batch that was just made there are none, and all of its items would be gone through.
    WHERE i.batch_number = v_batch.number AND i.n = e.n AND i.n = ANY (v_numbers) AND i.outcome IS NULL
    RETURNING i.n, i.outcome, i.bound_nano_usd, i.bound_tokens
  )
  SELECT coalesce(array_agg(n), '{}') AS numbers, count(*)::integer AS items, (count(*) FILTER (WHERE outcome = 'succeeded'))::integer AS succeeded, (count(*) FILTER (WHERE outcome = 'errored'))::integer AS errored,
    (count(*) FILTER (WHERE outcome = 'expired'))::integer AS expired, (count(*) FILTER (WHERE outcome = 'cancelled'))::integer AS cancelled,
    coalesce(sum(bound_nano_usd), 0)::bigint AS nano_usd, coalesce(sum(bound_tokens), 0)::bigint AS tokens
  INTO v_ended FROM ended;
  IF v_ended.items <> json_array_length(p_endings) THEN RAISE EXCEPTION 'batch %: % of its items had an outcome already', p_batch, json_array_length(p_endings) - v_ended.items; END IF;
  SELECT coalesce(sum((r ->> 'cost_nano_usd')::bigint), 0)::bigint AS nano_usd, coalesce(sum((r ->> 'cost_tokens')::bigint), 0)::bigint AS tokens
  INTO v_booked FROM json_array_elements(p_rows) AS r;
  UPDATE tollgate.batch SET open_items = open_items - v_ended.items, succeeded_items = succeeded_items + v_ended.succeeded, errored_items = errored_items + v_ended.errored,
    expired_items = expired_items + v_ended.expired, cancelled_items = cancelled_items + v_ended.cancelled,
    held_nano_usd = held_nano_usd - v_ended.nano_usd, held_tokens = held_tokens - v_ended.tokens,
    settled_nano_usd = settled_nano_usd + v_booked.nano_usd, settled_tokens = settled_tokens + v_booked.tokens, version = version + 1, changed_at = clock_timestamp()
  WHERE number = v_batch.number;
  PERFORM tollgate.release_bounds(v_batch.number, v_ended.numbers);
  PERFORM tollgate.release_seconds(v_batch.number, p_seconds);
  RETURN true;
END $$;

-- The part brings no more: its open items can be sent again ('again'), or end as expired or cancelled, not billed. Returns how many there were.
CREATE FUNCTION tollgate.release_batch_items(p_batch text, p_part integer, p_as text) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
  v_batch tollgate.batch := tollgate.lock_batch(p_batch);
  v_released record;
BEGIN
  WITH released AS (
    UPDATE tollgate.batch_item SET part = CASE p_as WHEN 'again' THEN NULL ELSE part END, outcome = CASE p_as WHEN 'again' THEN NULL ELSE p_as END,
      outcome_try = CASE p_as WHEN 'again' THEN NULL ELSE try END
    WHERE batch_number = v_batch.number AND part = p_part AND outcome IS NULL
    RETURNING n, bound_nano_usd, bound_tokens
  )
  SELECT coalesce(array_agg(n), '{}') AS numbers, count(*)::integer AS items, coalesce(sum(bound_nano_usd), 0)::bigint AS nano_usd,
    coalesce(sum(bound_tokens), 0)::bigint AS tokens INTO v_released FROM released;
  IF v_released.items > 0 THEN
    UPDATE tollgate.batch SET version = version + 1, changed_at = clock_timestamp() WHERE number = v_batch.number;
    IF p_as <> 'again' THEN
      UPDATE tollgate.batch SET open_items = open_items - v_released.items, held_nano_usd = held_nano_usd - v_released.nano_usd, held_tokens = held_tokens - v_released.tokens,
        expired_items = expired_items + CASE p_as WHEN 'expired' THEN v_released.items ELSE 0 END,
        cancelled_items = cancelled_items + CASE p_as WHEN 'cancelled' THEN v_released.items ELSE 0 END
      WHERE number = v_batch.number;
      PERFORM tollgate.release_bounds(v_batch.number, v_released.numbers);
    END IF;
  END IF;
  PERFORM tollgate.free_batch(v_batch.number);
  RETURN v_released.items;
END $$;

-- Every item has an outcome: gives back what is still held, and closes the holder.
CREATE FUNCTION tollgate.close_batch_hold(p_batch text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_batch tollgate.batch := tollgate.lock_batch(p_batch);
BEGIN
  IF v_batch.held_at IS NULL OR v_batch.open_items > 0 THEN
    RAISE EXCEPTION 'batch % is %, and % of its items have no outcome: its money stays held', p_batch, v_batch.state, v_batch.open_items USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  PERFORM tollgate.release_seconds(v_batch.number, NULL);
  PERFORM tollgate.adopt_epoch(tollgate.batch_holder(v_batch.number), 1, 'drained');
  UPDATE tollgate.batch SET version = version + 1, changed_at = clock_timestamp() WHERE number = v_batch.number;
END $$;
