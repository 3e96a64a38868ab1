-- Alerts: what people are told, made once by a stable key, and its deliveries, one per channel that a route names.
-- An alert says that something began (is_firing), that it is over (it resolves what fired), or that it happened.
-- One function call in one statement each. Its locks are taken last, before record_change: the subject of an alert (advisory),
-- then the row of a channel, then deliveries.

-- Where alerts go. Shapes of config: domain/alerts/channel.ts. It names where a secret stands and never holds one.
CREATE TABLE tollgate.alert_channel (
  name            text PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
  kind            text NOT NULL CHECK (kind IN ('slack', 'pagerduty', 'alertmanager', 'webhook')),
  config          jsonb NOT NULL DEFAULT '{}',
  free_at         timestamptz NOT NULL DEFAULT '-infinity',  -- nothing is sent before: its pace, or what it asked for (Retry-After)
  resent_at       timestamptz NOT NULL DEFAULT '-infinity',  -- what fires was last told again (Alertmanager)
  resending_until timestamptz NOT NULL DEFAULT '-infinity',  -- meanwhile nothing else is sent there: an end must not be overtaken
  resending_by    integer                                    -- deliverer that does it
);

-- Which alerts a channel gets. A channel that is gone must not be named; the order of statements in one transaction is free.
CREATE TABLE tollgate.alert_route (
  id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  team_id text NOT NULL,                                     -- '@organization' = of every team, and of the organisation
  channel text NOT NULL REFERENCES tollgate.alert_channel (name) DEFERRABLE INITIALLY DEFERRED,
  kinds   text[] NOT NULL DEFAULT '{}'                       -- empty = all
);
CREATE INDEX alert_route_team ON tollgate.alert_route (team_id);

-- `id` is made of the key, so that an alert made again after a restore is the same alert to whoever knows its id.
-- `seq` is the order; within a team and subject it is the order of commits.
CREATE TABLE tollgate.alert (
  seq         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id          text NOT NULL UNIQUE,
  alert_key   text NOT NULL UNIQUE,
  at          timestamptz NOT NULL DEFAULT clock_timestamp(),
  team_id     text NOT NULL,
  subject     text NOT NULL DEFAULT '',                      -- key of a budget, a gateway's epoch …; the order is kept within it
  kind        text NOT NULL,
  severity    text NOT NULL CHECK (severity IN ('info', 'warning', 'error', 'critical')),
  is_firing   boolean NOT NULL,
  ends_at     timestamptz,                                   -- when what fires is over by itself (detail.endsAtMs)
  detail      jsonb NOT NULL DEFAULT '{}',
  resolved_at timestamptz,
  resolved_by text                                           -- id of the alert that says so
);
CREATE INDEX alert_team ON tollgate.alert (team_id, subject, seq);
CREATE INDEX alert_standing ON tollgate.alert (team_id, subject) WHERE is_firing AND resolved_at IS NULL;
CREATE INDEX alert_resolved_by ON tollgate.alert (resolved_by) WHERE resolved_by IS NOT NULL;

CREATE TABLE tollgate.alert_delivery (
  alert_seq        bigint NOT NULL REFERENCES tollgate.alert (seq),
  channel          text NOT NULL,
  team_id          text NOT NULL,
  subject          text NOT NULL,
  -- superseded: there is nothing left to tell, because the channel is gone or its end was told before
  state            text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'dead', 'superseded')),
  attempts         integer NOT NULL DEFAULT 0,
  first_tried_at   timestamptz,
  next_attempt_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  busy_until       timestamptz NOT NULL DEFAULT '-infinity', -- claimed until then, as long as its deliverer lives
  claimed_by       integer,
  may_have_arrived boolean NOT NULL DEFAULT false,           -- a try was sent and its answer is not known
  last_error       text,
  answer           text,                                     -- what the receiver said, shortened
  ended_at         timestamptz,
  acknowledged_at  timestamptz,                              -- a person has seen that it is dead
  acknowledged_by  text,
  PRIMARY KEY (alert_seq, channel)
);
CREATE INDEX alert_delivery_waiting ON tollgate.alert_delivery (channel, team_id, subject, alert_seq) WHERE state = 'waiting';
CREATE INDEX alert_delivery_dead ON tollgate.alert_delivery (alert_seq) WHERE state = 'dead';

