-- Statements: what each team owes for a month, computed of the sums of spend (0032), kept as a draft until the month is closed, and never changed after.
-- The rules are pure (domain/chargeback/); here stands what was stated, and what may not happen to it.

CREATE TABLE tollgate.chargeback_rules (
  revision bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  rules    jsonb NOT NULL,
  set_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  set_by   text NOT NULL
);

-- Adjustments alone: which of a month are of an earlier one is asked of the entries, and these are few.
CREATE INDEX entry_adjustment ON tollgate.entry (at) WHERE kind = 'adjustment';

CREATE TABLE tollgate.statement_month (
  month           date PRIMARY KEY CHECK (month = date_trunc('month', month)),
  starts_at       timestamptz NOT NULL,          -- of the draft that is shown; months meet and never overlap, also where the calendar was changed
  ends_at         timestamptz NOT NULL,
  state           text NOT NULL CHECK (state IN ('drafting', 'drafted', 'rejected', 'closed')),
  draft           integer NOT NULL DEFAULT 0,    -- the one that is shown, whole; 0 = there is none yet
  decided_at      timestamptz,                   -- by a person, of that draft
  decided_by      text,
  decision_reason text,
  closed_at       timestamptz,
  CHECK ((state = 'drafting') = (draft = 0)),
  CHECK ((state = 'closed') = (closed_at IS NOT NULL)),
  EXCLUDE USING gist (tstzrange(starts_at, ends_at) WITH &&)
);

CREATE TABLE tollgate.statement_draft (
  month           date NOT NULL REFERENCES tollgate.statement_month (month),
  draft           integer NOT NULL,
  begun_for       text NOT NULL,                 -- the run that computes it: begun again it is the same draft
  begun_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
  asked_by        text NOT NULL,
  starts_at       timestamptz NOT NULL,
  ends_at         timestamptz NOT NULL,
  rules_revision  bigint NOT NULL,               -- 0 = nobody ever set any
  rules           jsonb NOT NULL,
  teams           bigint,                        -- from here on null until it is whole
  cost_nano_usd   numeric,                       -- the ledger's of the month, to the nano-dollar
  margin_nano_usd numeric,
  whole_at        timestamptz,
  PRIMARY KEY (month, draft),
  UNIQUE (month, begun_for)
);

CREATE TABLE tollgate.statement (
  month             date NOT NULL,
  draft             integer NOT NULL,
  team_id           text NOT NULL,               -- '@unknown' and '@organization': what no team stands for
  calls             numeric NOT NULL,
  input_tokens      numeric NOT NULL,
  output_tokens     numeric NOT NULL,
  own_nano_usd      numeric NOT NULL,            -- of its own, without what is shared
  own_lines         integer NOT NULL,            -- 0: it takes a share, and spent nothing
  lines             integer NOT NULL,
  cost_nano_usd     numeric,                     -- with its shares; null until they are known, as the next
  margin_nano_usd   numeric,
  PRIMARY KEY (month, draft, team_id)
);

CREATE TABLE tollgate.statement_pooled (
  month           date NOT NULL,
  draft           integer NOT NULL,
  team_id         text NOT NULL,
  pool            text NOT NULL,
  amount_nano_usd numeric NOT NULL,
  PRIMARY KEY (month, draft, team_id, pool)
);

CREATE TABLE tollgate.statement_line (
  month           date NOT NULL,
  draft           integer NOT NULL,
  team_id         text NOT NULL,
  line            integer NOT NULL,              -- 1, 2, 3 … without a gap
  kind            text NOT NULL CHECK (kind IN ('usage', 'adjustment', 'pooled', 'share', 'margin')),
  feature         text NOT NULL,                 -- '' = not attributed, as the next three
  user_id         text NOT NULL,
  model           text NOT NULL,
  provider        text NOT NULL,
  of_month        date,                          -- of an adjustment
  pool            text,                          -- of what is shared
  calls           numeric NOT NULL,
  input_tokens    numeric NOT NULL,
  output_tokens   numeric NOT NULL,
  amount_nano_usd numeric NOT NULL,
  PRIMARY KEY (month, draft, team_id, line)
);

