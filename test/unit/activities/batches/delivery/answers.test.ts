import { expect, test } from "vitest";
import { deliverAnswers } from "#activities/batches/delivery/answers.ts";
import type { JobObserver } from "#activities/batches/job/job-port.ts";
import { readingsOf } from "#activities/batches/job/job-rows.ts";
import { answerKey, bodyKey } from "#activities/batches/lines/deferred-blobs.ts";
import type { BatchRecord } from "#activities/batches/port.ts";
import type { ItemResult } from "#domain/batching/item-result.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { driveJob, type JobStand, type JobStandOptions, openJobStand } from "#test/support/batch-job-stand.ts";
import { deferredIdOf } from "#test/support/memory-batches.ts";
import type { ItemScript } from "#test/support/scripted-batch-provider.ts";

const said = (name: string): ItemResult => ({ kind: "succeeded", httpStatus: 200, requestId: "req-1", body: `{"usage": 1,\t"said": "é ${name}"}` });

function collected(options: JobStandOptions = {}): JobStand {
	return openJobStand({ origin: "collected", items: 6, ...options, script: { itemOf: said, itemsMax: 4, ...options.script } });
}

/** What its caller reads: the status, and the bytes as they lie there. */
function answerTo({ store, blobs, batchId }: JobStand, n: number): { readonly status: number | undefined; readonly body: string | undefined } {
	const answer = store.answers(batchId)[n - 1];
	if (answer !== undefined) expect(answer.answerBlobKey).toBe(answerKey("search", deferredIdOf(n)));
	return { status: answer?.httpStatus, body: blobs.blobs.get(answerKey("search", deferredIdOf(n)))?.toString("utf8") };
}
const NEVER_AGAIN = { mayResubmit: false, mayRelane: false };

type Sent = { readonly stand: JobStand; readonly deliver: (observer?: Partial<JobObserver>) => Promise<void> };

/** All of its parts are at the provider. */
async function sent(options: JobStandOptions = {}): Promise<Sent> {
	const stand = collected(options);
	const { activities, store, dependencies, batchId } = stand;
	await activities.readBatchJob({ batchId });
	await activities.writeBatchParts({ batchId });
	for (const { part } of await store.parts(batchId)) await activities.createBatchPart({ batchId, part, isClear: false });
	return { stand, deliver: (observer) => deliverAnswers({ ...dependencies, observer: { ...dependencies.observer, ...observer } }, batchId) };
}

/** All of its items have ended, and nobody was answered. */
async function ended({ mayGoAgain = false, ...options }: JobStandOptions & { readonly mayGoAgain?: boolean } = {}): Promise<Sent> {
	const batch = await sent(options);
	const { activities, store, batchId } = batch.stand;
	for (const { part } of await store.parts(batchId)) {
		await activities.pollBatchPart({ batchId, part });
		const { outcome } = await activities.pollBatchPart({ batchId, part });
		if (outcome.kind !== "said") throw new Error(`the part is ${outcome.kind}`);
		await activities.collectBatchPart({ batchId, part, status: outcome.status, reading: 1, isLast: false, mayGoAgain });
	}
	return batch;
}

async function* eachOf<Item>(items: readonly Item[]): AsyncGenerator<Item> {
	yield* items;
}
const bodiesOf = ({ blobs }: JobStand) => [...blobs.blobs.keys()].filter((key) => key.endsWith("/body"));

test("each item of a collected batch is sent with its own body, and answered with the provider's bytes", async () => {
	for (const protocol of ["openai", "anthropic"] as const) {
		const stand = collected({ protocol });
		await driveJob(stand);
		const [request] = stand.blobs.lines(`search/batches/${stand.batchId}/part-2.jsonl`);
		const body = '{   "model": "m-1",    "name": "i-5" }';
		expect(request).toBe(
			protocol === "openai"
				? `{"custom_id":"batch1-1-5","method":"POST","url":"/v1/chat/completions","body":${body}}`
				: `{"custom_id":"batch1-1-5","params":${body}}`,
		);
		for (let n = 1; n <= 6; n++) expect(answerTo(stand, n)).toEqual({ status: 200, body: `{"usage": 1,\t"said": "é i-${n}"}` });
		expect(bodiesOf(stand)).toEqual([]);
		expect(await stand.store.read(stand.batchId)).toMatchObject({ state: "completed", outputFileId: null, errorFileId: null, heldNanoUsd: "0" });
		expect([...stand.blobs.blobs.keys()].filter((key) => key.includes("/files/"))).toEqual([]);
	}
});

