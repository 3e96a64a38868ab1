import type { PartItem, PartLimits } from "./split-parts.ts";

/**
 * When a collector (one of a team, provider and model) sends what it has gathered, and in which order. A batch has no discount for being
 * large: waiting buys fewer files, nothing else, so it is short. What is decided here follows from sums over the items, which the collector
 * keeps as plain data; the items themselves are only looked at when they leave.
 */
export type CollectedItem = PartItem & {
	readonly arrivedAtMs: number;
	/** null = whenever it is done. */
	readonly deadlineMs: number | null;
};

export type CollectorTally = {
	readonly items: number;
	readonly bytes: number;
	readonly embeddingInputs: number;
	readonly inputTokens: number;
	/** Of the smallest prompt: with less left at the provider nothing can go. */
	readonly leastInputTokens: number;
	/** null while it is empty. */
	readonly firstArrivedAtMs: number | null;
	readonly lastArrivedAtMs: number | null;
	readonly earliestDeadlineMs: number | null;
};

export type CollectorConditions = {
	readonly nowMs: number;
	readonly limits: PartLimits;
	/** Batches the provider takes within this hour yet; Infinity where it sets no limit. */
	readonly batchesLeft: number;
	/** Of our prompts that wait at the provider already. */
	readonly enqueuedTokens: number;
	/** What a batch that is sent now needs until its deadline: turnaround in all but one of ten cases, and a real-time call with its margin. */
	readonly quantileMs: number;
	readonly realTimeP99Ms: number;
	readonly marginMs: number;
	/** Default `COLLECT_AGE_MS`. */
	readonly ageMaxMs?: number;
	/** Default `QUIET_MIN_MS`. */
	readonly quietMinMs?: number;
};

/** No item waits longer than that for others to come. */
export const COLLECT_AGE_MS = 15 * 60_000;
/** Full enough: the next item might pass the limit. */
const FULL_PERCENT = 90;
/** Arrivals have stopped when nothing came for so many times their mean gap. */
const QUIET_GAPS = 3;
/** A shorter pause is no end: items handed in by a loop would go in batches of a few. */
export const QUIET_MIN_MS = 30_000;

export type FlushReason = "count" | "bytes" | "embedding_inputs" | "enqueued_tokens" | "latest_start" | "age" | "quiet";

export type FlushDecision =
	/** `inputTokensMax`: what may be enqueued at the provider yet; Infinity where it sets no limit. */
	| { readonly kind: "flush"; readonly reason: FlushReason; readonly inputTokensMax: number }
	/** `untilMs`: to be asked again then, or when an item comes; null: when the provider has room, or an item comes. */
	| { readonly kind: "wait"; readonly reason: "empty" | "filling" | "no_batches_left" | "no_tokens_left"; readonly untilMs: number | null };

export const EMPTY_TALLY: CollectorTally = {
	items: 0,
	bytes: 0,
	embeddingInputs: 0,
	inputTokens: 0,
	leastInputTokens: 0,
	firstArrivedAtMs: null,
	lastArrivedAtMs: null,
	earliestDeadlineMs: null,
};

export function tallyItem(tally: CollectorTally, item: CollectedItem, { itemOverheadBytes }: Pick<PartLimits, "itemOverheadBytes">): CollectorTally {
	const { arrivedAtMs, deadlineMs, boundInputTokens } = item;
	return {
		items: tally.items + 1,
		bytes: tally.bytes + item.bytes + itemOverheadBytes,
		embeddingInputs: tally.embeddingInputs + (item.embeddingInputs ?? 1),
		inputTokens: tally.inputTokens + boundInputTokens,
		leastInputTokens: tally.items === 0 ? boundInputTokens : Math.min(tally.leastInputTokens, boundInputTokens),
		firstArrivedAtMs: Math.min(tally.firstArrivedAtMs ?? arrivedAtMs, arrivedAtMs),
		lastArrivedAtMs: Math.max(tally.lastArrivedAtMs ?? arrivedAtMs, arrivedAtMs),
		earliestDeadlineMs: deadlineMs === null ? tally.earliestDeadlineMs : Math.min(tally.earliestDeadlineMs ?? deadlineMs, deadlineMs),
	};
}

/** Of what stays behind after a flush. */
export function tallyOf(items: Iterable<CollectedItem>, limits: Pick<PartLimits, "itemOverheadBytes">): CollectorTally {
	let tally = EMPTY_TALLY;
	for (const item of items) tally = tallyItem(tally, item, limits);
	return tally;
}

export function decideFlush(tally: CollectorTally, conditions: CollectorConditions): FlushDecision {
	const { nowMs, limits, batchesLeft, enqueuedTokens } = conditions;
	if (tally.items === 0) return { kind: "wait", reason: "empty", untilMs: null };
	const inputTokensMax = limits.enqueuedTokensMax === undefined ? Number.POSITIVE_INFINITY : limits.enqueuedTokensMax - enqueuedTokens;
	const alarms = alarmsOf(tally, conditions);
	const reason = fullReason(tally, limits, inputTokensMax) ?? alarms.find(({ atMs }) => nowMs >= atMs)?.reason;
	if (reason === undefined) return { kind: "wait", reason: "filling", untilMs: Math.min(...alarms.map(({ atMs }) => atMs)) };
	if (batchesLeft < 1) return { kind: "wait", reason: "no_batches_left", untilMs: null };
	if (tally.leastInputTokens > inputTokensMax) return { kind: "wait", reason: "no_tokens_left", untilMs: null };
	return { kind: "flush", reason, inputTokensMax };
}