-- What was booked in the month for an earlier one, found once a draft.
CREATE TABLE tollgate.statement_adjustment (
  month date NOT NULL, draft integer NOT NULL, account text NOT NULL, provider text NOT NULL, feature text NOT NULL, user_id text NOT NULL, model text NOT NULL,
  key_id text NOT NULL, environment text NOT NULL, of_month date NOT NULL, amount_nano_usd numeric NOT NULL
);
CREATE INDEX statement_adjustment_account ON tollgate.statement_adjustment (month, draft, account);

-- A closed month never changes: neither it, nor its draft, nor a statement or line of that draft, nor one more of them. Other drafts may go.
CREATE FUNCTION tollgate.keep_closed_month() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
  v_row jsonb;
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    IF EXISTS (SELECT 1 FROM tollgate.statement_month WHERE state = 'closed') THEN
      RAISE EXCEPTION 'a closed month never changes' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
  END IF;
  FOREACH v_row IN ARRAY CASE TG_OP WHEN 'INSERT' THEN ARRAY[to_jsonb(NEW)] WHEN 'DELETE' THEN ARRAY[to_jsonb(OLD)] ELSE ARRAY[to_jsonb(OLD), to_jsonb(NEW)] END LOOP
    IF EXISTS (
      SELECT 1 FROM tollgate.statement_month m WHERE m.month = (v_row ->> 'month')::date AND m.state = 'closed' AND (TG_TABLE_NAME = 'statement_month' OR m.draft = (v_row ->> 'draft')::integer)
    ) THEN
      RAISE EXCEPTION 'month % is closed: it never changes', to_char((v_row ->> 'month')::date, 'YYYY-MM') USING ERRCODE = 'restrict_violation';
    END IF;
  END LOOP;
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER keep_closed BEFORE UPDATE OR DELETE ON tollgate.statement_month FOR EACH ROW EXECUTE FUNCTION tollgate.keep_closed_month();
CREATE TRIGGER keep_closed BEFORE INSERT OR UPDATE OR DELETE ON tollgate.statement_draft FOR EACH ROW EXECUTE FUNCTION tollgate.keep_closed_month();
CREATE TRIGGER keep_closed BEFORE INSERT OR UPDATE OR DELETE ON tollgate.statement FOR EACH ROW EXECUTE FUNCTION tollgate.keep_closed_month();
CREATE TRIGGER keep_closed BEFORE INSERT OR UPDATE OR DELETE ON tollgate.statement_pooled FOR EACH ROW EXECUTE FUNCTION tollgate.keep_closed_month();
CREATE TRIGGER keep_closed BEFORE INSERT OR UPDATE OR DELETE ON tollgate.statement_line FOR EACH ROW EXECUTE FUNCTION tollgate.keep_closed_month();
CREATE TRIGGER keep_closed_whole BEFORE TRUNCATE ON tollgate.statement_month EXECUTE FUNCTION tollgate.keep_closed_month();
CREATE TRIGGER keep_closed_whole BEFORE TRUNCATE ON tollgate.statement_draft EXECUTE FUNCTION tollgate.keep_closed_month();
CREATE TRIGGER keep_closed_whole BEFORE TRUNCATE ON tollgate.statement EXECUTE FUNCTION tollgate.keep_closed_month();
CREATE TRIGGER keep_closed_whole BEFORE TRUNCATE ON tollgate.statement_pooled EXECUTE FUNCTION tollgate.keep_closed_month();
CREATE TRIGGER keep_closed_whole BEFORE TRUNCATE ON tollgate.statement_line EXECUTE FUNCTION tollgate.keep_closed_month();

