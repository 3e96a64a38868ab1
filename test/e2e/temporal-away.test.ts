import { readFileSync } from "node:fs";
import path from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GovernanceClient } from "#clients/governance-client.ts";
import { type CuttableProxy, openCuttableProxy } from "#test/support/cuttable-proxy.ts";
import { type SteadyTraffic, startSteadyTraffic } from "#test/support/steady-traffic.ts";
import { BOOKS_IN_ORDER, type System, startSystem, tollgate, verify } from "#test/support/system.ts";
import { type ChatAnswer, chat, tollgateJson } from "#test/support/system-commands.ts";
import { startTestTemporal, type TestTemporal } from "#test/support/temporal.ts";
import { until } from "#test/support/until.ts";

/** How long Temporal is away: the first half it hangs, the second half it refuses connections. */
const AWAY_MS = Number(process.env["TOLLGATE_TEST_TEMPORAL_AWAY_SECONDS"] ?? 20) * 1_000;
const LIMIT_NANO_USD = 10_000_000n;
const REFUSED = { status: 402, error: { code: "budget.exceeded" } };

let temporal: TestTemporal;
let proxy: CuttableProxy;
let system: System;
let database: pg.Client;
let traffic: SteadyTraffic;
let awaySinceMs: number;
const keys: Record<string, string> = {};

beforeAll(async () => {
	temporal = await startTestTemporal();
	proxy = await openCuttableProxy(Number(temporal.address.split(":")[1]));
	system = await startSystem({ TEMPORAL_ADDRESS: `127.0.0.1:${proxy.port}`, TOLLGATE_DEMO_LIMIT_USD: "1000" });
	database = new pg.Client({ connectionString: system.endpoints().databaseUrl });
	await database.connect();
	for (const team of ["whole_day", "over_midnight", "cold"]) {
		await tollgateJson(system, ["team", "create", team, "--limit", "0.01", "--window", "day"]);
		keys[team] = (await createKey(team)).key;
	}
}, 180_000);

afterAll(async () => {
	await traffic?.stop();
	await database?.end();
	await system?.close();
	await proxy?.close();
	await temporal?.close();
});

const createKey = (team: string): Promise<{ id: string; key: string }> => tollgateJson(system, ["key", "create", "--team", team]);
const call = (team: string): Promise<ChatAnswer> => chat(system, keys[team] ?? "", { model: "gpt-4o", maxTokens: 50 });

/** Calls until the budget says no, and holds what was spent against the limit. */
async function spendAll(team: string): Promise<void> {
	let spent = 0n;
	let answer = await call(team);
	while (answer.status === 200) {
		spent += answer.costNanoUsd;
		answer = await call(team);
	}
	expect(answer).toMatchObject(REFUSED);
	expect(spent).toBeGreaterThan((LIMIT_NANO_USD * 8n) / 10n);
	expect(spent).toBeLessThanOrEqual(LIMIT_NANO_USD);
}

const sql = async <Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> => (await database.query<Row>(text, values)).rows;
const windowsOf = (team: string) =>
	sql<{ id: string; is_over: boolean }>(
		"SELECT w.id, w.ends_at < clock_timestamp() AS is_over FROM tollgate.budget_window w JOIN tollgate.budget b ON b.id = w.budget_id WHERE b.team_id = $1 AND NOT w.is_ahead ORDER BY w.starts_at",
		[team],
	);
const eventsOf = async (team: string) =>
	(await sql<{ event: string }>("SELECT event FROM tollgate.governance_event WHERE team_id = $1 ORDER BY event", [team])).map(({ event }) => event);

