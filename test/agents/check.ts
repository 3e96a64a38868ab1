import { loadPriceFile } from "#activities/pricebooks/postgres.ts";
import type { Finding } from "#activities/verification/report.ts";
import { verifyLedger } from "#activities/verification/verify.ts";
import { createRandom } from "#test/faults/random.ts";
import { OwnServer } from "#test/faults/server.ts";
import { withClient } from "#test/support/authority-rows.ts";
import { type GatewayProcess, openGatewayStand } from "#test/support/gateway-process.ts";
import type { TestDatabase } from "#test/support/postgres.ts";
import { CONVERSATION_ENDPOINTS } from "./conversation.ts";
import { corpusPrices, modelFor } from "./corpus-prices.ts";
import type { CorpusRun } from "./corpus-run.ts";
import { type Agent, driveRun } from "./drive.ts";
import { type Judgement, judgeRuns, type RunEnd } from "./judge-runs.ts";
import { startModelProvider } from "./model-provider.ts";

export type CheckAgentsOptions = {
	readonly seed: number;
	readonly runs: readonly CorpusRun[];
	readonly gateways: number;
	/** Default: a server of its own. Closed with the check. */
	readonly database?: TestDatabase;
	readonly onProgress: (line: string) => void;
};

export type CheckedAgents = {
	readonly judgement: Judgement;
	/** Calls that reached the provider. */
	readonly calls: number;
	/** What `verify` found wrong afterwards. */
	readonly findings: readonly Finding[];
};

const RUNS_AT_ONCE = 64;
/** Below the default of new runs an hour and key. */
const RUNS_PER_TEAM = 400;
const TEAM_LIMIT_NANO_USD = 999_999_999_999_999_999n;
/** With several gateways: so that a step's cost is written before another gateway serves the next. */
const SEVERAL_GATEWAYS_LATENCY_MS = 100;

/** Plays every run through real gateways, then judges how they ended. @throws where that could not be done. */
export async function checkAgents({ seed, runs, gateways, database: given, onProgress }: CheckAgentsOptions): Promise<CheckedAgents> {
	const random = createRandom(seed);
	const endpoints = runs.map(() => random.pick(CONVERSATION_ENDPOINTS));
	const played = runs.map((run, index) => ({ run, model: modelFor(run, endpoints[index] ?? "messages") }));
	const provider = await startModelProvider(played, gateways > 1 ? SEVERAL_GATEWAYS_LATENCY_MS : 0);
	const database = given ?? (await OwnServer.start()).database;
	const stand = await openGatewayStand({ database, windowKind: "lifetime" });
	try {
		await withClient(database.url, (client) => loadPriceFile(client, corpusPrices(played.map(({ model }) => model)), "seed", "check:agents"));
		const keys: string[] = [];
		for (let team = 0; team * RUNS_PER_TEAM < runs.length; team += 1) keys.push((await stand.team(TEAM_LIMIT_NANO_USD)).key);
		const started: GatewayProcess[] = [];
		for (let number = 1; number <= gateways; number += 1) started.push(await stand.start(`g${number}`, { TOLLGATE_SIMULATED_PROVIDER_URL: provider.url }));
		const agents = played.map((one, index): Agent => {
			const draw = random.fork();
			return {
				...one,
				index,
				endpoint: endpoints[index] ?? "messages",
				isStreamed: draw.share() < 0.5,
				key: keys[Math.floor(index / RUNS_PER_TEAM)] ?? "",
				gatewayUrls: started.map(({ url }) => url),
				random: draw,
			};
		});
		const ends = await driveAll(agents, onProgress);
		for (const gateway of started) await gateway.end();
		const { findings } = await verifyLedger({ databaseUrl: database.url });
		return { judgement: judgeRuns(runs, (run) => ends.get(run)), calls: provider.calls, findings };
	} finally {
		await provider.close();
		await stand.close();
	}
}

async function driveAll(agents: readonly Agent[], onProgress: (line: string) => void): Promise<ReadonlyMap<CorpusRun, RunEnd>> {
	const ends = new Map<CorpusRun, RunEnd>();
	const waiting = agents.values();
	const work = async (): Promise<void> => {
		for (const agent of waiting) {
			ends.set(agent.run, (await driveRun(agent)).end);
			if (ends.size % 100 === 0) onProgress(`${ends.size} of ${agents.length} runs`);
		}
	};
	await Promise.all(Array.from({ length: Math.min(RUNS_AT_ONCE, agents.length) }, work));
	return ends;
}
