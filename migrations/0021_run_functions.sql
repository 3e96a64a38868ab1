-- Agent runs are found and opened: one function call in one statement each (docs/adr/0011-agent-runs.md). What is refused is answered, not
-- raised, and leaves nothing behind. Time is PostgreSQL's alone. How it is held, and what people decide about it, is in 0023.
-- Lock order: the roots of a key (advisory 718204021), run rows by number, then as in 0002: budget rows by id, windows by id, leases by window;
-- record_change last. Whoever opens or decides in a tree holds its root's row.

-- The gateway and epoch that alone has seen the run, so that nobody else need be told of its end; null = several may have.
ALTER TABLE tollgate.run ADD COLUMN known_by text;

-- Pauses that somebody answered, newest last: by them the next one is estimated.
CREATE INDEX run_event_answered ON tollgate.run_event ((detail ->> 'teamId'), seq) WHERE detail ? 'heldMs';

-- Milliseconds until asking again may help: the median of the team's last 20 answered pauses, a quarter of an hour where there are none.
CREATE FUNCTION tollgate.pause_estimate_ms(p_team text) RETURNS bigint
LANGUAGE sql STABLE AS $$
  SELECT greatest(1000, coalesce(round(percentile_cont(0.5) WITHIN GROUP (ORDER BY held_ms)), 900000))::bigint
  FROM (
    SELECT (detail ->> 'heldMs')::float8 AS held_ms FROM tollgate.run_event
    WHERE detail ? 'heldMs' AND detail ->> 'teamId' = p_team ORDER BY seq DESC LIMIT 20
  ) answered
$$;

-- Writes what happened to a run into its history: the one place that every opening, hold and decision passes. `p_run` is its row afterwards.
CREATE FUNCTION tollgate.run_changed(p_run tollgate.run, p_kind text, p_detail jsonb) RETURNS void
LANGUAGE sql AS $$
  INSERT INTO tollgate.run_event (run_number, event_key, kind, detail)
  VALUES (p_run.number, concat_ws('/', p_run.number, p_run.version, p_kind), p_kind, jsonb_build_object('teamId', p_run.team_id, 'runId', p_run.id) || p_detail)
$$;

