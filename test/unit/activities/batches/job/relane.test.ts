import { describe, expect, test } from "vitest";
import type { CallOutcome, ItemCall } from "#activities/batches/job/real-time.ts";
import type { ItemResult } from "#domain/batching/item-result.ts";
import { COST_NANO_USD, driveJob, type JobStandOptions, openJobStand } from "#test/support/batch-job-stand.ts";

/** A caller's own batch whose key lets it go in real time, over memory. */
const said: ItemResult = { kind: "succeeded", httpStatus: 200, requestId: "req-1", body: '{"usage":1}' };
const answer: CallOutcome = { kind: "answered", httpStatus: 200, requestId: "req-live", body: '{\n  "usage": 2\n}' };
const relane = { mayResubmit: false, mayRelane: true };

function standOf(more: JobStandOptions & { readonly unfinished?: readonly string[]; readonly answers?: (call: ItemCall) => CallOutcome } = {}) {
	const { unfinished = ["i-2"], answers = () => answer, ...options } = more;
	const calls: { readonly attemptId: string; readonly body: string }[] = [];
	const stand = openJobStand({
		rules: relane,
		items: 3,
		script: { itemOf: (name) => (unfinished.includes(name) ? { kind: "expired" } : said) },
		async call(call) {
			calls.push({ attemptId: call.attemptId, body: call.body.toString() });
			return answers(call);
		},
		...options,
	});
	const outputOf = async (name: "outputFileId" | "errorFileId") => {
		const fileId = (await stand.store.read(stand.batchId))?.[name];
		const lines = stand.blobs.lines(stand.store.files.get(fileId ?? "")?.blobKey ?? "").map((line) => JSON.parse(line));
		return lines.sort((left, right) => left.custom_id.localeCompare(right.custom_id));
	};
	return { ...stand, calls, outputOf };
}

