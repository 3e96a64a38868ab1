-- Rates across gateways: requests and tokens per minute, calls in flight. Each gateway holds a share of every limit it spends from, and
-- counts its own calls of the last minute, or those in flight, against that share by itself; here the shares of one limit are kept from
-- adding up to more than it. No clock is compared: what a gateway spent ages on its own monotonic clock, and only then goes back.
-- Throttles: rates that a key or user has for a while, and the history that says when.

CREATE TABLE tollgate.rate_share (
  counter     text NOT NULL,                        -- team|measure|dimension|how the rule names it|value
  gateway_id  text NOT NULL,
  epoch       bigint NOT NULL,
  is_level    boolean NOT NULL,                     -- calls in flight: nothing ages
  share       bigint NOT NULL CHECK (share >= 0),
  idle        bigint NOT NULL DEFAULT 0,            -- of that, not spent when it was last told
  short       bigint NOT NULL DEFAULT 0,            -- lacked by a call that was not served
  short_until timestamptz NOT NULL DEFAULT '-infinity',
  frees_at    timestamptz,                          -- when the oldest that is spent ages
  seq         bigint NOT NULL,                      -- the exchange that wrote it
  updated_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (counter, gateway_id, epoch)
) WITH (fillfactor = 50);
CREATE INDEX rate_share_short ON tollgate.rate_share (short_until) WHERE short > 0;
CREATE INDEX rate_share_epoch ON tollgate.rate_share (gateway_id, epoch);

