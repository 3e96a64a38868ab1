import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect } from "vitest";
import { findFreePort } from "#activities/process/free-port.ts";
import { withClient } from "#test/support/authority-rows.ts";
import { type CallRecord, expectedCostNanoUsd, MODEL, planCall, send } from "./call.ts";
import type { Fault, FaultRun } from "./fault.ts";
import { BROKEN, CLOSED, expectEnds } from "./load.ts";
import { inTurns } from "./requests.ts";
import { type FaultStand, LEASE_MS } from "./stand.ts";

/** A second deployment that is dearer, and secrets on every way a call can fail. */

const CHEAP_MODEL = "gpt-4o-mini";
const after = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** "smart" is tried at a cheap deployment nobody listens at, then at a dear one. */
async function openWithFallback(run: FaultRun): Promise<FaultStand> {
	const stand = await run.open({ gateways: 0, environment: { TOLLGATE_SIMULATED_PROVIDER_URL: "" } });
	const folder = await mkdtemp(path.join(tmpdir(), "tollgate-providers-"));
	run.defer(() => rm(folder, { recursive: true, force: true }));
	const file = path.join(folder, "providers.json");
	const provider = (baseUrl: string) => ({ protocol: "openai", baseUrl: `${baseUrl}/v1`, pricedAs: "openai", hasKnownEncoding: false });
	await writeFile(
		file,
		JSON.stringify({
			providers: { cheap: provider(`http://127.0.0.1:${await findFreePort()}`), dear: provider(stand.base.provider.url) },
			models: {
				smart: [
					{ provider: "cheap", model: CHEAP_MODEL },
					{ provider: "dear", model: MODEL },
				],
				[MODEL]: [{ provider: "dear" }],
			},
		}),
	);
	await Promise.all([0, 1, 2, 3].map((index) => stand.start(index, { TOLLGATE_PROVIDERS_FILE: file })));
	return stand;
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
		name: "the cheap deployment is gone, and the next one is dearer",
		async run(run) {
			const stand = await openWithFallback(run);
			// Limits that bind for the dear model: each call is asked for again, at its price, before it is sent there.
			const load = await stand.load(run.random, { change: (call) => ({ ...call, model: "smart" }) });
			await load.beginFault(LEASE_MS);
			const call = { ...planCall(stand.ample, run.random), model: "smart", maxTokens: 400, outputTokens: 400 };
			const poor = await stand.base.team(expectedCostNanoUsd({ ...call, model: MODEL }) / 4n, { admissionWaitMs: 0 }); // enough for the cheap one
			const before = stand.base.provider.calls().length;
			load.healed();
			await load.finish();
			const ends = await inTurns([0, 1, 2, 3], 4, (gateway) => send({ ...call, ...poor }, { url: stand.gateway(gateway).url, gateway, phase: "after" }));
			expect(ends.map(({ status }) => status)).toEqual([402, 402, 402, 402]);
			expectEnds(load.records, []);
			expect(before).toBeGreaterThan(0);
			const counts = await stand.finish([...load.records, ...ends]);
			const rows = await stand.sql<{ priced_model: string; team: boolean }>("SELECT DISTINCT priced_model, team_id = $1 AS team FROM tollgate.attempt", [
				poor.teamId,
			]);
			expect(rows).toEqual([{ priced_model: MODEL, team: false }]); // nothing stays of the deployment that was not reached, nothing of the poor team
			return { counts, recoveryMs: null, note: "a call of which a byte was written is never sent elsewhere" };
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
