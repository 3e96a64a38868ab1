import { Registry } from "prom-client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BOUND_NANO_USD, HOUR_MS, RealTimeStand } from "#test/support/real-time-stand.ts";
import { startTestTemporal, type TestTemporal, testWorkflowBundle } from "#test/support/temporal.ts";
import { until } from "#test/support/until.ts";
import { type BatchesRole, startBatchesRole } from "../../../workers/batches.ts";

/** How the worker's part in batches ends, with a call under way and with none, on a real PostgreSQL, a real Temporal and the simulated provider. */
let stand: RealTimeStand;
let temporal: TestTemporal;
let role: BatchesRole | undefined;
const problems: { readonly err?: unknown }[] = [];

beforeAll(async () => {
	[stand, temporal] = await Promise.all([RealTimeStand.open(), startTestTemporal()]);
}, 120_000);

afterAll(async () => {
	await role?.stop();
	await temporal?.close();
	await stand?.close();
});

async function* noBlobs(): AsyncGenerator<never> {}

async function startRole(stopGraceMs: number): Promise<BatchesRole> {
	const note = (fields: object): void => void problems.push(fields);
	const blobs = Object.assign(stand.blobs, { removeLeftovers: async () => 0, list: noBlobs });
	role = startBatchesRole({
		...{ databaseUrl: stand.deferred.batches.ledger.database.url, temporalAddress: temporal.address, temporalNamespace: "default" },
		...{ workflowBundle: await testWorkflowBundle(), providers: [stand.account], blobs: blobs as never, retention: { keptDays: 30, keptDaysByPurpose: {} } },
		...{ log: { info: () => undefined, warn: note, error: note } as never, metrics: new Registry(), stopGraceMs },
	});
	await role.polls;
	return role;
}

/** An item that goes in real time at once, and that its provider has. */
async function callUnderWay(simulate: object): Promise<string> {
	const batchId = await stand.held([
		{ deadlineMs: stand.nowMs + HOUR_MS, content: `[[simulate:${JSON.stringify({ inputTokens: 100, outputTokens: 5, ...simulate })}]]` },
	]);
	await until("a call that is under way", async () => (await stand.sentItems(batchId)) === 1);
	return batchId;
}

async function secondsToStop(running: BatchesRole): Promise<number> {
	const beganAtMs = performance.now();
	await running.stop();
	role = undefined;
	return (performance.now() - beganAtMs) / 1_000;
}

const endOf = async (batchId: string) => ({
	outcomes: (await stand.outcomes(batchId)).map(({ outcome }) => outcome),
	entries: (await stand.deferred.batches.entries(batchId)).map(({ outcome, cost_nano_usd }) => [outcome, cost_nano_usd]),
});

test("a call that takes longer than the rest of a stop is waited for, delivered, and booked as it was used", async () => {
	const running = await startRole(60_000);
	const batchId = await callUnderWay({ latencyMs: 7_000 });
	expect(await secondsToStop(running)).toBeLessThan(15);
	expect(await endOf(batchId)).toEqual({ outcomes: ["succeeded"], entries: [["settled", "110"]] });
	const next = await startRole(0);
	await until("its delivery by the next worker", async () => (await stand.answers(batchId))[0]?.status === 200);
	await secondsToStop(next);
	expect(stand.billed((await stand.batch(batchId)).number)).toHaveLength(1);
});

test("a call that runs longer than it may is cut, and charged at its bound before the worker ends", async () => {
	const running = await startRole(500);
	const batchId = await callUnderWay({ latencyMs: 20_000 });
	expect(await secondsToStop(running)).toBeLessThan(5);
	expect((await endOf(batchId)).entries).toEqual([["unresolved", String(BOUND_NANO_USD)]]);
});

test("with nothing under way a stop is quick, whatever time calls would have", async () => {
	const running = await startRole(60_000);
	expect(await secondsToStop(running)).toBeLessThan(5);
	expect(problems).toEqual([]);
});
