import { expect } from "vitest";
import { GATEWAY_NODE_FLAGS } from "#config/gateway-process.ts";
import { preloading } from "#test/support/preload.ts";
import { until } from "#test/support/until.ts";
import { type CallRecord, planCall, send } from "./call.ts";
import type { Fault, FaultRun } from "./fault.ts";
import { CLOSED, endOf, expectEnds } from "./load.ts";
import { exchange } from "./raw.ts";
import { type FaultStand, LEASE_MS } from "./stand.ts";

/** Gateways short of memory or of time. */

const MEGABYTE = 1_048_576;
const STALL_MS = 2_500;
const SMALL_HEAP_PERCENT = 60;
/** Of the gateway that stalls: calls that pile up meanwhile come all at once, and are more than this. */
const HELD_BODY_MEGABYTES = 6;
const LARGE_CALLS = 24;
/** Takes prompts of four megabytes. */
const LONG_WINDOW_MODEL = "gpt-4.1-mini";
const SHED = "503 gateway.overloaded";

async function statusOf(url: string, path: string): Promise<number> {
	return (await exchange(url, `GET ${path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n`)).status;
}

/** Bodies of a few megabytes each, all at once. `holdName`: the provider keeps its answers until that is released. */
function sendLarge(run: FaultRun, stand: FaultStand, gateway: number, holdName?: string): Promise<CallRecord>[] {
	return Array.from({ length: LARGE_CALLS }, () => {
		const call = { ...planCall(stand.ample, run.random), directive: holdName === undefined ? {} : { holdUntil: holdName } };
		const padding = "toll ".repeat(Math.ceil((run.random.integer(1, 3) * MEGABYTE) / 5));
		return send({ ...call, model: LONG_WINDOW_MODEL, padding }, { url: stand.gateway(gateway).url, gateway, phase: "during" });
	});
}

/** A call of each protocol to a gateway that has no memory left for it. */
async function expectShed(stand: FaultStand, gateway: number): Promise<string[]> {
	const { url } = stand.gateway(gateway);
	const headers = { authorization: `Bearer ${stand.ample.key}`, "content-type": "application/json", "anthropic-version": "2023-06-01" };
	const shapes = {
		"/v1/chat/completions": { model: LONG_WINDOW_MODEL, body: { error: { type: "service_unavailable_error", code: "gateway.overloaded" } } },
		"/v1/messages": { model: "claude-sonnet-5", body: { type: "error", error: { type: "overloaded_error", code: "gateway.overloaded" } } },
	};
	const ids: string[] = [];
	for (const [path, { model, body }] of Object.entries(shapes)) {
		const asked = JSON.stringify({ model, max_tokens: 20, messages: [{ role: "user", content: "hello" }] });
		const response = await fetch(`${url}${path}`, { method: "POST", headers, body: asked });
		expect(response.status, path).toBe(503);
		expect(Number(response.headers.get("retry-after")), path).toBeGreaterThan(0);
		expect(await response.json(), path).toMatchObject(body);
		ids.push(response.headers.get("x-tollgate-request-id") ?? "");
	}
	return ids;
}

/**
 * More at once than the gateway has memory for, kept there by the provider: what it cannot take it refuses with 503, and says
 * meanwhile that it lives but is not ready. Resolves when it took all it could, and is ready again.
 */
async function crowd(run: FaultRun, stand: FaultStand, gateway: number): Promise<CallRecord[]> {
	const { url } = stand.gateway(gateway);
	const holdName = `crowd ${gateway}`;
	const shed: CallRecord[] = [];
	const ends = sendLarge(run, stand, gateway, holdName).map(async (end) => {
		const record = await end;
		if (record.status !== 200) shed.push(record);
		return record;
	});
	const held = async (): Promise<number> =>
		((await stand.base.provider.control("state")) as { heldByName?: Record<string, number> }).heldByName?.[holdName] ?? 0;
	await until("each large call to be taken or refused", async () => (await held()) + shed.length === LARGE_CALLS);
	expect(new Set(shed.map(endOf)), "how calls are refused that there is no memory for").toEqual(new Set([SHED]));
	expect(await held(), "large calls taken").toBeGreaterThan(0);
	const probes = await expectShed(stand, gateway);
	expect([await statusOf(url, "/healthz"), await statusOf(url, "/readyz")]).toEqual([200, 503]);
	await stand.base.provider.control("release", { name: holdName });
	const records = await Promise.all(ends);
	await until("readiness", async () => (await statusOf(url, "/readyz")) === 200);
	// Nothing was asked for, and nothing is remembered, of a call that was not taken.
	const ids = [...probes, ...shed.map(({ requestId }) => requestId)];
	await stand.base.verify(); // flushes
	const known =
		"SELECT request_id FROM tollgate.attempt WHERE request_id = ANY ($1) UNION ALL SELECT request_id FROM tollgate.refusal WHERE request_id = ANY ($1)";
	expect(await stand.sql(known, [ids])).toEqual([]);
	return records;
}

