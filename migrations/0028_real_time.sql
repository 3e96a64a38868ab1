-- Items that were handed in alone, in real time (docs/batches.md): those of a part are called one by one, by one worker at a time, which says of each that it
-- goes before it does. Tables, lock order: 0024; money: 0025.

-- Whoever calls says so again before its time is over. 0: p_caller has it; else the milliseconds that another has it for. With p_ms 0 it is given back.
CREATE FUNCTION tollgate.claim_part(p_batch text, p_part integer, p_caller text, p_ms integer) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_number bigint := (SELECT number FROM tollgate.batch WHERE id = p_batch);
  v_part tollgate.batch_part;
  v_now timestamptz;
BEGIN
  SELECT * INTO v_part FROM tollgate.batch_part WHERE batch_number = v_number AND part = p_part AND lane = 'real_time' FOR NO KEY UPDATE;
  IF NOT FOUND THEN RAISE EXCEPTION 'batch % has no part % in real time', p_batch, p_part USING ERRCODE = 'no_data_found'; END IF;
  v_now := clock_timestamp();
  IF v_part.caller <> p_caller AND v_part.called_until > v_now THEN
    RETURN greatest(1, ceil(extract(epoch FROM v_part.called_until - v_now) * 1000)::bigint);
  END IF;
  UPDATE tollgate.batch_part SET caller = p_caller, called_until = v_now + p_ms * interval '1 millisecond' WHERE batch_number = v_number AND part = p_part;
  RETURN 0;
END $$;

-- Items that are about to be sent: each try once. Those that p_caller may send, none where the part is another's by now, or its batch is to end.
CREATE FUNCTION tollgate.mark_sent(p_batch text, p_part integer, p_caller text, p_numbers integer[]) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  v_batch tollgate.batch := tollgate.lock_batch(p_batch);
  v_marked jsonb;
BEGIN
  WITH marked AS (
    UPDATE tollgate.batch_item SET sent_try = try
    WHERE batch_number = v_batch.number AND n = ANY (p_numbers) AND part = p_part AND outcome IS NULL AND sent_try IS DISTINCT FROM try
      AND v_batch.cancel_asked_at IS NULL AND EXISTS (
        SELECT 1 FROM tollgate.batch_part WHERE batch_number = v_batch.number AND part = p_part AND caller = p_caller AND called_until > clock_timestamp())
    RETURNING n
  )
  SELECT coalesce(jsonb_agg(n ORDER BY n), '[]') INTO v_marked FROM marked;
  RETURN v_marked;
END $$;

-- The provider certainly did not take them: they are sent again under the same try.
CREATE FUNCTION tollgate.unmark_sent(p_batch text, p_part integer, p_numbers integer[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_batch tollgate.batch := tollgate.lock_batch(p_batch);
BEGIN
  UPDATE tollgate.batch_item SET sent_try = NULL
  WHERE batch_number = v_batch.number AND n = ANY (p_numbers) AND part = p_part AND outcome IS NULL AND sent_try = try;
END $$;

-- Tries of a part that brought nothing and cost nothing: their items can be sent again with another part.
CREATE FUNCTION tollgate.free_items(p_batch text, p_part integer, p_numbers integer[], p_tries integer[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_batch tollgate.batch := tollgate.lock_batch(p_batch);
BEGIN
  UPDATE tollgate.batch_item i SET part = NULL FROM unnest(p_numbers, p_tries) AS q (n, try)
  WHERE i.batch_number = v_batch.number AND i.n = q.n AND i.n = ANY (p_numbers) AND i.try = q.try AND i.part = p_part AND i.outcome IS NULL;
  IF FOUND THEN UPDATE tollgate.batch SET version = version + 1, changed_at = clock_timestamp() WHERE number = v_batch.number; END IF;
END $$;

-- Items that wait for a batch and may go in real time too, most urgent first.
CREATE FUNCTION tollgate.waiting_in_batches(p_batch text) RETURNS TABLE (n integer, part integer, deadline timestamptz)
LANGUAGE sql STABLE AS $$
  SELECT i.n, i.part, i.deadline
  FROM tollgate.batch b JOIN tollgate.batch_part p ON p.batch_number = b.number AND p.lane = 'batch' AND p.state IN ('written', 'submitting', 'running')
  JOIN tollgate.batch_item i ON i.batch_number = b.number AND i.part = p.part
  WHERE b.id = p_batch AND b.origin = 'collected' AND i.outcome IS NULL AND i.may_go_real_time AND i.deadline IS NOT NULL
  ORDER BY i.deadline, i.n
$$;