describe("what the provider's batch left undone", () => {
	test("goes in real time with its body out of the caller's file, and its answer stands in his output under his own id", async () => {
		const stand = standOf();
		await driveJob(stand);
		expect(stand.calls).toEqual([{ attemptId: "batch1-1-5", body: '{"model":"m-1","name":"i-2"}' }]);
		expect(stand.provider.batches.size).toBe(1);
		expect(await stand.store.read(stand.batchId)).toMatchObject({
			...{ state: "completed", settledNanoUsd: String(3n * COST_NANO_USD), counts: { succeeded: 3, expired: 0 }, errorFileId: null },
		});
		expect((await stand.outputOf("outputFileId")).map(({ custom_id, response, error }) => [custom_id, response, error])).toEqual([
			["c-1", { status_code: 200, request_id: "req-1", body: { usage: 1 } }, null],
			["c-2", { status_code: 200, request_id: "req-live", body: { usage: 2 } }, null],
			["c-3", { status_code: 200, request_id: "req-1", body: { usage: 1 } }, null],
		]);
		expect(stand.store.heldNanoUsd(stand.batchId)).toBe(0n);
	});

	test("stands among Anthropic's results as a batch would have written it", async () => {
		const error = '{"type":"error","error":{"type":"invalid_request_error","message":"too old"}}';
		const answers = ({ attemptId }: ItemCall): CallOutcome =>
			attemptId.endsWith("-5") ? answer : { kind: "answered", httpStatus: 400, requestId: "req-9", body: error };
		const stand = standOf({ protocol: "anthropic", unfinished: ["i-2", "i-3"], answers });
		await driveJob(stand);
		expect(stand.calls.map(({ body }) => body)).toEqual(['{"model":"m-1","name":"i-2"}', '{"model":"m-1","name":"i-3"}']);
		expect((await stand.outputOf("outputFileId")).at(-1)).toEqual({ custom_id: "c-2", result: { type: "succeeded", message: { usage: 2 } } });
		expect(await stand.outputOf("errorFileId")).toEqual([{ custom_id: "c-3", result: { type: "errored", error: JSON.parse(error) } }]);
	});

	test("goes with a second batch first where the key says that too", async () => {
		const stand = standOf({ rules: { mayResubmit: true, mayRelane: true } });
		await driveJob(stand);
		expect([...stand.provider.batches.values()].map(({ customIds }) => customIds.length)).toEqual([3, 1]);
		expect(stand.calls.map(({ attemptId }) => attemptId)).toEqual(["batch1-1-8"]);
		expect(stand.store.outcomes(stand.batchId)).toEqual(["succeeded", "succeeded", "succeeded"]);
	});

	test.each([
		{ mayResubmit: false, mayRelane: false },
		{ mayResubmit: true, mayRelane: false },
	])("never goes in real time where the key does not say so: %j", async (rules) => {
		const stand = standOf({ rules });
		await driveJob(stand);
		expect(stand.calls).toEqual([]);
		expect(stand.store.outcomes(stand.batchId)).toEqual(["succeeded", "expired", "succeeded"]);
	});

	test("is not what no provider took: that goes with a batch again, however often and whatever another one left undone meanwhile", async () => {
		const refusal = { code: "token_limit_exceeded", message: "Enqueued token limit reached" };
		const refusals = [undefined, ...Array.from({ length: 5 }, () => refusal)];
		const itemOf = (name: string) => (name === "i-1" ? ({ kind: "expired" } as const) : said);
		const stand = standOf({ items: 4, script: { itemsMax: 2, refusals, itemOf } });
		await driveJob(stand);
		expect(stand.calls.map(({ body }) => body)).toEqual(['{"model":"m-1","name":"i-1"}']);
		const taken = [...stand.provider.batches.values()].filter(({ status }) => status.state === "ended");
		expect(taken.map(({ customIds }) => customIds.map(({ name }) => name))).toEqual([
			["i-1", "i-2"],
			["i-3", "i-4"],
		]);
		expect(stand.store.outcomes(stand.batchId)).toEqual(["succeeded", "succeeded", "succeeded", "succeeded"]);
	});

	test("goes in real time after two batches that ran, although another one was not taken before them", async () => {
		const refusals = [{ code: "token_limit_exceeded", message: "Enqueued token limit reached" }];
		const itemOf = (name: string) => (name === "i-2" ? ({ kind: "expired" } as const) : said);
		const stand = standOf({ rules: { mayResubmit: true, mayRelane: true }, script: { refusals, itemOf } });
		await driveJob(stand);
		expect([...stand.provider.batches.values()].map(({ customIds }) => customIds.length)).toEqual([3, 3, 1]);
		expect(stand.calls.map(({ attemptId }) => attemptId)).toEqual(["batch1-1-11"]);
		expect(stand.store.outcomes(stand.batchId)).toEqual(["succeeded", "succeeded", "succeeded"]);
	});

	test("is called as often in real time although no provider took its first batches", async () => {
		const refusals = Array.from({ length: 2 }, () => ({ code: "token_limit_exceeded", message: "Enqueued token limit reached" }));
		const body = '{"error":{"type":"server_error","message":"down"}}';
		const itemOf = (name: string) => (name === "i-2" ? ({ kind: "expired" } as const) : said);
		const stand = standOf({ script: { refusals, itemOf }, answers: () => ({ kind: "answered", httpStatus: 500, requestId: null, body }) });
		await driveJob(stand);
		expect(stand.calls.map(({ attemptId }) => attemptId)).toEqual(["batch1-1-11", "batch1-1-14"]);
		expect(stand.store.outcomes(stand.batchId)).toEqual(["succeeded", "errored", "succeeded"]);
	});

	test("ends after three tries, with what the last one said", async () => {
		const body = '{"error":{"type":"server_error","message":"down"}}';
		const stand = standOf({ answers: () => ({ kind: "answered", httpStatus: 500, requestId: null, body }) });
		await driveJob(stand);
		expect(stand.calls.map(({ attemptId }) => attemptId)).toEqual(["batch1-1-5", "batch1-1-8"]);
		expect(stand.store.outcomes(stand.batchId)).toEqual(["succeeded", "errored", "succeeded"]);
		expect((await stand.outputOf("errorFileId"))[0]).toMatchObject({ custom_id: "c-2", response: { status_code: 500, body: JSON.parse(body) } });
	});

	test("of which nobody knows whether it ran is charged at its bound, and not sent again", async () => {
		const stand = standOf({ answers: () => ({ kind: "unknown", why: "the call was cut" }) });
		await driveJob(stand);
		expect(stand.calls).toHaveLength(1);
		expect(stand.store.entries.map(({ n, reason }) => [n, reason])).toEqual([
			[1, null],
			[3, null],
			[2, "unresolved"],
		]);
		expect((await stand.outputOf("errorFileId"))[0]).toMatchObject({ custom_id: "c-2", response: { status_code: 502 } });
	});

	test("is not sent when the end of its batch was asked for", async () => {
		const stand = standOf();
		await driveJob(stand, { onStep: (step) => void (step.kind === "call" && stand.store.askCancel(stand.batchId)) });
		expect(stand.calls).toEqual([]);
		expect(stand.store.outcomes(stand.batchId)).toEqual(["succeeded", "cancelled", "succeeded"]);
		expect((await stand.outputOf("errorFileId"))[0]).toMatchObject({ custom_id: "c-2", error: { code: "batch_cancelled" } });
	});
});

