-- How the epoch of a gateway ends: adopted once all its calls are booked, or as a lump when nobody can name them any more;
-- how long it has to be silent for that. One function call in one statement each; lock order as in 0004.
-- Rules: money-path §5 and §8.

-- Ends an epoch whose attempts are all settled (drained, or adopted after replay): the idle rest goes back, the chain
-- is anchored, nothing is granted any more. May be repeated; an epoch that ended as a lump is left alone.
CREATE FUNCTION tollgate.adopt_epoch(p_gateway text, p_epoch bigint, p_how text DEFAULT 'adopted') RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  v_window record;
  v_rest bigint;
  v_returned jsonb := '[]';
  v_closed_how text;
BEGIN
  PERFORM tollgate.lock_chain(p_gateway, p_epoch);
  SELECT closed_how INTO v_closed_how FROM tollgate.gateway_epoch WHERE gateway_id = p_gateway AND epoch = p_epoch;
  IF v_closed_how IN ('lump', 'resolved') THEN RETURN jsonb_build_object('returned', v_returned, 'closedHow', v_closed_how); END IF;

  FOR v_window IN
    SELECT w.* FROM tollgate.budget_window w
    WHERE w.id IN (SELECT window_id FROM tollgate.lease WHERE gateway_id = p_gateway AND epoch = p_epoch AND granted - returned - posted > 0)
    ORDER BY w.id FOR NO KEY UPDATE
  LOOP
    SELECT granted - returned - posted INTO v_rest FROM tollgate.lease
    WHERE gateway_id = p_gateway AND epoch = p_epoch AND window_id = v_window.id FOR NO KEY UPDATE;
    CONTINUE WHEN v_rest <= 0;
    UPDATE tollgate.lease SET returned = returned + v_rest, version = version + 1
    WHERE gateway_id = p_gateway AND epoch = p_epoch AND window_id = v_window.id;
    UPDATE tollgate.budget_window SET granted = granted - v_rest, event_seq = event_seq + 1 WHERE id = v_window.id;
    INSERT INTO tollgate.window_event (window_id, seq, kind, gateway_id, epoch, amount, granted_after, limit_amount, stop_amount, is_frozen, revision)
    VALUES (v_window.id, v_window.event_seq + 1, 'return', p_gateway, p_epoch, v_rest, v_window.granted - v_rest,
            v_window.limit_amount, v_window.stop_amount, v_window.is_frozen, v_window.revision);
    v_returned := v_returned || jsonb_build_object('windowId', v_window.id::text, 'amount', v_rest::text);
  END LOOP;

  DELETE FROM tollgate.claim WHERE gateway_id = p_gateway AND epoch = p_epoch;
  PERFORM tollgate.anchor_chain(p_gateway, p_epoch);
  UPDATE tollgate.gateway_epoch
  SET closed_at = coalesce(closed_at, clock_timestamp()), closed_how = coalesce(closed_how, p_how), fenced_at = coalesce(fenced_at, clock_timestamp())
  WHERE gateway_id = p_gateway AND epoch = p_epoch RETURNING closed_how INTO v_closed_how;
  RETURN jsonb_build_object('returned', v_returned, 'closedHow', v_closed_how);
END $$;

-- The longest a call can still be running, in ms: by the policy in force (of one team; null: of any), or by an earlier one
-- under which a running call may have begun. p_default_ms stands for a policy that does not say.
CREATE FUNCTION tollgate.longest_call_ms(p_default_ms bigint, p_team text DEFAULT NULL) RETURNS bigint
LANGUAGE sql STABLE AS $$
  SELECT coalesce(greatest(
    CASE WHEN p_team IS NULL THEN p_default_ms END,
    (SELECT max(coalesce((policy ->> 'maxCallMs')::bigint, p_default_ms)) FROM tollgate.team WHERE p_team IS NULL OR id = p_team),
    (SELECT max(longest_ms) FILTER (WHERE ended_at + (longest_ms + 60000) * interval '1 millisecond' > clock_timestamp()) FROM (
      SELECT coalesce((detail -> 'policy' ->> 'maxCallMs')::bigint, p_default_ms) AS longest_ms, lead(at) OVER (PARTITION BY subject ORDER BY revision) AS ended_at
      FROM tollgate.change
      WHERE kind = 'team' AND (p_team IS NULL OR subject = p_team) AND (detail ->> 'action' = 'created' OR detail -> 'policy' ? 'maxCallMs')
    ) earlier)), p_default_ms)