-- Charges that nobody has explained yet, without reading the ledger.
CREATE INDEX entry_unexplained ON tollgate.entry (gateway_id, epoch) WHERE kind IN ('unresolved', 'lump', 'adjustment');

-- Makes an alert and its deliveries by the routes in force; a key that is known changes nothing (false).
-- One that does not fire ends what fires: the alert whose key is detail.resolves (or detail.alertKey), else all of its team, subject and
-- kind.
-- Whoever was told of something is told of its end, whatever the routes say. detail.endsAtMs: when it is over by itself.
CREATE FUNCTION tollgate.raise_alert(p_key text, p_team text, p_subject text, p_kind text, p_severity text, p_is_firing boolean, p_detail jsonb) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  v_id text := 'alr_' || left(encode(sha256(convert_to(p_key, 'UTF8')), 'hex'), 24);
  v_ends text := coalesce(p_detail ->> 'resolves', p_detail ->> 'alertKey');
  v_seq bigint;
BEGIN
  PERFORM pg_advisory_xact_lock(718204015, hashtext(p_team || ' ' || p_subject)); -- numbers in the order of commits
  INSERT INTO tollgate.alert (id, alert_key, team_id, subject, kind, severity, is_firing, ends_at, detail)
  VALUES (v_id, p_key, p_team, p_subject, p_kind, p_severity, p_is_firing,
    to_timestamp((p_detail ->> 'endsAtMs')::numeric::float8 / 1000), coalesce(p_detail, '{}'))
  ON CONFLICT (alert_key) DO NOTHING RETURNING seq INTO v_seq;
  IF v_seq IS NULL THEN RETURN false; END IF;
  IF NOT p_is_firing THEN
    UPDATE tollgate.alert SET resolved_at = clock_timestamp(), resolved_by = v_id
    WHERE team_id = p_team AND subject = p_subject AND is_firing AND resolved_at IS NULL
      AND CASE WHEN v_ends IS NULL THEN kind = p_kind ELSE alert_key = v_ends END;
  END IF;
  INSERT INTO tollgate.alert_delivery (alert_seq, channel, team_id, subject)
  SELECT v_seq, told.channel, p_team, p_subject FROM (
    SELECT r.channel FROM tollgate.alert_route r WHERE r.team_id IN (p_team, '@organization') AND (r.kinds = '{}' OR p_kind = ANY (r.kinds))
    UNION
    SELECT d.channel FROM tollgate.alert a JOIN tollgate.alert_delivery d ON d.alert_seq = a.seq JOIN tollgate.alert_channel c ON c.name = d.channel
    WHERE a.resolved_by = v_id
  ) told;
  PERFORM pg_notify('tollgate_alert', '');
  RETURN true;
END $$;

-- The alert that an announcement of a team's workflow makes; an event of another name makes none.
-- A line of a budget fires until it is withdrawn or its window ends.
CREATE FUNCTION tollgate.alert_of_event(p_key text, p_team text, p_event text, p_detail jsonb) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  v_subject text := coalesce(p_detail ->> 'budget', '');
  v_action text := split_part(p_event, '.', 2);
  v_ends_at_ms numeric;
  v_mode text;
  v_resolves text;
