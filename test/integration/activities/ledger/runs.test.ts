import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createAdopter } from "#activities/ledger/adoption.ts";
import { lumpEpoch } from "#activities/ledger/end-epoch.ts";
import { openJournal } from "#activities/ledger/journal.ts";
import { attemptItem } from "#activities/ledger/ledger-row.ts";
import { sqlState } from "#activities/ledger/settle-chunk.ts";
import { createLedgerWriter } from "#activities/ledger/writer.ts";
import type { RunNote } from "#activities/runs/port.ts";
import { verifyLedger } from "#activities/verification/verify.ts";
import { registerGateway } from "#test/support/authority-rows.ts";
import { findBrokenLink } from "#test/support/ledger-chain.ts";
import { attemptRow } from "#test/support/ledger-records.ts";
import { RunLedger, type TestRun } from "#test/support/ledger-runs.ts";
import { TestLedger } from "#test/support/test-ledger.ts";

/** What chunks do for agent runs: windows in five units, parts, memories, warnings, totals. */
const WIDE = { nano_usd: 1_000_000n, input_tokens: 1_000_000n, output_tokens: 1_000_000n, steps: 1_000n };

let ledger: TestLedger;
let runs: RunLedger;
let opened = 0;
beforeAll(async () => {
	ledger = await TestLedger.open();
	runs = new RunLedger(ledger);
});
afterAll(async () => {
	await runs.close();
	await ledger.close();
});

/** A root with ceilings in four units, a child with one of its own, and a grandchild without. */
async function openFamily(): Promise<{ root: TestRun; child: TestRun; leaf: TestRun }> {
	opened += 1;
	const root = await runs.open(`root-${opened}`, WIDE);
	const child = await runs.open(`child-${opened}`, { nano_usd: 500_000n }, root);
	return { root, child, leaf: await runs.open(`leaf-${opened}`, {}, child) };
}

/** Overrun of an earlier test would stop the grants. */
async function newEpoch(): Promise<bigint> {
	await clearOverrun();
	await ledger.register();
	return BigInt((await ledger.sql<{ epoch: string }>("SELECT max(epoch) AS epoch FROM tollgate.gateway_epoch WHERE gateway_id = 'g1'"))[0]?.epoch ?? 0);
}

async function clearOverrun(): Promise<void> {
	const overrun = "(SELECT coalesce(sum(overrun), 0) FROM tollgate.lease WHERE window_id = $1)";
	await ledger.sql(`UPDATE tollgate.budget_window SET overrun_cleared = ${overrun} WHERE id = $1`, [ledger.windowId]);
}

async function partsOf(...family: readonly TestRun[]): Promise<Record<string, readonly unknown[]>> {
	const ids = family.map(({ id }) => id);
	return Object.fromEntries(Object.entries(await runs.parts()).filter(([name]) => ids.includes(name.split(" ")[0] ?? "")));
}

async function leases(run: TestRun, epoch: bigint, column = "posted"): Promise<Record<string, string>> {
	const rows = await ledger.sql<{ unit: string; amount: string }>(
		`SELECT b.unit || ' ' || b.dimension_value AS unit, l.${column} AS amount FROM tollgate.lease l JOIN tollgate.budget_window w ON w.id = l.window_id
		 JOIN tollgate.budget b ON b.id = w.budget_id WHERE l.gateway_id = 'g1' AND l.epoch = $1 AND b.dimension_value = ANY ($2)`,
		[epoch.toString(), run.path],
	);
	const names = new Map(run.path.map((number, depth) => [number, ["root", "child", "leaf"][depth]]));
	return Object.fromEntries(rows.map(({ unit, amount }) => [`${unit.split(" ")[0]} of ${names.get(unit.split(" ")[1] ?? "")}`, amount]));
}

