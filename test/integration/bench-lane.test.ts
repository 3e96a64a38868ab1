import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { Pacer } from "../../bench/driver/pacer.ts";
import { runWindow } from "../../bench/driver/window.ts";
import { judgeLane } from "../../bench/judge/lane-verdict.ts";
import { probeLane, requestBody } from "../../bench/lanes/probe.ts";
import { portOf, startGateway } from "../../bench/lanes/start-lanes.ts";
import { fillStore, prepareTemplate, withClient } from "../../bench/lanes/store.ts";
import { coresOf } from "../../bench/machine/cpu.ts";
import { Processes } from "../../bench/machine/processes.ts";
import { LaneServer } from "../../bench/provider/lane-server.ts";

const folder = mkdtempSync(path.join(tmpdir(), "bench-lane-"));
const callLog = path.join(folder, "calls.jsonl");
const provider = new LaneServer(callLog);
const pacer = new Pacer();
const processes = new Processes(folder);
let database: TestDatabase;

beforeAll(async () => {
	database = await createTestDatabase();
	await prepareTemplate(database.url);
	await new Promise<void>((resolve) => provider.server.listen(0, "127.0.0.1", resolve));
});

afterAll(async () => {
	await processes.endAll();
	await Promise.all([pacer.close(), provider.close(), database.close()]);
	rmSync(folder, { recursive: true, force: true });
});

// The bench pins its processes with taskset, which is Linux's.
test.skipIf(process.platform !== "linux")(
	"a lane of ours counts when the books hold every call, and is void when a call, a budget or an answer is missing",
	async () => {
		const databaseUrl = database.url;
		const secrets = await fillStore(databaseUrl, { budgets: 8, callingTeams: 2, otherTeams: 20, otherKeys: 40 });
		const { child, report } = await startGateway(
			{ processes, folder },
			{ name: "lane", databaseUrl, providerPort: (provider.server.address() as AddressInfo).port },
		);
		expect(coresOf(child.pid ?? 0)).toEqual(["0"]);
		const endpoint = { port: portOf(report), path: "/v1/chat/completions", authorizations: secrets.map((secret) => `Bearer ${secret}`), headers: {} };
		const answer = await probeLane({ kind: "ours", endpoint }, false);
		const target = { ...endpoint, requestBody: requestBody(256, false), answer };
		const result = await runWindow({ target, isStream: false, firstCall: 1, durationMs: 300, connections: 32, ratePerSecond: 200 }, pacer);
		expect([result.right, result.wrong, result.failed]).toEqual([result.sent, 0, 0]);

		const lane = { databaseUrl, chargedWindows: 16 };
		const tally = { sent: result.sent, right: result.right, wrong: 0, failed: 0, failures: {} };
		expect(await judgeLane(lane, tally, callLog)).toEqual({ voidBecause: [], calls: result.sent, billed: result.sent, entries: result.sent + 1 });
		expect((await judgeLane({ ...lane, chargedWindows: 18 }, tally, callLog)).voidBecause).toEqual(["calls were charged in 16 budget windows and not in 18"]);

		const lines = readFileSync(callLog, "utf8").trimEnd().split("\n");
		const cut = path.join(folder, "cut.jsonl");
		writeFileSync(cut, `${lines.slice(0, -1).join("\n")}\n`);
		expect((await judgeLane(lane, { ...tally, sent: tally.sent - 1 }, cut)).voidBecause).toEqual([expect.stringContaining("verify: unbilled")]);
		appendFileSync(cut, `${lines.at(-1)}\n${lines.at(-1)}\n`);
		const doubled = await judgeLane(lane, { ...tally, sent: tally.sent + 1 }, cut);
		expect(doubled.voidBecause.join()).toContain("duplicated");
	},
);

test.skipIf(process.platform !== "linux")("calls of a lane are steps of its agent runs, none of which is taken for a loop", async () => {
	const databaseUrl = database.url;
	const [secret = ""] = await fillStore(databaseUrl, { budgets: 1, prefix: "steps" });
	const providerPort = (provider.server.address() as AddressInfo).port;
	const { report } = await startGateway({ processes, folder }, { name: "lane-run", databaseUrl, providerPort });
	const runs = ["bench-run-0", "bench-run-1"];
	const endpoint = { port: portOf(report), path: "/v1/chat/completions", authorizations: [`Bearer ${secret}`], headers: {}, runs };
	provider.mode = { latencyMs: 0, isStream: false, isStep: true };
	const answer = await probeLane({ kind: "ours", endpoint }, false, "step");
	const target = { ...endpoint, requestBody: requestBody("step", false), answer };
	// Apart from each other, so that a step sends back what another was answered with: of what is under way together that is only one.
	const result = await runWindow({ target, isStream: false, firstCall: 10_000, durationMs: 1_600, connections: 16, ratePerSecond: 50 }, pacer);
	expect([result.right, result.wrong, result.failed]).toEqual([result.sent, 0, 0]);
	const steps = "SELECT r.id, p.steps::integer, p.exchanges::integer FROM tollgate.run_part p JOIN tollgate.run r ON r.number = p.run_number ORDER BY r.id";
	await expect
		.poll(() => withClient(databaseUrl, async (client) => (await client.query<{ steps: number }>(steps)).rows.reduce((sum, row) => sum + row.steps, 0)))
		.toBe(result.sent + 1);
	// Memories follow within a second or so, though no row does.
	const rows = () => withClient(databaseUrl, async (client) => (await client.query<{ id: string; exchanges: number }>(steps)).rows);
	await expect.poll(async () => Math.min(...(await rows()).map(({ exchanges }) => exchanges)), { timeout: 10_000 }).toBeGreaterThan(9);
	expect((await rows()).map(({ id }) => id)).toEqual(runs);
});