BEGIN
  IF p_event LIKE 'threshold.%.fired' THEN
    -- A budget that only observes says so: its end refuses nothing.
    SELECT nullif(to_jsonb(b) ->> 'mode', 'enforce'), (
      SELECT floor(extract(epoch FROM w.ends_at) * 1000) FROM tollgate.budget_window w
      WHERE w.budget_id = b.id AND isfinite(w.ends_at) AND floor(extract(epoch FROM w.starts_at) * 1000) = (p_detail ->> 'windowStartsAtMs')::numeric)
    INTO v_mode, v_ends_at_ms FROM tollgate.declared_budget b
    WHERE coalesce(b.team_id, '@organization') = p_team AND b.deleted_at IS NULL
      AND concat_ws('|', b.dimension, b.dimension_value, b.unit, b.window_kind) = v_subject;
    RETURN tollgate.raise_alert(p_key, p_team, v_subject, CASE v_action WHEN 'stop' THEN 'budget.stopped' ELSE 'budget.threshold' END,
      CASE WHEN v_action = 'stop' AND v_mode IS NULL THEN 'critical' ELSE 'warning' END, true,
      jsonb_strip_nulls(p_detail || jsonb_build_object('action', v_action, 'endsAtMs', v_ends_at_ms, 'mode', v_mode)));
  ELSIF p_event LIKE 'threshold.%.withdrawn' THEN
    -- The line that moved away: of its action and window the one at its amount, or the only one.
    SELECT x.alert_key INTO v_resolves FROM (
      SELECT alert_key, detail ->> 'amount' = p_detail ->> 'amount' AS is_same, count(*) OVER () AS lines FROM tollgate.alert
      WHERE team_id = p_team AND subject = v_subject AND is_firing AND resolved_at IS NULL AND detail ->> 'action' = v_action
        AND detail ->> 'windowStartsAtMs' = p_detail ->> 'windowStartsAtMs'
    ) x WHERE x.is_same OR x.lines = 1;
    RETURN tollgate.raise_alert(p_key, p_team, v_subject, 'budget.withdrawn', 'info', false,
      p_detail || jsonb_build_object('action', v_action, 'reason', 'moved', 'resolves', coalesce(v_resolves, '')));
  ELSIF p_event = 'increase.requested' THEN
    -- A line that asks for itself says how far along its limit it stands.
    RETURN tollgate.raise_alert(p_key, p_team, v_subject, p_event, 'warning', true, jsonb_strip_nulls(p_detail || jsonb_build_object('limitAmount', (
      SELECT w.limit_amount::text FROM tollgate.declared_budget b JOIN tollgate.budget_window w ON w.budget_id = b.id
      WHERE p_detail ->> 'kind' = 'line' AND coalesce(b.team_id, '@organization') = p_team AND b.deleted_at IS NULL
        AND concat_ws('|', b.dimension, b.dimension_value, b.unit, b.window_kind) = v_subject
        AND CASE WHEN isfinite(w.ends_at) THEN floor(extract(epoch FROM w.ends_at) * 1000) END IS NOT DISTINCT FROM (p_detail ->> 'untilMs')::numeric))));
  ELSIF p_event = 'increase.decided' THEN
    SELECT alert_key INTO v_resolves FROM tollgate.alert
    WHERE team_id = p_team AND subject = v_subject AND is_firing AND resolved_at IS NULL AND kind = 'increase.requested'
      AND detail ->> 'increase' = p_detail ->> 'increase'
    ORDER BY seq DESC LIMIT 1;
    RETURN tollgate.raise_alert(p_key, p_team, v_subject, p_event, 'info', false, p_detail || jsonb_build_object('resolves', coalesce(v_resolves, '')));
  ELSIF p_event = 'spend.above_expected' THEN
    RETURN tollgate.raise_alert(p_key, p_team, v_subject, p_event, 'warning', true, p_detail);
  ELSIF p_event IN ('increase.ended', 'change.refused') THEN
    RETURN tollgate.raise_alert(p_key, p_team, v_subject, p_event, CASE p_event WHEN 'change.refused' THEN 'error' ELSE 'info' END, false, p_detail);
  END IF;
  RETURN false;
END $$;

-- Remembers an announcement once by its key, and makes its alert in the same statement; false = it was known.
CREATE FUNCTION tollgate.record_event(p_key text, p_team text, p_event text, p_detail jsonb) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO tollgate.governance_event (event_key, team_id, event, detail) VALUES (p_key, p_team, p_event, p_detail) ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN RETURN false; END IF;
  PERFORM tollgate.alert_of_event(p_key, p_team, p_event, p_detail);
  RETURN true;
END $$;

-- Ends what is over by itself: the window of a line or an overrun is over, or its budget is gone. Returns how many alerts it ended.
CREATE FUNCTION tollgate.end_alerts() RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_alert record;
  v_ended bigint := 0;