test("each outcome has its answer: the provider's where there is one, else why there is none", async () => {
	const results: Readonly<Record<string, ItemScript>> = {
		"i-1": { kind: "errored", httpStatus: 400, requestId: null, body: '{ "error": {"message": "bad"} }' },
		"i-2": { kind: "expired" },
		"i-3": "missing",
		"i-4": { kind: "succeeded", httpStatus: 200, requestId: null, body: "{}" },
	};
	const stand = collected({ items: 5, rules: NEVER_AGAIN, script: { itemOf: (name) => results[name] ?? said(name) } });
	await driveJob(stand);
	expect(answerTo(stand, 1)).toEqual({ status: 400, body: '{ "error": {"message": "bad"} }' });
	expect(answerTo(stand, 2)).toMatchObject({ status: 504, body: expect.stringContaining("deferred.expired") });
	expect(answerTo(stand, 3)).toMatchObject({ status: 502, body: expect.stringContaining("deferred.lost") });
	// Its usage is missing: charged at its bound, and answered all the same.
	expect(answerTo(stand, 4)).toEqual({ status: 200, body: "{}" });
	expect(stand.store.entries.map(({ n, reason }) => [n, reason]).toSorted()).toEqual([
		[3, "unresolved"],
		[4, "unresolved"],
		[5, null],
	]);
});

test("what was cancelled, refused as a whole or not sent in time is answered too", async () => {
	const cancelled = collected({ items: 4, script: { itemsMax: 4, pollsToEnd: 9 } });
	await driveJob(cancelled, { cancelsAt: 6 });
	expect([1, 2, 3, 4].map((n) => answerTo(cancelled, n).status)).toEqual([200, 200, 409, 409]);
	const refused = collected({ items: 1, script: { refusals: [{ code: "invalid_json", message: "line 2 is none" }] } });
	await driveJob(refused);
	expect(answerTo(refused, 1)).toMatchObject({ status: 400, body: expect.stringContaining("line 2 is none") });
	expect(await refused.store.read(refused.batchId)).toMatchObject({ state: "failed" });
});

test("an answer counts where it is of the try that ended the item, and of how it ended", async () => {
	const { stand, deliver } = await ended({ items: 2 });
	const { store, dependencies, batchId } = stand;
	const batch = await store.read(batchId);
	if (batch === undefined) throw new Error("the batch is gone");
	const of = { part: 1, providerBatchId: "pb-1" };
	// A later reading says otherwise of one, and something of another try of the other.
	await dependencies.lines.keepResults(
		batch,
		{ ...of, reading: 2 },
		eachOf([
			{ kind: "item", customId: "batch1-1-1", result: { kind: "errored", httpStatus: 500, requestId: null, body: "{}" } },
			{ kind: "item", customId: "batch1-1-4", result: { kind: "succeeded", httpStatus: 200, requestId: null, body: '{"try":2}' } },
			{ kind: "item", customId: "batch2-1-1", result: { kind: "succeeded", httpStatus: 200, requestId: null, body: '{"batch":2}' } },
		]),
	);
	await deliver();
	expect([1, 2].map((n) => answerTo(stand, n).body)).toEqual([1, 2].map((n) => `{"usage": 1,\t"said": "é i-${n}"}`));
});

test("an item that was given up after an error of the provider is answered with that, unless it is charged as lost", async () => {
	const busy = (id: string) => `{"error":{"type":"overloaded_error","of":"${id}"}}`;
	const itemOf = (_: string, id: string): ItemScript => ({ kind: "errored", httpStatus: 529, requestId: null, body: busy(id) });
	const { stand, deliver } = await ended({ items: 3, protocol: "anthropic", script: { itemOf }, mayGoAgain: true });
	const { activities, store, batchId } = stand;
	await activities.sendItemsAgain({ batchId, part: 1 });
	await activities.writeBatchParts({ batchId });
	const nothing = { costTokens: 0, usage: null, answeredModel: null, serviceTier: null, providerRequestId: null, httpStatus: null };
	const of = { ...nothing, tryNumber: 2, outcome: "errored", costNanoUsd: null } as const;
	await store.book(batchId, [
		{ ...of, n: 1 },
		{ ...of, n: 2, costNanoUsd: 0n, unresolvedReason: "lost" },
		{ ...of, n: 3, outcome: "expired" },
	]);
	await deliver();
	expect([1, 2, 3].map((n) => answerTo(stand, n).status)).toEqual([529, 502, 504]);
	expect(answerTo(stand, 1).body).toBe(busy("batch1-1-1"));
});

