import { until } from "#test/support/until.ts";
import { Broken } from "./broken.ts";
import type { Run } from "./run.ts";
import type { GovernedSystem, Received } from "./system.ts";

/** Alerts of one run: as PostgreSQL holds them, and messages of them that the receiver wrote down. */
export type Judged = { readonly alerts: number; readonly messages: number };

type AlertRow = {
	seq: string;
	id: string;
	kind: string;
	subject: string;
	is_firing: boolean;
	is_standing: boolean;
	amount: string | null;
	window_starts_at_ms: string | null;
	increase: string | null;
	is_told: boolean;
};

const ALERTS = `
	SELECT a.seq::text, a.id, a.kind, a.subject, a.is_firing, a.is_firing AND a.resolved_at IS NULL AS is_standing, a.detail ->> 'amount' AS amount,
	       a.detail ->> 'windowStartsAtMs' AS window_starts_at_ms, a.detail ->> 'increase' AS increase,
	       EXISTS (SELECT 1 FROM tollgate.alert_delivery d WHERE d.alert_seq = a.seq)
	         AND NOT EXISTS (SELECT 1 FROM tollgate.alert_delivery d WHERE d.alert_seq = a.seq AND d.state <> 'delivered') AS is_told
	FROM tollgate.alert a WHERE a.team_id = $1 ORDER BY a.seq`;

/** What a team's money has crossed, of the limit in force. A window that refuses calls beyond its warning is stopped in effect. */
const LINES = `
	SELECT w.limit_amount::text AS stop, ceil(w.limit_amount * 0.8)::text AS warning,
	       posted >= ceil(w.limit_amount * 0.8) AS is_warned, posted >= w.limit_amount OR (is_refusing AND posted >= ceil(w.limit_amount * 0.8)) AS is_stopped
	FROM tollgate.budget b JOIN tollgate.budget_window w ON w.budget_id = b.id
	CROSS JOIN LATERAL (SELECT coalesce(sum(l.posted), 0) AS posted FROM tollgate.lease l WHERE l.window_id = w.id) l
	-- Of calls that were refused at a lower limit, before it was raised, nobody is told once more.
	CROSS JOIN LATERAL (SELECT EXISTS (
		SELECT 1 FROM tollgate.refusal r JOIN tollgate.window_event e ON e.window_id = r.window_id AND e.seq = r.window_seq
		WHERE r.window_id = w.id AND r.code IN ('budget.exceeded', 'budget.overrun') AND e.stop_amount >= w.stop_amount
	) AS is_refusing) r
	WHERE b.team_id = $1`;

const QUIET_WITHIN_MS = 120_000;

/** Rejects with Broken where an alert of the run is missing, was made or told twice, came in the wrong order, or should not be. */
export async function judgeRun(system: GovernedSystem, run: Run): Promise<Judged> {
	const alerts = await settled(system, run);
	const received = system.received();
	for (const { problem } of received) if (problem !== undefined) throw new Broken(`a signature was refused: ${problem}`);
	const ofTeam = received.filter(({ message }) => message?.data["teamId"] === run.teamId);
	refuseDoubles(run, alerts);
	comparePassed(run, alerts, ofTeam);
	return { alerts: alerts.length, messages: ofTeam.length };
}

/** Waits for the alerts that the run must have made, told in full. */
async function settled(system: GovernedSystem, run: Run): Promise<AlertRow[]> {
	let missing: readonly string[] = [];
	try {
		return await until(
			`the alerts of ${run.teamId}`,
			async () => {
				const alerts = await system.sql<AlertRow>(ALERTS, [run.teamId]);
				missing = [...(await missingLines(system, run, alerts)), ...missingDecisions(run, alerts), ...untold(alerts)];
				return missing.length === 0 && alerts;
			},
			QUIET_WITHIN_MS,
		);
	} catch (error) {
		if (missing.length === 0) throw error;
		throw new Broken(`run "${run.script}" of ${run.teamId}: ${missing.join("; ")}`);
	}
}

async function missingLines(system: GovernedSystem, { teamId }: Run, alerts: readonly AlertRow[]): Promise<string[]> {
	const [line] = await system.sql<{ stop: string; warning: string; is_warned: boolean; is_stopped: boolean }>(LINES, [teamId]);
	if (line === undefined) return ["the team has no budget"];
	const expected = [
		{ kind: "budget.threshold", amount: line.warning, isCrossed: line.is_warned },
		{ kind: "budget.stopped", amount: line.stop, isCrossed: line.is_stopped },
	];
	return expected.flatMap(({ kind, amount, isCrossed }) => {
		const standing = alerts.filter((alert) => alert.kind === kind && alert.is_standing).map((alert) => alert.amount);
		const wanted = isCrossed ? [amount] : [];
		return standing.join() === wanted.join() ? [] : [`${kind} stands at [${standing.join()}] and not at [${wanted.join()}]`];
	});
}

function missingDecisions({ increaseId }: Run, alerts: readonly AlertRow[]): string[] {
	if (increaseId === undefined) return [];
	return ["increase.requested", "increase.decided"].flatMap((kind) =>
		alerts.some((alert) => alert.kind === kind && alert.increase === increaseId) ? [] : [`no ${kind} of ${increaseId}`],
	);
}

function untold(alerts: readonly AlertRow[]): string[] {
	return alerts.filter(({ is_told }) => !is_told).map(({ id, kind }) => `${kind} ${id} is not delivered`);
}

/** Two alerts of one fact are two alerts, whatever their ids. */
function refuseDoubles({ teamId }: Run, alerts: readonly AlertRow[]): void {
	const facts = new Set<string>();
	for (const { kind, subject, is_firing, window_starts_at_ms, amount, increase } of alerts) {
		if (!is_firing && increase === null) continue; // a line may be withdrawn more than once
		const fact = [kind, subject, window_starts_at_ms, amount, increase].join(" ");
		if (facts.has(fact)) throw new Broken(`${teamId} was alerted twice of ${fact}`);
		facts.add(fact);
	}
}

/** The receiver has each alert, no other, and had each first after those before it of the same subject. */
function comparePassed({ teamId }: Run, alerts: readonly AlertRow[], messages: readonly Received[]): void {
	const firsts = [...new Set(messages.map(({ id }) => id))];
	const known = new Map(alerts.map((alert) => [alert.id, alert]));
	const unknown = firsts.filter((id) => !known.has(id));
	if (unknown.length > 0) throw new Broken(`${teamId}: the receiver has alerts that nobody made: ${unknown.join()}`);
	const lost = alerts.filter(({ id }) => !firsts.includes(id));
	if (lost.length > 0) throw new Broken(`${teamId}: the receiver never had ${lost.map(({ id, kind }) => `${kind} ${id}`).join()}`);
	for (const subject of new Set(alerts.map((alert) => alert.subject))) {
		const made = alerts.filter((alert) => alert.subject === subject).map(({ id }) => id);
		const told = firsts.filter((id) => made.includes(id));
		if (told.join() !== made.join()) throw new Broken(`${teamId}, ${subject}: told in the order ${told.join()}, made in the order ${made.join()}`);
	}
}
