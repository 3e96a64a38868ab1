import type { ThresholdAt } from "./scope.ts";

/**
 * Which model alias a call is served by once spend has passed lines that degrade (money-path §3). A line that names neither
 * the alias asked for nor the one served so far does not touch the call; of several that do, the highest reached holds.
 */
export type DegradeLine = {
	readonly at: ThresholdAt;
	/** Alias asked for → alias served instead; may lead on from alias to alias. */
	readonly degradeTo: Readonly<Record<string, string>>;
};

/**
 * A call that would pass a degrade line, with the numbers that say so: those of the window as of a grant, in the unit of its budget.
 * What the line leaves beside everything granted, and the idle money of the gateway that asked, is less than the need.
 */
export type BeyondLine = {
	readonly budgetId: string;
	/** From 1, among the budget's degrade lines. */
	readonly place: number;
	readonly windowId: string;
	/** window_event.seq of that grant. */
	readonly seq: string;
	readonly lineAmount: bigint;
	readonly granted: bigint;
	readonly idle: bigint;
	readonly need: bigint;
};

/** How a call is served: as asked, or as lines made it. */
export type Serving = {
	readonly asked: string;
	readonly served: string;
	/** Budget id → place (from 1) of the last of its lines that was applied. */
	readonly applied: ReadonlyMap<string, number>;
	/** The last line that was applied; absent while it is served as asked. */
	readonly by?: BeyondLine;
};

/** The line a call may not pass while it is served as it is; `place` counts from 1 among the budget's degrade lines. */
export type LineAhead = { readonly place: number; readonly at: ThresholdAt };

export function servedAsAsked(alias: string): Serving {
	return { asked: alias, served: alias, applied: new Map() };
}

/** The lowest line of a budget that names the call and was not applied to it yet. */
export function lineAhead(lines: readonly DegradeLine[], budgetId: string, serving: Serving): LineAhead | undefined {
	const applied = serving.applied.get(budgetId) ?? 0;
	for (const [index, line] of lines.entries()) if (index >= applied && servedBy(line, serving) !== undefined) return { place: index + 1, at: line.at };
	return undefined;
}

/** The call beyond that line. */
export function degradedBy(
	lines: readonly DegradeLine[],
	{ budgetId, place }: { readonly budgetId: string; readonly place: number },
	serving: Serving,
): Serving {
	const line = lines[place - 1];
	const served = (line && servedBy(line, serving)) ?? serving.served;
	return { ...serving, served, applied: new Map(serving.applied).set(budgetId, place) };
}

/** What a line says of the alias asked for goes before what it says of the one served so far. */
function servedBy(line: DegradeLine, { asked, served }: Serving): string | undefined {
	return endOf(line, asked) ?? endOf(line, served);
}

/** Where the chain of a line leads; circles are refused where a budget is defined. */
function endOf({ degradeTo }: DegradeLine, alias: string): string | undefined {
	const seen = new Set<string>();
	let end: string | undefined;
	for (let next = alias; Object.hasOwn(degradeTo, next) && !seen.has(next); ) {
		seen.add(next);
		next = degradeTo[next] ?? next;
		end = next;
	}
	return end;
}
