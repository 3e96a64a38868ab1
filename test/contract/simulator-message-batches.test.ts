import Anthropic from "@anthropic-ai/sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type SimulatedProvider, startSimulatedProvider } from "#test/support/simulated-provider.ts";

/** Message batches of the simulated provider, through the official Anthropic client. */

const HOUR_MS = 3_600_000;

let provider: SimulatedProvider;
let anthropic: Anthropic;

beforeAll(async () => {
	provider = await startSimulatedProvider();
	anthropic = new Anthropic({ apiKey: "any", baseURL: provider.url, maxRetries: 0 });
});

afterAll(() => provider.close());

type Request = Anthropic.Messages.BatchCreateParams.Request;
type Result = Anthropic.Messages.MessageBatchIndividualResponse;

function itemOf(customId: string, params: Partial<Request["params"]> = {}): Request {
	return { custom_id: customId, params: { model: "claude-sonnet-5", max_tokens: 5, messages: [{ role: "user", content: "Hello" }], ...params } };
}

const named = (prefix: string, count: number) => Array.from({ length: count }, (_, index) => itemOf(`${prefix}-${index + 1}`));
const marked = (directive: object) => [{ role: "user" as const, content: `[[simulate:${JSON.stringify(directive)}]]` }];

async function submit(requests: Request[], plan: object = {}): Promise<Anthropic.Messages.MessageBatch> {
	await provider.control("batches/plan", { plan: { turnaroundMs: HOUR_MS, ...plan }, next: 1 });
	return anthropic.messages.batches.create({ requests });
}

function pass(ms: number): Promise<Record<string, unknown>> {
	return provider.control("batches/clock", { advanceMs: ms });
}

async function resultsOf(id: string): Promise<Result[]> {
	const found: Result[] = [];
	for await (const result of await anthropic.messages.batches.results(id)) found.push(result);
	return found;
}

const billed = (prefix: string) => provider.calls().filter(({ attemptId }) => attemptId?.startsWith(`${prefix}-`) === true);
const countsOf = async (id: string) => (await anthropic.messages.batches.retrieve(id)).request_counts;

describe("a message batch", () => {
	it("tells nothing until it ends, then gives its results with tier batch and cache tokens, each billed under its custom id", async () => {
		const system = [{ type: "text" as const, text: "s".repeat(6_000), cache_control: { type: "ephemeral" as const, ttl: "1h" as const } }];
		const made = await submit([itemOf("whole-1", { system }), itemOf("whole-2", { system }), itemOf("whole-3", { max_tokens: 0 })]);
		expect(made).toMatchObject({
			type: "message_batch",
			processing_status: "in_progress",
			request_counts: { processing: 3, succeeded: 0, errored: 0, canceled: 0, expired: 0 },
			results_url: null,
			ended_at: null,
			cancel_initiated_at: null,
			archived_at: null,
		});
		expect(Date.parse(made.expires_at) - Date.parse(made.created_at)).toBe(24 * HOUR_MS);
		await pass(HOUR_MS / 2);
		expect(await countsOf(made.id)).toEqual(made.request_counts);
		await expect(resultsOf(made.id)).rejects.toThrow("results_url");
		await pass(HOUR_MS);
		const ended = await anthropic.messages.batches.retrieve(made.id);
		expect(ended).toMatchObject({ processing_status: "ended", request_counts: { processing: 0, succeeded: 2, errored: 1, canceled: 0, expired: 0 } });
		expect(Date.parse(ended.ended_at ?? "") - Date.parse(ended.created_at)).toBe(HOUR_MS + 1_000);
		const results = await resultsOf(made.id);
		const messages = results.flatMap(({ result }) => (result.type === "succeeded" ? [result.message] : []));
		expect(messages.map(({ usage }) => [usage.service_tier, usage.cache_creation?.ephemeral_1h_input_tokens, usage.cache_read_input_tokens])).toEqual([
			["batch", 1_503, 0],
			["batch", 0, 1_503],
		]);
		expect(billed("whole").map(({ attemptId, serviceTier, usage, protocol }) => [attemptId, serviceTier, usage, protocol])).toEqual(
			messages.map(({ usage }, index) => [`whole-${index + 1}`, "batch", usage, "anthropic"]),
		);
		expect(results[2]?.result).toMatchObject({
			type: "errored",
			error: { type: "error", error: { type: "invalid_request_error" }, request_id: expect.any(String) },
		});
	});

	it("errors items by themselves: a stream, a status that was asked for, a share of the plan; none of them is billed", async () => {
		const made = await submit([itemOf("own-1", { stream: true } as object), itemOf("own-2", { messages: marked({ status: 529 }) }), ...named("share", 100)], {
			failShare: 0.5,
		});
		await pass(2 * HOUR_MS);
		const results = await resultsOf(made.id);
		const typeOf = (id: string) => {
			const result = results.find(({ custom_id }) => custom_id === id)?.result;
			return result?.type === "errored" ? result.error.error.type : result?.type;
		};
		expect([typeOf("own-1"), typeOf("own-2")]).toEqual(["invalid_request_error", "overloaded_error"]);
		const succeeded = results.filter(({ custom_id, result }) => custom_id.startsWith("share-") && result.type === "succeeded");
		expect(succeeded.length).toBeGreaterThan(30);
		expect(succeeded.length).toBeLessThan(70);
		expect(billed("share").map(({ attemptId }) => attemptId)).toEqual(succeeded.map(({ custom_id }) => custom_id));
		expect(billed("own")).toEqual([]);
	});

	it("expires after a day, keeping and billing what finished", async () => {
		const made = await submit(named("late", 10), { turnaroundMs: 48 * HOUR_MS });
		await pass(25 * HOUR_MS);
		expect(await countsOf(made.id)).toEqual({ processing: 0, succeeded: 5, errored: 0, canceled: 0, expired: 5 });
		const types = (await resultsOf(made.id)).map(({ result }) => result.type);
		expect(types).toEqual([...Array<string>(5).fill("succeeded"), ...Array<string>(5).fill("expired")]);
		expect(billed("late")).toHaveLength(5);
	});

	it("is canceled with partial results, and deleted only once it has ended", async () => {
		const made = await submit(named("stop", 10));
		await pass(HOUR_MS / 2);
		await expect(anthropic.messages.batches.delete(made.id)).rejects.toBeInstanceOf(Anthropic.BadRequestError);
		expect(await anthropic.messages.batches.cancel(made.id)).toMatchObject({ processing_status: "canceling", cancel_initiated_at: expect.any(String) });
		await pass(HOUR_MS);
		expect(await countsOf(made.id)).toEqual({ processing: 0, succeeded: 5, errored: 0, canceled: 5, expired: 0 });
		expect(billed("stop")).toHaveLength(5);
		await expect(anthropic.messages.batches.cancel(made.id)).rejects.toMatchObject({ status: 400 });
		expect(await anthropic.messages.batches.delete(made.id)).toEqual({ id: made.id, type: "message_batch_deleted" });
		await expect(anthropic.messages.batches.retrieve(made.id)).rejects.toBeInstanceOf(Anthropic.NotFoundError);
	});

	it("brings its results unordered and doubled where the plan in an item says so, and they are archived after 29 days", async () => {
		const plan = '[[simulate-batch:{"unordered":true,"duplicateShare":0.5,"turnaroundMs":1000}]]';
		const made = await submit([itemOf("odd-0", { messages: [{ role: "user", content: plan }] }), ...named("odd", 50)]);
		await pass(5_000);
		const ids = (await resultsOf(made.id)).map(({ custom_id }) => custom_id);
		expect(new Set(ids).size).toBe(51);
		expect(ids.length).toBeGreaterThan(55);
		expect([...new Set(ids)]).not.toEqual(["odd-0", ...named("odd", 50).map(({ custom_id }) => custom_id)]);
		await pass(29 * 24 * HOUR_MS);
		expect((await anthropic.messages.batches.retrieve(made.id)).archived_at).not.toBeNull();
		await expect(resultsOf(made.id)).rejects.toBeInstanceOf(Anthropic.NotFoundError);
		expect(billed("odd")).toHaveLength(51);
	});
});

