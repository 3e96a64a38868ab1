import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { archiveMonth } from "#activities/ledger/archive.ts";
import { attemptItem } from "#activities/ledger/ledger-row.ts";
import { verifyLedger } from "#activities/verification/verify.ts";
import { RunLedger, type TestRun } from "#test/support/ledger-runs.ts";
import { openPastMonth } from "#test/support/past-month.ts";
import { TestLedger } from "#test/support/test-ledger.ts";

/** What verify says of agent runs: nothing of right ones, and the row of each mistake. */
let ledger: TestLedger;
let runs: RunLedger;
let root: TestRun;
let leaf: TestRun;
beforeEach(async () => {
	ledger = await TestLedger.open();
	runs = new RunLedger(ledger);
	root = await runs.open("root", { nano_usd: 100_000n, steps: 4n });
	leaf = await runs.open("leaf", { output_tokens: 10_000n }, root);
	await runs.settle(root, [{ n: 1 }]);
	await runs.settle(leaf, [{ n: 2, outcome: { toolCalls: { search: 2 }, outputBytes: 80 } }]);
});
afterEach(async () => {
	await runs.close();
	await ledger.close();
});

async function found(): Promise<string[]> {
	await ledger.fallSilent();
	return (await verifyLedger({ databaseUrl: ledger.database.url })).findings.map(({ kind, row, message }) => `${kind} ${row}: ${message}`);
}

const without = (run: TestRun, unit: string): TestRun => ({ ...run, windows: run.windows.filter((window) => window.unit !== unit) });

test("runs that were kept to the rules are no finding, with overrun, after their gateway ended, and where only a memory stands", async () => {
	await runs.settle(leaf, [{ n: 3, outcome: { costNanoUsd: "1000" } }]);
	await runs.flush([runs.step(root, { n: 4, outcome: { costNanoUsd: "5000", overrunNanoUsd: "5000" } })]); // nothing was granted for it
	const quiet = await runs.open("quiet", {}, root);
	await runs.flush([], [{ number: quiet.number, memory: "AAAA", exchanges: 1, verdicts: [] }]);
	expect(await found()).toEqual([]);
	await ledger.drain();
	expect(await found()).toEqual([]);
});

describe("a call of a run", () => {
	test("that was not reserved in a budget of a run above it is found", async () => {
		await runs.settle(without(leaf, "steps"), [{ n: 3 }]);
		expect(await found()).toEqual([expect.stringMatching(/^run attempt g1-1-3: was not reserved in budget \d+ of the chain of run leaf$/)]);
	});

	test("that names another chain than its run's is found", async () => {
		await runs.settle(leaf, [{ n: 3, reservation: { runIds: [leaf.number] } }]);
		expect(await found()).toEqual([`run attempt g1-1-3: is of the runs {${leaf.number}}; the chain of run leaf is {${leaf.path.join()}}`]);
	});

	test("of a run that does not exist, or of another team's, is found", async () => {
		await runs.settle(without(without(root, "steps"), "nano_usd"), [{ n: 3, reservation: { runIds: ["999"] } }]);
		await runs.settle(root, [{ n: 4, reservation: { teamId: "other" } }]);
		expect(await found()).toEqual([
			"run attempt g1-1-3: is of run {999}, which does not exist",
			"run attempt g1-1-4: is of team other, its run root of team demo",
		]);
	});

	test("that was reserved in another run's budgets, or is of no run and stands in one's, is found", async () => {
		const other = await runs.open("other", { steps: 10n });
		await runs.settle(root, [{ n: 3, reservation: { runIds: other.path } }]);
		const { runIds: _, ...reservation } = runs.row(root, { n: 4 }).reservation;
		await runs.grant(root, { nano_usd: 1_000n, steps: 1n });
		await runs.flush([attemptItem({ reservation, outcome: runs.row(root, { n: 4 }).outcome })]);
		expect(await found()).toEqual([
			expect.stringMatching(/^run attempt g1-1-3: was not reserved in budget \d+ of the chain of run other$/),
			expect.stringMatching(/^run attempt g1-1-4: was reserved in budgets of runs \([\d, ]+\), and is of no run$/),
		]);
	});
});

