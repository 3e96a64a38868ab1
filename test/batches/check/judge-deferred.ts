import { isDeepStrictEqual } from "node:util";
import { Broken } from "#test/govern/broken.ts";
import { FINAL, type SeenDeferred } from "./deferred-caller.ts";
import type { DeferredItem } from "./deferred-order.ts";
import { explainLateness, type Outage } from "./lateness.ts";
import type { DeferredRun } from "./run-deferred.ts";

/** An item that was handed in alone, as PostgreSQL has it. Times in milliseconds since 1970. */
export type DeferredRow = {
	id: string;
	team_id: string;
	lane: string | null;
	may_go_real_time: boolean;
	accepted_at_ms: number;
	deadline_ms: number | null;
	answered_at_ms: number | null;
	/** When the part that carried it was made and went to the provider, and which way that went. */
	part_lane: string | null;
	written_at_ms: number | null;
	sent_at_ms: number | null;
};

/** A ledger entry of one try of an item. */
export type DeferredEntry = { attempt_id: string; request_id: string; outcome: string; is_double: boolean; cost_nano_usd: string };
/** A line of the provider's log. */
export type BilledLine = { readonly attemptId: string | null; readonly providerRequestId: string; readonly usage: unknown };

export type DeferredBooks = {
	readonly runs: readonly DeferredRun[];
	readonly rows: readonly DeferredRow[];
	readonly entries: readonly DeferredEntry[];
	readonly logged: readonly BilledLine[];
	readonly outages: readonly Outage[];
};

export type DeferredJudged = {
	readonly accepted: number;
	readonly refused: number;
	/** Handed in twice with one key, and one item. */
	readonly repeated: number;
	readonly succeeded: number;
	readonly failed: number;
	readonly expired: number;
	readonly cancelled: number;
	/** Of those that somebody answered. */
	readonly realTime: number;
	readonly batch: number;
	readonly late: number;
};

type Facts = {
	readonly rows: ReadonlyMap<string, DeferredRow>;
	readonly entries: ReadonlyMap<string, readonly DeferredEntry[]>;
	/** By the end of the provider's id of an answer. */
	readonly logged: ReadonlyMap<string, BilledLine>;
	readonly isBilled: ReadonlySet<string>;
	readonly outages: readonly Outage[];
};

type Judging = { readonly run: DeferredRun; readonly item: DeferredItem | undefined; readonly seen: SeenDeferred; readonly facts: Facts };

/**
 * Each item that was accepted has ended, with the answer that the provider gave to it and to no other, at what was billed for it; nothing else
 * is there. `onLate` hears of each late item and why; one that nothing explains is broken.
 */
export function judgeDeferred(books: DeferredBooks, onLate: (line: string) => void): DeferredJudged {
	const facts: Facts = {
		rows: new Map(books.rows.map((row) => [row.id, row])),
		entries: Map.groupBy(books.entries, ({ request_id }) => request_id),
		logged: new Map(books.logged.map((line) => [line.providerRequestId.replace(/^req_/, ""), line])),
		isBilled: new Set(books.logged.map(({ attemptId }) => attemptId ?? "")),
		outages: books.outages,
	};
	const judged: Judging[] = [];
	for (const run of books.runs) {
		judgeIds(run, books.rows);
		judged.push(...run.accepted.map(({ item, seen }) => ({ run, item, seen, facts })));
		judged.push(...run.unheard.map((seen) => ({ run, item: undefined, seen, facts })));
	}
	for (const each of judged) {
		judgeEnd(each);
		judgeMoney(each);
	}
	const late = judged.filter(judgeLateness);
	for (const each of late) onLate(lateLine(each));
	const count = (is: (judging: Judging) => boolean): number => judged.filter(is).length;
	const accepted = books.runs.flatMap((run) => run.accepted);
	return {
		accepted: judged.length,
		refused: books.runs.reduce((sum, { refused }) => sum + refused.length, 0),
		repeated: accepted.filter(({ ids }) => ids.length > 1).length,
		succeeded: count(({ seen }) => seen.status === "succeeded"),
		failed: count(({ seen }) => seen.status === "failed"),
		expired: count(({ seen }) => seen.status === "expired"),
		cancelled: count(({ seen }) => seen.status === "cancelled"),
		realTime: count(({ seen }) => seen.answer !== null && seen.lane === "real_time"),
		batch: count(({ seen }) => seen.answer !== null && seen.lane === "batch"),
		late: late.length,
	};
}