describe(`Temporal away for ${AWAY_MS / 1_000} s`, () => {
	it(
		"hanging: money is enforced, and a window that ends makes room for the next one",
		async () => {
			// The window ends while Temporal is away, and nobody knows it longer than the gateway that asks for it first.
			await sql(
				"UPDATE tollgate.budget_window w SET ends_at = clock_timestamp() + make_interval(secs => $1) FROM tollgate.budget b WHERE b.id = w.budget_id AND b.team_id = 'over_midnight'",
				[AWAY_MS / 3_000],
			);
			proxy.stall();
			awaySinceMs = performance.now();
			const { gateway, demoKey } = system.endpoints();
			traffic = startSteadyTraffic({ gateway, key: demoKey, callers: 2, pauseMs: 200 });
			await spendAll("whole_day");
			await spendAll("over_midnight");
			expect((await windowsOf("over_midnight")).map(({ is_over }) => is_over)).toEqual([false]);
			await until("money of the next window", async () => (await call("over_midnight")).status === 200, AWAY_MS);
			await spendAll("over_midnight");
			expect((await windowsOf("over_midnight")).map(({ is_over }) => is_over)).toEqual([true, false]);
			expect(await call("whole_day")).toMatchObject(REFUSED);
		},
		60_000 + AWAY_MS,
	);

	it(
		"refusing connections: limits cannot be changed and say so, keys can be made and revoked",
		async () => {
			await until("the second half", () => performance.now() - awaySinceMs >= AWAY_MS / 2, AWAY_MS);
			await proxy.cut();
			const raised = await tollgate(system, ["budget", "set", "--team", "whole_day", "--limit", "1", "--window", "day"]);
			expect(raised.exitCode).toBe(3);
			expect(raised.stderr).toContain("governance.unreachable");
			const created = await createKey("demo");
			keys["short_lived"] = created.key;
			expect((await call("short_lived")).status).toBe(200);
			await tollgateJson(system, ["key", "revoke", created.id]);
			expect(await call("short_lived")).toMatchObject({ status: 401, error: { code: "key.revoked" } });
			expect(await call("whole_day")).toMatchObject(REFUSED);
		},
		60_000 + AWAY_MS,
	);

	it(
		"a team is frozen and let go at once, and the command says that Temporal learns of it later",
		async () => {
			const frozen = await tollgate(system, ["team", "freeze", "whole_day", "--reason", "runaway"]);
			expect([frozen.exitCode, frozen.stdout]).toEqual([0, expect.stringContaining("Temporal does not answer; it is in force all the same")]);
			expect(await call("whole_day")).toMatchObject({ status: 402, error: { code: "budget.frozen" } });
			expect(await tollgateJson(system, ["team", "unfreeze", "whole_day"])).toMatchObject({ isFrozen: false, isWorkflowTold: false });
			expect(await call("whole_day")).toMatchObject(REFUSED);
			await tollgateJson(system, ["team", "freeze", "cold", "--reason", "runaway"]);
		},
		60_000 + AWAY_MS,
	);

	it(
		"no call waited for it, and nothing was announced",
		async () => {
			await until("the end of the outage", () => performance.now() - awaySinceMs >= AWAY_MS, AWAY_MS);
			expect(traffic.served()).toBeGreaterThan(10);
			expect(traffic.ends().filter(({ status }) => status !== 200)).toEqual([]);
			expect([...(await eventsOf("whole_day")), ...(await eventsOf("over_midnight"))]).toEqual([]);
		},
		30_000 + AWAY_MS,
	);
});

describe("Temporal back", () => {
	const BOTH_LINES = ["threshold.stop.fired", "threshold.warn.fired"];

	it("every threshold crossed meanwhile comes through exactly once, for each window", async () => {
		await proxy.restore();
		await until("the announcements", async () => (await eventsOf("whole_day")).length >= 2 && (await eventsOf("over_midnight")).length >= 4, 60_000);
		// One more change that every team's workflow must have seen: whatever it had to say twice, it has said by then.
		const governance = new GovernanceClient({ connection: temporal.connection, client: temporal.client });
		for (const team of ["whole_day", "over_midnight"]) {
			const refused = await refusalsSeen(governance, team);
			expect((await call(team)).status).toBe(402);
			await until(`the refusal in the workflow of ${team}`, async () => (await refusalsSeen(governance, team)) > refused, 60_000);
		}
		expect(await eventsOf("whole_day")).toEqual(BOTH_LINES);
		expect(await eventsOf("over_midnight")).toEqual(BOTH_LINES.flatMap((event) => [event, event]));
	}, 180_000);

	it("a freeze that Temporal had not heard of stands, is known to the workflow, and can be ended", async () => {
		const governance = new GovernanceClient({ connection: temporal.connection, client: temporal.client });
		await until("the freeze in the workflow", async () => (await governance.status("cold")).freezeReason === "runaway", 60_000);
		expect((await governance.status("whole_day")).isFrozen).toBe(false);
		expect(await call("cold")).toMatchObject({ status: 402, error: { code: "budget.frozen" } });
		expect(await tollgateJson(system, ["team", "unfreeze", "cold"])).toMatchObject({ isFrozen: false, isWorkflowTold: true });
		expect((await call("cold")).status).toBe(200);
	}, 120_000);

	it("in the metrics and the worker's log as in the books", async () => {
		const metrics = await (await fetch(`${system.endpoints().admin}/metrics`)).text();
		const log = readFileSync(path.join(system.home, "logs/worker.log"), "utf8");
		for (const event of BOTH_LINES) {
			expect(metrics).toContain(`tollgate_threshold_events_total{event="${event}"} 3\n`);
			expect(log.split("\n").filter((line) => line.includes(`"event":"${event}"`))).toHaveLength(3);
		}
	});

	it("the limit is raised again, and the books balance", async () => {
		await until(
			"a raised limit",
			async () => (await tollgate(system, ["budget", "set", "--team", "whole_day", "--limit", "1", "--window", "day"])).exitCode === 0,
			60_000,
		);
		expect((await call("whole_day")).status).toBe(200);
		await traffic.stop();
		expect(await verify(system)).toMatchObject(BOOKS_IN_ORDER);
	}, 120_000);
});

async function refusalsSeen(governance: GovernanceClient, team: string): Promise<number> {
	const { budgets } = await governance.status(team);
	return budgets[0]?.window?.refusals ?? 0;
}