$$;

-- Since when PostgreSQL can have heard of a gateway.
CREATE FUNCTION tollgate.up_since() RETURNS timestamptz
LANGUAGE sql STABLE AS $$ SELECT pg_postmaster_start_time() $$;

-- How long a gateway last heard of at p_last_seen_at has been silent while PostgreSQL was up to hear it, in ms.
CREATE FUNCTION tollgate.silent_ms(p_last_seen_at timestamptz) RETURNS bigint
LANGUAGE sql STABLE AS $$ SELECT (extract(epoch FROM clock_timestamp() - greatest(p_last_seen_at, tollgate.up_since())) * 1000)::bigint $$;

-- Nothing that such a gateway sent can still be running: it was silent for the longest call plus a minute (money-path §8).
CREATE FUNCTION tollgate.is_past_its_time(p_last_seen_at timestamptz, p_longest_call_ms bigint) RETURNS boolean
LANGUAGE sql STABLE AS $$ SELECT tollgate.silent_ms(p_last_seen_at) >= p_longest_call_ms + 60000 $$;

-- Ends an epoch that nobody can account for: everything left on its leases is posted, as one `lump` entry per team
-- ('lump/<gateway>/<epoch>/<team>'; '/again/<chunk>' should money have been granted to it afterwards), detail.windows
-- holding what was posted where. The entry's amount is the most its calls can have cost: every call of the team is held
-- in its team-wide budgets, else in at least one of the others; of a team that may spend without one, or that has none in money, also in
-- those of its run. The organisation's lump ('…/@organization', which no team can be called) covers what
-- its own leases held beyond the teams'. Of a batch nothing is ever lumped: its items can be named. With p_silent_ms nothing happens unless the gateway was silent for so long
-- while PostgreSQL was up to hear it.
CREATE FUNCTION tollgate.lump_epoch(p_gateway text, p_epoch bigint, p_reason text, p_silent_ms bigint DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
  v_epoch tollgate.gateway_epoch;
  v_seq bigint;
  v_lump record;
  v_key text;
  v_amount bigint;
  v_of_teams bigint := 0;
  v_lumps jsonb := '[]';
BEGIN
  PERFORM tollgate.lock_chain(p_gateway, p_epoch);
  SELECT * INTO v_epoch FROM tollgate.gateway_epoch WHERE gateway_id = p_gateway AND epoch = p_epoch;
  IF v_epoch.closed_how IN ('adopted', 'drained')
    OR tollgate.silent_ms(v_epoch.last_seen_at) < p_silent_ms OR v_epoch.kind = 'batch'
  THEN RETURN jsonb_build_object('lumps', v_lumps, 'closedHow', v_epoch.closed_how); END IF;

  v_seq := tollgate.next_chunk_seq(p_gateway, p_epoch);
  PERFORM 1 FROM tollgate.lease WHERE gateway_id = p_gateway AND epoch = p_epoch ORDER BY window_id FOR NO KEY UPDATE;
  FOR v_lump IN
    WITH pending AS (
      SELECT b.team_id, b.id AS budget_id, b.unit, b.dimension, l.window_id, l.granted - l.returned - l.posted AS rest
      FROM tollgate.lease l
      JOIN tollgate.budget_window w ON w.id = l.window_id
      JOIN tollgate.budget b ON b.id = w.budget_id
      WHERE l.gateway_id = p_gateway AND l.epoch = p_epoch AND l.granted - l.returned - l.posted > 0
    ), per_budget AS (
      SELECT team_id, dimension IN ('team', 'organization') AS is_wide, dimension = 'run' AS is_of_run, sum(rest) AS rest
      FROM pending WHERE unit = 'nano_usd' GROUP BY team_id, budget_id, dimension
    ), bounds AS (
      SELECT p.team_id, CASE WHEN bool_or(p.is_wide) THEN max(p.rest) FILTER (WHERE NOT p.is_of_run)
        WHEN bool_and(p.is_of_run) OR bool_or(t.is_unlimited) THEN sum(p.rest) ELSE sum(p.rest) FILTER (WHERE NOT p.is_of_run) END::bigint AS bound
      FROM per_budget p LEFT JOIN tollgate.team t ON t.id = p.team_id GROUP BY p.team_id
    )
    SELECT p.team_id, coalesce(min(b.bound), 0) AS bound, jsonb_object_agg(p.window_id::text, p.rest::text) AS windows
    FROM pending p LEFT JOIN bounds b ON b.team_id IS NOT DISTINCT FROM p.team_id
    GROUP BY p.team_id ORDER BY p.team_id NULLS LAST
  LOOP
    v_amount := CASE WHEN v_lump.team_id IS NULL THEN greatest(0, v_lump.bound - v_of_teams) ELSE v_lump.bound END;
    v_of_teams := v_of_teams + v_amount;
    v_key := 'lump/' || p_gateway || '/' || p_epoch || '/' || coalesce(v_lump.team_id, '@organization');
    IF EXISTS (SELECT 1 FROM tollgate.entry_key WHERE entry_key = v_key) THEN v_key := v_key || '/again/' || v_seq; END IF;
    INSERT INTO tollgate.entry_key (entry_key) VALUES (v_key);
    INSERT INTO tollgate.entry (entry_key, at, kind, gateway_id, epoch, chunk_seq, debit_account, credit_account, amount_nano_usd, price_version, detail)
    VALUES (v_key, v_now, 'lump', p_gateway, p_epoch, v_seq, coalesce('team/' || v_lump.team_id, 'organization'), 'provider/unknown', v_amount, 0,
            jsonb_build_object('reason', p_reason, 'windows', v_lump.windows));
    v_lumps := v_lumps || jsonb_build_object('entryKey', v_key, 'teamId', v_lump.team_id, 'amountNanoUsd', v_amount::text, 'windows', v_lump.windows);
  END LOOP;

  IF v_lumps <> '[]' THEN
    PERFORM tollgate.seal_chunk(p_gateway, p_epoch, v_seq, v_now);
    UPDATE tollgate.lease SET posted = granted - returned, version = version + 1
    WHERE gateway_id = p_gateway AND epoch = p_epoch AND granted - returned - posted > 0;
  END IF;
  DELETE FROM tollgate.claim WHERE gateway_id = p_gateway AND epoch = p_epoch;
  PERFORM tollgate.anchor_chain(p_gateway, p_epoch);
  UPDATE tollgate.gateway_epoch
  SET closed_at = coalesce(closed_at, v_now), closed_how = coalesce(closed_how, 'lump'), fenced_at = coalesce(fenced_at, v_now)
  WHERE gateway_id = p_gateway AND epoch = p_epoch RETURNING closed_how INTO v_epoch.closed_how;
  RETURN jsonb_build_object('lumps', v_lumps, 'closedHow', v_epoch.closed_how);
END $$;

-- Epochs of gateways that hold pending money and were not heard of for 60 s: what a sweep waits for, ends, or returns. A closed epoch
-- is looked at for another hour: a grant that was under way while it closed must not strand money.
CREATE FUNCTION tollgate.silent_epochs(p_longest_call_ms bigint)
RETURNS TABLE (gateway_id text, epoch bigint, closed_how text, silent_ms bigint, pending_windows bigint, is_past_its_time boolean)
LANGUAGE sql STABLE AS $$
  SELECT g.gateway_id, g.epoch, g.closed_how, tollgate.silent_ms(g.last_seen_at), count(*), tollgate.is_past_its_time(g.last_seen_at, p_longest_call_ms)
  FROM tollgate.gateway_epoch g
  JOIN tollgate.lease l ON l.gateway_id = g.gateway_id AND l.epoch = g.epoch AND l.granted - l.returned - l.posted > 0
  WHERE g.kind = 'gateway' AND (g.closed_at IS NULL OR g.closed_at > clock_timestamp() - interval '1 hour')
    AND tollgate.silent_ms(g.last_seen_at) > 60000
  GROUP BY g.gateway_id, g.epoch ORDER BY g.gateway_id, g.epoch
$$;