/** One id for each item, and no item beside those that were accepted, or of whose acceptance the answer was lost. */
function judgeIds({ teamId, accepted, unheard, lostAnswers }: DeferredRun, rows: readonly DeferredRow[]): void {
	for (const { item, ids } of accepted)
		if (new Set(ids).size !== 1) throw new Broken(`${item.name} was handed in twice with one Idempotency-Key, and is ${ids.join(" and ")}`);
	const known = accepted.map(({ ids }) => ids[0] ?? "");
	const twice = known.find((id, index) => known.indexOf(id) !== index);
	if (twice !== undefined) throw new Broken(`${teamId}: ${twice} stands for two items`);
	if (unheard.length > lostAnswers) {
		const [first] = unheard;
		throw new Broken(`${teamId}: ${unheard.length} items that nobody was told of, ${first?.id ?? ""} one of them, and ${lostAnswers} answers were lost`);
	}
	const wanted = new Set([...known, ...unheard.map(({ id }) => id)]);
	const strange = rows.find(({ id, team_id }) => team_id === teamId && !wanted.has(id));
	if (strange !== undefined) throw new Broken(`${teamId}: ${strange.id} is in the books, and neither its callers nor its list have it`);
}

function judgeEnd(judging: Judging): void {
	const { item, seen } = judging;
	const { id, status, answer, lane } = seen;
	const name = item === undefined ? id : `${id} (${item.name})`;
	const broken = (what: string): Broken => new Broken(`${name} is ${status}: ${what}`);
	if (!FINAL.includes(status)) throw broken("it has not ended");
	if (seen.heldNanoUsd !== "0") throw broken(`it holds ${seen.heldNanoUsd}`);
	if (status !== "cancelled" && seen.answeredAtMs === null) throw broken("nobody says when it was answered");
	if (item?.isBatchOnly === true && lane === "real_time") throw broken("it went in real time, which its caller forbade");
	if (status === "cancelled" && item !== undefined && item.cancelAfterMs === null) throw broken("nobody cancelled it");
	if (status === "succeeded") return judgeAnswer(judging, broken);
	if (status !== "cancelled" && answer === null) throw broken("it has no answer");
	if (answer !== null && !(answer.isError && answer.statusCode >= 400)) throw broken(`its answer is no error, and of status ${answer.statusCode}`);
	if (status === "failed" && !mayFail(judging)) throw broken("the provider answers it, and nothing was lost");
	if (status === "expired" && !mayExpire(judging)) throw broken("it may go in real time, and the provider answers it");
}

/** It is the provider's to this item: what the provider's log calls so is a try of it, and used as much. */
function judgeAnswer({ seen: { id, answer }, facts }: Judging, broken: (what: string) => Broken): void {
	if (answer === null) throw broken("it has no answer");
	if (answer.statusCode !== 200 || answer.isError) throw broken(`its answer is of status ${answer.statusCode}, or an error`);
	const line = facts.logged.get(answer.id?.replace(/^[a-z]+[_-]/, "") ?? "");
	if (line === undefined) throw broken(`the provider never billed its answer ${answer.id ?? "without an id"}`);
	const entry = facts.entries.get(id)?.find(({ attempt_id }) => attempt_id === line.attemptId);
	if (entry === undefined) throw broken(`its answer ${answer.id ?? ""} is that of ${line.attemptId ?? "nobody"}, which is no try of it`);
	if (!isDeepStrictEqual(answer.usage, line.usage)) throw broken("its answer says another usage than the provider's log");
}

/** What is told to fail, or withheld; and what was under way when a process was killed and has no tries left. */
function mayFail({ item, run, seen, facts }: Judging): boolean {
	if (item === undefined || item.fate !== "answered") return true;
	return (
		withholds(run) ||
		((run.order.plan as { failShare?: number }).failShare ?? 0) > 0 ||
		facts.outages.some(({ untilMs }) => untilMs > acceptedAtMs(facts, seen.id))
	);
}

