import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { expect } from "vitest";
import { preloading } from "#test/support/preload.ts";
import { until } from "#test/support/until.ts";
import { type CallRecord, MODEL, planCall, send } from "./call.ts";
import type { Fault, FaultRun } from "./fault.ts";
import { BROKEN, CLOSED, expectEnds } from "./load.ts";
import { exchange } from "./raw.ts";
import { inTurns } from "./requests.ts";
import { type FaultStand, LEASE_MS } from "./stand.ts";

/** Callers that read slowly, and gateways short of memory or of time. */

const SLOW_CALLERS = 40;
/** Four answers of this length are some ten megabytes of events: more than the kernel keeps for both connections of a call. */
const LONG_ANSWER = { maxTokens: 16_000, outputTokens: 16_000, answers: 4 };
const READERS_IN_THE_END = 2;
const GROWTH_MEGABYTES_MOST = 250;
const MEGABYTE = 1_048_576;
const STALL_MS = 2_500;
const SMALL_HEAP_MEGABYTES = 48;
/** Takes prompts of four megabytes. */
const LONG_WINDOW_MODEL = "gpt-4.1-mini";

export function residentMegabytes(pid: number | undefined): number {
	return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1_024;
}

type SlowCaller = { readonly socket: Socket; readAll(): Promise<string> };

/** A caller who asks for a long stream and reads nothing until told to. */
function openSlowCaller(stand: FaultStand, key: string, gateway: number): SlowCaller {
	const { hostname, port } = new URL(stand.gateway(gateway).url);
	const { maxTokens, outputTokens, answers } = LONG_ANSWER;
	const content = `slowly [[simulate:${JSON.stringify({ outputTokens, tokensPerSecond: 10_000_000 })}]]`;
	const body = JSON.stringify({ model: MODEL, max_tokens: maxTokens, n: answers, stream: true, messages: [{ role: "user", content }] });
	const head = ["POST /v1/chat/completions HTTP/1.1", "host: gateway", `authorization: Bearer ${key}`, "content-type: application/json"];
	const socket = connect(Number(port), hostname);
	socket.pause();
	socket.write([...head, `content-length: ${body.length}`, "connection: close", "", body].join("\r\n"));
	return {
		socket,
		readAll: () =>
			new Promise((resolve, reject) => {
				let end = "";
				socket.setEncoding("latin1");
				socket.on("data", (chunk: string) => (end = `${end}${chunk}`.slice(-4_000)));
				socket.on("end", () => resolve(end));
				socket.resume();
				socket.on("error", reject);
			}),
	};
}

const inFlight = async (stand: FaultStand): Promise<number> => Number((await stand.base.provider.control("state"))["inFlight"]);

async function isReady(url: string): Promise<boolean> {
	return (await exchange(url, "GET /readyz HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n")).status === 200;
}

