import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createAgentRunActivities } from "#activities/agent-runs/activities.ts";
import { alertRuns, createPostgresRunGovernance, createPostgresUntoldRuns } from "#activities/agent-runs/postgres.ts";
import { endAlerts } from "#activities/alerts/sources.ts";
import { Connection } from "#activities/database/connection.ts";
import { RunRows } from "#test/support/governed-run-rows.ts";

/** What workflows of runs are told, what people are shown, and the alerts about runs: migrations/0022. */
let rows: Awaited<ReturnType<typeof RunRows.open>>;

beforeEach(async () => {
	rows = await RunRows.open();
});
afterEach(async () => {
	await rows.close();
	await rows.database.close();
});

const untold = () => createPostgresUntoldRuns(rows.ask);
const governance = () => createPostgresRunGovernance(rows.ask);
const due = async (limit = 50, except: string[] = [], moved: string[] = []) => await untold().due({ limit, starts: limit, except, moved });
const namesOf = (runs: readonly { snapshot: { run: { runId: string } } }[]) => runs.map(({ snapshot }) => snapshot.run.runId);

describe("what is to be told", () => {
	test("held runs come first, then registered, then warned ones; of a run nobody looks at nothing is told", async () => {
		await rows.run("quiet");
		await rows.run("warned");
		await rows.warn("warned");
		await rows.run("registered", { origin: "registered" });
		await rows.run("held");
		await rows.hold("held");
		expect(namesOf(await due())).toEqual(["held", "registered", "warned"]);
		expect(namesOf(await due(1))).toEqual(["held"]);
	});

	test("once: in its version, with its events, and again when either changes; from then on it is followed", async () => {
		await rows.run("r-1");
		await rows.warn("r-1");
		const [first] = await due();
		expect(first).toMatchObject({ isNew: true, version: "1" });
		expect(first?.untoldEvents).toHaveLength(1);
		await untold().recordTold(first === undefined ? [] : [first]);
		expect(await due()).toEqual([]);
		await rows.hold("r-1");
		const [second] = await due();
		expect(second).toMatchObject({ isNew: false, version: "2", snapshot: { run: { state: "paused", hold: { guard: "loop.repetition" } } } });
		await rows.decide("r-1", { kind: "resume" });
		await untold().recordTold(second === undefined ? [] : [second]);
		expect(await due()).toMatchObject([{ version: "3", snapshot: { run: { state: "running" } } }]);
	});

	test("neither runs without a workflow nor those with one wait behind many of the other", async () => {
		await rows.many("known-", 5, { origin: "registered" });
		await untold().recordTold(await due());
		await rows.many("new-", 30, { origin: "registered" });
		for (let n = 0; n < 5; n++) await rows.hold(`known-${n}`);
		for (let n = 0; n < 30; n += 10) await rows.hold(`new-${n}`);
		expect(namesOf(await untold().due({ limit: 3, starts: 4, except: [], moved: [] }))).toEqual([
			...["known-0", "known-1", "known-2", "new-0", "new-10", "new-20"],
			"new-1",
		]);
	});

	test("not of those told a moment ago", async () => {
		const number = await rows.run("r-1", { origin: "registered" });
		expect(await due(50, [number])).toEqual([]);
	});

	test("a run that ended before anybody was told gets no workflow, one that was told is told of its end", async () => {
		await rows.run("short", { origin: "registered" });
		await rows.run("warned");
		await rows.warn("warned");
		for (const runId of ["short", "warned"]) await rows.decide(runId, { kind: "finish" });
		expect(await due()).toEqual([]);
		await rows.run("told", { origin: "registered" });
		await untold().recordTold(await due());
		await rows.decide("told", { kind: "finish" });
		expect(await due()).toMatchObject([{ snapshot: { run: { runId: "told", state: "finished" } } }]);
		const [left] = await rows.sql<{ left: string }>(
			"SELECT count(*) AS left FROM tollgate.run_event WHERE NOT is_told AND kind <> 'opened' AND run_number <> (SELECT number FROM tollgate.run WHERE id = 'told')",
		);
		expect(left?.left).toBe("0");
	});

	test("of governed runs that took steps, and of those above them; not of others", async () => {
		const root = await rows.run("root", { origin: "registered" });
		await rows.run("child", { parent: "root" });
		await untold().recordTold(await due());
		await rows.step("child", "30");
		// Monotonic clocks tell fractions.
		expect(await untold().movedWithin(60_000.25)).toEqual([root]);
		expect(await untold().movedWithin(-60_000)).toEqual([]);
		expect(await due(50, [], [root])).toMatchObject([{ isNew: false, snapshot: { totals: { costNanoUsd: "30", steps: 1 }, steps: [] } }]);
	});

	test("is asked for by one process at a time", async () => {
		const other = new Connection({ url: rows.url, applicationName: "other" });
		const source = createPostgresUntoldRuns((name, text, values) => other.query(name, text, values));
		expect([await untold().tryLock(), await source.tryLock(), await untold().tryLock()]).toEqual([true, false, true]);
		await other.close();
	});
});