-- Lines of limits as checkRunLimits takes them: one row per ceiling and line ('soft', 'hard'); `tool` is null but for toolCalls. A bare amount is
-- short for a hard line, or for the line it stands in.
CREATE FUNCTION tollgate.limit_lines(p_limits jsonb) RETURNS TABLE (kind text, tool text, line text, at numeric)
LANGUAGE sql IMMUTABLE AS $$
  SELECT c.kind, c.tool, l.key, (CASE jsonb_typeof(l.value) WHEN 'object' THEN l.value ->> 'at' ELSE l.value #>> '{}' END)::numeric
  FROM (
    SELECT e.key AS kind, NULL AS tool, e.value AS lines FROM jsonb_each(p_limits) e WHERE e.key <> 'toolCalls'
    UNION ALL
    SELECT 'toolCalls', t.key, t.value FROM jsonb_each(coalesce(p_limits -> 'toolCalls', '{}')) t
  ) c CROSS JOIN LATERAL jsonb_each(CASE jsonb_typeof(c.lines) WHEN 'object' THEN c.lines ELSE jsonb_build_object('hard', c.lines) END) l
$$;

CREATE FUNCTION tollgate.limit_field(p_kind text, p_tool text, p_line text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
  SELECT concat_ws('.', 'limits', p_kind, p_tool, p_line, 'at')
$$;

-- Which hard ceilings stand above those of somebody else, as [{field, problem}] (domain/agents/run-limits.ts limitsAbove).
CREATE FUNCTION tollgate.limits_above(p_limits jsonb, p_outer jsonb, p_whose text) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(jsonb_agg(jsonb_build_object('field', tollgate.limit_field(l.kind, l.tool, l.line), 'problem', format('must not be above %s %s', p_whose, o.at))
    ORDER BY l.kind, l.tool), '[]')
  FROM tollgate.limit_lines(p_limits) l
  CROSS JOIN LATERAL (
    SELECT x.at FROM tollgate.limit_lines(p_outer) x
    WHERE x.line = 'hard' AND x.kind = l.kind AND (x.tool IS NOT DISTINCT FROM l.tool OR x.tool = '*') ORDER BY x.tool = '*' LIMIT 1
  ) o
  WHERE l.line = 'hard' AND l.at > o.at
$$;

-- What registering and raising may ask for at most, by the team's policy; {} = what its budgets allow alone.
CREATE FUNCTION tollgate.run_most(p_team text) RETURNS jsonb
LANGUAGE sql STABLE AS $$
  SELECT coalesce((SELECT t.runs -> 'most' FROM tollgate.team t WHERE t.id = p_team), '{}')
$$;

-- Limits that could never be reached below what the team has: its policy, and the highest of the budgets for all its calls. A run may outlast
-- a day's budget, so the lower ones say nothing.
CREATE FUNCTION tollgate.limits_above_team(p_team text, p_limits jsonb) RETURNS jsonb
LANGUAGE sql STABLE AS $$
  SELECT tollgate.limits_above(p_limits, tollgate.run_most(p_team), 'the team''s') || tollgate.limits_above(p_limits, jsonb_strip_nulls(jsonb_build_object(
      'costNanoUsd', jsonb_build_object('hard', jsonb_build_object('at', b.nano_usd)),
      'inputTokens', jsonb_build_object('hard', jsonb_build_object('at', b.tokens)),
      'outputTokens', jsonb_build_object('hard', jsonb_build_object('at', b.tokens)))), 'the team''s budget of')
  FROM (
    SELECT max(f.amount) FILTER (WHERE x.unit = 'nano_usd') AS nano_usd, max(f.amount) FILTER (WHERE x.unit = 'tokens') AS tokens
    FROM tollgate.declared_budget x
    CROSS JOIN LATERAL (SELECT x.limit_amount + r.raised_amount AS amount FROM tollgate.raises_at(x.id, clock_timestamp()) r) f
    WHERE x.team_id = p_team AND x.dimension = 'team' AND x.mode = 'enforce' AND x.deleted_at IS NULL
  ) b
$$;

-- What is asked for beyond the defaults, which a team's policy gives whatever its budgets are.
CREATE FUNCTION tollgate.limits_beyond(p_limits jsonb, p_defaults jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(jsonb_object_agg(e.key, e.value), '{}') FROM jsonb_each(p_limits) e WHERE e.value IS DISTINCT FROM p_defaults -> e.key
$$;

-- What limitsAbove finds for the runs above, nearest first: money and counts of a child come out of theirs.
CREATE FUNCTION tollgate.limits_above_chain(p_limits jsonb, p_above bigint[]) RETURNS jsonb
LANGUAGE sql STABLE AS $$
  SELECT coalesce(jsonb_agg(x.problem ORDER BY r.number DESC, x.place), '[]')
  FROM tollgate.run r
  CROSS JOIN LATERAL jsonb_array_elements(tollgate.limits_above(p_limits, r.limits, format('that of the run %s above it,', r.id))) WITH ORDINALITY AS x (problem, place)
  WHERE r.number = ANY (p_above)
$$;

-- Whole milliseconds; 0 where the clock went back.
CREATE FUNCTION tollgate.ms_since(p_at timestamptz) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
  SELECT greatest(0, floor(extract(epoch FROM clock_timestamp() - p_at) * 1000))::bigint
$$;

-- RunRecord of domain/agents/run.ts.
CREATE FUNCTION tollgate.run_record(p_run tollgate.run) RETURNS jsonb
LANGUAGE sql VOLATILE AS $$
  SELECT jsonb_build_object('number', p_run.number::text, 'runId', p_run.id, 'teamId', p_run.team_id, 'keyId', p_run.key_id, 'origin', p_run.origin,
    'path', to_jsonb(p_run.path::text[]), 'limits', p_run.limits, 'state', p_run.state, 'hold', p_run.hold, 'version', p_run.version::text,
    'forgiven', p_run.forgiven, 'openedMsAgo', tollgate.ms_since(p_run.opened_at), 'pausedMs', p_run.paused_ms + coalesce(tollgate.ms_since(p_run.held_at), 0),
    'children', p_run.children, 'onLoop', p_run.on_loop)
$$;

-- RunTotals: what all gateways together took of a run and of all below it.
CREATE FUNCTION tollgate.run_totals(p_number bigint) RETURNS jsonb
LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('costNanoUsd', coalesce(sum(cost_nano_usd), 0)::text, 'inputTokens', coalesce(sum(input_tokens), 0),
    'outputTokens', coalesce(sum(output_tokens), 0), 'steps', coalesce(sum(steps), 0), 'outputBytes', coalesce(sum(output_bytes), 0),
    'toolCalls', tollgate.sum_of_counts(tool_calls))
  FROM tollgate.run_part WHERE run_number = p_number
$$;

-- ChainRun of activities/runs/port.ts for each of the runs that are there, by number: what holds of it, the budgets it states, its totals.
-- The planner setting: a plan cached while the tables were empty must not scan them once they are large.
CREATE FUNCTION tollgate.run_chain(p_numbers bigint[]) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
BEGIN
  RETURN (
    SELECT coalesce(jsonb_agg(jsonb_build_object('run', tollgate.run_record(r), 'totals', tollgate.run_totals(r.number), 'budgets', coalesce((
      SELECT jsonb_agg(jsonb_build_object('budgetId', b.id::text, 'teamId', b.team_id, 'dimension', b.dimension, 'dimensionValue', b.dimension_value,
        'name', r.id, 'unit', b.unit, 'windowKind', b.window_kind, 'degrade', (
          SELECT jsonb_agg(jsonb_build_object('at', t.line -> 'at', 'degradeTo', t.line -> 'degradeTo') ORDER BY t.place)
          FROM jsonb_array_elements(b.thresholds) WITH ORDINALITY AS t (line, place) WHERE t.line ->> 'action' = 'degrade')) ORDER BY b.id)
      FROM tollgate.budget b WHERE b.id = ANY (r.budget_ids) AND b.dimension_value = r.number::text), '[]')) ORDER BY r.number), '[]')
    FROM tollgate.run r WHERE r.number = ANY (p_numbers));
END $$;

-- The run a call names (RunName), or none yet. A conversation that begins is a new one, unless the one before it with the same beginning has
-- taken one step only or is held: a loop that is stopped does not escape by starting over, and a daily job is not the job of the day before.
CREATE FUNCTION tollgate.asked_run(p_ask jsonb) RETURNS tollgate.run
LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
DECLARE
  v_named jsonb := p_ask -> 'named';
  v_run tollgate.run;
BEGIN
  IF v_named ->> 'kind' = 'header' THEN
    SELECT * INTO v_run FROM tollgate.run WHERE id = v_named ->> 'runId';
    RETURN v_run;
  ELSIF v_named ->> 'kind' = 'follows' THEN
    -- OFFSET 0: found by the answer alone, whatever a plan knows of the table; by team or time it would read all of it.
    SELECT * INTO v_run FROM tollgate.run WHERE number = (
      SELECT x.run_ids[cardinality(x.run_ids)] FROM (SELECT a.team_id, a.at, a.run_ids FROM tollgate.attempt a WHERE a.answer_id = v_named ->> 'answerId' OFFSET 0) x
      WHERE x.team_id = p_ask ->> 'teamId' AND x.run_ids IS NOT NULL ORDER BY x.at DESC LIMIT 1);
    IF FOUND THEN RETURN v_run; END IF;
  END IF;
  SELECT * INTO v_run FROM tollgate.run WHERE key_id = p_ask ->> 'keyId' AND prefix = tollgate.prefix_of(v_named) ORDER BY number DESC LIMIT 1;
  IF v_run.state = 'finished' OR (v_run.state = 'running' AND (v_named ->> 'isFirstCall')::boolean
    AND (SELECT coalesce(sum(steps), 0) FROM tollgate.run_part WHERE run_number = v_run.number) > 1) THEN
    RETURN NULL;
  END IF;
  RETURN v_run;
END $$;

-- How the conversation of an implicit run begins; of an answer that no run received, the answer.
CREATE FUNCTION tollgate.prefix_of(p_named jsonb) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE p_named ->> 'kind' WHEN 'begins_with' THEN p_named ->> 'prefix'
    WHEN 'follows' THEN left(encode(sha256(convert_to(p_named ->> 'answerId', 'UTF8')), 'hex'), 16) END
$$;

CREATE FUNCTION tollgate.run_refusal(p_code text, p_field text, p_message text, p_more jsonb DEFAULT '{}') RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
  SELECT jsonb_build_object('kind', 'refused', 'code', p_code, 'field', p_field, 'message', p_message) || p_more
$$;

-- Every mistake of limits, in the words of each.
CREATE FUNCTION tollgate.limits_refusal(p_problems jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN jsonb_array_length(p_problems) > 0 THEN tollgate.run_refusal('run.invalid', p_problems #>> '{0,field}',
    (SELECT string_agg(concat_ws(' ', x ->> 'field', x ->> 'problem'), '; ') FROM jsonb_array_elements(p_problems) x), jsonb_build_object('problems', p_problems)) END
$$;

-- What a caller calls the run and its parent: headers of a call, fields of a registration.
CREATE FUNCTION tollgate.run_field(p_ask jsonb, p_of text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN (p_ask ->> 'isRegistration')::boolean THEN CASE p_of WHEN 'run' THEN 'runId' ELSE 'parentRunId' END
    ELSE CASE p_of WHEN 'run' THEN 'x-tollgate-run' ELSE 'x-tollgate-parent-run' END END
$$;

-- Why a run that is there is not for this caller; null = it is. A child need not name its parent again.
CREATE FUNCTION tollgate.refuse_known_run(p_run tollgate.run, p_ask jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
  v_parent text := p_ask #>> '{named,parentRunId}';
BEGIN
  IF p_run.team_id <> p_ask ->> 'teamId' THEN
    RETURN tollgate.run_refusal('run.other_team', tollgate.run_field(p_ask, 'run'), 'the id is taken by a run of another team: use one that is nobody else''s, like a UUID');
  ELSIF p_run.state = 'finished' THEN
    RETURN tollgate.run_refusal('run.finished', tollgate.run_field(p_ask, 'run'), format('the run %s has ended; its id is never used again', p_run.id));
  ELSIF v_parent IS NULL OR EXISTS (SELECT 1 FROM tollgate.run WHERE number = p_run.parent_number AND id = v_parent) THEN
    RETURN NULL;
  ELSIF EXISTS (SELECT 1 FROM tollgate.run WHERE id = v_parent AND p_run.number = ANY (path)) THEN
    RETURN tollgate.run_refusal('run.cycle', tollgate.run_field(p_ask, 'parent'),
      format('the run %s is %s', v_parent, CASE v_parent WHEN p_run.id THEN 'the run itself' ELSE format('below %s', p_run.id) END));
  END IF;
  RETURN tollgate.run_refusal('run.parent_differs', tollgate.run_field(p_ask, 'parent'), format('the run %s has %s, and parents never change',
    p_run.id, CASE WHEN p_run.parent_number IS NULL THEN 'no parent' ELSE 'another parent' END));
END $$;

-- Roots that a key began within an hour, of whatever origin.
CREATE FUNCTION tollgate.runs_opened(p_key text, OUT opened bigint, OUT oldest_ms_ago bigint)
LANGUAGE sql VOLATILE AS $$
  SELECT count(*), tollgate.ms_since(min(opened_at)) FROM tollgate.run
  WHERE key_id = p_key AND parent_number IS NULL AND opened_at > clock_timestamp() - interval '1 hour'
$$;

-- Why a run is not opened; null = it may be. The caller holds the line of its key, or the rows of its root and parent. `p_parent` is null for a root.
CREATE FUNCTION tollgate.refuse_opening(p_ask jsonb, p_parent tollgate.run) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
  v_run_id text := p_ask #>> '{named,runId}';
  v_parent_id text := p_ask #>> '{named,parentRunId}';
  v_field text := tollgate.run_field(p_ask, 'parent');
  v_recent record;
  v_above tollgate.run;
BEGIN
  IF v_parent_id = v_run_id THEN RETURN tollgate.run_refusal('run.cycle', v_field, format('the run %s is the run itself', v_run_id)); END IF;
  IF v_parent_id IS NULL THEN
    SELECT * INTO v_recent FROM tollgate.runs_opened(p_ask ->> 'keyId');
    IF v_recent.opened < (p_ask ->> 'newRunsPerHour')::bigint THEN RETURN NULL; END IF;
    RETURN tollgate.run_refusal('run.too_many', tollgate.run_field(p_ask, 'run'),
      format('the key has begun %s runs within an hour, at most %s are allowed', v_recent.opened, p_ask ->> 'newRunsPerHour'),
      jsonb_build_object('retryAfterSeconds', greatest(1, ceil((3600000 - coalesce(v_recent.oldest_ms_ago, 0)) / 1000.0))));
  ELSIF p_parent.number IS NULL THEN
    RETURN tollgate.run_refusal('run.unknown_parent', v_field, format('there is no run %s: a parent is opened before its children', v_parent_id));
  ELSIF p_parent.team_id <> p_ask ->> 'teamId' THEN
    RETURN tollgate.run_refusal('run.other_team', v_field, 'the parent is a run of another team');
  ELSIF p_parent.state = 'finished' THEN
    RETURN tollgate.run_refusal('run.finished', v_field, format('the run %s has ended', v_parent_id));
  END IF;
  SELECT * INTO v_above FROM tollgate.run WHERE number = ANY (p_parent.path) AND hold IS NOT NULL ORDER BY number LIMIT 1;
  IF FOUND THEN
    RETURN tollgate.run_refusal('run.' || v_above.state, v_field, format('the run %s is %s', v_above.id, v_above.state),
      jsonb_build_object('run', jsonb_build_object('runId', v_above.id, 'version', v_above.version::text, 'hold', v_above.hold)));
  END IF;
  FOR v_above IN SELECT * FROM tollgate.run WHERE number = ANY (p_parent.path) ORDER BY number LOOP
    IF cardinality(p_parent.path) + 1 - array_position(p_parent.path, v_above.number) > (v_above.limits #>> '{depth,hard,at}')::bigint THEN
      RETURN tollgate.run_refusal('run.ceiling', v_field, format('the tree below the run %s may be %s levels deep', v_above.id, v_above.limits #>> '{depth,hard,at}'));
    ELSIF p_parent.children >= (v_above.limits #>> '{width,hard,at}')::bigint THEN
      RETURN tollgate.run_refusal('run.ceiling', v_field,
        format('the run %s has begun %s child runs, at most %s are allowed', v_parent_id, p_parent.children, v_above.limits #>> '{width,hard,at}'));
    ELSIF v_above.tree_runs >= 20000 THEN
      RETURN tollgate.run_refusal('run.ceiling', v_field, format('the tree of the run %s has %s runs, which is the most', v_above.id, v_above.tree_runs));
    END IF;
  END LOOP;
  RETURN NULL;
END $$;

-- A ceiling of a run as a budget with its one window (domain/agents/run-budgets.ts). Nothing was spent in it yet, and no team's policy knows of it:
-- no opening balance, no change. It is never frozen by itself: the team's own budgets are met as well.
CREATE FUNCTION tollgate.run_budget(p_number bigint, p_team text, p_budget jsonb) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_id bigint;
BEGIN
  INSERT INTO tollgate.budget (team_id, dimension, dimension_value, unit, window_kind, limit_amount, thresholds)
  VALUES (p_team, 'run', p_number::text, p_budget ->> 'unit', 'lifetime', (p_budget ->> 'limitAmount')::bigint, p_budget -> 'thresholds')
  RETURNING id INTO v_id;
  PERFORM tollgate.open_window(v_id);
  RETURN v_id;
END $$;

-- Opens a run with its budgets and their windows. Returns a row of nulls where its id was taken meanwhile, by another key or below another parent.
CREATE FUNCTION tollgate.open_run(p_ask jsonb, p_parent tollgate.run, p_limits jsonb, p_budgets jsonb, p_known_by text) RETURNS tollgate.run
LANGUAGE plpgsql AS $$
DECLARE
  v_number bigint := nextval(pg_get_serial_sequence('tollgate.run', 'number'));
  v_is_implicit boolean := p_ask #>> '{named,kind}' <> 'header';
  v_is_registered boolean := coalesce((p_ask ->> 'isRegistration')::boolean, false);
  v_budgets bigint[] := coalesce(p_parent.budget_ids, '{}');
  v_run tollgate.run;
BEGIN
  INSERT INTO tollgate.run (number, id, team_id, key_id, feature, origin, prefix, parent_number, root_number, path, limits, on_loop, is_governed, known_by)
  OVERRIDING SYSTEM VALUE
  VALUES (v_number, CASE WHEN v_is_implicit THEN 'run_' || replace(gen_random_uuid()::text, '-', '') ELSE p_ask #>> '{named,runId}' END,
    p_ask ->> 'teamId', p_ask ->> 'keyId', p_ask ->> 'feature', CASE WHEN v_is_registered THEN 'registered' WHEN v_is_implicit THEN 'implicit' ELSE 'header' END,
    tollgate.prefix_of(p_ask -> 'named'), p_parent.number, coalesce(p_parent.root_number, v_number), coalesce(p_parent.path, '{}') || v_number,
    p_limits, p_ask ->> 'onLoop', v_is_registered, p_known_by)
  ON CONFLICT (id) DO NOTHING RETURNING * INTO v_run;
  IF v_run.number IS NULL THEN RETURN v_run; END IF;
  FOR i IN 0..jsonb_array_length(p_budgets) - 1 LOOP
    v_budgets := v_budgets || tollgate.run_budget(v_number, v_run.team_id, p_budgets -> i);
  END LOOP;
  UPDATE tollgate.run SET budget_ids = v_budgets WHERE number = v_number RETURNING * INTO v_run;
  UPDATE tollgate.run SET children = children + 1 WHERE number = p_parent.number;
  UPDATE tollgate.run SET tree_runs = tree_runs + 1 WHERE number = p_parent.root_number;
  PERFORM tollgate.run_changed(v_run, 'opened', jsonb_build_object('origin', v_run.origin, 'keyId', v_run.key_id, 'parentRunId', p_parent.id, 'limits', p_limits));
  RETURN v_run;
END $$;

-- The first lease in each window that was opened with a run: what is wanted, as far as it fits below the limit and the first degrade line.
CREATE FUNCTION tollgate.first_leases(p_gateway text, p_epoch bigint, p_budgets bigint[], p_wants jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  v_zeros bigint[] := array_fill(0::bigint, ARRAY[cardinality(p_budgets)]);
  v_needs bigint[];
BEGIN
  SELECT array_agg(least(coalesce((p_wants ->> (b.place::int - 1))::bigint, 0), tollgate.room_of(w), (SELECT min(line) FROM unnest(w.degrade_amounts) AS line)) ORDER BY b.place)
  INTO v_needs FROM unnest(p_budgets) WITH ORDINALITY AS b (id, place) JOIN tollgate.budget_window w ON w.budget_id = b.id;
  RETURN tollgate.grant_lease(p_gateway, p_epoch, p_budgets, v_zeros, v_zeros, v_zeros, v_zeros, v_needs, false, true) -> 'items';
END $$;

-- Notes that a gateway sees a run, and those above it, which another one opened. Once for each run.
CREATE FUNCTION tollgate.note_known(p_path bigint[], p_known_by text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM tollgate.run WHERE number = ANY (p_path) AND known_by <> p_known_by ORDER BY number FOR NO KEY UPDATE;
  IF FOUND THEN UPDATE tollgate.run SET known_by = NULL WHERE number = ANY (p_path) AND known_by <> p_known_by; END IF;
END $$;

-- EnteredRun. One statement, so that its revision tells of no change that the chain does not show.
CREATE FUNCTION tollgate.entered_run(p_run tollgate.run, p_is_opened boolean, p_leases jsonb) RETURNS jsonb
LANGUAGE sql VOLATILE AS $$
  SELECT jsonb_build_object('kind', 'entered', 'isOpened', p_is_opened, 'leases', p_leases, 'revision', (SELECT max(revision) FROM tollgate.change)::text,
    'chain', tollgate.run_chain(p_run.path), 'memory', (
      SELECT encode(memory, 'base64') FROM tollgate.run_part WHERE run_number = p_run.number AND memory IS NOT NULL ORDER BY exchanges DESC, at DESC LIMIT 1))
$$;

-- Finds the run that is asked for or opens it, with a first lease in its budgets, whole or not at all. p_ask is RunAsk; of a registration
-- (isRegistration) `limits` are the run's own and `ownBudgets` the same as budgets; a root that states none gets `defaults` and `budgets`.
CREATE FUNCTION tollgate.enter_run(p_gateway text, p_epoch bigint, p_ask jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  v_run tollgate.run := tollgate.asked_run(p_ask);
  v_parent_id text := p_ask #>> '{named,parentRunId}';
  v_parent tollgate.run;
  v_limits jsonb := coalesce(p_ask -> 'limits', '{}');
  v_budgets jsonb := coalesce(p_ask -> 'ownBudgets', '[]');
  v_known_by text := p_gateway || '/' || p_epoch;
  v_refusal jsonb;
  v_windows integer;
BEGIN
  IF NOT EXISTS (SELECT 1 FROM tollgate.gateway_epoch WHERE gateway_id = p_gateway AND epoch = p_epoch AND fenced_at IS NULL AND closed_at IS NULL) THEN
    RETURN jsonb_build_object('fenced', true);
  END IF;
  IF v_run.number IS NULL THEN
    IF v_parent_id IS NULL THEN
      PERFORM pg_advisory_xact_lock(718204021, hashtext(p_ask ->> 'keyId'));
    ELSE
      PERFORM 1 FROM tollgate.run WHERE number IN (SELECT unnest(path) FROM tollgate.run WHERE id = v_parent_id) ORDER BY number FOR NO KEY UPDATE;
    END IF;
    v_run := tollgate.asked_run(p_ask); -- somebody was faster
  END IF;
  IF v_run.number IS NULL THEN
    SELECT * INTO v_parent FROM tollgate.run WHERE id = v_parent_id;
    v_refusal := tollgate.refuse_opening(p_ask, v_parent);
    IF v_refusal IS NOT NULL THEN RETURN v_refusal; END IF;
    IF v_limits <> '{}' THEN
      v_refusal := tollgate.limits_refusal(tollgate.limits_above_chain(v_limits, v_parent.path)
        || tollgate.limits_above_team(p_ask ->> 'teamId', tollgate.limits_beyond(v_limits, p_ask -> 'defaults')));
      IF v_refusal IS NOT NULL THEN RETURN v_refusal; END IF;
    ELSIF v_parent.number IS NULL THEN
      v_limits := p_ask -> 'defaults';
      v_budgets := p_ask -> 'budgets';
    END IF;
    v_windows := (p_ask ->> 'otherWindows')::integer + coalesce(cardinality(v_parent.budget_ids), 0) + jsonb_array_length(v_budgets);
    IF v_windows > 32 THEN
      RETURN tollgate.run_refusal('budget.too_many_windows', tollgate.run_field(p_ask, 'run'), format('the run would meet %s windows, at most 32 are allowed', v_windows));
    END IF;
    v_run := tollgate.open_run(p_ask, v_parent, v_limits, v_budgets, v_known_by);
    IF v_run.number IS NOT NULL THEN
      PERFORM tollgate.note_known(v_parent.path, v_known_by);
      RETURN tollgate.entered_run(v_run, true, CASE WHEN jsonb_array_length(v_budgets) = 0 OR NOT p_ask ? 'wants' THEN '[]'
        ELSE tollgate.first_leases(p_gateway, p_epoch, v_run.budget_ids[coalesce(cardinality(v_parent.budget_ids), 0) + 1:], p_ask -> 'wants') END);
    END IF;
    v_run := tollgate.asked_run(p_ask); -- its id was taken while this one waited for it
  END IF;
  v_refusal := tollgate.refuse_known_run(v_run, p_ask);
  IF v_refusal IS NOT NULL THEN RETURN v_refusal; END IF;
  PERFORM tollgate.note_known(v_run.path, v_known_by);
  RETURN tollgate.entered_run(v_run, false, '[]');
END $$;

-- The same by a registration. An id that goes on already is the same run, so that a process that was restarted takes it up again: with the
-- limits that it has, or had when it was opened, or none named.
CREATE FUNCTION tollgate.register_run(p_gateway text, p_epoch bigint, p_ask jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  v_reply jsonb := tollgate.enter_run(p_gateway, p_epoch, p_ask || '{"isRegistration": true, "otherWindows": 0}');
  v_run tollgate.run;
BEGIN
  IF v_reply ->> 'kind' IS DISTINCT FROM 'entered' OR (v_reply ->> 'isOpened')::boolean THEN RETURN v_reply; END IF;
  SELECT * INTO v_run FROM tollgate.run WHERE id = p_ask #>> '{named,runId}' FOR NO KEY UPDATE;
  IF p_ask -> 'limits' <> ALL (ARRAY['{}', v_run.limits, coalesce((SELECT detail -> 'limits' FROM tollgate.run_event WHERE event_key = v_run.number || '/1/opened'), '{}')]) THEN
    RETURN tollgate.limits_refusal('[{"field": "limits", "problem": "are not those of the run, which goes on already; leave them out, or raise them"}]');
  END IF;
  UPDATE tollgate.run SET is_governed = true WHERE number = v_run.number AND NOT is_governed;
  RETURN v_reply;
END $$;
