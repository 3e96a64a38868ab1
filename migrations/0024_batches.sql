-- Batches: files, batches, the parts in which a provider runs them, and their items; what they hold and settle is in 0025 (docs/batch-money.md).
-- Every step is one function call in one statement and may be repeated. Lock order: the row of the batch before everything else (which guards its
-- parts, its items and the lease rows of its holder), then as in 0002 and 0004.

CREATE TABLE tollgate.batch_file (
  id         text PRIMARY KEY CHECK (id ~ '^file-[A-Za-z0-9]{24}$'),
  team_id    text NOT NULL REFERENCES tollgate.team (id),
  key_id     text NOT NULL,
  purpose    text NOT NULL CHECK (purpose IN ('batch', 'batch_output')),
  filename   text NOT NULL,
  bytes      bigint NOT NULL CHECK (bytes >= 0),
  lines      integer CHECK (lines >= 0),
  blob_key   text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at timestamptz                           -- null = until it is deleted
);
CREATE INDEX batch_file_team ON tollgate.batch_file (team_id, created_at DESC, id DESC);

CREATE TABLE tollgate.batch (
  number           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id               text NOT NULL UNIQUE CHECK (id ~ '^(batch|msgbatch)_[A-Za-z0-9]{24}$'),
  team_id          text NOT NULL REFERENCES tollgate.team (id),
  origin           text NOT NULL CHECK (origin IN ('caller', 'collected')),
  protocol         text NOT NULL,
  endpoint         text NOT NULL,
  model            text NOT NULL,                  -- alias asked for
  priced_model     text NOT NULL,                  -- of the price line it is bounded at
  deployment       text NOT NULL,
  provider         text NOT NULL,
  key_id           text,                           -- who pays, down to `claimed`: of a collected one each of its items says it for itself
  feature          text,
  user_id          text,
  environment      text,
  asserted         jsonb,
  claimed          jsonb,
  rules            jsonb NOT NULL,                 -- CallerBatchRules of domain/batching/batch.ts
  state            text NOT NULL DEFAULT 'collecting'
    CHECK (state IN ('collecting', 'held', 'running', 'cancelling', 'finalizing', 'completed', 'expired', 'cancelled', 'failed')),
  version          bigint NOT NULL DEFAULT 1,      -- +1 with every change of this row, its items or its money: what a booking was decided on
  items            integer NOT NULL DEFAULT 0,
  open_items       integer NOT NULL DEFAULT 0,     -- of them, by outcome; open = without one
  succeeded_items  integer NOT NULL DEFAULT 0,
  errored_items    integer NOT NULL DEFAULT 0,
  expired_items    integer NOT NULL DEFAULT 0,
  cancelled_items  integer NOT NULL DEFAULT 0,
  held_nano_usd    bigint NOT NULL DEFAULT 0,      -- bounds of the open ones
  held_tokens      bigint NOT NULL DEFAULT 0,
  settled_nano_usd bigint NOT NULL DEFAULT 0,      -- what all its attempts were booked at
  settled_tokens   bigint NOT NULL DEFAULT 0,
  input_file_id    text,
  output_file_id   text,
  error_file_id    text,
  metadata         jsonb,
  deadline         timestamptz,
  price_version    bigint NOT NULL,
  prices_as_of     timestamptz NOT NULL,
  hold_asks        integer NOT NULL DEFAULT 0,
  hold_asked_at    timestamptz,                    -- first and last
  hold_asked_last  timestamptz,
  created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
  changed_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
  held_at          timestamptz,
  running_since    timestamptz,
  finalizing_since timestamptz,
  ended_at         timestamptz,
  cancel_asked_at  timestamptz,
  cancel_asked_by  text,
  output_kept_ms   bigint,                         -- how long the files it makes are kept; null = as is usual
  forgotten_at     timestamptz,                    -- its caller deleted it: his team finds it no more, the books keep it
  trace_context    jsonb,                          -- TraceContext of activities/telemetry/port.ts, of the call that made it
  problem          text,
  CHECK (open_items + succeeded_items + errored_items + expired_items + cancelled_items = items),
  CHECK (open_items >= 0 AND held_nano_usd >= 0 AND held_tokens >= 0),
  CHECK ((origin = 'caller') = (key_id IS NOT NULL)),
  CHECK ((state = 'collecting') = (held_at IS NULL))
) WITH (fillfactor = 50);
CREATE INDEX batch_team ON tollgate.batch (team_id, number DESC);
CREATE INDEX batch_file_in_use ON tollgate.batch (input_file_id) WHERE input_file_id IS NOT NULL;
CREATE INDEX batch_to_tell ON tollgate.batch (number) WHERE state = 'held' OR (state = 'running' AND cancel_asked_at IS NOT NULL);
CREATE INDEX batch_never_held ON tollgate.batch (changed_at) WHERE state = 'collecting';