test("a snapshot shows the chain's ceilings, the last steps and what happened, oldest first", async () => {
	await rows.run("root", { limits: { costNanoUsd: { hard: { at: "1000", action: "pause" } } } });
	await rows.run("child", { parent: "root", limits: { steps: { hard: { at: 30, action: "pause" } } } });
	for (let n = 1; n <= 25; n++) await rows.step("child", String(n));
	await rows.hold("child", { guard: "ceiling.costNanoUsd", ofRunId: "root", measured: "990", threshold: "1000" });
	const snapshot = await governance().snapshot("child");
	expect(snapshot).toMatchObject({
		rootRunId: "root",
		parentRunId: "root",
		run: { state: "paused", hold: { ofRunId: "root" }, version: "2" },
		totals: { steps: 25, costNanoUsd: "325" },
		ceilings: [
			{ ofRunId: "child", kind: "steps", at: "30", taken: "25" },
			{ ofRunId: "root", kind: "costNanoUsd", at: "1000", taken: "325" },
		],
	});
	expect(snapshot?.steps.map(({ requestId }) => requestId)).toEqual(Array.from({ length: 20 }, (_, n) => `req_${n + 6}`));
	expect(snapshot?.events.map(({ kind }) => kind)).toEqual(["opened", "paused"]);
	expect(snapshot?.heldAtMs).toBeGreaterThanOrEqual(snapshot?.openedAtMs ?? Number.POSITIVE_INFINITY);
	expect(await governance().snapshot("nobody")).toBeUndefined();
});

test("a list is by team and state, the newest first, page by page", async () => {
	await rows.sql("INSERT INTO tollgate.team (id, is_unlimited) VALUES ('other', true)");
	await rows.many("a", 3);
	await rows.many("b", 2, { teamId: "other" });
	await rows.step("a1", "7");
	await rows.hold("a0");
	await rows.hold("b1");
	const list = async (filter: object) => (await governance().list({ limit: 10, ...filter })).map(({ runId }) => runId);
	expect(await list({})).toEqual(["b1", "b0", "a2", "a1", "a0"]);
	expect(await list({ teamId: "search" })).toEqual(["a2", "a1", "a0"]);
	expect(await list({ teamId: "search", state: "running" })).toEqual(["a2", "a1"]);
	expect(await list({ state: "paused" })).toEqual(["b1", "a0"]);
	expect(await list({ state: "running" })).toEqual(["b0", "a2", "a1"]);
	const page = await governance().list({ limit: 2 });
	expect(page.map(({ runId }) => runId)).toEqual(["b1", "b0"]);
	expect(await list({ before: page[1]?.number })).toEqual(["a2", "a1", "a0"]);
	expect((await governance().list({ limit: 10, teamId: "search" }))[1]).toMatchObject({ runId: "a1", costNanoUsd: "7", steps: 1, hold: null });
});

