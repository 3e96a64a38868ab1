-- Alerts about what gateways meet: spend beyond a reservation, answers no price fits, rows the ledger set aside, commits PostgreSQL lost, a
-- gateway whose identity went on without it, and one that fell silent while it holds money. Worker watches find them in rows that stand
-- here already; nothing of it is on the path of a call. One function call in one statement each; its locks are those of an alert (0015).

-- What a gateway met that no other row shows, at most one row per epoch and kind. Written by the heartbeat of a process that may not
-- spend any more, by present_leases, and, for silence, by the watch.
CREATE TABLE tollgate.gateway_notice (
  gateway_id text NOT NULL,
  epoch      bigint NOT NULL,
  kind       text NOT NULL CHECK (kind IN ('fenced', 'lost_commits', 'silent')),
  first_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  last_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  window_ids bigint[] NOT NULL DEFAULT '{}',  -- of 'lost_commits': the newest whose amounts were presented
  PRIMARY KEY (gateway_id, epoch, kind)
) WITH (fillfactor = 50);

-- Rare rows of large tables. None of them is touched where nothing is wrong.
CREATE INDEX lease_overrun ON tollgate.lease (window_id) WHERE overrun > 0;
CREATE INDEX attempt_overrun ON tollgate.attempt (at) WHERE overrun_nano_usd > 0;
CREATE INDEX attempt_mispriced ON tollgate.attempt (provider, priced_model, at) WHERE outcome = 'settled' AND reason <> 'duplicate';
CREATE INDEX quarantine_epoch ON tollgate.quarantine (gateway_id, epoch, at);

-- A process still speaks for an epoch that may not spend: its identity went on without it, or the epoch was ended meanwhile. A heartbeat
-- that was under way while the process closed its epoch itself is none.
CREATE FUNCTION tollgate.note_fenced(p_gateway text, p_epoch bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM tollgate.gateway_epoch WHERE gateway_id = p_gateway AND epoch = p_epoch AND closed_how = 'drained') THEN RETURN; END IF;
  INSERT INTO tollgate.gateway_notice (gateway_id, epoch, kind) VALUES (p_gateway, p_epoch, 'fenced')
  ON CONFLICT (gateway_id, epoch, kind) DO UPDATE SET last_at = clock_timestamp();
END $$;

CREATE FUNCTION tollgate.note_lost_commits(p_gateway text, p_epoch bigint, p_windows bigint[]) RETURNS void
LANGUAGE sql AS $$
  INSERT INTO tollgate.gateway_notice (gateway_id, epoch, kind, window_ids) VALUES (p_gateway, p_epoch, 'lost_commits', p_windows[1:100])
  ON CONFLICT (gateway_id, epoch, kind) DO UPDATE SET last_at = clock_timestamp(), window_ids = excluded.window_ids
$$;

-- Silence is remembered, so that a gateway that comes and goes is one alert.
CREATE FUNCTION tollgate.note_silent_gateways() RETURNS void
LANGUAGE sql AS $$
  INSERT INTO tollgate.gateway_notice (gateway_id, epoch, kind)
  SELECT gateway_id, epoch, 'silent' FROM tollgate.silent_epochs(0) WHERE closed_how IS NULL ORDER BY gateway_id, epoch
  ON CONFLICT (gateway_id, epoch, kind) DO UPDATE SET last_at = clock_timestamp()
$$;

-- What stands now, by kind: subject of the alert, and what people are told. Each stands on for a while after it was last so (a quiet time),
-- so that what comes and goes is one alert: an hour for a fenced gateway and lost commits, a day for the ledger's, a quarter of an hour
-- for silence.

-- By identity: two processes that fight over one take new epochs all the time.
CREATE FUNCTION tollgate.fenced_gateways() RETURNS TABLE (subject text, detail jsonb)
LANGUAGE sql STABLE AS $$
  SELECT n.gateway_id, jsonb_build_object('gatewayId', n.gateway_id, 'epoch', max(n.epoch)::text)
  FROM tollgate.gateway_notice n WHERE n.kind = 'fenced' AND n.last_at > now() - interval '1 hour' GROUP BY n.gateway_id
$$;

-- One for all gateways: what they lost is one failover.
CREATE FUNCTION tollgate.lost_commits() RETURNS TABLE (subject text, detail jsonb)
LANGUAGE sql STABLE AS $$
  SELECT '', jsonb_build_object('gateways', string_agg(n.gateway_id || '/' || n.epoch, ', ' ORDER BY n.gateway_id, n.epoch), 'windows', sum(cardinality(n.window_ids)),
    'accounts', (SELECT string_agg(DISTINCT coalesce('team/' || b.team_id, 'organization'), ', ')
      FROM tollgate.gateway_notice m JOIN tollgate.budget_window w ON w.id = ANY (m.window_ids) JOIN tollgate.budget b ON b.id = w.budget_id
      WHERE m.kind = 'lost_commits' AND m.last_at > now() - interval '1 hour'))
  FROM tollgate.gateway_notice n WHERE n.kind = 'lost_commits' AND n.last_at > now() - interval '1 hour' HAVING count(*) > 0
