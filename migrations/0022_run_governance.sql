-- Agent runs for people: what the workflows of runs are told, what people are shown, and the alerts about runs (docs/adr/0011-agent-runs.md, 17).
-- PostgreSQL holds the state of a run; what is here reads it, notes what was told of it, and makes alerts of it. One function call in one
-- statement each. Locks: run rows by number, then the subject of an alert (0015). The planner setting: what is asked for several times a second
-- is planned once, and a plan made while the tables were empty must not scan or sort them once they are large.

ALTER TABLE tollgate.run_event ADD COLUMN is_alerted boolean NOT NULL DEFAULT false; -- its alert was made, or it needs none
CREATE INDEX run_event_unalerted ON tollgate.run_event (seq) WHERE NOT is_alerted AND kind IN ('warned', 'paused', 'stopped');
CREATE INDEX run_untold_held ON tollgate.run (number) WHERE is_governed AND told_version < version AND state IN ('paused', 'stopped');
CREATE INDEX run_untold_known ON tollgate.run (number) WHERE is_governed AND told_version < version AND told_version > 0;
CREATE INDEX run_untold_over ON tollgate.run (number) WHERE is_governed AND told_version < version AND told_version = 0 AND state = 'finished';
CREATE INDEX run_held ON tollgate.run ((hold ->> 'ofRunId')) WHERE state IN ('paused', 'stopped');
CREATE INDEX run_held_newest ON tollgate.run (number) WHERE state IN ('paused', 'stopped');
CREATE INDEX attempt_run_lately ON tollgate.attempt (at) WHERE run_ids IS NOT NULL;

-- A run as people are shown it: the chain (0021), its last steps and what happened to it, both oldest first.
CREATE FUNCTION tollgate.run_picture(p_number bigint, p_steps integer, p_events integer) RETURNS jsonb
LANGUAGE sql VOLATILE SET enable_seqscan = off AS $$
  SELECT jsonb_strip_nulls(jsonb_build_object('pauseHours', t.runs -> 'pauseHours')) || jsonb_build_object(
    'chain', tollgate.run_chain(r.path),
    'rootRunId', root.id,
    'parentRunId', parent.id,
    'openedAtMs', floor(extract(epoch FROM r.opened_at) * 1000),
    'heldAtMs', CASE WHEN r.state IN ('paused', 'stopped') THEN floor(extract(epoch FROM r.held_at) * 1000) END,
    'steps', (
      SELECT coalesce(jsonb_agg(s.step ORDER BY s.at, s.attempt_id), '[]') FROM (
        SELECT a.at, a.attempt_id, jsonb_build_object('atMs', floor(extract(epoch FROM a.reserved_at) * 1000), 'requestId', a.request_id,
          'model', a.model, 'costNanoUsd', a.cost_nano_usd::text, 'tokens', a.cost_tokens, 'outcome', a.outcome) AS step
        FROM tollgate.attempt a WHERE a.run_ids IS NOT NULL AND a.run_ids[cardinality(a.run_ids)] = r.number ORDER BY a.at DESC LIMIT p_steps
      ) s),
    'events', (
      SELECT coalesce(jsonb_agg(x.event ORDER BY x.seq), '[]') FROM (
        SELECT e.seq, jsonb_build_object('seq', e.seq::text, 'atMs', floor(extract(epoch FROM e.at) * 1000), 'kind', e.kind, 'detail', e.detail) AS event
        FROM tollgate.run_event e WHERE e.run_number = r.number ORDER BY e.seq DESC LIMIT p_events
      ) x))
  FROM tollgate.run r JOIN tollgate.team t ON t.id = r.team_id JOIN tollgate.run root ON root.number = r.root_number
  LEFT JOIN tollgate.run parent ON parent.number = r.parent_number
  WHERE r.number = p_number
$$;

CREATE FUNCTION tollgate.run_snapshot(p_run_id text, p_steps integer DEFAULT 20) RETURNS jsonb
LANGUAGE sql VOLATILE AS $$
  SELECT tollgate.run_picture(r.number, p_steps, 20) FROM tollgate.run r WHERE r.id = p_run_id
$$;

-- The next runs whose workflow is to be told, as {number, version, isNew, untold, picture}: held ones first, then registered ones, then warned
-- ones, then those of `p_moved`, which took steps since; at most `p_starts` that have no workflow yet and `p_limit` that have one, so that
-- neither waits behind many of the other. `p_except`: told of a moment ago. A run that ended before anybody was told of it gets no workflow.
CREATE FUNCTION tollgate.runs_to_tell(p_limit integer, p_starts integer, p_except bigint[], p_moved bigint[]) RETURNS SETOF jsonb
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
  v_over bigint[];