BEGIN
  FOR v_alert IN
    SELECT a.*, coalesce(a.ends_at <= clock_timestamp(), false) AS is_over FROM tollgate.alert a
    WHERE a.is_firing AND a.resolved_at IS NULL AND (a.ends_at <= clock_timestamp()
      OR a.kind IN ('budget.threshold', 'budget.stopped', 'budget.overrun') AND NOT EXISTS (
        SELECT 1 FROM tollgate.declared_budget b
        WHERE coalesce(b.team_id, '@organization') = a.team_id AND b.deleted_at IS NULL
          AND concat_ws('|', b.dimension, b.dimension_value, b.unit, b.window_kind) = a.subject))
    ORDER BY a.team_id, a.subject, a.seq LIMIT 100
  LOOP
    v_ended := v_ended + tollgate.raise_alert(v_alert.alert_key || '|over', v_alert.team_id, v_alert.subject,
      CASE WHEN v_alert.kind LIKE 'budget.%' THEN 'budget.withdrawn' ELSE v_alert.kind END, 'info', false,
      v_alert.detail - 'endsAtMs' || jsonb_build_object('resolves', v_alert.alert_key, 'reason', CASE WHEN v_alert.is_over THEN 'over' ELSE 'gone' END))::int;
  END LOOP;
  RETURN v_ended;
END $$;

-- One alert per gateway epoch whose charges nobody has explained: a call whose end is unknown, or what was left on the leases of a
-- gateway that never came back. It ends when all of them are resolved; what comes later is another alert. Returns how many changed.
CREATE FUNCTION tollgate.watch_unresolved_charges() RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_row record;
  v_changed bigint := 0;
BEGIN
  FOR v_row IN
    WITH charges AS (
      SELECT e.gateway_id, e.epoch, e.debit_account, e.amount_nano_usd AS rest FROM tollgate.entry e
      WHERE e.kind = 'unresolved' AND NOT EXISTS (
        SELECT 1 FROM tollgate.entry x WHERE x.attempt_id = e.attempt_id AND x.kind = 'adjustment' AND x.detail ->> 'resolves' = e.entry_key)
      UNION ALL
      SELECT e.gateway_id, e.epoch, e.debit_account, e.amount_nano_usd + x.moved
      FROM tollgate.entry e CROSS JOIN LATERAL (
        SELECT coalesce(sum(y.amount_nano_usd), 0) AS moved, coalesce(bool_or(y.detail ->> 'resolves' = e.entry_key), false) AS is_resolved
        FROM tollgate.entry y
        WHERE y.gateway_id = e.gateway_id AND y.epoch = e.epoch AND y.kind = 'adjustment' AND y.attempt_id IS NULL AND y.detail ->> 'lump' = e.entry_key
      ) x
      WHERE e.kind = 'lump' AND NOT x.is_resolved AND e.detail ->> 'resolves' IS NULL AND (e.amount_nano_usd = 0 OR e.amount_nano_usd + x.moved > 0)
    ), unexplained AS (
      SELECT gateway_id || '/' || epoch AS subject, gateway_id, epoch, sum(rest) AS amount, count(*) AS charges, string_agg(DISTINCT debit_account, ', ') AS accounts
      FROM charges GROUP BY gateway_id, epoch
    ), standing AS (
      SELECT subject, alert_key, detail FROM tollgate.alert
      WHERE team_id = '@organization' AND kind = 'charges.unresolved' AND is_firing AND resolved_at IS NULL
    )
    -- The one before makes the key: who looks at the same time makes the same alert.
    SELECT u.*, (SELECT coalesce(max(a.seq), 0) FROM tollgate.alert a
      WHERE a.team_id = '@organization' AND a.subject = u.subject AND a.kind = 'charges.unresolved') AS earlier
    FROM (
      SELECT coalesce(o.subject, s.subject) AS subject, o.gateway_id, o.epoch, o.amount, o.charges, o.accounts, s.alert_key, s.detail
      FROM unexplained o FULL JOIN standing s ON s.subject = o.subject WHERE o.subject IS NULL OR s.subject IS NULL
    ) u
    ORDER BY u.subject LIMIT 100
  LOOP
    IF v_row.alert_key IS NULL THEN
      v_changed := v_changed + tollgate.raise_alert('charges.unresolved|' || v_row.subject || '|' || v_row.earlier, '@organization', v_row.subject,
        'charges.unresolved', 'error', true, jsonb_build_object('gatewayId', v_row.gateway_id, 'epoch', v_row.epoch::text,
          'amountNanoUsd', v_row.amount::text, 'charges', v_row.charges, 'accounts', v_row.accounts))::int;
    ELSE
      v_changed := v_changed + tollgate.raise_alert(v_row.alert_key || '|over', '@organization', v_row.subject,
        'charges.unresolved', 'info', false, v_row.detail || jsonb_build_object('resolves', v_row.alert_key))::int;
    END IF;
  END LOOP;
  RETURN v_changed;
