import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ItemResult } from "#domain/batching/item-result.ts";
import { batchJobWorkflowId } from "#workflows/batch-job/messages.ts";
import { COST_NANO_USD, type JobStand } from "../support/batch-job-stand.ts";
import { BatchJobWorker } from "../support/batch-job-worker.ts";
import { startTestTemporal, type TestTemporal } from "../support/temporal.ts";
import { until } from "../support/until.ts";

let temporal: TestTemporal;
let worker: BatchJobWorker;

beforeAll(async () => {
	temporal = await startTestTemporal();
	worker = await BatchJobWorker.start(temporal);
}, 120_000);
afterAll(async () => {
	await worker?.stop();
	await temporal?.close();
});

const handleOf = ({ batchId }: JobStand) => temporal.client.workflow.getHandle(batchJobWorkflowId(batchId));
const detailsOf = async (stand: JobStand) => (await handleOf(stand).query<{ currentDetails: string }>("__temporal_workflow_metadata")).currentDetails;

/** The batch as it is when its workflow has ended. */
async function ended(stand: JobStand) {
	await handleOf(stand).result();
	const record = await stand.store.read(stand.batchId);
	expect(stand.store.heldNanoUsd(stand.batchId)).toBe(0n);
	return record;
}

describe("a batch", () => {
	test("is written, handed in, watched, collected, settled by the item and given back to its caller", async () => {
		const stand = await worker.begin({ items: 5 });
		expect(await ended(stand)).toMatchObject({
			state: "completed",
			heldNanoUsd: "0",
			settledNanoUsd: String(5n * COST_NANO_USD),
			counts: { succeeded: 5, open: 0 },
		});
		expect(stand.provider.calls).toEqual(["upload", "create", "poll", "poll", "results", "results"]);
		const record = await stand.store.read(stand.batchId);
		const file = stand.store.files.get(record?.outputFileId ?? "");
		expect(stand.blobs.lines(file?.blobKey ?? "").map((line) => JSON.parse(line).custom_id)).toEqual(["c-1", "c-2", "c-3", "c-4", "c-5"]);
		expect(record?.errorFileId).toBeNull();
	});

	test("is split by the provider's limits, and joined again", async () => {
		const stand = await worker.begin({ items: 7, protocol: "anthropic", script: { itemsMax: 3 } });
		expect(await ended(stand)).toMatchObject({ state: "completed", counts: { succeeded: 7 } });
		expect([...stand.provider.batches.values()].map(({ customIds }) => customIds.length)).toEqual([3, 3, 1]);
		expect(stand.provider.calls).not.toContain("upload");
	});

	test("whose items expired is expired, and what ran is paid", async () => {
		const expired = new Set(["i-2", "i-4"]);
		const stand = await worker.begin({ items: 4, script: { itemOf: (name) => (expired.has(name) ? { kind: "expired" } : said) } });
		expect(await ended(stand)).toMatchObject({ state: "expired", settledNanoUsd: String(2n * COST_NANO_USD), counts: { succeeded: 2, expired: 2 } });
	});

	test("goes again where the key says so, with another try of what did not run, and no more than that", async () => {
		const script = { itemOf: (name: string, customId: string): ItemResult => (name === "i-2" && customId.endsWith("-2") ? { kind: "expired" } : said) };
		const stand = await worker.begin({ items: 3, rules: { mayResubmit: true, mayRelane: false }, script });
		expect(await ended(stand)).toMatchObject({ state: "completed", counts: { succeeded: 3, expired: 0 } });
		expect(stand.store.entries.map(({ attemptId }) => attemptId)).toEqual(["batch1-1-1", "batch1-1-3", "batch1-1-5"]);
	});

	test("goes in real time where the key says so, once its batch has left something undone", async () => {
		const script = { itemOf: (name: string): ItemResult => (name === "i-2" ? { kind: "expired" } : said) };
		const live = { kind: "answered", httpStatus: 200, requestId: "req-live", body: '{"usage":2}' } as const;
		const called: string[] = [];
		const call = async ({ attemptId }: { readonly attemptId: string }) => {
			called.push(attemptId);
			return live;
		};
		const stand = await worker.begin({ items: 3, rules: { mayResubmit: false, mayRelane: true }, script, call });
		const record = await ended(stand);
		expect(record).toMatchObject({ state: "completed", counts: { succeeded: 3, expired: 0 }, errorFileId: null });
		expect(called).toEqual(["batch1-1-5"]);
		const file = stand.store.files.get(record?.outputFileId ?? "");
		expect(stand.blobs.lines(file?.blobKey ?? "").map((line) => JSON.parse(line).custom_id)).toEqual(["c-1", "c-3", "c-2"]);
	});

	test("whose creation was not answered is found at the provider, and not made twice", async () => {
		const faults = new Map([["create", "cutAfter" as const]]);
		const faultOf = (call: string) => {
			const fault = faults.get(call) ?? "none";
			faults.delete(call);
			return fault;
		};
		const stand = await worker.begin({ items: 2, script: { faultOf } });
		expect(await ended(stand)).toMatchObject({ state: "completed", counts: { succeeded: 2 } });
		expect(stand.provider.batches.size).toBe(1);
		expect(stand.provider.calls.filter((call) => call === "create")).toHaveLength(1);
	});

	test("that the provider refuses as a whole has failed, with what it said and nothing billed", async () => {
		const stand = await worker.begin({ items: 2, script: { refusals: [{ code: "invalid_json_line", message: "no JSON" }] } });
		expect(await ended(stand)).toMatchObject({ state: "failed", problem: "line 2: no JSON", settledNanoUsd: "0", counts: { errored: 2 } });
		expect(stand.store.entries).toEqual([]);
	});

	test("whose results are cut three times is charged for what nobody knows", async () => {
		const stand = await worker.begin({ items: 3, script: { truncations: [1, 2, 1, 1] } });
		expect(await ended(stand)).toMatchObject({ state: "completed", counts: { succeeded: 2, errored: 1 } });
		expect(stand.store.entries.map(({ reason }) => reason)).toEqual([null, null, "unresolved"]);
		expect(await detailsOf(stand)).toContain("nobody knows what they cost: 1 items");
	});

	test("of which nothing can be read any more is charged at its bounds", async () => {
		const stand = await worker.begin({ items: 2, script: { areResultsGone: true } });
		expect(await ended(stand)).toMatchObject({ counts: { errored: 2 } });
		expect(stand.store.entries.map(({ reason }) => reason)).toEqual(["unresolved", "unresolved"]);
	});
});