test("what no provider took is handed in again, and not called", async () => {
	const refusals = [{ code: "token_limit_exceeded", message: "too much waits" }];
	const stand = standOf({ script: { refusals, itemOf: () => said } });
	await driveJob(stand);
	expect(stand.calls).toEqual([]);
	expect(stand.provider.batches.size).toBe(2);
	expect(stand.store.outcomes(stand.batchId)).toEqual(["succeeded", "succeeded", "succeeded"]);
});

test("more than is kept in memory at once is called by one activity after another, each request once", async () => {
	const stand = standOf({ unfinished: ["i-1", "i-2", "i-3"] });
	const [key = ""] = [...stand.blobs.blobs.keys()];
	const padding = "x".repeat(10_000_000);
	const lines = [1, 2, 3].map((n) => ({ custom_id: `c-${n}`, method: "POST", url: "/v1/chat/completions", body: { model: "m-1", name: `i-${n}`, padding } }));
	stand.blobs.blobs.set(key, Buffer.from(lines.map((line) => JSON.stringify(line)).join("\n")));
	let activities = 0;
	await driveJob(stand, { onStep: ({ kind }) => void (kind === "call" && activities++) });
	expect(activities).toBe(2);
	expect(stand.calls.map(({ attemptId }) => attemptId)).toEqual(["batch1-1-4", "batch1-1-5", "batch1-1-6"]);
	expect(stand.calls.every(({ body }) => body.length > padding.length)).toBe(true);
});

test("whose file is gone ends with its tries, as one that cannot be sent, and costs nothing", async () => {
	const stand = standOf({ unfinished: ["i-2", "i-3"] });
	const [[key, file] = ["", Buffer.of()]] = [...stand.blobs.blobs];
	let activities = 0;
	const onStep = async ({ kind }: { readonly kind: string }): Promise<void> => {
		if (kind === "call") activities++;
		if (kind === "call") await stand.blobs.delete(key);
		// The ids of its caller are read from it.
		if (kind === "finish") stand.blobs.blobs.set(key, file);
	};
	await driveJob(stand, { onStep: (step) => void onStep(step) });
	// Two tries are left, and neither is waited for.
	expect(activities).toBe(2);
	expect(stand.calls).toEqual([]);
	expect(stand.store.outcomes(stand.batchId)).toEqual(["succeeded", "errored", "errored"]);
	expect((await stand.outputOf("errorFileId"))[0]).toMatchObject({ response: { status_code: 500, body: { error: { code: "deferred.unsendable" } } } });
	expect(stand.store.entries).toHaveLength(1);
	expect(stand.store.heldNanoUsd(stand.batchId)).toBe(0n);
});

test("a worker that ends anywhere leaves each request with one outcome, and none called twice that may have run", async () => {
	let places = 0;
	await driveJob(standOf({ onCall: () => void places++ }));
	expect(places).toBeGreaterThan(30);
	for (let death = 1; death <= places; death++) {
		const onCall = (place: number): void => {
			if (place === death) throw new Error("the worker is gone");
		};
		const stand = standOf({ onCall });
		await driveJob(stand);
		expect(stand.store.outcomes(stand.batchId)).not.toContain(null);
		expect(new Set(stand.calls.map(({ attemptId }) => attemptId)).size).toBe(stand.calls.length);
		expect(new Set(stand.store.entries.map(({ attemptId }) => attemptId)).size).toBe(stand.store.entries.length);
		expect(stand.store.heldNanoUsd(stand.batchId)).toBe(0n);
	}
});