$$;

-- By gateway epoch. Steps from epoch to epoch in the index and counts a thousand at most: every row of a broken gateway may be set aside.
CREATE FUNCTION tollgate.quarantined_epochs() RETURNS TABLE (subject text, detail jsonb)
LANGUAGE sql STABLE AS $$
  WITH RECURSIVE epochs AS (
    (SELECT q.gateway_id, q.epoch FROM tollgate.quarantine q ORDER BY q.gateway_id, q.epoch LIMIT 1)
    UNION ALL
    SELECT n.gateway_id, n.epoch FROM epochs e CROSS JOIN LATERAL (
      SELECT q.gateway_id, q.epoch FROM tollgate.quarantine q WHERE (q.gateway_id, q.epoch) > (e.gateway_id, e.epoch)
      ORDER BY q.gateway_id, q.epoch LIMIT 1) n
  )
  SELECT e.gateway_id || '/' || e.epoch, jsonb_build_object('gatewayId', e.gateway_id, 'epoch', e.epoch::text, 'rows', count(*),
    'notBooked', count(*) FILTER (WHERE NOT r.is_booked), 'attemptId', (array_agg(r.attempt_id ORDER BY r.at DESC))[1], 'problem', (array_agg(r.problem ORDER BY r.at DESC))[1])
  FROM epochs e CROSS JOIN LATERAL (
    SELECT q.attempt_id, q.at, q.problem, EXISTS (SELECT 1 FROM tollgate.entry_key k WHERE k.entry_key = q.attempt_id) AS is_booked
    FROM tollgate.quarantine q WHERE q.gateway_id = e.gateway_id AND q.epoch = e.epoch AND q.at > now() - interval '1 day' ORDER BY q.at DESC LIMIT 1000
  ) r
  GROUP BY e.gateway_id, e.epoch
$$;

-- By the price line that was reserved at: an answer may be named anything. Counts a thousand at most. What a batch paid twice for (0024) fits its price.
CREATE FUNCTION tollgate.mispriced_models() RETURNS TABLE (subject text, detail jsonb)
LANGUAGE sql STABLE AS $$
  WITH RECURSIVE lines AS (
    (SELECT a.provider, a.priced_model FROM tollgate.attempt a WHERE a.outcome = 'settled' AND a.reason <> 'duplicate' ORDER BY a.provider, a.priced_model LIMIT 1)
    UNION ALL
    SELECT n.provider, n.priced_model FROM lines l CROSS JOIN LATERAL (
      SELECT a.provider, a.priced_model FROM tollgate.attempt a
      WHERE a.outcome = 'settled' AND a.reason <> 'duplicate' AND (a.provider, a.priced_model) > (l.provider, l.priced_model)
      ORDER BY a.provider, a.priced_model LIMIT 1) n
  )
  SELECT l.provider || '/' || l.priced_model, jsonb_build_object('calls', count(*), 'costNanoUsd', sum(r.cost_nano_usd)::text,
    'answeredModel', (array_agg(r.answered_model ORDER BY r.at DESC))[1], 'problem', (array_agg(r.reason ORDER BY r.at DESC))[1],
    'attemptId', (array_agg(r.attempt_id ORDER BY r.at DESC))[1])
  FROM lines l CROSS JOIN LATERAL (
    SELECT a.attempt_id, a.at, a.answered_model, a.reason, a.cost_nano_usd FROM tollgate.attempt a
    WHERE a.outcome = 'settled' AND a.reason <> 'duplicate' AND a.provider = l.provider AND a.priced_model = l.priced_model AND a.at > now() - interval '1 day'
    ORDER BY a.at DESC LIMIT 1000
  ) r
  GROUP BY l.provider, l.priced_model
$$;

