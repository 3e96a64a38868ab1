-- Days of teams and of their features that are watched for anomalies (domain/anomaly/watch-days.ts), beside the sums of spend (0018, 0032). No money is decided by it:
-- what was spent stands in the sums. A row says at which amounts of today and of the day before a series was last looked at.
CREATE TABLE tollgate.spend_watched (
  team_id         text NOT NULL,
  feature         text NOT NULL,                 -- '' = what is attributed to none
  is_whole        boolean NOT NULL,              -- all of the team, by its local days; else the feature, by days of UTC
  day             date NOT NULL,
  amount_nano_usd numeric NOT NULL,
  before_nano_usd numeric NOT NULL,
  PRIMARY KEY (team_id, feature, is_whole)
) WITH (fillfactor = 70);

-- Series to look at, those of teams first: nobody has looked since their day began, the day before has changed, or today costs a tenth more than it did then.
CREATE FUNCTION tollgate.spend_to_watch(p_series integer) RETURNS TABLE (team_id text, feature text, is_whole boolean, day date, amount_nano_usd numeric, before_nano_usd numeric)
LANGUAGE sql STABLE AS $$
  WITH local AS MATERIALIZED (
    SELECT t.team_id, (clock_timestamp() AT TIME ZONE tollgate.team_time_zone(t.team_id))::date AS today
    FROM (SELECT DISTINCT d.team_id FROM tollgate.spend_day d WHERE d.day >= current_date - 2) t
  ), utc AS (SELECT date_trunc('day', clock_timestamp(), 'UTC') AS today), lately AS (
    SELECT l.team_id, '' AS feature, true AS is_whole, l.today AS day,
           coalesce(sum(d.amount_nano_usd) FILTER (WHERE d.day = l.today), 0) AS amount_nano_usd, coalesce(sum(d.amount_nano_usd) FILTER (WHERE d.day = l.today - 1), 0) AS before_nano_usd
    FROM local l JOIN tollgate.spend_day d ON d.team_id = l.team_id AND d.day BETWEEN l.today - 1 AND l.today GROUP BY l.team_id, l.today
    UNION ALL
    SELECT substr(s.debit_account, 6), s.feature, false, (u.today AT TIME ZONE 'UTC')::date,
           coalesce(sum(t.amount_nano_usd) FILTER (WHERE t.starts_at = u.today), 0), coalesce(sum(t.amount_nano_usd) FILTER (WHERE t.starts_at < u.today), 0)
    FROM utc u JOIN tollgate.spend_utc_day t ON t.starts_at BETWEEN u.today - interval '1 day' AND u.today JOIN tollgate.spend_slice s ON s.dimension = '' AND s.id = t.slice_id
    WHERE starts_with(s.debit_account, 'team/') AND s.debit_account <> 'team/@unknown' GROUP BY s.debit_account, s.feature, u.today
  )
  SELECT l.* FROM lately l
  LEFT JOIN tollgate.spend_watched w ON w.team_id = l.team_id AND w.feature = l.feature AND w.is_whole = l.is_whole
  WHERE w.day IS DISTINCT FROM l.day OR w.before_nano_usd <> l.before_nano_usd OR l.amount_nano_usd > w.amount_nano_usd * 1.1
  ORDER BY l.is_whole DESC, w.day NULLS FIRST, l.team_id, l.feature LIMIT p_series
$$;

-- Notes what was looked at, and raises the alert (0015) of each day found: once per team, feature and day, whoever looks again. Of a feature that an alert of its
-- team names as the cause for that day, and of a team that is told to be above twice the expected for it, nobody is told once more.
-- p_watched: [{teamId, feature, isWhole, day, amountNanoUsd, beforeNanoUsd, alerts: [detail]}].
CREATE FUNCTION tollgate.judge_watched(p_watched jsonb) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
  v_told integer := 0;
  v_row record;
BEGIN
  INSERT INTO tollgate.spend_watched (team_id, feature, is_whole, day, amount_nano_usd, before_nano_usd)
  SELECT x."teamId", x.feature, x."isWhole", x.day, x."amountNanoUsd", x."beforeNanoUsd"
  FROM jsonb_to_recordset(p_watched) AS x ("teamId" text, feature text, "isWhole" boolean, day date, "amountNanoUsd" numeric, "beforeNanoUsd" numeric) ORDER BY 1, 2, 3
  ON CONFLICT (team_id, feature, is_whole) DO UPDATE SET day = excluded.day, amount_nano_usd = excluded.amount_nano_usd, before_nano_usd = excluded.before_nano_usd;
  FOR v_row IN
    SELECT x."teamId" AS team_id, x.feature, x."isWhole" AS is_whole, a.detail, a.detail ->> 'day' AS day
    FROM jsonb_to_recordset(p_watched) AS x ("teamId" text, feature text, "isWhole" boolean, alerts jsonb) CROSS JOIN LATERAL jsonb_array_elements(x.alerts) AS a (detail)
    ORDER BY x."isWhole" DESC, 1, 2
  LOOP
    CONTINUE WHEN EXISTS (
      SELECT 1 FROM tollgate.alert t
      WHERE t.team_id = v_row.team_id AND t.kind IN ('spend.above_expected', 'spend.anomaly') AND t.detail ->> 'day' = v_row.day
        AND CASE WHEN v_row.is_whole THEN t.kind = 'spend.above_expected' ELSE t.detail ->> 'causeFeature' = coalesce(v_row.detail ->> 'feature', '') END);
    v_told := v_told + tollgate.raise_alert('spend.anomaly/' || v_row.team_id || CASE WHEN v_row.is_whole THEN '/team/' ELSE '/feature/' || v_row.feature || '/' END || v_row.day,
      v_row.team_id, CASE WHEN v_row.is_whole THEN 'spend' ELSE 'spend/' || v_row.feature END, 'spend.anomaly', 'warning', false, v_row.detail)::int;
  END LOOP;
  RETURN v_told;
END $$;