/** Batches expire when a day of the provider has passed, and are tried twice; what may go in real time does after that, or by its deadline. */
function mayExpire({ item, seen, facts }: Judging): boolean {
	const row = facts.rows.get(seen.id);
	return item === undefined || item.fate !== "answered" || row === undefined || !row.may_go_real_time;
}

function acceptedAtMs({ rows }: Facts, id: string): number {
	return rows.get(id)?.accepted_at_ms ?? 0;
}

/** One billed try ends an item, every other one is a duplicate; what nobody knows of is charged where something was withheld or killed. */
function judgeMoney({ run, item, seen, facts }: Judging): void {
	const { id, status, costNanoUsd } = seen;
	const entries = facts.entries.get(id) ?? [];
	const broken = (what: string): Broken => new Broken(`${id} is ${status}: ${what}`);
	const known = entries.filter(({ outcome }) => outcome !== "unresolved");
	const ending = known.filter(({ is_double }) => !is_double);
	if (status === "succeeded" && ending.length !== 1) throw broken(`${ending.length} of its tries were booked for its answer`);
	if (status !== "succeeded" && ending.length > 0) throw broken(`${ending[0]?.attempt_id ?? ""} was billed, and its answer not given`);
	const unknown = entries.filter(({ outcome }) => outcome === "unresolved");
	const isExplained =
		item === undefined || item.fate === "withheld" || withholds(run) || facts.outages.some(({ untilMs }) => untilMs > acceptedAtMs(facts, id));
	if (unknown.length > 0 && !isExplained) throw broken(`${unknown[0]?.attempt_id ?? ""} was charged unknown, and nothing was lost`);
	const cost = entries.length === 0 ? null : entries.reduce((sum, { cost_nano_usd }) => sum + BigInt(cost_nano_usd), 0n).toString();
	// What ended without being billed costs nothing: both ways of saying so are right.
	if ((cost ?? "0") !== (costNanoUsd ?? "0")) throw broken(`its record says that it cost ${costNanoUsd ?? "nothing"}, and its entries ${cost ?? "nothing"}`);
}

/** Whether the provider was told to keep results of a batch to itself. */
function withholds({ order: { plan } }: DeferredRun): boolean {
	const { missingShare, resultsGone, truncateTo } = plan as { missingShare?: number; resultsGone?: boolean; truncateTo?: number };
	return (missingShare ?? 0) > 0 || resultsGone === true || truncateTo !== undefined;
}

/** Its record says so where it is late, and not where it is not. */
function judgeLateness({ seen }: Judging): boolean {
	const { id, isLate, deadlineMs, answeredAtMs } = seen;
	const wasLate = deadlineMs !== null && answeredAtMs !== null && answeredAtMs > deadlineMs;
	if (isLate !== wasLate)
		throw new Broken(`${id} is said to be ${isLate ? "late" : "in time"}, ${(answeredAtMs ?? 0) - (deadlineMs ?? 0)} ms after its deadline`);
	return isLate;
}

function lateLine({ run, item, seen, facts }: Judging): string {
	const row = facts.rows.get(seen.id);
	const isShort = run.refused.length > 0;
	const reason = row && explainLateness({ row, fate: item?.fate ?? "answered", isWithheld: withholds(run), isShort, outages: facts.outages });
	const way = `lane ${row?.part_lane ?? "none"}, sent ${sinceDeadline(row?.sent_at_ms ?? row?.written_at_ms ?? null, seen)}`;
	const line = `${seen.id} was ${(seen.answeredAtMs ?? 0) - (seen.deadlineMs ?? 0)} ms late: ${way}`;
	if (reason === undefined) throw new Broken(`${line}, and nothing says why`);
	return `${line}; ${reason}`;
}

function sinceDeadline(atMs: number | null, { deadlineMs }: SeenDeferred): string {
	return atMs === null || deadlineMs === null ? "never" : `${Math.round(atMs - deadlineMs)} ms after its deadline`;
}