-- A window that a batch is held in, and what the bounds of its open items come to there, in the window's unit: what its holder has beyond that is idle.
CREATE TABLE tollgate.batch_window (
  batch_number bigint NOT NULL REFERENCES tollgate.batch (number) ON DELETE CASCADE,
  window_id    bigint NOT NULL,
  unit         text NOT NULL,
  held         bigint NOT NULL CHECK (held >= 0),
  PRIMARY KEY (batch_number, window_id)
) WITH (fillfactor = 50);

CREATE TABLE tollgate.batch_part (
  batch_number      bigint NOT NULL REFERENCES tollgate.batch (number),
  part              integer NOT NULL CHECK (part >= 1),
  token             text NOT NULL UNIQUE,
  state             text NOT NULL DEFAULT 'written' CHECK (state IN ('written', 'submitting', 'running', 'ended', 'collected', 'failed')),
  items             integer NOT NULL,
  bytes             bigint NOT NULL,
  provider          text NOT NULL,
  lane              text NOT NULL DEFAULT 'batch' CHECK (lane IN ('batch', 'real_time')),
  caller            text,                          -- who calls the provider for its items in real time, and for how long nobody else does
  called_until      timestamptz,
  provider_file_id  text,
  provider_batch_id text,
  is_certain        boolean NOT NULL DEFAULT true, -- false: it was found by its size alone, and neither an answer nor its results said yet whose it is
  created_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
  submit_began_at   timestamptz,
  running_since     timestamptz,
  ended_at          timestamptz,
  PRIMARY KEY (batch_number, part)
);
-- What the provider runs is one part's; at what may be another's more than one may look (docs/batches-operators.md).
CREATE UNIQUE INDEX batch_part_certain ON tollgate.batch_part (provider, provider_batch_id) WHERE is_certain;