describe("somebody who cancels", () => {
	test("by the update is answered, and what was finished is paid", async () => {
		const stand = await worker.begin({ items: 4, script: { pollsToEnd: 10_000 } });
		await until("the batch to run", async () => (await stand.store.parts(stand.batchId))[0]?.state === "running");
		expect(await worker.client.cancel(stand.batchId, "ann")).toMatchObject({ state: "running" });
		expect(await ended(stand)).toMatchObject({ state: "cancelled", settledNanoUsd: String(2n * COST_NANO_USD), counts: { succeeded: 2, cancelled: 2 } });
		expect(stand.provider.calls.filter((call) => call === "cancel")).toHaveLength(1);
	});

	test("without a word to the workflow is heard by the signal, and the details say so", async () => {
		const stand = await worker.begin({ items: 2, script: { pollsToEnd: 10_000 } });
		await until("the batch to run", async () => (await stand.store.parts(stand.batchId))[0]?.state === "running");
		await stand.store.askCancel(stand.batchId);
		await worker.tell(stand);
		expect(await ended(stand)).toMatchObject({ state: "cancelled" });
		expect(await detailsOf(stand)).toContain("Its end was asked for at");
	});

	test("the workflow in Temporal cancels the batch, and it goes on until that is done", async () => {
		const stand = await worker.begin({ items: 2, script: { pollsToEnd: 10_000 } });
		await until("the batch to run", async () => (await stand.store.parts(stand.batchId))[0]?.state === "running");
		await handleOf(stand).cancel();
		expect(await ended(stand)).toMatchObject({ state: "cancelled" });
	});

	test("without a name is refused, and leaves no trace", async () => {
		const stand = await worker.begin({ items: 2, script: { pollsToEnd: 10 } });
		await expect(worker.client.cancel(stand.batchId, "")).rejects.toMatchObject({ code: "admin.invalid", details: { field: "by" } });
		expect(await ended(stand)).toMatchObject({ state: "completed", cancelAskedAtMs: null });
		await expect(worker.client.cancel("batch_nobody", "ann")).rejects.toMatchObject({ code: "batch.missing" });
	});
});