/** How long an item that comes now is collected at most: the term for it in the choice of a lane. */
export function fillWaitMs(tally: CollectorTally, { nowMs, ageMaxMs = COLLECT_AGE_MS }: Pick<CollectorConditions, "nowMs" | "ageMaxMs">): number {
	return tally.firstArrivedAtMs === null ? ageMaxMs : Math.min(ageMaxMs, Math.max(0, tally.firstArrivedAtMs + ageMaxMs - nowMs));
}

/** The latest start of an item with that deadline which lets the batch end in time in all but one of ten cases. */
export function latestStartMs(deadlineMs: number, needs: Pick<CollectorConditions, "quantileMs" | "realTimeP99Ms" | "marginMs">): number {
	return deadlineMs - needs.quantileMs - needs.realTimeP99Ms - needs.marginMs;
}

function fullReason(tally: CollectorTally, limits: PartLimits, inputTokensMax: number): FlushReason | undefined {
	if (isFull(tally.items, limits.itemsMax)) return "count";
	if (isFull(tally.bytes, limits.bytesMax)) return "bytes";
	if (limits.embeddingInputsMax !== undefined && isFull(tally.embeddingInputs, limits.embeddingInputsMax)) return "embedding_inputs";
	return tally.inputTokens >= inputTokensMax ? "enqueued_tokens" : undefined;
}

function isFull(amount: number, amountMax: number): boolean {
	return amount * 100 >= amountMax * FULL_PERCENT;
}

export type FlushAlarm = { readonly reason: FlushReason; readonly atMs: number };

/** When it is sent where nothing more comes, and why. */
export function alarmsOf(
	tally: CollectorTally,
	conditions: Pick<CollectorConditions, "nowMs" | "quantileMs" | "realTimeP99Ms" | "marginMs" | "ageMaxMs" | "quietMinMs">,
): readonly FlushAlarm[] {
	const { firstArrivedAtMs, lastArrivedAtMs, earliestDeadlineMs, items } = tally;
	const { ageMaxMs = COLLECT_AGE_MS, quietMinMs = QUIET_MIN_MS } = conditions;
	const firstMs = firstArrivedAtMs ?? conditions.nowMs;
	const lastMs = lastArrivedAtMs ?? conditions.nowMs;
	const quietMs = Math.max(quietMinMs, Math.ceil((QUIET_GAPS * (lastMs - firstMs)) / Math.max(1, items - 1)));
	return [
		...(earliestDeadlineMs === null ? [] : [{ reason: "latest_start", atMs: latestStartMs(earliestDeadlineMs, conditions) } as const]),
		{ reason: "age", atMs: firstMs + ageMaxMs },
		// One item has no gap to its like: only its age tells.
		...(items < 2 ? [] : [{ reason: "quiet", atMs: lastMs + quietMs } as const]),
	];
}

/** Items in order while their prompts fit; one that does not is passed over for smaller ones behind it. */
export function takeWithinTokens<Item extends PartItem>(
	items: readonly Item[],
	inputTokensMax: number,
): { readonly taken: readonly Item[]; readonly left: readonly Item[] } {
	const taken: Item[] = [];
	const left: Item[] = [];
	let tokens = 0;
	for (const item of items) {
		const fits = tokens + item.boundInputTokens <= inputTokensMax;
		if (fits) tokens += item.boundInputTokens;
		(fits ? taken : left).push(item);
	}
	return { taken, left };
}

/** What a prompt shares with others: a name of its cacheable beginning, and its length. null: nothing worth a cache. */
export type PrefixedItem = { readonly prefix: { readonly key: string; readonly tokens: number } | null };

/**
 * Items with the same beginning stand together, the longest beginnings first, so that a provider's prompt cache is warm for them; within a
 * group, and among those that share nothing, in the order they came. `leaders`: of each group the one that goes first and warms the cache.
 */
export function orderByPrefix<Item extends PrefixedItem>(items: readonly Item[]): { readonly ordered: readonly Item[]; readonly leaders: readonly Item[] } {
	const groups = new Map<string, { readonly tokens: number; readonly members: Item[] }>();
	for (const item of items) {
		if (item.prefix === null) continue;
		const known = groups.get(item.prefix.key) ?? { tokens: item.prefix.tokens, members: [] };
		groups.set(item.prefix.key, known);
		known.members.push(item);
	}
	const shared = [...groups.values()]
		.filter(({ members }) => members.length > 1)
		.sort((left, right) => right.tokens - left.tokens || right.members.length - left.members.length);
	const alone = items.filter(({ prefix }) => prefix === null || (groups.get(prefix.key)?.members.length ?? 0) < 2);
	return { ordered: [...shared.flatMap(({ members }) => members), ...alone], leaders: shared.flatMap(({ members }) => members.slice(0, 1)) };
}
