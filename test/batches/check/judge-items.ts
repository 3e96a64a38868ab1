import { Broken } from "#test/govern/broken.ts";
import type { Outage } from "./lateness.ts";
import type { Returned, Run } from "./run.ts";

/** A batch that was held, and a ledger entry of one of its attempts: as PostgreSQL gives them. */
export type BatchRow = { id: string; number: string; team_id: string; items: number };
export type EntryRow = { attempt_id: string; outcome: string; service_tier: string | null; is_double: boolean; entries: string };
/** A line of the provider's log. */
export type LoggedLine = { readonly attemptId: string | null; readonly serviceTier: string | null };

const BATCH_TIER = "batch";

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
	readonly logged: readonly LoggedLine[];
	readonly outages: readonly Outage[];
};

/**
 * Each line of the provider's log is one entry at the tier that it says, and each entry a line of it; but what was charged without knowing may not have
 * been billed. Answers how many lines of these batches are calls in real time.
 */
export function judgeBooked({ batches, runs, entries, logged: log, outages }: Booked): number {
	const logged = new Map<string, Way>();
	for (const { attemptId, serviceTier } of log) {
		if (attemptId === null || logged.has(attemptId)) throw new Broken(`the provider billed ${attemptId ?? "an item without our id"} more than once`);
		logged.set(attemptId, wayOf(serviceTier));
	}
	const booked = new Map(entries.map((entry) => [entry.attempt_id, entry]));
	const unbooked = [...logged.keys()].filter((attemptId) => !booked.has(attemptId));
	if (unbooked.length > 0) throw new Broken(`billed and not booked: ${unbooked.slice(0, 5).join()} (${unbooked.length})`);
	for (const { attempt_id, outcome, service_tier, entries: count } of entries) {
		if (count !== "1") throw new Broken(`${attempt_id} was booked ${count} times`);
		if (outcome !== "settled") continue;
		const way = logged.get(attempt_id);
		if (way === undefined) throw new Broken(`${attempt_id} was booked, and the provider never billed it`);
		if (wayOf(service_tier) !== way) throw new Broken(`${attempt_id} went ${way}, and was booked at the tier ${service_tier}`);
	}
	const returned = new Map(runs.flatMap((run) => run.returned.map((each) => [each.batch.batchId, { run, each }] as const)));
	let inRealTime = 0;
	for (const batch of batches) {
		const found = returned.get(batch.id);
		if (found === undefined) throw new Broken(`${batch.id} of ${batch.team_id} is held, and its caller's list does not have it`);
		const attempts = [...booked.keys()].filter((attemptId) => attemptId.startsWith(`batch${batch.number}-1-`));
		judgeBilled(batch, { ...found, attempts, logged, booked, outages });
		judgeRules(batch, { ...found, attempts, logged, booked, outages });
		inRealTime += attempts.filter((attemptId) => logged.get(attemptId) === IN_REAL_TIME).length;
	}
	return inRealTime;
}

const IN_REAL_TIME = "in real time";
type Way = typeof IN_REAL_TIME | "with a batch";

function wayOf(serviceTier: string | null): Way {
	return serviceTier === BATCH_TIER ? "with a batch" : IN_REAL_TIME;
}

type OfBatch = {
	readonly run: Run;
	readonly each: Returned;
	readonly attempts: readonly string[];
	readonly logged: ReadonlyMap<string, Way>;
	readonly booked: ReadonlyMap<string, EntryRow>;
	readonly outages: readonly Outage[];
};

/** Where an attempt stands among all tries of all items, from 1. */
const placeOf = (attemptId: string): number => Number(attemptId.split("-").at(-1));
const itemOf = (attemptId: string, items: number): number => ((placeOf(attemptId) - 1) % items) + 1;

/** What a caller has an answer of was billed, what was billed he has an answer of; only what the provider withholds, or a kill cut, may be charged unknown. */
function judgeBilled({ id, items }: BatchRow, { run, each, attempts, logged, booked, outages }: OfBatch): void {
	const answered = new Set(each.lines.filter(({ as }) => as === "succeeded").map(({ customId }) => Number(customId.split("-").at(-1))));
	const billed = new Set(attempts.filter((attemptId) => logged.has(attemptId)).map((attemptId) => itemOf(attemptId, items)));
	const unbilled = [...answered].filter((n) => !billed.has(n));
	if (unbilled.length > 0) throw new Broken(`${id}: items ${unbilled.slice(0, 5).join()} have an answer that nobody billed`);
	if (withholds(run)) return;
	const unknown = attempts.filter((attemptId) => booked.get(attemptId)?.outcome === "unresolved");
	// A call that was cut while the provider had it is none of the first tries: those go with a batch.
	const cut = new Set(unknown.filter((attemptId) => run.order.relane && outages.length > 0 && placeOf(attemptId) > items));
	const cutItems = new Set([...cut].map((attemptId) => itemOf(attemptId, items)));
	const unanswered = [...billed].filter((n) => !answered.has(n) && !cutItems.has(n));
	if (unanswered.length > 0) throw new Broken(`${id}: items ${unanswered.slice(0, 5).join()} were billed and have no answer`);
	const unexplained = unknown.filter((attemptId) => !cut.has(attemptId));
	if (unexplained.length > 0) throw new Broken(`${id}: ${unexplained.slice(0, 5).join()} were charged unknown, and the provider gave every result`);
}

/** Nothing goes in real time but after a batch and where its key says so; where it does, nothing is left expired. Of an item one try is its own, others are doubles. */
function judgeRules({ id, items }: BatchRow, { run: { order }, each, attempts, logged, booked }: OfBatch): void {
	const called = attempts.filter((attemptId) => logged.get(attemptId) === IN_REAL_TIME);
	const early = called.filter((attemptId) => !order.relane || placeOf(attemptId) <= items);
	if (early.length > 0)
		throw new Broken(`${id}: ${early.slice(0, 5).join()} went in real time, which its key ${order.relane ? "lets no first try" : "forbids"}`);
	const expired = each.lines.filter(({ as }) => as === "expired");
	if (order.relane && order.cancelAfterMs === undefined && expired.length > 0)
		throw new Broken(`${id}: ${expired[0]?.customId} expired, and its key lets it go in real time (${expired.length})`);
	const own = attempts.filter((attemptId) => booked.get(attemptId)?.outcome === "settled" && booked.get(attemptId)?.is_double === false);
	const twice = [...Map.groupBy(own, (attemptId) => itemOf(attemptId, items))].find(([, tries]) => tries.length > 1);
	if (twice !== undefined) throw new Broken(`${id}: ${twice[1].join()} were both booked as the answer of item ${twice[0]}`);
}

/** Whether the provider was told to keep results to itself. */
function withholds({ order: { plan } }: Run): boolean {
	const { missingShare, resultsGone, truncateTo } = plan as { missingShare?: number; resultsGone?: boolean; truncateTo?: number };
	return (missingShare ?? 0) > 0 || resultsGone === true || truncateTo !== undefined;
}
