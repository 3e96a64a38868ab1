-- Windows opened, and leases granted in them, before they begin (money-path §4). Lock order as in 0002.

-- The successor of the current window, opened in its last minute. Its rule is the one in force now. Null where there
-- is none to open: a lifetime, a frozen or ended budget, a window that is not in its last minute or already over.
CREATE FUNCTION tollgate.open_next_window(p_budget_id bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
  v_latest tollgate.budget_window;
  v_budget tollgate.budget;
  v_bounds record;
BEGIN
  SELECT * INTO v_budget FROM tollgate.budget WHERE id = p_budget_id FOR NO KEY UPDATE;
  IF v_budget.deleted_at IS NOT NULL OR v_budget.is_frozen THEN RETURN NULL; END IF;
  SELECT * INTO v_latest FROM tollgate.budget_window WHERE budget_id = p_budget_id ORDER BY starts_at DESC LIMIT 1;
  IF v_latest.is_ahead THEN RETURN v_latest.id; END IF;
  IF v_latest.ends_at IS NULL OR v_latest.ends_at <= v_now OR v_latest.ends_at > v_now + interval '1 minute' THEN RETURN NULL; END IF;
  SELECT * INTO v_bounds FROM tollgate.bounds_after(v_budget, v_latest.ends_at);
  RETURN tollgate.insert_window(v_budget, v_bounds.starts_at, v_bounds.ends_at, true);
END $$;

-- Leases of the next windows, asked for in the last minute of the present ones (money-path §4): "raise to" p_wants, so that
-- asking again changes nothing, and at most an even share of half the room, as lookahead. Windows that may not be opened
-- yet or are frozen are left out of the reply. Nobody can claim them: claims are left in windows that have begun.
CREATE FUNCTION tollgate.grant_ahead(p_gateway text, p_epoch bigint, p_budgets bigint[], p_wants bigint[]) RETURNS json
LANGUAGE plpgsql AS $$
DECLARE
  v_windows bigint[] := '{}';
  v_granted bigint[] := '{}';
  v_posted bigint[] := '{}';
  v_overrun bigint[] := '{}';
  v_live bigint;
  v_held bigint;
  v_raise bigint;
  v_row tollgate.budget_window;
BEGIN
  IF NOT EXISTS (SELECT 1 FROM tollgate.gateway_epoch WHERE gateway_id = p_gateway AND epoch = p_epoch AND fenced_at IS NULL AND closed_at IS NULL) THEN
    RETURN json_build_object('fenced', true);
  END IF;
  FOR i IN 1..cardinality(p_budgets) LOOP
    v_windows := v_windows || tollgate.open_next_window(p_budgets[i]);
  END LOOP;
  SELECT greatest(count(*), 1) INTO v_live FROM tollgate.gateway_epoch
  WHERE kind = 'gateway' AND closed_at IS NULL AND fenced_at IS NULL AND last_seen_at > clock_timestamp() - interval '1 second';
  FOR v_row IN SELECT * FROM tollgate.budget_window WHERE id = ANY (v_windows) ORDER BY id FOR NO KEY UPDATE LOOP
    CONTINUE WHEN v_row.is_frozen;
    v_held := coalesce((SELECT granted - returned - posted FROM tollgate.lease WHERE gateway_id = p_gateway AND epoch = p_epoch AND window_id = v_row.id), 0);
    v_raise := least(p_wants[array_position(p_budgets, v_row.budget_id)],
      (least(tollgate.room_of(v_row), (SELECT min(line) - v_row.granted FROM unnest(v_row.degrade_amounts) AS line WHERE line > v_row.granted)) + v_held) / (2 * v_live)) - v_held;
    IF v_raise > 0 THEN PERFORM tollgate.raise_leases(p_gateway, p_epoch, ARRAY[v_row.id], ARRAY[v_raise]); END IF;
    SELECT v_granted || v_row.id, v_posted || coalesce(sum(posted), 0)::bigint, v_overrun || coalesce(sum(overrun), 0)::bigint
    INTO v_granted, v_posted, v_overrun FROM tollgate.lease WHERE window_id = v_row.id;
  END LOOP;
  RETURN json_build_object('items', tollgate.lease_items(p_gateway, p_epoch, v_granted, v_posted, v_overrun, false));
END $$;
