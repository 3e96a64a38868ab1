-- A policy as a whole (domain/policy/policy.ts has the shape): read in one statement, put in force in one statement, and kept
-- with who did it. What people set one by one (0005, keys, teams) changes the same rows.

ALTER TABLE tollgate.team
  ADD COLUMN IF NOT EXISTS limits jsonb NOT NULL DEFAULT '{}',
  ADD COLUMN IF NOT EXISTS features text[]; -- null = any

-- One row.
CREATE TABLE tollgate.organization (
  is_single        boolean PRIMARY KEY DEFAULT true CHECK (is_single),
  is_overcommitted boolean NOT NULL DEFAULT false
);
INSERT INTO tollgate.organization DEFAULT VALUES;

-- Who decides about increases, and how high they may go. '@organization' = every team.
CREATE TABLE IF NOT EXISTS tollgate.approver (team_id text NOT NULL, admin_name text NOT NULL, PRIMARY KEY (team_id, admin_name));
CREATE TABLE IF NOT EXISTS tollgate.increase_ceiling (team_id text PRIMARY KEY, amount_nano_usd bigint NOT NULL CHECK (amount_nano_usd >= 0));

-- Aliases of the policy go over those of a gateway's providers file.
CREATE TABLE tollgate.model_alias (
  alias       text PRIMARY KEY,
  deployments jsonb NOT NULL -- [{provider, model, pricedAsModel}], in the order they are tried
);

CREATE TABLE IF NOT EXISTS tollgate.alert_channel (name text PRIMARY KEY, kind text NOT NULL, config jsonb NOT NULL);
CREATE TABLE IF NOT EXISTS tollgate.alert_route (
  team_id text NOT NULL, -- '@organization' = all
  channel text NOT NULL,
  kinds   text[] NOT NULL DEFAULT '{}' -- '{}' = all
);

CREATE TABLE tollgate.policy_revision (
  revision   bigint PRIMARY KEY,      -- of the change that put it in force
  at         timestamptz NOT NULL DEFAULT clock_timestamp(),
  admin_name text NOT NULL,
  source     text NOT NULL,           -- the file as it was given
  policy     jsonb NOT NULL,          -- what holds since
  changes    jsonb NOT NULL,          -- what that changed, as the person was shown it
  parent     bigint REFERENCES tollgate.policy_revision (revision)
);

-- Which policy each team's workflow was told of last.
CREATE TABLE tollgate.policy_told (team_id text PRIMARY KEY, revision bigint NOT NULL);

CREATE FUNCTION tollgate.budget_definition(b tollgate.declared_budget) RETURNS jsonb
LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('dimension', b.dimension, 'dimensionValue', b.dimension_value, 'unit', b.unit, 'windowKind', b.window_kind,
    'timeZone', b.time_zone, 'weekStart', b.week_start, 'fiscalYearStart', b.fiscal_year_start,
    'limitAmount', b.limit_amount::text, 'mode', b.mode, 'thresholds', b.thresholds)
$$;

CREATE FUNCTION tollgate.selector_key(p_budget jsonb) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT concat_ws('|', p_budget->>'dimension', p_budget->>'dimensionValue', p_budget->>'unit', p_budget->>'windowKind')
$$;

CREATE FUNCTION tollgate.key_attributes(k tollgate.virtual_key) RETURNS jsonb
LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('feature', k.feature, 'userId', k.user_id, 'environment', k.environment, 'models', k.models, 'endpoints', k.endpoints,
    'mayAssert', k.may_assert, 'maxAsserted', k.max_asserted, 'requiresRun', k.requires_run, 'resubmitsBatches', k.resubmits_batches)
$$;

-- What of a team's entry stands in its own row.
CREATE FUNCTION tollgate.team_attributes(t tollgate.team) RETURNS jsonb
LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('isUnlimited', t.is_unlimited, 'settings', t.policy, 'features', t.features, 'limits', '{"caps": [], "rates": []}'::jsonb || t.limits, 'runs', t.runs)
$$;

-- Who decides for a team, or for '@organization', and what a policy says of it where nobody is named.
CREATE FUNCTION tollgate.team_deciders(p_team text) RETURNS jsonb
LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('approvers', coalesce((SELECT jsonb_agg(a.admin_name ORDER BY a.admin_name COLLATE "C") FROM tollgate.approver a WHERE a.team_id = p_team), '[]'),
    'increaseCeilingNanoUsd', (SELECT c.amount_nano_usd::text FROM tollgate.increase_ceiling c WHERE c.team_id = p_team))