-- By identity, with the most that the calls of its silent epochs can have cost, as a lump of them would have it (0008).
CREATE FUNCTION tollgate.silent_gateways() RETURNS TABLE (subject text, detail jsonb)
LANGUAGE sql STABLE AS $$
  WITH silent AS (
    SELECT n.gateway_id, n.epoch, g.last_seen_at FROM tollgate.gateway_notice n LEFT JOIN tollgate.gateway_epoch g USING (gateway_id, epoch)
    WHERE n.kind = 'silent' AND n.last_at > now() - interval '15 minutes'
  ), per_budget AS (
    SELECT s.gateway_id, b.team_id, b.unit = 'nano_usd' AND b.dimension IN ('team', 'organization') AS is_wide, b.unit <> 'nano_usd' OR b.dimension = 'run' AS is_beside,
      CASE b.unit WHEN 'nano_usd' THEN sum(l.granted - l.returned - l.posted) ELSE 0 END AS rest
    FROM silent s JOIN tollgate.lease l USING (gateway_id, epoch) JOIN tollgate.budget_window w ON w.id = l.window_id JOIN tollgate.budget b ON b.id = w.budget_id
    WHERE l.granted - l.returned - l.posted > 0 GROUP BY s.gateway_id, b.id
  ), bounds AS (
    SELECT p.gateway_id, p.team_id, CASE WHEN bool_or(p.is_wide) THEN max(p.rest) FILTER (WHERE NOT p.is_beside)
      WHEN bool_and(p.is_beside) OR bool_or(t.is_unlimited) THEN sum(p.rest) ELSE sum(p.rest) FILTER (WHERE NOT p.is_beside) END AS bound
    FROM per_budget p LEFT JOIN tollgate.team t ON t.id = p.team_id GROUP BY p.gateway_id, p.team_id
  ), held AS (
    SELECT gateway_id, greatest(coalesce(sum(bound) FILTER (WHERE team_id IS NOT NULL), 0), coalesce(sum(bound) FILTER (WHERE team_id IS NULL), 0)) AS amount,
      string_agg(coalesce('team/' || team_id, 'organization'), ', ' ORDER BY team_id NULLS LAST) AS accounts
    FROM bounds GROUP BY gateway_id
  )
  SELECT s.gateway_id, jsonb_strip_nulls(jsonb_build_object('gatewayId', s.gateway_id, 'epochs', string_agg(s.epoch::text, ', ' ORDER BY s.epoch),
    'amountNanoUsd', coalesce(max(h.amount), 0)::bigint::text, 'accounts', max(h.accounts), 'lastHeardAtMs', floor(extract(epoch FROM max(s.last_seen_at)) * 1000)))
  FROM silent s LEFT JOIN held h USING (gateway_id) GROUP BY s.gateway_id
$$;

