/**
 * Why a day was dear: the narrowest part of the spend that explains at least four fifths of the excess, and what moved in it. Usual is the mean of like days,
 * so that parts add up; all of it exact, times the number of those days.
 */
export const EXCESS_DIMENSIONS = ["feature", "model", "key"] as const;
export type ExcessDimension = (typeof EXCESS_DIMENSIONS)[number];

/** Sums of one leaf; `usual…` over all like days together. */
export type ExcessLeaf = {
	readonly groups: Readonly<Record<ExcessDimension, string | null>>;
	readonly calls: bigint;
	readonly tokens: bigint;
	readonly amountNanoUsd: bigint;
	readonly usualCalls: bigint;
	readonly usualTokens: bigint;
	readonly usualAmountNanoUsd: bigint;
};

export type ExcessCause = {
	/** The part; empty: all of it. null: not attributed in that dimension. */
	readonly groups: Readonly<Partial<Record<ExcessDimension, string | null>>>;
	readonly amountNanoUsd: bigint;
	/** Of one like day, rounded down. */
	readonly usualNanoUsd: bigint;
	/** What the part explains. */
	readonly excessNanoUsd: bigint;
	/** How much of that each movement is; they add up to it. */
	readonly movements: Readonly<Record<ExcessMovement, bigint>>;
	readonly largest: ExcessMovement;
};

/** More calls; other models for them; more tokens for each; dearer tokens (prices, or what kind of tokens). */
export const EXCESS_MOVEMENTS = ["volume", "mix", "tokensPerCall", "price"] as const;
export type ExcessMovement = (typeof EXCESS_MOVEMENTS)[number];

const EXPLAINED_PERCENT = 80n;

/** `likeDays` is how many days the usual sums are of, at least one. undefined: there is no excess. */
export function explainExcess(leaves: readonly ExcessLeaf[], likeDays: number): ExcessCause | undefined {
	const days = BigInt(likeDays);
	const excessOf = (part: readonly ExcessLeaf[]): bigint => sum(part, (leaf) => leaf.amountNanoUsd * days - leaf.usualAmountNanoUsd);
	const whole = excessOf(leaves);
	if (whole <= 0n) return undefined;
	let best: { readonly part: readonly ExcessLeaf[]; readonly dimensions: readonly ExcessDimension[]; readonly excess: bigint } = {
		part: leaves,
		dimensions: [],
		excess: whole,
	};
	for (const dimensions of SUBSETS) {
		for (const part of partsBy(leaves, dimensions)) {
			const excess = excessOf(part);
			if (excess * 100n < EXPLAINED_PERCENT * whole) continue;
			if (dimensions.length > best.dimensions.length || (dimensions.length === best.dimensions.length && excess > best.excess))
				best = { part, dimensions, excess };
		}
	}
	return causeOf(best.part, best.dimensions, days);
}

const SUBSETS: readonly (readonly ExcessDimension[])[] = [
	["feature"],
	["model"],
	["key"],
	["feature", "model"],
	["feature", "key"],
	["model", "key"],
	EXCESS_DIMENSIONS,
];

function partsBy(leaves: readonly ExcessLeaf[], dimensions: readonly ExcessDimension[]): Iterable<readonly ExcessLeaf[]> {
	const parts = new Map<string, ExcessLeaf[]>();
	for (const leaf of leaves) {
		const key = JSON.stringify(dimensions.map((dimension) => leaf.groups[dimension]));
		const part = parts.get(key);
		if (part === undefined) parts.set(key, [leaf]);
		else part.push(leaf);
	}
	return parts.values();
}

function causeOf(part: readonly ExcessLeaf[], dimensions: readonly ExcessDimension[], days: bigint): ExcessCause {
	const amountNanoUsd = sum(part, (leaf) => leaf.amountNanoUsd);
	const usualNanoUsd = sum(part, (leaf) => leaf.usualAmountNanoUsd) / days;
	const excessNanoUsd = amountNanoUsd - usualNanoUsd;
	const movements = movementsOf(part, days, excessNanoUsd);
	const largest = EXCESS_MOVEMENTS.reduce((most, movement) => (movements[movement] > movements[most] ? movement : most));
	const groups = Object.fromEntries(dimensions.map((dimension) => [dimension, part[0]?.groups[dimension] ?? null]));
	return { groups, amountNanoUsd, usualNanoUsd, excessNanoUsd, movements, largest };
}

