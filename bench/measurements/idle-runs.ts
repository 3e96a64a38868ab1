import pg from "pg";
import { requestBody } from "../lanes/probe.ts";
import { residentBytesOf } from "../machine/cpu.ts";
import type { Measured, Measurement } from "./measurement.ts";
import { startMeasured } from "./memory.ts";

/** What a gateway keeps of agent runs that lie idle. */
const RUNS = 50_000;
/** With a key each: the runs that a key began within an hour are counted whenever it begins one. */
const TEAMS = 100;
const LIMIT_BYTES = 1_024;
const CALLS_AT_ONCE = 16;
/** A run rests after a minute; afterwards a few calls without one move the gateway to collect what it let go of. */
const RESTS_AFTER_MS = 75_000;
const CALLS_AFTERWARDS = 20_000;

export const idleRuns: Measurement = {
	name: "memory of 50,000 idle runs",
	isLong: true,
	run: (system) => measureIdleRuns(system, { runs: RUNS, restsAfterMs: RESTS_AFTER_MS, callsAfterwards: CALLS_AFTERWARDS }),
};

/** Each run makes one call; exported so that fewer can be tried. */
export async function measureIdleRuns(
	system: Parameters<Measurement["run"]>[0],
	{ runs, restsAfterMs, callsAfterwards }: { readonly runs: number; readonly restsAfterMs: number; readonly callsAfterwards: number },
): Promise<Measured> {
	const { lane, child } = await startMeasured(system.context, "idle-runs", TEAMS);
	await allowManyRuns(lane.databaseUrl ?? "");
	const megabytes = (): number => residentBytesOf(child.pid ?? 0) / 1e6;
	const url = `http://127.0.0.1:${lane.endpoint.port}${lane.endpoint.path}`;
	const body = requestBody(256, false);
	const { authorizations } = lane.endpoint;
	const call = async (index: number, run: string | undefined): Promise<void> => {
		const headers = { authorization: authorizations[index % authorizations.length] ?? "", "content-type": "application/json" };
		const answer = await fetch(url, { method: "POST", headers: { ...headers, ...(run !== undefined && { "x-tollgate-run": run }) }, body });
		const text = await answer.text();
		if (answer.status !== 200) throw new Error(`a call of ${run ?? "no run"} was answered ${answer.status} ${text.slice(0, 200)}`);
	};
	await callMany(callsAfterwards, (index) => call(index, undefined));
	const before = megabytes();
	await callMany(runs, (index) => call(index, `idle-${index}`));
	const active = megabytes();
	await new Promise((resolve) => setTimeout(resolve, restsAfterMs));
	await callMany(callsAfterwards, (index) => call(index, undefined));
	const after = megabytes();
	await system.context.processes.end(child);
	const bytesPerRun = Math.max(0, ((after - before) * 1e6) / runs);
	const words = `${bytesPerRun.toFixed(0)} bytes each (limit ${LIMIT_BYTES}): ${before.toFixed(0)} MB before, ${active.toFixed(0)} MB as the last one began, ${after.toFixed(0)} MB at rest`;
	return {
		data: { runs, bytesPerRun, isWithinLimit: bytesPerRun <= LIMIT_BYTES, beforeMegabytes: before, activeMegabytes: active, restingMegabytes: after },
		lines: [`${runs} idle agent runs: ${words}`],
	};
}

/** The default of new runs an hour is there to stop just this. */
async function allowManyRuns(databaseUrl: string): Promise<void> {
	const client = new pg.Client({ connectionString: databaseUrl });
	await client.connect();
	try {
		await client.query(`UPDATE tollgate.team SET runs = '{"newRunsPerHour": 1000000}'`);
	} finally {
		await client.end();
	}
}

async function callMany(count: number, call: (index: number) => Promise<void>): Promise<void> {
	let next = 0;
	const work = async (): Promise<void> => {
		for (let index = next++; index < count; index = next++) await call(index);
	};
	await Promise.all(Array.from({ length: CALLS_AT_ONCE }, work));
}