BEGIN
  SELECT array_agg(o.number) INTO v_over FROM (
    SELECT r.number FROM tollgate.run r WHERE r.is_governed AND r.told_version < r.version AND r.told_version = 0 AND r.state = 'finished'
    ORDER BY r.number LIMIT 500 FOR NO KEY UPDATE SKIP LOCKED
  ) o;
  UPDATE tollgate.run r SET told_version = r.version, is_governed = false WHERE r.number = ANY (v_over);
  UPDATE tollgate.run_event e SET is_told = true WHERE e.seq IN (
    SELECT x.seq FROM tollgate.run_event x JOIN tollgate.run r ON r.number = x.run_number
    WHERE NOT x.is_told AND x.kind <> 'opened' AND r.state = 'finished' AND (r.told_version = 0 OR r.number = ANY (v_over)) ORDER BY x.seq LIMIT 500);
  RETURN QUERY
  WITH due AS (
    (SELECT r.number, 1 AS place FROM tollgate.run r WHERE r.is_governed AND r.told_version < r.version AND r.state IN ('paused', 'stopped')
       AND r.told_version = 0 AND NOT r.number = ANY (p_except) ORDER BY r.number LIMIT p_starts)
    UNION ALL
    (SELECT r.number, 2 FROM tollgate.run r WHERE r.is_governed AND r.told_version < r.version
       AND r.told_version = 0 AND NOT r.number = ANY (p_except) ORDER BY r.number LIMIT p_starts)
    UNION ALL
    (SELECT r.number, CASE WHEN r.state IN ('paused', 'stopped') THEN 1 ELSE 2 END AS place FROM tollgate.run r WHERE r.is_governed AND r.told_version < r.version
       AND r.told_version > 0 AND NOT r.number = ANY (p_except) ORDER BY place, r.number LIMIT p_limit)
    UNION ALL
    (SELECT e.run_number, 3 FROM tollgate.run_event e WHERE NOT e.is_told AND e.kind <> 'opened' AND NOT e.run_number = ANY (p_except) ORDER BY e.seq LIMIT 500)
    UNION ALL
    (SELECT m.number, 4 FROM unnest(p_moved) AS m (number) WHERE NOT m.number = ANY (p_except) LIMIT p_limit)
  ), known AS (
    SELECT r.number, min(d.place) AS place, r.told_version = 0 AS is_new FROM due d JOIN tollgate.run r ON r.number = d.number GROUP BY r.number
  ), chosen AS (
    (SELECT k.number, k.place FROM known k WHERE k.is_new ORDER BY k.place, k.number LIMIT p_starts)
    UNION ALL
    (SELECT k.number, k.place FROM known k WHERE NOT k.is_new ORDER BY k.place, k.number LIMIT p_limit)
  )
  SELECT jsonb_build_object('number', r.number::text, 'version', r.version::text, 'isNew', r.told_version = 0,
    'untold', (SELECT coalesce(jsonb_agg(u.seq::text), '[]') FROM (
      SELECT e.seq FROM tollgate.run_event e WHERE e.run_number = r.number AND NOT e.is_told AND e.kind <> 'opened' ORDER BY e.seq LIMIT 1000) u),
    'picture', tollgate.run_picture(r.number, 20, 20))
  FROM chosen n JOIN tollgate.run r ON r.number = n.number ORDER BY n.place, n.number;
END $$;

-- Governed runs that took steps lately: their workflows are shown what was spent.
CREATE FUNCTION tollgate.runs_moved(p_within_ms bigint) RETURNS SETOF bigint
LANGUAGE sql STABLE SET enable_seqscan = off AS $$
  SELECT r.number FROM (
    SELECT DISTINCT n.number FROM tollgate.attempt a CROSS JOIN LATERAL unnest(a.run_ids) AS n (number)
    WHERE a.run_ids IS NOT NULL AND a.at > statement_timestamp() - p_within_ms * interval '1 millisecond'
  ) moved JOIN tollgate.run r ON r.number = moved.number WHERE r.is_governed AND r.state <> 'finished' LIMIT 5000
$$;

