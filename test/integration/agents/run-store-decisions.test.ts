import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RunRecord } from "#domain/agents/run.ts";
import type { RunDecision } from "#domain/agents/run-decision.ts";
import { ask, decision, holdOf, openMemoryStand, openPostgresStand, type RunStand, refusalOf, registration, runOf } from "#test/support/run-stand.ts";

/** Holding and deciding, the same in PostgreSQL and in the memory that other tests stand on. */
describe.each([
	["in memory", openMemoryStand],
	["in PostgreSQL", openPostgresStand],
])("runs %s", (_, openStand) => {
	let stand: RunStand;
	beforeAll(async () => {
		stand = await openStand();
	});
	afterAll(() => stand.close());

	async function recordOf(runId: string): Promise<RunRecord> {
		const found = await stand.store.find("ada", runId);
		if (found === undefined) throw new Error(`there is no run ${runId}`);
		return found.run;
	}

	async function hold(runId: string, changes: Parameters<typeof holdOf>[1] = {}): Promise<RunRecord> {
		const [held] = await stand.store.hold([holdOf(await recordOf(runId), changes)]);
		if (held === undefined) throw new Error("nothing was held");
		return held;
	}

	const decide = (runId: string, kind: RunDecision["decision"], changes: Partial<RunDecision> = {}) => stand.store.decide(decision(runId, kind, changes));

	/** The refusal, after which all is as it was before. */
	async function refused(runId: string, kind: RunDecision["decision"], changes: Partial<RunDecision> = {}): Promise<ReturnType<typeof refusalOf>> {
		const before = await stand.rows();
		const refusal = refusalOf(await decide(runId, kind, changes));
		expect(await stand.rows()).toEqual(before);
		return refusal;
	}

	test("a run is held once, by whoever knew it as it was", async () => {
		const known = runOf(await stand.store.enter(ask("once")));
		const [held] = await stand.store.hold([holdOf(known)]);
		expect(held).toMatchObject({
			state: "paused",
			version: "2",
			hold: { guard: "loop.repetition", ofRunId: "once", pauseId: "pau_0123456789abcdef", askAgainMs: 900_000 },
		});
		const [again] = await stand.store.hold([holdOf(known, { guard: "loop.cycle" })]);
		expect(again).toMatchObject({ version: "2", hold: { guard: "loop.repetition" } });
		await decide("once", { kind: "resume" });
		const [late] = await stand.store.hold([holdOf(known)]);
		expect(late).toMatchObject({ state: "running", version: "3", hold: null, forgiven: 1 });
	});

	test("many are held together, and answered in the order asked", async () => {
		const runs = [];
		for (const runId of ["one", "two", "three"]) runs.push(runOf(await stand.store.enter(ask(runId))));
		const held = await stand.store.hold(runs.toReversed().map((run) => holdOf(run, { state: "stopped" })));
		expect(held.map(({ runId, state, hold }) => [runId, state, hold?.askAgainMs])).toEqual([
			["three", "stopped", null],
			["two", "stopped", null],
			["one", "stopped", null],
		]);
	});

	test("what repeated so far is forgiven with each resuming, after a stop too", async () => {
		await stand.store.enter(ask("forgiven"));
		await hold("forgiven");
		expect(runOf(await decide("forgiven", { kind: "resume" }))).toMatchObject({ state: "running", hold: null, forgiven: 1, version: "3" });
		await decide("forgiven", { kind: "stop" });
		expect(await recordOf("forgiven")).toMatchObject({
			state: "stopped",
			hold: { guard: "person", by: "eve", evidence: "looked at it", pauseId: null, askAgainMs: null },
		});
		expect(runOf(await decide("forgiven", { kind: "resume" }))).toMatchObject({ state: "running", forgiven: 2, version: "5" });
		expect(runOf(await decide("forgiven", { kind: "resume" }))).toMatchObject({ forgiven: 2, version: "5" }); // it goes on already
	});

	test("a pause that nobody answers becomes a stop, and nothing else does", async () => {
		await stand.store.enter(ask("expiring"));
		expect(runOf(await decide("expiring", { kind: "expire" }))).toMatchObject({ state: "running", version: "1" });
		await hold("expiring");
		expect(runOf(await decide("expiring", { kind: "expire" }))).toMatchObject({
			state: "stopped",
			version: "3",
			hold: { state: "stopped", guard: "loop.repetition", askAgainMs: null },
		});
		expect(runOf(await decide("expiring", { kind: "resume" }))).toMatchObject({ state: "running" });
	});

	test("finishing ends those below it, and no id comes back", async () => {
		await stand.store.enter(ask("end"));
		await stand.store.enter(ask("end-a", { parent: "end" }));
		await stand.store.enter(ask("end-b", { parent: "end-a" }));
		await stand.store.enter(ask("beside"));
		expect(await stand.store.finish({ teamId: "ada", runId: "end", by: "key key_ada" })).toMatchObject({
			kind: "decided",
			run: { state: "finished", version: "2" },
		});
		expect(await Promise.all(["end-a", "end-b", "beside"].map(async (runId) => (await recordOf(runId)).state))).toEqual(["finished", "finished", "running"]);
		expect(refusalOf(await stand.store.enter(ask("end-b")))).toEqual({ code: "run.finished", fields: ["x-tollgate-run"] });
		expect(await stand.store.finish({ teamId: "ada", runId: "end", by: "key key_ada" })).toMatchObject({ kind: "decided", run: { version: "2" } });
		for (const kind of ["resume", "stop", "expire", "raise", "approve"] as const) {
			const asked = kind === "raise" || kind === "approve" ? { kind, limits: { steps: 1 } } : { kind };
			expect(await refused("end-a", asked)).toEqual({ code: "run.finished", fields: ["runId"] });
		}
	});

	test("who decides by what he knew is told of what stands", async () => {
		await stand.store.enter(ask("known"));
		expect(await refused("known", { kind: "stop" }, { knownVersion: "2" })).toEqual({ code: "admin.conflict", fields: ["knownVersion"] });
		expect(await refused("nobody", { kind: "stop" })).toEqual({ code: "run.unknown", fields: ["runId"] });
		expect(await refused("known", { kind: "stop" }, { teamId: "bob" })).toEqual({ code: "run.unknown", fields: ["runId"] });
		expect(runOf(await decide("known", { kind: "stop" }, { knownVersion: "1", teamId: "ada" }))).toMatchObject({ state: "stopped" });
	});

	describe("a ceiling that holds", () => {
		const byCeiling = { guard: "ceiling.steps", measured: "10", threshold: "10" } as const;

		test("resuming is refused and says above what it must be raised", async () => {
			await stand.store.register(registration("capped", { limits: { steps: 10, outputBytes: 50, toolCalls: { "*": 3 } } }));
			await stand.settle("capped", { steps: 10, outputBytes: 80, toolCalls: { search: 3 } });
			await hold("capped", byCeiling);
			expect(await refused("capped", { kind: "resume" })).toEqual({ code: "admin.conflict", fields: ["limits.outputBytes.hard.at", "limits.steps.hard.at"] });
			const reply = await decide("capped", { kind: "resume" });
			expect(reply.kind === "refused" && reply.problems.map(({ problem }) => problem)).toEqual(
				expect.arrayContaining(["of the run capped holds it: raise it above 80", "of the run capped holds it: raise it above 10"]),
			);
			expect(await refused("capped", { kind: "approve", limits: { steps: 20 } })).toEqual({ code: "admin.conflict", fields: ["limits.outputBytes.hard.at"] });
			expect(runOf(await decide("capped", { kind: "approve", limits: { steps: 20, outputBytes: 81 } }))).toMatchObject({
				...{
					state: "running",
					forgiven: 1,
					limits: { steps: { hard: { at: 20, action: "pause" } }, outputBytes: { hard: { at: 81 } }, toolCalls: { "*": { hard: { at: 3 } } } },
				},
			});
		});

		test("one that the next call did not fit below holds although it is not reached", async () => {
			await stand.store.register(registration("near", { limits: { costNanoUsd: "1000" } }));
			await stand.settle("near", { costNanoUsd: "900" });
			await hold("near", { guard: "ceiling.costNanoUsd", measured: "900", threshold: "1000" });
			expect(await refused("near", { kind: "resume" })).toEqual({ code: "admin.conflict", fields: ["limits.costNanoUsd.hard.at"] });
			expect(runOf(await decide("near", { kind: "raise", limits: { costNanoUsd: "1001" } }))).toMatchObject({ state: "running", forgiven: 0 });
		});

		test("the clock runs on PostgreSQL and stands still while the run does", async () => {
			await stand.store.register(registration("timed", { limits: { elapsedMs: 60_000 } }));
			await stand.age("timed", 61_000);
			await hold("timed", { guard: "ceiling.elapsedMs", measured: "61000", threshold: "60000" });
			expect(await refused("timed", { kind: "resume" })).toEqual({ code: "admin.conflict", fields: ["limits.elapsedMs.hard.at"] });
			expect(runOf(await decide("timed", { kind: "approve", limits: { elapsedMs: 600_000 } }))).toMatchObject({ state: "running" });
		});

		test("raising it lets those go on that it held, and only those", async () => {
			await stand.store.register(registration("big", { limits: { steps: 10, outputBytes: 100 } }));
			for (const runId of ["big-a", "big-b", "big-c", "big-d", "big-e"]) await stand.store.enter(ask(runId, { parent: "big" }));
			await stand.settle("big-a", { steps: 10, outputBytes: 100 });
			await hold("big-a", { ...byCeiling, ofRunId: "big" });
			await hold("big-b", { ...byCeiling, ofRunId: "big", state: "stopped" });
			await hold("big-c", { guard: "ceiling.outputBytes", measured: "100", threshold: "100", ofRunId: "big" });
			await hold("big-d");
			await decide("big-e", { kind: "stop" });
			expect(runOf(await decide("big", { kind: "raise", limits: { steps: 11 } }))).toMatchObject({
				state: "running",
				version: "2",
				limits: { steps: { hard: { at: 11 } } },
			});
			expect(await Promise.all(["big-a", "big-b", "big-c", "big-d", "big-e"].map(async (runId) => (await recordOf(runId)).state))).toEqual([
				...["running", "running", "paused", "paused", "stopped"],
			]);
			expect(await recordOf("big-a")).toMatchObject({ hold: null, forgiven: 0 });
		});

		test("a gateway that held by a ceiling which was raised meanwhile holds nothing", async () => {
			await stand.store.register(registration("late", { limits: { steps: 10 } }));
			const known = runOf(await stand.store.enter(ask("late-a", { parent: "late" })));
			await decide("late", { kind: "raise", limits: { steps: 12 } });
			expect(await stand.store.hold([holdOf(known, { ...byCeiling, ofRunId: "late" })])).toMatchObject([{ state: "running", version: "1" }]);
			expect(await stand.store.hold([holdOf(known, { ...byCeiling, threshold: "12", measured: "12", ofRunId: "late" })])).toMatchObject([{ state: "paused" }]);
		});

		test("a child held by its parent's is told which run to raise", async () => {
			await stand.store.register(registration("above", { limits: { steps: 10 } }));
			await stand.store.enter(ask("above-a", { parent: "above" }));
			await hold("above-a", { ...byCeiling, ofRunId: "above" });
			const reply = await decide("above-a", { kind: "resume" });
			expect(reply).toMatchObject({
				kind: "refused",
				code: "admin.conflict",
				problems: [{ field: "limits.steps.hard.at", problem: "of the run above holds it: raise it above 10" }],
			});
			expect(await refused("above-a", { kind: "raise", limits: { steps: 20 } })).toEqual({ code: "run.invalid", fields: ["limits.steps.hard.at"] });
		});

		test("a child of a run that is held does not go on by itself", async () => {
			await stand.store.enter(ask("pair"));
			await stand.store.enter(ask("pair-a", { parent: "pair" }));
			await hold("pair-a");
			await hold("pair");
			expect(await refused("pair-a", { kind: "resume" })).toEqual({ code: "admin.conflict", fields: ["runId"] });
			await decide("pair", { kind: "resume" });
			expect((await recordOf("pair-a")).state).toBe("paused");
			expect(runOf(await decide("pair-a", { kind: "resume" }))).toMatchObject({ state: "running" });
		});
	});

	test("what cannot be raised is refused, each by its field", async () => {
		await stand.store.register(registration("outer", { limits: { steps: 10, outputTokens: 100 } }));
		await stand.store.register(registration("inner", { parent: "outer", limits: { steps: { soft: 4, hard: 8 }, toolCalls: { "*": 3 } } }));
		expect(await refused("inner", { kind: "raise", limits: {} })).toEqual({ code: "run.invalid", fields: ["limits"] });
		expect(await refused("inner", { kind: "raise", limits: { steps: 7, outputTokens: 200, toolCalls: { "*": 2, search: 1 } } })).toEqual({
			code: "run.invalid",
			fields: ["limits.outputTokens.hard.at", "limits.steps.hard.at", "limits.toolCalls.*.hard.at", "limits.toolCalls.search.hard.at"],
		});
		expect(await refused("inner", { kind: "raise", limits: { steps: 11 } })).toEqual({ code: "run.invalid", fields: ["limits.steps.hard.at"] });
		expect(await refused("inner", { kind: "raise", limits: { steps: { soft: 8 } } })).toEqual({ code: "run.invalid", fields: ["limits.steps.soft.at"] });
		expect(runOf(await decide("inner", { kind: "raise", limits: { steps: { soft: 6, hard: 10 } } })).limits).toMatchObject({
			steps: { soft: { at: 6, action: "warn" }, hard: { at: 10, action: "pause" } },
		});
	});

	test("a stop by a ceiling stays a stop when it is raised: only the amount changes", async () => {
		await stand.store.register(registration("stopping", { limits: { steps: { hard: { at: 5, action: "stop" } } } }));
		expect(runOf(await decide("stopping", { kind: "raise", limits: { steps: 6 } })).limits).toEqual({ steps: { hard: { at: 6, action: "stop" } } });
	});
});
