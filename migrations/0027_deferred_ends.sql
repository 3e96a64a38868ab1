-- What the end of an item that was handed in alone makes beside its answer: the webhook that tells of it, and the sums that metrics show. Written by the
-- statement that makes its answer readable (0026), so that neither is there without the other. Locks last: sums, then rows of webhooks.

-- One row an item, sent by workers until its channel takes it. `data`: what its body says, the same on every try (activities/batches/delivery).
CREATE TABLE tollgate.deferred_webhook (
  deferred_id     text PRIMARY KEY,
  team_id         text NOT NULL,
  channel         text NOT NULL,
  data            jsonb NOT NULL,
  at              timestamptz NOT NULL,                        -- when its answer became readable
  state           text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'dead')),
  attempts        integer NOT NULL DEFAULT 0,
  first_tried_at  timestamptz,
  next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  busy_until      timestamptz NOT NULL DEFAULT '-infinity',   -- claimed until then, as long as its deliverer lives (0015)
  claimed_by      integer,
  last_error      text,
  answer          text,                                        -- what the receiver said, shortened
  ended_at        timestamptz
) WITH (fillfactor = 70);
CREATE INDEX deferred_webhook_due ON tollgate.deferred_webhook (channel, next_attempt_at) WHERE state = 'waiting';
CREATE INDEX deferred_webhook_busy ON tollgate.deferred_webhook (channel, busy_until) WHERE state = 'waiting';
CREATE INDEX deferred_webhook_ended ON tollgate.deferred_webhook (state, ended_at) WHERE state <> 'waiting';

-- Until when a channel asked to be left alone. Alerts of the same channel have a pause of their own.
CREATE TABLE tollgate.deferred_webhook_pause (
  channel    text PRIMARY KEY,
  paused_till timestamptz NOT NULL
);

-- What ended, for ever: items themselves are forgotten in time. Lane 'none': no part ever carried it. `saved`: what items cost less than in real time.
CREATE TABLE tollgate.deferred_total (
  lane           text NOT NULL,
  outcome        text NOT NULL,
  items          bigint NOT NULL,
  late_items     bigint NOT NULL,
  saved_nano_usd bigint NOT NULL,
  PRIMARY KEY (lane, outcome)
) WITH (fillfactor = 50);

-- What an item cost, with all of its tries: one beside another that ended it is in the ledger alone.
CREATE FUNCTION tollgate.cost_of_item(i tollgate.batch_item) RETURNS bigint
LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN i.try <= 1 THEN i.cost_nano_usd ELSE (
    SELECT coalesce(sum(a.cost_nano_usd), i.cost_nano_usd)::bigint FROM tollgate.attempt a
    WHERE a.request_id = i.custom_id AND a.gateway_id = tollgate.batch_holder(i.batch_number)) END
$$;

-- By team and lane, of what was answered in that time: what it cost with all of its tries, and what the same usage costs in real time.
CREATE FUNCTION tollgate.deferred_sums(p_team text, p_since timestamptz, p_until timestamptz) RETURNS SETOF jsonb
LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('teamId', i.team_id, 'lane', i.lane, 'items', count(*), 'costNanoUsd', coalesce(sum(tollgate.cost_of_item(i)), 0)::text,
    'realTimeNanoUsd', coalesce(sum(coalesce(i.real_time_nano_usd, i.cost_nano_usd)), 0)::text, 'lateItems', count(*) FILTER (WHERE i.answered_at > i.deadline),
    'lateMsMax', coalesce(max(tollgate.to_ms(i.answered_at) - tollgate.to_ms(i.deadline)) FILTER (WHERE i.answered_at > i.deadline), 0))
  FROM tollgate.batch_item i
  WHERE i.attribution IS NOT NULL AND i.lane IS NOT NULL AND (p_team IS NULL OR i.team_id = p_team) AND i.answered_at >= p_since AND i.answered_at < p_until
  GROUP BY i.team_id, i.lane ORDER BY i.team_id, i.lane
$$;