test("what a double of its batch answered is what its caller reads", async () => {
	const { stand, deliver } = await sent({ items: 1 });
	const { activities, dependencies, store, provider, batchId } = stand;
	const openLines = () => dependencies.lines.openRequests({ batchId, teamId: "search" } as BatchRecord, 1);
	const { providerBatchId } = await provider.create({ token: "double", items: 1, bytes: 1, providerFileId: null, endpoint: "chat.completions", openLines });
	for (let polls = 0; polls < 2; polls++) await activities.settleDoubleBatch({ batchId, part: 1, providerBatchId });
	expect(store.outcomes(batchId)).toEqual(["succeeded"]);
	await deliver();
	expect(answerTo(stand, 1)).toEqual({ status: 200, body: `{"usage": 1,\t"said": "é i-1"}` });
});

test("an item whose body is not there is answered so, holds nothing, and keeps nobody else up", async () => {
	const stand = collected({ items: 5, script: { itemOf: said, itemsMax: 2 } });
	// All of one part, and one of another.
	for (const n of [1, 2, 5]) stand.blobs.blobs.delete(bodyKey("search", deferredIdOf(n)));
	await stand.activities.readBatchJob({ batchId: stand.batchId });
	await stand.activities.writeBatchParts({ batchId: stand.batchId });
	await driveJob(stand);
	for (const n of [1, 2, 5]) expect(answerTo(stand, n)).toMatchObject({ status: 500, body: expect.stringContaining("not kept any more") });
	for (const n of [3, 4]) expect(answerTo(stand, n).status).toBe(200);
	expect((await stand.store.parts(stand.batchId)).map(({ part, items }) => [part, items])).toEqual([[1, 2]]);
	expect(stand.store.outcomes(stand.batchId)).toEqual(["errored", "errored", "succeeded", "succeeded", "errored"]);
	expect([stand.store.entries.length, stand.store.heldNanoUsd(stand.batchId)]).toEqual([2, 0n]);
});

test("a crash at any call leaves each item with one answer, which stood before it was told of", async () => {
	for (let place = 1, isReached = true; isReached; place++) {
		isReached = false;
		const stand = collected({
			items: 3,
			script: { itemOf: said, itemsMax: 2 },
			onCall: (at) => {
				if (at !== place) return;
				isReached = true;
				throw new Error("the worker is gone");
			},
		});
		stand.blobs.blobs.delete(bodyKey("search", deferredIdOf(2)));
		const { store, blobs } = stand;
		const told: number[] = [];
		const mark = store.markAnswered.bind(store);
		store.markAnswered = async (id, answers) => {
			for (const { n, answerBlobKey } of answers) {
				expect(blobs.blobs.has(answerBlobKey)).toBe(true);
				told.push(n);
			}
			await mark(id, answers);
		};
		await driveJob(stand);
		expect([1, 2, 3].map((n) => answerTo(stand, n).status)).toEqual([200, 500, 200]);
		expect(told.toSorted()).toEqual([1, 2, 3]);
		expect(store.entries.map(({ n }) => n).toSorted()).toEqual([1, 3]);
		// What a crash keeps from being removed the sweep takes.
		expect(isReached || bodiesOf(stand).length === 0).toBe(true);
	}
});

test("kept results are read once, the newest first, and no further than the last answer that is looked for", async () => {
	const { stand, deliver } = await ended({ items: 6, script: { itemOf: said, itemsMax: 2 } });
	const read: string[] = [];
	const open = stand.blobs.read.bind(stand.blobs);
	stand.blobs.read = (key) => {
		read.push(key.replace(/^.*part-(\d+).*results-(\d+).*$/, "$1/$2"));
		return open(key);
	};
	await deliver();
	expect(read).toEqual(["3/1", "2/1", "1/1"]);
	read.length = 0;
	await deliver();
	expect(read).toEqual([]);
	// One that ended later, in the first part.
	stand.store.unanswer(stand.batchId, 2);
	await deliver();
	expect(read).toEqual(["1/1"]);
});

