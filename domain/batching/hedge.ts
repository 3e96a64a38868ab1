/**
 * What a batch does not bring in time goes in real time, early enough that the call ends before the deadline. The batch runs on: what it
 * brings late is paid for twice and said so. Where more falls due together than the real-time fallback may send in that time, it begins
 * earlier, just as much as it takes.
 */
export type HedgeConditions = {
	readonly nowMs: number;
	readonly realTimeP99Ms: number;
	readonly marginMs: number;
	/** Items a second that the fallback may send (pressure.ts). */
	readonly itemsPerSecond: number;
};

export type HedgePlan<Item> = {
	/** To be sent in real time now, earliest deadline first. */
	readonly due: readonly Item[];
	/** When the next of the others falls due; null: none of them has a deadline. */
	readonly nextAtMs: number | null;
};

type WithDeadline = { readonly deadlineMs: number | null };

export function hedgeAtMs(deadlineMs: number, { realTimeP99Ms, marginMs }: Pick<HedgeConditions, "realTimeP99Ms" | "marginMs">): number {
	return deadlineMs - realTimeP99Ms - marginMs;
}

/** Of the items that wait for a batch, collected or submitted, and were not sent in real time yet. */
export function planHedge<Item extends WithDeadline>(waiting: readonly Item[], conditions: HedgeConditions): HedgePlan<Item> {
	const { nowMs, itemsPerSecond } = conditions;
	const items = waiting.filter(({ deadlineMs }) => deadlineMs !== null).sort((left, right) => dueBy(left) - dueBy(right));
	const spacingMs = 1_000 / itemsPerSecond;
	// From the last deadline backwards: each has to begin by its own time, and one spacing before the next.
	let beginsByMs = Number.POSITIVE_INFINITY;
	let due = items.length;
	let nextAtMs: number | null = null;
	for (let at = items.length - 1; at >= 0; at -= 1) {
		beginsByMs = Math.min(hedgeAtMs(dueBy(items[at]), conditions), beginsByMs - spacingMs);
		if (Math.floor(beginsByMs) <= nowMs) break;
		due = at;
		nextAtMs = Math.floor(beginsByMs);
	}
	return { due: items.slice(0, due), nextAtMs };
}

function dueBy(item: WithDeadline | undefined): number {
	return item?.deadlineMs ?? Number.POSITIVE_INFINITY;
}

/** When more than half of a provider's batch was sent in real time, the rest follows sooner without it, and less is paid twice. */
export function shouldCancel({ items, hedged }: { readonly items: number; readonly hedged: number }): boolean {
	return hedged * 2 > items;
}

/** What becomes of an answer: the first is the item's, and any other that was billed is duplicate cost. Never a second delivery. */
export function judgeAnswer({ hasOutcome }: { readonly hasOutcome: boolean }): "deliver" | "duplicate" {
	return hasOutcome ? "duplicate" : "deliver";
}
