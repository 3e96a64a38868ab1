import { Broken } from "#test/govern/broken.ts";
import { until } from "#test/support/until.ts";
import { type BatchRow, type EntryRow, judgeBooked, judgeDelivered } from "./judge-items.ts";
import type { Run } from "./run.ts";
import type { BatchSystem } from "./system.ts";

/**
 * Judges by what the callers downloaded, the provider's log, the ledger, the rows of refusals and the leases alone: nothing that a batch says of
 * itself is believed.
 */
export type Judged = {
	readonly items: number;
	readonly delivered: number;
	/** Lines of the provider's log. */
	readonly billed: number;
	/** Charged at their bound, since nobody knows what became of them. */
	readonly unresolved: number;
	/** Billed beside what their items cost already. */
	readonly doubles: number;
	readonly overspendNanoUsd: string;
	readonly overrunNanoUsd: string;
};

const BATCHES = "SELECT id, number::text, team_id, items FROM tollgate.batch WHERE held_at IS NOT NULL";
const ENTRIES = `
	SELECT e.attempt_id, a.outcome, starts_with(coalesce(a.reason, ''), 'duplicate') AS is_double, count(*)::text AS entries
	FROM tollgate.entry e JOIN tollgate.attempt a ON a.attempt_id = e.attempt_id
	WHERE e.gateway_id ~ '^batch[0-9]+$' GROUP BY 1, 2, 3`;
/** What batches hold by their leases, whoever says that they have ended. */
const HELD = `
	SELECT l.gateway_id, sum(l.granted - l.returned - l.posted)::text AS held FROM tollgate.lease l
	WHERE l.gateway_id ~ '^batch[0-9]+$' GROUP BY 1 HAVING sum(l.granted - l.returned - l.posted) <> 0`;
const UNFINISHED = "SELECT id, state FROM tollgate.batch WHERE state NOT IN ('collecting', 'completed', 'expired', 'cancelled', 'failed')";
const REFUSALS = "SELECT team_id, count(*)::integer AS refusals FROM tollgate.refusal WHERE NOT is_observed GROUP BY 1";

const QUIET_WITHIN_MS = 120_000;

/** All runs so far. Rejects with Broken where an item, an entry or held money is not as it must be. */
export async function judge(system: BatchSystem, runs: readonly Run[]): Promise<Judged> {
	await quiet(system);
	const batches = await system.sql<BatchRow>(BATCHES);
	await judgeRefusals(system, runs);
	const delivered = runs.reduce((sum, run) => sum + judgeDelivered(run), 0);
	const entries = await system.sql<EntryRow>(ENTRIES);
	const logged = system.stand.provider.calls().map(({ attemptId }) => attemptId);
	judgeBooked({ batches, runs, entries, logged });
	const { report, findings } = await system.stand.verify();
	const complaints = findings.slice(0, 5).map(({ kind, row, message }) => `${kind}: ${row} ${message}`);
	if (!report.ok || report.overspendNanoUsd !== "0") throw new Broken(`verify: ${JSON.stringify(report)} ${complaints.join("; ")}`);
	return {
		items: batches.reduce((sum, { items }) => sum + items, 0),
		delivered,
		billed: logged.length,
		unresolved: entries.filter(({ outcome }) => outcome === "unresolved").length,
		doubles: entries.filter(({ is_double }) => is_double).length,
		overspendNanoUsd: report.overspendNanoUsd,
		overrunNanoUsd: report.overrunNanoUsd,
	};
}

/** Waits until nothing is unfinished and nothing is held; what stays so is broken. */
async function quiet(system: BatchSystem): Promise<void> {
	let left: readonly string[] = [];
	try {
		await until(
			"the end of all batches",
			async () => {
				const unfinished = (await system.sql<{ id: string; state: string }>(UNFINISHED)).map(({ id, state }) => `${id} is ${state}`);
				const held = (await system.sql<{ gateway_id: string; held: string }>(HELD)).map((row) => `${row.gateway_id} holds ${row.held}`);
				left = [...unfinished, ...held];
				return left.length === 0;
			},
			QUIET_WITHIN_MS,
		);
	} catch (error) {
		if (left.length === 0) throw error;
		throw new Broken(`after the end: ${left.join("; ")}`);
	}
}

/** Who was answered 402 has a row that says why, and who was not, none: more rows may stand for answers that were lost. */
async function judgeRefusals(system: BatchSystem, runs: readonly Run[]): Promise<void> {
	const rows = new Map((await system.sql<{ team_id: string; refusals: number }>(REFUSALS)).map((row) => [row.team_id, row.refusals]));
	for (const { teamId, refusals } of runs) {
		if ((rows.get(teamId) ?? 0) < refusals) throw new Broken(`${teamId} was refused ${refusals} times, of which ${rows.get(teamId) ?? 0} have a row`);
	}
}
