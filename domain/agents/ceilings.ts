import type { NanoUsd } from "../money/nano-usd.ts";
import { formatUsd } from "../money/wire.ts";

/**
 * What a run may take at most. A soft ceiling warns, or has cheaper models serve what follows; a hard one pauses the run, or ends it. Money is
 * also reserved against the run's budget before anything is sent; here it is judged with all else, so that one place says why a run stands.
 */
export const CEILING_KINDS = [
	"costNanoUsd",
	"inputTokens",
	"outputTokens",
	"steps",
	"elapsedMs",
	"toolCalls",
	"depth",
	"width",
	"outputBytes",
	"contextGrowthTokens",
] as const;
export type CeilingKind = (typeof CEILING_KINDS)[number];

export type SoftAction = { readonly action: "warn" } | { readonly action: "degrade"; readonly degradeTo: Readonly<Record<string, string>> };
export type HardAction = "pause" | "stop";

export type Ceiling = {
	readonly kind: CeilingKind;
	/** For `toolCalls`: the tool, or "*" for each tool by itself. */
	readonly tool?: string;
	/** Reached by this amount: nano-USD, tokens, steps, milliseconds, calls, levels, children, bytes; tokens a step for context growth. */
	readonly soft?: { readonly at: bigint } & SoftAction;
	/** No step begins once it is reached. Of tool calls, depth, width and growth so much is allowed, and more is not. */
	readonly hard?: { readonly at: bigint; readonly action: HardAction };
};

/** What a run has taken, children included where it is the tally of a tree (`addTallies`). */
export type RunTally = {
	readonly costNanoUsd: NanoUsd;
	readonly inputTokens: number;
	readonly outputTokens: number;
	readonly steps: number;
	readonly outputBytes: number;
	/** Milliseconds since the run began, paused time left out; negative where a clock went back. */
	readonly elapsedMs: number;
	readonly toolCalls: Readonly<Record<string, number>>;
	/** Levels below the root at which the run stands: 0 = the root. */
	readonly depth: number;
	/** Children it has begun. */
	readonly width: number;
	/** Input tokens of the last step less those of the one before. */
	readonly contextGrowthTokens: number;
	/** Input tokens of the last step. */
	readonly lastInputTokens: number;
};

export type CeilingVerdict = {
	readonly guard: `ceiling.${CeilingKind}`;
	readonly tool?: string;
	readonly severity: "warn" | "degrade" | "pause" | "stop";
	readonly degradeTo?: Readonly<Record<string, string>>;
	/** One sentence without a full stop. */
	readonly evidence: string;
	readonly measured: bigint;
	readonly threshold: bigint;
};

const NOT_REACHED: readonly CeilingVerdict[] = [];

/** Every ceiling that is reached, hard ones first; of one ceiling the hard line alone. Nothing is made of those that are not: every step of a run asks. */
export function judgeCeilings(ceilings: readonly Ceiling[], tally: RunTally): readonly CeilingVerdict[] {
	let verdicts: CeilingVerdict[] | undefined;
	for (const ceiling of ceilings) {
		if (ceiling.kind === "toolCalls" && (ceiling.tool ?? "*") === "*") {
			for (const [tool, calls] of Object.entries(tally.toolCalls)) verdicts = added(verdicts, judgeOne(ceiling, BigInt(calls), tool));
		} else verdicts = added(verdicts, judgeOne(ceiling, measureOf(ceiling, tally), ceiling.kind === "toolCalls" ? ceiling.tool : undefined));
	}
	return verdicts?.sort((left, right) => SEVERITY[right.severity] - SEVERITY[left.severity]) ?? NOT_REACHED;
}

function added(verdicts: CeilingVerdict[] | undefined, verdict: CeilingVerdict | undefined): CeilingVerdict[] | undefined {
	if (verdict === undefined) return verdicts;
	if (verdicts === undefined) return [verdict];
	verdicts.push(verdict);
	return verdicts;
}

const MOST_ALLOWED: ReadonlySet<CeilingKind> = new Set(["toolCalls", "depth", "width", "contextGrowthTokens"]);
const SEVERITY = { warn: 0, degrade: 1, pause: 2, stop: 3 } as const;

function measureOf({ kind, tool = "*" }: Ceiling, tally: RunTally): bigint {
	if (kind === "costNanoUsd") return tally.costNanoUsd;
	if (kind === "toolCalls") return BigInt(Object.hasOwn(tally.toolCalls, tool) ? (tally.toolCalls[tool] ?? 0) : 0);
	return BigInt(Math.max(0, Math.floor(tally[kind])));
}

function judgeOne({ kind, soft, hard }: Ceiling, measured: bigint, tool: string | undefined): CeilingVerdict | undefined {
	const isHard = hard !== undefined && (MOST_ALLOWED.has(kind) ? measured > hard.at : measured >= hard.at);
	const line = isHard ? hard : soft !== undefined && measured >= soft.at ? soft : undefined;
	if (line === undefined) return undefined;
	return {
		guard: `ceiling.${kind}`,
		...(tool !== undefined && { tool }),
		measured,
		severity: line.action,
		threshold: line.at,
		...(line.action === "degrade" && { degradeTo: line.degradeTo }),
		evidence: `${describeMeasure(kind, measured, tool)}; the ceiling is ${amountText(kind, line.at)}`,
	};
}

const MEASURES: Readonly<Record<CeilingKind, (amount: string, tool: string | undefined) => string>> = {
	costNanoUsd: (amount) => `the run has spent ${amount}`,
	inputTokens: (amount) => `the run has read ${amount}`,
	outputTokens: (amount) => `the run has written ${amount}`,
	steps: (amount) => `the run has taken ${amount}`,
	elapsedMs: (amount) => `the run has been going for ${amount}`,
	toolCalls: (amount, tool) => `the tool ${tool ?? "*"} was called ${amount}`,
	depth: (amount) => `the run stands ${amount} below the root`,
	width: (amount) => `the run has begun ${amount}`,
	outputBytes: (amount) => `answers of the run have taken ${amount}`,
	contextGrowthTokens: (amount) => `the last step carried ${amount} more than the one before`,
};

const UNITS: Readonly<Record<Exclude<CeilingKind, "costNanoUsd" | "elapsedMs">, readonly [string, string]>> = {
	inputTokens: ["input token", "input tokens"],
	outputTokens: ["output token", "output tokens"],
	steps: ["step", "steps"],
	toolCalls: ["time", "times"],
	depth: ["level", "levels"],
	width: ["child run", "child runs"],
	outputBytes: ["byte", "bytes"],
	contextGrowthTokens: ["token", "tokens"],
};

function describeMeasure(kind: CeilingKind, measured: bigint, tool: string | undefined): string {
	return MEASURES[kind](amountText(kind, measured), tool);
}

/** "5.00 USD", "12 steps": an amount of a ceiling, for people. */
export function amountText(kind: CeilingKind, amount: bigint): string {
	if (kind === "costNanoUsd") return `${formatUsd(amount)} USD`;
	if (kind === "elapsedMs") return `${amount / 1_000n}.${(amount % 1_000n) / 100n} s`;
	const [one, many] = UNITS[kind];
	return `${amount} ${amount === 1n ? one : many}`;
}
