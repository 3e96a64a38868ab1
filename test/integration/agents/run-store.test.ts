import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RunName } from "#activities/runs/port.ts";
import {
	ask,
	decision,
	defaultsOf,
	holdOf,
	openMemoryStand,
	openPostgresStand,
	type RunStand,
	refusalOf,
	registration,
	runOf,
} from "#test/support/run-stand.ts";

/** Opening and entering, the same in PostgreSQL and in the memory that other tests stand on. */
describe.each([
	["in memory", openMemoryStand],
	["in PostgreSQL", openPostgresStand],
])("runs %s", (_, openStand) => {
	let stand: RunStand;
	beforeAll(async () => {
		stand = await openStand();
	});
	afterAll(() => stand.close());

	/** The refusal, after which nothing is there that was not there before. */
	async function refused(act: () => ReturnType<RunStand["store"]["enter"]>): Promise<ReturnType<typeof refusalOf>> {
		const before = await stand.rows();
		const refusal = refusalOf(await act());
		expect(await stand.rows()).toEqual(before);
		return refusal;
	}

	test("a root is opened with its ceilings as budgets and a first lease in them, and then found", async () => {
		const opened = await stand.store.enter(ask("root"));
		expect(opened).toMatchObject({ kind: "entered", isOpened: true, memory: undefined });
		if (opened.kind !== "entered") return;
		const [root, ...others] = opened.chain;
		expect(others).toEqual([]);
		expect(root?.run).toMatchObject({
			runId: "root",
			teamId: "ada",
			keyId: "key_ada",
			origin: "header",
			state: "running",
			hold: null,
			version: "1",
			children: 0,
		});
		expect(root?.run.limits).toEqual(ask("root").defaults);
		expect(root?.run.path).toEqual([root?.run.number]);
		expect(root?.totals).toEqual({ costNanoUsd: "0", inputTokens: 0, outputTokens: 0, steps: 0, outputBytes: 0, toolCalls: {} });
		expect(root?.budgets).toMatchObject([
			{ teamId: "ada", dimension: "run", dimensionValue: root?.run.number, unit: "nano_usd", windowKind: "lifetime", degrade: null },
		]);
		expect(opened.leases).toMatchObject([{ budgetId: root?.budgets[0]?.budgetId, limit: 1_000_000n, granted: 1_000n, leaseGranted: 1_000n, endsAt: null }]);
		const again = await stand.store.enter(ask("root"));
		expect(again).toMatchObject({ kind: "entered", isOpened: false, leases: [] });
		expect(runOf(again).number).toBe(root?.run.number);
	});

	test("a child that states nothing adds no budget; one that states its own has both", async () => {
		await stand.store.enter(ask("tree"));
		const child = await stand.store.enter(ask("tree-a", { parent: "tree" }));
		const grown = await stand.store.register(registration("tree-b", { parent: "tree-a", limits: { steps: 5, costNanoUsd: "400" } }));
		expect(child.kind === "entered" && [child.leases, child.chain.map(({ budgets }) => budgets.length)]).toEqual([[], [1, 0]]);
		expect(grown.kind === "entered" && grown.chain.map(({ run, budgets }) => [run.runId, run.children, budgets.map(({ unit }) => unit)])).toEqual([
			["tree", 1, ["nano_usd"]],
			["tree-a", 1, []],
			["tree-b", 0, ["nano_usd", "steps"]],
		]);
		expect(runOf(grown)).toMatchObject({ origin: "registered", limits: { steps: { hard: { at: 5, action: "pause" } } } });
		expect(runOf(await stand.store.enter(ask("tree-b"))).path).toHaveLength(3);
	});

	test("a first lease stops at the limit and at the first line that degrades", async () => {
		const limits = {
			steps: 7,
			inputTokens: { soft: { at: 50, action: "degrade", degradeTo: { big: "small" } }, hard: 200 },
			outputTokens: { soft: { at: 9, action: "warn" } },
		};
		const opened = await stand.store.enter(ask("lines", { ...defaultsOf(limits), wants: ["120", "10"] }));
		expect(opened.kind === "entered" && opened.leases.map(({ leaseGranted }) => leaseGranted)).toEqual([50n, 7n]);
		expect(opened.kind === "entered" && opened.chain[0]?.budgets.map(({ unit, degrade }) => [unit, degrade])).toEqual([
			["input_tokens", [{ at: { amount: "50" }, degradeTo: { big: "small" } }]],
			["steps", null],
		]);
	});

	describe("what is refused names its field, and opens nothing", () => {
		beforeAll(async () => {
			await stand.store.enter(ask("theirs", { teamId: "bob", keyId: "key_bob" }));
			await stand.store.enter(ask("mine"));
			await stand.store.enter(ask("other"));
			await stand.store.enter(ask("below", { parent: "mine" }));
			await stand.store.enter(ask("deepest", { parent: "below" }));
			await stand.store.enter(ask("over"));
			await stand.store.decide(decision("over", { kind: "finish" }));
			await stand.store.enter(ask("held"));
			await stand.store.enter(ask("held-child", { parent: "held" }));
			const [held] = await stand.store.read([runOf(await stand.store.enter(ask("held"))).number]);
			if (held !== undefined) await stand.store.hold([holdOf(held.run)]);
			await stand.store.register(registration("narrow", { limits: { width: 0, steps: 10, toolCalls: { "*": 5, search: 2 } } }));
			await stand.store.register(registration("flat", { limits: { depth: 0 } }));
		});

		const long = "x".repeat(129);
		test.each([
			["no id", ask(""), "run.invalid", "x-tollgate-run"],
			["an id of too many characters", ask(long), "run.invalid", "x-tollgate-run"],
			["an id of other characters", ask("a b"), "run.invalid", "x-tollgate-run"],
			["a parent's id of other characters", ask("new", { parent: "a/b" }), "run.invalid", "x-tollgate-parent-run"],
			["an id of another team", ask("theirs"), "run.other_team", "x-tollgate-run"],
			["an id of another team, whatever its parent", ask("theirs", { parent: "theirs" }), "run.other_team", "x-tollgate-run"],
			["a finished run's id", ask("over"), "run.finished", "x-tollgate-run"],
			["an unknown parent", ask("new", { parent: "nobody" }), "run.unknown_parent", "x-tollgate-parent-run"],
			["a parent of another team", ask("new", { parent: "theirs" }), "run.other_team", "x-tollgate-parent-run"],
			["a parent that has ended", ask("new", { parent: "over" }), "run.finished", "x-tollgate-parent-run"],
			["itself as parent", ask("new", { parent: "new" }), "run.cycle", "x-tollgate-parent-run"],
			["itself as parent of a run that goes on", ask("mine", { parent: "mine" }), "run.cycle", "x-tollgate-parent-run"],
			["a run below it as parent", ask("mine", { parent: "deepest" }), "run.cycle", "x-tollgate-parent-run"],
			["a parent where there was none", ask("mine", { parent: "other" }), "run.parent_differs", "x-tollgate-parent-run"],
			["another parent than before", ask("below", { parent: "other" }), "run.parent_differs", "x-tollgate-parent-run"],
			["a parent that is paused", ask("new", { parent: "held" }), "run.paused", "x-tollgate-parent-run"],
			["a parent below one that is paused", ask("new", { parent: "held-child" }), "run.paused", "x-tollgate-parent-run"],
			["a tree too wide", ask("new", { parent: "narrow" }), "run.ceiling", "x-tollgate-parent-run"],
			["a tree too deep", ask("new", { parent: "flat" }), "run.ceiling", "x-tollgate-parent-run"],
			["more than 32 windows", ask("new", { otherWindows: 32 }), "budget.too_many_windows", "x-tollgate-run"],
			["more runs than the key may begin", ask("new", { newRunsPerHour: 1 }), "run.too_many", "x-tollgate-run"],
		])("%s", async (_title, asked, code, field) => {
			expect(await refused(() => stand.store.enter(asked))).toEqual({ code, fields: [field] });
		});

		test.each([
			["an id of other characters", registration("a,b"), "run.invalid", ["runId"]],
			["an unknown parent", registration("new", { parent: "nobody" }), "run.unknown_parent", ["parentRunId"]],
			["another parent than before", registration("below", { parent: "other" }), "run.parent_differs", ["parentRunId"]],
			["an id of another team", registration("theirs"), "run.other_team", ["runId"]],
			["what are no limits", registration("new", { limits: { stepz: 1, costNanoUsd: 5 } }), "run.invalid", ["limits.costNanoUsd", "limits.stepz"]],
			["contradictory limits", registration("new", { limits: { steps: { soft: 9, hard: 8 } } }), "run.invalid", ["limits.steps.soft.at"]],
			["other limits than the run has", registration("mine", { limits: { steps: 3 } }), "run.invalid", ["limits"]],
			[
				"limits above the parent's, each by its field",
				registration("new", { parent: "flat-parent", limits: { steps: 11, costNanoUsd: "1", toolCalls: { search: 3, other: 6 } } }),
				"run.invalid",
				["limits.steps.hard.at", "limits.toolCalls.other.hard.at", "limits.toolCalls.search.hard.at"],
			],
		])("registering with %s", async (_title, asked, code, fields) => {
			if (asked.parentRunId === "flat-parent") {
				await stand.store.register(registration("flat-parent", { limits: { steps: 10, toolCalls: { "*": 5, search: 2 } } }));
			}
			expect(await refused(() => stand.store.register(asked))).toEqual({ code, fields });
		});

		test("a parent that is paused is shown with what holds it", async () => {
			expect(await stand.store.enter(ask("new", { parent: "held-child" }))).toMatchObject({
				run: { runId: "held", version: "2", hold: { guard: "loop.repetition" } },
			});
		});

		test("a key that began too many is told when the oldest is an hour old", async () => {
			await stand.store.enter(ask("first", { keyId: "key_ada_2", newRunsPerHour: 1 }));
			await stand.age("first", 3_599_000);
			expect(await stand.store.enter(ask("second", { keyId: "key_ada_2", newRunsPerHour: 1 }))).toMatchObject({ code: "run.too_many", retryAfterSeconds: 1 });
			await stand.age("first", 1_001);
			expect(await stand.store.enter(ask("second", { keyId: "key_ada_2", newRunsPerHour: 1 }))).toMatchObject({ kind: "entered" });
		});
	});

	test("limits above those of a run further up are refused as well", async () => {
		await stand.store.register(registration("grandparent", { limits: { steps: 10 } }));
		await stand.store.register(registration("parent", { parent: "grandparent" }));
		expect(await refused(() => stand.store.register(registration("grandchild", { parent: "parent", limits: { steps: 11 } })))).toEqual({
			code: "run.invalid",
			fields: ["limits.steps.hard.at"],
		});
	});

	test("a registration is taken up again with the limits it named, or none, whatever was raised since", async () => {
		const asked = registration("again", { limits: { steps: 5 } });
		const { number } = runOf(await stand.store.register(asked));
		await stand.store.decide(decision("again", { kind: "raise", limits: { steps: 9 } }));
		for (const limits of [{ steps: 5 }, { steps: 9 }, {}]) {
			expect(await stand.store.register({ ...asked, limits })).toMatchObject({ kind: "entered", isOpened: false });
		}
		expect(runOf(await stand.store.enter(ask("again")))).toMatchObject({ number, limits: { steps: { hard: { at: 9, action: "pause" } } } });
	});

	test("a run is found by its team alone, and read by number", async () => {
		const { number } = runOf(await stand.store.enter(ask("found")));
		await stand.settle("found", { costNanoUsd: "7", inputTokens: 3, outputTokens: 2, steps: 1, outputBytes: 9, toolCalls: { search: 2 } });
		const found = await stand.store.find("ada", "found");
		expect(found?.totals).toEqual({ costNanoUsd: "7", inputTokens: 3, outputTokens: 2, steps: 1, outputBytes: 9, toolCalls: { search: 2 } });
		expect(await stand.store.find("bob", "found")).toBeUndefined();
		expect(await stand.store.find("ada", "lost")).toBeUndefined();
		expect((await stand.store.read(["999999", number])).map(({ run }) => run.runId)).toEqual(["found"]);
	});

	test("the memory that has seen the most is the newest", async () => {
		await stand.store.enter(ask("remembering"));
		await stand.remember("remembering", Uint8Array.of(1, 2, 3), 20);
		await stand.remember("remembering", Uint8Array.of(9), 8);
		const entered = await stand.store.enter(ask("remembering"));
		expect(entered.kind === "entered" && [...(entered.memory ?? [])]).toEqual([1, 2, 3]);
	});

	describe("without a header", () => {
		const begins = (prefix: string, isFirstCall: boolean) => anonymous({ kind: "begins_with", prefix, isFirstCall });
		const anonymous = (named: RunName) => ask("unused", { named, ...defaultsOf({ steps: 5 }), wants: ["1"] });
		const numberOf = async (named: ReturnType<typeof anonymous>): Promise<string> => runOf(await stand.store.enter(named)).number;

		test("a conversation goes on in its run, and one that begins the same later is a new one", async () => {
			const first = await numberOf(begins("00000000000000aa", true));
			await stand.settle((await idOf(first)) ?? "", { steps: 1 });
			expect(await numberOf(begins("00000000000000aa", true))).toBe(first); // its first call, sent again
			await stand.settle((await idOf(first)) ?? "", { steps: 1 });
			expect(await numberOf(begins("00000000000000aa", false))).toBe(first);
			const second = await numberOf(begins("00000000000000aa", true));
			expect(second).not.toBe(first);
			expect(await numberOf(begins("00000000000000aa", false))).toBe(second);
			expect(await numberOf(begins("00000000000000bb", false))).not.toBe(second);
		});

		test("a run that is held is not escaped by starting over, and another key's is not joined", async () => {
			const held = await numberOf(begins("00000000000000cc", true));
			await stand.settle((await idOf(held)) ?? "", { steps: 4 });
			const [record] = await stand.store.read([held]);
			if (record !== undefined) await stand.store.hold([holdOf(record.run)]);
			const again = runOf(await stand.store.enter(begins("00000000000000cc", true)));
			expect([again.number, again.state]).toEqual([held, "paused"]);
			expect(runOf(await stand.store.enter({ ...begins("00000000000000cc", true), keyId: "key_ada_2" })).number).not.toBe(held);
		});

		test("an answer's run is the one that received it; an answer of no run begins one, once", async () => {
			const { number, runId } = runOf(await stand.store.enter(ask("answered")));
			await stand.received(runId, "resp_1");
			expect(await numberOf(anonymous({ kind: "follows", answerId: "resp_1" }))).toBe(number);
			const theirs = { ...anonymous({ kind: "follows", answerId: "resp_1" }), teamId: "bob", keyId: "key_bob" };
			expect(await numberOf(theirs)).not.toBe(number);
			await stand.received(null, "resp_0");
			const begun = await numberOf(anonymous({ kind: "follows", answerId: "resp_0" }));
			expect(await numberOf(anonymous({ kind: "follows", answerId: "resp_0" }))).toBe(begun);
		});

		async function idOf(number: string): Promise<string | undefined> {
			return (await stand.store.read([number]))[0]?.run.runId;
		}
	});

	test("what was opened holds no clock of a caller: a run is as old as PostgreSQL says", async () => {
		await stand.store.enter(ask("old"));
		await stand.age("old", 5_000);
		const { openedMsAgo, pausedMs } = runOf(await stand.store.enter(ask("old")));
		expect(openedMsAgo).toBeGreaterThanOrEqual(5_000);
		expect(openedMsAgo).toBeLessThan(65_000);
		expect(pausedMs).toBe(0);
	});
});
