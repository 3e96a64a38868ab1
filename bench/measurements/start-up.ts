import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { type LaneContext, SIDE_PORT } from "../lanes/lane.ts";
import { startGateway } from "../lanes/start-lanes.ts";
import { copyDatabase, fillStore } from "../lanes/store.ts";
import { OTHER_CORE } from "../machine/processes.ts";
import { median } from "../statistics/estimate.ts";
import type { Measurement } from "./measurement.ts";

const GATEWAY_STARTS = 3;
const ROOT = path.join(import.meta.dirname, "../..");
const PORTS = ["GATEWAY", "ADMIN", "POSTGRES", "TEMPORAL", "TEMPORAL_UI", "PROVIDER"];

/**
 * From spawn to serving. A gateway: its first start on a database and home (cold), the median of three more (warm). The whole
 * system, which --quick leaves out for its length: `npm start` on an empty home, which makes its cluster and namespace, and again.
 */
export const startUp: Measurement = {
	name: "start-up",
	isLong: false,
	async run({ context }, isQuick) {
		const databaseUrl = await copyDatabase(context.postgresUrl, context.templateDatabase, "start-up");
		await fillStore(databaseUrl, { budgets: 1 });
		const starts: number[] = [];
		for (let start = 0; start <= GATEWAY_STARTS; start += 1) starts.push(await timeGateway(context, databaseUrl));
		const [coldMs = Number.NaN, ...warm] = starts;
		const gateway = { coldMs, warmMs: median(warm) };
		const system = isQuick ? undefined : { coldMs: await timeSystem(context, "system-1"), warmMs: await timeSystem(context, "system-2") };
		const words = system ? `; npm start: ${(system.coldMs / 1000).toFixed(1)} s cold, ${(system.warmMs / 1000).toFixed(1)} s warm` : "";
		return { data: { gateway, system }, lines: [`start-up of a gateway: ${gateway.coldMs.toFixed(0)} ms cold, ${gateway.warmMs.toFixed(0)} ms warm${words}`] };
	},
};

async function timeGateway(context: LaneContext, databaseUrl: string): Promise<number> {
	const startedAtMs = performance.now();
	const { child } = await startGateway(context, { name: "start-up", databaseUrl, providerPort: context.providerPorts[SIDE_PORT] ?? 0 });
	const elapsedMs = performance.now() - startedAtMs;
	await context.processes.end(child);
	return elapsedMs;
}

async function timeSystem({ processes, folder }: LaneContext, name: string): Promise<number> {
	const home = path.join(folder, "system");
	const endpoints = path.join(home, "endpoints.json");
	const startedAtMs = performance.now();
	const environment = { TOLLGATE_HOME: home, ...Object.fromEntries(PORTS.map((port) => [`TOLLGATE_${port}_PORT`, "0"])) };
	const child = processes.start({ name, core: OTHER_CORE, command: [process.execPath, path.join(ROOT, "scripts/start.ts")], environment });
	child.stdout?.resume();
	const isReady = (): boolean => existsSync(endpoints) && (JSON.parse(readFileSync(endpoints, "utf8")) as { pids: { start: number } }).pids.start === child.pid;
	await processes.within(name, child, until(isReady));
	const elapsedMs = performance.now() - startedAtMs;
	await processes.end(child);
	return elapsedMs;
}

async function until(isTrue: () => boolean): Promise<void> {
	while (!isTrue()) await pause(20);
}