describe("the parts of runs", () => {
	test("chunks that are repeated, regrouped, halved or overlap add each step once to its run and to all above it", async () => {
		await fc.assert(
			fc.asyncProperty(fc.array(fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 6 }), async (chunks) => {
				const epoch = await newEpoch();
				const { root, child, leaf } = await openFamily();
				const owner = (n: number): TestRun => [root, child, leaf][n % 3] ?? root;
				const step = (n: number) => runs.step(owner(n), { n, epoch, outcome: { toolCalls: { search: 1, [`tool-${n % 2}`]: 2 }, outputBytes: 10 } });
				for (const chunk of chunks) await runs.flush(chunk.map(step), [], { gatewayId: "g1", epoch });

				const steps = [...new Set(chunks.flat())];
				const expected = (run: TestRun): [string, readonly unknown[]][] => {
					const own = steps.filter((n) => owner(n).path.includes(run.number));
					const [all, even] = [own.length, own.filter((n) => n % 2 === 0).length];
					const tools = { search: all, ...(even > 0 && { "tool-0": 2 * even }), ...(all > even && { "tool-1": 2 * (all - even) }) };
					return all === 0 ? [] : [[`${run.id} g1/${epoch}`, [...[all, all * 200, all * 100, all * 50, all * 10].map(String), tools]]];
				};
				expect(await partsOf(root, child, leaf)).toEqual(Object.fromEntries([root, child, leaf].flatMap(expected)));
				expect(await findBrokenLink(ledger.client, "g1", epoch)).toBeUndefined();
			}),
			{ numRuns: 15 },
		);
	});

	test("each window is charged in its own unit; counting tokens is no step, and what nobody knows is charged as it was reserved", async () => {
		const epoch = await newEpoch();
		const { child, leaf } = await openFamily();
		await runs.settle(leaf, [
			{ n: 1, epoch },
			{ n: 2, epoch, reservation: { endpoint: "count_tokens", reservedOutputTokens: 0 }, outcome: { costNanoUsd: "0", costTokens: 30, costOutputTokens: 0 } },
			{ n: 3, epoch, outcome: { outcome: "unresolved", costNanoUsd: "1000" } },
		]);
		expect(await leases(leaf, epoch)).toEqual({
			"nano_usd of root": "1200",
			"nano_usd of child": "1200",
			"input_tokens of root": "230",
			"output_tokens of root": "100",
			"steps of root": "2",
		});
		expect((await partsOf(child, leaf))[`${leaf.id} g1/${epoch}`]).toEqual(["2", "1200", "230", "100", "0", {}]);
	});

	test("a row that is set aside keeps its run, at its reservation", async () => {
		const epoch = await newEpoch();
		const { leaf } = await openFamily();
		const writer = createLedgerWriter({ gatewayId: "g1", epoch, sql: runs.connection });
		await runs.grant(leaf, { nano_usd: 2_000n, input_tokens: 200n, output_tokens: 100n, steps: 2n }, { gatewayId: "g1", epoch });
		writer.enqueueAttempt(runs.row(leaf, { n: 1, epoch, outcome: { toolCalls: { search: 0.5 } } }));
		writer.enqueueAttempt(runs.row(leaf, { n: 2, epoch }));
		await writer.flush(10_000);
		await writer.close(1_000);
		expect((await partsOf(leaf))[`${leaf.id} g1/${epoch}`]).toEqual(["2", "1200", "200", "100", "0", {}]);
		expect(await ledger.sql("SELECT attempt_id, outcome FROM tollgate.attempt WHERE epoch = $1 ORDER BY 1", [epoch.toString()])).toEqual([
			{ attempt_id: `g1-${epoch}-1`, outcome: "quarantined" },
			{ attempt_id: `g1-${epoch}-2`, outcome: "settled" },
		]);
	});

	test("the replay of a journal makes them again, whatever of it was flushed before", async () => {
		const epoch = await newEpoch();
		const { root, leaf } = await openFamily();
		await runs.grant(leaf, { nano_usd: 3_000n, input_tokens: 300n, output_tokens: 150n, steps: 3n }, { gatewayId: "g1", epoch });
		const journal = await openJournal({
			folder: ledger.folder,
			gatewayId: "g1",
			epoch,
			bootId: `boot-${epoch}`,
			machineBootId: "an earlier boot",
			fsyncMode: "group",
		});
		for (const n of [1, 2, 3]) {
			const row = runs.row(leaf, { n, epoch, outcome: { toolCalls: { search: 1 }, outputBytes: 7 } });
			journal.append(row.reservation);
			if (n < 3) journal.append(row.outcome);
		}
		journal.close();
		await runs.flush([runs.step(leaf, { n: 1, epoch, outcome: { toolCalls: { search: 1 }, outputBytes: 7 } })], [], { gatewayId: "g1", epoch });
		const problems: unknown[] = [];
		const adopter = createAdopter({ sql: runs.connection, folder: path.join(ledger.folder), onProblem: (_, error) => problems.push(error) });
		expect(await adopter.adoptNow()).toMatchObject([{ epoch, closedHow: "adopted", replay: { flushed: 2, unresolved: 1 } }]);
		expect(problems).toEqual([]);
		const all = ["3", "1400", "300", "150", "14", { search: 2 }];
		expect(await partsOf(root, leaf)).toMatchObject({ [`${root.id} g1/${epoch}`]: all, [`${leaf.id} g1/${epoch}`]: all });
	});
});