test("a tree that took more than its root ever allowed is found, although no window says so", async () => {
	for (const n of [3, 4]) await runs.settle(root, [{ n }]);
	expect(await found()).toEqual([]);
	await runs.settle(without(leaf, "steps"), [{ n: 5 }]);
	const [stray, above, ...others] = await found();
	expect(stray).toContain("run attempt g1-1-5: was not reserved");
	expect(above).toBe("run run root: its calls and those below it took 5 steps; it was never allowed more than 4, and 0 beyond that is accounted for");
	expect(others).toEqual([]);
	await ledger.sql("UPDATE tollgate.budget SET limit_amount = 5, revision = revision + 1 WHERE unit = 'steps'");
	await ledger.sql("SELECT tollgate.apply_limits(w.id) FROM tollgate.budget_window w JOIN tollgate.budget b ON b.id = w.budget_id WHERE b.unit = 'steps'");
	expect(await found()).toEqual([stray]);
});

describe("a part that is not the sum of its calls is found", () => {
	test.each([
		["steps", "steps = steps + 1"],
		["cost", "cost_nano_usd = cost_nano_usd - 1"],
		["input tokens", "input_tokens = 0"],
		["output tokens", "output_tokens = output_tokens + 1"],
		["bytes", "output_bytes = 79"],
		["calls of a tool", `tool_calls = '{"search": 3}'`],
	])("%s", async (_name, edit) => {
		await ledger.sql(`UPDATE tollgate.run_part SET ${edit} WHERE run_number = $1`, [leaf.number]);
		expect(await found()).toEqual([expect.stringMatching(`^counter run_part ${leaf.number} g1/1: stands at \\(`)]);
	});

	test("one that is gone, and one of calls nobody made", async () => {
		await ledger.sql("DELETE FROM tollgate.run_part WHERE run_number = $1", [leaf.number]);
		await ledger.sql("INSERT INTO tollgate.run_part (run_number, gateway_id, epoch, steps) VALUES ($1, 'g9', 1, 1)", [root.number]);
		expect((await found()).map((finding) => finding.split(":")[0])).toEqual([`counter run_part ${root.number} g9/1`, `counter run_part ${leaf.number} g1/1`]);
	});
});

describe("a run that is held", () => {
	/** The gateway flushed, and so heard of what had changed, 40 s ago. */
	async function heard(ago = "40 seconds"): Promise<void> {
		await ledger.sql("UPDATE tollgate.chunk SET at = clock_timestamp() - $1::interval", [ago]);
	}

	const now = (before = 0) => ({ reservedAtMs: Date.now() - before });

	test("and goes on through a gateway that had heard of it is found, the runs below it too", async () => {
		await runs.event(root, "paused", "60 seconds");
		await heard();
		await runs.settle(leaf, [{ n: 3, reservation: now() }]);
		expect(await found()).toEqual([
			expect.stringMatching(/^run attempt g1-1-3: was reserved (59|60|61) s after run root was paused at .*, by a gateway that had heard of it$/),
		]);
	});

	test("stands still for what began before, in its first ten seconds, by a gateway that had heard nothing, and once it was resumed", async () => {
		await runs.event(root, "paused", "60 seconds");
		await heard("2 minutes");
		await runs.settle(leaf, [{ n: 3, reservation: now() }]);
		expect(await found()).toEqual([]);
		await heard();
		await ledger.sql("UPDATE tollgate.run_event SET at = clock_timestamp() - interval '5 seconds'");
		expect(await found()).toEqual([]);
		await ledger.sql("UPDATE tollgate.run_event SET at = clock_timestamp() - interval '60 seconds'");
		await runs.event(root, "resumed", "30 seconds");
		expect(await found()).toEqual([]);
	});
});

test("a month that was archived goes on counting for the parts, the windows and the ceilings of its runs", async () => {
	const past = await openPastMonth(ledger);
	await ledger.passTime(past.back);
	await runs.settle(leaf, [{ n: 3 }]);
	await ledger.sql("SELECT tollgate.anchor_chains()");
	expect(await found()).toEqual([]);
	const content = await archiveMonth({ databaseUrl: ledger.database.url, month: past.month, file: `${ledger.folder}/month.jsonl`, adminName: "ada" });
	expect(content.entries).toBe(2);
	expect(await found()).toEqual([]);
	await ledger.sql("UPDATE tollgate.archived_part SET steps = steps + 1 WHERE run_number = $1", [leaf.number]);
	expect(await found()).toEqual([expect.stringContaining(`counter run_part ${leaf.number} g1/1`)]);
});