describe("the call that creates a message batch", () => {
	it.each([
		[{ requests: [itemOf("same-1"), itemOf("same-1")] }, "requests.1.custom_id"],
		[{ requests: [itemOf("with space")] }, "requests.0.custom_id"],
		[{ requests: [itemOf("fine-1"), { params: {} }] }, "requests.1.custom_id"],
		[{ requests: [{ custom_id: "fine-1" }] }, "requests.0.params"],
		[{ requests: [5] }, "requests.0"],
		[{ requests: [] }, "at least 1 item"],
		[{}, "requests: Field required"],
	])("is refused at once for %j", async (body, message) => {
		const failure = await anthropic.messages.batches.create(body as never).catch((error: unknown) => error);
		expect(failure).toBeInstanceOf(Anthropic.BadRequestError);
		expect((failure as Error).message).toContain(message);
	});

	it("is refused for broken JSON, without a version, and beyond the limits", async () => {
		const send = (body: string, headers: Record<string, string> = { "anthropic-version": "2023-06-01" }) =>
			fetch(`${provider.url}/v1/messages/batches`, { method: "POST", headers, body });
		expect((await send('{"requests": [')).status).toBe(400);
		expect((await send('{"requests": []}', {})).status).toBe(400);
		await provider.control("batches/limits", { anthropic: { bytesMax: 2_000, itemsMax: 3, queuedItemsMax: 2 } });
		await expect(submit(named("bytes", 1_000))).rejects.toMatchObject({ status: 413 });
		await expect(submit(named("items", 4))).rejects.toMatchObject({ status: 400 });
		await expect(submit(named("queue", 3))).rejects.toBeInstanceOf(Anthropic.RateLimitError);
		await provider.control("batches/limits", { anthropic: { bytesMax: null, itemsMax: null, queuedItemsMax: null } });
	});

	it("is cut before its answer: the batch is found by the time it was made and the number of its items", async () => {
		await provider.control("batches/faults", { next: [{ operation: "create", fault: "cut" }] });
		await expect(submit(named("cut", 7))).rejects.toBeInstanceOf(Anthropic.APIConnectionError);
		const [newest] = (await anthropic.messages.batches.list({ limit: 1 })).data;
		expect(newest?.request_counts.processing).toBe(7);
	});
});

describe("the list", () => {
	it("has the newest first, and goes on in both directions", async () => {
		const ids: string[] = [];
		for (let n = 0; n < 5; n += 1) ids.unshift((await submit(named(`list-${n}`, 1))).id);
		const found: string[] = [];
		for await (const batch of anthropic.messages.batches.list({ limit: 2 })) found.push(batch.id);
		expect(found.slice(0, 5)).toEqual(ids);
		const newer = await anthropic.messages.batches.list({ before_id: ids[4] as string, limit: 2 });
		expect([newer.data.map(({ id }) => id), newer.has_more]).toEqual([ids.slice(2, 4), true]);
	});
});