$$;

-- A JSON list of texts; null stays null.
CREATE FUNCTION tollgate.texts(p_list jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN jsonb_typeof(p_list) = 'array' THEN ARRAY(SELECT jsonb_array_elements_text(p_list)) END
$$;

-- The newest change of what a policy says: a freeze and a throttle come and go beside it. A kind that nobody thought of here counts
-- as one: then somebody looks once more.
CREATE FUNCTION tollgate.policy_basis() RETURNS bigint
LANGUAGE sql STABLE AS $$
  SELECT coalesce((
    SELECT revision FROM tollgate.change
    WHERE kind <> ALL ('{price,flush,user,admin_key,console,lease,ledger,adjustment,increase,run}'::text[])
      AND NOT detail ? 'isFrozen' AND coalesce(detail->>'action', '') NOT IN ('throttled', 'throttle ended')
    ORDER BY revision DESC LIMIT 1), 0)
$$;

-- What holds now, and the change it rests on ('basis'), in one snapshot. Keys that can still be used; no secret of any.
CREATE FUNCTION tollgate.current_policy() RETURNS jsonb
LANGUAGE sql STABLE AS $$
  WITH budgets AS (
    SELECT coalesce(b.team_id, '@organization') AS team_id,
      jsonb_agg(tollgate.budget_definition(b) ORDER BY b.dimension, b.dimension_value, b.unit, b.window_kind) AS list
    FROM tollgate.declared_budget b WHERE b.deleted_at IS NULL GROUP BY 1
  ), routes AS (
    SELECT r.team_id, jsonb_agg(jsonb_build_object('channel', r.channel, 'kinds', r.kinds) ORDER BY r.channel) AS list FROM tollgate.alert_route r GROUP BY 1
  ), keys AS (
    SELECT k.team_id, jsonb_object_agg(k.id, tollgate.key_attributes(k)) AS map
    FROM tollgate.virtual_key k WHERE k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp()) GROUP BY 1
  ), teams AS (
    SELECT coalesce(jsonb_object_agg(t.id, tollgate.team_attributes(t) || tollgate.team_deciders(t.id)
      || jsonb_build_object('keys', coalesce(k.map, '{}'), 'budgets', coalesce(b.list, '[]'), 'alerts', coalesce(r.list, '[]'))), '{}') AS map
    FROM tollgate.team t LEFT JOIN keys k ON k.team_id = t.id LEFT JOIN budgets b ON b.team_id = t.id LEFT JOIN routes r ON r.team_id = t.id
    WHERE t.deleted_at IS NULL
  )
  SELECT jsonb_build_object('basis', tollgate.policy_basis()::text, 'policy', jsonb_build_object(
    'organization', (
      SELECT tollgate.team_deciders('@organization') || jsonb_build_object('isOvercommitted', o.is_overcommitted,
        'budgets', coalesce((SELECT list FROM budgets WHERE team_id = '@organization'), '[]'),
        'alerts', coalesce((SELECT list FROM routes WHERE team_id = '@organization'), '[]'))
      FROM tollgate.organization o),
    'channels', (SELECT coalesce(jsonb_object_agg(c.name, c.config || jsonb_build_object('kind', c.kind)), '{}') FROM tollgate.alert_channel c),
    'models', (SELECT coalesce(jsonb_object_agg(m.alias, m.deployments), '{}') FROM tollgate.model_alias m),
    'teams', (SELECT map FROM teams)))
$$;

-- Budgets that stand otherwise than p_next has them. Those of a team that was ended by itself are left alone.
CREATE FUNCTION tollgate.policy_budget_changes(p_next jsonb) RETURNS TABLE (team_id text, budget_id bigint, budget jsonb, is_end boolean)
LANGUAGE sql STABLE AS $$
  WITH wanted AS (
    SELECT '@organization' AS team_id, b.value AS budget, tollgate.selector_key(b.value) AS key FROM jsonb_array_elements(p_next->'organization'->'budgets') b
    UNION ALL
    SELECT t.key, b.value, tollgate.selector_key(b.value) FROM jsonb_each(p_next->'teams') t CROSS JOIN LATERAL jsonb_array_elements(t.value->'budgets') b
  ), held AS (
    SELECT coalesce(b.team_id, '@organization') AS team_id, b.id, tollgate.budget_definition(b) AS budget, tollgate.selector_key(tollgate.budget_definition(b)) AS key
    FROM tollgate.declared_budget b LEFT JOIN tollgate.team t ON t.id = b.team_id
    WHERE b.deleted_at IS NULL AND t.deleted_at IS NULL
  )
  SELECT coalesce(w.team_id, h.team_id), h.id, coalesce(w.budget, h.budget), w.budget IS NULL
  FROM wanted w FULL JOIN held h ON h.team_id = w.team_id AND h.key = w.key
  WHERE w.budget IS DISTINCT FROM h.budget