END $$;

-- An alert as it is told (domain/alerts/alert.ts).
CREATE FUNCTION tollgate.alert_message(a tollgate.alert) RETURNS jsonb
LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('id', a.id, 'atMs', floor(extract(epoch FROM a.at) * 1000), 'teamId', a.team_id, 'subject', a.subject, 'kind', a.kind,
    'severity', a.severity, 'isFiring', a.is_firing, 'detail', a.detail, 'ends', coalesce((
      SELECT jsonb_agg(jsonb_build_object('id', e.id, 'atMs', floor(extract(epoch FROM e.at) * 1000), 'kind', e.kind, 'severity', e.severity) ORDER BY e.seq)
      FROM tollgate.alert e WHERE e.resolved_by = a.id), '[]'))
$$;

-- Deliverers whose session lives: each holds a lock of its own number while it is connected. What another one has claimed is free.
CREATE FUNCTION tollgate.living_deliverers() RETURNS integer[]
LANGUAGE sql VOLATILE AS $$
  SELECT coalesce(array_agg(objid::bigint::integer), '{}') FROM pg_locks
  WHERE locktype = 'advisory' AND classid = 718204016 AND objsubid = 2 AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
$$;

-- What a deliverer sends next, so that at most p_limit are under way per channel: due, claimed by nobody, and the oldest that waits for its team, subject and
-- channel, so that a later alert waits for an earlier one unless that is dead. Claimed until p_claim_ms is over: a deliverer that dies
-- loses its claims and the alerts go out again under their ids. p_pace_ms: kind of channel -> least time between two messages.
CREATE FUNCTION tollgate.claim_alert_deliveries(p_deliverer integer, p_limit integer, p_claim_ms bigint, p_pace_ms jsonb)
RETURNS TABLE (alert_seq bigint, alert jsonb, channel text, channel_kind text, config jsonb, attempt integer, may_have_arrived boolean, tried_for_ms bigint)
LANGUAGE plpgsql AS $$
DECLARE
  v_channel record;
  v_living integer[] := tollgate.living_deliverers();
BEGIN
  FOR v_channel IN
    SELECT c.*, coalesce((p_pace_ms ->> c.kind)::bigint, 0) AS pace_ms FROM tollgate.alert_channel c
    WHERE c.free_at <= clock_timestamp() AND NOT (c.resending_until > clock_timestamp() AND c.resending_by = ANY (v_living)) AND EXISTS (
      SELECT 1 FROM tollgate.alert_delivery d
      WHERE d.channel = c.name AND d.state = 'waiting' AND d.next_attempt_at <= clock_timestamp()
        AND NOT (d.busy_until > clock_timestamp() AND d.claimed_by = ANY (v_living)))
    ORDER BY c.name FOR NO KEY UPDATE SKIP LOCKED
  LOOP
    UPDATE tollgate.alert_channel SET free_at = clock_timestamp() + v_channel.pace_ms * interval '1 millisecond'
    WHERE name = v_channel.name AND v_channel.pace_ms > 0;
    RETURN QUERY
    WITH due AS (
      SELECT d.alert_seq, d.may_have_arrived FROM tollgate.alert_delivery d
      WHERE d.channel = v_channel.name AND d.state = 'waiting' AND d.next_attempt_at <= clock_timestamp()
        AND NOT (d.busy_until > clock_timestamp() AND d.claimed_by = ANY (v_living))
        AND NOT EXISTS (
          SELECT 1 FROM tollgate.alert_delivery e
          WHERE e.channel = d.channel AND e.team_id = d.team_id AND e.subject = d.subject AND e.state = 'waiting' AND e.alert_seq < d.alert_seq)
      ORDER BY d.alert_seq LIMIT CASE WHEN v_channel.pace_ms > 0 THEN 1 ELSE greatest(0, p_limit - (
        SELECT count(*) FROM tollgate.alert_delivery b
        WHERE b.channel = v_channel.name AND b.state = 'waiting' AND b.busy_until > clock_timestamp() AND b.claimed_by = ANY (v_living))) END
      FOR NO KEY UPDATE OF d
    ), claimed AS (
      UPDATE tollgate.alert_delivery d SET busy_until = clock_timestamp() + p_claim_ms * interval '1 millisecond', claimed_by = p_deliverer,
        attempts = d.attempts + 1, first_tried_at = coalesce(d.first_tried_at, clock_timestamp()), may_have_arrived = true
      FROM due WHERE d.alert_seq = due.alert_seq AND d.channel = v_channel.name
      RETURNING d.*, due.may_have_arrived AS may_have_before
    )
    -- Read here, by the snapshot that claims: whoever asks began before, and may not see an alert that was made meanwhile.
    SELECT c.alert_seq, tollgate.alert_message(a), v_channel.name, v_channel.kind, v_channel.config, c.attempts, c.may_have_before,
      (extract(epoch FROM clock_timestamp() - c.first_tried_at) * 1000)::bigint
    FROM claimed c JOIN tollgate.alert a ON a.seq = c.alert_seq ORDER BY c.alert_seq;
  END LOOP;