-- Alerts of one kind that concern the whole organisation: one per subject that stands, and its end when it does not any more. However often
-- something comes and goes within its quiet time, it is one alert. Returns how many alerts that made.
CREATE FUNCTION tollgate.watch_conditions(p_kind text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_severity text := CASE p_kind WHEN 'authority.lost_commits' THEN 'critical' WHEN 'price.mismatch' THEN 'warning' ELSE 'error' END;
  v_row record;
  v_changed bigint := 0;
BEGIN
  IF p_kind = 'gateway.silent' THEN PERFORM tollgate.note_silent_gateways(); END IF;
  FOR v_row IN
    WITH seen AS MATERIALIZED (
      SELECT * FROM tollgate.fenced_gateways() WHERE p_kind = 'gateway.fenced'
      UNION ALL SELECT * FROM tollgate.silent_gateways() WHERE p_kind = 'gateway.silent'
      UNION ALL SELECT * FROM tollgate.lost_commits() WHERE p_kind = 'authority.lost_commits'
      UNION ALL SELECT * FROM tollgate.quarantined_epochs() WHERE p_kind = 'ledger.quarantine'
      UNION ALL SELECT * FROM tollgate.mispriced_models() WHERE p_kind = 'price.mismatch'
    ), standing AS (
      SELECT a.subject, a.alert_key, a.detail FROM tollgate.alert a
      WHERE a.team_id = '@organization' AND a.kind = p_kind AND a.is_firing AND a.resolved_at IS NULL
    )
    -- The one before makes the key: who looks at the same time makes the same alert.
    SELECT u.*, (SELECT coalesce(max(a.seq), 0) FROM tollgate.alert a WHERE a.team_id = '@organization' AND a.subject = u.subject AND a.kind = p_kind) AS earlier
    FROM (
      SELECT coalesce(n.subject, s.subject) AS subject, n.detail AS seen_detail, s.alert_key, s.detail
      FROM seen n FULL JOIN standing s ON s.subject = n.subject WHERE n.subject IS NULL OR s.subject IS NULL
    ) u
    ORDER BY u.subject LIMIT 100
  LOOP
    IF v_row.alert_key IS NULL THEN
      v_changed := v_changed + tollgate.raise_alert(p_kind || '|' || v_row.subject || '|' || v_row.earlier, '@organization', v_row.subject,
        p_kind, v_severity, true, v_row.seen_detail)::int;
    ELSE
      v_changed := v_changed + tollgate.raise_alert(v_row.alert_key || '|over', '@organization', v_row.subject,
        p_kind, 'info', false, v_row.detail || jsonb_build_object('resolves', v_row.alert_key))::int;
    END IF;
  END LOOP;
  RETURN v_changed;
END $$;

-- One alert per window of a declared budget whose calls cost more than was reserved and more than anybody has cleared: its grants stand still until a
-- person sets the budget again or its window ends. A window that is over when its late calls are booked is told of once. Its end is
-- told as budget.withdrawn, here where a person cleared it, else by end_alerts. Returns how many alerts that made.
CREATE FUNCTION tollgate.watch_overruns() RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_row record;
  v_changed bigint := 0;
BEGIN
  FOR v_row IN
    WITH overrun AS MATERIALIZED (
      SELECT w.id, coalesce(b.team_id, '@organization') AS team_id, concat_ws('|', b.dimension, b.dimension_value, b.unit, b.window_kind) AS subject,
        w.starts_at, w.ends_at, w.is_observed, w.limit_amount, x.overrun - w.overrun_cleared AS amount, x.posted
      FROM tollgate.budget_window w JOIN tollgate.declared_budget b ON b.id = w.budget_id AND b.deleted_at IS NULL
      CROSS JOIN LATERAL (SELECT sum(l.overrun) AS overrun, sum(l.posted) AS posted FROM tollgate.lease l WHERE l.window_id = w.id) x
      WHERE w.id IN (SELECT l.window_id FROM tollgate.lease l WHERE l.overrun > 0) AND w.ends_at > now() - interval '1 hour' AND x.overrun > w.overrun_cleared
    )
    SELECT o.team_id, o.subject, NULL AS alert_key, 'budget.overrun|' || o.id || '|' || e.earlier AS new_key, o.is_observed,
      jsonb_strip_nulls(jsonb_build_object('action', 'overrun', 'budget', o.subject, 'windowId', o.id::text, 'amount', o.amount::text, 'posted', o.posted::text,
        'limitAmount', o.limit_amount::text, 'mode', CASE WHEN o.is_observed THEN 'observe' END,
        'windowStartsAtMs', CASE WHEN isfinite(o.starts_at) THEN floor(extract(epoch FROM o.starts_at) * 1000) END,
        'endsAtMs', CASE WHEN isfinite(o.ends_at) THEN floor(extract(epoch FROM o.ends_at) * 1000) END,
        'attemptId', (SELECT a.attempt_id FROM tollgate.attempt a
          WHERE a.overrun_nano_usd > 0 AND a.at > now() - interval '1 day' AND o.id = ANY (a.window_ids) ORDER BY a.at DESC LIMIT 1))) AS detail
    FROM overrun o
    CROSS JOIN LATERAL (
      SELECT coalesce(max(a.seq), 0) AS earlier, coalesce(bool_or(a.resolved_at IS NULL), false) AS is_standing FROM tollgate.alert a
      WHERE a.team_id = o.team_id AND a.subject = o.subject AND a.kind = 'budget.overrun' AND a.detail ->> 'windowId' = o.id::text
    ) e
    WHERE NOT e.is_standing AND (o.ends_at > now() OR e.earlier = 0)
    UNION ALL
    SELECT a.team_id, a.subject, a.alert_key, a.alert_key || '|over', false, a.detail - 'endsAtMs' || jsonb_build_object('resolves', a.alert_key, 'reason', 'cleared')
    FROM tollgate.alert a JOIN tollgate.budget_window w ON w.id = (a.detail ->> 'windowId')::bigint JOIN tollgate.declared_budget b ON b.id = w.budget_id
    WHERE a.kind = 'budget.overrun' AND a.is_firing AND a.resolved_at IS NULL AND w.ends_at > now() AND b.deleted_at IS NULL
      AND NOT EXISTS (SELECT 1 FROM overrun o WHERE o.id = w.id)
    ORDER BY team_id, subject LIMIT 100
  LOOP
    v_changed := v_changed + tollgate.raise_alert(v_row.new_key, v_row.team_id, v_row.subject,
      CASE WHEN v_row.alert_key IS NULL THEN 'budget.overrun' ELSE 'budget.withdrawn' END,
      CASE WHEN v_row.alert_key IS NOT NULL THEN 'info' WHEN v_row.is_observed THEN 'warning' ELSE 'critical' END,
      v_row.alert_key IS NULL, v_row.detail)::int;
  END LOOP;
  RETURN v_changed;
END $$;
