-- How the governing workflow writes limits: one function call in one statement, fenced by the policy revision.
-- Lock order as in 0002: governance row, budget rows by id, window rows by id, lease rows; record_change last.

-- Per team: the newest policy revision PostgreSQL holds completely (callers wait for it), and whether it is frozen.
-- team_id '@organization' stands for the organisation.
CREATE TABLE tollgate.team_governance (
  team_id       text PRIMARY KEY,
  revision      bigint NOT NULL DEFAULT 0,
  is_frozen     boolean NOT NULL DEFAULT false,
  freeze_reason text,
  freeze_seq    bigint NOT NULL DEFAULT 0,             -- counts the decisions: which of two readings of it is the newer
  written_revision  bigint NOT NULL DEFAULT 0,         -- the newest that its workflow wrote
  document_revision bigint NOT NULL DEFAULT 0,         -- the newest that a policy document wrote (0017)
  updated_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What the workflows announced, once each: the key makes a repeated announcement a no-op.
CREATE TABLE tollgate.governance_event (
  event_key text PRIMARY KEY,
  at        timestamptz NOT NULL DEFAULT clock_timestamp(),
  team_id   text NOT NULL,
  event     text NOT NULL,
  detail    jsonb NOT NULL DEFAULT '{}'
);
-- When a team's workflow last accepted its totals: windows that ended since then are told however long Temporal was away.
CREATE TABLE tollgate.totals_told (
  team_id text PRIMARY KEY,
  told_at timestamptz NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX governance_event_team_at ON tollgate.governance_event (team_id, at);
CREATE INDEX budget_window_last ON tollgate.budget_window (budget_id, ends_at);
-- Block ranges, because a tree on the end alone would be taken for finding one budget's windows, and read those of all.
CREATE INDEX budget_window_end ON tollgate.budget_window USING brin (ends_at);
CREATE INDEX refusal_at ON tollgate.refusal USING brin (at);
-- Counting a window's refusals, and finding its newest, however many its team has in others.
CREATE INDEX refusal_window ON tollgate.refusal (window_id, window_seq) WHERE code IN ('budget.exceeded', 'budget.overrun', 'budget.needs_approval') AND NOT is_observed;
CREATE INDEX refusal_observed ON tollgate.refusal (window_id) WHERE is_observed;

-- What attempts in the database that match the selector of a window's budget, and were not reserved in it, have booked.
CREATE FUNCTION tollgate.booked_in_attempts(p_window_id bigint) RETURNS bigint
LANGUAGE sql STABLE AS $$
  SELECT coalesce(sum(tollgate.cost_in(b.unit, a)), 0)::bigint
  FROM tollgate.budget_window w
  JOIN tollgate.declared_budget b ON b.id = w.budget_id
  JOIN tollgate.attempt a ON a.at >= w.starts_at AND a.at < w.ends_at
    AND (b.team_id IS NULL OR a.team_id = b.team_id)
    AND CASE b.dimension
      WHEN 'feature' THEN a.feature = b.dimension_value
      WHEN 'user' THEN a.user_id = b.dimension_value
      WHEN 'model' THEN a.model = b.dimension_value
      WHEN 'provider' THEN a.provider = b.dimension_value
      WHEN 'key' THEN a.key_id = b.dimension_value
      WHEN 'environment' THEN a.environment = b.dimension_value
      ELSE true END
    AND NOT a.window_ids @> ARRAY[w.id]
  WHERE w.id = p_window_id
$$;

-- What a budget's window has already booked without having been there: archived calls (0012) count as those in the database.
CREATE FUNCTION tollgate.booked_outside(p_window_id bigint) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN tollgate.booked_in_attempts(p_window_id) + tollgate.booked_in_archive(p_window_id);
END $$;

-- Brings the opening balance up to what is booked: when a budget is made, and again while calls that were reserved
-- before it existed come in. It only grows, and may pass the limit: that is an overhang, not overspend.
-- Returns the amount added.
CREATE FUNCTION tollgate.refresh_opening_balance(p_window_id bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_window tollgate.budget_window;
  v_booked bigint;
  v_known bigint;
BEGIN
  SELECT * INTO v_window FROM tollgate.budget_window WHERE id = p_window_id FOR NO KEY UPDATE;
  v_booked := tollgate.booked_outside(p_window_id);
  SELECT coalesce(max(posted), 0) INTO v_known FROM tollgate.lease WHERE gateway_id = 'opening' AND epoch = 0 AND window_id = p_window_id;
  IF v_booked <= v_known THEN RETURN 0; END IF;
  UPDATE tollgate.budget_window SET granted = granted + v_booked - v_known, event_seq = event_seq + 1 WHERE id = p_window_id RETURNING * INTO v_window;
  INSERT INTO tollgate.lease AS l (gateway_id, epoch, window_id, granted, posted, version) VALUES ('opening', 0, p_window_id, v_booked, v_booked, 1)
  ON CONFLICT (gateway_id, epoch, window_id) DO UPDATE SET granted = excluded.granted, posted = excluded.posted, version = l.version + 1;
  INSERT INTO tollgate.window_event (window_id, seq, kind, gateway_id, epoch, amount, granted_after, limit_amount, stop_amount, is_frozen, revision)
  VALUES (p_window_id, v_window.event_seq, 'opening_balance', 'opening', 0, v_booked - v_known, v_window.granted, v_window.limit_amount, v_window.stop_amount, v_window.is_frozen, v_window.revision);
  RETURN v_booked - v_known;
END $$;

-- Calls reserved before a budget existed settle later, at the latest after maxCallMs plus a minute: for that long a
-- young budget is looked at again. Returns how many windows moved.
CREATE FUNCTION tollgate.refresh_opening_balances(p_young interval) RETURNS bigint
LANGUAGE sql AS $$
  SELECT count(*) FILTER (WHERE moved > 0) FROM (
    SELECT tollgate.refresh_opening_balance(w.id) AS moved
    FROM (
      SELECT w.id FROM tollgate.budget_window w JOIN tollgate.declared_budget b ON b.id = w.budget_id
      WHERE b.deleted_at IS NULL AND b.created_at > clock_timestamp() - p_young AND w.ends_at > clock_timestamp() - p_young
        AND tollgate.booked_outside(w.id) > coalesce((SELECT l.posted FROM tollgate.lease l WHERE l.gateway_id = 'opening' AND l.epoch = 0 AND l.window_id = w.id), 0)
      ORDER BY w.id
    ) w
  ) refreshed
$$;

-- Puts windows under their budgets' present limits and the raises in force (0014), of a window to come when it begins; the caller
-- holds no window lock with a higher id. By indexes, whatever a plan knows of the tables: it may be one window, or those of a policy.
CREATE FUNCTION tollgate.limit_windows(p_windows bigint[]) RETURNS void
LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
  PERFORM 1 FROM unnest(p_windows) AS p (id) JOIN tollgate.budget_window w ON w.id = p.id ORDER BY w.id FOR NO KEY UPDATE OF w;
  WITH due AS (
    SELECT w.id, b.mode, b.is_frozen, b.revision, l.*
    FROM unnest(p_windows) AS p (id) JOIN tollgate.budget_window w ON w.id = p.id JOIN tollgate.budget b ON b.id = w.budget_id
    CROSS JOIN LATERAL tollgate.window_limits(b, w.approved_amount, greatest(clock_timestamp(), w.starts_at)) l
    WHERE w.revision < b.revision OR (w.limit_amount, w.stop_amount, w.needs_approval, w.raised_until, w.is_frozen)
      IS DISTINCT FROM (l.limit_amount, l.stop_amount, l.needs_approval, l.raised_until, b.is_frozen)
  ), limited AS (
    UPDATE tollgate.budget_window w SET limit_amount = d.limit_amount, stop_amount = d.stop_amount, needs_approval = d.needs_approval,
      degrade_amounts = d.degrade_amounts, is_observed = d.mode = 'observe', raised_until = d.raised_until,
      is_frozen = d.is_frozen, revision = greatest(w.revision, d.revision), event_seq = w.event_seq + 1
    FROM due d WHERE w.id = d.id RETURNING w.*
  )
  INSERT INTO tollgate.window_event (window_id, seq, kind, granted_after, limit_amount, stop_amount, is_frozen, revision, is_observed, degrade_amounts)
  SELECT id, event_seq, 'limit', granted, limit_amount, stop_amount, is_frozen, revision, is_observed, degrade_amounts FROM limited;
END $$;

CREATE FUNCTION tollgate.apply_limits(p_window_id bigint) RETURNS void
LANGUAGE sql AS $$
  SELECT tollgate.limit_windows(ARRAY[p_window_id])
$$;

-- A new budget and its current window, which opens with what is booked already; the caller records it. p_budget is
-- domain/budget/scope.ts BudgetDefinition.
CREATE FUNCTION tollgate.insert_budget(p_team text, p_revision bigint, p_budget jsonb) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_id bigint;
BEGIN
  INSERT INTO tollgate.budget (team_id, dimension, dimension_value, unit, window_kind, time_zone, week_start, fiscal_year_start, limit_amount, mode, thresholds,
    is_frozen, revision)
  VALUES (nullif(p_team, '@organization'), p_budget->>'dimension', p_budget->>'dimensionValue', p_budget->>'unit', p_budget->>'windowKind', p_budget->>'timeZone',
    (p_budget->>'weekStart')::smallint, (p_budget->>'fiscalYearStart')::smallint, (p_budget->>'limitAmount')::bigint, p_budget->>'mode', p_budget->'thresholds',
    coalesce((SELECT is_frozen FROM tollgate.team_governance WHERE team_id = p_team), false), p_revision)
  RETURNING id INTO v_id;
  PERFORM tollgate.refresh_opening_balance(tollgate.open_window(v_id));
  RETURN v_id;
END $$;

-- Inserts or updates one budget and its current window.
-- A revision at or below the row's own changes nothing (the fence; also what makes a repeated call harmless).
CREATE FUNCTION tollgate.write_budget(p_team text, p_revision bigint, p_admin text, p_budget jsonb) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_team text := nullif(p_team, '@organization');
  v_id bigint;
  v_revision bigint;
  v_window bigint;
BEGIN
  SELECT id, revision INTO v_id, v_revision FROM tollgate.declared_budget
  WHERE coalesce(team_id, '') = coalesce(v_team, '') AND dimension = p_budget->>'dimension' AND dimension_value = p_budget->>'dimensionValue'
    AND unit = p_budget->>'unit' AND window_kind = p_budget->>'windowKind' AND deleted_at IS NULL
  FOR NO KEY UPDATE;
  IF v_revision >= p_revision THEN RETURN v_id; END IF;
  IF v_id IS NULL THEN
    v_id := tollgate.insert_budget(p_team, p_revision, p_budget);
    PERFORM tollgate.record_change('budget', v_id::text, p_admin, p_budget || jsonb_build_object('teamId', p_team, 'policyRevision', p_revision));
    RETURN v_id;
  END IF;
  UPDATE tollgate.declared_budget SET time_zone = p_budget->>'timeZone', week_start = (p_budget->>'weekStart')::smallint,
    fiscal_year_start = (p_budget->>'fiscalYearStart')::smallint, limit_amount = (p_budget->>'limitAmount')::bigint,
    mode = p_budget->>'mode', thresholds = p_budget->'thresholds', revision = p_revision
  WHERE id = v_id;
  v_window := tollgate.open_window(v_id);
  PERFORM tollgate.apply_limits(v_window);
  PERFORM tollgate.apply_limits(w.id) FROM tollgate.budget_window w WHERE w.budget_id = v_id AND w.is_ahead;
  -- A person who sets a budget has seen its overrun: that much no longer stops its grants.
  UPDATE tollgate.budget_window SET overrun_cleared = (SELECT coalesce(sum(overrun), 0) FROM tollgate.lease WHERE window_id = v_window) WHERE id = v_window;
  PERFORM tollgate.record_change('budget', v_id::text, p_admin, p_budget || jsonb_build_object('teamId', p_team, 'policyRevision', p_revision));
  RETURN v_id;
END $$;

-- Ends one budget; its windows and leases stay in the books. Returns false when there was none, or a newer one.
CREATE FUNCTION tollgate.remove_budget(p_team text, p_revision bigint, p_admin text, p_selector jsonb) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  v_id bigint;
BEGIN
  UPDATE tollgate.declared_budget SET deleted_at = clock_timestamp(), revision = p_revision
  WHERE coalesce(team_id, '') = coalesce(nullif(p_team, '@organization'), '') AND dimension = p_selector->>'dimension' AND dimension_value = p_selector->>'dimensionValue'
    AND unit = p_selector->>'unit' AND window_kind = p_selector->>'windowKind' AND deleted_at IS NULL AND revision < p_revision
  RETURNING id INTO v_id;
  IF v_id IS NULL THEN RETURN false; END IF;
  PERFORM tollgate.record_change('budget', v_id::text, p_admin, p_selector || jsonb_build_object('teamId', p_team, 'policyRevision', p_revision, 'isRemoved', true));
  RETURN true;
END $$;

-- Freezes or unfreezes every budget of a team, present and future; returns the revision held afterwards, as apply_policy does.
-- p_revision null: a person's decision straight from the administration API (no fence, nothing to wait for), see freeze_now.
-- The workflow says with p_known_seq which decision it knew of when it let a team go: a freeze it had not heard of stays.
CREATE FUNCTION tollgate.set_frozen(p_team text, p_is_frozen boolean, p_reason text, p_revision bigint, p_admin text, p_known_seq bigint DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_row tollgate.team_governance;
  v_reason text := CASE WHEN p_is_frozen THEN p_reason END;
  v_id bigint;
BEGIN
  INSERT INTO tollgate.team_governance (team_id) VALUES (p_team) ON CONFLICT DO NOTHING;
  SELECT * INTO v_row FROM tollgate.team_governance WHERE team_id = p_team FOR NO KEY UPDATE;
  IF p_revision = v_row.written_revision THEN RETURN p_revision; END IF;
  IF p_revision <= v_row.revision THEN RETURN v_row.revision; END IF;
  IF NOT p_is_frozen AND v_row.freeze_seq > p_known_seq THEN
    UPDATE tollgate.team_governance SET revision = coalesce(p_revision, revision), written_revision = coalesce(p_revision, written_revision),
      updated_at = clock_timestamp() WHERE team_id = p_team;
    RETURN coalesce(p_revision, v_row.revision);
  END IF;
  UPDATE tollgate.team_governance SET is_frozen = p_is_frozen, freeze_reason = v_reason,
    freeze_seq = freeze_seq + CASE WHEN (is_frozen, freeze_reason) IS DISTINCT FROM (p_is_frozen, v_reason) THEN 1 ELSE 0 END,
    revision = coalesce(p_revision, revision), written_revision = coalesce(p_revision, written_revision), updated_at = clock_timestamp() WHERE team_id = p_team;
  IF v_row.is_frozen = p_is_frozen THEN RETURN coalesce(p_revision, v_row.revision); END IF;
  PERFORM 1 FROM tollgate.declared_budget WHERE coalesce(team_id, '@organization') = p_team AND deleted_at IS NULL ORDER BY id FOR NO KEY UPDATE;
  UPDATE tollgate.declared_budget SET is_frozen = p_is_frozen WHERE coalesce(team_id, '@organization') = p_team AND deleted_at IS NULL;
  FOR v_id IN
    SELECT w.id FROM tollgate.budget_window w JOIN tollgate.declared_budget b ON b.id = w.budget_id
    WHERE coalesce(b.team_id, '@organization') = p_team AND b.deleted_at IS NULL AND w.ends_at > clock_timestamp() ORDER BY w.id
  LOOP
    PERFORM tollgate.apply_limits(v_id);
  END LOOP;
  PERFORM tollgate.record_change('budget', p_team, p_admin, jsonb_build_object('teamId', p_team, 'isFrozen', p_is_frozen, 'reason', p_reason));
  RETURN coalesce(p_revision, v_row.revision);
END $$;

-- A person's freeze or unfreeze, in force whether or not Temporal answers. Returns its number, with which the workflow is
-- told of it; where that fails, the totals tell.
CREATE FUNCTION tollgate.freeze_now(p_team text, p_is_frozen boolean, p_reason text, p_admin text) RETURNS bigint
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM tollgate.set_frozen(p_team, p_is_frozen, p_reason, NULL, p_admin);
  RETURN (SELECT freeze_seq FROM tollgate.team_governance WHERE team_id = p_team);
END $$;

-- One policy revision as a whole: budgets to write, budgets to end. Returns the revision held afterwards: at p_revision it is applied,
-- above it PostgreSQL holds a newer one and nothing was changed. A revision that the workflow wrote last is applied, whatever a policy
-- document (0017) wrote since: only the answer was lost, and doing it again would undo the document.
CREATE FUNCTION tollgate.apply_policy(p_team text, p_revision bigint, p_admin text, p_set jsonb, p_remove jsonb) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_held bigint;
  v_written bigint;
BEGIN
  INSERT INTO tollgate.team_governance (team_id) VALUES (p_team) ON CONFLICT DO NOTHING;
  SELECT revision, written_revision INTO v_held, v_written FROM tollgate.team_governance WHERE team_id = p_team FOR NO KEY UPDATE;
  IF p_revision = v_written THEN RETURN p_revision; END IF;
  IF v_held >= p_revision THEN RETURN v_held; END IF;
  PERFORM 1 FROM tollgate.declared_budget WHERE coalesce(team_id, '@organization') = p_team AND deleted_at IS NULL ORDER BY id FOR NO KEY UPDATE;
  PERFORM 1 FROM tollgate.budget_window w JOIN tollgate.declared_budget b ON b.id = w.budget_id
  WHERE coalesce(b.team_id, '@organization') = p_team AND b.deleted_at IS NULL AND w.ends_at > clock_timestamp() ORDER BY w.id FOR NO KEY UPDATE OF w;
  PERFORM tollgate.remove_budget(p_team, p_revision, p_admin, selector) FROM jsonb_array_elements(p_remove) selector;
  PERFORM tollgate.write_budget(p_team, p_revision, p_admin, budget) FROM jsonb_array_elements(p_set) budget;
  UPDATE tollgate.team_governance SET revision = p_revision, written_revision = p_revision, updated_at = clock_timestamp() WHERE team_id = p_team;
  RETURN p_revision;
END $$;

-- Totals of every window that is open or ended within p_grace, in one snapshot: the sum of its lease rows, its version the
-- sum of their counters. p_teams null = all; p_is_for_telling: what ended before its team was last told is left out instead. Epoch milliseconds; starts_at_ms 0 and ends_at_ms null stand for the infinities.
CREATE FUNCTION tollgate.team_totals(p_teams text[], p_is_for_telling boolean, p_grace interval) RETURNS TABLE (
  team_id text, budget_id bigint, dimension text, dimension_value text, unit text, window_kind text, thresholds jsonb,
  window_id bigint, starts_at_ms float8, ends_at_ms float8, limit_amount bigint, stop_amount bigint, approved_amount bigint, is_observed boolean,
  granted bigint, posted bigint, pending bigint, overrun bigint, leases bigint, version bigint)
LANGUAGE sql STABLE AS $$
  SELECT coalesce(b.team_id, '@organization'), b.id, b.dimension, b.dimension_value, b.unit, b.window_kind, b.thresholds,
    w.id, CASE WHEN isfinite(w.starts_at) THEN floor(extract(epoch FROM w.starts_at) * 1000)::float8 ELSE 0 END,
    CASE WHEN isfinite(w.ends_at) THEN floor(extract(epoch FROM w.ends_at) * 1000)::float8 END,
    w.limit_amount, w.stop_amount, w.approved_amount, w.is_observed, w.granted, coalesce(l.posted, 0)::bigint, coalesce(l.pending, 0)::bigint, coalesce(l.overrun, 0)::bigint, l.leases, coalesce(l.version, 0)::bigint
  FROM tollgate.declared_budget b
  LEFT JOIN tollgate.totals_told t ON t.team_id = coalesce(b.team_id, '@organization')
  -- A subquery of its own (OFFSET 0), so that each budget's last windows are found by the index: years of ended ones are never read.
  CROSS JOIN LATERAL (
    SELECT * FROM tollgate.budget_window y
    WHERE y.budget_id = b.id AND y.ends_at > CASE WHEN p_is_for_telling THEN coalesce(t.told_at, '-infinity') ELSE statement_timestamp() END - p_grace
    OFFSET 0
  ) w
  CROSS JOIN LATERAL (
    SELECT sum(x.posted) AS posted, sum(x.granted - x.returned - x.posted) AS pending, sum(x.overrun) AS overrun,
      count(*) FILTER (WHERE x.granted - x.returned - x.posted > 0) AS leases, sum(x.version) AS version
    FROM tollgate.lease x WHERE x.window_id = w.id
  ) l
  WHERE b.deleted_at IS NULL AND (p_teams IS NULL OR coalesce(b.team_id, '@organization') = ANY (p_teams))
    AND NOT (w.is_ahead AND w.starts_at > statement_timestamp())
$$;

-- Teams with a budget, an open or just ended window, a lease in one, or a decision to freeze written by a transaction that `p_horizon`
-- does not cover: pg_snapshot_xmin of an earlier look, below which everything was committed and seen. More than those is no harm.
CREATE FUNCTION tollgate.moved_teams(p_horizon xid8, p_grace interval) RETURNS SETOF text
LANGUAGE sql STABLE AS $$
  SELECT coalesce(b.team_id, '@organization') FROM (
    SELECT w.budget_id FROM tollgate.declared_budget d JOIN tollgate.budget_window w ON w.budget_id = d.id JOIN tollgate.lease l ON l.window_id = w.id
    WHERE w.ends_at > statement_timestamp() - p_grace AND age(l.xmin) <= age(p_horizon::xid)
    UNION
    SELECT w.budget_id FROM tollgate.declared_budget d JOIN tollgate.budget_window w ON w.budget_id = d.id WHERE w.ends_at > statement_timestamp() - p_grace AND age(w.xmin) <= age(p_horizon::xid)
    UNION
    SELECT x.id FROM tollgate.budget x WHERE x.dimension <> 'run' AND age(x.xmin) <= age(p_horizon::xid)
  ) moved JOIN tollgate.budget b ON b.id = moved.budget_id
  UNION
  SELECT g.team_id FROM tollgate.team_governance g WHERE age(g.xmin) <= age(p_horizon::xid)
$$;
