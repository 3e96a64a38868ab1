-- What each team spent per local day, kept beside the ledger so that nobody has to add up its entries again and again; fed by count_spend (0032).
CREATE TABLE tollgate.spend_day (
  team_id         text NOT NULL,
  day             date NOT NULL,                 -- on the team's calendar as of counting (team_time_zone)
  amount_nano_usd numeric NOT NULL,              -- corrections included; they may outweigh the rest
  judged_nano_usd numeric,                       -- the amount it was last compared at with what was expected
  PRIMARY KEY (team_id, day)
) WITH (fillfactor = 70);
CREATE INDEX spend_day_unjudged ON tollgate.spend_day (team_id, day) WHERE judged_nano_usd IS DISTINCT FROM amount_nano_usd;

-- The calendar a team lives by: that of its day budget, else its month budget, else any of its budgets, the whole team's before
-- others; without any that of the organisation's, else UTC.
CREATE FUNCTION tollgate.team_time_zone(p_team text) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT coalesce((
    SELECT time_zone FROM tollgate.declared_budget WHERE deleted_at IS NULL AND team_id = p_team
    ORDER BY dimension = 'team' DESC, window_kind = 'day' DESC, window_kind = 'month' DESC, id LIMIT 1
  ), (
    SELECT time_zone FROM tollgate.declared_budget WHERE deleted_at IS NULL AND team_id IS NULL
    ORDER BY window_kind = 'day' DESC, window_kind = 'month' DESC, id LIMIT 1
  ), 'UTC')
$$;

-- Where the limits of a window changed, without its grants: what was in force on a day is found by it.
CREATE INDEX window_event_limit ON tollgate.window_event (window_id, at) WHERE kind IN ('opened', 'limit');

-- The most that a budget allowed between two instants, and allows now with its raises: a limit that was lowered again, or a raise
-- that has ended, allowed what was spent under it.
CREATE FUNCTION tollgate.highest_limit(p_budget tollgate.declared_budget, p_from timestamptz, p_to timestamptz) RETURNS bigint
LANGUAGE sql STABLE AS $$
  SELECT greatest(
    p_budget.limit_amount + (SELECT r.raised_amount FROM tollgate.raises_at(p_budget.id, clock_timestamp()) r),
    (SELECT max(e.limit_amount)
     FROM tollgate.budget_window w CROSS JOIN LATERAL (
       (SELECT x.limit_amount FROM tollgate.window_event x WHERE x.window_id = w.id AND x.kind IN ('opened', 'limit') AND x.at <= p_from ORDER BY x.at DESC, x.seq DESC LIMIT 1)
       UNION ALL
       SELECT x.limit_amount FROM tollgate.window_event x WHERE x.window_id = w.id AND x.kind IN ('opened', 'limit') AND x.at > p_from AND x.at < p_to
     ) e
     WHERE w.budget_id = p_budget.id AND w.starts_at < p_to AND w.ends_at > p_from AND w.starts_at >= coalesce(
       (SELECT max(y.starts_at) FROM tollgate.budget_window y WHERE y.budget_id = p_budget.id AND y.starts_at <= p_from), p_from)))
$$;

-- Everything that says what a team may be expected to spend on a day; p_day null = its day today. Days are numbered from 1970-01-01.
-- domain/budget/expected-day.ts judges it.
CREATE FUNCTION tollgate.spend_facts(p_team text, p_day date) RETURNS jsonb
LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('teamId', p_team, 'timeZone', z.name, 'date', to_char(t.day, 'YYYY-MM-DD'), 'day', t.day - date '1970-01-01',
    'isRecent', t.day >= t.today - 1,
    'insideMs', floor(extract(epoch FROM (t.day + interval '12 hours') AT TIME ZONE z.name) * 1000),
    'endsAtMs', floor(extract(epoch FROM (t.day + 1)::timestamp AT TIME ZONE z.name) * 1000),
    'spentNanoUsd', coalesce((SELECT amount_nano_usd FROM tollgate.spend_day WHERE team_id = p_team AND day = t.day), 0)::text,
    'firstDay', (SELECT min(day) - date '1970-01-01' FROM tollgate.spend_day WHERE team_id = p_team),
    'earlier', coalesce((
      SELECT jsonb_agg(jsonb_build_object('day', d.day - date '1970-01-01', 'amountNanoUsd', d.amount_nano_usd::text) ORDER BY d.day)
      FROM tollgate.spend_day d WHERE d.team_id = p_team AND d.day = ANY (ARRAY(SELECT t.day - 7 * week FROM generate_series(1, 6) AS week))), '[]'),
    'limits', coalesce((
      SELECT jsonb_agg(jsonb_build_object('windowKind', b.window_kind, 'timeZone', b.time_zone, 'weekStart', b.week_start,
        'fiscalYearStart', b.fiscal_year_start, 'limitAmount', tollgate.highest_limit(b, t.day::timestamp AT TIME ZONE z.name, (t.day + 1)::timestamp AT TIME ZONE z.name)::text) ORDER BY b.id)
      FROM tollgate.declared_budget b WHERE b.team_id = p_team AND b.dimension = 'team' AND b.unit = 'nano_usd' AND b.deleted_at IS NULL), '[]'))
  FROM (SELECT tollgate.team_time_zone(p_team) AS name) z
  CROSS JOIN LATERAL (
    SELECT coalesce(p_day, (clock_timestamp() AT TIME ZONE z.name)::date) AS day, (clock_timestamp() AT TIME ZONE z.name)::date AS today
  ) t
$$;

-- Days whose amount changed since they were last judged.
CREATE FUNCTION tollgate.spend_to_judge(p_days integer) RETURNS SETOF jsonb
LANGUAGE sql STABLE AS $$
  SELECT tollgate.spend_facts(d.team_id, d.day)
  FROM (SELECT team_id, day FROM tollgate.spend_day WHERE judged_nano_usd IS DISTINCT FROM amount_nano_usd ORDER BY team_id, day LIMIT p_days) d
$$;

-- Notes what was judged, and raises the alert (0015) of each day that is above: once per team and day, whoever judges it again.
-- p_judged: [{teamId, date, spentNanoUsd, alert}], alert being the detail of the alert, or null.
CREATE FUNCTION tollgate.judge_spend(p_judged jsonb) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  UPDATE tollgate.spend_day d SET judged_nano_usd = x."spentNanoUsd"
  FROM jsonb_to_recordset(p_judged) AS x ("teamId" text, date date, "spentNanoUsd" numeric)
  WHERE d.team_id = x."teamId" AND d.day = x.date;
  PERFORM tollgate.raise_alert('spend.above_expected/' || x."teamId" || '/' || x.date, x."teamId", '', 'spend.above_expected', 'warning', true, x.alert)
  FROM jsonb_to_recordset(p_judged) AS x ("teamId" text, date text, alert jsonb) WHERE x.alert IS NOT NULL;
END $$;

-- Months that left the database before days were counted: known by UTC days, which is as near as they can be told.
INSERT INTO tollgate.spend_day (team_id, day, amount_nano_usd, judged_nano_usd)
SELECT substr(debit_account, 6), day, sum(amount_nano_usd), sum(amount_nano_usd) FROM tollgate.archived_spend
WHERE starts_with(debit_account, 'team/') AND debit_account <> 'team/@unknown' GROUP BY 1, 2;
