-- Reports of days, weeks and months, written once and kept; and the dearest calls of each hour.

-- A report is data (domain/reports/report.ts); pages are made of it when they are asked for. Nothing is ever replaced: written again, it is another edition.
CREATE TABLE tollgate.report (
  kind           text NOT NULL CHECK (kind IN ('daily', 'weekly', 'monthly')),
  date           date NOT NULL,                  -- first day of its period, in the time zone it names
  team_id        text NOT NULL,                  -- '@organization' = of all teams
  edition        integer NOT NULL CHECK (edition >= 1),
  written_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  written_by     text NOT NULL,
  spent_nano_usd numeric NOT NULL,
  digest         text NOT NULL,                  -- of what it says, without the cut of the books it was written from
  content        jsonb NOT NULL,
  workflow_id    text,                           -- that wrote it; null = somebody who asked for it
  PRIMARY KEY (kind, date, team_id, edition)
);
CREATE INDEX report_listed ON tollgate.report (date DESC, kind, team_id);
CREATE INDEX report_of_team ON tollgate.report (team_id, date DESC);

-- Keeps a report that is new, or that says something else than its newest edition and was asked for again. Returns the edition that holds.
CREATE FUNCTION tollgate.store_report(
  p_kind text, p_date date, p_team text, p_by text, p_spent numeric, p_digest text, p_content jsonb, p_again boolean, p_workflow text, OUT edition integer, OUT is_new boolean)
LANGUAGE plpgsql AS $$
DECLARE
  v_digest text;
BEGIN
  PERFORM pg_advisory_xact_lock(718204035, hashtext(p_kind || p_date || p_team));
  SELECT r.edition, r.digest INTO edition, v_digest FROM tollgate.report r
  WHERE r.kind = p_kind AND r.date = p_date AND r.team_id = p_team ORDER BY r.edition DESC LIMIT 1;
  is_new := edition IS NULL OR p_again AND v_digest <> p_digest;
  IF NOT is_new THEN RETURN; END IF;
  edition := coalesce(edition, 0) + 1;
  INSERT INTO tollgate.report (kind, date, team_id, edition, written_by, spent_nano_usd, digest, content, workflow_id)
  VALUES (p_kind, p_date, p_team, edition, p_by, p_spent, p_digest, p_content, p_workflow);
END $$;

-- Tells a report once, whatever its editions, as raise_alert (0015) makes an alert that only says that it happened. Other routes than those of alerts: one of
-- a team goes where routes of that team say, so that a thousand teams' reports are not the organisation's news; and a route that names no kinds takes reports
-- to no channel that wakes people, which a receiver of incidents is.
CREATE FUNCTION tollgate.tell_report(p_kind text, p_date date, p_team text, p_detail jsonb) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  v_key text := 'report.' || p_kind || '|' || p_date || '|' || p_team;
  v_alert_kind text := 'report.' || p_kind;
  v_subject text := 'report/' || p_kind;
  v_seq bigint;
BEGIN
  PERFORM pg_advisory_xact_lock(718204015, hashtext(p_team || ' ' || v_subject)); -- numbers in the order of commits
  INSERT INTO tollgate.alert (id, alert_key, team_id, subject, kind, severity, is_firing, detail)
  VALUES ('alr_' || left(encode(sha256(convert_to(v_key, 'UTF8')), 'hex'), 24), v_key, p_team, v_subject, v_alert_kind, 'info', false, p_detail)
  ON CONFLICT (alert_key) DO NOTHING RETURNING seq INTO v_seq;
  IF v_seq IS NULL THEN RETURN false; END IF;
  INSERT INTO tollgate.alert_delivery (alert_seq, channel, team_id, subject)
  SELECT DISTINCT v_seq, r.channel, p_team, v_subject
  FROM tollgate.alert_route r JOIN tollgate.alert_channel c ON c.name = r.channel
  WHERE r.team_id = p_team AND (v_alert_kind = ANY (r.kinds) OR r.kinds = '{}' AND c.kind NOT IN ('pagerduty', 'alertmanager'));
  PERFORM pg_notify('tollgate_alert', '');
  RETURN true;
END $$;

-- The dearest calls of each team and hour of UTC, ten at most, so that the dearest of any time are found among a few: to look for them among the calls
-- themselves would take an index that every settled call pays for. Fed from chunks as the sums of spend are (0032), and never ahead of them.
CREATE TABLE tollgate.dear_call (
  starts_at       timestamptz NOT NULL,
  team_id         text NOT NULL,
  attempt_id      text NOT NULL,
  at              timestamptz NOT NULL,
  amount_nano_usd bigint NOT NULL,               -- as it was booked
  PRIMARY KEY (starts_at, team_id, attempt_id)
);
CREATE INDEX dear_call_amount ON tollgate.dear_call (starts_at, amount_nano_usd DESC);
CREATE TABLE tollgate.dear_counted (
  gateway_id text NOT NULL,
  epoch      bigint NOT NULL,
  chunk_seq  bigint NOT NULL,
  PRIMARY KEY (gateway_id, epoch)
) WITH (fillfactor = 50);

