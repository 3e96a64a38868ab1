import type { NanoUsd } from "../money/nano-usd.ts";
import { BASIS_POINTS, type ChargebackRules, isNobody, poolsOf, type SharedBy, type SharedPool, UNATTRIBUTED_POOL } from "./rules.ts";
import { splitAmount, type Weighted } from "./split.ts";

/**
 * A team's month. What its calls cost stands whole, by feature, user, model and provider; what of it is shared is taken off again (`pooled`), and its
 * share of every pool added (`share`), so that the costs of all statements together are the ledger's, to the nano-dollar. A margin or discount is a
 * line of its own: charge = cost + margin. An adjustment is what was booked in this month for an earlier one.
 */
export const LINE_KINDS = ["usage", "adjustment", "pooled", "share", "margin"] as const;
export type LineKind = (typeof LINE_KINDS)[number];

/** What was spent, as the ledger has it. No text = not attributed. */
export type SpendLine = {
	/** "@unknown" and "@organization": nobody's. */
	readonly teamId: string;
	readonly feature: string;
	readonly userId: string;
	readonly model: string;
	readonly provider: string;
	readonly keyId: string;
	readonly environment: string;
	readonly calls: bigint;
	readonly inputTokens: bigint;
	readonly outputTokens: bigint;
	readonly amountNanoUsd: NanoUsd;
	/** The earlier month that it corrects, like "2026-09"; null: it is of this month. */
	readonly ofMonth: string | null;
};

export type StatementLine = {
	readonly kind: LineKind;
	readonly feature: string;
	readonly userId: string;
	readonly model: string;
	readonly provider: string;
	readonly ofMonth: string | null;
	/** Of `pooled` and `share`. */
	readonly pool: string | null;
	readonly calls: bigint;
	readonly inputTokens: bigint;
	readonly outputTokens: bigint;
	readonly amountNanoUsd: NanoUsd;
};

/** Before anything is shared out. */
export type OwnStatement = {
	readonly teamId: string;
	readonly lines: readonly StatementLine[];
	/** Without what is pooled: by it proportional pools are split. */
	readonly ownNanoUsd: NanoUsd;
	/** What it gives to each pool. */
	readonly pooled: ReadonlyMap<string, NanoUsd>;
};

export type Charge = {
	readonly lines: readonly StatementLine[];
	readonly costNanoUsd: NanoUsd;
	readonly marginNanoUsd: NanoUsd;
	readonly chargeNanoUsd: NanoUsd;
};

const FIELD_OF: Readonly<Record<SharedBy, (line: SpendLine) => string>> = {
	team: ({ teamId }) => teamId,
	feature: ({ feature }) => feature,
	user: ({ userId }) => userId,
	model: ({ model }) => model,
	provider: ({ provider }) => provider,
	key: ({ keyId }) => keyId,
	environment: ({ environment }) => environment,
};

const OF_ALL = { feature: "", userId: "", model: "", provider: "", ofMonth: null, calls: 0n, inputTokens: 0n, outputTokens: 0n } as const;

/** The pool that takes a cost; undefined: it stays with its team. Nobody's money that no pool takes is split as unattributed. */
export function poolOf(line: SpendLine, rules: ChargebackRules): string | undefined {
	const pool = rules.pools.find(({ of }) => Object.entries(of).every(([by, value]) => FIELD_OF[by as SharedBy](line) === value));
	return pool?.name ?? (isNobody(line.teamId) ? UNATTRIBUTED_POOL : undefined);
}

/** `spend` is all of one team's. */
export function stateOwn(teamId: string, spend: readonly SpendLine[], rules: ChargebackRules): OwnStatement {
	const folded = new Map<string, StatementLine>();
	const pooled = new Map<string, NanoUsd>();
	let ownNanoUsd = 0n;
	for (const line of spend) {
		const { feature, userId, model, provider, ofMonth, amountNanoUsd } = line;
		const key = JSON.stringify([ofMonth, feature, userId, model, provider]);
		const before = folded.get(key);
		folded.set(key, {
			...{ kind: ofMonth === null ? "usage" : "adjustment", feature, userId, model, provider, ofMonth, pool: null },
			calls: (before?.calls ?? 0n) + line.calls,
			inputTokens: (before?.inputTokens ?? 0n) + line.inputTokens,
			outputTokens: (before?.outputTokens ?? 0n) + line.outputTokens,
			amountNanoUsd: (before?.amountNanoUsd ?? 0n) + amountNanoUsd,
		});
		const pool = poolOf(line, rules);
		if (pool === undefined) ownNanoUsd += amountNanoUsd;
		else pooled.set(pool, (pooled.get(pool) ?? 0n) + amountNanoUsd);
	}
	const given = [...pooled].map(([pool, amount]): StatementLine => ({ kind: "pooled", ...OF_ALL, pool, amountNanoUsd: -amount }));
	return { teamId, lines: [...[...folded.values()].sort(compareLines), ...given], ownNanoUsd, pooled };
}

