import type { ChildProcess } from "node:child_process";
import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { Client, Connection as TemporalConnection } from "@temporalio/client";
import { Connection } from "#activities/database/connection.ts";
import { OpeningBalances } from "#activities/governance/opening-balances.ts";
import { TotalsPublisher } from "#activities/governance/totals-publisher.ts";
import { TotalsSource } from "#activities/governance/totals-source.ts";
import { findFreePort } from "#activities/process/free-port.ts";
import { GovernanceClient } from "#clients/governance-client.ts";
import { acquireTemporalBinary } from "../../scripts/start/temporal-binary.ts";
import { waitForNamespace } from "../../scripts/start/temporal-server.ts";
import type { BenchSystem } from "../bench-system.ts";
import { CHAT_PATH, type LaneContext, type RunningLane, SIDE_PORT } from "../lanes/lane.ts";
import { portOf, startGateway } from "../lanes/start-lanes.ts";
import { copyDatabase, fillStore } from "../lanes/store.ts";
import { OTHER_CORE } from "../machine/processes.ts";
import { textTable } from "../output/text-table.ts";
import type { Measurement } from "./measurement.ts";
import { mostWithin, type SentMessage } from "./message-rate.ts";

const TEAMS = [1, 1_000] as const;
const CALLS_PER_SECOND = 2_000;
const NAMESPACE = "default";
const ROOT = path.join(import.meta.dirname, "../..");

/** Messages to team workflows while 2,000 calls a second are spent, by one team and by a thousand: real Temporal, real worker. */
export const workflowMessages: Measurement = {
	name: "workflow messages",
	isLong: false,
	async run(system, isQuick) {
		const data = [];
		for (const teams of TEAMS) data.push(await measure(system, { teams, durationMs: isQuick ? 3_000 : 30_000 }));
		const rows = data.map((row) => [
			String(row.teams),
			row.callsPerSecond.toFixed(0),
			row.messagesPerSecond.toFixed(1),
			String(row.mostInOneSecond),
			String(row.mostOfOneTeam),
		]);
		const head = ["teams", "calls/s", "messages/s", "most in 1 s (limit 50)", "most to one team in 1 s (limit 1)"];
		return { data, lines: ["messages to team workflows", ...textTable(head, rows)] };
	},
};

/** One per database: workflows remember what they wrote to theirs. */
async function startTemporal({ processes, folder }: LaneContext, name: string): Promise<{ readonly address: string; readonly child: ChildProcess }> {
	const cache = process.env["TOLLGATE_CACHE"] ?? path.join(homedir(), ".cache/tollgate");
	const binary = await acquireTemporalBinary({
		named: process.env["TOLLGATE_TEMPORAL_BINARY"] ?? null,
		cache,
		onProgress: (line) => process.stderr.write(`${line}\n`),
	});
	const port = await findFreePort();
	mkdirSync(path.join(folder, name));
	const server = ["server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", String(port), "--log-level", "error"];
	server.push(
		"--db-filename",
		path.join(folder, name, "temporal.db"),
		"--search-attribute",
		"TollgateTeam=Keyword",
		"--search-attribute",
		"TollgateState=Keyword",
		"--search-attribute",
		"TollgateUsedPercent=Int",
	);
	const child = processes.start({ name, core: OTHER_CORE, command: [binary, ...server] });
	child.stdout?.resume();
	const problem = await processes.within(name, child, waitForNamespace({ port, namespace: NAMESPACE }));
	if (problem !== null) throw new Error(problem);
	return { address: `127.0.0.1:${port}`, child };
}

type Plan = { readonly teams: number; readonly durationMs: number };

