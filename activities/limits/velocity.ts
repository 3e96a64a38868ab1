import { DEFAULT_TEAM_POLICY, readTeamPolicy } from "#domain/budget/team-policy.ts";
import { judgeVelocity, VELOCITY_MINUTES, type VelocityVerdict } from "#domain/limits/velocity.ts";
import { formatUsd } from "#domain/money/wire.ts";
import type { SqlConnection } from "../ledger/settle-chunk.ts";
import type { ThrottleSubject } from "./throttles.ts";

/** Finished ten minutes taken into the history per sweep: a new installation catches up with two weeks in a quarter of an hour. */
const BUCKETS_PER_SWEEP = 144;
const CANDIDATES_PER_SWEEP = 1_000;
/** A throttle that goes on is lengthened when less than this part of it is left. */
const LENGTHEN_BELOW = 3;

const CANDIDATES = `
	SELECT team_id AS "teamId", policy, dimension, value, cost_nano_usd::text AS cost, calls::int AS calls, history_days AS "historyDays",
		(SELECT coalesce(json_agg(h::text), '[]') FROM unnest(history) AS h) AS history,
		floor(extract(epoch FROM throttled_until - now()) / 60)::int AS "minutesLeft", to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"') AS minute
	FROM tollgate.velocity_candidates($1, $2)`;
const SET_THROTTLE = "SELECT tollgate.set_throttle($1, $2, $3, $4, now() + $5 * interval '1 minute', $6, $7, 'velocity') AS began";
const RAISE_ALERT = "SELECT tollgate.raise_velocity_alert($1, $2, $3, true, $4) AS raised";

type Candidate = ThrottleSubject & {
	readonly policy: Readonly<Record<string, unknown>>;
	readonly cost: string;
	readonly calls: number;
	readonly historyDays: number;
	readonly history: readonly string[];
	/** Of the throttle in force; null = none is. */
	readonly minutesLeft: number | null;
	readonly minute: string;
};

export type Throttled = ThrottleSubject & { readonly costNanoUsd: string; readonly usualNanoUsd: string; readonly requestsPerMinute: number };

/**
 * Takes finished ten minutes into the history, ends what is over, and throttles each key and user whose spending left its own history.
 * May run in several workers, and again at any time. Returns those whose throttle began.
 */
export async function sweepVelocity(sql: SqlConnection): Promise<readonly Throttled[]> {
	await sql.query("expire_throttles", "SELECT tollgate.expire_throttles()", []);
	await sql.query("count_velocity", "SELECT tollgate.count_velocity($1)", [BUCKETS_PER_SWEEP]);
	const candidates = await sql.query<Candidate>("velocity_candidates", CANDIDATES, [DEFAULT_TEAM_POLICY.velocityMinimumNanoUsd, CANDIDATES_PER_SWEEP]);
	const began: Throttled[] = [];
	for (const candidate of candidates) {
		const throttled = await judge(sql, candidate);
		if (throttled !== undefined) began.push(throttled);
	}
	return began;
}

async function judge(sql: SqlConnection, candidate: Candidate): Promise<Throttled | undefined> {
	const { policy } = readTeamPolicy(candidate.policy);
	const verdict = judgeVelocity({
		costNanoUsd: BigInt(candidate.cost),
		calls: candidate.calls,
		historyDays: candidate.historyDays,
		history: candidate.history.map(BigInt),
		sigmas: policy.velocitySigmas,
		minimumNanoUsd: BigInt(policy.velocityMinimumNanoUsd),
	});
	const minutes = policy.velocityThrottleMinutes;
	if (verdict.kind === "usual" || (candidate.minutesLeft ?? 0) * LENGTHEN_BELOW > minutes) return undefined;
	return throttle(sql, candidate, { verdict, minutes });
}

type Decision = { readonly verdict: Extract<VelocityVerdict, { kind: "left_history" }>; readonly minutes: number };

async function throttle(sql: SqlConnection, candidate: Candidate, { verdict, minutes }: Decision): Promise<Throttled | undefined> {
	const { teamId, dimension, value, cost, minute } = candidate;
	const { requestsPerMinute } = verdict;
	const usualNanoUsd = verdict.usualNanoUsd.toString();
	const reason = `${formatUsd(BigInt(cost))} USD in ${VELOCITY_MINUTES} minutes, where up to ${formatUsd(verdict.usualNanoUsd)} USD is usual`;
	const alertKey = `velocity/${teamId}/${dimension}/${value}/${minute}`;
	const rows = await sql.query<{ began: boolean }>("set_throttle", SET_THROTTLE, [teamId, dimension, value, requestsPerMinute, minutes, reason, alertKey]);
	if (rows[0]?.began !== true) return undefined;
	const detail = { value, costNanoUsd: cost, usualNanoUsd, medianNanoUsd: verdict.medianNanoUsd.toString(), requestsPerMinute, minutes, alertKey };
	await sql.query("raise_velocity_alert", RAISE_ALERT, [alertKey, teamId, `velocity.${dimension}`, JSON.stringify(detail)]);
	return { teamId, dimension, value, costNanoUsd: cost, usualNanoUsd, requestsPerMinute };
}
