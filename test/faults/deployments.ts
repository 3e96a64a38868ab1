import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect } from "vitest";
import { findFreePort } from "#activities/process/free-port.ts";
import { withClient } from "#test/support/authority-rows.ts";
import { type SimulatedProvider, startSimulatedProvider } from "#test/support/simulated-provider.ts";
import { type CallRecord, expectedCostNanoUsd, MODEL, type PlannedCall, planCall, send } from "./call.ts";
import type { Fault, FaultRun } from "./fault.ts";
import { BROKEN, CLOSED, expectEnds } from "./load.ts";
import { inTurns } from "./requests.ts";
import { type FaultStand, LEASE_MS, type Team } from "./stand.ts";

/** A second deployment that is dearer, and secrets on every way a call can fail. */

const CHEAP_MODEL = "gpt-4o-mini";
const CONVERSATIONS = 24;
const after = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

type Fallbacks = { readonly stand: FaultStand; readonly failing: SimulatedProvider };

/** "smart" is tried at a cheap deployment nobody listens at, then at a dear one; "steady" at a cheap one that answers 500, then at the dear one. */
async function openWithFallback(run: FaultRun): Promise<Fallbacks> {
	const stand = await run.open({ gateways: 0, environment: { TOLLGATE_SIMULATED_PROVIDER_URL: "" } });
	const failing = await startSimulatedProvider({ TOLLGATE_SIMULATOR_FAULT_RATES: JSON.stringify({ 500: 1 }) });
	run.defer(() => failing.close());
	const folder = await mkdtemp(path.join(tmpdir(), "tollgate-providers-"));
	run.defer(() => rm(folder, { recursive: true, force: true }));
	const file = path.join(folder, "providers.json");
	const provider = (baseUrl: string) => ({ protocol: "openai", baseUrl: `${baseUrl}/v1`, pricedAs: "openai", hasKnownEncoding: false });
	const dear = { provider: "dear", model: MODEL };
	await writeFile(
		file,
		JSON.stringify({
			providers: { gone: provider(`http://127.0.0.1:${await findFreePort()}`), failing: provider(failing.url), dear: provider(stand.base.provider.url) },
			models: { smart: [{ provider: "gone", model: CHEAP_MODEL }, dear], steady: [{ provider: "failing", model: CHEAP_MODEL }, dear], [MODEL]: [dear] },
		}),
	);
	await Promise.all([0, 1, 2, 3].map((index) => stand.start(index, { TOLLGATE_PROVIDERS_FILE: file })));
	return { stand, failing };
}

/** A call that a cheap deployment can be paid for by whoever has a quarter of what it costs at the dear one. */
const longCall = (team: Team, run: FaultRun): PlannedCall => ({ ...planCall(team, run.random), maxTokens: 400, outputTokens: 400 });
const quarterOf = (call: PlannedCall): bigint => expectedCostNanoUsd({ ...call, model: MODEL }) / 4n;

/** The gateway tells its caller of the 500, and he asks again for the dear model: what he holds has to be raised before that is sent. */
async function fallBackByCaller(run: FaultRun, { stand, failing }: Fallbacks): Promise<CallRecord[]> {
	const conversations = await Promise.all(
		Array.from({ length: CONVERSATIONS }, async (_, index) => {
			const isRich = index % 2 === 0;
			const limit = isRich ? 1_000_000_000_000n : quarterOf(longCall(stand.ample, run));
			return { isRich, team: await stand.base.team(limit, { admissionWaitMs: 0 }) };
		}),
	);
	const records: CallRecord[] = [];
	await inTurns(conversations, 4, async ({ team, isRich }) => {
		const call = longCall(team, run);
		const [one, other] = [run.random.integer(0, 3), run.random.integer(0, 3)];
		const first = await send({ ...call, model: "steady" }, { url: stand.gateway(one).url, gateway: one, phase: "during" });
		const second = await send({ ...call, model: MODEL }, { url: stand.gateway(other).url, gateway: other, phase: "during" });
		expect([first.status, second.status], isRich ? "with money enough" : "with money for the cheap one").toEqual([500, isRich ? 200 : 402]);
		records.push(first, second);
	});
	// Each first call reached the cheap deployment, which billed none, and nobody sent it on to the dear one.
	expect((await failing.control("state"))["statusCounts"]).toEqual({ 500: CONVERSATIONS });
	expect(failing.calls()).toEqual([]);
	await stand.base.verify(); // flushes
	const text = "SELECT team_id, priced_model FROM tollgate.attempt WHERE team_id = ANY ($1)";
	const booked = await stand.sql<{ team_id: string; priced_model: string }>(text, [conversations.map(({ team }) => team.teamId)]);
	const rich = conversations.filter(({ isRich }) => isRich).map(({ team }) => ({ team_id: team.teamId, priced_model: MODEL }));
	expect(new Set(booked)).toEqual(new Set(rich));
	return records;
}

/** Whatever the dear provider logged was held at its own price before it got there. */
async function expectRaisedBeforeSending(stand: FaultStand): Promise<void> {
	const lines = stand.base.provider.calls();
	const text = `SELECT attempt_id, priced_model, reserved_nano_usd::text AS held, reserved_at FROM tollgate.attempt`;
	const rows = await stand.sql<{ attempt_id: string; priced_model: string; held: string; reserved_at: Date }>(text);
	const byId = new Map(rows.map((row) => [row.attempt_id, row]));
	const wrong = lines.filter(({ attemptId, at, usage }) => {
		const row = byId.get(attemptId ?? "");
		const least = BigInt(Number(usage["prompt_tokens"])) * 2_500n + BigInt(Number(usage["completion_tokens"])) * 10_000n; // prices of MODEL
		return row === undefined || row.priced_model !== MODEL || BigInt(row.held) < least || row.reserved_at.getTime() > Date.parse(at);
	});
	expect(wrong).toEqual([]);
}

