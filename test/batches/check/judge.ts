import { Broken } from "#test/govern/broken.ts";
import { until } from "#test/support/until.ts";
import type { Returned, Run } from "./run.ts";
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

type BatchRow = { id: string; number: string; team_id: string; items: number };
type EntryRow = { attempt_id: string; outcome: string; is_double: boolean; entries: string };

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
	judgeBooked(system, { batches, runs, entries });
	const { report, findings } = await system.stand.verify();
	const complaints = findings.slice(0, 5).map(({ kind, row, message }) => `${kind}: ${row} ${message}`);
	if (!report.ok || report.overspendNanoUsd !== "0") throw new Broken(`verify: ${JSON.stringify(report)} ${complaints.join("; ")}`);
	return {
		items: batches.reduce((sum, { items }) => sum + items, 0),
		delivered,
		billed: system.stand.provider.calls().length,
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

/** The lines of each batch are the items of it, each once, as many of each kind as its record says. Answers how many. */
function judgeDelivered({ teamId, handedIn, returned }: Run): number {
	for (const { batch, lines } of returned) {
		const name = `${teamId}, ${batch.batchId}`;
		if (batch.hasFailed && lines.length === 0) continue;
		const customIds = new Set(lines.map(({ customId }) => customId));
		if (customIds.size !== lines.length) throw new Broken(`${name}: ${lines.length} lines for ${customIds.size} items: some came twice`);
		const prefix = [...handedIn.keys()].find((each) => lines[0]?.customId.startsWith(each) === true);
		if (prefix === undefined) throw new Broken(`${name}: nobody handed in ${lines[0]?.customId ?? "what came back: nothing"}`);
		const count = handedIn.get(prefix) ?? 0;
		const missing = Array.from({ length: count }, (_, index) => `${prefix}${index + 1}`).filter((customId) => !customIds.has(customId));
		if (missing.length > 0 || customIds.size !== count)
			throw new Broken(`${name}: ${customIds.size} of ${count} items came back; not ${missing.slice(0, 5).join()}`);
		const succeeded = lines.filter(({ as }) => as === "succeeded").length;
		const { counts } = batch;
		if (succeeded !== counts.succeeded || count - succeeded !== counts.others)
			throw new Broken(`${name}: ${succeeded} of ${count} lines succeeded, and its record says ${counts.succeeded} and ${counts.others} others`);
	}
	return returned.reduce((sum, { lines }) => sum + lines.length, 0);
}

type Booked = { readonly batches: readonly BatchRow[]; readonly runs: readonly Run[]; readonly entries: readonly EntryRow[] };

/** Each line of the provider's log is one entry, and each entry a line of it; but what was charged without knowing may not have been billed. */
function judgeBooked(system: BatchSystem, { batches, runs, entries }: Booked): void {
	const logged = new Set<string>();
	for (const { attemptId } of system.stand.provider.calls()) {
		if (attemptId === null || logged.has(attemptId)) throw new Broken(`the provider billed ${attemptId ?? "an item without our id"} more than once`);
		logged.add(attemptId);
	}
	const booked = new Map(entries.map((entry) => [entry.attempt_id, entry]));
	const unbooked = [...logged].filter((attemptId) => !booked.has(attemptId));
	if (unbooked.length > 0) throw new Broken(`billed and not booked: ${unbooked.slice(0, 5).join()} (${unbooked.length})`);
	for (const { attempt_id, outcome, entries: count } of entries) {
		if (count !== "1") throw new Broken(`${attempt_id} was booked ${count} times`);
		if (outcome === "settled" && !logged.has(attempt_id)) throw new Broken(`${attempt_id} was booked, and the provider never billed it`);
	}
	const returned = new Map(runs.flatMap((run) => run.returned.map((each) => [each.batch.batchId, { run, each }] as const)));
	for (const batch of batches) {
		const found = returned.get(batch.id);
		if (found === undefined) throw new Broken(`${batch.id} of ${batch.team_id} is held, and its caller's list does not have it`);
		judgeBilled(batch, { ...found, attempts: [...booked.keys()].filter((attemptId) => attemptId.startsWith(`batch${batch.number}-1-`)), logged, booked });
	}
}

type OfBatch = {
	readonly run: Run;
	readonly each: Returned;
	readonly attempts: readonly string[];
	readonly logged: ReadonlySet<string>;
	readonly booked: ReadonlyMap<string, EntryRow>;
};

/** What a caller has an answer of was billed, what was billed he has an answer of; only what the provider withholds may be charged unknown. */
function judgeBilled({ id, items }: BatchRow, { run, each, attempts, logged, booked }: OfBatch): void {
	const itemOf = (attemptId: string): number => ((Number(attemptId.split("-").at(-1)) - 1) % items) + 1;
	const answered = new Set(each.lines.filter(({ as }) => as === "succeeded").map(({ customId }) => Number(customId.split("-").at(-1))));
	const billed = new Set(attempts.filter((attemptId) => logged.has(attemptId)).map(itemOf));
	const unbilled = [...answered].filter((n) => !billed.has(n));
	if (unbilled.length > 0) throw new Broken(`${id}: items ${unbilled.slice(0, 5).join()} have an answer that nobody billed`);
	if (withholds(run)) return;
	const unanswered = [...billed].filter((n) => !answered.has(n));
	if (unanswered.length > 0) throw new Broken(`${id}: items ${unanswered.slice(0, 5).join()} were billed and have no answer`);
	const unknown = attempts.filter((attemptId) => booked.get(attemptId)?.outcome === "unresolved");
	if (unknown.length > 0) throw new Broken(`${id}: ${unknown.slice(0, 5).join()} were charged unknown, and the provider gave every result`);
}

/** Whether the provider was told to keep results to itself. */
function withholds({ order: { plan } }: Run): boolean {
	const { missingShare, resultsGone, truncateTo } = plan as { missingShare?: number; resultsGone?: boolean; truncateTo?: number };
	return (missingShare ?? 0) > 0 || resultsGone === true || truncateTo !== undefined;
}