-- Looks through chunks that the sums have and this has not, p_chunks or up to twice as many. Returns how many there were: fewer than p_chunks means all.
-- What costs less than a tenth of a cent is nobody's dearest call.
CREATE FUNCTION tollgate.count_dear_calls(p_chunks integer) RETURNS integer
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  v_counted integer;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('tollgate.dear_call', 0));
  WITH behind AS (
    SELECT s.gateway_id, s.epoch, coalesce(d.chunk_seq, 0) AS after_seq, least(s.chunk_seq, coalesce(d.chunk_seq, 0) + p_chunks) AS to_seq
    FROM tollgate.spend_counted s LEFT JOIN tollgate.dear_counted d ON d.gateway_id = s.gateway_id AND d.epoch = s.epoch
    WHERE s.chunk_seq > coalesce(d.chunk_seq, 0)
  ), due AS MATERIALIZED (
    SELECT gateway_id, epoch, after_seq, to_seq
    FROM (SELECT b.*, sum(to_seq - after_seq) OVER (ORDER BY gateway_id, epoch) - (to_seq - after_seq) AS chunks_before FROM behind b) r
    WHERE chunks_before < p_chunks
  ), candidate AS MATERIALIZED (
    SELECT starts_at, team_id, attempt_id, at, amount_nano_usd FROM (
      SELECT date_trunc('hour', e.at, 'UTC') AS starts_at, substr(e.debit_account, 6) AS team_id, e.attempt_id, e.at, e.amount_nano_usd,
             row_number() OVER (PARTITION BY date_trunc('hour', e.at, 'UTC'), e.debit_account ORDER BY e.amount_nano_usd DESC, e.attempt_id) AS place
      FROM due d CROSS JOIN LATERAL (
        SELECT x.* FROM tollgate.entry x WHERE x.gateway_id = d.gateway_id AND x.epoch = d.epoch AND x.chunk_seq > d.after_seq AND x.chunk_seq <= d.to_seq OFFSET 0
      ) e
      WHERE e.kind IN ('charge', 'unresolved', 'estimated') AND e.attempt_id IS NOT NULL AND e.amount_nano_usd >= 1000000 AND starts_with(e.debit_account, 'team/')
    ) c WHERE place <= 10
  ), ranked AS MATERIALIZED (
    SELECT x.*, row_number() OVER (PARTITION BY starts_at, team_id ORDER BY amount_nano_usd DESC, attempt_id) AS place FROM (
      SELECT c.*, true AS is_new FROM candidate c
      UNION ALL
      SELECT d.starts_at, d.team_id, d.attempt_id, d.at, d.amount_nano_usd, false FROM (SELECT DISTINCT starts_at, team_id FROM candidate) c
      JOIN tollgate.dear_call d ON d.starts_at = c.starts_at AND d.team_id = c.team_id
    ) x
  ), gone AS (
    DELETE FROM tollgate.dear_call d USING ranked r
    WHERE NOT r.is_new AND r.place > 10 AND d.starts_at = r.starts_at AND d.team_id = r.team_id AND d.attempt_id = r.attempt_id
  ), added AS (
    INSERT INTO tollgate.dear_call (starts_at, team_id, attempt_id, at, amount_nano_usd)
    SELECT starts_at, team_id, attempt_id, at, amount_nano_usd FROM ranked WHERE is_new AND place <= 10
    ON CONFLICT DO NOTHING
  ), counted AS (
    INSERT INTO tollgate.dear_counted AS s (gateway_id, epoch, chunk_seq)
    SELECT gateway_id, epoch, to_seq FROM due
    ON CONFLICT (gateway_id, epoch) DO UPDATE SET chunk_seq = excluded.chunk_seq
  )
  SELECT coalesce(sum(to_seq - after_seq), 0) INTO v_counted FROM due;
  RETURN v_counted;
END $$;

-- Batches that ended in a time, and what their items cost and would have cost in real time, without reading the items.
CREATE INDEX batch_ended ON tollgate.batch (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX batch_item_billed ON tollgate.batch_item (batch_number) INCLUDE (cost_nano_usd, real_time_nano_usd) WHERE cost_nano_usd IS NOT NULL;

-- What calls that a budget selects cost, of hours that began from p_from to before p_to. p_team null: of all teams.
CREATE FUNCTION tollgate.spent_between(p_team text, p_dimension text, p_value text, p_from timestamptz, p_to timestamptz) RETURNS numeric
LANGUAGE sql STABLE AS $$
  WITH slice AS MATERIALIZED (
    SELECT s.id FROM tollgate.spend_slice s
    WHERE s.dimension = '' AND (p_team IS NULL OR s.debit_account = 'team/' || p_team) AND CASE p_dimension
      WHEN 'feature' THEN s.feature = p_value WHEN 'model' THEN s.model = p_value WHEN 'provider' THEN s.credit_account = 'provider/' || p_value
      WHEN 'key' THEN s.key_id = p_value WHEN 'environment' THEN s.environment = p_value ELSE true END
  ), edge AS (
    SELECT CASE WHEN f < t THEN f ELSE p_to END AS days_from, CASE WHEN f < t THEN t ELSE p_to END AS days_to
    FROM (SELECT date_trunc('day', p_from + interval '1 day' - interval '1 microsecond', 'UTC') AS f, date_trunc('day', p_to, 'UTC') AS t) x
  )
  SELECT coalesce(sum(x.amount_nano_usd), 0) FROM edge e CROSS JOIN slice s CROSS JOIN LATERAL (
    SELECT h.amount_nano_usd FROM tollgate.spend_hour h WHERE h.slice_id = s.id AND h.starts_at >= p_from AND h.starts_at < e.days_from
    UNION ALL
    SELECT d.amount_nano_usd FROM tollgate.spend_utc_day d WHERE d.slice_id = s.id AND d.starts_at >= e.days_from AND d.starts_at < e.days_to
    UNION ALL
    SELECT h.amount_nano_usd FROM tollgate.spend_hour h WHERE h.slice_id = s.id AND h.starts_at >= e.days_to AND h.starts_at < p_to
  ) x
$$;