END $$;

-- What became of a try. 'delivered' holds whoever says it; 'retry' and 'dead' only by the newest try. p_pause_ms: the channel asked to be
-- left alone for so long. Returns false when somebody else has said it before.
CREATE FUNCTION tollgate.finish_alert_delivery(
  p_seq bigint, p_channel text, p_attempt integer, p_outcome text, p_said text, p_retry_ms bigint, p_may_have_arrived boolean, p_pause_ms bigint
) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  IF p_pause_ms > 0 THEN
    UPDATE tollgate.alert_channel SET free_at = greatest(free_at, clock_timestamp() + p_pause_ms * interval '1 millisecond') WHERE name = p_channel;
  END IF;
  UPDATE tollgate.alert_delivery SET busy_until = '-infinity',
    state = CASE p_outcome WHEN 'retry' THEN 'waiting' ELSE p_outcome END,
    ended_at = CASE WHEN p_outcome <> 'retry' THEN clock_timestamp() END,
    next_attempt_at = clock_timestamp() + p_retry_ms * interval '1 millisecond',
    may_have_arrived = p_may_have_arrived,
    answer = CASE WHEN p_outcome = 'delivered' THEN p_said ELSE answer END,
    last_error = CASE WHEN p_outcome = 'delivered' THEN last_error ELSE p_said END
  WHERE alert_seq = p_seq AND channel = p_channel AND state = 'waiting' AND (p_outcome = 'delivered' OR attempts = p_attempt);
  RETURN FOUND;
END $$;

-- Of each channel of a kind that forgets what is not told again: everything that fires and was delivered, once every p_every_ms.
-- Meanwhile nothing else is sent there, for at most p_claim_ms (finish_alert_resend ends it).
CREATE FUNCTION tollgate.claim_alert_resends(p_deliverer integer, p_kind text, p_every_ms bigint, p_claim_ms bigint) RETURNS TABLE (channel text, config jsonb, alert_seqs bigint[])
LANGUAGE plpgsql AS $$
DECLARE
  v_channel record;
  v_living integer[] := tollgate.living_deliverers();
BEGIN
  FOR v_channel IN
    SELECT c.name FROM tollgate.alert_channel c
    WHERE c.kind = p_kind AND c.free_at <= clock_timestamp() AND NOT (c.resending_until > clock_timestamp() AND c.resending_by = ANY (v_living))
      AND c.resent_at <= clock_timestamp() - p_every_ms * interval '1 millisecond'
    ORDER BY c.name FOR NO KEY UPDATE SKIP LOCKED
  LOOP
    RETURN QUERY
    WITH firing AS (
      SELECT array_agg(a.seq ORDER BY a.seq) AS seqs FROM tollgate.alert a
      JOIN tollgate.alert_delivery d ON d.alert_seq = a.seq AND d.channel = v_channel.name AND d.state = 'delivered'
      WHERE a.is_firing AND a.resolved_at IS NULL
    )
    UPDATE tollgate.alert_channel c SET resent_at = clock_timestamp(), resending_by = p_deliverer,
      resending_until = CASE WHEN f.seqs IS NULL THEN '-infinity' ELSE clock_timestamp() + p_claim_ms * interval '1 millisecond' END
    FROM firing f WHERE c.name = v_channel.name
    RETURNING c.name, c.config, coalesce(f.seqs, '{}');
  END LOOP;