-- Whose an account is.
CREATE FUNCTION tollgate.team_of_account(p_account text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$ SELECT CASE WHEN p_account = 'organization' THEN '@organization' ELSE regexp_replace(p_account, '^team/', '') END $$;

-- What these accounts spent in a span that is about whole months of UTC: the months' sums, and of the few hours by which the span differs from
-- them those that it has more, less those that it has not.
CREATE FUNCTION tollgate.spend_of_accounts(p_from timestamptz, p_to timestamptz, p_accounts text[]) RETURNS TABLE (
  account text, provider text, feature text, user_id text, model text, key_id text, environment text, calls numeric, input_tokens numeric, output_tokens numeric, amount_nano_usd numeric)
LANGUAGE sql STABLE AS $$
  WITH slice AS MATERIALIZED (
    SELECT * FROM tollgate.spend_slice WHERE dimension = '' AND debit_account = ANY (p_accounts)
  ), near AS MATERIALIZED (
    SELECT date_trunc('month', p_from + interval '14 days', 'UTC') AS first, date_trunc('month', p_to + interval '14 days', 'UTC') AS last
  ), part AS (
    SELECT t.slice_id, t.user_id, t.calls, t.input_tokens, t.output_tokens, t.amount_nano_usd, 1 AS sign
    FROM near n
    CROSS JOIN LATERAL generate_series(n.first, n.last - interval '1 day', interval '1 month', 'UTC') AS m (starts_at)
    CROSS JOIN slice s
    JOIN tollgate.spend_detail_month t ON t.starts_at = m.starts_at AND t.slice_id = s.id
    UNION ALL
    SELECT t.slice_id, t.user_id, t.calls, t.input_tokens, t.output_tokens, t.amount_nano_usd, e.sign
    FROM near n
    CROSS JOIN LATERAL (VALUES (p_from, n.first, 1), (n.first, p_from, -1), (n.last, p_to, 1), (p_to, n.last, -1)) AS e (starts_at, ends_at, sign)
    CROSS JOIN LATERAL generate_series(e.starts_at, e.ends_at - interval '1 hour', interval '1 hour', 'UTC') AS h (starts_at)
    CROSS JOIN slice s
    JOIN tollgate.spend_detail_hour t ON t.starts_at = h.starts_at AND t.slice_id = s.id
  )
  SELECT s.debit_account, regexp_replace(s.credit_account, '^provider/', ''), s.feature, p.user_id, s.model, s.key_id, s.environment,
         sum(p.sign * p.calls), sum(p.sign * p.input_tokens), sum(p.sign * p.output_tokens), sum(p.sign * p.amount_nano_usd)
  FROM part p JOIN slice s ON s.id = p.slice_id
  GROUP BY 1, 2, 3, 4, 5, 6, 7
  HAVING sum(p.sign * p.calls) <> 0 OR sum(p.sign * p.amount_nano_usd) <> 0 OR sum(p.sign * p.input_tokens) <> 0 OR sum(p.sign * p.output_tokens) <> 0
$$;

-- What the whole ledger booked in a span, by other sums than the statements are made of.
CREATE FUNCTION tollgate.spend_of_span(p_from timestamptz, p_to timestamptz) RETURNS numeric
LANGUAGE sql STABLE AS $$
  WITH day AS (SELECT date_trunc('day', p_from + interval '23 hours', 'UTC') AS first, date_trunc('day', p_to, 'UTC') AS last)
  SELECT (SELECT coalesce(sum(amount_nano_usd), 0) FROM tollgate.spend_utc_day t JOIN tollgate.spend_slice s ON s.id = t.slice_id AND s.dimension = '', day WHERE t.starts_at >= day.first AND t.starts_at < day.last)
       + (SELECT coalesce(sum(amount_nano_usd), 0) FROM tollgate.spend_hour t, day
          WHERE t.starts_at >= p_from AND t.starts_at < day.first OR t.starts_at >= day.last AND t.starts_at < p_to)
$$;

-- Begins a draft of a month, the same one again for the same run. The span is the calendar's, but months that are known meet: where the calendar was
-- changed in between, the month begins where the one before ended. Answers {outcome: "begun" | "closed" | "unfinished", …}.
CREATE FUNCTION tollgate.begin_statement_draft(p_month date, p_run text, p_by text, p_starts_at timestamptz, p_ends_at timestamptz, p_rules_revision bigint, p_rules jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  v_draft tollgate.statement_draft;
  v_month tollgate.statement_month;
  v_starts_at timestamptz := coalesce((SELECT ends_at FROM tollgate.statement_month WHERE month = p_month - interval '1 month'), p_starts_at);
  v_ends_at timestamptz := coalesce((SELECT starts_at FROM tollgate.statement_month WHERE month = p_month + interval '1 month'), p_ends_at);
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('tollgate.statements', 0));
  SELECT * INTO v_month FROM tollgate.statement_month WHERE month = p_month;
  IF v_month.state = 'closed' THEN RETURN jsonb_build_object('outcome', 'closed', 'draft', v_month.draft); END IF;
  -- A call that was reserved at the end of the month is booked within its hour at most.
  IF clock_timestamp() < v_ends_at + interval '1 hour' THEN
    RETURN jsonb_build_object('outcome', 'unfinished', 'endsAt', to_char(v_ends_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'));
  END IF;
  SELECT * INTO v_draft FROM tollgate.statement_draft WHERE month = p_month AND begun_for = p_run;
  IF v_draft.draft IS NULL THEN
    INSERT INTO tollgate.statement_month (month, starts_at, ends_at, state) VALUES (p_month, v_starts_at, v_ends_at, 'drafting') ON CONFLICT DO NOTHING;
    INSERT INTO tollgate.statement_draft (month, draft, begun_for, asked_by, starts_at, ends_at, rules_revision, rules)
    SELECT p_month, coalesce(max(draft), 0) + 1, p_run, p_by, v_starts_at, v_ends_at, p_rules_revision, p_rules FROM tollgate.statement_draft WHERE month = p_month
    RETURNING * INTO v_draft;
    INSERT INTO tollgate.statement_adjustment
    SELECT p_month, v_draft.draft, e.debit_account, regexp_replace(e.credit_account, '^provider/', ''), c.feature, c.user_id, c.model, c.key_id, c.environment,
           coalesce((SELECT max(k.month) FROM tollgate.statement_month k WHERE k.starts_at <= o.at AND o.at < k.ends_at), date_trunc('month', o.at, 'UTC') AT TIME ZONE 'UTC')::date, sum(e.amount_nano_usd)
    FROM tollgate.entry e
    CROSS JOIN LATERAL (SELECT x.at FROM tollgate.entry x WHERE x.entry_key = e.detail ->> 'resolves' ORDER BY x.at LIMIT 1) o
    CROSS JOIN LATERAL tollgate.counted_entry(e) c
    WHERE e.kind = 'adjustment' AND e.at >= v_draft.starts_at AND e.at < v_draft.ends_at AND o.at < v_draft.starts_at
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10;
  END IF;
  RETURN jsonb_build_object('outcome', 'begun', 'draft', v_draft.draft, 'rules', v_draft.rules);
END $$;

-- Accounts that ever spent, by name, so many after one; for the statements of a draft.
CREATE FUNCTION tollgate.accounts_to_state(p_after text, p_most integer) RETURNS TABLE (account text, team_id text)
LANGUAGE sql STABLE AS $$
  SELECT DISTINCT debit_account, tollgate.team_of_account(debit_account) FROM tollgate.spend_slice WHERE dimension = '' AND debit_account > p_after ORDER BY debit_account LIMIT p_most
$$;

-- What these accounts spent in the month of a draft; what was booked for an earlier one apart from the rest.
CREATE FUNCTION tollgate.spend_to_state(p_month date, p_draft integer, p_accounts text[]) RETURNS TABLE (
  "teamId" text, provider text, feature text, "userId" text, model text, "keyId" text, environment text, calls text, "inputTokens" text, "outputTokens" text, "amountNanoUsd" text, "ofMonth" text)
LANGUAGE sql STABLE AS $$
  WITH line AS (
    SELECT s.*, NULL::date AS of_month FROM tollgate.statement_draft d CROSS JOIN LATERAL tollgate.spend_of_accounts(d.starts_at, d.ends_at, p_accounts) s
    WHERE d.month = p_month AND d.draft = p_draft
    UNION ALL
    SELECT a.account, a.provider, a.feature, a.user_id, a.model, a.key_id, a.environment, 0, 0, 0, sign * a.amount_nano_usd, CASE WHEN sign = 1 THEN a.of_month END
    FROM tollgate.statement_adjustment a CROSS JOIN (VALUES (1), (-1)) AS s (sign)
    WHERE a.month = p_month AND a.draft = p_draft AND a.account = ANY (p_accounts)
  )
  SELECT tollgate.team_of_account(account), provider, feature, user_id, model, key_id, environment, sum(calls)::text, sum(input_tokens)::text, sum(output_tokens)::text,
         sum(amount_nano_usd)::text, to_char(of_month, 'YYYY-MM')
  FROM line GROUP BY account, provider, feature, user_id, model, key_id, environment, of_month
  HAVING sum(calls) <> 0 OR sum(amount_nano_usd) <> 0 OR sum(input_tokens) <> 0 OR sum(output_tokens) <> 0
$$;

-- Writes statements with their own lines, whole or not at all; those that are there stay as they are.
-- p_statements: [{teamId, calls, inputTokens, outputTokens, ownNanoUsd, pooled: {pool: amount}, lines: [[kind, feature, userId, model, provider, ofMonth, pool, calls, inputTokens, outputTokens, amountNanoUsd]]}].
CREATE FUNCTION tollgate.write_statements(p_month date, p_draft integer, p_statements jsonb) RETURNS void
LANGUAGE sql AS $$
  WITH given AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(p_statements) AS x ("teamId" text, calls numeric, "inputTokens" numeric, "outputTokens" numeric, "ownNanoUsd" numeric, pooled jsonb, lines jsonb)
  ), written AS (
    INSERT INTO tollgate.statement (month, draft, team_id, calls, input_tokens, output_tokens, own_nano_usd, own_lines, lines)
    SELECT p_month, p_draft, "teamId", calls, "inputTokens", "outputTokens", "ownNanoUsd", jsonb_array_length(lines), jsonb_array_length(lines) FROM given
    ON CONFLICT DO NOTHING RETURNING team_id
  ), pooled AS (
    INSERT INTO tollgate.statement_pooled (month, draft, team_id, pool, amount_nano_usd)
    SELECT p_month, p_draft, w.team_id, p.key, p.value::numeric FROM written w JOIN given g ON g."teamId" = w.team_id CROSS JOIN LATERAL jsonb_each_text(g.pooled) p
  )
  INSERT INTO tollgate.statement_line
  SELECT p_month, p_draft, w.team_id, l.line, l.value ->> 0, l.value ->> 1, l.value ->> 2, l.value ->> 3, l.value ->> 4, to_date(l.value ->> 5, 'YYYY-MM'), l.value ->> 6,
         (l.value ->> 7)::numeric, (l.value ->> 8)::numeric, (l.value ->> 9)::numeric, (l.value ->> 10)::numeric
  FROM written w JOIN given g ON g."teamId" = w.team_id CROSS JOIN LATERAL jsonb_array_elements(g.lines) WITH ORDINALITY AS l (value, line)
$$;

-- Adds shares and margin to statements that have none yet, each whole or not at all. p_charges: [{teamId, costNanoUsd, marginNanoUsd, lines: as above}].
CREATE FUNCTION tollgate.charge_statements(p_month date, p_draft integer, p_charges jsonb) RETURNS void
LANGUAGE sql AS $$
  WITH given AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(p_charges) AS x ("teamId" text, "costNanoUsd" numeric, "marginNanoUsd" numeric, lines jsonb)
  ), charged AS (
    UPDATE tollgate.statement s SET cost_nano_usd = g."costNanoUsd", margin_nano_usd = g."marginNanoUsd", lines = s.lines + jsonb_array_length(g.lines)
    FROM given g WHERE s.month = p_month AND s.draft = p_draft AND s.team_id = g."teamId" AND s.cost_nano_usd IS NULL
    RETURNING s.team_id, s.lines - jsonb_array_length(g.lines) AS before, g.lines
  )
  INSERT INTO tollgate.statement_line
  SELECT p_month, p_draft, c.team_id, c.before + l.line, l.value ->> 0, l.value ->> 1, l.value ->> 2, l.value ->> 3, l.value ->> 4, to_date(l.value ->> 5, 'YYYY-MM'), l.value ->> 6,
         (l.value ->> 7)::numeric, (l.value ->> 8)::numeric, (l.value ->> 9)::numeric, (l.value ->> 10)::numeric
  FROM charged c CROSS JOIN LATERAL jsonb_array_elements(c.lines) WITH ORDINALITY AS l (value, line)
$$;

-- The draft is whole: it is shown from now on, and older ones go. Raised as an error where the statements are not what the ledger has.
CREATE FUNCTION tollgate.finish_statement_draft(p_month date, p_draft integer) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_draft tollgate.statement_draft;
  v_stated record;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('tollgate.statements', 0));
  SELECT * INTO STRICT v_draft FROM tollgate.statement_draft WHERE month = p_month AND draft = p_draft;
  IF v_draft.whole_at IS NOT NULL THEN RETURN; END IF;
  SELECT count(*) AS teams, count(*) FILTER (WHERE cost_nano_usd IS NULL) AS uncharged, coalesce(sum(cost_nano_usd), 0) AS cost, coalesce(sum(margin_nano_usd), 0) AS margin
  INTO v_stated FROM tollgate.statement WHERE month = p_month AND draft = p_draft;
  IF v_stated.uncharged > 0 THEN RAISE EXCEPTION '% statements of month % have no shares yet', v_stated.uncharged, p_month USING ERRCODE = 'object_not_in_prerequisite_state'; END IF;
  IF v_stated.cost <> tollgate.spend_of_span(v_draft.starts_at, v_draft.ends_at)
     OR v_stated.cost + v_stated.margin <> (SELECT coalesce(sum(amount_nano_usd), 0) FROM tollgate.statement_line WHERE month = p_month AND draft = p_draft) THEN
    RAISE EXCEPTION 'the statements of month % come to % nano-USD, their lines to %, the ledger to %', to_char(p_month, 'YYYY-MM'), v_stated.cost,
      (SELECT coalesce(sum(amount_nano_usd), 0) - v_stated.margin FROM tollgate.statement_line WHERE month = p_month AND draft = p_draft),
      tollgate.spend_of_span(v_draft.starts_at, v_draft.ends_at) USING ERRCODE = 'data_exception';
  END IF;
  UPDATE tollgate.statement_draft SET teams = v_stated.teams, cost_nano_usd = v_stated.cost, margin_nano_usd = v_stated.margin, whole_at = clock_timestamp()
  WHERE month = p_month AND draft = p_draft;
  UPDATE tollgate.statement_month SET draft = p_draft, state = 'drafted', starts_at = v_draft.starts_at, ends_at = v_draft.ends_at,
    decided_at = NULL, decided_by = NULL, decision_reason = NULL WHERE month = p_month;
  DELETE FROM tollgate.statement_line WHERE month = p_month AND draft < p_draft;
  DELETE FROM tollgate.statement_pooled WHERE month = p_month AND draft < p_draft;
  DELETE FROM tollgate.statement_adjustment WHERE month = p_month AND draft < p_draft;
  DELETE FROM tollgate.statement WHERE month = p_month AND draft < p_draft;
