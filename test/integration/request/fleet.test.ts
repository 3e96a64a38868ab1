import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { verifyLedger } from "#activities/verification/verify.ts";
import { priceLineToJson } from "#domain/pricing/line-codec.ts";
import { insertBudget, insertKey, insertTeam, withClient } from "#test/support/authority-rows.ts";
import { type CuttableProxy, openCuttableProxy } from "#test/support/cuttable-proxy.ts";
import { type FleetAnswer, type FleetCall, FleetProcess } from "#test/support/fleet.ts";
import { createTestDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { TEST_LINE } from "#test/support/request-authority.ts";
import { until } from "#test/support/until.ts";

/**
 * 64 gateways in four processes ask for one team's money at once, journal and ledger as in production. The books are
 * judged by the checker at the end of each test.
 */
const PROCESSES = 4;
const GATEWAYS_EACH = 16;

let database: TestDatabase;
let proxy: CuttableProxy;
let folder: string;
let fleet: FleetProcess[] = [];
let number = 0;

beforeAll(async () => {
	database = await createTestDatabase();
	folder = await mkdtemp(path.join(tmpdir(), "fleet-"));
	const url = new URL(database.url);
	proxy = await openCuttableProxy(Number(url.port));
	url.port = String(proxy.port);
	await withClient(database.url, async (client) => {
		await client.query("INSERT INTO tollgate.price_version (version, source, checksum, created_by) VALUES (1, 'test', 'test', 'test')");
		await client.query("INSERT INTO tollgate.price_line (version, provider, model, line, source, created_by) VALUES (1, $1, $2, $3, 'test', 'test')", [
			TEST_LINE.provider,
			TEST_LINE.model,
			JSON.stringify(priceLineToJson(TEST_LINE)),
		]);
	});
	fleet = await Promise.all(
		Array.from({ length: PROCESSES }, (_, index) => FleetProcess.start(`fleet${index}-`, { gateways: GATEWAYS_EACH, databaseUrl: url.href, folder })),
	);
});

afterAll(async () => {
	await Promise.all(fleet.map((one) => one.end()));
	await proxy.close();
	await database.close();
	await rm(folder, { recursive: true, force: true });
});

type Team = { readonly secret: string; readonly teamId: string };

async function createTeam(limit: bigint, policy: Record<string, unknown> = {}): Promise<Team> {
	const teamId = `team${++number}`;
	const secret = await withClient(database.url, async (client) => {
		await insertTeam(client, teamId, policy);
		await insertBudget(client, { teamId, limit, windowKind: "lifetime" });
		return insertKey(client, teamId);
	});
	return { secret, teamId };
}

const callOf = (team: Team, gateway: number, nanoUsd: number, costNanoUsd = nanoUsd): FleetCall => ({
	gateway,
	secret: team.secret,
	nanoUsd: String(nanoUsd),
	costNanoUsd,
});

/** The same calls on every gateway of every process, all at once. */
async function everyGateway(calls: (gateway: number) => FleetCall[]): Promise<FleetAnswer[]> {
	return (await Promise.all(fleet.map((one) => one.calls(Array.from({ length: GATEWAYS_EACH }, (_, gateway) => calls(gateway)).flat())))).flat();
}

async function one(process: FleetProcess | undefined, call: FleetCall): Promise<FleetAnswer> {
	const [answer] = (await process?.calls([call])) ?? [];
	if (!answer) throw new Error("no answer");
	return answer;
}

const windowOf = (team: Team) =>
	withClient(database.url, async (client) => {
		const { rows } = await client.query<{ granted: string; posted: string; highest: string }>(
			`SELECT w.granted::text, (SELECT sum(posted)::text FROM tollgate.lease WHERE window_id = w.id) AS posted,
			        (SELECT max(granted_after)::text FROM tollgate.window_event WHERE window_id = w.id) AS highest
			 FROM tollgate.budget_window w JOIN tollgate.budget b ON b.id = w.budget_id WHERE b.team_id = $1`,
			[team.teamId],
		);
		return rows[0];
	});

const isEverySilent = () =>
	withClient(database.url, async (client) => {
		const { rows } = await client.query<{ yes: boolean }>(
			"SELECT max(last_seen_at) < clock_timestamp() - interval '1100 milliseconds' AS yes FROM tollgate.gateway_epoch",
		);
		return rows[0]?.yes === true;
	});

async function expectRightBooks(): Promise<void> {
	expect(await verifyLedger({ databaseUrl: database.url })).toMatchObject({
		report: { ok: true, overspendNanoUsd: "0", falseRefusals: 0, duplicated: 0, lost: 0 },
		findings: [],
		notes: [],
	});
}

describe("64 gateways in four processes, one team", () => {
	it("are all served when the money is exactly what they ask, wherever lookahead left it", async () => {
		const team = await createTeam(64n * 5n * 100n);
		// The first calls leave lookahead on every gateway; the rest must get it back from each other.
		const answers = await everyGateway((gateway) => [callOf(team, gateway, 100)]);
		answers.push(...(await everyGateway((gateway) => Array.from({ length: 4 }, () => callOf(team, gateway, 100)))));
		expect(answers.filter((answer) => answer.kind !== "served")).toEqual([]);
		expect(answers.length).toBe(320);
		await expectRightBooks();
		expect(await windowOf(team)).toEqual({ granted: "32000", posted: "32000", highest: "32000" });
	});

	it("serve exactly what fits of twice as much, and every refusal is by the rule", async () => {
		const team = await createTeam(64n * 100n, { admissionWaitMs: 200 });
		const answers = await everyGateway((gateway) => [callOf(team, gateway, 100), callOf(team, gateway, 100)]);
		expect(answers.filter((answer) => answer.kind === "served").length).toBe(64);
		for (const answer of answers) if (answer.kind === "refused") expect(answer.code).toBe("budget.exceeded");
		await expectRightBooks();
		expect(await windowOf(team)).toEqual({ granted: "6400", posted: "6400", highest: "6400" });
	});

	it("refuse nobody because PostgreSQL stalled for longer than a gateway may be silent", async () => {
		for (let round = 0; round < 2; round++) {
			const team = await createTeam(64n * 100n, { admissionWaitMs: 200 });
			const calls = everyGateway((gateway) => [callOf(team, gateway, 100), callOf(team, gateway, 100)]);
			await until("the first grants", async () => Number((await windowOf(team))?.granted ?? 0) > 1_000);
			proxy.stall();
			await until("every gateway to be silent for more than a second", isEverySilent);
			proxy.goOn();
			expect((await calls).filter((answer) => answer.kind === "served").length).toBe(64);
			await expectRightBooks();
		}
	});

	it("go on when one process is stopped with idle money in hand, and get it back when it wakes", async () => {
		const team = await createTeam(1_000n, { admissionWaitMs: 0 });
		const [stopped, second, third] = fleet;
		expect(await one(stopped, callOf(team, 0, 600, 10))).toEqual({ kind: "served" });
		await until("the settle", async () => (await windowOf(team))?.posted === "10");
		stopped?.signal("SIGSTOP");
		try {
			expect(await one(second, callOf(team, 0, 300))).toEqual({ kind: "served" });
			const refused = await one(third, callOf(team, 0, 300));
			expect(refused).toMatchObject({ kind: "refused", code: "budget.exceeded" });
			if (refused.kind === "refused") expect(Number(refused.held)).toBeGreaterThanOrEqual(590);
			// What is free is served on every other gateway, although the stopped ones answer no recall.
			const free = 1_000 - Number((await windowOf(team))?.granted);
			expect(free).toBeGreaterThanOrEqual(15);
			const small = await Promise.all([second, third].flatMap((process) => [0, 1, 2, 3, 4].map((gateway) => one(process, callOf(team, gateway, 1)))));
			expect(small.filter((answer) => answer.kind !== "served")).toEqual([]);
		} finally {
			stopped?.signal("SIGCONT");
		}
		expect(await until("the money of the woken process", async () => (await one(third, callOf(team, 5, 500))).kind === "served")).toBe(true);
		await expectRightBooks();
		expect(await windowOf(team)).toMatchObject({ posted: "820" });
	});

	it("drain without a complaint and leave nothing pending", async () => {
		expect((await Promise.all(fleet.map((one) => one.drain()))).flat()).toEqual([]);
		const { rows } = await withClient(database.url, (client) =>
			client.query("SELECT count(*)::int AS pending FROM tollgate.lease WHERE granted - returned - posted > 0"),
		);
		expect(rows[0]).toEqual({ pending: 0 });
		await expectRightBooks();
	});
});