describe("the workflow", () => {
	test("shows state, counts, money, parts and what holds it up", async () => {
		const faultOf = (call: string) => (call === "create" ? ("overloaded" as const) : ("none" as const));
		const stand = await worker.begin({ items: 2, script: { faultOf } });
		await until("it to wait", async () => (await worker.client.status(stand.batchId)).state.trouble !== null);
		const details = await detailsOf(stand);
		expect(details).toMatch(/^## Batch batch_a+\d+ of team search: waiting\n/);
		expect(details).toContain("(create):** scripted: provider.overloaded");
		expect(details).toContain("0 of 2 items ended: 2 open.");
		expect(details).toContain("Held 0.0000002 USD, settled 0.00 USD; model m-1 of openai");
		expect(details).toContain("| 1 | submitting | 2 |");
		expect(details).toContain(`npx tollgate batch show ${stand.batchId}`);
		await stand.store.askCancel(stand.batchId);
		await worker.tell(stand, true);
		expect(await ended(stand)).toMatchObject({ state: "cancelled", counts: { cancelled: 2 } });
	});

	test("is found by team and state", async () => {
		const stand = await worker.begin({ items: 1 });
		await ended(stand);
		const query = `TollgateTeam = 'search' AND TollgateState = 'completed' AND WorkflowId = '${batchJobWorkflowId(stand.batchId)}'`;
		await until("the list", async () => {
			for await (const _ of temporal.client.workflow.list({ query })) return true;
			return false;
		});
	});

	test("takes signals of any shape without harm", async () => {
		const stand = await worker.begin({ items: 1, script: { pollsToEnd: 10 } });
		for (const change of [null, 7, { retriesNow: "yes" }]) await handleOf(stand).signal("batchChanged", change);
		expect(await ended(stand)).toMatchObject({ state: "completed" });
	});

	test("begins a new run of itself with what it knows", async () => {
		const stand = await worker.begin({ items: 2, script: { pollsToEnd: 12 } }, 30);
		const { runId } = await handleOf(stand).describe();
		await until("a new run", async () => (await handleOf(stand).describe()).runId !== runId);
		await handleOf(stand).result();
		expect(await stand.store.read(stand.batchId)).toMatchObject({ state: "completed", counts: { succeeded: 2 } });
	});

	test("costs the history the same whatever the number of items", async () => {
		const few = await worker.begin({ items: 1 });
		const many = await worker.begin({ items: 2_000 });
		await Promise.all([ended(few), ended(many)]);
		const eventsOf = async (stand: JobStand) => (await handleOf(stand).fetchHistory()).events?.length ?? 0;
		expect(await eventsOf(many)).toBe(await eventsOf(few));
		expect(await eventsOf(many)).toBeLessThan(100);
	});
});

const said: ItemResult = { kind: "succeeded", httpStatus: 200, requestId: "req-1", body: '{"usage":1}' };

test("without registered search attributes it works all the same", async () => {
	const bare = await startTestTemporal({ hasSearchAttributes: false });
	const own = await BatchJobWorker.start(bare);
	const stand = await own.begin({ items: 1 });
	await bare.client.workflow.getHandle(batchJobWorkflowId(stand.batchId)).result();
	expect(await stand.store.read(stand.batchId)).toMatchObject({ state: "completed" });
	await own.stop();
	await bare.close();
}, 90_000);
