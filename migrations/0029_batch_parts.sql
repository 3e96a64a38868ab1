-- Parts of a batch: what they carry, and how they stand. Tables, lock order: 0024. One function call in one statement each, and each may be repeated.

-- A part and the items it carries, once: each of them begins another try. p_part is PartRecord without its state. With isBeside these are items that
-- another part carries, and goes on with: the bound of each is held twice (hold_more).
CREATE FUNCTION tollgate.write_batch_part(p_part jsonb, p_numbers integer[]) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  v_batch tollgate.batch := tollgate.lock_batch(p_part ->> 'batchId');
  v_part tollgate.batch_part;
  v_carried bigint;
BEGIN
  SELECT * INTO v_part FROM tollgate.batch_part WHERE batch_number = v_batch.number AND part = (p_part ->> 'part')::integer;
  IF FOUND THEN RETURN tollgate.batch_part_record(v_batch.id, v_part); END IF;
  IF v_batch.state NOT IN ('held', 'running') THEN
    RAISE EXCEPTION 'batch % is %: it sends nothing', v_batch.id, v_batch.state USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  UPDATE tollgate.batch_item SET try = try + 1, part = (p_part ->> 'part')::integer, lane = coalesce(p_part ->> 'lane', 'batch')
  WHERE batch_number = v_batch.number AND n = ANY (p_numbers) AND outcome IS NULL
    AND CASE WHEN (p_part ->> 'isBeside')::boolean THEN part IS NOT NULL AND is_second_held ELSE part IS NULL END;
  GET DIAGNOSTICS v_carried = ROW_COUNT;
  IF v_carried <> cardinality(p_numbers) OR v_carried <> (p_part ->> 'items')::bigint THEN
    RAISE EXCEPTION 'of % items of batch % that a part should carry % are free to be sent', cardinality(p_numbers), v_batch.id, v_carried USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  INSERT INTO tollgate.batch_part (batch_number, part, token, items, bytes, provider, lane, provider_file_id, provider_batch_id)
  VALUES (v_batch.number, (p_part ->> 'part')::integer, p_part ->> 'token', (p_part ->> 'items')::integer, (p_part ->> 'bytes')::bigint, v_batch.provider,
    coalesce(p_part ->> 'lane', 'batch'), p_part ->> 'providerFileId', p_part ->> 'providerBatchId')
  RETURNING * INTO v_part;
  UPDATE tollgate.batch SET version = version + 1, changed_at = clock_timestamp() WHERE number = v_batch.number;
  RETURN tollgate.batch_part_record(v_batch.id, v_part);
END $$;

-- Moves a part that stands in p_from (domain/batching/batch-moves.ts). Null: it stands elsewhere by now. p_detail has providerFileId and
-- providerBatchId where they are known, and isCertain of the latter. Once nothing more comes of a part, what its items left goes back.
CREATE FUNCTION tollgate.move_batch_part(p_batch text, p_part integer, p_from text, p_to text, p_detail jsonb) RETURNS jsonb
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