const EVERY_FAULT = {
	...{ hang: 0.04, cut_before_headers: 0.08, cut_after_headers: 0.08, cut_mid_stream: 0.08, missing_usage: 0.08, error_event_mid_stream: 0.08 },
	...{ redirect: 0.05, "401": 0.08, "429": 0.08, "500": 0.08, "503": 0.08, "529": 0.08 },
};

/** Every text that anybody could read: logs, answers, metrics, the journal, and each row of each table. */
async function readEverything(stand: FaultStand, answers: readonly CallRecord[]): Promise<Map<string, string>> {
	const texts = new Map<string, string>();
	for (const [index, gateway] of stand.gateways.entries()) {
		texts.set(`log of gateway ${index}`, gateway.log());
		texts.set(`metrics of gateway ${index}`, await (await fetch(`${gateway.url}/metrics`)).text());
	}
	texts.set("answers", answers.map(({ text }) => text).join("\n"));
	for (const file of await readdir(stand.base.home, { recursive: true, withFileTypes: true }))
		if (file.isFile() && file.name !== "idempotency-key")
			texts.set(`file ${file.name}`, (await readFile(path.join(file.parentPath, file.name))).toString("latin1"));
	const tables = await stand.sql<{ name: string }>("SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname = 'tollgate'");
	for (const { name } of tables) {
		const rows = await withClient(
			stand.base.database.url,
			async (client) => (await client.query<{ row: string }>(`SELECT t::text AS row FROM ${name} t`)).rows,
		);
		texts.set(`table ${name}`, rows.map(({ row }) => row).join("\n"));
	}
	return texts;
}

export const DEPLOYMENT_FAULTS: readonly Fault[] = [
	{
		id: "F18",
		name: "a cheap deployment is gone, another answers 500, and the next one is dearer",
		async run(run) {
			const fallbacks = await openWithFallback(run);
			const { stand } = fallbacks;
			// Limits that bind for the dear model: each call is asked for again, at its price, before it is sent there.
			const load = await stand.load(run.random, { change: (call) => ({ ...call, model: "smart" }) });
			await load.beginFault(LEASE_MS);
			const call = { ...longCall(stand.ample, run), model: "smart" };
			const poor = await stand.base.team(quarterOf(call), { admissionWaitMs: 0 });
			const byGateway = await inTurns([0, 1, 2, 3], 4, (gateway) => send({ ...call, ...poor }, { url: stand.gateway(gateway).url, gateway, phase: "during" }));
			expect(byGateway.map(({ status }) => status)).toEqual([402, 402, 402, 402]);
			const byCaller = await fallBackByCaller(run, fallbacks);
			load.healed();
			await load.finish();
			expectEnds(load.records, []);
			expect(load.records.filter(({ status }) => status === 200).length, "calls that the gateway sent on with more money").toBeGreaterThan(0);
			const counts = await stand.finish([...load.records, ...byGateway, ...byCaller]);
			await expectRaisedBeforeSending(stand);
			expect(await stand.sql("SELECT 1 FROM tollgate.attempt WHERE team_id = $1", [poor.teamId])).toEqual([]);
			return { counts, recoveryMs: null, note: "a call of which a byte was written is never sent elsewhere by the gateway: after a 500 its caller asks again" };
		},
	},
	{
		id: "F27",
		name: "every way to fail with canary keys, then a look at everything that was written",
		async run(run) {
			const canary = `sk-canary-${run.random.text(20)}`;
			const stand = await run.open({
				environment: { TOLLGATE_SIMULATOR_KEY: canary },
				providerEnvironment: { TOLLGATE_SIMULATOR_KEY: canary, TOLLGATE_SIMULATOR_SEED: String(run.seed) },
			});
			const load = await stand.load(run.random, { policy: { maxCallMs: 1_000 } });
			await load.beginFault(2 * LEASE_MS);
			await stand.base.provider.control("faults", { rates: EVERY_FAULT });
			const wrong = `tg-wrong${run.random.text(30)}`;
			const refused = await inTurns([0, 1, 2], 3, (gateway) =>
				send({ ...planCall({ ...stand.ample, key: wrong }, run.random) }, { url: stand.gateway(gateway).url, gateway, phase: "during" }),
			);
			expect(refused.map(({ status }) => status)).toEqual([401, 401, 401]);
			await after(LEASE_MS);
			await stand.proxy.down(); // the errors of the database driver as well
			await after(LEASE_MS / 2);
			await stand.proxy.up();
			await stand.gateway(3).end("SIGKILL");
			await stand.start(3);
			await stand.base.provider.control("faults", { rates: {} });
			const recoveryMs = await stand.recover();
			load.healed();
			await load.finish();
			expectEnds(load.records, [CLOSED, BROKEN, /^(401|429|5\d\d) ?/, "307", "200"]);
			const secrets = [canary, stand.ample.key, wrong, new URL(stand.base.database.url).password];
			const texts = await readEverything(stand, [...load.records, ...refused]);
			expect(texts.get("table tollgate.attempt")).toContain(stand.ample.teamId); // there is something to look at
			const leaks = [...texts].flatMap(([place, text]) =>
				secrets.filter((secret) => secret !== "" && text.includes(secret)).map((secret) => `${place}: ${secret}`),
			);
			expect(leaks).toEqual([]);
			return { counts: await stand.finish(load.records, { shouldResolve: true }), recoveryMs, note: `${texts.size} places looked at` };
		},
	},
];
