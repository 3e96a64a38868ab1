import { Broken } from "#test/govern/broken.ts";
import type { Returned, Run } from "./run.ts";

/** A batch that was held, and a ledger entry of one of its attempts: as PostgreSQL gives them. */
export type BatchRow = { id: string; number: string; team_id: string; items: number };
export type EntryRow = { attempt_id: string; outcome: string; is_double: boolean; entries: string };

/** The lines of each batch are the items of it, each once, as many of each kind as its record says. Answers how many. */
export function judgeDelivered({ teamId, handedIn, returned }: Run): number {
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

export type Booked = {
	readonly batches: readonly BatchRow[];
	readonly runs: readonly Run[];
	readonly entries: readonly EntryRow[];
	/** Attempt ids of the provider's log, as often as it has them. */
	readonly logged: readonly (string | null)[];
};

/** Each line of the provider's log is one entry, and each entry a line of it; but what was charged without knowing may not have been billed. */
export function judgeBooked({ batches, runs, entries, logged: log }: Booked): void {
	const logged = new Set<string>();
	for (const attemptId of log) {
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