describe("what a chunk says of runs and hears of them", () => {
	const note = (run: TestRun, fields: Partial<RunNote> = {}): RunNote => ({ number: run.number, exchanges: 1, verdicts: [], ...fields });
	const memoryOf = async (run: TestRun) =>
		(
			await ledger.sql<{ memory: string | null; exchanges: string }>(
				"SELECT encode(memory, 'escape') AS memory, exchanges FROM tollgate.run_part WHERE run_number = $1",
				[run.number],
			)
		)[0];
	const base64 = (text: string): string => Buffer.from(text).toString("base64");

	test("the reply tells what all gateways took of the runs of the chunk and of those above, and who else serves them", async () => {
		const epoch = await newEpoch();
		const { root, child, leaf } = await openFamily();
		const other = { gatewayId: "g2", epoch: await registerGateway(ledger.client, "g2") };
		const first = await runs.settle(leaf, [{ n: 1, epoch, outcome: { toolCalls: { search: 2 }, outputBytes: 9 } }]);
		expect(first.runs.map(({ number, othersServe }) => [number, othersServe])).toEqual(leaf.path.map((number) => [number, false]));
		const { runs: told } = await runs.settle(child, [{ n: 1, ...other, outcome: { toolCalls: { search: 1, read: 1 } } }]);
		const totals = { costNanoUsd: "400", inputTokens: 200, outputTokens: 100, steps: 2, outputBytes: 9, toolCalls: { search: 3, read: 1 } };
		expect(told).toEqual([
			{ number: root.number, othersServe: true, totals },
			{ number: child.number, othersServe: true, totals },
		]);
		// A gateway that is gone serves nobody.
		await ledger.sql("SELECT tollgate.adopt_epoch('g2', $1, 'drained')", [other.epoch.toString()]);
		expect((await runs.settle(leaf, [{ n: 2, epoch }])).runs.map(({ othersServe }) => othersServe)).toEqual([false, false, false]);
		expect((await runs.flush([], [], { gatewayId: "g1", epoch })).runs).toEqual([]);
	});

	test("a memory stands until one that has seen as much or more comes, with steps or without", async () => {
		const { leaf } = await openFamily();
		expect((await runs.flush([], [note(leaf, { memory: base64("four"), exchanges: 4 })])).runs).toMatchObject([{ number: leaf.number, totals: { steps: 0 } }]);
		await runs.flush([], [note(leaf, { memory: base64("three"), exchanges: 3 })]);
		expect(await memoryOf(leaf)).toEqual({ memory: "four", exchanges: "4" });
		await runs.flush([], [note(leaf, { memory: base64("four more"), exchanges: 4 })]);
		expect(await memoryOf(leaf)).toEqual({ memory: "four more", exchanges: "4" });
		await runs.flush([], [note(leaf, { exchanges: 9 })]);
		expect(await memoryOf(leaf)).toEqual({ memory: "four more", exchanges: "4" });
	});

	test("a warning is told once, whoever tells it how often", async () => {
		const { leaf } = await openFamily();
		const loop = { guard: "loop.cycle", severity: "warn", evidence: "a cycle\u0000 of 2", measured: 3, threshold: 3, atEvent: 12 } as const;
		const ceiling = {
			guard: "ceiling.toolCalls",
			tool: "search",
			severity: "warn",
			evidence: "the tool search was called 80 times",
			measured: 81n,
			threshold: 80n,
		} as const;
		const noted = note(leaf, { verdicts: [loop, ceiling] });
		await runs.flush([], [noted, noted]);
		await runs.flush([], [note(leaf, { verdicts: [ceiling, { ...loop, atEvent: 30 }] })]);
		const events = await ledger.sql(
			"SELECT event_key, kind, detail ->> 'measured' AS measured, is_told FROM tollgate.run_event WHERE run_number = $1 ORDER BY seq",
			[leaf.number],
		);
		expect(events).toEqual([
			{ event_key: `${leaf.number}/loop.cycle/12`, kind: "warned", measured: "3", is_told: false },
			{ event_key: `${leaf.number}/ceiling.toolCalls/search/80`, kind: "warned", measured: "81", is_told: false },
			{ event_key: `${leaf.number}/loop.cycle/30`, kind: "warned", measured: "3", is_told: false },
		]);
	});

	test("a note that cannot be stored is told, and holds up no money", async () => {
		const epoch = await newEpoch();
		const { leaf } = await openFamily();
		const reply = await runs.settle(leaf, [{ n: 1, epoch }], [note(leaf, { memory: "no base64 !" })]);
		expect(reply).toMatchObject({ inserted: 1, notesProblem: expect.stringContaining("base64") as unknown });
		expect((await partsOf(leaf))[`${leaf.id} g1/${epoch}`]).toEqual(["1", "200", "100", "50", "0", {}]);
		expect((await runs.settle(leaf, [{ n: 2, epoch }], [note(leaf)])).notesProblem).toBeNull();
	});
});