$$;

-- Makes the teams' own rows what p_next has, in the order of their ids; a team it does not have is archived.
-- Returns the changes to record, each {kind, subject, detail}.
CREATE FUNCTION tollgate.write_policy_teams(p_teams jsonb) RETURNS jsonb[]
LANGUAGE plpgsql AS $$
DECLARE
  v_done jsonb[] := '{}';
  v_row record;
BEGIN
  FOR v_row IN
    SELECT coalesce(w.key, t.id) AS id, w.value AS entry, t.id IS NULL AS is_new, t.deleted_at IS NOT NULL AS is_ended
    FROM jsonb_each(p_teams) w FULL JOIN tollgate.team t ON t.id = w.key
    WHERE (w.key IS NULL AND t.deleted_at IS NULL)
      OR (w.key IS NOT NULL AND (t.id IS NULL OR t.deleted_at IS NOT NULL OR tollgate.team_attributes(t) <> w.value - '{keys,budgets,alerts,approvers,increaseCeilingNanoUsd}'::text[]))
    ORDER BY coalesce(w.key, t.id) COLLATE "C"
  LOOP
    IF v_row.entry IS NULL THEN
      UPDATE tollgate.team SET deleted_at = clock_timestamp() WHERE id = v_row.id AND deleted_at IS NULL;
      v_done := array_append(v_done, jsonb_build_object('kind', 'team', 'subject', v_row.id, 'detail', jsonb_build_object('action', 'archived')));
      CONTINUE;
    END IF;
    IF v_row.is_ended THEN RAISE EXCEPTION 'team % was ended, and an id is never given twice', v_row.id USING ERRCODE = 'unique_violation'; END IF;
    IF v_row.is_new THEN INSERT INTO tollgate.team (id) VALUES (v_row.id) ON CONFLICT DO NOTHING; END IF;
    UPDATE tollgate.team SET is_unlimited = (v_row.entry->>'isUnlimited')::boolean, policy = v_row.entry->'settings',
      features = tollgate.texts(v_row.entry->'features'), limits = v_row.entry->'limits', runs = v_row.entry->'runs'
    WHERE id = v_row.id;
    v_done := array_append(v_done, jsonb_build_object('kind', 'team', 'subject', v_row.id, 'detail', jsonb_build_object(
      'action', CASE WHEN v_row.is_new THEN 'created' ELSE 'changed' END,
      'isUnlimited', v_row.entry->'isUnlimited', 'policy', v_row.entry->'settings')));
  END LOOP;
  RETURN v_done;
END $$;

-- The same for what keys stand for. A policy neither makes nor revokes a key.
CREATE FUNCTION tollgate.write_policy_keys(p_teams jsonb) RETURNS jsonb[]
LANGUAGE plpgsql AS $$
DECLARE
  v_done jsonb[] := '{}';
  v_row record;
BEGIN
  FOR v_row IN
    SELECT k.id, k.team_id, w.value AS wanted
    FROM jsonb_each(p_teams) t CROSS JOIN LATERAL jsonb_each(t.value->'keys') w
    JOIN tollgate.virtual_key k ON k.id = w.key AND k.team_id = t.key
    WHERE tollgate.key_attributes(k) <> w.value
    ORDER BY k.id COLLATE "C" FOR NO KEY UPDATE OF k
  LOOP
    UPDATE tollgate.virtual_key SET feature = v_row.wanted->>'feature', user_id = v_row.wanted->>'userId', environment = v_row.wanted->>'environment',
      models = tollgate.texts(v_row.wanted->'models'), endpoints = tollgate.texts(v_row.wanted->'endpoints'),
      may_assert = tollgate.texts(v_row.wanted->'mayAssert'), max_asserted = (v_row.wanted->>'maxAsserted')::integer,
      requires_run = (v_row.wanted->>'requiresRun')::boolean, resubmits_batches = (v_row.wanted->>'resubmitsBatches')::boolean
    WHERE id = v_row.id;
    v_done := array_append(v_done, jsonb_build_object('kind', 'key', 'subject', v_row.id, 'detail', jsonb_build_object('action', 'changed', 'teamId', v_row.team_id)));
  END LOOP;
  RETURN v_done;
