-- What changes the authority's rows: one function call in one statement each, so that no lock is held
-- across a round trip. Lock order everywhere: the queues of grants, budget rows by id, window rows by id, lease rows by window id.

ALTER TABLE tollgate.gateway_epoch ADD COLUMN seen_revision bigint NOT NULL DEFAULT 0; -- newest change it acts on
CREATE INDEX gateway_epoch_open ON tollgate.gateway_epoch (last_seen_at) WHERE closed_at IS NULL;
CREATE INDEX change_kind ON tollgate.change (kind, revision);

-- Gateways that may be serving and do not act on a revision yet. A change is "in force" when this is 0 (money-path §3:
-- within 1 s). One that is silent a little longer than that may only be late; whoever is silent for 3 s is waited for no more.
CREATE FUNCTION tollgate.gateways_behind(p_revision bigint) RETURNS bigint
LANGUAGE sql STABLE AS $$
  SELECT count(*) FROM tollgate.gateway_epoch
  WHERE kind = 'gateway' AND closed_at IS NULL AND fenced_at IS NULL
    AND last_seen_at > clock_timestamp() - interval '3 seconds' AND seen_revision < p_revision
$$;

CREATE FUNCTION tollgate.insert_window(p_budget tollgate.budget, p_starts_at timestamptz, p_ends_at timestamptz, p_is_ahead boolean) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_id bigint;
  v_limits record;
BEGIN
  -- Opened ahead, it has the raises that are in force when it begins (0014).
  SELECT * INTO v_limits FROM tollgate.window_limits(p_budget, 0, greatest(clock_timestamp(), p_starts_at));
  INSERT INTO tollgate.budget_window (budget_id, starts_at, ends_at, limit_amount, stop_amount, needs_approval, degrade_amounts, is_observed,
    is_frozen, revision, event_seq, is_ahead, raised_until)
  VALUES (p_budget.id, p_starts_at, p_ends_at, v_limits.limit_amount, v_limits.stop_amount, v_limits.needs_approval, v_limits.degrade_amounts,
    p_budget.mode = 'observe', p_budget.is_frozen, p_budget.revision, 1, p_is_ahead, v_limits.raised_until)
  RETURNING id INTO v_id;
  INSERT INTO tollgate.window_event (window_id, seq, kind, granted_after, limit_amount, stop_amount, is_frozen, revision, is_observed, degrade_amounts)
  SELECT id, 1, 'opened', 0, limit_amount, stop_amount, is_frozen, revision, is_observed, degrade_amounts FROM tollgate.budget_window WHERE id = v_id;
  RETURN v_id;
END $$;