test("four gateways draw from a chain of three ceilings: no grant passes any of them, and all of the root is used", async () => {
	opened += 1;
	await clearOverrun();
	const root = await runs.open(`root-${opened}`, { steps: 100n, nano_usd: 1_000_000n });
	const child = await runs.open(`child-${opened}`, { steps: 60n }, root);
	const leaf = await runs.open(`leaf-${opened}`, { steps: 37n }, child);
	const beside = await runs.open(`beside-${opened}`, {}, root);
	const served: Record<string, number> = { [leaf.id]: 0, [beside.id]: 0 };
	const drawing = ["a", "b", "c", "d"].map(async (gatewayId, index) => {
		const own = new RunLedger(ledger);
		const epoch = await registerGateway(ledger.client, `chain-${gatewayId}`);
		for (let ask = 0; ask < 40; ask += 1) {
			const run = (ask + index) % 2 === 0 ? leaf : beside;
			for (;;) {
				try {
					if (await own.grant(run, { steps: 1n, nano_usd: 10n }, { gatewayId: `chain-${gatewayId}`, epoch })) served[run.id] = (served[run.id] ?? 0) + 1;
					break;
				} catch (error) {
					if (sqlState(error) !== "55P03") throw error; // a lock that was not given in time
				}
			}
		}
		await own.close();
	});
	await Promise.all(drawing);
	const [ofLeaf = 0, ofBeside = 0] = [served[leaf.id], served[beside.id]];
	expect(ofLeaf).toBeLessThanOrEqual(37);
	expect(ofLeaf + ofBeside).toBe(100);
	const granted = await ledger.sql<{ run: string; granted: string }>(
		"SELECT r.id AS run, w.granted FROM tollgate.budget b JOIN tollgate.budget_window w ON w.budget_id = b.id JOIN tollgate.run r ON r.number::text = b.dimension_value WHERE b.unit = 'steps' AND r.number = ANY ($1) ORDER BY r.number",
		[leaf.path],
	);
	expect(granted).toEqual([
		{ run: root.id, granted: "100" },
		{ run: child.id, granted: String(ofLeaf) },
		{ run: leaf.id, granted: String(ofLeaf) },
	]);
});