-- Workflows were told of these runs in these versions, and of these events. From then on they are told of whatever changes.
CREATE FUNCTION tollgate.run_told(p_numbers bigint[], p_versions bigint[], p_event_seqs bigint[]) RETURNS void
LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
  PERFORM 1 FROM tollgate.run r WHERE r.number = ANY (p_numbers) ORDER BY r.number FOR NO KEY UPDATE;
  UPDATE tollgate.run r SET told_version = greatest(r.told_version, t.version), is_governed = true
  FROM unnest(p_numbers, p_versions) AS t (number, version) WHERE r.number = t.number AND (r.told_version < t.version OR NOT r.is_governed);
  UPDATE tollgate.run_event e SET is_told = true WHERE e.seq = ANY (p_event_seqs) AND NOT e.is_told;
END $$;

-- Runs for a list, newest first: {teamId?, state?, before?, limit}.
CREATE FUNCTION tollgate.list_runs(p_filter jsonb) RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
DECLARE
  v_team text := p_filter ->> 'teamId';
  v_state text := p_filter ->> 'state';
  v_before bigint := coalesce((p_filter ->> 'before')::bigint, 9223372036854775807);
  v_limit integer := (p_filter ->> 'limit')::integer;
  v_numbers bigint[];
BEGIN
  -- Each way has its index.
  IF v_team IS NOT NULL AND v_state IS NOT NULL THEN
    SELECT array_agg(x.number) INTO v_numbers FROM (
      SELECT r.number FROM tollgate.run r WHERE r.team_id = v_team AND r.state = v_state AND r.number < v_before ORDER BY r.number DESC LIMIT v_limit) x;
  ELSIF v_team IS NOT NULL THEN
    SELECT array_agg(x.number) INTO v_numbers FROM (
      SELECT s.number FROM unnest(ARRAY['running', 'paused', 'stopped', 'finished']) AS k (state) CROSS JOIN LATERAL (
        SELECT r.number FROM tollgate.run r WHERE r.team_id = v_team AND r.state = k.state AND r.number < v_before ORDER BY r.number DESC LIMIT v_limit
      ) s ORDER BY s.number DESC LIMIT v_limit) x;
  ELSIF v_state IN ('paused', 'stopped') THEN
    SELECT array_agg(x.number) INTO v_numbers FROM (
      SELECT r.number FROM tollgate.run r
      WHERE r.state IN ('paused', 'stopped') AND r.state = v_state AND r.number < v_before ORDER BY r.number DESC LIMIT v_limit) x;
  ELSE
    SELECT array_agg(x.number) INTO v_numbers FROM (
      SELECT r.number FROM tollgate.run r WHERE (v_state IS NULL OR r.state = v_state) AND r.number < v_before ORDER BY r.number DESC LIMIT v_limit) x;
  END IF;
  RETURN QUERY
  SELECT jsonb_build_object('number', r.number::text, 'runId', r.id, 'teamId', r.team_id, 'state', r.state, 'origin', r.origin, 'version', r.version::text,
    'hold', r.hold, 'openedAtMs', floor(extract(epoch FROM r.opened_at) * 1000),
    'costNanoUsd', p.cost::text, 'steps', p.steps)
  FROM tollgate.run r CROSS JOIN LATERAL (
    SELECT coalesce(sum(x.cost_nano_usd), 0) AS cost, coalesce(sum(x.steps), 0) AS steps FROM tollgate.run_part x WHERE x.run_number = r.number
  ) p
  WHERE r.number = ANY (v_numbers) ORDER BY r.number DESC;
END $$;

-- The alert that something which happened to a run makes; its subject is the run whose ceiling it is, so that a thousand agents that meet
-- the ceiling of one root are one alert. A pause fires until nothing is paused there any more, a stop by a guard for as long as it may be
-- taken up again, a week at most. A warning is told once for each guard of a run. False: it makes none.
CREATE FUNCTION tollgate.alert_of_run(p_event tollgate.run_event, p_run tollgate.run) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  v_detail jsonb := jsonb_strip_nulls(CASE p_event.kind WHEN 'warned' THEN '{}' ELSE coalesce(p_run.hold, '{}') END || p_event.detail || jsonb_build_object('runId', p_run.id));
  v_guard text := coalesce(v_detail ->> 'guard', '');
  v_of text := coalesce(v_detail ->> 'ofRunId', p_run.id);
  v_kind text := 'run.' || p_event.kind;
  v_key text := concat_ws('|', 'run', p_run.number, p_event.kind, p_event.seq);
