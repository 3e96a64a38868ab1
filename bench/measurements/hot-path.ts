import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { BenchSystem } from "../bench-system.ts";
import { CHAT_PATH, type RunningLane, SIDE_PORT } from "../lanes/lane.ts";
import { portOf, startGateway } from "../lanes/start-lanes.ts";
import { copyDatabase, fillStore } from "../lanes/store.ts";
import { drawFlameGraph } from "../output/flame-graph.ts";
import { textTable } from "../output/text-table.ts";
import { PEAK_CONNECTIONS } from "../scenarios.ts";
import { type CpuProfile, type Share, summarizeProfile } from "./cpu-profile.ts";
import type { Measured } from "./measurement.ts";

const NAME = "profile";
const WARM_UP_MS = 4_000;
const LOAD_MS = 6_000;

/**
 * Where the gateway's time goes under the governed lane's peak, by V8's sampling profiler in a gateway of its own, whose figures are no lane's. The
 * profile itself goes to `file` (`.cpuprofile`), and a flame graph beside it.
 */
export async function profileHotPath({ context, generator }: BenchSystem, file: string): Promise<Measured> {
	const databaseUrl = await copyDatabase(context.postgresUrl, context.templateDatabase, NAME);
	const secrets = await fillStore(databaseUrl, { budgets: 1 });
	const folder = path.join(context.folder, NAME);
	const nodeFlags = ["--cpu-prof", `--cpu-prof-dir=${folder}`];
	const { child, report } = await startGateway(context, { name: NAME, databaseUrl, providerPort: context.providerPorts[SIDE_PORT] ?? 0, nodeFlags });
	const endpoint = { port: portOf(report), path: CHAT_PATH, authorizations: secrets.map((secret) => `Bearer ${secret}`), headers: {} };
	const lane: RunningLane = { name: "governed", kind: "ours", endpoint, pid: child.pid, version: "", databaseUrl };
	const load = { latencyMs: 0, isStream: false, prompt: 256, connections: PEAK_CONNECTIONS, ratePerSecond: undefined } as const;
	await generator.run(lane, { ...load, durationMs: WARM_UP_MS });
	const fromUs = Number(process.hrtime.bigint()) / 1e3;
	const result = await generator.run(lane, { ...load, durationMs: LOAD_MS });
	const toUs = Number(process.hrtime.bigint()) / 1e3;
	await context.processes.end(child);
	const written = readdirSync(folder).find((name) => name.endsWith(".cpuprofile")) ?? "";
	mkdirSync(path.dirname(file), { recursive: true });
	copyFileSync(path.join(folder, written), file);
	const profile = JSON.parse(readFileSync(file, "utf8")) as CpuProfile;
	writeFileSync(file.replace(/\.cpuprofile$/, "-flame-graph.svg"), drawFlameGraph(profile, { fromUs, toUs }));
	const summary = summarizeProfile(profile, { fromUs, toUs });
	const callsPerSecond = (result.right / result.elapsedMs) * 1000;
	const table = (title: string, shares: readonly Share[]) =>
		textTable(
			[title, "share of busy time"],
			shares.map(({ name, share }) => [name, `${(share * 100).toFixed(1)} %`]),
		);
	return {
		data: { callsPerSecond, ...summary },
		lines: [
			`profile of the governed lane at ${callsPerSecond.toFixed(0)} calls/s`,
			...table("area", summary.areas.slice(0, 25)),
			"",
			...table("function", summary.functions),
		],
	};
}