-- `try` counts the parts that carried the item; another one only after the one before is known not to be billed. What came of it stands with the
-- first try that ended it; further tries that were billed all the same are attempts of the ledger alone, marked as duplicates.
CREATE TABLE tollgate.batch_item (
  batch_number       bigint NOT NULL REFERENCES tollgate.batch (number) ON DELETE CASCADE,
  n                  integer NOT NULL CHECK (n >= 1),
  custom_id          text NOT NULL,
  bound_nano_usd     bigint NOT NULL CHECK (bound_nano_usd >= 0),
  bound_tokens       bigint NOT NULL CHECK (bound_tokens >= 0),
  bound_input_tokens bigint NOT NULL,
  embedding_inputs   integer NOT NULL DEFAULT 1 CHECK (embedding_inputs >= 0), -- texts of an embeddings request; 0 at other endpoints
  bytes              bigint NOT NULL,
  tiers              text[] NOT NULL,
  try                integer NOT NULL DEFAULT 0,
  sent_try           integer,                      -- newest try that was, or was about to be, sent in real time
  part               integer,                      -- that carries it, or carried it last before its outcome; null = none
  outcome            text CHECK (outcome IN ('succeeded', 'errored', 'expired', 'cancelled')),
  outcome_try        integer,
  cost_nano_usd      bigint,                       -- null = not billed
  attribution        jsonb,                        -- of an item of a collected batch: Attribution of activities/batches/port.ts
  windows            bigint[],                     -- it is held in, ascending; null = in those of its batch, as all items of a caller's
  held_at            timestamptz,
  team_id            text,                         -- of one that was handed in alone, as all below; custom_id is its id (0026)
  deadline           timestamptz,
  may_go_real_time   boolean,
  webhook            text,                         -- channel of policy that is told of its end
  body_blob_key      text,
  trace_context      jsonb,                        -- of the call that handed it in, as of a batch
  request_hash       text,                         -- of one that came with an Idempotency-Key: another request under that key is refused
  answered_at        timestamptz,                  -- its answer can be read from then on
  answer_blob_key    text,                         -- null = nobody answered it
  http_status        integer,
  real_time_nano_usd bigint,                       -- what the usage that was booked costs in real time
  lane               text CHECK (lane IN ('batch', 'real_time')), -- of the try that ended it, else of the newest
  seconds            integer NOT NULL DEFAULT 0,   -- how often its bound was granted again, for a try beside one that may still be billed (hold_more)
  is_second_held     boolean NOT NULL DEFAULT false,
  PRIMARY KEY (batch_number, n),
  CHECK (seconds > 0 OR NOT is_second_held),
  CHECK ((attribution IS NULL) = (windows IS NULL) AND (windows IS NULL) = (held_at IS NULL) AND (windows IS NULL) = (team_id IS NULL)
    AND (windows IS NULL) = (may_go_real_time IS NULL) AND (windows IS NULL) = (body_blob_key IS NULL)),
  CHECK (answered_at IS NULL OR outcome IS NOT NULL),
  CHECK ((outcome IS NULL) = (outcome_try IS NULL)),
  CHECK (outcome IS NOT NULL OR cost_nano_usd IS NULL)
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX batch_item_deferred ON tollgate.batch_item (custom_id) WHERE attribution IS NOT NULL;
CREATE INDEX batch_item_team ON tollgate.batch_item (team_id, held_at DESC, custom_id DESC) WHERE team_id IS NOT NULL;
CREATE INDEX batch_item_unanswered ON tollgate.batch_item (batch_number, n) WHERE attribution IS NOT NULL AND outcome IS NOT NULL AND answered_at IS NULL;
CREATE INDEX batch_item_answered ON tollgate.batch_item (answered_at) WHERE answered_at IS NOT NULL;
CREATE INDEX batch_item_to_send ON tollgate.batch_item (batch_number, n) WHERE outcome IS NULL AND part IS NULL;
CREATE INDEX batch_item_carried ON tollgate.batch_item (batch_number, part, n) WHERE outcome IS NULL AND part IS NOT NULL;

CREATE FUNCTION tollgate.to_ms(p_at timestamptz) RETURNS bigint
LANGUAGE sql STABLE AS $$ SELECT floor(extract(epoch FROM p_at) * 1000)::bigint $$;

-- Who holds the money of a batch; the epoch is 1 always.
CREATE FUNCTION tollgate.batch_holder(p_number bigint) RETURNS text
LANGUAGE sql IMMUTABLE AS $$ SELECT 'batch' || p_number $$;

-- FileRecord, BatchRecord and PartRecord of activities/batches/port.ts and domain/batching.
CREATE FUNCTION tollgate.batch_file_record(f tollgate.batch_file) RETURNS jsonb
LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('fileId', f.id, 'teamId', f.team_id, 'keyId', f.key_id, 'purpose', f.purpose, 'filename', f.filename, 'bytes', f.bytes, 'lines', f.lines,
    'blobKey', f.blob_key, 'createdAtMs', tollgate.to_ms(f.created_at), 'expiresAtMs', tollgate.to_ms(f.expires_at))
$$;

-- Null of a collected one.
CREATE FUNCTION tollgate.attribution_of(b tollgate.batch) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE b.origin WHEN 'caller' THEN jsonb_build_object('keyId', b.key_id, 'feature', b.feature, 'userId', b.user_id, 'environment', b.environment,
    'asserted', b.asserted, 'claimed', b.claimed) END
$$;

CREATE FUNCTION tollgate.batch_record(b tollgate.batch) RETURNS jsonb
LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('batchId', b.id, 'number', b.number::text, 'origin', b.origin, 'teamId', b.team_id, 'protocol', b.protocol, 'endpoint', b.endpoint,
      'model', b.model, 'pricedModel', b.priced_model, 'deployment', b.deployment, 'provider', b.provider,
      'attribution', tollgate.attribution_of(b),
      'rules', b.rules, 'state', b.state, 'version', b.version::text, 'items', b.items,
      'counts', jsonb_build_object('open', b.open_items, 'succeeded', b.succeeded_items, 'errored', b.errored_items, 'expired', b.expired_items, 'cancelled', b.cancelled_items))
    || jsonb_build_object('inputFileId', b.input_file_id, 'outputFileId', b.output_file_id, 'errorFileId', b.error_file_id, 'metadata', b.metadata,
      'deadlineMs', tollgate.to_ms(b.deadline), 'priceVersion', b.price_version, 'pricesAsOfMs', tollgate.to_ms(b.prices_as_of),
      'heldNanoUsd', (CASE WHEN b.held_at IS NULL AND b.origin = 'caller' THEN 0 ELSE b.held_nano_usd END)::text, 'settledNanoUsd', b.settled_nano_usd::text,
      'createdAtMs', tollgate.to_ms(b.created_at), 'runningSinceMs', tollgate.to_ms(b.running_since), 'finalizingSinceMs', tollgate.to_ms(b.finalizing_since),
      'endedAtMs', tollgate.to_ms(b.ended_at), 'cancelAskedAtMs', tollgate.to_ms(b.cancel_asked_at), 'problem', b.problem, 'outputKeptMs', b.output_kept_ms)
    || CASE WHEN b.trace_context IS NULL THEN '{}' ELSE jsonb_build_object('traceContext', b.trace_context) END
$$;

CREATE FUNCTION tollgate.batch_part_record(p_batch text, p tollgate.batch_part) RETURNS jsonb
LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('batchId', p_batch, 'part', p.part, 'token', p.token, 'state', p.state, 'items', p.items, 'bytes', p.bytes,
    'providerFileId', p.provider_file_id, 'providerBatchId', p.provider_batch_id, 'submitBeganAtMs', tollgate.to_ms(p.submit_began_at),
    'runningSinceMs', tollgate.to_ms(p.running_since), 'endedAtMs', tollgate.to_ms(p.ended_at))
    || CASE p.lane WHEN 'batch' THEN '{}' ELSE jsonb_build_object('lane', p.lane) END
    || CASE WHEN p.is_certain THEN '{}' ELSE '{"isCertain": false}' END::jsonb
$$;

-- Files. An id is given once; whoever says it again gets what stands there.
CREATE FUNCTION tollgate.create_batch_file(p_file jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  v_file tollgate.batch_file;
BEGIN
  INSERT INTO tollgate.batch_file (id, team_id, key_id, purpose, filename, bytes, lines, blob_key, expires_at)
  VALUES (p_file ->> 'fileId', p_file ->> 'teamId', p_file ->> 'keyId', p_file ->> 'purpose', p_file ->> 'filename', (p_file ->> 'bytes')::bigint,
    (p_file ->> 'lines')::integer, p_file ->> 'blobKey', tollgate.instant(p_file -> 'expiresAtMs'))
  ON CONFLICT (id) DO NOTHING;
  SELECT * INTO v_file FROM tollgate.batch_file WHERE id = p_file ->> 'fileId';
  IF v_file.team_id <> p_file ->> 'teamId' THEN RAISE EXCEPTION 'file % is of another team', v_file.id USING ERRCODE = 'unique_violation'; END IF;
  RETURN tollgate.batch_file_record(v_file);
END $$;

-- 'deleted', 'missing', or 'in_use' by a batch that has not ended.
CREATE FUNCTION tollgate.delete_batch_file(p_team text, p_file text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM tollgate.batch_file WHERE id = p_file AND team_id = p_team FOR UPDATE;
  IF NOT FOUND THEN RETURN 'missing'; END IF;
  IF EXISTS (SELECT 1 FROM tollgate.batch WHERE input_file_id = p_file AND state NOT IN ('completed', 'expired', 'cancelled', 'failed')) THEN RETURN 'in_use'; END IF;
  DELETE FROM tollgate.batch_file WHERE id = p_file;
  RETURN 'deleted';
END $$;

-- A batch of which nothing is held yet. p_batch is NewBatch of activities/batches/port.ts. Null: its team has no such input file.
CREATE FUNCTION tollgate.begin_batch(p_batch jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  v_batch tollgate.batch;
  v_file text := p_batch ->> 'inputFileId';
BEGIN
  IF v_file IS NOT NULL THEN
    PERFORM 1 FROM tollgate.batch_file WHERE id = v_file AND team_id = p_batch ->> 'teamId' FOR KEY SHARE;
    IF NOT FOUND THEN RETURN NULL; END IF;
  END IF;
  INSERT INTO tollgate.batch (id, team_id, origin, protocol, endpoint, model, priced_model, deployment, provider, key_id, feature, user_id, environment, asserted, claimed,
    rules, input_file_id, metadata, deadline, price_version, prices_as_of, output_kept_ms, trace_context)
  VALUES (p_batch ->> 'batchId', p_batch ->> 'teamId', p_batch ->> 'origin', p_batch ->> 'protocol', p_batch ->> 'endpoint', p_batch ->> 'model',
    coalesce(p_batch ->> 'pricedModel', p_batch ->> 'model'), p_batch ->> 'deployment', p_batch ->> 'provider',
    p_batch #>> '{attribution,keyId}', p_batch #>> '{attribution,feature}', p_batch #>> '{attribution,userId}', p_batch #>> '{attribution,environment}',
    nullif(p_batch #> '{attribution,asserted}', 'null'), nullif(p_batch #> '{attribution,claimed}', 'null'),
    p_batch -> 'rules', v_file, nullif(p_batch -> 'metadata', 'null'), tollgate.instant(p_batch -> 'deadlineMs'),
    (p_batch ->> 'priceVersion')::bigint, tollgate.instant(p_batch -> 'pricesAsOfMs'), (p_batch ->> 'outputKeptMs')::bigint,
    nullif(p_batch -> 'traceContext', 'null'))
  ON CONFLICT (id) DO NOTHING;
  SELECT * INTO v_batch FROM tollgate.batch WHERE id = p_batch ->> 'batchId';
  IF v_batch.team_id <> p_batch ->> 'teamId' THEN RAISE EXCEPTION 'batch % is of another team', v_batch.id USING ERRCODE = 'unique_violation'; END IF;
  RETURN tollgate.batch_record(v_batch);
END $$;

-- Whatever changes a batch begins here.
CREATE FUNCTION tollgate.lock_batch(p_batch text) RETURNS tollgate.batch
LANGUAGE plpgsql AS $$
DECLARE
  v_batch tollgate.batch;
BEGIN
  SELECT * INTO v_batch FROM tollgate.batch WHERE id = p_batch FOR NO KEY UPDATE;
  IF NOT FOUND THEN RAISE EXCEPTION 'there is no batch %', p_batch USING ERRCODE = 'no_data_found'; END IF;
  RETURN v_batch;
END $$;

-- Items as they were bounded, up to a few thousand at a time; those known by n are left as they are. p_tiers: names joined by commas.
CREATE FUNCTION tollgate.add_batch_items(
  p_batch text, p_numbers integer[], p_custom_ids text[], p_nano_usd bigint[], p_tokens bigint[], p_input_tokens bigint[], p_embedding_inputs integer[], p_bytes bigint[],
  p_tiers text[]
) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_batch tollgate.batch := tollgate.lock_batch(p_batch);
  v_added record;
BEGIN
  IF v_batch.origin <> 'caller' THEN
    RAISE EXCEPTION 'batch % is collected: each of its items is held as it comes', p_batch USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  IF v_batch.state <> 'collecting' THEN
    IF EXISTS (SELECT 1 FROM unnest(p_numbers) AS q (n) WHERE NOT EXISTS (SELECT 1 FROM tollgate.batch_item i WHERE i.batch_number = v_batch.number AND i.n = q.n)) THEN
      RAISE EXCEPTION 'batch % is %: it takes no more items', p_batch, v_batch.state USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    RETURN;
  END IF;
  WITH added AS (
    INSERT INTO tollgate.batch_item (batch_number, n, custom_id, bound_nano_usd, bound_tokens, bound_input_tokens, embedding_inputs, bytes, tiers)
    SELECT v_batch.number, q.n, q.custom_id, q.nano_usd, q.tokens, q.input_tokens, q.embedding_inputs, q.bytes, string_to_array(q.tiers, ',')
    FROM unnest(p_numbers, p_custom_ids, p_nano_usd, p_tokens, p_input_tokens, p_embedding_inputs, p_bytes, p_tiers)
      AS q (n, custom_id, nano_usd, tokens, input_tokens, embedding_inputs, bytes, tiers)
    ON CONFLICT (batch_number, n) DO NOTHING
    RETURNING bound_nano_usd, bound_tokens
  )
  SELECT count(*)::integer AS items, coalesce(sum(bound_nano_usd), 0)::bigint AS nano_usd, coalesce(sum(bound_tokens), 0)::bigint AS tokens INTO v_added FROM added;
  UPDATE tollgate.batch SET items = items + v_added.items, open_items = open_items + v_added.items, held_nano_usd = held_nano_usd + v_added.nano_usd,
    held_tokens = held_tokens + v_added.tokens, version = version + 1, changed_at = clock_timestamp()
  WHERE number = v_batch.number;
END $$;

-- Takes a batch away of which nothing was ever held. False where it is held, or an item of it, or it is not there: nothing changed.
CREATE FUNCTION tollgate.abandon_batch(p_batch text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  v_number bigint;
BEGIN
  SELECT number INTO v_number FROM tollgate.batch WHERE id = p_batch AND state = 'collecting' AND (origin = 'caller' OR items = 0) FOR UPDATE;
  IF NOT FOUND THEN RETURN false; END IF;
  PERFORM tollgate.adopt_epoch(tollgate.batch_holder(v_number), 1, 'drained');
  DELETE FROM tollgate.batch WHERE number = v_number;
  RETURN true;
END $$;

-- The same for what a caller's process began and left, and for what collected nothing: nothing happened to it for so long. Returns how many.
CREATE FUNCTION tollgate.sweep_batches(p_idle interval, p_most integer) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_batch text;
  v_swept bigint := 0;
BEGIN
  FOR v_batch IN
    SELECT id FROM tollgate.batch WHERE state = 'collecting' AND (origin = 'caller' OR items = 0) AND changed_at < clock_timestamp() - p_idle
    ORDER BY changed_at LIMIT p_most FOR UPDATE SKIP LOCKED
  LOOP
    v_swept := v_swept + tollgate.abandon_batch(v_batch)::integer;
  END LOOP;
  DELETE FROM tollgate.deferred_ask WHERE asked_last < clock_timestamp() - p_idle;
  RETURN v_swept;
END $$;

-- Moves a batch that stands in p_from; which moves there are says domain/batching/batch-moves.ts. Null: it stands elsewhere by now. p_detail has
-- problem, outputFileId and errorFileId where they are to be set. What is final holds nothing: every item has an outcome, the holder is closed.
CREATE FUNCTION tollgate.move_batch(p_batch text, p_from text, p_to text, p_detail jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  v_batch tollgate.batch := tollgate.lock_batch(p_batch);
  v_is_final boolean := p_to IN ('completed', 'expired', 'cancelled', 'failed');
BEGIN
  IF v_batch.state <> p_from THEN RETURN NULL; END IF;
  IF v_is_final AND (v_batch.open_items > 0
    OR EXISTS (SELECT 1 FROM tollgate.gateway_epoch WHERE gateway_id = tollgate.batch_holder(v_batch.number) AND epoch = 1 AND closed_at IS NULL)) THEN
    RAISE EXCEPTION 'batch % cannot be %: % of its items have no outcome, or its money is still held', p_batch, p_to, v_batch.open_items
      USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  UPDATE tollgate.batch SET state = p_to, problem = coalesce(p_detail ->> 'problem', problem), output_file_id = coalesce(p_detail ->> 'outputFileId', output_file_id),
    error_file_id = coalesce(p_detail ->> 'errorFileId', error_file_id), running_since = CASE p_to WHEN 'running' THEN coalesce(running_since, clock_timestamp()) ELSE running_since END,
    finalizing_since = CASE p_to WHEN 'finalizing' THEN coalesce(finalizing_since, clock_timestamp()) ELSE finalizing_since END,
    ended_at = CASE WHEN v_is_final THEN coalesce(ended_at, clock_timestamp()) ELSE ended_at END, version = version + 1, changed_at = clock_timestamp()
  WHERE number = v_batch.number AND (state <> p_to OR p_detail <> '{}') RETURNING * INTO v_batch;
  IF NOT FOUND THEN SELECT * INTO v_batch FROM tollgate.batch WHERE id = p_batch; END IF;
  RETURN tollgate.batch_record(v_batch);
END $$;

-- Somebody wants it to end; does nothing to one that ended, and the first who asked is the one.
CREATE FUNCTION tollgate.ask_batch_cancel(p_batch text, p_by text) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  v_batch tollgate.batch := tollgate.lock_batch(p_batch);
BEGIN
  UPDATE tollgate.batch SET cancel_asked_at = clock_timestamp(), cancel_asked_by = p_by, version = version + 1, changed_at = clock_timestamp()
  WHERE number = v_batch.number AND cancel_asked_at IS NULL AND state NOT IN ('completed', 'expired', 'cancelled', 'failed') RETURNING * INTO v_batch;
  IF NOT FOUND THEN SELECT * INTO v_batch FROM tollgate.batch WHERE id = p_batch; END IF;
  RETURN tollgate.batch_record(v_batch);
END $$;

-- Its caller deletes one that ended: his team finds it no more, what was booked stays. False: none of his team that has ended is called so.
CREATE FUNCTION tollgate.forget_batch(p_team text, p_batch text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  UPDATE tollgate.batch SET forgotten_at = clock_timestamp(), version = version + 1, changed_at = clock_timestamp()
  WHERE id = p_batch AND team_id = p_team AND forgotten_at IS NULL AND state IN ('completed', 'expired', 'cancelled', 'failed');
  RETURN FOUND;
END $$;

-- That the account at a provider has no money for a batch: p_detail says which and why, and fires once while it lasts. Null: it took a part, or the
-- batch has ended; with nothing firing that changes nothing. The one before makes the key: who tells at the same time makes the same alert.
CREATE FUNCTION tollgate.tell_batch_quota(p_team text, p_batch text, p_detail jsonb) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  v_subject text := 'batch/' || p_batch;
  v_firing tollgate.alert;
  v_earlier bigint;
BEGIN
  SELECT * INTO v_firing FROM tollgate.alert
  WHERE team_id = p_team AND subject = v_subject AND kind = 'provider.quota' AND is_firing AND resolved_at IS NULL ORDER BY seq DESC LIMIT 1;
  IF p_detail IS NULL THEN
    RETURN v_firing.seq IS NOT NULL AND tollgate.raise_alert(v_firing.alert_key || '|over', p_team, v_subject, 'provider.quota', 'info', false,
      v_firing.detail || jsonb_build_object('resolves', v_firing.alert_key));
  END IF;
  IF v_firing.seq IS NOT NULL THEN RETURN false; END IF;
  SELECT coalesce(max(seq), 0) INTO v_earlier FROM tollgate.alert WHERE team_id = p_team AND subject = v_subject AND kind = 'provider.quota';
  RETURN tollgate.raise_alert('provider.quota|' || (p_detail ->> 'account') || '|' || p_batch || '|' || v_earlier, p_team, v_subject, 'provider.quota', 'error', true, p_detail);
END $$;