describe("alerts", () => {
	type AlertRow = { kind: string; subject: string; severity: string; state: string; detail: Record<string, unknown> };
	const alerts = () =>
		rows.sql<AlertRow>(
			`SELECT kind, subject, severity, detail, CASE WHEN NOT is_firing THEN CASE WHEN detail ->> 'resolves' = '' THEN 'notice' ELSE 'end' END WHEN resolved_at IS NULL THEN 'fires' ELSE 'ended' END AS state
			 FROM tollgate.alert ORDER BY seq`,
		);
	const states = async () => (await alerts()).map(({ kind, subject, state }) => `${kind} ${subject} ${state}`);
	const watch = () => alertRuns(rows.ask);

	test("a pause fires once and is over when the run goes on; a new one fires again", async () => {
		await rows.run("r-1");
		expect(await watch()).toBe(0);
		await rows.hold("r-1");
		expect([await watch(), await watch()]).toEqual([1, 0]);
		expect(await alerts()).toMatchObject([{ kind: "run.paused", subject: "run/r-1", severity: "warning", detail: { runId: "r-1", guard: "loop.repetition" } }]);
		await rows.decide("r-1", { kind: "resume" });
		expect([await watch(), await watch()]).toEqual([1, 0]);
		await rows.hold("r-1");
		await watch();
		expect(await states()).toEqual(["run.paused run/r-1 ended", "run.paused run/r-1 end", "run.paused run/r-1 fires"]);
	});

	test("runs that meet the ceiling of one root are one alert, which ends with the last of them", async () => {
		await rows.run("root", { limits: { costNanoUsd: { hard: { at: "1000", action: "pause" } } } });
		for (const runId of ["a", "b", "c"]) {
			await rows.run(runId, { parent: "root" });
			await rows.hold(runId, { guard: "ceiling.costNanoUsd", ofRunId: "root", measured: "990", threshold: "1000" });
		}
		expect(await watch()).toBe(1);
		await rows.decide("a", { kind: "finish" });
		expect(await watch()).toBe(0);
		await rows.decide("root", { kind: "raise", limits: { costNanoUsd: { hard: { at: "5000", action: "pause" } } } });
		expect(await watch()).toBe(1);
		expect(await states()).toEqual(["run.paused run/root ended", "run.paused run/root end"]);
	});

	test("a stop by a guard fires for a week at most, an expired pause becomes one, a person's stop is only told", async () => {
		await rows.run("loop");
		await rows.hold("loop", { state: "stopped" });
		await rows.run("late");
		await rows.hold("late");
		await watch();
		await rows.decide("late", { kind: "expire" }, "tollgate");
		await rows.run("mine");
		await rows.decide("mine", { kind: "stop" });
		await watch();
		expect(await states()).toEqual([
			"run.stopped run/loop fires",
			"run.paused run/late ended",
			"run.stopped run/late fires",
			"run.stopped run/mine notice",
			"run.paused run/late end",
		]);
		expect((await alerts())[3]).toMatchObject({ severity: "info", detail: { guard: "person", by: "ann" } });
		await rows.sql("UPDATE tollgate.alert SET ends_at = now() WHERE subject = 'run/loop'");
		const connection = new Connection({ url: rows.url, applicationName: "test" });
		expect([await endAlerts(connection), await watch()]).toEqual([1, 0]);
		await connection.close();
		await rows.decide("late", { kind: "resume" });
		expect([await watch(), (await states()).at(-1)]).toEqual([1, "run.stopped run/late end"]);
	});

	test("a warning is told once for each guard of a run, and ends nothing", async () => {
		await rows.run("r-1");
		await rows.hold("r-1");
		for (const guard of ["loop.cycle", "loop.cycle", "ceiling.steps"]) await rows.warn("r-1", guard);
		expect(await watch()).toBe(3);
		expect((await alerts()).map(({ kind, state, detail }) => `${kind} ${state} ${String(detail["guard"])}`)).toEqual([
			"run.paused fires loop.repetition",
			"run.warned notice loop.cycle",
			"run.warned notice ceiling.steps",
		]);
	});

	test("reminders of a pause are told once each, for a tree once, and of a run that goes on not at all", async () => {
		await rows.run("root");
		for (const runId of ["a", "b"]) {
			await rows.run(runId, { parent: "root" });
			await rows.hold(runId, { guard: "ceiling.steps", ofRunId: "root", measured: "5", threshold: "5" });
		}
		await watch();
		const remind = (runId: string, reminder: number) => createAgentRunActivities(governance()).remindRun({ runId, reminder });
		expect([await remind("a", 1), await remind("a", 1), await remind("b", 1), await remind("b", 2)]).toEqual([true, false, false, true]);
		expect(await states()).toEqual(["run.paused run/root fires", "run.paused run/root notice", "run.paused run/root notice"]);
		for (const runId of ["a", "b"]) await rows.decide(runId, { kind: "finish" });
		await watch();
		expect(await remind("a", 3)).toBe(false);
	});

	test("several workers at once make each alert once", async () => {
		await rows.many("r", 30);
		for (let n = 0; n < 30; n++) await rows.hold(`r${n}`);
		const workers = Array.from({ length: 4 }, () => new Connection({ url: rows.url, applicationName: "worker" }));
		const made = await Promise.all(
			workers.map(async (connection) => {
				let sum = 0;
				for (let look = 0; look < 5; look++) sum += await alertRuns((name, text, values) => connection.query(name, text, values));
				return sum;
			}),
		);
		await Promise.all(workers.map((connection) => connection.close()));
		expect(made.reduce((sum, count) => sum + count, 0)).toBe(30);
		expect(new Set(await states()).size).toBe(30);
	});
});