-- Until when a share counts whose gateway is not heard of any more: a silent one may spend for as long as its money lease lives (60 s), and
-- what was spent counts for a minute more; calls in flight end with their process.
CREATE FUNCTION tollgate.rate_share_ends_at(p_is_level boolean, p_ended_at timestamptz, p_last_seen_at timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(p_ended_at, p_last_seen_at + interval '60 seconds') + CASE WHEN p_is_level THEN interval '0' ELSE interval '61 seconds' END
$$;

-- Forgets shares of gateways that are gone for good, and those that were given back a while ago; of the named counters, or (null) of all.
CREATE FUNCTION tollgate.forget_rate_shares(p_counters text[]) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_forgotten bigint;
BEGIN
  DELETE FROM tollgate.rate_share s
  WHERE (p_counters IS NULL OR s.counter = ANY (p_counters))
    AND ((s.share = 0 AND s.updated_at < clock_timestamp() - interval '1 minute' AND p_counters IS NULL)
      OR EXISTS (SELECT 1 FROM tollgate.gateway_epoch e WHERE e.gateway_id = s.gateway_id AND e.epoch = s.epoch
        AND tollgate.rate_share_ends_at(s.is_level, least(e.closed_at, e.fenced_at), e.last_seen_at) < clock_timestamp()));
  GET DIAGNOSTICS v_forgotten = ROW_COUNT;
  RETURN v_forgotten;
END $$;

-- What a gateway hears of counters it holds a share of: others are short there.
CREATE FUNCTION tollgate.wanted_rates(p_gateway text, p_epoch bigint) RETURNS json
LANGUAGE sql VOLATILE AS $$
  SELECT coalesce(json_agg(json_build_object('counter', w.counter, 'holders', (
    SELECT count(*) FROM tollgate.rate_share h WHERE h.counter = w.counter AND (h.share > 0 OR h.short_until > clock_timestamp())))), '[]')
  FROM (
    SELECT DISTINCT s.counter FROM tollgate.rate_share s
    JOIN tollgate.rate_share m ON m.counter = s.counter AND m.gateway_id = p_gateway AND m.epoch = p_epoch AND m.share > 0
    WHERE s.short > 0 AND s.short_until > clock_timestamp() AND NOT (s.gateway_id = p_gateway AND s.epoch = p_epoch)
    LIMIT 1000
  ) w
$$;

-- One exchange of a gateway: writes the shares it says it holds (absolute amounts, safe to repeat; p_seq keeps a late statement from undoing
-- a newer one), then raises them for the needs of waiting calls, in order, all or none per call, then lookahead of at most a tenth of the
-- limit over all gateways. Shares of one counter never add up to more than its limit, except by what is spent already.
-- p_needs is row-major (call 1 x counters, call 2 x counters, …); p_idle is the part of the share that is not spent.
CREATE FUNCTION tollgate.take_rate(
  p_gateway text, p_epoch bigint, p_seq bigint, p_counters text[], p_is_level boolean[], p_limits bigint[], p_shares bigint[],
  p_idle bigint[], p_lookahead bigint[], p_frees_in_ms bigint[], p_needs bigint[]
) RETURNS json
LANGUAGE plpgsql AS $$
DECLARE
  n int := cardinality(p_counters);
  v_calls int := cardinality(p_needs) / greatest(n, 1);
  v_live bigint;
  v_free bigint[] := array_fill(0::bigint, ARRAY[n]);    -- room under the limit beside all shares
  v_used bigint[] := array_fill(0::bigint, ARRAY[n]);    -- by the calls served so far
  v_short bigint[] := array_fill(0::bigint, ARRAY[n]);
  v_others_short boolean[] := array_fill(false, ARRAY[n]);
  v_raise bigint[] := array_fill(0::bigint, ARRAY[n]);
  v_served boolean[] := '{}';
  v_fits boolean;
  v_need bigint;
  v_left bigint;
  v_row record;
BEGIN
  SELECT greatest(1, (
    SELECT count(*) FROM tollgate.gateway_epoch WHERE kind = 'gateway' AND closed_at IS NULL AND fenced_at IS NULL AND last_seen_at > clock_timestamp() - interval '1 second'
  )) INTO v_live FROM tollgate.gateway_epoch WHERE gateway_id = p_gateway AND epoch = p_epoch AND fenced_at IS NULL AND closed_at IS NULL;
  IF NOT FOUND THEN RETURN json_build_object('fenced', true); END IF;
  IF n = 0 THEN RETURN json_build_object('served', '[]'::json, 'items', '[]'::json, 'live', v_live, 'wanted', tollgate.wanted_rates(p_gateway, p_epoch)); END IF;
  -- A crash of PostgreSQL may forget the last moment's shares; waiting for the disk would cost every call that asks.
  PERFORM set_config('synchronous_commit', 'off', true);
  PERFORM pg_advisory_xact_lock(718204016, line.number) FROM (SELECT DISTINCT hashtext(counter) AS number FROM unnest(p_counters) AS counter ORDER BY 1) AS line;
  IF EXISTS (SELECT 1 FROM tollgate.rate_share WHERE counter = ANY (p_counters) AND gateway_id = p_gateway AND epoch = p_epoch AND seq >= p_seq) THEN
    RAISE EXCEPTION 'exchange % of gateway % comes too late', p_seq, p_gateway USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  PERFORM tollgate.forget_rate_shares(p_counters);

  FOR v_row IN
    SELECT q.i, greatest(0, q.max - q.share - o.share) AS free, o.is_short
    FROM unnest(p_counters, p_limits, p_shares) WITH ORDINALITY AS q (counter, max, share, i)
    CROSS JOIN LATERAL (
      SELECT coalesce(sum(x.share), 0) AS share, coalesce(bool_or(x.short > 0 AND x.short_until > clock_timestamp()), false) AS is_short
      FROM tollgate.rate_share x WHERE x.counter = q.counter AND NOT (x.gateway_id = p_gateway AND x.epoch = p_epoch)
    ) o
  LOOP
    v_free[v_row.i] := v_row.free;
    v_others_short[v_row.i] := v_row.is_short;
  END LOOP;

  FOR c IN 1..v_calls LOOP
    v_fits := true;
    FOR i IN 1..n LOOP
      v_need := p_needs[(c - 1) * n + i];
      IF v_need > 0 AND v_need > p_idle[i] + v_free[i] - v_used[i] THEN v_fits := false; END IF;
    END LOOP;
    v_served := v_served || v_fits;
    FOR i IN 1..n LOOP
      v_need := p_needs[(c - 1) * n + i];
      IF v_fits THEN
        v_used[i] := v_used[i] + v_need;
      ELSIF v_short[i] = 0 AND v_need > p_idle[i] + v_free[i] - v_used[i] THEN
        v_short[i] := v_need - greatest(0, p_idle[i] + v_free[i] - v_used[i]);
      END IF;
    END LOOP;
  END LOOP;
  FOR i IN 1..n LOOP
    v_raise[i] := greatest(0, v_used[i] - p_idle[i]);
    v_left := greatest(0, p_idle[i] - v_used[i]);
    IF NOT v_others_short[i] AND v_short[i] = 0 THEN
      v_raise[i] := v_raise[i] + greatest(0, least(p_lookahead[i], p_limits[i] / (10 * v_live) - v_left, v_free[i] - v_raise[i]));
    END IF;
  END LOOP;

  INSERT INTO tollgate.rate_share AS s (counter, gateway_id, epoch, is_level, share, idle, short, short_until, frees_at, seq)
  SELECT q.counter, p_gateway, p_epoch, q.is_level, q.share + q.raise, greatest(0, q.idle + q.raise - q.used), q.short,
    CASE WHEN q.short > 0 THEN clock_timestamp() + interval '2 seconds' ELSE '-infinity' END,
    clock_timestamp() + q.frees_in_ms * interval '1 millisecond', p_seq
  FROM unnest(p_counters, p_is_level, p_shares, v_raise, p_idle, v_used, v_short, p_frees_in_ms)
    AS q (counter, is_level, share, raise, idle, used, short, frees_in_ms)
  ON CONFLICT (counter, gateway_id, epoch) DO UPDATE SET share = excluded.share, idle = excluded.idle, short = excluded.short,
    short_until = excluded.short_until, frees_at = excluded.frees_at, seq = excluded.seq, updated_at = clock_timestamp();
  RETURN json_build_object('served', to_json(v_served), 'live', v_live, 'items', tollgate.rate_items(p_gateway, p_epoch, p_counters),
    'wanted', tollgate.wanted_rates(p_gateway, p_epoch));
END $$;

-- The share of one gateway in each counter, and what others hold there.
CREATE FUNCTION tollgate.rate_items(p_gateway text, p_epoch bigint, p_counters text[]) RETURNS json
LANGUAGE sql VOLATILE AS $$
  SELECT json_agg(json_build_object('share', o.share, 'others', o.others, 'othersIdle', o.others_idle, 'othersShort', o.others_short,
    'holders', o.holders, 'freesInMs', o.frees_in_ms) ORDER BY q.i)
  FROM unnest(p_counters) WITH ORDINALITY AS q (counter, i)
  CROSS JOIN LATERAL (
    SELECT coalesce(sum(x.share) FILTER (WHERE x.is_mine), 0) AS share,
      coalesce(sum(x.share) FILTER (WHERE NOT x.is_mine), 0) AS others, coalesce(sum(x.idle) FILTER (WHERE NOT x.is_mine), 0) AS others_idle,
      coalesce(sum(x.short) FILTER (WHERE NOT x.is_mine AND x.short_until > clock_timestamp()), 0) AS others_short,
      count(*) FILTER (WHERE x.share > 0 OR x.short_until > clock_timestamp()) AS holders,
      floor(extract(epoch FROM min(x.frees_at) FILTER (WHERE NOT x.is_mine) - clock_timestamp()) * 1000) AS frees_in_ms
    FROM (SELECT y.*, y.gateway_id = p_gateway AND y.epoch = p_epoch AS is_mine FROM tollgate.rate_share y WHERE y.counter = q.counter) x
  ) o
$$;

-- One alert about a throttle, where this installation has alerts. False: it is known, or there are none.
CREATE FUNCTION tollgate.raise_velocity_alert(p_key text, p_team text, p_kind text, p_is_firing boolean, p_detail jsonb) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  v_is_new boolean := false;
BEGIN
  IF to_regprocedure('tollgate.raise_alert(text, text, text, text, text, boolean, jsonb)') IS NULL THEN RETURN false; END IF;
  EXECUTE 'SELECT tollgate.raise_alert($1, $2, $3, $4, $5, $6, $7)' INTO v_is_new USING p_key, p_team, '', p_kind, 'warning', p_is_firing, p_detail;
  RETURN v_is_new;
END $$;

-- Sets or lengthens a throttle; the gateways act on it by the change log. Returns whether it began now.
CREATE FUNCTION tollgate.set_throttle(
  p_team text, p_dimension text, p_value text, p_requests_per_minute integer, p_until timestamptz, p_reason text, p_alert_key text, p_by text
) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  v_known tollgate.throttle;
BEGIN
  SELECT * INTO v_known FROM tollgate.throttle WHERE team_id = p_team AND dimension = p_dimension AND value = p_value FOR UPDATE;
  IF FOUND AND v_known.until > clock_timestamp() THEN
    UPDATE tollgate.throttle SET until = greatest(until, p_until), requests_per_minute = p_requests_per_minute, reason = p_reason
    WHERE team_id = p_team AND dimension = p_dimension AND value = p_value;
  ELSE
    INSERT INTO tollgate.throttle (team_id, dimension, value, requests_per_minute, until, reason, alert_key, set_by)
    VALUES (p_team, p_dimension, p_value, p_requests_per_minute, p_until, p_reason, p_alert_key, p_by)
    ON CONFLICT (team_id, dimension, value) DO UPDATE SET requests_per_minute = excluded.requests_per_minute, until = excluded.until,
      reason = excluded.reason, alert_key = excluded.alert_key, set_at = clock_timestamp(), set_by = excluded.set_by;
  END IF;
  PERFORM tollgate.record_change('team', p_team, p_by, jsonb_build_object('action', 'throttled', 'dimension', p_dimension, 'value', p_value,
    'requestsPerMinute', p_requests_per_minute, 'until', p_until, 'reason', p_reason));
  RETURN v_known.team_id IS NULL OR v_known.until <= clock_timestamp();
END $$;

-- Ends a throttle before its time, and withdraws its alert; false when there is none.
CREATE FUNCTION tollgate.end_throttle(p_team text, p_dimension text, p_value text, p_by text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  v_ended tollgate.throttle;
BEGIN
  DELETE FROM tollgate.throttle WHERE team_id = p_team AND dimension = p_dimension AND value = p_value AND until > clock_timestamp() RETURNING * INTO v_ended;
  IF NOT FOUND THEN RETURN false; END IF;
  PERFORM tollgate.raise_velocity_alert(v_ended.alert_key || '/ended', p_team, 'velocity.' || p_dimension, false,
    jsonb_build_object('value', p_value, 'alertKey', v_ended.alert_key, 'endedBy', p_by));
  PERFORM tollgate.record_change('team', p_team, p_by, jsonb_build_object('action', 'throttle ended', 'dimension', p_dimension, 'value', p_value));
  RETURN true;
END $$;

-- Forgets throttles whose time is over and withdraws their alerts; gateways ended them by themselves. Returns how many.
CREATE FUNCTION tollgate.expire_throttles() RETURNS bigint
LANGUAGE sql VOLATILE AS $$
  WITH ended AS (DELETE FROM tollgate.throttle WHERE until <= clock_timestamp() RETURNING *)
  SELECT count(*) FROM (
    SELECT tollgate.raise_velocity_alert(alert_key || '/ended', team_id, 'velocity.' || dimension, false,
      jsonb_build_object('value', value, 'alertKey', alert_key, 'endedAt', until)) FROM ended OFFSET 0
  ) told
$$;

-- What each key and user spent in ten minutes: their own history. Written once per ten minutes, from attempts of that time.
CREATE TABLE tollgate.velocity_bucket (
  team_id       text NOT NULL,
  dimension     text NOT NULL,                      -- 'key' | 'user'
  value         text NOT NULL,
  starts_at     timestamptz NOT NULL,
  cost_nano_usd bigint NOT NULL,
  calls         bigint NOT NULL,
  PRIMARY KEY (team_id, dimension, value, starts_at)
);
CREATE INDEX velocity_bucket_starts ON tollgate.velocity_bucket (starts_at);
CREATE TABLE tollgate.velocity_progress (is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only), counted_until timestamptz NOT NULL);
CREATE INDEX attempt_at ON tollgate.attempt USING brin (at) WITH (autosummarize = on);

-- What each key and user spent in a time, from the attempts.
CREATE FUNCTION tollgate.velocity_between(p_from timestamptz, p_to timestamptz)
RETURNS TABLE (team_id text, dimension text, value text, cost_nano_usd bigint, calls bigint)
LANGUAGE sql STABLE AS $$
  SELECT a.team_id, d.dimension, d.value, sum(a.cost_nano_usd)::bigint, count(*)
  FROM tollgate.attempt a
  CROSS JOIN LATERAL (VALUES ('key', a.key_id), ('user', a.user_id)) AS d (dimension, value)
  WHERE a.at >= p_from AND a.at < p_to AND d.value IS NOT NULL
  GROUP BY a.team_id, d.dimension, d.value
$$;

-- Takes the next finished ten minutes into the history, at most p_max of them and for about two seconds; begins 14 days back and forgets
-- what is older. One at a time.
CREATE FUNCTION tollgate.count_velocity(p_max integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
  v_started timestamptz := clock_timestamp();
  v_from timestamptz;
  v_counted integer := 0;
BEGIN
  IF NOT pg_try_advisory_xact_lock(718204016, 0) THEN RETURN 0; END IF;
  SELECT counted_until INTO v_from FROM tollgate.velocity_progress;
  v_from := greatest(v_from, date_bin('10 minutes', clock_timestamp() - interval '14 days 1 hour', 'epoch'));
  WHILE v_counted < p_max AND v_from + interval '10 minutes 10 seconds' <= clock_timestamp() LOOP
    INSERT INTO tollgate.velocity_bucket (team_id, dimension, value, starts_at, cost_nano_usd, calls)
    SELECT v.team_id, v.dimension, v.value, v_from, v.cost_nano_usd, v.calls FROM tollgate.velocity_between(v_from, v_from + interval '10 minutes') v
    ON CONFLICT DO NOTHING;
    v_from := v_from + interval '10 minutes';
    v_counted := v_counted + 1;
    EXIT WHEN clock_timestamp() > v_started + interval '2 seconds';
  END LOOP;
  INSERT INTO tollgate.velocity_progress (counted_until) VALUES (v_from) ON CONFLICT (is_only) DO UPDATE SET counted_until = excluded.counted_until;
  DELETE FROM tollgate.velocity_bucket WHERE starts_at < clock_timestamp() - interval '14 days 2 hours';
  RETURN v_counted;
END $$;

-- Whether a ten-minute bucket of an earlier day stands within an hour of the same time of day (UTC).
CREATE FUNCTION tollgate.is_same_hour(p_bucket timestamptz, p_now timestamptz) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
  SELECT p_bucket < p_now - interval '12 hours'
    AND abs(mod(mod(extract(epoch FROM p_now - p_bucket)::bigint, 86400) + 43200, 86400) - 43200) <= 3600
$$;

-- Keys and users that spent their team's minimum (p_minimum_nano_usd where it names none) in the last ten minutes, the dearest first, with
-- their own ten minutes of the same hours of the last 14 days (one hour to either side; what is left out there was nothing) and the whole
-- days they are known.
CREATE FUNCTION tollgate.velocity_candidates(p_minimum_nano_usd bigint, p_limit integer) RETURNS TABLE (
  team_id text, policy jsonb, dimension text, value text, cost_nano_usd bigint, calls bigint, history_days integer, history bigint[],
  throttled_per_minute integer, throttled_until timestamptz)
LANGUAGE sql STABLE AS $$
  WITH recent AS MATERIALIZED (SELECT * FROM tollgate.velocity_between(now() - interval '10 minutes', now()))
  SELECT r.team_id, t.policy, r.dimension, r.value, r.cost_nano_usd, r.calls, h.days, h.costs, x.requests_per_minute, x.until
  FROM recent r JOIN tollgate.team t ON t.id = r.team_id AND t.deleted_at IS NULL
  CROSS JOIN LATERAL (
    SELECT coalesce(floor(extract(epoch FROM now() - min(b.starts_at)) / 86400), 0)::integer AS days,
      coalesce(array_agg(b.cost_nano_usd) FILTER (WHERE tollgate.is_same_hour(b.starts_at, now())), '{}') AS costs
    FROM tollgate.velocity_bucket b
    WHERE b.team_id = r.team_id AND b.dimension = r.dimension AND b.value = r.value AND b.starts_at > now() - interval '14 days 1 hour'
  ) h
  LEFT JOIN tollgate.throttle x ON x.team_id = r.team_id AND x.dimension = r.dimension AND x.value = r.value AND x.until > now()
  WHERE r.cost_nano_usd >= coalesce((t.policy ->> 'velocityMinimumNanoUsd')::bigint, p_minimum_nano_usd)
  ORDER BY r.cost_nano_usd DESC LIMIT p_limit
$$;