describe("an epoch that nobody can account for", () => {
	test("posts what is left in every unit; its amount is that of the team's own budget; a late step moves out and counts for its run", async () => {
		const epoch = await newEpoch();
		const { leaf } = await openFamily();
		await runs.grant(leaf, { nano_usd: 5_000n, input_tokens: 500n, output_tokens: 250n, steps: 5n }, { gatewayId: "g1", epoch });
		// A call without a run leaves less in the team's budget than in the run's: more than that no call can have cost.
		const plain = attemptRow(9, ledger.windowId, { reservation: { attemptId: `g1-${epoch}-9` } });
		await runs.flush([attemptItem(plain)], [], { gatewayId: "g1", epoch });
		const { lumps } = await lumpEpoch(runs.connection, { gatewayId: "g1", epoch }, { reason: "gateway_lost" });
		expect(lumps).toMatchObject([{ teamId: "demo", amountNanoUsd: 4_800n }]);
		expect(Object.keys(lumps[0]?.windows ?? {})).toHaveLength(6);
		await runs.flush([runs.step(leaf, { n: 1, epoch })], [], { gatewayId: "g1", epoch });
		expect(await leases(leaf, epoch)).toMatchObject({ "nano_usd of root": "5000", "steps of root": "5" });
		expect(await leases(leaf, epoch, "overrun")).toMatchObject({ "nano_usd of root": "0", "steps of root": "0" });
		expect((await partsOf(leaf))[`${leaf.id} g1/${epoch}`]).toEqual(["1", "200", "100", "50", "0", {}]);
	});

	test("of a team with nothing but runs is what those hold", async () => {
		const epoch = await newEpoch();
		await ledger.sql("INSERT INTO tollgate.team (id, is_unlimited) VALUES ('free', true)");
		const { root } = await openFamily();
		await ledger.sql("UPDATE tollgate.budget SET team_id = 'free' WHERE dimension_value = $1", [root.number]);
		const held = root.windows.map(({ windowId }, index) => [windowId, index === 0 ? 700 : 30] as const);
		for (const [windowId, amount] of held) {
			await ledger.sql("INSERT INTO tollgate.lease (gateway_id, epoch, window_id, granted) VALUES ('g1', $1, $2, $3)", [epoch.toString(), windowId, amount]);
		}
		const { lumps } = await lumpEpoch(runs.connection, { gatewayId: "g1", epoch }, { reason: "gateway_lost" });
		expect(lumps).toMatchObject([{ teamId: "free", amountNanoUsd: 700n, windows: Object.fromEntries(held.map(([id, amount]) => [id, String(amount)])) }]);
	});
});

test("an unknown cost that becomes known moves every unit and every run of the chain, and may be corrected again", async () => {
	const own = await TestLedger.open();
	const books = new RunLedger(own);
	try {
		const root = await books.open("root", WIDE);
		const leaf = await books.open("leaf", { output_tokens: 1_000n }, root);
		await books.settle(leaf, [{ n: 1 }, { n: 2, outcome: { outcome: "unresolved", costNanoUsd: "1000" } }]);
		const posted = async () =>
			Object.fromEntries(
				(
					await own.sql<{ name: string; posted: string }>(
						"SELECT concat_ws(' ', b.unit, r.id) AS name, sum(l.posted) AS posted FROM tollgate.lease l JOIN tollgate.budget_window w ON w.id = l.window_id JOIN tollgate.budget b ON b.id = w.budget_id LEFT JOIN tollgate.run r ON r.number::text = b.dimension_value GROUP BY 1",
					)
				).map(({ name, posted }) => [name, posted]),
			);
		await own.sql("SELECT tollgate.adjust_attempt('g1-1-2', 300, 90, 'provider log line 2', 'ada', 20)");
		expect(await posted()).toEqual({
			nano_usd: "500",
			"nano_usd root": "500",
			"input_tokens root": "170",
			"output_tokens root": "70",
			"steps root": "2",
			"output_tokens leaf": "70",
		});
		expect((await books.parts())["root verify/1"]).toEqual(["0", "-700", "-30", "-30", "0", {}]);
		await own.sql("SELECT tollgate.adjust_attempt('g1-1-2', 0, 0, 'not in the provider log', 'ada')");
		expect(await posted()).toMatchObject({ nano_usd: "200", "input_tokens root": "100", "output_tokens leaf": "50", "steps root": "2" });
		expect((await books.parts())["leaf verify/1"]).toEqual(["0", "-1000", "-100", "-50", "0", {}]);
		await own.fallSilent();
		expect((await verifyLedger({ databaseUrl: own.database.url })).findings).toEqual([]);
	} finally {
		await books.close();
		await own.close();
	}
});
