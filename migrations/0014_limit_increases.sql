-- Temporary raises of a limit: asked for by one person, decided by another, in force until their date. The team's workflow
-- waits for the decision and writes it here, fenced by the team's revision. Lock order as in 0005: governance row, budget
-- rows by id, window rows by id; record_change last.

-- Who decides about increases: admin key names. '@organization' = for every team. While neither a team nor the organisation
-- names anybody, every admin key but the requester's decides.
CREATE TABLE tollgate.approver (
  team_id    text NOT NULL,
  admin_name text NOT NULL,
  PRIMARY KEY (team_id, admin_name)
);

-- The most by which the raises in force may lift one budget in money. The row of '@organization' holds for teams without one.
CREATE TABLE tollgate.increase_ceiling (
  team_id         text PRIMARY KEY,
  amount_nano_usd bigint NOT NULL CHECK (amount_nano_usd >= 0)
);

-- One row per request, for ever: who asked for what and why, who decided, what then held. 'approved' is in force until
-- until_at by PostgreSQL's clock, whoever is awake; 'ended' says that the workflow has noticed.
CREATE TABLE tollgate.limit_increase (
  id                   text PRIMARY KEY CHECK (id ~ '^inc_[0-9a-f]{12}$'),
  team_id              text NOT NULL,
  budget_id            bigint NOT NULL REFERENCES tollgate.budget (id),
  kind                 text NOT NULL CHECK (kind IN ('increase', 'line')),
  status               text NOT NULL CHECK (status IN ('pending', 'approved', 'rejected', 'withdrawn', 'expired', 'refused', 'ended')),
  asked_amount         bigint NOT NULL CHECK (asked_amount > 0), -- of a line: where it stands
  window_starts_at_ms  bigint,               -- of a line: its window; 0 = lifetime
  until_at             timestamptz,          -- null = the end of the window in which it is approved
  reason               text NOT NULL,
  requested_by         text NOT NULL,
  is_requested_by_hand boolean NOT NULL,     -- the name was typed into the workflow's update, not proven by an admin key
  requested_at         timestamptz NOT NULL,
  expires_at           timestamptz NOT NULL,
  granted_amount       bigint CHECK (granted_amount BETWEEN 1 AND asked_amount),
  decided_by           text,
  is_decided_by_hand   boolean,
  decided_at           timestamptz,
  decision_reason      text,
  limit_before         bigint,               -- in force when it was applied, and after
  limit_after          bigint,
  applied_at           timestamptz,          -- of a raise: what raises_at counts
  ended_at             timestamptz,
  ended_by             text,                 -- who ended it before its date; null where its date did
  is_ended_by_hand     boolean,
  end_reason           text,
  CHECK ((applied_at IS NULL) OR (granted_amount IS NOT NULL AND until_at IS NOT NULL AND status IN ('approved', 'ended')))
);
CREATE INDEX limit_increase_applied ON tollgate.limit_increase (budget_id, until_at) WHERE applied_at IS NOT NULL;
CREATE INDEX limit_increase_team ON tollgate.limit_increase (team_id, requested_at);

-- When the first raise that is in a window's limit ends; null = none is. A grant looks at this alone.
ALTER TABLE tollgate.budget_window ADD COLUMN raised_until timestamptz;
CREATE INDEX budget_window_raised ON tollgate.budget_window (ends_at) WHERE raised_until IS NOT NULL;

-- What the raises of a budget add to its limit at an instant, and when the first of them ends.
CREATE FUNCTION tollgate.raises_at(p_budget_id bigint, p_at timestamptz, OUT raised_amount bigint, OUT raised_until timestamptz)
LANGUAGE sql STABLE AS $$
  SELECT coalesce(sum(granted_amount), 0)::bigint, min(until_at)
  FROM tollgate.limit_increase WHERE budget_id = p_budget_id AND applied_at IS NOT NULL AND until_at > p_at
$$;