/** A model that was not used before, or is no more, was used so little. */
const NOTHING = 1e-12;

/**
 * Additive log-mean Divisia index by model (Ang 2005): cost = calls x share of the model x tokens of a call x cost of a token, whose logarithms each get
 * their part of the difference. It leaves no rest but that of rounding, which the largest takes.
 */
function movementsOf(part: readonly ExcessLeaf[], days: bigint, excess: bigint): Record<ExcessMovement, bigint> {
	const models = [...partsBy(part, ["model"])].map((leaves) => ({
		now: totalsOf(leaves, { calls: "calls", tokens: "tokens", amount: "amountNanoUsd" }, 1n),
		before: totalsOf(leaves, { calls: "usualCalls", tokens: "usualTokens", amount: "usualAmountNanoUsd" }, days),
	}));
	const calls = { now: models.reduce((all, { now }) => all + now.calls, 0), before: models.reduce((all, { before }) => all + before.calls, 0) };
	const moved: Record<ExcessMovement, number> = { volume: 0, mix: 0, tokensPerCall: 0, price: 0 };
	for (const { now, before } of models) {
		const [to, from] = [factorsOf(now, calls.now, before), factorsOf(before, calls.before, now)];
		const growth = Math.log(to.cost / from.cost);
		// Nearly equal costs have a logarithm of zero, and themselves as their mean.
		const weight = Math.abs(growth) < 1e-9 ? to.cost : (to.cost - from.cost) / growth;
		for (const movement of EXCESS_MOVEMENTS) moved[movement] += weight * Math.log(to[movement] / from[movement]);
	}
	return roundedTo(moved, excess);
}

type Totals = { readonly calls: number; readonly tokens: number; readonly amount: number };

function totalsOf(leaves: readonly ExcessLeaf[], names: Readonly<Record<keyof Totals, Exclude<keyof ExcessLeaf, "groups">>>, days: bigint): Totals {
	const of = (name: keyof Totals): number => Number(sum(leaves, (leaf) => leaf[names[name]])) / Number(days);
	return { calls: of("calls"), tokens: of("tokens"), amount: of("amount") };
}

/** Where one side has nothing, the other's habits stand for it. */
function factorsOf({ calls, tokens, amount }: Totals, allCalls: number, other: Totals): Record<ExcessMovement, number> & { readonly cost: number } {
	const pick = (own: number, foreign: number): number => (Number.isFinite(own) && own > 0 ? own : Number.isFinite(foreign) && foreign > 0 ? foreign : 1);
	const volume = allCalls > 0 ? allCalls : NOTHING;
	const mix = allCalls > 0 ? Math.max(calls / allCalls, NOTHING) : 1;
	const tokensPerCall = pick(tokens / calls, other.tokens / other.calls);
	const price = pick(amount / tokens, other.amount / other.tokens);
	return { volume, mix, tokensPerCall, price, cost: volume * mix * tokensPerCall * price };
}

function roundedTo(moved: Readonly<Record<ExcessMovement, number>>, excess: bigint): Record<ExcessMovement, bigint> {
	const rounded = Object.fromEntries(EXCESS_MOVEMENTS.map((movement) => [movement, BigInt(Math.round(moved[movement]))])) as Record<ExcessMovement, bigint>;
	const largest = EXCESS_MOVEMENTS.reduce((most, movement) => (moved[movement] > moved[most] ? movement : most));
	rounded[largest] += excess - EXCESS_MOVEMENTS.reduce((all, movement) => all + rounded[movement], 0n);
	return rounded;
}

function sum(leaves: readonly ExcessLeaf[], of: (leaf: ExcessLeaf) => bigint): bigint {
	return leaves.reduce((all, leaf) => all + of(leaf), 0n);
}
