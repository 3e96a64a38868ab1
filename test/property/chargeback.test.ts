import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ChargebackRules, checkRules, DEFAULT_RULES, poolsOf, type SharedPool, SPLIT_RULES } from "#domain/chargeback/rules.ts";
import { splitAmount } from "#domain/chargeback/split.ts";
import { chargeTeam, type SpendLine, shareOut, stateOwn } from "#domain/chargeback/statement.ts";

/** Whatever is shared, however it is split and rounded: the statements of all teams together are the ledger, to the nano-dollar. */

const TEAMS = ["ads", "books", "core", "docs", "east"];
const ACCOUNTS = [...TEAMS, "@unknown", "@organization"];
const text = (...choices: string[]) => fc.constantFrom("", ...choices);

const spendLine: fc.Arbitrary<SpendLine> = fc.record({
	teamId: fc.constantFrom(...ACCOUNTS),
	feature: text("chat", "eval"),
	userId: text("ann", "bob"),
	model: text("m1", "m2"),
	provider: fc.constantFrom("openai", "anthropic"),
	keyId: text("k1"),
	environment: text("prod"),
	calls: fc.bigInt(0n, 5n),
	inputTokens: fc.bigInt(0n, 1_000n),
	outputTokens: fc.bigInt(0n, 1_000n),
	amountNanoUsd: fc.oneof(fc.bigInt(-50n, 50n), fc.bigInt(-(10n ** 15n), 10n ** 17n)),
	ofMonth: fc.constantFrom(null, null, "2026-08", "2026-09"),
});

const fixed = fc.array(fc.integer({ min: 0, max: 10_000 }), { minLength: TEAMS.length - 1, maxLength: TEAMS.length - 1 }).map((cuts) => {
	const ends = [0, ...cuts.sort((one, other) => one - other), 10_000];
	return Object.fromEntries(TEAMS.map((team, index) => [team, (ends[index + 1] ?? 0) - (ends[index] ?? 0)]));
});
const split = fc
	.record({ split: fc.constantFrom(...SPLIT_RULES), among: fc.option(fc.subarray([...TEAMS, "idle"], { minLength: 1 })), shares: fixed })
	.map((of) => (of.split === "fixed" ? { ...of, among: null } : { ...of, shares: {} }));
const pool: fc.Arbitrary<SharedPool> = fc
	.tuple(
		split,
		fc.constantFrom({ team: "core" }, { feature: "eval" }, { model: "m2", user: "ann" }, { provider: "anthropic" }, { key: "k1", environment: "prod" }),
	)
	.map(([of, by]) => ({ ...of, of: by, name: JSON.stringify(by) }));
const rules: fc.Arbitrary<ChargebackRules> = fc.record({
	...{ timeZone: fc.constant("UTC"), approval: fc.constant("none" as const), remindAfterHours: fc.constant(72) },
	pools: fc.uniqueArray(pool, { selector: ({ name }) => name, maxLength: 4 }),
	unattributed: split,
	marginBasisPoints: fc.integer({ min: -10_000, max: 10_000 }),
	margins: fc.dictionary(fc.constantFrom(...TEAMS), fc.integer({ min: -10_000, max: 10_000 })),
});

const sum = (amounts: Iterable<bigint>): bigint => [...amounts].reduce((total, amount) => total + amount, 0n);

function stateAll(lines: readonly SpendLine[], of: ChargebackRules) {
	const own = [...new Set(lines.map(({ teamId }) => teamId))].map((teamId) =>
		stateOwn(
			teamId,
			lines.filter((line) => line.teamId === teamId),
			of,
		),
	);
	const shares = shareOut(own, of);
	const teams = new Set([...own.map(({ teamId }) => teamId), ...shares.keys()]);
	return [...teams].map((teamId) => {
		const { lines: ownLines = [], ownNanoUsd = 0n } = own.find((statement) => statement.teamId === teamId) ?? {};
		const charge = chargeTeam({ teamId, ownNanoUsd }, shares.get(teamId) ?? new Map(), of);
		return { teamId, ...charge, lines: [...ownLines, ...charge.lines] };
	});
}

describe("statements of a random ledger under random rules", () => {
	test("cost what the ledger has, and are charged that and the margins", () => {
		fc.assert(
			fc.property(fc.array(spendLine, { maxLength: 60 }), rules, (lines, of) => {
				expect(checkRules(of)).toEqual([]);
				const statements = stateAll(lines, of);
				const ledger = sum(lines.map(({ amountNanoUsd }) => amountNanoUsd));
				expect(sum(statements.map(({ costNanoUsd }) => costNanoUsd))).toBe(ledger);
				const margins = sum(statements.flatMap(({ lines: all }) => all.filter(({ kind }) => kind === "margin").map(({ amountNanoUsd }) => amountNanoUsd)));
				expect(sum(statements.map(({ chargeNanoUsd }) => chargeNanoUsd))).toBe(ledger + margins);
				for (const { lines: all, chargeNanoUsd } of statements) expect(sum(all.map(({ amountNanoUsd }) => amountNanoUsd))).toBe(chargeNanoUsd);
			}),
			{ numRuns: 1_000 },
		);
	});

	test("share out of every pool what was put into it, and no team is charged for nobody", () => {
		fc.assert(
			fc.property(fc.array(spendLine, { maxLength: 60 }), rules, (lines, of) => {
				const all = stateAll(lines, of).flatMap((statement) => statement.lines);
				for (const { name } of poolsOf(of)) {
					const ofPool = (kind: string) => sum(all.filter((line) => line.kind === kind && line.pool === name).map(({ amountNanoUsd }) => amountNanoUsd));
					expect(ofPool("share")).toBe(-ofPool("pooled"));
				}
				const nobody = stateAll(lines, of).filter(({ teamId }) => teamId.startsWith("@"));
				if (lines.some(({ teamId }) => TEAMS.includes(teamId) && teamId !== "core")) for (const { costNanoUsd } of nobody) expect(costNanoUsd).toBe(0n);
				for (const { marginNanoUsd } of nobody) expect(marginNanoUsd).toBe(0n);
			}),
			{ numRuns: 500 },
		);
	});
});

test("an amount that is split is the sum of its parts, each within a nano-dollar of its share", () => {
	const weights = fc.uniqueArray(fc.record({ teamId: fc.string({ maxLength: 4 }), weight: fc.bigInt(0n, 10n ** 18n) }), {
		selector: ({ teamId }) => teamId,
		minLength: 1,
	});
	fc.assert(
		fc.property(fc.bigInt(-(10n ** 18n), 10n ** 18n), weights, (amount, of) => {
			const total = sum(of.map(({ weight }) => weight));
			fc.pre(total > 0n);
			const parts = splitAmount(amount, of);
			expect(sum(parts.values())).toBe(amount);
			for (const { teamId, weight } of of) {
				const distance = (parts.get(teamId) ?? 0n) * total - amount * weight;
				expect(distance < total && -distance < total).toBe(true);
			}
		}),
		{ numRuns: 1_000 },
	);
});

test("the default rules hold, and ask for a person", () => {
	expect([checkRules(DEFAULT_RULES), DEFAULT_RULES.approval]).toEqual([[], "required"]);
});