END $$;

-- Closes a month as drafted, or refuses the draft: {outcome: "done" | "already" | "superseded"}. p_by null: the rules ask for nobody.
CREATE FUNCTION tollgate.decide_statement_month(p_month date, p_draft integer, p_is_closed boolean, p_by text, p_reason text) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  v_month tollgate.statement_month;
  v_draft tollgate.statement_draft;
  v_name text := to_char(p_month, 'YYYY-MM');
  v_state text := CASE WHEN p_is_closed THEN 'closed' ELSE 'rejected' END;
BEGIN
  SELECT * INTO STRICT v_month FROM tollgate.statement_month WHERE month = p_month FOR UPDATE;
  IF v_month.state = v_state AND v_month.draft = p_draft THEN RETURN '{"outcome": "already"}'; END IF;
  IF v_month.state <> 'drafted' OR v_month.draft <> p_draft THEN RETURN '{"outcome": "superseded"}'; END IF;
  SELECT * INTO STRICT v_draft FROM tollgate.statement_draft WHERE month = p_month AND draft = p_draft;
  IF p_is_closed AND v_draft.cost_nano_usd <> tollgate.spend_of_span(v_draft.starts_at, v_draft.ends_at) THEN
    RAISE EXCEPTION 'the draft of month % is % nano-USD, the ledger %: draft it again', v_name, v_draft.cost_nano_usd,
      tollgate.spend_of_span(v_draft.starts_at, v_draft.ends_at) USING ERRCODE = 'data_exception';
  END IF;
  UPDATE tollgate.statement_month SET state = v_state, decided_at = CASE WHEN p_by IS NOT NULL THEN clock_timestamp() END, decided_by = p_by, decision_reason = p_reason,
    closed_at = CASE WHEN p_is_closed THEN clock_timestamp() END WHERE month = p_month;
  PERFORM tollgate.record_change('statement', v_name, coalesce(p_by, 'tollgate'),
    jsonb_build_object('action', v_state, 'draft', p_draft, 'costNanoUsd', v_draft.cost_nano_usd::text, 'marginNanoUsd', v_draft.margin_nano_usd::text, 'reason', p_reason));
  IF EXISTS (SELECT 1 FROM tollgate.alert WHERE alert_key = 'statement.waiting|' || v_name || '|' || p_draft) THEN
    PERFORM tollgate.raise_alert('statement.waiting|' || v_name || '|' || p_draft || '|over', '@organization', 'month/' || v_name, 'statement.waiting', 'info', false,
      jsonb_build_object('resolves', 'statement.waiting|' || v_name || '|' || p_draft, 'month', v_name, 'status', v_state, 'by', p_by));
  END IF;
  RETURN '{"outcome": "done"}';
