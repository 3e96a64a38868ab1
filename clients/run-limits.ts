import { parseUsd, toWire } from "#domain/money/wire.ts";

/** The amount alone is a hard ceiling that pauses. */
export type RunCeiling<Amount> =
	| Amount
	| {
			/** At this amount the run goes on, with a warning, or with cheaper models: alias asked for → alias served instead. Default action: warn. */
			readonly soft?: Amount | { readonly at: Amount; readonly action?: "warn" | "degrade"; readonly degradeTo?: Readonly<Record<string, string>> };
			/** Default action: pause. */
			readonly hard?: Amount | { readonly at: Amount; readonly action?: "pause" | "stop" };
	  };

/** Ceilings of a run and of all below it. What a root does not name has the team's default. */
export type RunLimits = {
	/** Dollars, like "2.50" or 2.5; at most nine decimals. */
	readonly costUsd?: RunCeiling<string | number>;
	/** The same as a decimal string of nano-USD; one of the two. */
	readonly costNanoUsd?: RunCeiling<string>;
	readonly inputTokens?: RunCeiling<number>;
	readonly outputTokens?: RunCeiling<number>;
	/** Model calls. */
	readonly steps?: RunCeiling<number>;
	/** Milliseconds since the run was opened, time for which it was held left out. */
	readonly elapsedMs?: RunCeiling<number>;
	/** By tool; "*" = each tool by itself. */
	readonly toolCalls?: Readonly<Record<string, RunCeiling<number>>>;
	/** Levels of child runs below it. */
	readonly depth?: RunCeiling<number>;
	/** Child runs it may begin. */
	readonly width?: RunCeiling<number>;
	/** Bytes of answers. */
	readonly outputBytes?: RunCeiling<number>;
	/** Input tokens that one step may have more than the step before. */
	readonly contextGrowthTokens?: RunCeiling<number>;
};

/** As the gateway takes them: dollars become nano-USD. @throws RangeError on an amount of dollars that is none, or where money is given twice. */
export function writeLimits({ costUsd, ...others }: RunLimits): Readonly<Record<string, unknown>> {
	if (costUsd === undefined) return others;
	if (others.costNanoUsd !== undefined) throw new RangeError("limits: costUsd and costNanoUsd are the same ceiling; name one of them");
	if (!isLines(costUsd)) return { ...others, costNanoUsd: nanoUsdOf(costUsd, "costUsd") };
	const lines = Object.entries(costUsd).map(([name, line]) => {
		const field = `costUsd.${name}`;
		return [name, isLines(line) ? { ...line, at: nanoUsdOf((line as { readonly at: unknown }).at, `${field}.at`) } : nanoUsdOf(line, field)];
	});
	return { ...others, costNanoUsd: Object.fromEntries(lines) };
}

function isLines(value: unknown): value is object {
	return typeof value === "object" && value !== null;
}

function nanoUsdOf(dollars: unknown, field: string): string {
	const amount = typeof dollars === "string" || typeof dollars === "number" ? parseUsd(String(dollars)) : undefined;
	if (amount === undefined) throw new RangeError(`limits: ${field} must be dollars with at most nine decimals, like "2.50"`);
	return toWire(amount);
}