END $$;

-- Deciders, model aliases, alert channels and routes, and the organisation's own setting. Written by nothing else, under the lock of
-- apply_policy_document. Returns whether any of it changed.
CREATE FUNCTION tollgate.write_policy_shared(p_next jsonb) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  v_entries jsonb := p_next->'teams' || jsonb_build_object('@organization', p_next->'organization');
  v_count bigint;
  v_total bigint;
BEGIN
  UPDATE tollgate.organization SET is_overcommitted = (p_next#>>'{organization,isOvercommitted}')::boolean
  WHERE is_overcommitted <> (p_next#>>'{organization,isOvercommitted}')::boolean;
  GET DIAGNOSTICS v_total = ROW_COUNT;

  WITH wanted AS (
    SELECT e.key AS team_id, a.name FROM jsonb_each(v_entries) e CROSS JOIN LATERAL jsonb_array_elements_text(e.value->'approvers') AS a (name)
  ), gone AS (
    DELETE FROM tollgate.approver p WHERE NOT EXISTS (SELECT 1 FROM wanted w WHERE w.team_id = p.team_id AND w.name = p.admin_name) RETURNING 1
  ), here AS (
    INSERT INTO tollgate.approver (team_id, admin_name) SELECT team_id, name FROM wanted ON CONFLICT DO NOTHING RETURNING 1
  )
  SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM here) INTO v_count;
  v_total := v_total + v_count;
  WITH wanted AS (
    SELECT e.key AS team_id, (e.value->>'increaseCeilingNanoUsd')::bigint AS amount FROM jsonb_each(v_entries) e WHERE e.value->>'increaseCeilingNanoUsd' IS NOT NULL
  ), gone AS (
    DELETE FROM tollgate.increase_ceiling c WHERE NOT EXISTS (SELECT 1 FROM wanted w WHERE w.team_id = c.team_id) RETURNING 1
  ), here AS (
    INSERT INTO tollgate.increase_ceiling AS c (team_id, amount_nano_usd) SELECT team_id, amount FROM wanted
    ON CONFLICT (team_id) DO UPDATE SET amount_nano_usd = excluded.amount_nano_usd WHERE c.amount_nano_usd <> excluded.amount_nano_usd RETURNING 1
  )
  SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM here) INTO v_count;
  v_total := v_total + v_count;

  DELETE FROM tollgate.model_alias WHERE NOT p_next->'models' ? alias;
  GET DIAGNOSTICS v_count = ROW_COUNT;
  v_total := v_total + v_count;
  INSERT INTO tollgate.model_alias AS m (alias, deployments) SELECT key, value FROM jsonb_each(p_next->'models')
  ON CONFLICT (alias) DO UPDATE SET deployments = excluded.deployments WHERE m.deployments <> excluded.deployments;
  GET DIAGNOSTICS v_count = ROW_COUNT;
  v_total := v_total + v_count;

  INSERT INTO tollgate.alert_channel AS c (name, kind, config) SELECT key, value->>'kind', value - 'kind' FROM jsonb_each(p_next->'channels')
  ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, config = excluded.config WHERE (c.kind, c.config) IS DISTINCT FROM (excluded.kind, excluded.config);
  GET DIAGNOSTICS v_count = ROW_COUNT;
  v_total := v_total + v_count;
  WITH wanted AS (
    SELECT e.key AS team_id, r.value->>'channel' AS channel, tollgate.texts(r.value->'kinds') AS kinds
    FROM jsonb_each(v_entries) e CROSS JOIN LATERAL jsonb_array_elements(e.value->'alerts') r
  ), gone AS (
    DELETE FROM tollgate.alert_route a WHERE (a.team_id, a.channel, a.kinds) NOT IN (SELECT w.team_id, w.channel, w.kinds FROM wanted w) RETURNING 1
  ), here AS (
    INSERT INTO tollgate.alert_route (team_id, channel, kinds) SELECT w.team_id, w.channel, w.kinds FROM wanted w
    WHERE (w.team_id, w.channel, w.kinds) NOT IN (SELECT a.team_id, a.channel, a.kinds FROM tollgate.alert_route a) RETURNING 1
  )
  SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM here) INTO v_count;
  v_total := v_total + v_count;
  DELETE FROM tollgate.alert_channel WHERE NOT p_next->'channels' ? name;
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_total + v_count > 0;
END $$;

