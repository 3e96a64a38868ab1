import { expect } from "vitest";
import { preloading } from "#test/support/preload.ts";
import { until } from "#test/support/until.ts";
import { type CallRecord, planCall, send } from "./call.ts";
import type { Fault, FaultRun } from "./fault.ts";
import { BROKEN, CLOSED, expectEnds } from "./load.ts";
import { exchange } from "./raw.ts";
import { inTurns } from "./requests.ts";
import { type FaultStand, LEASE_MS } from "./stand.ts";

/** Gateways short of memory or of time. */

const MEGABYTE = 1_048_576;
const STALL_MS = 2_500;
const SMALL_HEAP_MEGABYTES = 48;
/** Takes prompts of four megabytes. */
const LONG_WINDOW_MODEL = "gpt-4.1-mini";

async function isReady(url: string): Promise<boolean> {
	return (await exchange(url, "GET /readyz HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n")).status === 200;
}

export const PRESSURE_FAULTS: readonly Fault[] = [
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
