import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RunDecision } from "#domain/agents/run-decision.ts";
import { checkRunLimits } from "#domain/agents/run-limits.ts";
import { ask, decision, holdOf, openMemoryStand, openPostgresStand, type RunStand, refusalOf, registration } from "#test/support/run-stand.ts";

/** Random lives of a few runs in both stores: the same answers, and after each step the same runs. */
const HISTORIES = 25;
const NAMES = ["a", "b", "c", "d", "e"] as const;

let stands: { readonly memory: RunStand; readonly postgres: RunStand };
beforeAll(async () => {
	stands = { memory: await openMemoryStand(), postgres: await openPostgresStand() };
});
afterAll(async () => {
	await stands.memory.close();
	await stands.postgres.close();
});

type Act = (stand: RunStand, prefix: string) => Promise<unknown>;

const name = fc.constantFrom(...NAMES);
const parent = fc.option(name, { nil: null });
const amount = fc.integer({ min: 1, max: 12 });
const entries: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
	steps: fc.oneof(amount, fc.record({ soft: amount, hard: amount })),
	outputBytes: fc.record({ hard: fc.record({ at: amount, action: fc.constantFrom("pause", "stop") }) }),
	toolCalls: fc.dictionary(fc.constantFrom("*", "search", "edit"), amount, { minKeys: 1 }),
	costNanoUsd: amount.map(String),
	width: fc.integer({ min: 0, max: 3 }),
	depth: fc.integer({ min: 0, max: 3 }),
};
const limits = fc.record(entries, { requiredKeys: [] });

const enter = fc.record({ name, parent, team: fc.constantFrom("ada", "ada", "ada", "bob") }).map((input): [string, Act] => [
	`enter ${JSON.stringify(input)}`,
	async ({ store }, prefix) => {
		const theirs = input.team === "bob" ? { teamId: "bob", keyId: "key_bob" } : {};
		return answer(await store.enter(ask(prefix + input.name, { parent: input.parent && prefix + input.parent, ...theirs })));
	},
]);
const register = fc
	.record({ name, parent, limits })
	.map((input): [string, Act] => [
		`register ${JSON.stringify(input)}`,
		async ({ store }, prefix) =>
			answer(await store.register(registration(prefix + input.name, { parent: input.parent && prefix + input.parent, limits: input.limits }))),
	]);
const settle = fc
	.record({ name, steps: fc.nat({ max: 4 }), outputBytes: fc.nat({ max: 4 }), toolCalls: fc.dictionary(fc.constantFrom("search", "edit"), fc.nat({ max: 3 })) })
	.map(({ name: of, ...taken }): [string, Act] => [`settle ${of} ${JSON.stringify(taken)}`, (stand, prefix) => stand.settle(prefix + of, taken)]);
const hold = fc
	.record({
		name,
		of: name,
		guard: fc.constantFrom("loop.cycle", "ceiling.steps", "ceiling.outputBytes", "ceiling.toolCalls"),
		amount,
		state: fc.constantFrom("paused", "stopped"),
	})
	.map((input): [string, Act] => [
		`hold ${JSON.stringify(input)}`,
		async ({ store }, prefix) => {
			const found = await store.find("ada", prefix + input.name);
			if (found === undefined) return "nobody";
			const measured = input.amount.toString();
			const tool = input.guard === "ceiling.toolCalls" ? { tool: "search" } : {};
			const [record] = await store.hold([
				holdOf(found.run, { state: input.state, guard: input.guard, measured, threshold: measured, ofRunId: prefix + input.of, ...tool } as Parameters<
					typeof holdOf
				>[1]),
			]);
			return record?.state;
		},
	]);
const kind: fc.Arbitrary<RunDecision["decision"]> = fc.oneof(
	fc.record({ kind: fc.constantFrom("resume", "stop", "expire", "finish") }),
	fc.record({
		kind: fc.constantFrom("raise", "approve"),
		limits: fc.record({ ...entries, toolCalls: fc.constant({ search: 9 }) }, { requiredKeys: [] }).filter((asked) => checkRunLimits(asked).kind === "valid"),
	}),
);
const decide = fc
	.record({ name, kind })
	.map((input): [string, Act] => [
		`decide ${JSON.stringify(input)}`,
		async ({ store }, prefix) => answer(await store.decide(decision(prefix + input.name, input.kind))),
	]);

function answer(reply: Parameters<typeof refusalOf>[0]): unknown {
	return reply.kind === "refused" ? refusalOf(reply) : reply.kind;
}

/** What the stores must agree on; times, numbers and estimates are their own. */
async function pictureOf({ store }: RunStand, prefix: string): Promise<unknown> {
	const pictures = [];
	for (const own of NAMES) {
		const found = (await store.find("ada", prefix + own)) ?? (await store.find("bob", prefix + own));
		if (found === undefined) continue;
		const { number: _n, path, keyId: _k, openedMsAgo: _o, pausedMs: _p, hold: held, ...record } = found.run;
		const isHeldBy = held === null ? null : { ...held, askAgainMs: held.askAgainMs !== null };
		pictures.push({ ...record, depth: path.length, hold: isHeldBy, budgets: found.budgets.map(({ unit, degrade }) => [unit, degrade]), totals: found.totals });
	}
	return pictures;
}

let history = 0;
test("PostgreSQL answers what the memory answers", async () => {
	const acts = fc.array(
		fc.oneof({ weight: 3, arbitrary: enter }, { weight: 2, arbitrary: register }, settle, { weight: 2, arbitrary: hold }, { weight: 3, arbitrary: decide }),
		{
			minLength: 10,
			maxLength: 40,
		},
	);
	await fc.assert(
		fc.asyncProperty(acts, async (played) => {
			const prefix = `h${history++}-`;
			for (const [place, [title, act]] of played.entries()) {
				const at = `${place}: ${title}`;
				const expected = await act(stands.memory, prefix);
				expect(await act(stands.postgres, prefix), at).toEqual(expected);
				expect(await pictureOf(stands.postgres, prefix), at).toEqual(await pictureOf(stands.memory, prefix));
			}
		}),
		{ numRuns: HISTORIES },
	);
}, 120_000);
