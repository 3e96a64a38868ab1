import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { sweepBatches } from "#activities/batches/store/sweep.ts";
import { BATCH_STATES } from "#domain/batching/batch.ts";
import { answered, BatchStand, unbilled } from "#test/support/batch-stand.ts";

/** Files, batches and parts as rows: what stands, what is refused, and what may be said twice. */
let stand: BatchStand;
beforeEach(async () => {
	stand = await BatchStand.open();
});
afterEach(() => stand.close());

const FILE = {
	teamId: "demo",
	keyId: "key_0",
	purpose: "batch",
	filename: "requests.jsonl",
	bytes: 900,
	lines: 3,
	blobKey: "demo/files/a",
	expiresAtMs: null,
} as const;
const fileId = (number: number): string => `file-${String(number).padStart(24, "0")}`;
const file = (number: number) => stand.store.createFile({ ...FILE, fileId: fileId(number) });

describe("files", () => {
	test("stand as they were made, once, for their team alone", async () => {
		const made = await file(1);
		expect(made).toMatchObject({ ...FILE, fileId: fileId(1), createdAtMs: expect.any(Number) });
		expect(await stand.store.createFile({ ...FILE, fileId: fileId(1), filename: "other" })).toEqual(made);
		expect(await stand.store.readFile("demo", fileId(1))).toEqual(made);
		expect(await stand.store.readFile("other", fileId(1))).toBeUndefined();
	});

	test("are listed newest first, page by page", async () => {
		for (const number of [1, 2, 3]) await file(number);
		const first = await stand.store.listFiles("demo", { after: null, limit: 2 });
		expect(first.map((each) => each.fileId)).toEqual([fileId(3), fileId(2)]);
		expect((await stand.store.listFiles("demo", { after: fileId(2), limit: 2 })).map((each) => each.fileId)).toEqual([fileId(1)]);
	});

	test("are deleted unless a batch needs them", async () => {
		await file(1);
		const batchId = await stand.begin({ inputFileId: fileId(1) });
		await expect(stand.store.deleteFile("demo", fileId(1))).rejects.toMatchObject({ code: "file.in_use" });
		expect(await stand.store.deleteFile("other", fileId(1))).toBe(false);
		await stand.store.abandon(batchId);
		expect([await stand.store.deleteFile("demo", fileId(1)), await stand.store.deleteFile("demo", fileId(1))]).toEqual([true, false]);
		await expect(stand.begin({ inputFileId: fileId(1) })).rejects.toMatchObject({ code: "file.missing" });
	});
});