export const PRESSURE_FAULTS: readonly Fault[] = [
	{
		id: "F24",
		name: `${SLOW_CALLERS} callers who do not read their streams`,
		async run(run) {
			const stand = await run.open();
			const load = await stand.load(run.random);
			await load.beginFault(3 * LEASE_MS);
			const before = stand.gateways.map(({ child }) => residentMegabytes(child.pid));
			const leaving = await stand.base.team(1_000_000_000_000n, { onDisconnect: "cancel" });
			const slow = Array.from({ length: SLOW_CALLERS }, (_, index) => openSlowCaller(stand, leaving.key, index % stand.gateways.length));
			run.defer(() => {
				for (const { socket } of slow) socket.destroy();
			});
			await until("the slow calls", async () => (await inFlight(stand)) >= SLOW_CALLERS);
			const beside = await inTurns(Array.from({ length: 60 }), 6, () => {
				const gateway = run.random.integer(0, 3);
				return send(planCall(stand.ample, run.random), { url: stand.gateway(gateway).url, gateway, phase: "during" });
			});
			expect(
				beside.filter(({ status }) => status !== 200),
				"callers beside the slow ones",
			).toEqual([]);
			// Nobody reads, so the provider is held back: its calls do not end, and nothing piles up in between.
			const growth = stand.gateways.map(({ child }, index) => residentMegabytes(child.pid) - (before[index] ?? 0));
			expect(await inFlight(stand), "calls held back").toBeGreaterThanOrEqual(SLOW_CALLERS);
			expect(
				growth.filter((megabytes) => megabytes > GROWTH_MEGABYTES_MOST),
				"megabytes that a gateway grew by",
			).toEqual([]);
			const texts = await Promise.all(slow.slice(0, READERS_IN_THE_END).map((caller) => caller.readAll()));
			expect(
				texts.filter((text) => !text.includes("data: [DONE]")),
				"streams without an end",
			).toEqual([]);
			for (const { socket } of slow) socket.destroy();
			await until("the others to have left", async () => (await inFlight(stand)) === 0);
			load.healed();
			await load.finish();
			expectEnds(load.records, []);
			const counts = await stand.finish([...load.records, ...beside], { shouldResolve: true });
			return { counts, recoveryMs: null, note: `a gateway grew by ${Math.max(...growth).toFixed(0)} MB at most` };
		},
	},
	{
		id: "F44",
		name: `a gateway whose heap is ${SMALL_HEAP_MEGABYTES} MB under large bodies, another that stalls for longer than its lease`,
		async run(run) {
			const stand = await run.open();
			await stand.gateway(0).end();
			await stand.start(0, { NODE_OPTIONS: `${preloading("short-lease.mjs")} --max-old-space-size=${SMALL_HEAP_MEGABYTES}` });
			await stand.gateway(1).end();
			await stand.start(1, { NODE_OPTIONS: preloading("short-lease.mjs", "stalling.mjs"), TEST_STALL_MS: String(STALL_MS) });
			const load = await stand.load(run.random);
			await load.beginFault(3 * LEASE_MS);
			stand.gateway(1).child.kill("SIGUSR2");
			const large = burden(run, stand);
			await until("the stall", () => stand.gateway(1).log().includes("stalling"));
			// What it says of itself is so: ready means that a call is served.
			const wasReady = await isReady(stand.gateway(1).url);
			const first = await send(planCall(stand.ample, run.random), { url: stand.gateway(1).url, gateway: 1, phase: "during" });
			if (wasReady) expect(first.status, "a call to a gateway that says it is ready").toBe(200);
			const ends = await large;
			const hasEnded = stand.gateway(0).child.exitCode !== null || stand.gateway(0).child.signalCode !== null;
			if (hasEnded) await stand.start(0); // what the system's own supervisor does
			const recoveryMs = await stand.recover();
			for (const gateway of stand.gateways) expect(await isReady(gateway.url)).toBe(true);
			load.healed();
			await load.finish();
			expectEnds(load.records, [CLOSED, BROKEN, /^503 /]);
			expect(ends.filter(({ status }) => ![200, 0, 400, 413, 402, 422, 503].includes(status))).toEqual([]);
			const served = ends.filter(({ status }) => status === 200).length;
			expect(served > 0 || hasEnded, `large calls that were served: ${JSON.stringify(ends.map(({ status }) => status))}`).toBe(true);
			const note = `${served} of ${ends.length} large calls served; the small gateway ${hasEnded ? "ended and was started again" : "went on"}`;
			return { counts: await stand.finish([...load.records, first, ...ends], { shouldResolve: true }), recoveryMs, note };
		},
	},
];

/** Bodies of a few megabytes each, all at once, at the gateway with the small heap. */
async function burden(run: FaultRun, stand: FaultStand): Promise<CallRecord[]> {
	const { url } = stand.gateway(0);
	return inTurns(Array.from({ length: 24 }), 12, async () => {
		const call = { ...planCall(stand.ample, run.random), directive: {} };
		const padded = { ...call, model: LONG_WINDOW_MODEL, padding: "toll ".repeat(Math.ceil((run.random.integer(1, 3) * MEGABYTE) / 5)) };
		return send(padded, { url, gateway: 0, phase: "during" });
	});
}