BEGIN
  -- Those below a run that is held are held with it.
  IF v_guard = 'parent' THEN RETURN false; END IF;
  v_detail := v_detail || jsonb_build_object('ofRunId', v_of);
  IF p_event.kind = 'warned' THEN
    RETURN tollgate.raise_alert(concat_ws('|', 'run', p_run.number, 'warned', v_guard), p_run.team_id, 'run/' || v_of, v_kind, 'info', false,
      v_detail || '{"resolves": ""}');
  ELSIF v_guard = 'person' THEN
    RETURN tollgate.raise_alert(v_key, p_run.team_id, 'run/' || v_of, v_kind, 'info', false, v_detail || '{"resolves": ""}');
  END IF;
  IF EXISTS (SELECT 1 FROM tollgate.alert a
    WHERE a.team_id = p_run.team_id AND a.subject = 'run/' || v_of AND a.kind = v_kind AND a.is_firing AND a.resolved_at IS NULL) THEN RETURN false; END IF;
  IF p_event.kind = 'paused' THEN RETURN tollgate.raise_alert(v_key, p_run.team_id, 'run/' || v_of, v_kind, 'warning', true, v_detail); END IF;
  RETURN tollgate.raise_alert(v_key, p_run.team_id, 'run/' || v_of, v_kind, 'error', true,
    v_detail || jsonb_build_object('endsAtMs', floor(extract(epoch FROM p_event.at + interval '7 days') * 1000)));
END $$;

-- Makes the alerts of what happened to runs, and ends those whose run goes on or is over. Without Temporal, by any worker, one at a time, so
-- that subjects are locked in one order; made again it makes none. Returns how many alerts that made.
CREATE FUNCTION tollgate.alert_runs() RETURNS bigint
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  v_event tollgate.run_event;
  v_run tollgate.run;
  v_alert tollgate.alert;
  v_made bigint := 0;
BEGIN
  IF NOT pg_try_advisory_xact_lock(718204022) THEN RETURN 0; END IF;
  FOR v_event IN SELECT e.* FROM tollgate.run_event e WHERE NOT e.is_alerted AND e.kind IN ('warned', 'paused', 'stopped') ORDER BY e.seq LIMIT 200 LOOP
    SELECT r.* INTO v_run FROM tollgate.run r WHERE r.number = v_event.run_number;
    v_made := v_made + coalesce(tollgate.alert_of_run(v_event, v_run), false)::int;
    UPDATE tollgate.run_event e SET is_alerted = true WHERE e.seq = v_event.seq;
  END LOOP;
  FOR v_alert IN
    SELECT a.* FROM tollgate.alert a WHERE a.kind IN ('run.paused', 'run.stopped') AND a.is_firing AND a.resolved_at IS NULL AND NOT EXISTS (
      SELECT 1 FROM tollgate.run r
      WHERE r.state IN ('paused', 'stopped') AND r.hold ->> 'ofRunId' = a.detail ->> 'ofRunId' AND 'run.' || r.state = a.kind)
    ORDER BY a.team_id, a.subject, a.seq LIMIT 100
  LOOP
    v_made := v_made + tollgate.raise_alert(v_alert.alert_key || '|over', v_alert.team_id, v_alert.subject, v_alert.kind, 'info', false,
      v_alert.detail - 'endsAtMs' || jsonb_build_object('resolves', v_alert.alert_key))::int;
  END LOOP;
  RETURN v_made;
END $$;

-- Reminds people of a pause that stands, once for each `p_reminder` of its alert. False: nothing is paused there, or it was told already.
CREATE FUNCTION tollgate.remind_run(p_run_id text, p_reminder integer) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  v_alert tollgate.alert;
BEGIN
  SELECT a.* INTO v_alert FROM tollgate.run r JOIN tollgate.alert a ON a.team_id = r.team_id AND a.subject = 'run/' || (r.hold ->> 'ofRunId')
  WHERE r.id = p_run_id AND r.state = 'paused' AND a.kind = 'run.paused' AND a.is_firing AND a.resolved_at IS NULL ORDER BY a.seq LIMIT 1;
  IF v_alert.seq IS NULL THEN RETURN false; END IF;
  RETURN tollgate.raise_alert(v_alert.alert_key || '|reminder|' || p_reminder, v_alert.team_id, v_alert.subject, 'run.paused', 'warning', false,
    v_alert.detail || jsonb_build_object('resolves', '', 'reminder', p_reminder, 'sinceMs', floor(extract(epoch FROM v_alert.at) * 1000)));
END $$;