-- Appends changes, each {kind, subject, detail}, in the order of the list. Wakes nobody: whoever calls it records one more change after.
CREATE FUNCTION tollgate.record_changes(p_admin text, p_changes jsonb[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(718204001);
  INSERT INTO tollgate.change (revision, kind, subject, admin_name, detail)
  SELECT (SELECT max(revision) FROM tollgate.change) + c.place, c.change->>'kind', c.change->>'subject', p_admin, coalesce(c.change->'detail', '{}')
  FROM unnest(p_changes) WITH ORDINALITY AS c (change, place);
END $$;

CREATE FUNCTION tollgate.refuse_stale(p_basis bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  IF tollgate.policy_basis() > p_basis THEN
    RAISE EXCEPTION 'what the policy says was changed since revision %', p_basis USING ERRCODE = 'TG409';
  END IF;
END $$;

-- The rows of budgets that p_budgets (policy_budget_changes) makes, changes or ends, under the revision of each team. The caller has
-- locked those that stand and raised the revisions above theirs. Windows of new budgets are opened; those that stand come later:
-- limit_policy_windows. Returns the changes to record.
CREATE FUNCTION tollgate.write_policy_budgets(p_budgets jsonb, p_revisions jsonb) RETURNS jsonb[]
LANGUAGE plpgsql AS $$
DECLARE
  v_written jsonb := '[]';
BEGIN
  SELECT coalesce(jsonb_agg(CASE WHEN c.value->>'budget_id' IS NOT NULL THEN c.value ELSE c.value || jsonb_build_object('is_new', true, 'budget_id',
    tollgate.insert_budget(c.value->>'team_id', (p_revisions->>(c.value->>'team_id'))::bigint, c.value->'budget')) END ORDER BY c.place), '[]')
  INTO v_written FROM jsonb_array_elements(p_budgets) WITH ORDINALITY AS c (value, place);
  UPDATE tollgate.declared_budget b SET time_zone = c.budget->>'timeZone', week_start = (c.budget->>'weekStart')::smallint,
    fiscal_year_start = (c.budget->>'fiscalYearStart')::smallint, limit_amount = (c.budget->>'limitAmount')::bigint, mode = c.budget->>'mode',
    thresholds = c.budget->'thresholds', revision = (p_revisions->>c.team_id)::bigint, deleted_at = CASE WHEN c.is_end THEN clock_timestamp() END
  FROM jsonb_to_recordset(v_written) AS c (team_id text, budget_id bigint, budget jsonb, is_end boolean, is_new boolean)
  WHERE b.id = c.budget_id AND c.is_new IS NULL;
  RETURN ARRAY(
    SELECT jsonb_build_object('kind', 'budget', 'subject', c.value->>'budget_id', 'detail', c.value->'budget'
      || jsonb_build_object('teamId', c.value->'team_id', 'policyRevision', p_revisions->(c.value->>'team_id'))
      || CASE WHEN (c.value->>'is_end')::boolean THEN '{"isRemoved": true}'::jsonb ELSE '{}' END)
    FROM jsonb_array_elements(v_written) WITH ORDINALITY AS c (value, place) ORDER BY c.place);
END $$;

-- Puts the open windows of budgets that were changed under their new limits, as write_budget does for one.
CREATE FUNCTION tollgate.limit_policy_windows(p_budgets bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_windows bigint[];
BEGIN
  PERFORM 1 FROM unnest(p_budgets) AS b (id) JOIN tollgate.budget_window w ON w.budget_id = b.id
  WHERE w.ends_at > clock_timestamp() ORDER BY w.id FOR NO KEY UPDATE OF w;
  SELECT array_agg(tollgate.open_window(b.id)) INTO v_windows
  FROM (SELECT x.id FROM unnest(p_budgets) AS p (id) JOIN tollgate.declared_budget x ON x.id = p.id WHERE x.deleted_at IS NULL ORDER BY x.id) b;
  PERFORM tollgate.limit_windows(v_windows || ARRAY(
    SELECT a.id FROM unnest(p_budgets) AS p (id) JOIN tollgate.declared_budget b ON b.id = p.id JOIN tollgate.budget_window a ON a.budget_id = b.id
    WHERE b.deleted_at IS NULL AND a.is_ahead));
  UPDATE tollgate.budget_window w SET overrun_cleared = l.overrun
  FROM unnest(v_windows) AS v (id) CROSS JOIN LATERAL (SELECT coalesce(sum(x.overrun), 0) AS overrun FROM tollgate.lease x WHERE x.window_id = v.id) l
  WHERE w.id = v.id AND w.overrun_cleared <> l.overrun;
END $$;

-- Puts p_next in force whole: what is not in it ends, and an archived team keeps its books. p_basis is the change that whoever made
-- p_next had seen last; anything newer of what a policy says raises TG409 and nothing is changed. Where p_next holds already, nothing
-- is changed either. Returns the newest policy revision, null before the first.
--
-- Locks, in this order: one document at a time; teams, keys and what a document alone writes; as in 0005 the governance rows of every
-- team whose budgets change, by team, the budgets that change, by id, and their windows, by id; the change log last, under which no
-- other change can be recorded before this one is and the basis is judged for good. Before the windows it would be waited for by
-- others with windows in their hands, which grants wait for that hold more.
--
-- A team's revision becomes the next multiple of 1000, which no workflow gives to a change of its own: a change it decided before it
-- heard of the document is fenced, never taken for one that is written.
CREATE FUNCTION tollgate.apply_policy_document(p_admin text, p_basis bigint, p_next jsonb, p_changes jsonb, p_source text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_parent bigint;
  v_budgets jsonb;
  v_governed text[];
  v_held bigint[];
  v_done jsonb[];
  v_has_shared boolean;
  v_revisions jsonb;
  v_revision bigint;
BEGIN
  PERFORM pg_advisory_xact_lock(718204017);
  SELECT max(revision) INTO v_parent FROM tollgate.policy_revision;
  SELECT coalesce(jsonb_agg(to_jsonb(c) ORDER BY c.budget_id IS NOT NULL, c.team_id COLLATE "C", c.is_end DESC, c.budget_id), '[]'),
    coalesce(array_agg(DISTINCT c.team_id), '{}'), coalesce(array_agg(c.budget_id) FILTER (WHERE c.budget_id IS NOT NULL), '{}')
  INTO v_budgets, v_governed, v_held FROM tollgate.policy_budget_changes(p_next) c;
  v_done := tollgate.write_policy_teams(p_next->'teams') || tollgate.write_policy_keys(p_next->'teams');
  v_has_shared := tollgate.write_policy_shared(p_next);
  IF v_budgets = '[]' AND v_done = '{}' AND NOT v_has_shared THEN RETURN v_parent; END IF;

  INSERT INTO tollgate.team_governance (team_id) SELECT id FROM unnest(v_governed) AS id ORDER BY id COLLATE "C" ON CONFLICT DO NOTHING;
  PERFORM 1 FROM tollgate.team_governance WHERE team_id = ANY (v_governed) ORDER BY team_id COLLATE "C" FOR NO KEY UPDATE;
  PERFORM 1 FROM tollgate.declared_budget WHERE id = ANY (v_held) ORDER BY id FOR NO KEY UPDATE;
  -- Looked at now to spare the work, and once more when nothing can be recorded any more.
  PERFORM tollgate.refuse_stale(p_basis);

  SELECT coalesce(jsonb_object_agg(g.team_id, (greatest(g.revision, coalesce(b.revision, 0)) / 1000 + 1) * 1000), '{}') INTO v_revisions
  FROM tollgate.team_governance g
  LEFT JOIN (SELECT coalesce(team_id, '@organization') AS team_id, max(revision) AS revision FROM tollgate.declared_budget GROUP BY 1) b USING (team_id)
  WHERE g.team_id = ANY (v_governed);
  v_done := v_done || tollgate.write_policy_budgets(v_budgets, v_revisions);
  UPDATE tollgate.team_governance SET revision = (v_revisions->>team_id)::bigint, document_revision = (v_revisions->>team_id)::bigint, updated_at = clock_timestamp()
  WHERE team_id = ANY (v_governed);
  -- When nearly everything is written, so that a call that needs a grant waits for as little of this as can be.
  PERFORM tollgate.limit_policy_windows(v_held);
  PERFORM pg_advisory_xact_lock(718204001);
  PERFORM tollgate.refuse_stale(p_basis);
  PERFORM tollgate.record_changes(p_admin, v_done);
  v_revision := tollgate.record_change('policy', 'applied', p_admin, jsonb_build_object('changes', jsonb_array_length(p_changes), 'parent', v_parent));
  INSERT INTO tollgate.policy_revision (revision, admin_name, source, policy, changes, parent)
  VALUES (v_revision, p_admin, p_source, p_next, p_changes, v_parent);
  RETURN v_revision;
END $$;
