-- What holds agent runs and lets them go on: gateways (hold_runs), and people or time (decide_run). One function call in one statement each; what is
-- refused is answered, and nothing of it is applied. Lock order as in 0021: a decision holds the root's row, its run's, then those below it.

CREATE FUNCTION tollgate.is_reserved(p_kind text) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
  SELECT p_kind IN ('costNanoUsd', 'inputTokens', 'outputTokens', 'steps')
$$;

-- Of some so much is allowed and more is not; the others hold once they are reached (domain/agents/ceilings.ts).
CREATE FUNCTION tollgate.is_reached(p_kind text, p_taken numeric, p_at numeric) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN p_kind IN ('toolCalls', 'depth', 'width', 'contextGrowthTokens') THEN p_taken > p_at ELSE p_taken >= p_at END
$$;

-- Whether a hold is by this hard ceiling.
CREATE FUNCTION tollgate.is_hold_by(p_hold jsonb, p_kind text, p_tool text) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
  SELECT p_hold ->> 'guard' = 'ceiling.' || p_kind AND (p_kind <> 'toolCalls' OR p_tool = '*' OR p_tool = p_hold ->> 'tool')
$$;

-- Whether this hard ceiling would hold the run again for what it is held for. What is reserved holds before it is reached: the next call did not fit.
CREATE FUNCTION tollgate.does_hold_stand(p_hold jsonb, p_kind text, p_tool text, p_at numeric) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
  SELECT tollgate.is_hold_by(p_hold, p_kind, p_tool)
    AND (tollgate.is_reserved(p_kind) AND p_at <= (p_hold ->> 'threshold')::numeric OR tollgate.is_reached(p_kind, (p_hold ->> 'measured')::numeric, p_at))
$$;