describe("a decision of a workflow", () => {
	const decide = (runId: string, knownVersion: string, decision: object, reason = "it is fine") =>
		createAgentRunActivities(governance()).decideRun({ runId, teamId: "search", by: "ann", reason, knownVersion, decision: decision as never });

	test("is carried out once: the same again after a lost answer is the same decision, another one on that version is refused", async () => {
		await rows.run("r-1");
		await rows.hold("r-1");
		const first = await decide("r-1", "2", { kind: "resume" });
		expect(first).toMatchObject({ kind: "decided", version: "3", snapshot: { run: { state: "running" } } });
		expect(await decide("r-1", "2", { kind: "resume" })).toMatchObject({ kind: "decided", version: "3" });
		expect(await decide("r-1", "2", { kind: "stop" }, "no")).toMatchObject({
			kind: "refused",
			code: "admin.conflict",
			problems: [{ field: "knownVersion" }],
			snapshot: { run: { version: "3" } },
		});
	});

	test("that a ceiling stands against is refused and names the amount; approved, it goes on", async () => {
		await rows.run("r-1", { limits: { steps: { hard: { at: 5, action: "pause" } } } });
		await rows.hold("r-1", { guard: "ceiling.steps", measured: "5", threshold: "5" });
		expect(await decide("r-1", "2", { kind: "resume" })).toMatchObject({
			kind: "refused",
			code: "admin.conflict",
			problems: [{ field: "limits.steps.hard.at", problem: "of the run r-1 holds it: raise it above 5" }],
		});
		const limits = { steps: { hard: { at: 9, action: "pause" } } };
		const approved = { kind: "decided", version: "4", snapshot: { run: { state: "running", limits } } };
		expect(await decide("r-1", "2", { kind: "approve", limits })).toMatchObject(approved);
		expect(await decide("r-1", "2", { kind: "approve", limits })).toMatchObject(approved);
	});
});
