-- What follows from the definition of a budget. Its lines: where spend stops, waits for approval or is degraded; a person
-- declared them in tollgate.budget, and what they come to under the limit in force stands on the window. Its calendar: the
-- bounds of its windows, which domain/budget/window.ts says as well.

-- Where a line stands under a limit: rounded up to a whole unit, never above it (domain/budget/scope.ts thresholdAmount).
CREATE FUNCTION tollgate.line_amount(p_at jsonb, p_limit bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
  SELECT least(p_limit, CASE WHEN p_at ? 'amount' THEN (p_at->>'amount')::bigint
    ELSE div(p_limit::numeric * (p_at->>'basisPoints')::numeric + 9999, 10000)::bigint END)
$$;

-- What a window of the budget stands under when spend is approved in it up to p_approved. Spend stops at the lowest of its
-- stops, of its approvals not given, and the limit; where an approval is that line and nothing else is, needs_approval says so.
-- The limit is the one in force at p_at: with the raises of 0014, of which the first ends at raised_until (null = there is none).
SET LOCAL check_function_bodies = off;
CREATE FUNCTION tollgate.window_limits(
  p_budget tollgate.budget, p_approved bigint, p_at timestamptz,
  OUT limit_amount bigint, OUT stop_amount bigint, OUT needs_approval boolean, OUT degrade_amounts bigint[], OUT raised_until timestamptz)
LANGUAGE sql STABLE AS $$
  SELECT f.amount, least(f.amount, l.stop, l.approval), coalesce(l.approval < least(f.amount, l.stop), false), coalesce(l.degrade, '{}'), f.raised_until
  FROM (SELECT p_budget.limit_amount + r.raised_amount AS amount, r.raised_until FROM tollgate.raises_at(p_budget.id, p_at) r) f
  CROSS JOIN LATERAL (
    SELECT min(x.amount) FILTER (WHERE x.action = 'stop') AS stop,
      min(x.amount) FILTER (WHERE x.action = 'needApproval' AND x.amount > p_approved) AS approval,
      -- Nothing is degraded where nothing is enforced.
      array_agg(x.amount ORDER BY x.place) FILTER (WHERE x.action = 'degrade' AND p_budget.mode = 'enforce') AS degrade
    FROM (
      SELECT t.line->>'action' AS action, tollgate.line_amount(t.line->'at', f.amount) AS amount, t.place
      FROM jsonb_array_elements(p_budget.thresholds) WITH ORDINALITY AS t (line, place)
    ) x
  ) l
$$;

-- What may still be granted in a window. An observed one has room without end: half of what a bigint holds.
CREATE FUNCTION tollgate.room_of(p_window tollgate.budget_window) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN p_window.is_observed THEN 4611686018427387904 - p_window.granted
    ELSE greatest(0, least(p_window.limit_amount, p_window.stop_amount) - p_window.granted) END
$$;

-- Approves spend in one window up to p_amount, and so opens the lines of needApproval at or below it; an approval is never
-- taken back within a window. Fenced by the policy revision like apply_policy, whose answer it gives: at p_revision it is
-- in force, above it PostgreSQL holds a newer revision and nothing was changed. Of a window that is not there, or of a budget
-- that ended, the revision is taken and nothing else happens: there is nothing left to approve.
CREATE FUNCTION tollgate.approve_line(
  p_team text, p_revision bigint, p_admin text, p_selector jsonb, p_window_starts_at timestamptz, p_amount bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_held bigint;
  v_budget bigint;
  v_window bigint;
BEGIN
  IF p_amount < 0 THEN RAISE EXCEPTION 'an approved amount is not negative' USING ERRCODE = 'check_violation'; END IF;
  INSERT INTO tollgate.team_governance (team_id) VALUES (p_team) ON CONFLICT DO NOTHING;
  SELECT revision INTO v_held FROM tollgate.team_governance WHERE team_id = p_team FOR NO KEY UPDATE;
  IF v_held >= p_revision THEN RETURN v_held; END IF;
  SELECT id INTO v_budget FROM tollgate.declared_budget
  WHERE coalesce(team_id, '@organization') = p_team AND dimension = p_selector->>'dimension' AND dimension_value = p_selector->>'dimensionValue'
    AND unit = p_selector->>'unit' AND window_kind = p_selector->>'windowKind' AND deleted_at IS NULL
  FOR NO KEY UPDATE;
  UPDATE tollgate.budget_window SET approved_amount = greatest(approved_amount, p_amount)
  WHERE budget_id = v_budget AND starts_at = p_window_starts_at RETURNING id INTO v_window;
  IF v_window IS NOT NULL THEN
    PERFORM tollgate.apply_limits(v_window);
    PERFORM tollgate.record_change('budget', v_budget::text, p_admin, p_selector || jsonb_build_object(
      'teamId', p_team, 'policyRevision', p_revision, 'approvedAmount', p_amount::text, 'windowId', v_window::text));
  END IF;
  UPDATE tollgate.team_governance SET revision = p_revision, written_revision = p_revision, updated_at = clock_timestamp() WHERE team_id = p_team;
  RETURN p_revision;
END $$;

-- The first instant of a local day. Midnight may be skipped in spring (Cairo, Beirut): AT TIME ZONE then gives the instant
-- of the change. It may happen twice in autumn (Havana): then AT TIME ZONE means the later, but the day began with the first.
CREATE FUNCTION tollgate.start_of_local_day(p_day timestamp, p_zone text) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
  SELECT least(m.midnight, (
    SELECT min(m.midnight - shift) FROM unnest(ARRAY[interval '30 minutes', interval '1 hour', interval '2 hours']) AS shift
    WHERE (m.midnight - shift) AT TIME ZONE p_zone = p_day))
  FROM (SELECT p_day AT TIME ZONE p_zone AS midnight) m
$$;

-- Calendar bounds of the window that contains p_at. Days, weeks, months and quarters follow the local calendar
-- (23- and 25-hour days included); hours are UTC hours, which no daylight change repeats or skips. Weeks begin on the ISO
-- weekday p_week_start, quarters in the month p_fiscal_year_start and in every third after it.
CREATE FUNCTION tollgate.window_bounds(
  p_kind text, p_zone text, p_at timestamptz, p_week_start integer DEFAULT 1, p_fiscal_year_start integer DEFAULT 1, OUT starts_at timestamptz, OUT ends_at timestamptz)
LANGUAGE plpgsql STABLE AS $$
DECLARE
  v_local timestamp := p_at AT TIME ZONE p_zone;
  -- By how much the calendar of this budget is behind PostgreSQL's, whose weeks begin on Monday and quarters in January.
  v_shift interval := CASE p_kind WHEN 'week' THEN make_interval(days => p_week_start - 1)
    WHEN 'quarter' THEN make_interval(months => (p_fiscal_year_start - 1) % 3) ELSE interval '0' END;
  v_first timestamp;
BEGIN
  CASE p_kind
    WHEN 'lifetime' THEN starts_at := '-infinity'; ends_at := 'infinity';
    WHEN 'hour' THEN
      starts_at := to_timestamp(floor(extract(epoch FROM p_at) / 3600) * 3600);
      ends_at := starts_at + interval '1 hour';
    ELSE
      v_first := date_trunc(p_kind, v_local - v_shift) + v_shift;
      starts_at := tollgate.start_of_local_day(v_first, p_zone);
      ends_at := tollgate.start_of_local_day(v_first + CASE p_kind
        WHEN 'day' THEN interval '1 day' WHEN 'week' THEN interval '1 week'
        WHEN 'month' THEN interval '1 month' ELSE interval '3 months' END, p_zone);
  END CASE;
END $$;

CREATE FUNCTION tollgate.calendar_window(p_budget tollgate.budget, p_at timestamptz, OUT starts_at timestamptz, OUT ends_at timestamptz)
LANGUAGE plpgsql STABLE AS $$
BEGIN
  SELECT b.starts_at, b.ends_at INTO starts_at, ends_at
  FROM tollgate.window_bounds(p_budget.window_kind, p_budget.time_zone, p_at, p_budget.week_start, p_budget.fiscal_year_start) b;
END $$;

-- Bounds of the window that follows one which ends at p_after. A new window starts where its predecessor ended, so a clock
-- that went back resets nothing. After a change of time zone, week start or fiscal year it is stretched to the second boundary
-- of the new rule: the change costs one reset and not a second one hours later.
CREATE FUNCTION tollgate.bounds_after(p_budget tollgate.budget, p_after timestamptz, OUT starts_at timestamptz, OUT ends_at timestamptz)
LANGUAGE plpgsql STABLE AS $$
BEGIN
  SELECT b.starts_at, b.ends_at INTO starts_at, ends_at FROM tollgate.calendar_window(p_budget, p_after) b;
  IF starts_at < p_after THEN
    starts_at := p_after;
    SELECT b.ends_at INTO ends_at FROM tollgate.calendar_window(p_budget, ends_at) b;
  END IF;
END $$;