END $$;

-- Tells people that a month waits for approval: once (p_reminder 0), and once for each reminder.
CREATE FUNCTION tollgate.ask_statement_approval(p_month date, p_draft integer, p_reminder integer) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  v_name text := to_char(p_month, 'YYYY-MM');
  v_key text := 'statement.waiting|' || v_name || '|' || p_draft;
  v_draft tollgate.statement_draft;
BEGIN
  IF NOT EXISTS (SELECT 1 FROM tollgate.statement_month WHERE month = p_month AND draft = p_draft AND state = 'drafted') THEN RETURN false; END IF;
  SELECT * INTO STRICT v_draft FROM tollgate.statement_draft WHERE month = p_month AND draft = p_draft;
  RETURN tollgate.raise_alert(v_key || CASE WHEN p_reminder = 0 THEN '' ELSE '|reminder|' || p_reminder END, '@organization', 'month/' || v_name, 'statement.waiting', 'info', p_reminder = 0,
    jsonb_build_object('month', v_name, 'draft', p_draft, 'teams', v_draft.teams, 'amountNanoUsd', v_draft.cost_nano_usd::text)
    || CASE WHEN p_reminder = 0 THEN '{}'::jsonb ELSE jsonb_build_object('resolves', '', 'reminder', p_reminder) END);
END $$;

-- Months that ought to be closed and were never begun: the one before p_month, and those that were left out since the first that is known.
CREATE FUNCTION tollgate.months_to_close(p_month date) RETURNS SETOF text
LANGUAGE sql STABLE AS $$
  SELECT to_char(m, 'YYYY-MM')
  FROM generate_series(coalesce((SELECT min(month) FROM tollgate.statement_month), p_month)::timestamp, p_month::timestamp, interval '1 month') m
  WHERE NOT EXISTS (SELECT 1 FROM tollgate.statement_month x WHERE x.month = m AND x.state <> 'drafting') ORDER BY m LIMIT 24
$$;
