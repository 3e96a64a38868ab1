-- A provider's batch that was found by its size alone may be another part's. Until an answer to its creation, or its results, say whose it is, more than one part
-- may look at it (docs/batches-operators.md); what is certain is of one.

ALTER TABLE tollgate.batch_part ADD COLUMN is_certain boolean NOT NULL DEFAULT true; -- false: provider_batch_id was found by its size, and nothing of it read yet
ALTER TABLE tollgate.batch_part DROP CONSTRAINT batch_part_provider_provider_batch_id_key;
CREATE UNIQUE INDEX batch_part_certain ON tollgate.batch_part (provider, provider_batch_id) WHERE is_certain;
CREATE INDEX batch_part_perhaps ON tollgate.batch_part (provider, provider_batch_id) WHERE NOT is_certain;

-- As in 0024, with what is not certain.
CREATE OR REPLACE FUNCTION tollgate.batch_part_record(p_batch text, p tollgate.batch_part) RETURNS jsonb
LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('batchId', p_batch, 'part', p.part, 'token', p.token, 'state', p.state, 'items', p.items, 'bytes', p.bytes,
    'providerFileId', p.provider_file_id, 'providerBatchId', p.provider_batch_id, 'submitBeganAtMs', tollgate.to_ms(p.submit_began_at),
    'runningSinceMs', tollgate.to_ms(p.running_since), 'endedAtMs', tollgate.to_ms(p.ended_at))
    || CASE p.lane WHEN 'batch' THEN '{}' ELSE jsonb_build_object('lane', p.lane) END
    || CASE WHEN p.is_certain THEN '{}' ELSE '{"isCertain": false}' END::jsonb
$$;

-- As in 0029; p_detail may have isCertain, of the provider's batch.
CREATE OR REPLACE FUNCTION tollgate.move_batch_part(p_batch text, p_part integer, p_from text, p_to text, p_detail jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  v_batch tollgate.batch := tollgate.lock_batch(p_batch);
  v_now timestamptz := clock_timestamp();
  v_part tollgate.batch_part;
BEGIN
  SELECT * INTO v_part FROM tollgate.batch_part WHERE batch_number = v_batch.number AND part = p_part;
  IF NOT FOUND THEN RAISE EXCEPTION 'batch % has no part %', p_batch, p_part USING ERRCODE = 'no_data_found'; END IF;
  IF v_part.state <> p_from THEN RETURN NULL; END IF;
  UPDATE tollgate.batch_part SET state = p_to, provider_file_id = coalesce(p_detail ->> 'providerFileId', provider_file_id),
    provider_batch_id = coalesce(p_detail ->> 'providerBatchId', provider_batch_id),
    is_certain = coalesce((p_detail ->> 'isCertain')::boolean, is_certain),
    submit_began_at = CASE p_to WHEN 'submitting' THEN coalesce(submit_began_at, v_now) ELSE submit_began_at END,
    running_since = CASE p_to WHEN 'running' THEN coalesce(running_since, v_now) ELSE running_since END,
    ended_at = CASE WHEN p_to IN ('ended', 'failed') THEN coalesce(ended_at, v_now) ELSE ended_at END
  WHERE batch_number = v_batch.number AND part = p_part AND (state <> p_to OR p_detail <> '{}');
  IF FOUND THEN
    UPDATE tollgate.batch SET version = version + 1, changed_at = v_now WHERE number = v_batch.number;
    SELECT * INTO v_part FROM tollgate.batch_part WHERE batch_number = v_batch.number AND part = p_part;
  END IF;
  IF p_to IN ('collected', 'failed') THEN
    -- With the last part that ran nothing is left that could be paid twice.
    IF NOT EXISTS (SELECT 1 FROM tollgate.batch_part WHERE batch_number = v_batch.number AND state NOT IN ('collected', 'failed')) THEN
      PERFORM tollgate.release_seconds(v_batch.number, NULL);
    END IF;
    PERFORM tollgate.free_batch(v_batch.number);
  END IF;
  RETURN tollgate.batch_part_record(v_batch.id, v_part);
END $$;