-- Whether a gateway held by a ceiling that was raised meanwhile.
CREATE FUNCTION tollgate.is_hold_late(p_hold jsonb, p_limits jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(bool_and(l.at > (p_hold ->> 'threshold')::numeric), false)
  FROM tollgate.limit_lines(p_limits) l WHERE l.line = 'hard' AND tollgate.is_hold_by(p_hold, l.kind, l.tool)
$$;

-- The run whose ceiling a hold is by, itself or one above it.
CREATE FUNCTION tollgate.holder_of(p_run tollgate.run, p_hold jsonb) RETURNS bigint
LANGUAGE sql STABLE AS $$
  SELECT coalesce((SELECT o.number FROM tollgate.run o WHERE o.id = p_hold ->> 'ofRunId' AND o.number = ANY (p_run.path)), p_run.number)
$$;

-- Tells the gateways of a tree that changed: they drop what they know of it, and wake who waits. `p_numbers` are the runs that did.
CREATE FUNCTION tollgate.record_runs(p_root bigint, p_by text, p_numbers bigint[]) RETURNS bigint
LANGUAGE sql AS $$
  SELECT tollgate.record_change('run', root.id, p_by, jsonb_build_object('teamId', r.team_id, 'runId', r.id, 'state', r.state, 'version', r.version::text,
    'numbers', to_jsonb(p_numbers[1:1000]::text[]), 'count', cardinality(p_numbers)))
  FROM tollgate.run r JOIN tollgate.run root ON root.number = r.root_number WHERE root.number = p_root AND r.number = p_numbers[1]
$$;

-- Runs that gateways hold: [{number, knownVersion, hold}], RunRecord for each in the order asked. One that changed since the gateway knew it, or
-- whose ceiling was raised meanwhile, stays as it is: the gateway judges it anew. One change per tree.
CREATE FUNCTION tollgate.hold_runs(p_gateway text, p_epoch bigint, p_holds jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  v_asked jsonb;
  v_hold jsonb;
  v_run tollgate.run;
  v_held bigint[] := '{}';
  v_root record;
BEGIN
  PERFORM 1 FROM tollgate.run WHERE number IN (
    SELECT unnest(ARRAY[r.number, tollgate.holder_of(r, h -> 'hold')]) FROM jsonb_array_elements(p_holds) h JOIN tollgate.run r ON r.number = (h ->> 'number')::bigint
  ) ORDER BY number FOR NO KEY UPDATE;
  FOR v_asked IN SELECT value FROM jsonb_array_elements(p_holds) LOOP
    v_hold := v_asked -> 'hold';
    UPDATE tollgate.run r SET state = v_hold ->> 'state', held_by = tollgate.holder_of(r, v_hold), held_at = clock_timestamp(), version = version + 1, is_governed = true,
      hold = v_hold || jsonb_build_object('askAgainMs', CASE v_hold ->> 'state' WHEN 'paused' THEN tollgate.pause_estimate_ms(r.team_id) END)
    WHERE number = (v_asked ->> 'number')::bigint AND state = 'running' AND version = (v_asked ->> 'knownVersion')::bigint
      AND NOT (SELECT tollgate.is_hold_late(v_hold, o.limits) FROM tollgate.run o WHERE o.number = tollgate.holder_of(r, v_hold))
    RETURNING * INTO v_run;
    CONTINUE WHEN NOT FOUND;
    v_held := v_held || v_run.number;
    PERFORM tollgate.run_changed(v_run, v_run.state, v_run.hold || jsonb_build_object('gatewayId', p_gateway, 'epoch', p_epoch::text));
  END LOOP;
  FOR v_root IN SELECT root_number, array_agg(number ORDER BY number) AS numbers FROM tollgate.run WHERE number = ANY (v_held) GROUP BY 1 ORDER BY 1 LOOP
    PERFORM tollgate.record_runs(v_root.root_number, 'gateway ' || p_gateway, v_root.numbers);
  END LOOP;
  RETURN (
    SELECT coalesce(jsonb_agg(tollgate.run_record(r) ORDER BY h.place), '[]')
    FROM jsonb_array_elements(p_holds) WITH ORDINALITY AS h (asked, place) JOIN tollgate.run r ON r.number = (h.asked ->> 'number')::bigint);
END $$;

CREATE FUNCTION tollgate.decision_refusal(p_code text, p_problems jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
  SELECT jsonb_build_object('kind', 'refused', 'code', p_code, 'problems', p_problems)
$$;

CREATE FUNCTION tollgate.decision_refusal(p_code text, p_field text, p_problem text) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
  SELECT tollgate.decision_refusal(p_code, jsonb_build_array(jsonb_build_object('field', p_field, 'problem', p_problem)))
$$;

-- What a run has taken of a ceiling; null = only its gateways know.
CREATE FUNCTION tollgate.taken_of(p_run tollgate.run, p_totals jsonb, p_kind text, p_tool text) RETURNS numeric
LANGUAGE sql VOLATILE AS $$
  SELECT CASE p_kind
    WHEN 'elapsedMs' THEN tollgate.ms_since(p_run.opened_at) - p_run.paused_ms - coalesce(tollgate.ms_since(p_run.held_at), 0)
    WHEN 'toolCalls' THEN (SELECT coalesce(max(t.value::numeric), 0) FROM jsonb_each_text(p_totals -> 'toolCalls') t WHERE p_tool IN ('*', t.key))
    ELSE (p_totals ->> p_kind)::numeric END
$$;

-- Ceilings of a run and of those above it that would hold it at once again under p_limits of its own, each with what it must be raised above.
CREATE FUNCTION tollgate.standing_ceilings(p_run tollgate.run, p_limits jsonb) RETURNS jsonb
LANGUAGE sql VOLATILE AS $$
  SELECT coalesce(jsonb_agg(jsonb_build_object('field', tollgate.limit_field(l.kind, l.tool, 'hard'),
    'problem', format('of the run %s holds it: raise it above %s', o.id, greatest(t.taken, l.at, CASE WHEN t.is_own THEN (p_run.hold ->> 'measured')::numeric END)))
    ORDER BY o.number, l.kind, l.tool), '[]')
  FROM tollgate.run o
  CROSS JOIN LATERAL (SELECT CASE o.number WHEN p_run.number THEN p_limits ELSE o.limits END AS limits, tollgate.run_totals(o.number) AS totals) s
  CROSS JOIN LATERAL tollgate.limit_lines(s.limits) l
  CROSS JOIN LATERAL (
    SELECT tollgate.taken_of(o, s.totals, l.kind, l.tool) AS taken, p_run.held_by = o.number AND tollgate.does_hold_stand(p_run.hold, l.kind, l.tool, l.at) AS is_own
  ) t
  WHERE o.number = ANY (p_run.path) AND l.line = 'hard' AND (t.is_own OR tollgate.is_reached(l.kind, t.taken, l.at))
$$;

-- Why a run may not go on by itself; null = it may.
CREATE FUNCTION tollgate.refuse_resume(p_run tollgate.run, p_limits jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  v_above tollgate.run;
  v_standing jsonb;
BEGIN
  SELECT * INTO v_above FROM tollgate.run WHERE number = ANY (p_run.path) AND number <> p_run.number AND hold IS NOT NULL ORDER BY number LIMIT 1;
  IF FOUND THEN
    RETURN tollgate.decision_refusal('admin.conflict', 'runId', format('the run %s above it is %s: resume that one', v_above.id, v_above.state));
  ELSIF p_run.state = 'running' THEN
    RETURN NULL;
  END IF;
  v_standing := tollgate.standing_ceilings(p_run, p_limits);
  RETURN CASE WHEN jsonb_array_length(v_standing) > 0 THEN tollgate.decision_refusal('admin.conflict', v_standing) END;
END $$;

-- Held runs go on; their rows are locked. A tree may have thousands.
CREATE FUNCTION tollgate.let_go(p_numbers bigint[], p_is_forgiven boolean, p_detail jsonb) RETURNS void
LANGUAGE sql AS $$
  WITH held AS (
    SELECT number, state, hold ->> 'guard' AS guard, tollgate.ms_since(held_at) AS held_ms FROM tollgate.run WHERE number = ANY (p_numbers)
  ), gone AS (
    UPDATE tollgate.run r SET state = 'running', hold = NULL, held_by = NULL, held_at = NULL, paused_ms = r.paused_ms + h.held_ms,
      version = r.version + 1, forgiven = r.forgiven + p_is_forgiven::int
    FROM held h WHERE r.number = h.number RETURNING r.*
  )
  SELECT FROM gone g JOIN held h ON h.number = g.number CROSS JOIN LATERAL tollgate.run_changed(g::tollgate.run, 'resumed',
    p_detail || jsonb_build_object('guard', h.guard) || CASE h.state WHEN 'paused' THEN jsonb_build_object('heldMs', h.held_ms) ELSE '{}' END)
$$;

-- Why limits may not be raised so; '[]' = they may. A line that the run does not state cannot be raised: it is named where it stands.
CREATE FUNCTION tollgate.raise_problems(p_run tollgate.run, p_asked jsonb, p_raised jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  v_problems jsonb;
  v_only jsonb; -- the raised ceilings alone: what stands otherwise is as it was allowed
BEGIN
  SELECT coalesce(jsonb_agg(jsonb_build_object('field', tollgate.limit_field(a.kind, a.tool, a.line), 'problem', CASE WHEN s.at IS NULL
      THEN concat('cannot be raised: the run states none', '; the run ' || o.id || ' above it does')
      ELSE format('must not be below what it is now, %s', s.at) END) ORDER BY a.kind, a.tool, a.line DESC), '[]')
  INTO v_problems
  FROM tollgate.limit_lines(p_asked) a
  LEFT JOIN tollgate.limit_lines(p_run.limits) s ON s.kind = a.kind AND s.tool IS NOT DISTINCT FROM a.tool AND s.line = a.line
  LEFT JOIN LATERAL (
    SELECT r.id FROM tollgate.run r JOIN tollgate.limit_lines(r.limits) x ON x.kind = a.kind AND x.tool IS NOT DISTINCT FROM a.tool AND x.line = a.line
    WHERE r.number = ANY (p_run.path) AND r.number <> p_run.number ORDER BY r.number DESC LIMIT 1
  ) o ON true
  WHERE s.at IS NULL OR a.at < s.at;
  IF v_problems <> '[]' THEN RETURN v_problems; END IF;
  SELECT coalesce(jsonb_agg(jsonb_build_object('field', tollgate.limit_field(s.kind, s.tool, 'soft'), 'problem', format('must be below the hard ceiling, which is %s', h.at))), '[]')
  INTO v_problems
  FROM tollgate.limit_lines(p_raised) s JOIN tollgate.limit_lines(p_raised) h ON h.kind = s.kind AND h.tool IS NOT DISTINCT FROM s.tool
  WHERE s.line = 'soft' AND h.line = 'hard' AND s.at >= h.at;
  SELECT coalesce(jsonb_object_agg(e.key, CASE e.key WHEN 'toolCalls' THEN (
      SELECT jsonb_object_agg(t.key, t.value) FROM jsonb_each(e.value) t WHERE p_asked -> 'toolCalls' ? t.key) ELSE e.value END), '{}')
  INTO v_only FROM jsonb_each(p_raised) e WHERE p_asked ? e.key;
  RETURN v_problems || tollgate.limits_above_chain(v_only, trim_array(p_run.path, 1)) || tollgate.limits_above_team(p_run.team_id, v_only);
END $$;

-- Budgets and windows of a run under limits that were raised (domain/agents/run-budgets.ts). A window shows its new lines only under a new revision.
CREATE FUNCTION tollgate.limit_run_budgets(p_run tollgate.run) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_own bigint[] := ARRAY(SELECT id FROM tollgate.budget WHERE id = ANY (p_run.budget_ids) AND dimension_value = p_run.number::text ORDER BY id FOR NO KEY UPDATE);
BEGIN
  UPDATE tollgate.budget b SET revision = b.revision + 1, limit_amount = coalesce((c.lines #>> '{hard,at}')::bigint, b.limit_amount),
    thresholds = CASE WHEN c.lines #>> '{soft,action}' = 'degrade' THEN jsonb_build_array(jsonb_build_object('action', 'degrade',
      'at', jsonb_build_object('amount', c.lines #>> '{soft,at}'), 'degradeTo', c.lines #> '{soft,degradeTo}')) ELSE '[]' END
  FROM (
    SELECT u.unit, p_run.limits -> u.kind AS lines
    FROM (VALUES ('nano_usd', 'costNanoUsd'), ('input_tokens', 'inputTokens'), ('output_tokens', 'outputTokens'), ('steps', 'steps')) AS u (unit, kind)
  ) c
  WHERE b.id = ANY (v_own) AND b.unit = c.unit;
  PERFORM tollgate.limit_windows(ARRAY(SELECT id FROM tollgate.budget_window WHERE budget_id = ANY (v_own) ORDER BY id));
END $$;

-- Raises limits, and lets those go on that the raised ceilings held, and only those; p_resumes: the run itself as well, whatever held it.
-- Returns a refusal, or {"numbers": the runs that changed}.
CREATE FUNCTION tollgate.raise_run(p_run tollgate.run, p_asked jsonb, p_resumes boolean, p_detail jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  v_raised jsonb := p_run.limits;
  v_problems jsonb;
  v_refusal jsonb;
  v_path text[];
  v_line record;
  v_run tollgate.run := p_run;
  v_freed bigint[];
  v_numbers bigint[] := '{}';
BEGIN
  IF p_asked = '{}' AND NOT p_resumes THEN RETURN tollgate.decision_refusal('run.invalid', 'limits', 'must name what to raise'); END IF;
  FOR v_line IN SELECT * FROM tollgate.limit_lines(p_asked) LOOP
    v_path := array_remove(ARRAY[v_line.kind, v_line.tool, v_line.line, 'at'], NULL);
    v_raised := jsonb_set(v_raised, v_path, CASE v_line.kind WHEN 'costNanoUsd' THEN to_jsonb(v_line.at::text) ELSE to_jsonb(v_line.at) END);
  END LOOP;
  v_problems := tollgate.raise_problems(p_run, p_asked, v_raised);
  IF v_problems <> '[]' THEN RETURN tollgate.decision_refusal('run.invalid', v_problems); END IF;
  IF p_resumes THEN
    v_refusal := tollgate.refuse_resume(p_run, v_raised);
    IF v_refusal IS NOT NULL THEN RETURN v_refusal; END IF;
  END IF;

  PERFORM 1 FROM tollgate.run WHERE root_number = p_run.root_number AND held_by = p_run.number ORDER BY number FOR NO KEY UPDATE;
  IF p_asked <> '{}' THEN
    UPDATE tollgate.run SET limits = v_raised, version = version + 1 WHERE number = p_run.number RETURNING * INTO v_run;
    PERFORM tollgate.limit_run_budgets(v_run);
    PERFORM tollgate.run_changed(v_run, 'raised', p_detail || jsonb_build_object('limits', p_asked));
    v_numbers := v_numbers || v_run.number;
  END IF;
  v_freed := ARRAY(
    SELECT r.number FROM tollgate.run r
    WHERE r.root_number = p_run.root_number AND r.held_by = p_run.number AND r.hold ->> 'guard' LIKE 'ceiling.%' AND NOT (p_resumes AND r.number = p_run.number)
      AND NOT EXISTS (SELECT 1 FROM tollgate.limit_lines(v_raised) l WHERE l.line = 'hard' AND tollgate.does_hold_stand(r.hold, l.kind, l.tool, l.at)));
  PERFORM tollgate.let_go(v_freed, false, p_detail);
  IF p_resumes AND p_run.hold IS NOT NULL THEN
    PERFORM tollgate.let_go(ARRAY[p_run.number], true, p_detail);
    v_numbers := v_numbers || p_run.number;
  END IF;
  RETURN jsonb_build_object('numbers', to_jsonb(v_numbers || v_freed));
END $$;

-- A person stops a run, or time does for a pause that nobody answered (p_is_expired).
CREATE FUNCTION tollgate.stop_run(p_run tollgate.run, p_is_expired boolean, p_by text, p_detail jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  v_run tollgate.run;
BEGIN
  IF p_run.state = 'stopped' OR (p_is_expired AND p_run.state <> 'paused') THEN RETURN jsonb_build_object('numbers', '[]'::jsonb); END IF;
  UPDATE tollgate.run SET state = 'stopped', version = version + 1, is_governed = true, held_at = coalesce(held_at, clock_timestamp()),
    held_by = CASE WHEN p_is_expired THEN held_by ELSE number END,
    hold = CASE WHEN p_is_expired THEN hold || '{"state": "stopped", "askAgainMs": null}' ELSE jsonb_build_object('state', 'stopped', 'guard', 'person',
      'evidence', p_detail ->> 'reason', 'measured', '0', 'threshold', '0', 'ofRunId', id, 'pauseId', NULL, 'askAgainMs', NULL, 'by', p_by) END
  WHERE number = p_run.number RETURNING * INTO v_run;
  PERFORM tollgate.run_changed(v_run, 'stopped', v_run.hold || p_detail || jsonb_build_object('isExpired', p_is_expired)
    || CASE WHEN p_run.state = 'paused' AND NOT p_is_expired THEN jsonb_build_object('heldMs', tollgate.ms_since(p_run.held_at)) ELSE '{}' END);
  RETURN jsonb_build_object('numbers', jsonb_build_array(v_run.number));
END $$;

-- Ends a run and all below it; in the history it is one event, and one of each run that people know of. Gateways are told where one may know
-- of it that did not ask: p_gateway and p_epoch are the one that did, or null.
CREATE FUNCTION tollgate.finish_run(p_run tollgate.run, p_gateway text, p_epoch bigint, p_detail jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  v_numbers bigint[];
BEGIN
  v_numbers := ARRAY(
    SELECT number FROM tollgate.run WHERE root_number = p_run.root_number AND path @> ARRAY[p_run.number] AND state <> 'finished' ORDER BY number FOR NO KEY UPDATE);
  UPDATE tollgate.run SET state = 'finished', ended_at = clock_timestamp(), hold = NULL, held_by = NULL, version = version + 1,
    paused_ms = paused_ms + coalesce(tollgate.ms_since(held_at), 0), held_at = NULL WHERE number = ANY (v_numbers);
  PERFORM tollgate.run_changed(r, 'finished', p_detail) FROM tollgate.run r WHERE r.number = ANY (v_numbers) AND (r.is_governed OR r.number = p_run.number);
  RETURN jsonb_build_object('numbers', to_jsonb(v_numbers), 'isUntold', NOT EXISTS (
    SELECT 1 FROM tollgate.run WHERE number = ANY (v_numbers) AND (is_governed OR known_by IS DISTINCT FROM p_gateway || '/' || p_epoch)));
END $$;

-- RunDecision of domain/agents/run-decision.ts to RunDecisionResult. `limits` were checked by checkRunLimits. Of a gateway that finishes a run,
-- gatewayId and epoch. What stands already is decided, and changes nothing.
CREATE FUNCTION tollgate.decide_run(p_decision jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  v_kind text := p_decision #>> '{decision,kind}';
  v_by text := p_decision ->> 'by';
  v_detail jsonb := jsonb_build_object('by', v_by, 'reason', p_decision ->> 'reason');
  v_run tollgate.run;
  v_reply jsonb;
  v_numbers bigint[];
  v_revision bigint;
BEGIN
  SELECT * INTO v_run FROM tollgate.run WHERE id = p_decision ->> 'runId' AND team_id = coalesce(p_decision ->> 'teamId', team_id);
  IF NOT FOUND THEN RETURN tollgate.decision_refusal('run.unknown', 'runId', format('there is no run %s', p_decision ->> 'runId')); END IF;
  PERFORM 1 FROM tollgate.run WHERE number IN (v_run.root_number, v_run.number) ORDER BY number FOR NO KEY UPDATE;
  SELECT * INTO v_run FROM tollgate.run WHERE number = v_run.number;
  IF v_run.version <> (p_decision ->> 'knownVersion')::bigint THEN
    RETURN tollgate.decision_refusal('admin.conflict', 'knownVersion', format('is not the version of the run, which is %s', v_run.version));
  ELSIF v_run.state = 'finished' AND v_kind <> 'finish' THEN
    RETURN tollgate.decision_refusal('run.finished', 'runId', format('the run %s has ended', v_run.id));
  END IF;
  v_reply := CASE v_kind
    WHEN 'stop' THEN tollgate.stop_run(v_run, false, v_by, v_detail)
    WHEN 'expire' THEN tollgate.stop_run(v_run, true, v_by, v_detail)
    WHEN 'finish' THEN tollgate.finish_run(v_run, p_decision ->> 'gatewayId', (p_decision ->> 'epoch')::bigint, v_detail)
    WHEN 'resume' THEN tollgate.raise_run(v_run, '{}', true, v_detail)
    WHEN 'approve' THEN tollgate.raise_run(v_run, coalesce(p_decision #> '{decision,limits}', '{}'), true, v_detail)
    WHEN 'raise' THEN tollgate.raise_run(v_run, coalesce(p_decision #> '{decision,limits}', '{}'), false, v_detail) END;
  IF v_reply IS NULL THEN RAISE EXCEPTION 'a run cannot be decided by %', v_kind USING ERRCODE = 'invalid_parameter_value'; END IF;
  IF v_reply ? 'problems' THEN RETURN v_reply; END IF;
  v_numbers := ARRAY(SELECT DISTINCT x::bigint FROM jsonb_array_elements_text(v_reply -> 'numbers') x ORDER BY 1);
  IF cardinality(v_numbers) > 0 AND NOT coalesce((v_reply ->> 'isUntold')::boolean, false) THEN
    v_revision := tollgate.record_runs(v_run.root_number, v_by, v_numbers);
  END IF;
  SELECT * INTO v_run FROM tollgate.run WHERE number = v_run.number;
  RETURN jsonb_build_object('kind', 'decided', 'run', tollgate.run_record(v_run), 'revision', coalesce(v_revision, (SELECT max(revision) FROM tollgate.change))::text);
END $$;