describe("a batch that is begun", () => {
	test("stands as it was begun, once", async () => {
		const given = {
			metadata: { job: "nightly" },
			deadlineMs: 1_800_000_000_000,
			outputKeptMs: 86_400_000,
			pricedModel: "gpt-test",
			rules: { mayResubmit: true, mayRelane: false },
		};
		const batchId = await stand.begin(given);
		const record = await stand.store.read(batchId);
		expect(record).toMatchObject({
			...given,
			state: "collecting",
			items: 3,
			counts: { open: 3 },
			heldNanoUsd: "0",
			pricesAsOfMs: 1_790_000_000_000,
			number: "1",
		});
		expect(await stand.store.read(batchId, "other")).toBeUndefined();
		expect(await stand.store.list("demo", { after: null, limit: 10 })).toEqual([]);
	});

	test("takes each item once, and none more when it is held", async () => {
		const batchId = await stand.begin({ count: 2 });
		const item = { customId: "x", boundNanoUsd: 900n, boundTokens: 1, boundInputTokens: 1, bytes: 1, tiers: ["batch"] as const };
		await stand.store.addItems(batchId, [
			{ ...item, n: 2 },
			{ ...item, n: 3, embeddingInputs: 2_048 },
		]);
		expect(await stand.store.read(batchId)).toMatchObject({ items: 3 });
		await stand.store.hold(batchId, { waitIsOver: true });
		expect(await stand.lease(batchId)).toMatchObject({ granted: "1300" });
		await stand.store.addItems(batchId, [{ ...item, n: 3 }]);
		await expect(stand.store.addItems(batchId, [{ ...item, n: 4 }])).rejects.toMatchObject({ code: "internal.invariant" });
		expect(await stand.store.itemsToSend(batchId, 1, 1)).toEqual([
			{
				...{ n: 2, customId: "item-2", boundNanoUsd: 200n, boundTokens: 150, boundInputTokens: 100, embeddingInputs: 1, bytes: 300 },
				...{ tiers: ["batch"], tryNumber: 1 },
			},
		]);
		expect(await stand.store.itemsToSend(batchId, 2, 1)).toMatchObject([{ n: 3, embeddingInputs: 2_048 }]);
	});

	test("is not held while items are missing, or without any", async () => {
		const batchId = await stand.begin({ count: 0 });
		await expect(stand.store.hold(batchId, { waitIsOver: true })).rejects.toMatchObject({ code: "internal.invariant" });
		await stand.store.addItems(batchId, [{ n: 2, customId: "x", boundNanoUsd: 1n, boundTokens: 1, boundInputTokens: 1, bytes: 1, tiers: ["batch"] }]);
		await expect(stand.store.hold(batchId, { waitIsOver: true })).rejects.toThrow("has not all of its items");
	});

	test("and left for ten minutes is swept, with its claims; one that is held is not", async () => {
		await stand.ledger.limit(1_000n, 2);
		const held = await stand.held();
		const [left, young] = [await stand.begin(), await stand.begin()];
		expect((await stand.store.hold(left, { waitIsOver: false })).kind).toBe("short");
		await stand.ledger.sql("UPDATE tollgate.batch SET changed_at = changed_at - interval '11 minutes' WHERE id <> $1", [young]);
		expect([await sweepBatches(stand.sql), await sweepBatches(stand.sql)]).toEqual([1, 0]);
		expect(await stand.store.read(left)).toBeUndefined();
		expect(await stand.ledger.sql("SELECT 1 FROM tollgate.claim")).toEqual([]);
		expect(await stand.ledger.sql("SELECT 1 FROM tollgate.batch_item WHERE batch_number = 2")).toEqual([]);
		await stand.store.abandon(held);
		expect([await stand.store.read(held), await stand.store.read(young)]).toMatchObject([{ state: "held" }, { state: "collecting" }]);
	});
});