/** Usage before adjustments, the dearest first. */
function compareLines(one: StatementLine, other: StatementLine): number {
	if (one.kind !== other.kind) return one.kind === "usage" ? -1 : 1;
	if (one.amountNanoUsd !== other.amountNanoUsd) return one.amountNanoUsd > other.amountNanoUsd ? -1 : 1;
	return keyOf(one) < keyOf(other) ? -1 : 1;
}

function keyOf({ ofMonth, feature, userId, model, provider }: StatementLine): string {
	return JSON.stringify([ofMonth, feature, userId, model, provider]);
}

/** What a team has of its own, and what it gave. */
export type Standing = { readonly teamId: string; readonly ownNanoUsd: NanoUsd; readonly pooled: ReadonlyMap<string, NanoUsd> };

/** Every team's share of each pool: team → pool → amount. A pool that nobody can take is given back to those it came from. */
export function shareOut(standings: readonly Standing[], rules: ChargebackRules): ReadonlyMap<string, ReadonlyMap<string, NanoUsd>> {
	const shares = new Map<string, Map<string, NanoUsd>>();
	const costCentres = new Set(rules.pools.flatMap(({ of }) => (of.team !== undefined && Object.keys(of).length === 1 ? [of.team] : [])));
	const spenders = standings.filter(({ teamId }) => !isNobody(teamId) && !costCentres.has(teamId));
	const ownOf = new Map(standings.map(({ teamId, ownNanoUsd }) => [teamId, ownNanoUsd]));
	for (const pool of poolsOf(rules)) {
		const givers = standings.filter(({ pooled }) => pooled.has(pool.name));
		if (givers.length === 0) continue;
		const weights = weightsOf(pool, pool.among ?? spenders.map(({ teamId }) => teamId), ownOf);
		const total = givers.reduce((sum, { pooled }) => sum + (pooled.get(pool.name) ?? 0n), 0n);
		const parts = weights.length === 0 ? givers.map(({ teamId, pooled }) => [teamId, pooled.get(pool.name) ?? 0n] as const) : splitAmount(total, weights);
		for (const [teamId, amount] of parts) {
			if (amount === 0n) continue;
			const ofTeam = shares.get(teamId) ?? new Map<string, NanoUsd>();
			shares.set(teamId, ofTeam.set(pool.name, amount));
		}
	}
	return shares;
}

/** Who has spent nothing gets nothing of a proportional pool; where nobody has, it is split evenly. */
function weightsOf({ split, shares }: SharedPool, teams: readonly string[], ownOf: ReadonlyMap<string, NanoUsd>): readonly Weighted[] {
	if (split === "fixed") return Object.entries(shares).map(([teamId, share]) => ({ teamId, weight: BigInt(share) }));
	const even = [...new Set(teams)].map((teamId) => ({ teamId, weight: 1n }));
	if (split === "even") return even;
	const byOwn = even.map(({ teamId }) => ({ teamId, weight: positive(ownOf.get(teamId) ?? 0n) }));
	return byOwn.some(({ weight }) => weight > 0n) ? byOwn : even;
}

function positive(amount: NanoUsd): NanoUsd {
	return amount > 0n ? amount : 0n;
}

/** Shares and margin of one team, on top of what it has of its own. The margin is rounded to the nearest nano-dollar, halves away from nought. */
export function chargeTeam(
	{ teamId, ownNanoUsd }: Pick<Standing, "teamId" | "ownNanoUsd">,
	shares: ReadonlyMap<string, NanoUsd>,
	rules: ChargebackRules,
): Charge {
	const shared = [...shares].map(([pool, amountNanoUsd]): StatementLine => ({ kind: "share", ...OF_ALL, pool, amountNanoUsd }));
	const costNanoUsd = shared.reduce((sum, { amountNanoUsd }) => sum + amountNanoUsd, ownNanoUsd);
	const basisPoints = isNobody(teamId) ? 0 : ((Object.hasOwn(rules.margins, teamId) ? rules.margins[teamId] : undefined) ?? rules.marginBasisPoints);
	const marginNanoUsd = shareOf(costNanoUsd, BigInt(basisPoints));
	const margin: StatementLine = { kind: "margin", ...OF_ALL, pool: null, amountNanoUsd: marginNanoUsd };
	return { lines: [...shared, ...(marginNanoUsd === 0n ? [] : [margin])], costNanoUsd, marginNanoUsd, chargeNanoUsd: costNanoUsd + marginNanoUsd };
}

function shareOf(amount: NanoUsd, basisPoints: bigint): NanoUsd {
	const product = amount * basisPoints;
	const sign = product < 0n ? -1n : 1n;
	return (sign * (product * sign * 2n + BigInt(BASIS_POINTS))) / (2n * BigInt(BASIS_POINTS));
}
