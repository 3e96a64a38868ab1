-- Real time for what a caller's own batch left undone, where its key says so (docs/batches.md). The rule of a batch is in its row (0024).

ALTER TABLE tollgate.virtual_key ADD COLUMN relanes_batches boolean NOT NULL DEFAULT false; -- what no batch may carry any more of its batches goes in real time

-- As in 0001 and 0017, with the rule.
CREATE OR REPLACE FUNCTION tollgate.resolve_key(p_secret_hash bytea, p_key_id text) RETURNS jsonb
LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('keyId', k.id, 'teamId', k.team_id, 'feature', k.feature, 'userId', k.user_id, 'environment', k.environment,
    'models', k.models, 'endpoints', k.endpoints, 'mayAssert', k.may_assert, 'maxAsserted', k.max_asserted, 'requiresRun', k.requires_run,
    'resubmitsBatches', k.resubmits_batches, 'relanesBatches', k.relanes_batches,
    'derivePublicKey', encode(k.derive_public_key, 'base64'),
    'isRevoked', k.revoked_at IS NOT NULL,
    'expiresInMs', CASE WHEN k.expires_at IS NULL THEN NULL ELSE extract(epoch FROM k.expires_at - clock_timestamp()) * 1000 END,
    'nowMs', extract(epoch FROM clock_timestamp()) * 1000,
    'team', tollgate.load_team(k.team_id))
  FROM tollgate.virtual_key k
  WHERE k.secret_hash = p_secret_hash OR (p_secret_hash IS NULL AND k.id = p_key_id)
$$;

CREATE OR REPLACE FUNCTION tollgate.key_attributes(k tollgate.virtual_key) RETURNS jsonb
LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('feature', k.feature, 'userId', k.user_id, 'environment', k.environment, 'models', k.models, 'endpoints', k.endpoints,
    'mayAssert', k.may_assert, 'maxAsserted', k.max_asserted, 'requiresRun', k.requires_run, 'resubmitsBatches', k.resubmits_batches,
    'relanesBatches', k.relanes_batches)
$$;

CREATE OR REPLACE FUNCTION tollgate.write_policy_keys(p_teams jsonb) RETURNS jsonb[]
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
      requires_run = (v_row.wanted->>'requiresRun')::boolean, resubmits_batches = (v_row.wanted->>'resubmitsBatches')::boolean,
      -- A revision from before there was this rule says nothing of it.
      relanes_batches = coalesce((v_row.wanted->>'relanesBatches')::boolean, false)
    WHERE id = v_row.id;
    v_done := array_append(v_done, jsonb_build_object('kind', 'key', 'subject', v_row.id, 'detail', jsonb_build_object('action', 'changed', 'teamId', v_row.team_id)));
  END LOOP;
  RETURN v_done;
END $$;