async function measure({ context, generator }: BenchSystem, { teams, durationMs }: Plan) {
	const name = `messages-${teams}`;
	const { address, child: temporal } = await startTemporal(context, `temporal-${teams}`);
	const databaseUrl = await copyDatabase(context.postgresUrl, context.templateDatabase, name);
	const secrets = await fillStore(databaseUrl, { budgets: 1, callingTeams: teams });
	const sent: SentMessage[] = [];
	// The one publisher of this database, before the worker's own asks for that role.
	const publisher = await startPublisher(databaseUrl, address, sent);
	const worker = await startWorker(context, { name, databaseUrl, address });
	const gateway = await startGateway(context, { name, databaseUrl, providerPort: context.providerPorts[SIDE_PORT] ?? 0 });
	const endpoint = { port: portOf(gateway.report), path: CHAT_PATH, authorizations: secrets.map((secret) => `Bearer ${secret}`), headers: {} };
	const lane: RunningLane = { name: "governed", kind: "ours", endpoint, pid: gateway.child.pid, version: "", databaseUrl };
	const load = { latencyMs: 0, isStream: false, prompt: 256, connections: 128, ratePerSecond: CALLS_PER_SECOND, durationMs } as const;
	// Each team's key is looked up and its first lease granted before the rate counts.
	while (generator.tally(lane).sent < teams * 2) await generator.run(lane, { ...load, connections: 16, ratePerSecond: undefined, durationMs: 1_000 });
	const startedAtMs = performance.now();
	const result = await generator.run(lane, load);
	const endedAtMs = performance.now();
	await publisher.stop();
	await Promise.all([context.processes.end(worker.child), context.processes.end(gateway.child)]);
	await context.processes.end(temporal);
	const during = sent.filter(({ atMs }) => atMs >= startedAtMs && atMs <= endedAtMs);
	return {
		teams,
		callsPerSecond: (result.right / result.elapsedMs) * 1000,
		messagesPerSecond: (during.length / (endedAtMs - startedAtMs)) * 1000,
		mostInOneSecond: mostWithin(sent, 1_000),
		mostOfOneTeam: Math.max(0, ...[...Map.groupBy(sent, ({ teamId }) => teamId).values()].map((ofTeam) => mostWithin(ofTeam, 1_000))),
	};
}

async function startPublisher(databaseUrl: string, address: string, sent: SentMessage[]): Promise<{ stop(): Promise<void> }> {
	const totals = new Connection({ url: databaseUrl, applicationName: "tollgate bench totals", statementTimeoutMs: 8_000 });
	const openings = new Connection({ url: databaseUrl, applicationName: "tollgate bench openings", statementTimeoutMs: 8_000 });
	const now = (): number => performance.now();
	const connection = await TemporalConnection.connect({ address });
	const governance = new GovernanceClient({ connection, client: new Client({ connection, namespace: NAMESPACE }) });
	const problems: unknown[] = [];
	const publisher = new TotalsPublisher({
		source: new TotalsSource(totals),
		openingBalances: new OpeningBalances(openings, now),
		sink: {
			async reportTotals(teamId, report) {
				sent.push({ teamId, atMs: performance.now() });
				await governance.reportTotals(teamId, report);
			},
		},
		observer: { reachabilityChanged: () => undefined, roleChanged: () => undefined, failed: (error) => problems.push(error) },
		now,
	});
	publisher.start();
	return {
		async stop() {
			await publisher.stop();
			await Promise.all([connection.close(), totals.close(), openings.close()]);
			if (problems.length > 0) throw new Error(`a team workflow could not be told: ${String(problems[0])}`);
		},
	};
}

function startWorker({ processes, folder }: LaneContext, { name, databaseUrl, address }: { name: string; databaseUrl: string; address: string }) {
	const home = path.join(folder, "homes", `worker-${name}`);
	mkdirSync(home, { recursive: true });
	const environment = { TOLLGATE_HOME: home, TOLLGATE_ADMIN_PORT: "0", TOLLGATE_LOG_LEVEL: "warn", DATABASE_URL: databaseUrl, TEMPORAL_ADDRESS: address };
	return processes.startServer({
		name: `worker-${name}`,
		core: OTHER_CORE,
		command: [process.execPath, "--enable-source-maps", path.join(ROOT, "workers/main.ts")],
		environment,
	});
}
