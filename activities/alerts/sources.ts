import {
	BURST_MINUTES,
	BURST_REFUSALS,
	type BurstDecision,
	decideBurst,
	HOUR_COUNTED_MAX,
	LATELY_COUNTED_MAX,
	QUIET_MINUTES,
	USUAL_HOURS,
} from "#domain/alerts/burst.ts";
import type { WatchedCondition } from "#domain/alerts/kinds.ts";
import type { Connection } from "../database/connection.ts";

/**
 * What alerts are made of besides the announcements of the team workflows (tollgate.record_event): things that only the books
 * show. Each may be run by several workers at once and again at any time: an alert is made once by its key.
 */
type Sql = Pick<Connection, "query">;

/** As many as one statement ends (migrations/0015). */
const ENDED_AT_ONCE = 100;

/** Ends alerts whose window is over or whose budget is gone: at midnight that may be one of every team. Returns how many. */
export async function endAlerts(sql: Sql): Promise<number> {
	for (let ended = 0; ; ) {
		const rows = await sql.query<{ ended: string }>("end_alerts", "SELECT tollgate.end_alerts() AS ended", []);
		const now = Number(rows[0]?.ended ?? 0);
		ended += now;
		if (now < ENDED_AT_ONCE) return ended;
	}
}

/** Charges whose end nobody knows: one alert per gateway epoch, and its end when all are resolved. Returns how many alerts that made. */
export async function watchUnresolvedCharges(sql: Sql): Promise<number> {
	const rows = await sql.query<{ changed: string }>("watch_unresolved_charges", "SELECT tollgate.watch_unresolved_charges() AS changed", []);
	return Number(rows[0]?.changed ?? 0);
}

/** Budget windows whose calls cost more than was reserved: one alert until somebody clears it or the window ends. Returns how many alerts that made. */
export async function watchOverruns(sql: Sql): Promise<number> {
	const rows = await sql.query<{ changed: string }>("watch_overruns", "SELECT tollgate.watch_overruns() AS changed", []);
	return Number(rows[0]?.changed ?? 0);
}

/** One kind of what gateways met and the whole organisation is told of, and its end after a quiet time. Returns how many alerts that made. */
export async function watchCondition(sql: Sql, kind: WatchedCondition): Promise<number> {
	const rows = await sql.query<{ changed: string }>("watch_conditions", "SELECT tollgate.watch_conditions($1) AS changed", [kind]);
	return Number(rows[0]?.changed ?? 0);
}

/** Items handed in alone that are past their deadlines: one alert of a team until none was late for an hour. Returns how many alerts that made. */
export async function watchLateItems(sql: Sql): Promise<number> {
	const rows = await sql.query<{ changed: string }>("watch_late_items", "SELECT tollgate.watch_late_items() AS changed", []);
	return Number(rows[0]?.changed ?? 0);
}

/** What was told is kept for this long after it is over; what could not be told, until a person has acknowledged it. */
const KEPT_DAYS = 90;

/** Forgets old alerts, a thousand at most. Returns how many. */
export async function forgetOldAlerts(sql: Sql): Promise<number> {
	const rows = await sql.query<{ forgotten: string }>("forget_alerts", "SELECT tollgate.forget_alerts(make_interval(days => $1)) AS forgotten", [KEPT_DAYS]);
	return Number(rows[0]?.forgotten ?? 0);
}

const counted = (since: string, until: string, most: number) => `(
	SELECT count(*)::int FROM (
		SELECT 1 FROM tollgate.refusal r WHERE r.team_id = t.team_id AND r.at > ${since} AND r.at <= ${until} LIMIT ${most}
	) capped)`;
const hoursAgo = (hours: string) => `statement_timestamp() - interval '${BURST_MINUTES} minutes' - ${hours} * interval '1 hour'`;

/** By the indexes on `at`, so statement_timestamp: clock_timestamp may differ from row to row. Teams that were refused in the last minute, or of whose burst somebody was told. What is usual is counted only where it is asked for. */
export const REFUSED_TEAMS = `
	SELECT t.team_id, b.alert_key AS standing_key, ${counted(`statement_timestamp() - interval '${BURST_MINUTES} minutes'`, "statement_timestamp()", LATELY_COUNTED_MAX)} AS lately,
		${counted(`statement_timestamp() - interval '${QUIET_MINUTES} minutes'`, "statement_timestamp()", BURST_REFUSALS)} AS within_quiet_time,
		(SELECT coalesce(max(a.seq), 0) FROM tollgate.alert a WHERE a.team_id = t.team_id AND a.subject = '' AND a.kind = 'refusals.burst') AS earlier
	FROM (
		SELECT team_id FROM tollgate.refusal WHERE at > statement_timestamp() - interval '1 minute'
		UNION SELECT team_id FROM tollgate.alert WHERE kind = 'refusals.burst' AND is_firing AND resolved_at IS NULL
	) t
	LEFT JOIN tollgate.alert b ON b.team_id = t.team_id AND b.subject = '' AND b.kind = 'refusals.burst' AND b.is_firing AND b.resolved_at IS NULL`;
const PER_HOUR = `
	SELECT ${counted(hoursAgo("h.hour"), hoursAgo("(h.hour - 1)"), HOUR_COUNTED_MAX)} AS refusals
	FROM (SELECT $1::text AS team_id) t CROSS JOIN generate_series(1, ${USUAL_HOURS}) AS h (hour)`;
const RAISE = "SELECT tollgate.raise_alert($1, $2, '', 'refusals.burst', $3, $4, $5) AS is_new";

type RefusedTeam = { team_id: string; standing_key: string | null; lately: number; within_quiet_time: number; earlier: string };

/** Bursts of refusals, and their ends. Returns how many alerts that made. */
export async function watchRefusals(sql: Sql): Promise<number> {
	let made = 0;
	for (const team of await sql.query<RefusedTeam>("refused_teams", REFUSED_TEAMS, [])) {
		const isStanding = team.standing_key !== null;
		const perHour = isStanding || team.lately < BURST_REFUSALS ? [] : await readPerHour(sql, team.team_id);
		const decision = decideBurst({ lately: team.lately, withinQuietTime: team.within_quiet_time, perHour }, { isStanding });
		if (decision.kind === "stays") continue;
		const rows = await sql.query<{ is_new: boolean }>("raise_burst", RAISE, burstAlert(team, decision));
		if (rows[0]?.is_new === true) made++;
	}
	return made;
}

/** Key, team, severity, whether it fires, detail. The burst before makes the key: two workers that see the same burst make one alert. */
function burstAlert(team: RefusedTeam, decision: Exclude<BurstDecision, { kind: "stays" }>): readonly unknown[] {
	const { team_id: teamId, standing_key: standingKey, earlier } = team;
	if (decision.kind === "ends") return [`${standingKey}|over`, teamId, "info", false, JSON.stringify({ resolves: standingKey })];
	const { refusals, usualPerHour } = decision;
	return [`refusals.burst|${teamId}|${earlier}`, teamId, "warning", true, JSON.stringify({ refusals, usualPerHour })];
}

async function readPerHour(sql: Sql, teamId: string): Promise<number[]> {
	return (await sql.query<{ refusals: number }>("refused_per_hour", PER_HOUR, [teamId])).map(({ refusals }) => refusals);
}
