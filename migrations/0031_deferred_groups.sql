-- Items that were handed in alone and came at once to one collector: accepted in one transaction, each judged by itself. What an item is, and the batch that
-- collects it: 0026; lock order: 0024. One function call in one statement, and it may be repeated.

-- One who asks for an item's money: who pays is the item's own, so that each meets budgets of its own.
CREATE TYPE tollgate.deferred_asker AS (
  place       integer,                             -- among those who ask: the order in which they are served
  deferred_id text,
  item        jsonb,                               -- NewDeferredItem of activities/batches/deferred-port.ts
  nano_usd    bigint,
  tokens      bigint,
  budgets     bigint[],                            -- that it meets, ascending, and what it needs of each
  needs       bigint[],
  rules       jsonb,
  is_covered  boolean                              -- it has a budget, and not too many
);

CREATE FUNCTION tollgate.is_accepted(p_id text) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
  PERFORM 1 FROM tollgate.batch_item WHERE custom_id = p_id AND attribution IS NOT NULL;
  RETURN FOUND;
END $$;

-- Those of p_items that were not accepted yet, in their order.
CREATE FUNCTION tollgate.deferred_askers(b tollgate.batch, p_items jsonb) RETURNS SETOF tollgate.deferred_asker
LANGUAGE sql STABLE AS $$
  WITH q AS (
    SELECT place, item, (item #>> '{item,boundNanoUsd}')::bigint AS nano_usd, (item #>> '{item,boundTokens}')::bigint AS tokens,
      jsonb_build_object('keyId', item #> '{attribution,keyId}', 'feature', item #> '{attribution,feature}', 'userId', item #> '{attribution,userId}',
        'environment', item #> '{attribution,environment}') AS who
    FROM jsonb_array_elements(p_items) WITH ORDINALITY AS e (item, place)
    WHERE NOT tollgate.is_accepted(item ->> 'deferredId')
  ), met AS (
    -- Once for all who pay alike: there may be thousands of budgets to be looked through.
    SELECT w.who, m.* FROM (SELECT DISTINCT who FROM q) AS w
    CROSS JOIN LATERAL (
      SELECT coalesce(array_agg(d.id ORDER BY d.id), '{}') AS budgets, coalesce(array_agg(d.unit ORDER BY d.id), '{}') AS units,
        coalesce(bool_or(d.team_id IS NOT NULL), false) AS has_own,
        coalesce(jsonb_agg(jsonb_build_object('budgetId', d.id::text, 'teamId', d.team_id, 'dimension', d.dimension, 'dimensionValue', d.dimension_value,
          'unit', d.unit, 'windowKind', d.window_kind) ORDER BY d.id), '[]') AS rules
      FROM tollgate.budgets_met(b, w.who) d
    ) AS m
  )
  SELECT q.place::integer, q.item ->> 'deferredId', q.item, q.nano_usd, q.tokens, m.budgets,
    ARRAY(SELECT tollgate.amount_in(u.unit, q.nano_usd, q.tokens, NULL, NULL) FROM unnest(m.units) WITH ORDINALITY AS u (unit, place) ORDER BY u.place), m.rules,
    t.deleted_at IS NULL AND (m.has_own OR t.is_unlimited) AND cardinality(m.budgets) <= 32
  FROM q JOIN met m ON m.who = q.who JOIN tollgate.team t ON t.id = b.team_id ORDER BY q.place
$$;

-- That each of these asks (deferred_ask of 0026), in the order of their ids: of an id that two batches are asked to take at once, one waits for the other.
-- By id what `Asker` of activities/batches/store/money-ask.ts says of it.
CREATE FUNCTION tollgate.note_deferred_asks(p_number bigint, p_ids text[], p_now timestamptz) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  v_last jsonb;
  v_told jsonb;
BEGIN
  SELECT coalesce(jsonb_object_agg(deferred_id, tollgate.to_ms(asked_last)), '{}') INTO v_last FROM (
    SELECT deferred_id, asked_last FROM tollgate.deferred_ask WHERE deferred_id = ANY (p_ids) ORDER BY deferred_id FOR UPDATE) AS known;
  WITH asked AS (
    INSERT INTO tollgate.deferred_ask AS a (deferred_id, batch_number, asks, asked_at, asked_last)
    SELECT id, p_number, 1, p_now, p_now FROM unnest(p_ids) AS id ORDER BY id
    ON CONFLICT (deferred_id) DO UPDATE SET asks = a.asks + 1, batch_number = excluded.batch_number, asked_last = p_now,
      asked_at = CASE WHEN a.asked_last < p_now - interval '10 seconds' THEN p_now ELSE a.asked_at END,
      -- Claims are of the holder that asked.
      claims = CASE WHEN a.asked_last < p_now - interval '10 seconds' OR a.batch_number <> excluded.batch_number THEN '{}' ELSE a.claims END
    RETURNING *
  )
  SELECT jsonb_object_agg(deferred_id, jsonb_build_object('asks', asks, 'askedAtMs', tollgate.to_ms(p_now), 'waitedMs', tollgate.to_ms(p_now) - tollgate.to_ms(asked_at),
    'sinceLastAskMs', CASE WHEN asked_at < p_now THEN tollgate.to_ms(p_now) - (v_last ->> deferred_id)::bigint END)) INTO v_told FROM asked;
  RETURN v_told;
END $$;

-- Bounds that were granted in these windows, which are those of p_budgets, in their order.
CREATE FUNCTION tollgate.add_deferred_items(b tollgate.batch, p_askers tollgate.deferred_asker[], p_budgets bigint[], p_windows bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO tollgate.batch_item (batch_number, n, custom_id, bound_nano_usd, bound_tokens, bound_input_tokens, bytes, tiers, team_id, attribution, windows, held_at,
    deadline, may_go_real_time, webhook, body_blob_key, request_hash, embedding_inputs, trace_context)
  SELECT b.number, b.items + row_number() OVER (ORDER BY a.place), a.deferred_id, a.nano_usd, a.tokens, (a.item #>> '{item,boundInputTokens}')::bigint,
    (a.item #>> '{item,bytes}')::bigint, ARRAY(SELECT jsonb_array_elements_text(a.item #> '{item,tiers}')), b.team_id, a.item -> 'attribution',
    ARRAY(SELECT w.id FROM unnest(p_budgets, p_windows) AS w (budget_id, id) WHERE w.budget_id = ANY (a.budgets) ORDER BY w.id), clock_timestamp(),
    tollgate.instant(a.item -> 'deadlineMs'), (a.item ->> 'mayGoRealTime')::boolean, a.item ->> 'webhook', a.item ->> 'bodyBlobKey', a.item ->> 'requestHash',
    coalesce((a.item #>> '{item,embeddingInputs}')::integer, 1), nullif(a.item -> 'traceContext', 'null')
  FROM unnest(p_askers) AS a;
  INSERT INTO tollgate.batch_window AS h (batch_number, window_id, unit, held)
  SELECT b.number, w.id, d.unit, sum(a.needs[array_position(a.budgets, w.budget_id)])::bigint
  FROM unnest(p_budgets, p_windows) AS w (budget_id, id) JOIN tollgate.declared_budget d ON d.id = w.budget_id
  JOIN unnest(p_askers) AS a ON w.budget_id = ANY (a.budgets) GROUP BY w.id, d.unit ORDER BY w.id
  ON CONFLICT (batch_number, window_id) DO UPDATE SET held = h.held + excluded.held;
  UPDATE tollgate.batch SET items = items + s.added, open_items = open_items + s.added, held_nano_usd = held_nano_usd + s.nano_usd,
    held_tokens = held_tokens + s.tokens, version = version + 1, changed_at = clock_timestamp()
  FROM (SELECT count(*)::integer AS added, sum(nano_usd)::bigint AS nano_usd, sum(tokens)::bigint AS tokens FROM unnest(p_askers)) AS s WHERE number = b.number;
END $$;

-- Holds the bound of each in every budget that it meets, or neither: one grant, in which each is a call of its own, in their order. What does not fit leaves
-- claims, which are of the batch's holder and not of the item. By id what there is to judge: of those that are short or uncovered, and of those that are
-- accepted and meet a budget that is observed only, how it stood when they had their turn.
CREATE FUNCTION tollgate.hold_deferred(b tollgate.batch, p_askers tollgate.deferred_asker[], p_is_final boolean) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
  v_ids text[] := ARRAY(SELECT deferred_id FROM unnest(p_askers));
  v_told jsonb := tollgate.note_deferred_asks(b.number, v_ids, v_now);
  v_covered tollgate.deferred_asker[] := ARRAY(SELECT a FROM unnest(p_askers) AS a WHERE a.is_covered ORDER BY a.place);
  v_budgets bigint[] := ARRAY(SELECT DISTINCT id FROM unnest(v_covered) AS a, unnest(a.budgets) AS id ORDER BY id);
  v_grant jsonb := '{"items": []}';
  v_served tollgate.deferred_asker[] := v_covered;
BEGIN
  -- Also of what is refused: its refusal is in the books of this holder.
  INSERT INTO tollgate.gateway_epoch (gateway_id, epoch, boot_id, fsync_mode, kind) VALUES (tollgate.batch_holder(b.number), 1, 'batch', 'none', 'batch')
  ON CONFLICT (gateway_id, epoch) DO NOTHING;
  IF cardinality(v_budgets) > 0 THEN
    v_grant := tollgate.grant_beside(tollgate.batch_holder(b.number), v_budgets,
      ARRAY(SELECT coalesce(a.needs[array_position(a.budgets, q.id)], 0) FROM unnest(v_covered) AS a, unnest(v_budgets) AS q (id) ORDER BY a.place, q.id),
      p_is_final, EXISTS (SELECT 1 FROM jsonb_each(v_told) AS t WHERE t.value ->> 'sinceLastAskMs' IS NULL), NOT EXISTS (
        SELECT 1 FROM tollgate.deferred_ask WHERE batch_number = b.number AND deferred_id <> ALL (v_ids) AND asked_last > v_now - interval '2 seconds'));
    IF (v_grant ->> 'fenced')::boolean THEN
      RAISE EXCEPTION 'the holder of batch % is closed', b.id USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    v_served := ARRAY(SELECT v_covered[s.call] FROM jsonb_array_elements_text(v_grant -> 'served') WITH ORDINALITY AS s (is_served, call) WHERE s.is_served::boolean ORDER BY s.call);
  END IF;
  IF cardinality(v_served) > 0 THEN
    PERFORM tollgate.add_deferred_items(b, v_served, v_budgets, ARRAY(
      SELECT (x.item ->> 'windowId')::bigint FROM jsonb_array_elements(v_grant -> 'items') WITH ORDINALITY AS x (item, place) ORDER BY x.place));
    DELETE FROM tollgate.deferred_ask WHERE deferred_id IN (SELECT deferred_id FROM unnest(v_served));
  END IF;
  -- The usual case, in which nobody has anything to judge.
  IF cardinality(v_served) = cardinality(p_askers) AND NOT v_grant -> 'items' @> '[{"isObserved": true}]' THEN RETURN '{}'; END IF;
  RETURN tollgate.deferred_to_judge(b, p_askers, v_served, v_grant -> 'items', v_told);
END $$;

-- The items of a grant that are of this asker's budgets.
CREATE FUNCTION tollgate.items_of_asker(a tollgate.deferred_asker, p_items jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(jsonb_agg(x.item ORDER BY x.place), '[]') FROM jsonb_array_elements(p_items) WITH ORDINALITY AS x (item, place)
  WHERE (x.item ->> 'budgetId')::bigint = ANY (a.budgets)
$$;

-- Of those that are short: with the claims that stood when each first lacked money.
CREATE FUNCTION tollgate.note_deferred_claims(p_askers tollgate.deferred_asker[], p_items jsonb) RETURNS jsonb
LANGUAGE sql AS $$
  WITH noted AS (
    UPDATE tollgate.deferred_ask k SET claims = (
      SELECT coalesce(jsonb_object_agg(x ->> 'windowId', x ->> 'claimId'), '{}') FROM jsonb_array_elements(tollgate.items_of_asker(a, p_items)) AS x
      WHERE (x ->> 'claimId')::bigint > 0) || k.claims
    FROM unnest(p_askers) AS a WHERE k.deferred_id = a.deferred_id RETURNING k.deferred_id, k.claims
  )
  SELECT coalesce(jsonb_object_agg(a.deferred_id, jsonb_build_object('kind', 'short', 'items', tollgate.items_of_asker(a, p_items), 'claims', n.claims)), '{}')
  FROM unnest(p_askers) AS a JOIN noted n USING (deferred_id)
$$;

-- The observed windows of one that was served, with what was granted once it was, and not yet for those after it; null: it meets none.
CREATE FUNCTION tollgate.observed_turn(a tollgate.deferred_asker, p_served tollgate.deferred_asker[], p_items jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
  SELECT jsonb_build_object('items', jsonb_agg(x.item || jsonb_build_object('granted', ((x.item ->> 'granted')::bigint - l.amount)::text)))
  FROM jsonb_array_elements(tollgate.items_of_asker(a, p_items)) AS x (item)
  CROSS JOIN LATERAL (
    SELECT coalesce(sum(s.needs[array_position(s.budgets, (x.item ->> 'budgetId')::bigint)]), 0)::bigint AS amount FROM unnest(p_served) AS s WHERE s.place > a.place
  ) AS l
  WHERE (x.item ->> 'isObserved')::boolean HAVING count(*) > 0
$$;

-- What hold_deferred answers; p_told: of note_deferred_asks, p_items: of the grant.
CREATE FUNCTION tollgate.deferred_to_judge(
  b tollgate.batch, p_askers tollgate.deferred_asker[], p_served tollgate.deferred_asker[], p_items jsonb, p_told jsonb
) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  v_short jsonb := tollgate.note_deferred_claims(
    ARRAY(SELECT a FROM unnest(p_askers) AS a WHERE a.is_covered AND a.place NOT IN (SELECT place FROM unnest(p_served))), p_items);
BEGIN
  RETURN (SELECT coalesce(jsonb_object_agg(a.deferred_id, r.reply || (p_told -> a.deferred_id) || jsonb_build_object('number', b.number::text, 'teamId', b.team_id,
      'keyId', a.item #>> '{attribution,keyId}', 'policy', t.policy, 'needNanoUsd', a.nano_usd::text, 'needTokens', a.tokens::text, 'budgets', a.rules)), '{}')
    FROM unnest(p_askers) AS a JOIN tollgate.team t ON t.id = b.team_id
    CROSS JOIN LATERAL (SELECT CASE WHEN NOT a.is_covered THEN '{"kind": "uncovered"}'
      ELSE coalesce(v_short -> a.deferred_id, tollgate.observed_turn(a, p_served, p_items)) END AS reply) AS r
    WHERE r.reply IS NOT NULL);
END $$;

-- Accepts items of one collector (NewDeferredItem each), none twice among them, each by itself: adds it to its batch and holds its bound, or neither. An id that
-- was accepted is answered as it was. One that does not fit is told what there is: whether that refuses it is decided by whoever asks, as for a batch (0025).
-- The answers are in the order of the items; `kind` of each: accepted, short or uncovered.
CREATE FUNCTION tollgate.accept_deferred_items(p_items jsonb, p_is_final boolean) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  v_told jsonb := '{}';
  v_batch tollgate.batch;
  v_askers tollgate.deferred_asker[];
BEGIN
  IF (SELECT count(DISTINCT i ->> 'deferredId') < count(*) OR count(DISTINCT ARRAY[i ->> 'teamId', i ->> 'protocol', i ->> 'endpoint', i ->> 'deployment',
    i ->> 'model', i ->> 'pricedModel', i ->> 'priceVersion']) > 1 FROM jsonb_array_elements(p_items) AS i) THEN
    RAISE EXCEPTION 'items that are accepted together are of one collector, and each is there once' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF EXISTS (SELECT 1 FROM jsonb_array_elements(p_items) AS i WHERE NOT tollgate.is_accepted(i ->> 'deferredId')) THEN
    v_batch := tollgate.lock_collecting_batch(p_items -> 0);
    v_askers := ARRAY(SELECT a FROM tollgate.deferred_askers(v_batch, p_items) AS a);
    IF cardinality(v_askers) > 0 THEN v_told := tollgate.hold_deferred(v_batch, v_askers, p_is_final); END IF;
  END IF;
  RETURN (SELECT jsonb_agg(CASE WHEN t.told ? 'kind' THEN t.told
      ELSE tollgate.accepted_deferred(p_items #>> '{0,teamId}', i.item ->> 'deferredId') || t.told END ORDER BY i.place)
    FROM jsonb_array_elements(p_items) WITH ORDINALITY AS i (item, place)
    CROSS JOIN LATERAL (SELECT coalesce(v_told -> (i.item ->> 'deferredId'), '{}') AS told) AS t);
END $$;

-- One alone, as it was asked before there were groups.
CREATE OR REPLACE FUNCTION tollgate.accept_deferred(p_item jsonb, p_is_final boolean) RETURNS jsonb
LANGUAGE sql AS $$ SELECT tollgate.accept_deferred_items(jsonb_build_array(p_item), p_is_final) -> 0 $$;
DROP FUNCTION tollgate.add_deferred_item(tollgate.batch, jsonb, bigint[]);
