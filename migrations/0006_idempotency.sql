-- Idempotency-Key (money-path §6): what became of a call whose caller may send it again. One row per virtual key and
-- idempotency key for 24 h; the answer is stored encrypted with a key that PostgreSQL never sees.

CREATE TABLE tollgate.idempotency (
  key_id          text NOT NULL,                 -- virtual key that made the call
  key_hash        bytea NOT NULL,                -- SHA-256 of the Idempotency-Key and of who the caller is under that key
  request_hash    bytea NOT NULL,                -- SHA-256 of endpoint, asserted attribution, betas and body
  endpoint        text NOT NULL,
  state           text NOT NULL CHECK (state IN ('open', 'answered', 'unknown')),
  request_id      text NOT NULL,                 -- of the call that holds the key
  gateway_id      text NOT NULL,
  epoch           bigint NOT NULL,
  attempt_id      text,
  http_status     integer,
  reason          text,                          -- why the outcome is unknown
  answer          bytea,
  created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  in_flight_until timestamptz NOT NULL,          -- an open call is over by then, whatever became of it
  expires_at      timestamptz NOT NULL,
  PRIMARY KEY (key_id, key_hash),
  CHECK ((state = 'answered') = (answer IS NOT NULL)),
  CHECK ((state = 'unknown') = (reason IS NOT NULL))
);
CREATE INDEX idempotency_expires ON tollgate.idempotency (expires_at);
ALTER TABLE tollgate.idempotency ALTER COLUMN answer SET STORAGE EXTERNAL; -- encrypted bytes do not compress

-- Takes the key for a call, or says who has it. `verdict` is 'new' or the state of the row found. A holder is live while its
-- epoch may still spend, is heard of and has not passed its time; what an open call without a live holder did, nobody knows.
CREATE FUNCTION tollgate.begin_idempotency(
  p_key_id text, p_key_hash bytea, p_request_hash bytea, p_endpoint text, p_request_id text, p_gateway text, p_epoch bigint, p_in_flight_ms bigint
) RETURNS TABLE (verdict text, same_request boolean, ours boolean, live boolean, holder_request_id text, why text, sealed bytea)
LANGUAGE plpgsql AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
BEGIN
  LOOP
    INSERT INTO tollgate.idempotency AS i
      (key_id, key_hash, request_hash, endpoint, state, request_id, gateway_id, epoch, created_at, in_flight_until, expires_at)
    VALUES (p_key_id, p_key_hash, p_request_hash, p_endpoint, 'open', p_request_id, p_gateway, p_epoch, v_now,
      v_now + p_in_flight_ms * interval '1 millisecond', v_now + interval '24 hours')
    ON CONFLICT (key_id, key_hash) DO UPDATE SET
      request_hash = excluded.request_hash, endpoint = excluded.endpoint, state = 'open', request_id = excluded.request_id,
      gateway_id = excluded.gateway_id, epoch = excluded.epoch, attempt_id = NULL, http_status = NULL, reason = NULL, answer = NULL,
      created_at = excluded.created_at, in_flight_until = excluded.in_flight_until, expires_at = excluded.expires_at
    WHERE i.expires_at <= v_now;
    IF FOUND THEN
      RETURN QUERY SELECT 'new', true, true, true, p_request_id, NULL::text, NULL::bytea;
      RETURN;
    END IF;
    RETURN QUERY
      SELECT i.state, i.request_hash = p_request_hash, i.gateway_id = p_gateway AND i.epoch = p_epoch,
        i.in_flight_until > v_now AND EXISTS (
          SELECT 1 FROM tollgate.gateway_epoch g
          WHERE g.gateway_id = i.gateway_id AND g.epoch = i.epoch AND g.closed_at IS NULL AND g.fenced_at IS NULL
            AND greatest(g.last_seen_at, pg_postmaster_start_time()) > v_now - interval '10 seconds'),
        i.request_id, i.reason, CASE WHEN i.request_hash = p_request_hash THEN i.answer END
      FROM tollgate.idempotency i WHERE i.key_id = p_key_id AND i.key_hash = p_key_hash;
    IF FOUND THEN RETURN; END IF; -- else its holder has just removed it: it is free
  END LOOP;
END $$;

-- What became of the call that holds the key: 'answered', 'unknown', or 'removed' where nothing was sent or billed, so that
-- the next one is served anew. False when this call does not hold it open: a repeated finish changes nothing.
CREATE FUNCTION tollgate.finish_idempotency(
  p_key_id text, p_key_hash bytea, p_request_id text, p_state text, p_attempt_id text, p_http_status integer, p_reason text, p_answer bytea
) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  IF p_state = 'removed' THEN
    DELETE FROM tollgate.idempotency WHERE key_id = p_key_id AND key_hash = p_key_hash AND request_id = p_request_id AND state = 'open';
  ELSE
    UPDATE tollgate.idempotency
    SET state = p_state, attempt_id = p_attempt_id, http_status = p_http_status, reason = p_reason, answer = p_answer
    WHERE key_id = p_key_id AND key_hash = p_key_hash AND request_id = p_request_id AND state = 'open';
  END IF;
  RETURN FOUND;
END $$;

-- Deletes rows past their 24 h, at most so many. Returns how many.
CREATE FUNCTION tollgate.sweep_idempotency(p_limit integer) RETURNS bigint
LANGUAGE sql AS $$
  WITH gone AS (
    DELETE FROM tollgate.idempotency WHERE (key_id, key_hash) IN (
      SELECT key_id, key_hash FROM tollgate.idempotency WHERE expires_at <= clock_timestamp() ORDER BY expires_at LIMIT p_limit FOR UPDATE SKIP LOCKED)
    RETURNING 1
  ) SELECT count(*) FROM gone
$$;