describe("a batch that is held", () => {
	test("is listed newest first, by team, state and protocol", async () => {
		const ids = [await stand.held({ count: 1 }), await stand.held({ count: 1, protocol: "anthropic" }), await stand.held({ count: 1 })];
		const list = async (page: object, teamId: string | null = "demo") =>
			(await stand.store.list(teamId, { after: null, limit: 10, ...page })).map(({ batchId }) => ids.indexOf(batchId));
		expect([await list({}), await list({ limit: 2 }), await list({ after: ids[2] })]).toEqual([
			[2, 1, 0],
			[2, 1],
			[1, 0],
		]);
		expect([await list({ protocol: "anthropic" }), await list({ states: ["running"] }), await list({}, "other"), await list({}, null)]).toEqual([
			[1],
			[],
			[],
			[2, 1, 0],
		]);
	});

	test("is told of until it runs, and again when it is to end", async () => {
		const batchId = await stand.held();
		const told = async () => (await stand.store.toTell(10)).map((batch) => batch.batchId);
		expect(await told()).toEqual([batchId]);
		await stand.store.move(batchId, "running", {});
		expect(await told()).toEqual([]);
		const asked = await stand.store.askCancel(batchId, "ada");
		expect(asked.cancelAskedAtMs).toEqual(expect.any(Number));
		expect(await stand.store.askCancel(batchId, "eve")).toEqual(asked);
		expect(await told()).toEqual([batchId]);
		await stand.store.move(batchId, "cancelling", {});
		expect(await told()).toEqual([]);
	});

	test("moves as its states allow, keeps what is said of it, and changes nothing after its end", async () => {
		const batchId = await stand.sent({ count: 1 });
		await expect(stand.store.move(batchId, "completed", {})).rejects.toMatchObject({ code: "internal.invariant" });
		const running = await stand.store.move(batchId, "running", {});
		expect(await stand.store.move(batchId, "running", {})).toEqual(running);
		await stand.store.move(batchId, "finalizing", { outputFileId: "file-o" });
		await expect(stand.store.move(batchId, "completed", {})).rejects.toThrow("1 of its items have no outcome");
		await stand.store.book(batchId, [answered(1)]);
		await expect(stand.store.move(batchId, "completed", {})).rejects.toThrow("its money is still held");
		await stand.store.closeHold(batchId);
		const ended = await stand.store.move(batchId, "completed", { errorFileId: "file-e", problem: "one line was unreadable" });
		expect(ended).toMatchObject({
			state: "completed",
			outputFileId: "file-o",
			errorFileId: "file-e",
			problem: "one line was unreadable",
			endedAtMs: expect.any(Number),
		});
		for (const state of BATCH_STATES.filter((each) => each !== "completed"))
			await expect(stand.store.move(batchId, state, {})).rejects.toMatchObject({ code: "batch.ended" });
		expect(await stand.store.askCancel(batchId, "ada")).toEqual(ended);
		await expect(stand.store.move("batch_000000000000000000000099", "running", {})).rejects.toMatchObject({ code: "batch.missing" });
	});

	test("is forgotten by its team once it has ended, and by nobody else", async () => {
		const batchId = await stand.held({ count: 1 });
		expect(await stand.store.forget("demo", batchId)).toBe(false);
		await stand.store.book(batchId, [unbilled(1, "cancelled")]);
		await stand.store.closeHold(batchId);
		await stand.store.move(batchId, "failed", {});
		expect([await stand.store.forget("other", batchId), await stand.store.forget("demo", batchId), await stand.store.forget("demo", batchId)]).toEqual([
			false,
			true,
			false,
		]);
		expect([await stand.store.read(batchId, "demo"), await stand.store.list("demo", { after: null, limit: 10 })]).toEqual([undefined, []]);
		expect(await stand.store.read(batchId)).toMatchObject({ state: "failed" });
	});

	test("keeps its money while items are open", async () => {
		const batchId = await stand.sent();
		await stand.store.book(batchId, [answered(1), answered(2)]);
		await expect(stand.store.closeHold(batchId)).rejects.toMatchObject({ code: "internal.invariant" });
		expect(await stand.lease(batchId)).toMatchObject({ pending: "400" });
		await stand.store.book(batchId, [unbilled(3, "cancelled")]);
		for (let times = 0; times < 2; times++) await stand.store.closeHold(batchId);
		expect(await stand.lease(batchId)).toMatchObject({ pending: "0", returned: "400" });
	});
});