END $$;

CREATE FUNCTION tollgate.finish_alert_resend(p_channel text) RETURNS void
LANGUAGE sql AS $$ UPDATE tollgate.alert_channel SET resending_until = '-infinity' WHERE name = p_channel $$;

-- Sends dead deliveries again, of one alert or (null) of all. Where the end of an alert was told to the channel before, there is
-- nothing left to tell: it would fire there for ever. Returns how many wait again.
CREATE FUNCTION tollgate.retry_dead_alerts(p_alert text) RETURNS bigint
LANGUAGE sql AS $$
  WITH dead AS (
    SELECT d.alert_seq, d.channel, c.name IS NULL OR EXISTS (
      SELECT 1 FROM tollgate.alert r JOIN tollgate.alert_delivery e ON e.alert_seq = r.seq AND e.channel = d.channel AND e.state = 'delivered'
      WHERE r.id = a.resolved_by) AS is_over
    FROM tollgate.alert_delivery d JOIN tollgate.alert a ON a.seq = d.alert_seq LEFT JOIN tollgate.alert_channel c ON c.name = d.channel
    WHERE d.state = 'dead' AND (p_alert IS NULL OR a.id = p_alert) FOR NO KEY UPDATE OF d
  ), moved AS (
    UPDATE tollgate.alert_delivery d SET state = CASE WHEN dead.is_over THEN 'superseded' ELSE 'waiting' END, attempts = 0, first_tried_at = NULL,
      next_attempt_at = clock_timestamp(), acknowledged_at = NULL, acknowledged_by = NULL, ended_at = CASE WHEN dead.is_over THEN clock_timestamp() END
    FROM dead WHERE d.alert_seq = dead.alert_seq AND d.channel = dead.channel RETURNING d.state
  ), told AS (SELECT pg_notify('tollgate_alert', ''))
  SELECT count(*) FILTER (WHERE state = 'waiting') FROM moved, told
$$;

-- What waits for a channel that is removed is never told, whoever removes it.
CREATE FUNCTION tollgate.supersede_alerts() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  UPDATE tollgate.alert_delivery SET state = 'superseded', ended_at = clock_timestamp(), last_error = 'the channel was removed'
  WHERE channel = OLD.name AND state = 'waiting';
  RETURN NULL;
END $$;
CREATE TRIGGER alert_channel_removed AFTER DELETE ON tollgate.alert_channel FOR EACH ROW EXECUTE FUNCTION tollgate.supersede_alerts();

-- Forgets alerts that are over and were told p_keep ago; what is dead stays until a person has acknowledged it. Returns how many.
CREATE FUNCTION tollgate.forget_alerts(p_keep interval) RETURNS bigint
LANGUAGE sql AS $$
  WITH old AS (
    SELECT a.seq FROM tollgate.alert a
    WHERE a.at < clock_timestamp() - p_keep AND NOT (a.is_firing AND a.resolved_at IS NULL)
      AND NOT EXISTS (
        SELECT 1 FROM tollgate.alert_delivery d
        WHERE d.alert_seq = a.seq AND (d.state = 'waiting' OR d.state = 'dead' AND d.acknowledged_at IS NULL OR d.ended_at > clock_timestamp() - p_keep))
    ORDER BY a.seq LIMIT 1000
  ), deliveries AS (
    DELETE FROM tollgate.alert_delivery d USING old WHERE d.alert_seq = old.seq
  ), alerts AS (
    DELETE FROM tollgate.alert a USING old WHERE a.seq = old.seq RETURNING a.seq
  )
  SELECT count(*) FROM alerts
$$;