-- The current window of a budget, opened from its rule when it is due (domain/budget/window.ts says the same), or found
-- opened ahead.
CREATE FUNCTION tollgate.open_window(p_budget_id bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
  v_latest tollgate.budget_window;
  v_budget tollgate.budget;
  v_bounds record;
BEGIN
  SELECT * INTO v_latest FROM tollgate.budget_window WHERE budget_id = p_budget_id AND NOT is_ahead ORDER BY starts_at DESC LIMIT 1;
  IF FOUND AND v_now < v_latest.ends_at THEN RETURN v_latest.id; END IF;

  SELECT * INTO v_budget FROM tollgate.budget WHERE id = p_budget_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN RAISE EXCEPTION 'budget % does not exist', p_budget_id USING ERRCODE = 'no_data_found'; END IF;
  UPDATE tollgate.budget_window SET is_ahead = false WHERE budget_id = p_budget_id AND is_ahead AND starts_at <= v_now;
  SELECT * INTO v_latest FROM tollgate.budget_window WHERE budget_id = p_budget_id AND NOT is_ahead ORDER BY starts_at DESC LIMIT 1;
  IF FOUND AND v_now < v_latest.ends_at THEN RETURN v_latest.id; END IF;

  SELECT * INTO v_bounds FROM tollgate.bounds_after(v_budget, v_latest.ends_at);
  IF v_bounds.ends_at IS NULL OR v_now >= v_bounds.ends_at THEN -- the first window, or nobody was awake for whole windows: the calendar is regular
    SELECT * INTO v_bounds FROM tollgate.calendar_window(v_budget, v_now);
  END IF;
  RETURN tollgate.insert_window(v_budget, v_bounds.starts_at, v_bounds.ends_at, false);
END $$;

-- A boot of a gateway: a new epoch, the earlier ones fenced (they settle on, they are granted nothing more).
-- Returns {"live": ageMs} instead when another boot of this identity was seen within 3 s and the caller has no
-- proof (the lock of its journal folder) that this boot is gone.
-- p_last_epoch is the newest one the gateway's own disk remembers: after the restore of an older backup the rows here may know less, and
-- attempt ids of calls that were sent must not be given again.
CREATE FUNCTION tollgate.register_gateway(p_gateway text, p_boot_id text, p_fsync_mode text, p_proven_dead text[], p_last_epoch bigint DEFAULT 0) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  v_other record;
  v_epoch bigint;
BEGIN
  -- These two stand in the lease rows for postings that no gateway made.
  IF p_gateway IN ('verify', 'opening') THEN RAISE EXCEPTION 'a gateway cannot be called %', p_gateway USING ERRCODE = 'invalid_parameter_value'; END IF;
  -- These are the holders of batches: their attempt ids are given already.
  IF p_gateway ~ '^batch[0-9]+$' THEN RAISE EXCEPTION 'a gateway cannot be called %, as a batch is', p_gateway USING ERRCODE = 'invalid_parameter_value'; END IF;
  PERFORM pg_advisory_xact_lock(718204002, hashtext(p_gateway));
  SELECT boot_id, extract(epoch FROM clock_timestamp() - last_seen_at) * 1000 AS age_ms INTO v_other
  FROM tollgate.gateway_epoch
  WHERE gateway_id = p_gateway AND closed_at IS NULL AND fenced_at IS NULL AND boot_id <> p_boot_id
    AND last_seen_at > clock_timestamp() - interval '3 seconds' AND NOT boot_id = ANY (p_proven_dead)
  ORDER BY epoch DESC LIMIT 1;
  IF FOUND THEN RETURN jsonb_build_object('live', floor(v_other.age_ms)); END IF;

  v_epoch := 1 + greatest(p_last_epoch,
    (SELECT max(epoch) FROM tollgate.gateway_epoch WHERE gateway_id = p_gateway),
    (SELECT max(epoch) FROM tollgate.lease WHERE gateway_id = p_gateway),
    (SELECT max(epoch) FROM tollgate.chunk WHERE gateway_id = p_gateway)); -- of a journal that was replayed after such a restore
  UPDATE tollgate.gateway_epoch SET fenced_at = clock_timestamp() WHERE gateway_id = p_gateway AND fenced_at IS NULL;
  INSERT INTO tollgate.gateway_epoch (gateway_id, epoch, boot_id, fsync_mode) VALUES (p_gateway, v_epoch, p_boot_id, p_fsync_mode);
  RETURN jsonb_build_object('epoch', v_epoch, 'revision', (SELECT max(revision) FROM tollgate.change));
END $$;

-- Open claims of other gateways: what to return idle money for.
CREATE FUNCTION tollgate.open_claims(p_gateway text, p_epoch bigint) RETURNS jsonb
LANGUAGE sql STABLE AS $$
  SELECT coalesce(jsonb_agg(jsonb_build_object('id', id::text, 'windowIds', ARRAY[window_id::text]) ORDER BY id), '[]')
  FROM tollgate.claim
  WHERE expires_at > clock_timestamp() AND NOT (gateway_id = p_gateway AND epoch = p_epoch)
$$;

-- Adds amounts to the leases of a gateway in windows whose rows the caller has locked; lease rows are written by window id.
CREATE FUNCTION tollgate.raise_leases(p_gateway text, p_epoch bigint, p_windows bigint[], p_amounts bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_above record;
BEGIN
  WITH raised AS (
    UPDATE tollgate.budget_window w SET granted = w.granted + r.amount, event_seq = w.event_seq + 1
    FROM unnest(p_windows, p_amounts) AS r (id, amount) WHERE w.id = r.id AND r.amount > 0 RETURNING w.*, r.amount
  ), told AS (
    INSERT INTO tollgate.window_event (window_id, seq, kind, gateway_id, epoch, amount, granted_after, limit_amount, stop_amount, is_frozen, revision)
    SELECT id, event_seq, 'grant', p_gateway, p_epoch, amount, granted, limit_amount, stop_amount, is_frozen, revision FROM raised
  ), leased AS (
    INSERT INTO tollgate.lease AS l (gateway_id, epoch, window_id, granted, version) SELECT p_gateway, p_epoch, id, amount, 1 FROM raised ORDER BY id
    ON CONFLICT (gateway_id, epoch, window_id) DO UPDATE SET granted = l.granted + excluded.granted, version = l.version + 1
  )
  SELECT id, granted - least(limit_amount, stop_amount) AS amount INTO v_above FROM raised
  WHERE granted > least(limit_amount, stop_amount) AND NOT is_observed LIMIT 1;
  -- The last guard of I1: whatever the arithmetic of the caller, no grant leaves more granted than the limit. Fails closed.
  IF FOUND THEN
    RAISE EXCEPTION 'a grant would leave window % by % above its limit', v_above.id, v_above.amount USING ERRCODE = 'check_violation';
  END IF;
END $$;

-- Windows and the asker's lease rows there, in the order asked; 'posted' and 'isOverrun' are by the sums the caller has read.
-- 'claimId' is the asker's open claim there (0 = none). Of the others who hold money there it tells only with p_is_short, when a
-- call has to wait or to be refused: 'leastAnswered', the newest claim that every reachable gateway with pending money there has
-- answered (null: there is no such gateway), 'heldElsewhere' and 'heldUnreachable', and 'heldUntil', by when the latter is booked
-- or free again at the latest (money-path §8; longest_call_ms is in 0008). What a batch holds is held elsewhere, and neither: it answers no claim, and
-- nobody can say by when it ends.
SET LOCAL check_function_bodies = off;
CREATE FUNCTION tollgate.lease_items(p_gateway text, p_epoch bigint, p_windows bigint[], p_posted bigint[], p_overrun bigint[], p_is_short boolean) RETURNS json
LANGUAGE sql VOLATILE AS $$
  SELECT coalesce(json_agg(json_build_object(
    'budgetId', w.budget_id::text, 'windowId', w.id::text, 'seq', w.event_seq::text,
    'limit', w.limit_amount::text, 'stop', w.stop_amount::text, 'granted', w.granted::text,
    'isFrozen', w.is_frozen, 'isOverrun', q.overrun > w.overrun_cleared AND NOT w.is_observed, 'isObserved', w.is_observed, 'needsApproval', w.needs_approval,
    'leaseGranted', coalesce(l.granted, 0)::text, 'leaseReturned', coalesce(l.returned, 0)::text, 'leasePosted', coalesce(l.posted, 0)::text, 'leaseOverrun', coalesce(l.overrun, 0)::text,
    'endsAt', CASE WHEN w.ends_at = 'infinity' THEN NULL ELSE to_char(w.ends_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') END,
    'endsInMs', CASE WHEN w.ends_at = 'infinity' THEN NULL ELSE extract(epoch FROM w.ends_at - clock_timestamp()) * 1000 END,
    'startsInMs', CASE WHEN w.starts_at = '-infinity' THEN NULL ELSE extract(epoch FROM w.starts_at - clock_timestamp()) * 1000 END,
    'posted', q.posted::text, 'heldElsewhere', o.held::text, 'heldUnreachable', o.unreachable::text,
    'heldUntil', CASE WHEN o.unreachable > 0 THEN to_char((o.silent_since + (tollgate.longest_call_ms(900000) + 60000) * interval '1 millisecond') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') END,
    'claimId', coalesce(c.id, 0)::text, 'leastAnswered', o.least_answered::text
  ) ORDER BY q.place), '[]')
  FROM unnest(p_windows, p_posted, p_overrun) WITH ORDINALITY AS q (id, posted, overrun, place)
  JOIN tollgate.budget_window w ON w.id = q.id
  LEFT JOIN tollgate.lease l ON l.gateway_id = p_gateway AND l.epoch = p_epoch AND l.window_id = w.id
  LEFT JOIN tollgate.claim c ON c.gateway_id = p_gateway AND c.epoch = p_epoch AND c.window_id = w.id AND c.expires_at > clock_timestamp()
  CROSS JOIN LATERAL (
    SELECT coalesce(sum(x.pending), 0) AS held, coalesce(sum(x.pending) FILTER (WHERE NOT x.is_reachable AND x.kind = 'gateway'), 0) AS unreachable,
      min(x.answered_claim) FILTER (WHERE x.is_reachable) AS least_answered, max(x.last_seen_at) FILTER (WHERE NOT x.is_reachable AND x.kind = 'gateway') AS silent_since
    FROM (
      SELECT y.granted - y.returned - y.posted AS pending, e.answered_claim, e.last_seen_at, e.kind,
        e.kind = 'gateway' AND e.closed_at IS NULL AND e.last_seen_at > clock_timestamp() - interval '1 second' AS is_reachable
      FROM tollgate.lease y LEFT JOIN tollgate.gateway_epoch e USING (gateway_id, epoch)
      WHERE p_is_short AND y.window_id = w.id AND y.granted - y.returned - y.posted > 0 AND NOT (y.gateway_id = p_gateway AND y.epoch = p_epoch)
    ) x
  ) o
$$;

-- The line of grants of these budgets: first come first served, left when the transaction ends. A long line is no lock that somebody
-- forgot: who stands in it keeps the place for a second where its connection gives up a lock sooner. Rows are waited for no longer than before.
CREATE FUNCTION tollgate.stand_in_line(p_budgets bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_lock_timeout text := current_setting('lock_timeout');
BEGIN
  IF v_lock_timeout::interval BETWEEN interval '1 millisecond' AND interval '1 second' THEN PERFORM set_config('lock_timeout', '1s', true); END IF;
  PERFORM pg_advisory_xact_lock(718204004, line.number) FROM (SELECT DISTINCT hashint8(id) AS number FROM unnest(p_budgets) AS id ORDER BY 1) AS line;
  PERFORM set_config('lock_timeout', v_lock_timeout, true);
END $$;

-- Grants lease money for the needs of waiting calls, in order, all or none per call, then lookahead.
-- p_budgets ascending. Per item: the window the gateway knows (0 = none), the lease.granted it knows there,
-- its idle money there, the lookahead it would like. p_needs is row-major (call 1 x items, call 2 x items, …).
-- "Raise to": what the lease row holds beyond p_base_granted came from an earlier grant whose reply was lost and
-- counts as already granted, so a repeated, late or unknown COMMIT changes nothing.
-- A call that does not fit leaves claims in the windows where it is short, or renews those of its gateway; with p_is_new_ask, or
-- after they ran out, they get new ids: an answer to the old ones says nothing about money that came idle since. With
-- p_drops_claims no other call of this gateway waits there, so that claims in windows that are short no more end.
-- p_lines, row-major like the needs, is the place among the window's degrade lines of the one that this call may not pass
-- (null = none): a call that does not fit below it is not served and leaves no claim, because it goes on as degraded.
-- An observed window has room without end; what its limit would have refused is said by the gateway.
CREATE FUNCTION tollgate.grant_lease(
  p_gateway text, p_epoch bigint, p_budgets bigint[], p_known_windows bigint[], p_base_granted bigint[],
  p_idle bigint[], p_lookahead bigint[], p_needs bigint[], p_wants_claim boolean, p_is_final boolean,
  p_is_new_ask boolean DEFAULT false, p_drops_claims boolean DEFAULT false, p_lines integer[] DEFAULT NULL
) RETURNS json
LANGUAGE plpgsql AS $$
DECLARE
  n int := cardinality(p_budgets);
  v_calls int := cardinality(p_needs) / greatest(n, 1);
  v_windows bigint[] := '{}';
  v_is_raise_over boolean;                               -- in one of them: it falls back before anything is granted (0014)
  v_live bigint;
  v_free bigint[] := array_fill(0::bigint, ARRAY[n]);    -- room under limit and threshold
  v_ahead bigint[] := array_fill(0::bigint, ARRAY[n]);   -- the part of it below the next degrade line: what lookahead may take
  v_granted bigint[] := array_fill(0::bigint, ARRAY[n]);
  v_mine bigint[] := array_fill(0::bigint, ARRAY[n]);    -- idle + granted by a lost reply
  v_blocked boolean[] := array_fill(false, ARRAY[n]);
  v_claimed bigint[] := array_fill(0::bigint, ARRAY[n]);
  v_has_claim boolean[] := array_fill(false, ARRAY[n]);
  v_posted bigint[] := array_fill(0::bigint, ARRAY[n]);
  v_overrun bigint[] := array_fill(0::bigint, ARRAY[n]);
  v_used bigint[] := array_fill(0::bigint, ARRAY[n]);
  v_raise bigint[] := array_fill(0::bigint, ARRAY[n]);
  v_served boolean[] := '{}';
  v_short bigint[] := array_fill(0::bigint, ARRAY[n]);   -- what the first call that is short there lacks: a claim covers every short window
  v_claim bigint;
  v_row record;
  v_fits boolean;
  v_need bigint;
  v_line bigint;
BEGIN
  -- Grants of a budget stand in line before its rows: those who wait for a row are all woken when it changed, follow every change
  -- since they asked, and are served in no order.
  PERFORM tollgate.stand_in_line(p_budgets);
  SELECT greatest(1, (
    SELECT count(*) FROM tollgate.gateway_epoch WHERE kind = 'gateway' AND closed_at IS NULL AND fenced_at IS NULL AND last_seen_at > clock_timestamp() - interval '1 second'
  )) INTO v_live FROM tollgate.gateway_epoch WHERE gateway_id = p_gateway AND epoch = p_epoch AND fenced_at IS NULL AND closed_at IS NULL;
  IF NOT FOUND AND n > 0 THEN RETURN json_build_object('fenced', true); END IF; -- asking for nothing plans the statements, whoever asks
  FOR i IN 1..n LOOP
    v_windows := v_windows || tollgate.open_window(p_budgets[i]);
  END LOOP;

  SELECT bool_or(raised_until <= clock_timestamp()) INTO v_is_raise_over FROM (
    SELECT raised_until FROM tollgate.budget_window WHERE id = ANY (v_windows) ORDER BY id FOR NO KEY UPDATE
  ) locked;
  IF v_is_raise_over THEN PERFORM tollgate.lower_windows(v_windows); END IF;
  FOR v_row IN
    SELECT q.i, w.granted, s.posted, s.overrun, w.is_frozen OR s.overrun > w.overrun_cleared AND NOT w.is_observed AS is_blocked,
      tollgate.room_of(w) AS free,
      CASE WHEN cardinality(w.degrade_amounts) > 0 THEN (SELECT min(line) - w.granted FROM unnest(w.degrade_amounts) AS line WHERE line > w.granted) END AS below_line,
      CASE WHEN q.known = w.id THEN q.idle + greatest(0, coalesce(l.granted, 0) - q.base) ELSE coalesce(l.granted - l.returned - l.posted, 0) END AS mine,
      c.claimed, m.id IS NOT NULL AS has_claim
    FROM unnest(v_windows, p_known_windows, p_base_granted, p_idle) WITH ORDINALITY AS q (id, known, base, idle, i)
    JOIN tollgate.budget_window w ON w.id = q.id
    LEFT JOIN tollgate.lease l ON l.gateway_id = p_gateway AND l.epoch = p_epoch AND l.window_id = w.id
    -- A claim that ran out gives no place before younger ones.
    LEFT JOIN tollgate.claim m ON m.gateway_id = p_gateway AND m.epoch = p_epoch AND m.window_id = w.id AND m.expires_at > clock_timestamp()
    CROSS JOIN LATERAL (SELECT coalesce(sum(x.posted), 0) AS posted, coalesce(sum(x.overrun), 0) AS overrun FROM tollgate.lease x WHERE x.window_id = w.id) s
    CROSS JOIN LATERAL (
      SELECT coalesce(sum(x.need), 0) AS claimed FROM tollgate.claim x
      WHERE x.window_id = w.id AND x.expires_at > clock_timestamp() AND NOT (x.gateway_id = p_gateway AND x.epoch = p_epoch)
        AND (m.place IS NULL OR x.place < m.place)
    ) c
  LOOP
    v_free[v_row.i] := v_row.free;
    v_ahead[v_row.i] := least(v_row.free, v_row.below_line);
    v_granted[v_row.i] := v_row.granted;
    v_mine[v_row.i] := v_row.mine;
    v_blocked[v_row.i] := v_row.is_blocked;
    v_claimed[v_row.i] := v_row.claimed;
    v_has_claim[v_row.i] := v_row.has_claim;
    v_posted[v_row.i] := v_row.posted;
    v_overrun[v_row.i] := v_row.overrun;
  END LOOP;

  FOR c IN 1..v_calls LOOP
    v_fits := true;
    FOR i IN 1..n LOOP
      v_need := p_needs[(c - 1) * n + i];
      IF p_lines[(c - 1) * n + i] IS NULL THEN v_line := NULL;
      ELSE SELECT w.degrade_amounts[p_lines[(c - 1) * n + i]] INTO v_line FROM tollgate.budget_window w WHERE w.id = v_windows[i];
      END IF;
      IF v_need > 0 AND (v_blocked[i] OR v_need > v_mine[i] + greatest(0, v_free[i] - CASE WHEN p_is_final THEN 0 ELSE v_claimed[i] END) - v_used[i]
        OR v_need > v_line - v_granted[i] + v_mine[i] - v_used[i]) THEN
        v_fits := false;
      END IF;
    END LOOP;
    v_served := v_served || v_fits;
    IF v_fits THEN
      FOR i IN 1..n LOOP v_used[i] := v_used[i] + p_needs[(c - 1) * n + i]; END LOOP;
    ELSE
      FOR i IN 1..n LOOP
        v_need := p_needs[(c - 1) * n + i];
        IF v_short[i] = 0 AND v_need > v_mine[i] + v_free[i] - v_used[i] THEN
          v_short[i] := v_need - greatest(0, v_mine[i] - v_used[i]);
        END IF;
      END LOOP;
    END IF;
  END LOOP;
  FOR i IN 1..n LOOP
    v_raise[i] := greatest(0, v_used[i] - v_mine[i]);
    IF NOT v_blocked[i] AND v_claimed[i] = 0 THEN
      v_raise[i] := v_raise[i] + greatest(0, least(p_lookahead[i], (v_ahead[i] - v_raise[i]) / (2 * v_live)));
    END IF;
  END LOOP;
  IF 0 < ANY (v_raise) THEN PERFORM tollgate.raise_leases(p_gateway, p_epoch, v_windows, v_raise); END IF;

  FOR i IN 1..n LOOP
    IF v_short[i] > 0 THEN
      CONTINUE WHEN NOT p_wants_claim;
      UPDATE tollgate.claim SET expires_at = clock_timestamp() + interval '2 seconds', need = v_short[i]
      WHERE gateway_id = p_gateway AND epoch = p_epoch AND window_id = v_windows[i] AND expires_at > clock_timestamp() AND NOT p_is_new_ask;
      CONTINUE WHEN FOUND;
      PERFORM pg_advisory_xact_lock(718204003); -- claims appear in the order of their ids: who answers one has seen those below it
      v_claim := nextval('tollgate.claim_id');
      INSERT INTO tollgate.claim AS c (gateway_id, epoch, window_id, id, place, need, expires_at)
      VALUES (p_gateway, p_epoch, v_windows[i], v_claim, v_claim, v_short[i], clock_timestamp() + interval '2 seconds')
      ON CONFLICT (gateway_id, epoch, window_id) DO UPDATE
      SET id = excluded.id, place = CASE WHEN c.expires_at > clock_timestamp() THEN c.place ELSE excluded.id END, need = excluded.need, expires_at = excluded.expires_at;
    ELSIF p_drops_claims AND v_has_claim[i] THEN
      DELETE FROM tollgate.claim WHERE gateway_id = p_gateway AND epoch = p_epoch AND window_id = v_windows[i];
    END IF;
  END LOOP;

  RETURN json_build_object('served', to_json(v_served), 'items', tollgate.lease_items(p_gateway, p_epoch, v_windows, v_posted, v_overrun, false = ANY (v_served)),
    'revision', (SELECT max(revision) FROM tollgate.change)::text, 'claims', tollgate.open_claims(p_gateway, p_epoch));
END $$;

-- Takes back idle money of the named windows, up to what is neither posted nor returned yet.
CREATE FUNCTION tollgate.return_idle(p_gateway text, p_epoch bigint, p_windows bigint[], p_return_to bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_row record;
  v_delta bigint;
BEGIN
  FOR v_row IN
    SELECT w.* FROM tollgate.budget_window w WHERE w.id = ANY (p_windows) ORDER BY w.id FOR NO KEY UPDATE
  LOOP
    UPDATE tollgate.lease l SET returned = x.return_to, version = l.version + 1
    FROM (
      SELECT returned AS before, least(p_return_to[array_position(p_windows, v_row.id)], granted - posted) AS return_to
      FROM tollgate.lease WHERE gateway_id = p_gateway AND epoch = p_epoch AND window_id = v_row.id FOR UPDATE
    ) x
    WHERE l.gateway_id = p_gateway AND l.epoch = p_epoch AND l.window_id = v_row.id AND x.return_to > x.before
    RETURNING l.returned - x.before INTO v_delta;
    IF FOUND THEN
      UPDATE tollgate.budget_window SET granted = granted - v_delta, event_seq = event_seq + 1 WHERE id = v_row.id;
      INSERT INTO tollgate.window_event (window_id, seq, kind, gateway_id, epoch, amount, granted_after, limit_amount, stop_amount, is_frozen, revision)
      VALUES (v_row.id, v_row.event_seq + 1, 'return', p_gateway, p_epoch, v_delta, v_row.granted - v_delta, v_row.limit_amount, v_row.stop_amount, v_row.is_frozen, v_row.revision);
    END IF;
  END LOOP;
END $$;

-- A gateway whose lease rows show less than it was granted (a failover that lost commits) presents its own amounts: its leases
-- are raised to them, and so is what is granted, limit or not, because that money is spent or held. No grant: an overhang.
CREATE FUNCTION tollgate.present_leases(p_gateway text, p_epoch bigint, p_windows bigint[], p_granted bigint[], p_returned bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_row record;
  v_lease tollgate.lease;
  v_granted bigint;
  v_returned bigint;
BEGIN
  FOR v_row IN
    SELECT w.*, p.granted AS p_granted, p.returned AS p_returned FROM tollgate.budget_window w
    JOIN unnest(p_windows, p_granted, p_returned) AS p (id, granted, returned) ON p.id = w.id ORDER BY w.id FOR NO KEY UPDATE OF w
  LOOP
    INSERT INTO tollgate.lease (gateway_id, epoch, window_id) VALUES (p_gateway, p_epoch, v_row.id) ON CONFLICT DO NOTHING;
    SELECT * INTO v_lease FROM tollgate.lease WHERE gateway_id = p_gateway AND epoch = p_epoch AND window_id = v_row.id FOR UPDATE;
    v_granted := greatest(0, v_row.p_granted - v_lease.granted);
    v_returned := greatest(0, v_row.p_returned - v_lease.returned);
    UPDATE tollgate.lease SET granted = granted + v_granted, returned = returned + v_returned, version = version + 1
    WHERE gateway_id = p_gateway AND epoch = p_epoch AND window_id = v_row.id;
    UPDATE tollgate.budget_window SET granted = granted + v_granted - v_returned, event_seq = event_seq + 2 WHERE id = v_row.id;
    INSERT INTO tollgate.window_event (window_id, seq, kind, gateway_id, epoch, amount, granted_after, limit_amount, stop_amount, is_frozen, revision)
    VALUES (v_row.id, v_row.event_seq + 1, 'presented', p_gateway, p_epoch, v_granted, v_row.granted + v_granted, v_row.limit_amount, v_row.stop_amount, v_row.is_frozen, v_row.revision),
           (v_row.id, v_row.event_seq + 2, 'return', p_gateway, p_epoch, v_returned, v_row.granted + v_granted - v_returned, v_row.limit_amount, v_row.stop_amount, v_row.is_frozen, v_row.revision);
  END LOOP;
  PERFORM tollgate.note_lost_commits(p_gateway, p_epoch, p_windows); -- 0019: people are told
END $$;

-- Returns idle money ("return to": absolute amounts, safe to repeat), answers claims, renews the lease, and carries the news.
-- A window whose row is locked for too long keeps the money until the next heartbeat, and the claims stay unanswered
-- ('returned' is false): a contended row must not silence a gateway.
CREATE FUNCTION tollgate.heartbeat(
  p_gateway text, p_epoch bigint, p_windows bigint[], p_return_to bigint[], p_answered_claim bigint, p_seen_revision bigint, p_flushed_request bigint
) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  v_returned boolean := true;
  v_is_fenced boolean;
BEGIN
  IF cardinality(p_windows) > 0 THEN
    BEGIN
      PERFORM tollgate.return_idle(p_gateway, p_epoch, p_windows, p_return_to);
    EXCEPTION WHEN lock_not_available THEN
      v_returned := false;
    END;
  END IF;
  DELETE FROM tollgate.claim WHERE expires_at < clock_timestamp() - interval '1 minute' AND gateway_id = p_gateway;
  UPDATE tollgate.gateway_epoch
  SET last_seen_at = clock_timestamp(), answered_claim = CASE WHEN v_returned THEN greatest(answered_claim, p_answered_claim) ELSE answered_claim END,
      seen_revision = greatest(seen_revision, p_seen_revision), flushed_request = greatest(flushed_request, p_flushed_request)
  WHERE gateway_id = p_gateway AND epoch = p_epoch AND fenced_at IS NULL AND closed_at IS NULL;
  v_is_fenced := NOT FOUND;
  IF v_is_fenced THEN PERFORM tollgate.note_fenced(p_gateway, p_epoch); END IF; -- 0019: people are told
  RETURN jsonb_build_object('fenced', v_is_fenced, 'returned', v_returned,
    'revision', (SELECT max(revision) FROM tollgate.change)::text,
    'flushRequest', coalesce((SELECT max(revision) FROM tollgate.change WHERE kind = 'flush'), 0)::text,
    'claims', tollgate.open_claims(p_gateway, p_epoch));
END $$;
