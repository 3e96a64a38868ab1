import { writeFileSync } from "node:fs";
import path from "node:path";
import { CHAT_PATH, type LaneContext, type RunningLane, SIDE_PORT } from "../lanes/lane.ts";
import { requestBody } from "../lanes/probe.ts";
import { portOf, startGateway } from "../lanes/start-lanes.ts";
import { copyDatabase, fillStore } from "../lanes/store.ts";
import { residentBytesOf } from "../machine/cpu.ts";
import type { Measured, Measurement } from "./measurement.ts";

/** Memory of a gateway at rest, under load, and once the thread that counts tokens exactly has been needed. */
export const tokenizerMemory: Measurement = {
	name: "memory with and without the tokenizer thread",
	isLong: false,
	async run(system, isQuick) {
		const { lane, child, tightKey } = await startMeasured(system.context, "memory");
		const pid = child.pid ?? 0;
		const megabytes = (): number => residentBytesOf(pid) / 1e6;
		const idle = megabytes();
		const load = { latencyMs: 0, isStream: false, prompt: 256, connections: 16, ratePerSecond: 1_000, durationMs: isQuick ? 1_500 : 15_000 } as const;
		const samples: number[] = [];
		for (let window = 0; window < LOAD_WINDOWS; window += 1) {
			await system.generator.run(lane, load);
			samples.push(megabytes());
		}
		const loaded = samples.at(-1) ?? Number.NaN;
		const status = await callOnce(lane, tightKey);
		const withTokenizer = megabytes();
		await system.context.processes.end(child);
		const data = { idleMegabytes: idle, afterLoadMegabytes: loaded, withTokenizerMegabytes: withTokenizer, statusOfCountedCall: status };
		const words = `${idle.toFixed(0)} MB at rest, ${loaded.toFixed(0)} MB after ${(load.durationMs * LOAD_WINDOWS) / 1000} s at 1,000/s, ${withTokenizer.toFixed(0)} MB with the tokenizer thread`;
		return { data, lines: [`memory of a gateway: ${words} (the call that needed it was answered ${status})`], ...(isQuick && { steadyMegabytes: samples }) };
	},
};

const LOAD_WINDOWS = 4;
const SLOPE_RATE = 500;
const SLOPE_MINUTES = 10;

/** Resident memory over ten minutes at a fixed rate; the slope leaves the first two out. */
export const memorySlope: Measurement = {
	name: "memory over 10 minutes",
	isLong: true,
	run: (system) => measureSlope(system, { windows: SLOPE_MINUTES * 6, windowMs: 10_000, skipped: 12 }),
};

/** One sample after each window; exported so that a short one can be tried. */
export async function measureSlope(
	system: Parameters<Measurement["run"]>[0],
	{ windows, windowMs, skipped }: { windows: number; windowMs: number; skipped: number },
): Promise<Measured> {
	const { lane, child } = await startMeasured(system.context, "slope");
	const samples: { minutes: number; megabytes: number }[] = [];
	const load = { latencyMs: 20, isStream: false, prompt: 256, connections: 64, ratePerSecond: SLOPE_RATE, durationMs: windowMs } as const;
	for (let window = 1; window <= windows; window += 1) {
		await system.generator.run(lane, load);
		samples.push({ minutes: (window * windowMs) / 60_000, megabytes: residentBytesOf(child.pid ?? 0) / 1e6 });
	}
	await system.context.processes.end(child);
	const counted = samples.slice(skipped);
	const slope = slopeOf(counted.map(({ minutes, megabytes }) => [minutes, megabytes]));
	const last = samples.at(-1)?.megabytes ?? Number.NaN;
	return {
		data: { ratePerSecond: SLOPE_RATE, samples, megabytesPerMinute: slope },
		steadyMegabytes: counted.map(({ megabytes }) => megabytes),
		lines: [
			`memory after ${((windows * windowMs) / 60_000).toFixed(1)} minutes at ${SLOPE_RATE}/s: ${last.toFixed(0)} MB, slope ${slope.toFixed(2)} MB a minute`,
		],
	};
}

/** Least squares; NaN for fewer than two points. */
export function slopeOf(points: readonly (readonly [x: number, y: number])[]): number {
	const mean = (axis: 0 | 1): number => points.reduce((sum, point) => sum + point[axis], 0) / points.length;
	const [meanX, meanY] = [mean(0), mean(1)];
	const above = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
	return above / points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
}

type Measuring = Awaited<ReturnType<typeof startGateway>> & { readonly lane: RunningLane; readonly tightKey: string };

/** A gateway with one budget whose provider is named in a providers file as one whose encoding is known, behind the provider of the governed lane. */
export async function startMeasured(context: LaneContext, name: string, callingTeams = 1): Promise<Measuring> {
	const databaseUrl = await copyDatabase(context.postgresUrl, context.templateDatabase, name);
	const secrets = await fillStore(databaseUrl, { budgets: 1, callingTeams });
	const [tightKey = ""] = await fillStore(databaseUrl, { budgets: 1, prefix: "tight", limitNanoUsd: TIGHT_LIMIT_NANO_USD });
	const providerPort = context.providerPorts[SIDE_PORT] ?? 0;
	const providersFile = path.join(context.folder, `${name}-providers.json`);
	writeFileSync(providersFile, JSON.stringify({ providers: { openai: { protocol: "openai", baseUrl: `http://127.0.0.1:${providerPort}/v1` } } }));
	const started = await startGateway(context, { name, databaseUrl, providerPort, providersFile });
	const endpoint = { port: portOf(started.report), path: CHAT_PATH, authorizations: secrets.map((secret) => `Bearer ${secret}`), headers: {} };
	const lane: RunningLane = { name: "governed", kind: "ours", endpoint, pid: started.child.pid, version: "", databaseUrl };
	return { ...started, lane, tightKey };
}

/** A prompt of 64 KB costs more than this by its bytes and less by its tokens: only exact counting can admit the call. */
const TIGHT_LIMIT_NANO_USD = 5_000_000n;

async function callOnce({ endpoint }: RunningLane, key: string): Promise<number> {
	const response = await fetch(`http://127.0.0.1:${endpoint.port}${endpoint.path}`, {
		method: "POST",
		headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
		body: requestBody(65_536, false),
	});
	await response.arrayBuffer();
	return response.status;
}