test("answers are written a few at a time, and told of a page at a time when they stand", async () => {
	const { stand, deliver } = await ended({ items: 1_201, script: { itemOf: said } });
	const pages: number[] = [];
	const { store, blobs, batchId } = stand;
	const mark = store.markAnswered.bind(store);
	store.markAnswered = (id, answers) => {
		pages.push(answers.length);
		for (const { answerBlobKey } of answers) expect(blobs.blobs.has(answerBlobKey)).toBe(true);
		return mark(id, answers);
	};
	const atOnce = { now: 0, most: 0 };
	const write = blobs.write.bind(blobs);
	blobs.write = async (key, source) => {
		atOnce.most = Math.max(atOnce.most, ++atOnce.now);
		await new Promise((resolve) => setImmediate(resolve));
		atOnce.now--;
		return write(key, source);
	};
	await deliver();
	expect([pages, atOnce.most]).toEqual([[500, 500, 201], 8]);
	expect(store.answers(batchId).every((answer) => answer?.httpStatus === 200)).toBe(true);
});

test("a body that cannot be removed is told of, and the answer stands", async () => {
	const { stand, deliver } = await ended({ items: 2 });
	const left: unknown[] = [];
	stand.blobs.delete = () => Promise.reject(new CostControlError("blob.unreachable", "away"));
	await deliver({ bodiesLeft: (_, error) => void left.push(error) });
	expect([left.length, answerTo(stand, 1).status, answerTo(stand, 2).status]).toEqual([1, 200, 200]);
});

test("a write that fails fails the step, and what was written meanwhile is written again", async () => {
	const { stand, deliver } = await ended({ items: 3 });
	const write = stand.blobs.write.bind(stand.blobs);
	stand.blobs.write = async (key, source) => {
		if (key === answerKey("search", deferredIdOf(2))) throw new CostControlError("blob.unreachable", "away");
		return write(key, source);
	};
	await expect(deliver()).rejects.toMatchObject({ code: "blob.unreachable" });
	expect(stand.store.answers(stand.batchId)).toEqual([undefined, undefined, undefined]);
	stand.blobs.write = write;
	await deliver();
	expect([1, 2, 3].map((n) => answerTo(stand, n).status)).toEqual([200, 200, 200]);
});

test("results that are gone or damaged hold up nobody whose answer is elsewhere; those that may be read later do", async () => {
	for (const code of ["blob.missing", "blob.damaged", "blob.unreachable"] as const) {
		const { stand, deliver } = await ended({ items: 4, script: { itemOf: said, itemsMax: 2 } });
		const open = stand.blobs.read.bind(stand.blobs);
		stand.blobs.read = async function* (key) {
			if (key.includes("part-2-of")) throw new CostControlError(code, "not to be read");
			yield* open(key);
		};
		const unreadable: unknown[] = [];
		const delivered = deliver({ resultsUnreadable: (_, error) => void unreadable.push(error) });
		if (code === "blob.unreachable") {
			await expect(delivered).rejects.toMatchObject({ code });
			expect(stand.store.answers(stand.batchId)).toEqual([undefined, undefined, undefined, undefined]);
			continue;
		}
		await delivered;
		expect([[1, 2, 3, 4].map((n) => answerTo(stand, n).status), unreadable.length]).toEqual([[200, 200, 502, 502], 1]);
	}
});

test("a batch says whether answers are to be delivered, and a caller's never does", async () => {
	const { stand, deliver } = await ended({ items: 1 });
	const picture = async () => (await stand.activities.readBatchJob({ batchId: stand.batchId }))?.picture;
	expect(await picture()).toMatchObject({ hasAnswersToDeliver: true });
	await deliver();
	expect(await picture()).not.toHaveProperty("hasAnswersToDeliver");
	const callers = await ended({ items: 1, origin: "caller" });
	await callers.deliver();
	expect((await callers.stand.activities.readBatchJob({ batchId: callers.stand.batchId }))?.picture).not.toHaveProperty("hasAnswersToDeliver");
});

test("readings are found however many there are", async () => {
	const { stand } = await sent({ items: 1 });
	const { dependencies, store, batchId } = stand;
	const batch = await store.read(batchId);
	if (batch === undefined) throw new Error("the batch is gone");
	for (let last = 0; last <= 20; last++) {
		if (last > 0) await dependencies.lines.keepResults(batch, { part: 1, providerBatchId: "pb-1", reading: last }, eachOf([]));
		const readings = await readingsOf(dependencies, batch);
		expect(readings.map(({ reading }) => reading)).toEqual(Array.from({ length: last }, (_, index) => index + 1));
	}
});