describe("a part", () => {
	test("carries its items once, and each of them begins a try with it", async () => {
		const batchId = await stand.held({ count: 4 });
		expect(await stand.send(batchId, 1)).toBe(4);
		expect(await stand.store.itemsToSend(batchId, 0, 10)).toEqual([]);
		const of = { batchId, part: 1 };
		expect((await stand.store.itemsOfPart(of, 1, 2)).map(({ n, tryNumber }) => [n, tryNumber])).toEqual([
			[2, 1],
			[3, 1],
		]);
		await stand.store.book(batchId, [answered(1)]);
		expect(await stand.store.releaseItems(of, "again")).toBe(3);
		expect(await stand.store.releaseItems(of, "again")).toBe(0);
		expect((await stand.store.itemsToSend(batchId, 0, 10)).map(({ n, tryNumber }) => [n, tryNumber])).toEqual([
			[2, 2],
			[3, 2],
			[4, 2],
		]);
		expect(await stand.send(batchId, 2)).toBe(3);
		expect(await stand.store.releaseItems({ batchId, part: 2 }, "expired")).toBe(3);
		expect(await stand.store.read(batchId)).toMatchObject({ counts: { open: 0, succeeded: 1, expired: 3 }, heldNanoUsd: "0" });
		expect(await stand.lease(batchId)).toMatchObject({ pending: "0", returned: "700" });
	});

	test("that would carry what another one does is not written, and nothing of it stays", async () => {
		const batchId = await stand.sent();
		const part = {
			batchId,
			part: 2,
			token: "t2",
			items: 1,
			bytes: 1,
			providerFileId: null,
			providerBatchId: null,
			submitBeganAtMs: null,
			runningSinceMs: null,
			endedAtMs: null,
		};
		await expect(stand.store.writePart(part, [1])).rejects.toMatchObject({ code: "internal.invariant" });
		expect(await stand.store.parts(batchId)).toMatchObject([{ part: 1, state: "written", items: 3, token: `tollgate-${batchId}-1` }]);
	});

	test("moves as its states allow, and keeps what the provider calls it", async () => {
		const batchId = await stand.sent();
		const of = { batchId, part: 1 };
		await expect(stand.store.movePart(of, "running", {})).rejects.toMatchObject({ code: "internal.invariant" });
		const submitting = await stand.store.movePart(of, "submitting", { providerFileId: "file-p" });
		expect(submitting).toMatchObject({ state: "submitting", providerFileId: "file-p", submitBeganAtMs: expect.any(Number) });
		const counts = {
			total: 3,
			succeeded: 0,
			failed: 0,
			problems: [],
			createdAtMs: 0,
			expiresAtMs: null,
			outputFileId: null,
			errorFileId: null,
			resultsUrl: null,
		};
		const status = { providerBatchId: "batch_p", state: "running", ...counts } as const;
		const running = await stand.store.movePart(of, "running", { status });
		expect(running).toMatchObject({ state: "running", providerBatchId: "batch_p", providerFileId: "file-p" });
		expect(await stand.store.movePart(of, "running", { status })).toMatchObject(running);
		expect(await stand.store.knownProviderBatches("openai")).toEqual(new Map([["batch_p", { isCertain: true }]]));
		expect(await stand.store.knownProviderBatches("anthropic")).toEqual(new Map());
		await expect(stand.store.movePart({ batchId, part: 9 }, "running", {})).rejects.toMatchObject({ code: "batch.missing" });
	});

	test("is the only one that a provider's batch is", async () => {
		const batches = [await stand.sent(), await stand.sent()];
		const counts = {
			total: 3,
			succeeded: 0,
			failed: 0,
			problems: [],
			createdAtMs: 0,
			expiresAtMs: null,
			outputFileId: null,
			errorFileId: null,
			resultsUrl: null,
		};
		const status = { providerBatchId: "batch_p", state: "running", ...counts } as const;
		const [first = "", second = ""] = batches;
		for (const batchId of batches) await stand.store.movePart({ batchId, part: 1 }, "submitting", {});
		await stand.store.movePart({ batchId: first, part: 1 }, "running", { status });
		await expect(stand.store.movePart({ batchId: second, part: 1 }, "running", { status })).rejects.toThrow("duplicate key");
		// What is found by its size alone may be this one: whose it is, its results say.
		const sought = await stand.store.movePart({ batchId: second, part: 1 }, "running", { status, isCertain: false });
		expect(sought).toMatchObject({ providerBatchId: "batch_p", isCertain: false });
		expect(await stand.store.knownProviderBatches("openai")).toEqual(new Map([["batch_p", { isCertain: true }]]));
		await expect(stand.store.movePart({ batchId: second, part: 1 }, "running", { isCertain: true })).rejects.toThrow("duplicate key");
	});
});