-- These items of the batch have ended, and what came of them can be read from this statement on. Said once of each.
CREATE FUNCTION tollgate.tell_ended(p_number bigint, p_numbers integer[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO tollgate.deferred_total AS t (lane, outcome, items, late_items, saved_nano_usd)
  SELECT coalesce(i.lane, 'none'), i.outcome, count(*), count(*) FILTER (WHERE i.answered_at > i.deadline),
    coalesce(sum(greatest(0, i.real_time_nano_usd - tollgate.cost_of_item(i))), 0)
  FROM tollgate.batch_item i WHERE i.batch_number = p_number AND i.n = ANY (p_numbers)
  GROUP BY 1, 2 ORDER BY 1, 2
  ON CONFLICT (lane, outcome) DO UPDATE SET items = t.items + excluded.items, late_items = t.late_items + excluded.late_items,
    saved_nano_usd = t.saved_nano_usd + excluded.saved_nano_usd;
  INSERT INTO tollgate.deferred_webhook (deferred_id, team_id, channel, at, data)
  SELECT i.custom_id, i.team_id, i.webhook, i.answered_at, jsonb_build_object('deferredId', i.custom_id, 'teamId', i.team_id, 'outcome', i.outcome,
    'lane', i.lane, 'httpStatus', i.http_status, 'deadlineMs', tollgate.to_ms(i.deadline), 'answeredAtMs', tollgate.to_ms(i.answered_at),
    'isLate', coalesce(i.answered_at > i.deadline, false))
  FROM tollgate.batch_item i WHERE i.batch_number = p_number AND i.n = ANY (p_numbers) AND i.webhook IS NOT NULL;
  IF FOUND THEN PERFORM pg_notify('tollgate_deferred_webhook', ''); END IF;
END $$;

-- What a deliverer sends next: due, and claimed by nobody who lives, so that at most p_limit are under way at a channel, of all deliverers. A channel that
-- does not answer holds up no other one. Claimed until p_claim_ms is over, as alerts are (0015).
CREATE FUNCTION tollgate.claim_deferred_webhooks(p_deliverer integer, p_limit integer, p_claim_ms bigint)
RETURNS TABLE (deferred_id text, data jsonb, channel text, channel_kind text, config jsonb, attempt integer, tried_for_ms bigint)
LANGUAGE plpgsql AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
  v_channel record;
  v_living integer[] := tollgate.living_deliverers();
BEGIN
  FOR v_channel IN
    SELECT c.name, c.kind, c.config FROM tollgate.alert_channel c
    WHERE EXISTS (SELECT 1 FROM tollgate.deferred_webhook w WHERE w.channel = c.name AND w.state = 'waiting' AND w.next_attempt_at <= v_now)
      AND NOT EXISTS (SELECT 1 FROM tollgate.deferred_webhook_pause p WHERE p.channel = c.name AND p.paused_till > v_now)
    ORDER BY c.name
  LOOP
    -- Who counts what is under way there counts alone. Another one looks again in a moment.
    CONTINUE WHEN NOT pg_try_advisory_xact_lock(718204027, hashtext(v_channel.name));
    RETURN QUERY
    WITH due AS (
      SELECT w.deferred_id FROM tollgate.deferred_webhook w
      WHERE w.channel = v_channel.name AND w.state = 'waiting' AND w.next_attempt_at <= v_now AND NOT (w.busy_until > v_now AND w.claimed_by = ANY (v_living))
      ORDER BY w.next_attempt_at LIMIT greatest(0, p_limit - (
        SELECT count(*) FROM tollgate.deferred_webhook b
        WHERE b.channel = v_channel.name AND b.state = 'waiting' AND b.busy_until > v_now AND b.claimed_by = ANY (v_living)))
      FOR NO KEY UPDATE OF w
    )
    UPDATE tollgate.deferred_webhook w SET busy_until = v_now + p_claim_ms * interval '1 millisecond', claimed_by = p_deliverer, attempts = w.attempts + 1,
      first_tried_at = coalesce(w.first_tried_at, v_now)
    FROM due WHERE w.deferred_id = due.deferred_id
    RETURNING w.deferred_id, w.data, v_channel.name, v_channel.kind, v_channel.config, w.attempts, (extract(epoch FROM v_now - w.first_tried_at) * 1000)::bigint;
  END LOOP;
END $$;

-- People are told once a day of a team whose items a channel did not take, not once an item.
CREATE FUNCTION tollgate.tell_undelivered(p_team text, p_channel text, p_webhooks bigint, p_said text) RETURNS void
LANGUAGE sql AS $$
  SELECT tollgate.raise_alert(concat_ws('|', 'deferred.undelivered', p_team, p_channel, to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD')), p_team,
    'channel/' || p_channel, 'deferred.undelivered', 'warning', false, jsonb_build_object('channel', p_channel, 'webhooks', p_webhooks, 'said', p_said))
$$;

-- What became of a try. 'delivered' holds whoever says it; 'retry' and 'dead' only by the newest try. p_pause_ms: the channel asked to be left alone for
-- so long. False: somebody else has said it before.
CREATE FUNCTION tollgate.finish_deferred_webhook(p_id text, p_attempt integer, p_outcome text, p_said text, p_retry_ms bigint, p_pause_ms bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  v_webhook tollgate.deferred_webhook;
BEGIN
  UPDATE tollgate.deferred_webhook SET busy_until = '-infinity',
    state = CASE p_outcome WHEN 'retry' THEN 'waiting' ELSE p_outcome END,
    ended_at = CASE WHEN p_outcome <> 'retry' THEN clock_timestamp() END,
    next_attempt_at = clock_timestamp() + p_retry_ms * interval '1 millisecond',
    answer = CASE WHEN p_outcome = 'delivered' THEN p_said ELSE answer END,
    last_error = CASE WHEN p_outcome = 'delivered' THEN last_error ELSE p_said END
  WHERE deferred_id = p_id AND state = 'waiting' AND (p_outcome = 'delivered' OR attempts = p_attempt) RETURNING * INTO v_webhook;
  IF NOT FOUND THEN RETURN false; END IF;
  IF p_pause_ms > 0 THEN
    INSERT INTO tollgate.deferred_webhook_pause AS p (channel, paused_till)
    VALUES (v_webhook.channel, clock_timestamp() + p_pause_ms * interval '1 millisecond')
    ON CONFLICT (channel) DO UPDATE SET paused_till = greatest(p.paused_till, excluded.paused_till);
  END IF;
  IF p_outcome = 'dead' THEN PERFORM tollgate.tell_undelivered(v_webhook.team_id, v_webhook.channel, 1, p_said); END IF;
  RETURN true;
END $$;

-- Gives up what waits for a channel that is there no more. Returns how many.
CREATE FUNCTION tollgate.give_up_orphans(p_most integer) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  c_said constant text := 'there is no such channel any more';
  v_row record;
  v_given_up bigint := 0;
BEGIN
  FOR v_row IN
    WITH orphans AS (
      SELECT w.deferred_id FROM tollgate.deferred_webhook w
      WHERE w.state = 'waiting' AND NOT EXISTS (SELECT 1 FROM tollgate.alert_channel c WHERE c.name = w.channel)
      ORDER BY w.deferred_id LIMIT p_most FOR NO KEY UPDATE OF w SKIP LOCKED
    ), given_up AS (
      UPDATE tollgate.deferred_webhook w SET state = 'dead', ended_at = clock_timestamp(), busy_until = '-infinity', last_error = c_said
      FROM orphans o WHERE w.deferred_id = o.deferred_id RETURNING w.team_id, w.channel
    )
    SELECT team_id, channel, count(*) AS webhooks FROM given_up GROUP BY team_id, channel ORDER BY team_id, channel
  LOOP
    v_given_up := v_given_up + v_row.webhooks;
    PERFORM tollgate.tell_undelivered(v_row.team_id, v_row.channel, v_row.webhooks, c_said);
  END LOOP;
  RETURN v_given_up;
END $$;

-- Sends again what was given up: of one item, of a channel, or (both null) of all. Returns how many wait again.
CREATE FUNCTION tollgate.retry_dead_webhooks(p_id text, p_channel text) RETURNS bigint
LANGUAGE sql AS $$
  WITH moved AS (
    UPDATE tollgate.deferred_webhook SET state = 'waiting', attempts = 0, first_tried_at = NULL, next_attempt_at = clock_timestamp(), ended_at = NULL
    WHERE state = 'dead' AND (p_id IS NULL OR deferred_id = p_id) AND (p_channel IS NULL OR channel = p_channel) RETURNING 1
  ), told AS (SELECT pg_notify('tollgate_deferred_webhook', ''))
  SELECT count(*) FROM moved, told
$$;

-- Forgets what was delivered, or given up, that long ago; a thousand at most. Returns how many.
CREATE FUNCTION tollgate.forget_deferred_webhooks(p_delivered interval, p_dead interval) RETURNS bigint
LANGUAGE sql AS $$
  WITH old AS (
    SELECT deferred_id FROM tollgate.deferred_webhook
    WHERE state = 'delivered' AND ended_at < clock_timestamp() - p_delivered OR state = 'dead' AND ended_at < clock_timestamp() - p_dead LIMIT 1000
  ), forgotten AS (
    DELETE FROM tollgate.deferred_webhook w USING old WHERE w.deferred_id = old.deferred_id RETURNING 1
  )
  SELECT count(*) FROM forgotten
$$;

CREATE INDEX batch_item_overdue ON tollgate.batch_item (deadline) WHERE attribution IS NOT NULL AND answered_at IS NULL AND deadline IS NOT NULL;
CREATE INDEX batch_item_late ON tollgate.batch_item (answered_at) WHERE attribution IS NOT NULL AND answered_at > deadline;

-- One alert of a team whose items are late, however many: it ends when none was for an hour. Returns how many changed.
CREATE FUNCTION tollgate.watch_late_items() RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
  v_row record;
  v_changed bigint := 0;
BEGIN
  FOR v_row IN
    WITH late AS (
      SELECT i.team_id, i.custom_id, true AS is_open, v_now - i.deadline AS late_by FROM tollgate.batch_item i
      WHERE i.attribution IS NOT NULL AND i.answered_at IS NULL AND i.deadline < v_now
      UNION ALL
      SELECT i.team_id, i.custom_id, false, i.answered_at - i.deadline FROM tollgate.batch_item i
      WHERE i.attribution IS NOT NULL AND i.answered_at > i.deadline AND i.answered_at > v_now - interval '1 hour'
    ), late_teams AS (
      SELECT team_id, count(*) AS items, count(*) FILTER (WHERE is_open) AS open_items, floor(extract(epoch FROM max(late_by)) * 1000)::bigint AS late_ms,
        (array_agg(custom_id ORDER BY late_by DESC))[1] AS latest
      FROM late GROUP BY team_id
    ), standing AS (
      SELECT team_id, alert_key, detail FROM tollgate.alert WHERE subject = 'deferred' AND kind = 'deferred.late' AND is_firing AND resolved_at IS NULL
    )
    -- The one before makes the key: who looks at the same time makes the same alert.
    SELECT coalesce(l.team_id, s.team_id) AS team_id, l.items, l.open_items, l.late_ms, l.latest, s.alert_key, s.detail,
      (SELECT coalesce(max(a.seq), 0) FROM tollgate.alert a WHERE a.team_id = l.team_id AND a.subject = 'deferred' AND a.kind = 'deferred.late') AS earlier
    FROM late_teams l FULL JOIN standing s ON s.team_id = l.team_id WHERE l.team_id IS NULL OR s.team_id IS NULL
    ORDER BY 1 LIMIT 100
  LOOP
    IF v_row.alert_key IS NULL THEN
      v_changed := v_changed + tollgate.raise_alert(concat_ws('|', 'deferred.late', v_row.team_id, v_row.earlier), v_row.team_id, 'deferred', 'deferred.late',
        'warning', true, jsonb_build_object('items', v_row.items, 'open', v_row.open_items, 'lateMs', v_row.late_ms, 'latest', v_row.latest))::int;
    ELSE
      v_changed := v_changed + tollgate.raise_alert(v_row.alert_key || '|over', v_row.team_id, 'deferred', 'deferred.late', 'info', false,
        v_row.detail || jsonb_build_object('resolves', v_row.alert_key))::int;
    END IF;
  END LOOP;
  RETURN v_changed;
END $$;