/** Those of a gateway that Node takes from its environment. */
const FLAGS = GATEWAY_NODE_FLAGS.filter((flag) => process.allowedNodeEnvironmentFlags.has(flag.replace(/=.*/, "")));

/** What large calls take of memory, heap and buffers, where nothing limits it. */
async function measureNormalMemory(run: FaultRun, stand: FaultStand): Promise<{ megabytes: number; ends: CallRecord[] }> {
	await stand.gateway(0).end();
	const watched = await stand.start(0, { NODE_OPTIONS: [preloading("short-lease.mjs", "memory-peak.mjs"), ...FLAGS].join(" ") });
	const ends = await Promise.all(sendLarge(run, stand, 0));
	expect(new Set(ends.map(endOf)), "large calls where there is memory").toEqual(new Set(["200"]));
	watched.child.kill("SIGUSR2");
	const said = await until("its word", () => /it held (\d+) MB/.exec(watched.log())?.[1]);
	await watched.end();
	return { megabytes: Number(said), ends };
}

export const PRESSURE_FAULTS: readonly Fault[] = [
	{
		id: "F44",
		name: `a heap of ${SMALL_HEAP_PERCENT} % of what large bodies take, and a stall longer than the lease, under more calls than fit`,
		async run(run) {
			const stand = await run.open();
			const normal = await measureNormalMemory(run, stand);
			const smallMegabytes = Math.floor((normal.megabytes * SMALL_HEAP_PERCENT) / 100);
			const small = await stand.start(0, {
				NODE_OPTIONS: [preloading("short-lease.mjs"), ...FLAGS, `--max-old-space-size=${smallMegabytes}`].join(" "),
			});
			await stand.gateway(1).end();
			const stalling = await stand.start(1, {
				NODE_OPTIONS: preloading("short-lease.mjs", "stalling.mjs"),
				...{ TEST_STALL_MS: String(STALL_MS), TOLLGATE_HELD_BODY_MEGABYTES: String(HELD_BODY_MEGABYTES) },
			});
			const load = await stand.load(run.random);
			await load.beginFault(3 * LEASE_MS);
			const ends = await crowd(run, stand, 0);
			const unheld = await Promise.all(sendLarge(run, stand, 0));
			expect(
				unheld.map(endOf).filter((end) => end !== "200" && end !== SHED),
				"large calls that nobody holds",
			).toEqual([]);
			expect(unheld.map(endOf)).toContain("200");
			expect([small.child.exitCode, small.child.signalCode], "the gateway with the small heap goes on").toEqual([null, null]);
			stalling.child.kill("SIGUSR2");
			await until("the stall", () => stalling.log().includes("stalling"));
			// What it says of itself is so: ready means that a call is served.
			const wasReady = (await statusOf(stalling.url, "/readyz")) === 200;
			const first = await send(planCall(stand.ample, run.random), { url: stalling.url, gateway: 1, phase: "during" });
			if (wasReady) expect(first.status, "a call to a gateway that says it is ready").toBe(200);
			stalling.child.kill("SIGUSR2");
			await until("another stall", () => stalling.log().split("stalling").length === 3);
			ends.push(...(await crowd(run, stand, 1)));
			const recoveryMs = await stand.recover();
			load.healed();
			await load.finish();
			expectEnds(load.records, [CLOSED, SHED]);
			const large = [...ends, ...unheld];
			const shed = large.filter(({ status }) => status === 503).length;
			const note = `${smallMegabytes} MB of heap; ${shed} of ${large.length} large calls refused with 503, the others served`;
			return { counts: await stand.finish([...normal.ends, ...load.records, first, ...large], { shouldResolve: true }), recoveryMs, note };
		},
	},
];