-- Windows in which a raise is over fall back to what is in force now. The caller has locked their rows (a grant has).
CREATE FUNCTION tollgate.lower_windows(p_windows bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_id bigint;
BEGIN
  FOR v_id IN SELECT id FROM tollgate.budget_window WHERE id = ANY (p_windows) AND raised_until <= clock_timestamp() ORDER BY id LOOP
    PERFORM tollgate.apply_limits(v_id);
  END LOOP;
END $$;

-- The same for every open window, by a worker's clock, so that gateways give back what they hold above the limit although
-- nobody asks for a grant. Needs no Temporal. Returns how many budgets fell back.
CREATE FUNCTION tollgate.lower_due_windows() RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_budgets bigint[];
  v_budget tollgate.declared_budget;
BEGIN
  SELECT array_agg(id) INTO v_budgets FROM (
    SELECT b.id FROM tollgate.declared_budget b
    WHERE b.id IN (SELECT w.budget_id FROM tollgate.budget_window w WHERE w.raised_until <= clock_timestamp() AND w.ends_at > clock_timestamp())
    ORDER BY b.id LIMIT 100 FOR NO KEY UPDATE SKIP LOCKED
  ) due;
  PERFORM tollgate.lower_windows(array_agg(w.id)) FROM tollgate.budget_window w
  WHERE w.budget_id = ANY (v_budgets) AND w.raised_until <= clock_timestamp() AND w.ends_at > clock_timestamp();
  FOR v_budget IN SELECT * FROM tollgate.declared_budget WHERE id = ANY (v_budgets) ORDER BY id LOOP
    PERFORM tollgate.record_change('increase', v_budget.id::text, 'tollgate', jsonb_build_object('teamId', coalesce(v_budget.team_id, '@organization'),
      'action', 'fell back', 'limitAmount', (v_budget.limit_amount + (SELECT r.raised_amount FROM tollgate.raises_at(v_budget.id, clock_timestamp()) r))::text));
  END LOOP;
  RETURN coalesce(cardinality(v_budgets), 0);
END $$;

-- What decides about increases of a team: who may, and how high.
CREATE FUNCTION tollgate.increase_rules(p_team text) RETURNS jsonb
LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object(
    'approvers', coalesce((SELECT jsonb_agg(DISTINCT admin_name) FROM tollgate.approver WHERE team_id IN (p_team, '@organization')), '[]'),
    'ceilingNanoUsd', coalesce(
      (SELECT amount_nano_usd FROM tollgate.increase_ceiling WHERE team_id = p_team),
      (SELECT amount_nano_usd FROM tollgate.increase_ceiling WHERE team_id = '@organization'))::text)
$$;

-- Nobody decides about what he asked for; of the others, those who are named, or anybody while nobody is.
CREATE FUNCTION tollgate.may_decide(p_team text, p_requested_by text, p_decided_by text) RETURNS boolean
LANGUAGE sql STABLE AS $$
  SELECT lower(btrim(p_requested_by)) <> lower(btrim(p_decided_by))
    AND (tollgate.increase_rules(p_team)->'approvers' = '[]' OR tollgate.increase_rules(p_team)->'approvers' ? p_decided_by)
$$;

CREATE FUNCTION tollgate.lock_governance(p_team text) RETURNS bigint
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO tollgate.team_governance (team_id) VALUES (p_team) ON CONFLICT DO NOTHING;
  RETURN (SELECT revision FROM tollgate.team_governance WHERE team_id = p_team FOR NO KEY UPDATE);
END $$;

CREATE FUNCTION tollgate.hold_revision(p_team text, p_revision bigint) RETURNS bigint
LANGUAGE sql AS $$
  UPDATE tollgate.team_governance SET revision = p_revision, written_revision = p_revision, updated_at = clock_timestamp() WHERE team_id = p_team RETURNING revision
$$;

CREATE FUNCTION tollgate.instant(p_ms jsonb) RETURNS timestamptz
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN jsonb_typeof(p_ms) = 'number' THEN to_timestamp((p_ms #>> '{}')::numeric / 1000) END
$$;

-- The row of a request, made where it is missing. p_increase is domain/budget/increases.ts Increase with its selector.
CREATE FUNCTION tollgate.keep_increase(p_team text, p_increase jsonb) RETURNS tollgate.limit_increase
LANGUAGE plpgsql AS $$
DECLARE
  v_row tollgate.limit_increase;
  v_budget bigint;
BEGIN
  SELECT * INTO v_row FROM tollgate.limit_increase WHERE id = p_increase->>'id' FOR UPDATE;
  IF FOUND THEN
    IF v_row.team_id <> p_team THEN RAISE EXCEPTION 'increase % is of another team', v_row.id USING ERRCODE = 'check_violation'; END IF;
    RETURN v_row;
  END IF;
  SELECT id INTO v_budget FROM tollgate.declared_budget
  WHERE coalesce(team_id, '@organization') = p_team AND dimension = p_increase#>>'{selector,dimension}' AND dimension_value = p_increase#>>'{selector,dimensionValue}'
    AND unit = p_increase#>>'{selector,unit}' AND window_kind = p_increase#>>'{selector,windowKind}' AND deleted_at IS NULL;
  IF v_budget IS NULL THEN RAISE EXCEPTION 'there is no such budget to increase' USING ERRCODE = 'foreign_key_violation'; END IF;
  INSERT INTO tollgate.limit_increase (id, team_id, budget_id, kind, status, asked_amount, until_at, reason, requested_by, is_requested_by_hand, requested_at, expires_at, window_starts_at_ms)
  VALUES (p_increase->>'id', p_team, v_budget, p_increase->>'kind', 'pending', (p_increase->>'askedAmount')::bigint, tollgate.instant(p_increase->'untilMs'),
    p_increase->>'reason', p_increase->>'requestedBy', (p_increase->>'isRequestedByHand')::boolean, tollgate.instant(p_increase->'requestedAtMs'), tollgate.instant(p_increase->'expiresAtMs'),
    (p_increase->>'windowStartsAtMs')::bigint)
  RETURNING * INTO v_row;
  RETURN v_row;
END $$;

-- Writes the decision, if there is one, and tells of the step.
CREATE FUNCTION tollgate.note_increase(p_team text, p_increase jsonb, p_admin text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_row tollgate.limit_increase;
BEGIN
  UPDATE tollgate.limit_increase SET decided_by = p_increase#>>'{decision,by}', is_decided_by_hand = (p_increase#>>'{decision,isByHand}')::boolean,
    decided_at = tollgate.instant(p_increase#>'{decision,atMs}'), decision_reason = p_increase#>>'{decision,reason}'
  WHERE id = p_increase->>'id' AND jsonb_typeof(p_increase->'decision') = 'object';
  SELECT * INTO v_row FROM tollgate.limit_increase WHERE id = p_increase->>'id';
  PERFORM tollgate.record_change('increase', v_row.id, p_admin, jsonb_build_object('teamId', p_team, 'action', v_row.status, 'budgetId', v_row.budget_id::text,
    'askedAmount', v_row.asked_amount::text, 'grantedAmount', v_row.granted_amount::text, 'until', v_row.until_at, 'reason', v_row.reason,
    'requestedBy', v_row.requested_by, 'decidedBy', v_row.decided_by, 'decisionReason', v_row.decision_reason, 'endedBy', v_row.ended_by, 'endReason', v_row.end_reason,
    'limitBefore', v_row.limit_before::text, 'limitAfter', v_row.limit_after::text,
    'isByHand', CASE v_row.status WHEN 'pending' THEN v_row.is_requested_by_hand WHEN 'ended' THEN coalesce(v_row.is_ended_by_hand, v_row.is_decided_by_hand, false)
      ELSE coalesce(v_row.is_decided_by_hand, false) END));
END $$;

-- A request as it was asked for, or closed without a raise (rejected, withdrawn, expired, refused). Returns the revision held
-- afterwards: above p_revision nothing was changed. At p_revision it may be done already: the row says.
CREATE FUNCTION tollgate.record_increase(p_team text, p_revision bigint, p_admin text, p_increase jsonb) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_held bigint := tollgate.lock_governance(p_team);
  v_is_new boolean;
  v_row tollgate.limit_increase;
BEGIN
  IF v_held > p_revision THEN RETURN v_held; END IF;
  v_is_new := NOT EXISTS (SELECT 1 FROM tollgate.limit_increase WHERE id = p_increase->>'id');
  v_row := tollgate.keep_increase(p_team, p_increase);
  v_held := tollgate.hold_revision(p_team, p_revision);
  IF v_row.status = 'pending' AND (v_is_new OR p_increase->>'status' <> 'pending') THEN
    UPDATE tollgate.limit_increase SET status = p_increase->>'status' WHERE id = v_row.id;
    PERFORM tollgate.note_increase(p_team, p_increase, p_admin);
  END IF;
  RETURN v_held;
END $$;

-- A line that asked for approval is passed (approve_line of 0013), in a window that is opened where no call has yet. That function takes a revision for done that is held already:
-- then it is asked for again under the next one.
CREATE FUNCTION tollgate.approve_asked_line(p_row tollgate.limit_increase, p_revision bigint, p_increase jsonb) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_starts_at timestamptz := CASE WHEN p_row.window_starts_at_ms = 0 THEN '-infinity' ELSE to_timestamp(p_row.window_starts_at_ms / 1000.0) END;
  v_held bigint := (SELECT revision FROM tollgate.team_governance WHERE team_id = p_row.team_id);
BEGIN
  IF v_held >= p_revision THEN RETURN p_revision + 1; END IF;
  PERFORM 1 FROM tollgate.declared_budget WHERE id = p_row.budget_id AND deleted_at IS NULL FOR NO KEY UPDATE;
  IF FOUND THEN PERFORM tollgate.open_window(p_row.budget_id); END IF;
  v_held := tollgate.approve_line(p_row.team_id, p_revision, p_increase#>>'{decision,by}', p_increase->'selector', v_starts_at, p_row.asked_amount);
  UPDATE tollgate.limit_increase SET status = 'approved', granted_amount = asked_amount, until_at = tollgate.instant(p_increase->'untilMs') WHERE id = p_row.id;
  PERFORM tollgate.note_increase(p_row.team_id, p_increase, p_increase#>>'{decision,by}');
  RETURN v_held;
END $$;

-- An approved raise comes into force. Who approves, and how high, is judged here once more, by the rules as they are now:
-- what the workflow read may be older. A repeated call changes nothing.
CREATE FUNCTION tollgate.apply_increase(p_team text, p_revision bigint, p_increase jsonb) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_held bigint := tollgate.lock_governance(p_team);
  v_row tollgate.limit_increase;
  v_budget tollgate.declared_budget;
  v_amount bigint := (p_increase->>'grantedAmount')::bigint;
  v_decider text := p_increase#>>'{decision,by}';
  v_ceiling bigint := (tollgate.increase_rules(p_team)->>'ceilingNanoUsd')::bigint;
  v_raised bigint;
  v_window bigint;
BEGIN
  IF v_held > p_revision THEN RETURN v_held; END IF;
  v_row := tollgate.keep_increase(p_team, p_increase);
  IF v_row.status IN ('approved', 'ended') THEN RETURN tollgate.hold_revision(p_team, p_revision); END IF;
  IF v_row.status <> 'pending' THEN RAISE EXCEPTION 'increase % is % already', v_row.id, v_row.status USING ERRCODE = 'check_violation'; END IF;
  IF NOT tollgate.may_decide(p_team, v_row.requested_by, v_decider) THEN
    RAISE EXCEPTION '% may not approve increases of % for %', v_decider, p_team, v_row.requested_by USING ERRCODE = 'check_violation';
  END IF;
  IF v_row.kind = 'line' THEN RETURN tollgate.approve_asked_line(v_row, p_revision, p_increase); END IF;
  SELECT * INTO v_budget FROM tollgate.declared_budget WHERE id = v_row.budget_id AND deleted_at IS NULL FOR NO KEY UPDATE;
  IF NOT FOUND THEN RAISE EXCEPTION 'the budget of increase % is removed', v_row.id USING ERRCODE = 'foreign_key_violation'; END IF;
  SELECT r.raised_amount INTO v_raised FROM tollgate.raises_at(v_budget.id, clock_timestamp()) r;
  IF v_budget.unit = 'nano_usd' AND v_raised + v_amount > v_ceiling THEN
    RAISE EXCEPTION 'the raises of this budget would be % nano-USD, above the ceiling of %', v_raised + v_amount, v_ceiling USING ERRCODE = 'check_violation';
  END IF;
  IF v_budget.limit_amount + v_raised + v_amount > 1000000000000000000 THEN
    RAISE EXCEPTION 'the raised limit would be above 10^18' USING ERRCODE = 'check_violation';
  END IF;

  v_window := tollgate.open_window(v_budget.id);
  UPDATE tollgate.limit_increase SET status = 'approved', granted_amount = v_amount, until_at = tollgate.instant(p_increase->'untilMs'),
    applied_at = clock_timestamp(), limit_before = v_budget.limit_amount + v_raised WHERE id = v_row.id;
  UPDATE tollgate.limit_increase SET limit_after = v_budget.limit_amount + (SELECT r.raised_amount FROM tollgate.raises_at(v_budget.id, clock_timestamp()) r) WHERE id = v_row.id;
  UPDATE tollgate.declared_budget SET revision = p_revision WHERE id = v_budget.id;
  PERFORM tollgate.apply_limits(v_window);
  PERFORM tollgate.apply_limits(w.id) FROM tollgate.budget_window w WHERE w.budget_id = v_budget.id AND w.is_ahead;
  v_held := tollgate.hold_revision(p_team, p_revision);
  PERFORM tollgate.note_increase(p_team, p_increase, v_decider);
  RETURN v_held;
END $$;

-- Raises whose date is over, or whose budget is gone: the rows say so, and open windows fall back where PostgreSQL's clock
-- agrees (else the next grant, or lower_due_windows, does it).
CREATE FUNCTION tollgate.end_increases(p_team text, p_revision bigint, p_ids text[]) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_held bigint := tollgate.lock_governance(p_team);
  v_budgets bigint[] := ARRAY(SELECT DISTINCT i.budget_id FROM tollgate.limit_increase i WHERE i.id = ANY (p_ids) AND i.team_id = p_team);
  v_ended text[];
BEGIN
  IF v_held > p_revision THEN RETURN v_held; END IF;
  PERFORM 1 FROM tollgate.declared_budget WHERE id = ANY (v_budgets) ORDER BY id FOR NO KEY UPDATE;
  PERFORM tollgate.lower_windows(array_agg(w.id)) FROM tollgate.budget_window w
  WHERE w.budget_id = ANY (v_budgets) AND w.raised_until <= clock_timestamp() AND w.ends_at > clock_timestamp();
  WITH ended AS (
    UPDATE tollgate.limit_increase SET status = 'ended', ended_at = clock_timestamp()
    WHERE id = ANY (p_ids) AND team_id = p_team AND status = 'approved' RETURNING id
  ) SELECT array_agg(id ORDER BY id) INTO v_ended FROM ended;
  v_held := tollgate.hold_revision(p_team, p_revision);
  PERFORM tollgate.note_increase(p_team, jsonb_build_object('id', id), 'tollgate') FROM unnest(v_ended) AS id;
  RETURN v_held;
END $$;

-- A raise in force ends now, by whom p_increase->'ending' names. Who may is judged here once more: whoever decides about
-- increases of the team. What is granted above the lower limit is given back as when a date is over.
CREATE FUNCTION tollgate.end_increase_early(p_team text, p_revision bigint, p_increase jsonb) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_held bigint := tollgate.lock_governance(p_team);
  v_row tollgate.limit_increase;
  v_by text := p_increase#>>'{ending,by}';
  v_approvers jsonb := tollgate.increase_rules(p_team)->'approvers';
BEGIN
  IF v_held > p_revision THEN RETURN v_held; END IF;
  SELECT * INTO v_row FROM tollgate.limit_increase WHERE id = p_increase->>'id' AND team_id = p_team FOR UPDATE;
  IF v_row.status = 'ended' THEN RETURN tollgate.hold_revision(p_team, p_revision); END IF;
  IF v_row.applied_at IS NULL OR v_row.status <> 'approved' THEN RAISE EXCEPTION 'increase % is not in force', p_increase->>'id' USING ERRCODE = 'check_violation'; END IF;
  IF v_approvers <> '[]' AND NOT v_approvers ? v_by THEN
    RAISE EXCEPTION '% may not end increases of %', v_by, p_team USING ERRCODE = 'check_violation';
  END IF;
  PERFORM 1 FROM tollgate.declared_budget WHERE id = v_row.budget_id FOR NO KEY UPDATE;
  UPDATE tollgate.limit_increase SET status = 'ended', until_at = least(until_at, clock_timestamp()), ended_at = clock_timestamp(),
    ended_by = v_by, is_ended_by_hand = (p_increase#>>'{ending,isByHand}')::boolean, end_reason = p_increase#>>'{ending,reason}' WHERE id = v_row.id;
  PERFORM tollgate.apply_limits(w.id) FROM (
    SELECT id FROM tollgate.budget_window WHERE budget_id = v_row.budget_id AND ends_at > clock_timestamp() ORDER BY id
  ) w;
  v_held := tollgate.hold_revision(p_team, p_revision);
  PERFORM tollgate.note_increase(p_team, jsonb_build_object('id', v_row.id), v_by);
  RETURN v_held;
END $$;
