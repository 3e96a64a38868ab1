import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { beforeEach, describe, expect, test } from "vitest";
import type { NewDeferredItem } from "#activities/batches/deferred-port.ts";
import { bodyKey } from "#activities/batches/lines/deferred-blobs.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { refusalOf } from "#test/support/batch-refusals.ts";
import { keyIdentity, TEST_KEY } from "#test/support/fake-authority.ts";
import { type DeferredGateway, readBlob, startDeferredGateway } from "#test/support/gateway-deferred.ts";

/** Items that are handed in alone, with the official clients as they are: what is accepted, with which body and which bound. */

let on: DeferredGateway;
let openai: OpenAI;

beforeEach(async () => {
	on = await startDeferredGateway();
	on.authority.policy = { ...on.authority.policy, admissionWaitMs: 0 };
	openai = new OpenAI({ apiKey: TEST_KEY, baseURL: `${on.url}/v1`, maxRetries: 0 });
	return () => on.close();
});

type Told = { readonly id: string; readonly status: string; readonly answer: unknown } & Readonly<Record<string, unknown>>;
const CHAT = { model: "gpt-4o", max_tokens: 20, messages: [{ role: "user", content: "hello" }] };
const handIn = (body: object = CHAT, headers: Record<string, string> = {}) => openai.post<Told>("/deferred/chat/completions", { body, headers });

const openCalls = async (): Promise<string> => /tollgate_open_calls (\d+)/.exec(await (await fetch(`${on.url}/metrics`)).text())?.[1] ?? "";

function accepted(deferredId: string): NewDeferredItem {
	const known = on.items.accepted.get(deferredId);
	if (known === undefined) throw new Error(`${deferredId} was not accepted`);
	return known.item;
}

describe("an item", () => {
	test("is accepted with its deadline, told where it is, and kept to the byte", async () => {
		const { data, response } = await handIn(CHAT, { "x-tollgate-deadline": "6h" }).withResponse();
		expect(response.status).toBe(202);
		expect(response.headers.get("location")).toBe(`/v1/deferred/${data.id}`);
		const item = accepted(data.id);
		expect(data).toEqual({
			...{
				id: expect.stringMatching(/^deferred_[A-Za-z0-9]{24}$/),
				object: "deferred",
				status: "collecting",
				endpoint: "/v1/chat/completions",
				model: "gpt-4o",
			},
			...{ lane: null, created_at: expect.stringMatching(/Z$/), deadline: new Date(item.deadlineMs ?? 0).toISOString(), answered_at: null, is_late: false },
			...{ held_nano_usd: item.item.boundNanoUsd.toString(), cost_nano_usd: null, webhook: null, answer: null },
		});
		expect(item.deadlineMs).toBe(1_796_000_000_000 + 6 * 3_600_000);
		expect(item).toMatchObject({ teamId: "demo", deployment: "openai/gpt-4o", provider: "openai", pricedModel: "gpt-4o", priceVersion: 7, requestHash: null });
		expect(item.attribution).toEqual({ keyId: "key1", feature: null, userId: null, environment: null, asserted: null, claimed: null });
		expect(item.bodyBlobKey).toBe(bodyKey("demo", data.id));
		expect(await readBlob(on.stand.blobs, item.bodyBlobKey)).toBe(JSON.stringify(CHAT));
	});

	test("keeps the trace of its caller where that is well-formed, and as much of its state as everybody passes on", async () => {
		const traceparent = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
		const kept = async (headers: Record<string, string>) => accepted((await handIn(CHAT, headers)).id).traceContext;
		expect(await kept({ traceparent, tracestate: "vendor=1" })).toEqual({ traceparent, tracestate: "vendor=1" });
		expect(await kept({ traceparent, tracestate: `vendor=${"x".repeat(600)}` })).toEqual({ traceparent });
		expect(await kept({ traceparent: "not one", tracestate: "vendor=1" })).toBeNull();
		expect(await kept({})).toBeNull();
	});

	test("holds its bound at the dearest lane it may take, and at the batch price where real time is forbidden", async () => {
		const [dear, cheap] = [await handIn(), await handIn(CHAT, { "x-tollgate-lane": "batch" })];
		const [any, batch] = [accepted(dear.id), accepted(cheap.id)];
		expect([any.mayGoRealTime, batch.mayGoRealTime]).toEqual([true, false]);
		expect([any.item.tiers, batch.item.tiers]).toEqual([["batch", "standard"], ["batch"]]);
		expect(any.item.boundNanoUsd).toBe(2n * batch.item.boundNanoUsd);
		expect(any.item.boundNanoUsd).toBe(10_000n * 20n + 2_500n * BigInt(any.item.boundInputTokens));
		expect([any.item.boundTokens, any.item.bytes]).toEqual([batch.item.boundTokens, JSON.stringify(CHAT).length]);
	});

	test("of a model without a price for batches goes in real time alone, or not at all", async () => {
		const body = { ...CHAT, model: "gpt-real-time" };
		expect(accepted((await handIn(body)).id)).toMatchObject({ mayGoRealTime: true, item: { tiers: ["standard"] } });
		expect(await refusalOf(handIn(body, { "x-tollgate-lane": "batch" }))).toMatchObject({
			...{ status: 422, code: "pricing.unknown_tier", param: "model", message: expect.stringContaining("has no price for batches") },
		});
		expect(on.items.accepted.size).toBe(1);
	});

	test("may be written over several lines, and stands on one", async () => {
		const body = `{\r\n\t"model": "gpt-4o",\n "messages": [{"role": "user", "content": "a\\nb"}]\n}\n`;
		const { id } = await openai.post<Told>("/deferred/chat/completions", { body: Buffer.from(body), headers: { "content-type": "application/json" } });
		const kept = await readBlob(on.stand.blobs, accepted(id).bodyBlobKey);
		expect(kept).not.toMatch(/[\r\n]/);
		expect(JSON.parse(kept)).toEqual(JSON.parse(body));
	});

	test("keeps what its body claims of a user opaque, and of texts what can be stored", async () => {
		const { id } = await handIn({ ...CHAT, user: "alice", metadata: { job: "a\u0000b" } });
		expect(accepted(id).attribution.claimed).toEqual({ user: "opaque demo 5", "metadata.job": "a\u{fffd}b" });
	});

	test("of embeddings counts its inputs, and more than a batch may hold are refused", async () => {
		const embed = (count: number) =>
			openai.post<Told>("/deferred/embeddings", { body: { model: "text-embedding-3-small", input: Array.from({ length: count }, () => "a") } });
		expect(accepted((await embed(3)).id)).toMatchObject({ endpoint: "embeddings", item: { embeddingInputs: 3, tiers: ["batch", "standard"] } });
		expect(await refusalOf(embed(50_001))).toMatchObject({ status: expect.any(Number), param: "input" });
		expect(on.items.accepted.size).toBe(1);
	});

	test("of messages is accepted for Anthropic's client, and refused in its shape", async () => {
		const anthropic = new Anthropic({ apiKey: TEST_KEY, baseURL: on.url, maxRetries: 0 });
		const body = { model: "claude-sonnet-5-5", max_tokens: 20, messages: [{ role: "user", content: "hello" }] };
		const told = await anthropic.post<Told>("/v1/deferred/messages", { body });
		expect(accepted(told.id)).toMatchObject({ protocol: "anthropic", endpoint: "messages", deployment: "anthropic/claude-sonnet-5-5" });
		const refused = await refusalOf(anthropic.post("/v1/deferred/messages", { body: { ...body, stream: true }, headers: { "x-tollgate-lane": "batch" } }));
		expect(refused).toMatchObject({ status: 400, code: "request.invalid", param: "stream" });
	});
});

describe("the order", () => {
	test("the body stands in the blob store before anybody is asked for money", async () => {
		await handIn();
		expect(on.items.asks.map(({ body }) => body)).toEqual([JSON.stringify(CHAT)]);
	});

	test("where the blob store is away it is 503, and nobody is asked for money", async () => {
		const write = on.stand.blobs.write;
		on.stand.blobs.write = () => Promise.reject(new CostControlError("blob.unreachable", "The blob store cannot be reached."));
		expect(await refusalOf(handIn())).toMatchObject({ status: 503, code: "blob.unreachable" });
		on.stand.blobs.write = write;
		expect(on.items.asks).toEqual([]);
	});

	test("where PostgreSQL is away it is 503, and the body stays: nobody knows whether the item was accepted", async () => {
		on.items.failing = "accept";
		expect(await refusalOf(handIn())).toMatchObject({ status: 503, code: "authority.unreachable" });
		expect(await on.stand.payloads()).toHaveLength(1);
	});

	test("too little: 402 as for a call, found in the books by its id, and no body is left", async () => {
		on.items.moneyNanoUsd = 1n;
		const error = await handIn().catch((thrown: unknown) => thrown);
		const { headers } = error as InstanceType<typeof OpenAI.APIError>;
		expect(error).toMatchObject({ status: 402, code: "budget.exceeded", error: { leftNanoUsd: "1" } });
		expect(headers?.get("x-tollgate-request-id")).toBe(on.items.asks[0]?.item.deferredId);
		expect(await on.stand.payloads()).toEqual([]);
	});

	test("money that others hold is waited for", async () => {
		on.authority.policy = { ...on.authority.policy, admissionWaitMs: 5_000 };
		Object.assign(on.items, { moneyNanoUsd: 1n, isHeldByOthers: true });
		const handing = handIn();
		await expect.poll(() => on.items.asks.length).toBeGreaterThan(1);
		on.items.moneyNanoUsd = undefined;
		expect(await handing).toMatchObject({ status: "collecting" });
	});

	test("a caller who leaves while his item waits for money hands nothing in", async () => {
		on.authority.policy = { ...on.authority.policy, admissionWaitMs: 60_000 };
		Object.assign(on.items, { moneyNanoUsd: 1n, isHeldByOthers: true });
		const caller = new AbortController();
		const handing = openai.post<Told>("/deferred/chat/completions", { body: CHAT, signal: caller.signal });
		await expect.poll(() => on.items.asks.length).toBeGreaterThan(0);
		caller.abort();
		await expect(handing).rejects.toThrow("aborted");
		await expect.poll(openCalls).toBe("0");
		const asks = on.items.asks.length;
		on.items.moneyNanoUsd = undefined;
		expect(await handIn()).toMatchObject({ status: "collecting" });
		expect([on.items.asks.length, on.items.accepted.size]).toEqual([asks + 1, 1]);
	});

	test("a policy engine is asked about the dearest lane, and what it denies is not accepted", async () => {
		const asked: unknown[] = [];
		const decide = (facts: unknown) => {
			asked.push(facts);
			return { kind: "denied", reasons: ["Not on a Friday."] } as const;
		};
		const decider = { isAsked: true, decide, close: async () => undefined };
		const decided = await startDeferredGateway({ decisions: { decider, counters: { allowed: 0, denied: 0, undecided: 0, remembered: 0 } } });
		try {
			const client = new OpenAI({ apiKey: TEST_KEY, baseURL: `${decided.url}/v1`, maxRetries: 0 });
			const told = await refusalOf(client.post("/deferred/chat/completions", { body: CHAT }));
			expect(told).toMatchObject({ status: 403, code: "policy.denied", message: expect.stringContaining("Not on a Friday.") });
			const { boundNanoUsd } = accepted((await handIn()).id).item;
			expect(asked).toMatchObject([{ team: "demo", endpoint: "chat.completions", boundNanoUsd: boundNanoUsd.toString(), isStream: false }]);
			expect(decided.items.asks).toEqual([]);
		} finally {
			await decided.close();
		}
	});
});

describe("an Idempotency-Key", () => {
	const key = { "idempotency-key": "order-17" };

	test("the same request is the same item, asked for once, however it stands by then", async () => {
		const first = await handIn(CHAT, key);
		await on.items.answer(first.id, '{"id":"a"}');
		const { data, response } = await handIn(CHAT, { ...key, "x-tollgate-deadline": "2h" }).withResponse();
		expect([response.status, response.headers.get("x-tollgate-idempotent-replay")]).toEqual([202, "true"]);
		expect(data).toMatchObject({ id: first.id, status: "succeeded", deadline: null });
		expect(on.items.asks).toHaveLength(1);
	});

	test("the same request is the same item when its deadline is past by then, and no other", async () => {
		const headers = { ...key, "x-tollgate-deadline": new Date(1_796_000_000_000 + 7_200_000).toISOString() };
		const first = await handIn(CHAT, headers);
		for (const laterMs of [7_170_000, 7_200_000]) {
			on.stand.laterMs = laterMs;
			const { data, response } = await handIn(CHAT, headers).withResponse();
			expect(response.headers.get("x-tollgate-idempotent-replay")).toBe("true");
			expect(data).toEqual(first);
		}
		const past = { status: 400, code: "deferred.deadline", param: "x-tollgate-deadline", message: expect.stringContaining("is past") };
		const others = [
			handIn({ ...CHAT, max_tokens: 21 }, headers),
			handIn(CHAT, { ...headers, "idempotency-key": "order-18" }),
			handIn(CHAT, { "x-tollgate-deadline": headers["x-tollgate-deadline"] }),
		];
		for (const other of others) expect(await refusalOf(other)).toMatchObject(past);
		expect(await refusalOf(handIn(CHAT, { ...headers, "x-tollgate-lane": "fast" }))).toMatchObject({ code: "deferred.deadline" });
		expect(on.items.asks).toHaveLength(1);
	});

	test("another request under it is refused, and leaves the first as it was", async () => {
		const first = await handIn(CHAT, key);
		const told = await refusalOf(handIn({ ...CHAT, max_tokens: 21 }, key));
		expect(told).toMatchObject({ status: 422, code: "idempotency.mismatch", param: "idempotency-key", message: expect.stringContaining(first.id) });
		expect(await readBlob(on.stand.blobs, accepted(first.id).bodyBlobKey)).toBe(JSON.stringify(CHAT));
		expect(on.items.asks).toHaveLength(1);
	});

	test("of two requests that come at once under it one is accepted, with its own body", async () => {
		const other = { ...CHAT, messages: [{ role: "user", content: "another" }] };
		const held: (() => void)[] = [];
		on.items.onAsk = () => new Promise((resolve) => void held.push(resolve));
		const first = handIn(CHAT, key);
		await expect.poll(() => held.length).toBe(1);
		const second = refusalOf(handIn(other, key));
		await expect.poll(() => held.length).toBe(2);
		for (const goOn of held) goOn();
		const { id } = await first;
		expect(await second).toMatchObject({ status: 422, code: "idempotency.mismatch", message: expect.stringContaining(id) });
		expect(await readBlob(on.stand.blobs, accepted(id).bodyBlobKey)).toBe(JSON.stringify(CHAT));
	});

	test("is of the key that asks, and of the user that it asserts", async () => {
		const first = await handIn(CHAT, key);
		on.authority.keys.set("tg_other_key", keyIdentity({ keyId: "key2", mayAssert: ["user"] }));
		const second = new OpenAI({ apiKey: "tg_other_key", baseURL: `${on.url}/v1`, maxRetries: 0 });
		const post = (headers: Record<string, string>) => second.post<Told>("/deferred/chat/completions", { body: CHAT, headers: { ...key, ...headers } });
		const theirs = await post({ "x-tollgate-user": "u1" });
		expect(theirs.id).not.toBe(first.id);
		expect(accepted(theirs.id).attribution).toMatchObject({ keyId: "key2", userId: "u1", asserted: { user: "u1" } });
		expect(await refusalOf(post({ "x-tollgate-user": "u2" }))).toMatchObject({ status: 422, code: "idempotency.mismatch" });
	});

	test("after a refusal the key is free again", async () => {
		on.items.moneyNanoUsd = 1n;
		expect(await refusalOf(handIn(CHAT, key))).toMatchObject({ status: 402 });
		on.items.moneyNanoUsd = undefined;
		expect(await handIn({ ...CHAT, max_tokens: 21 }, key)).toMatchObject({ status: "collecting" });
	});
});

describe("caps of the team", () => {
	const NAME = "output_tokens; dimension=team; limit=1000; cap";
	const cap = (value: number) => {
		const others = { inputTokens: undefined, outputTokens: { value, holder: "every call of the team", name: NAME }, costNanoUsd: undefined };
		on.authority.policy = { ...on.authority.policy, limits: { caps: { byFeature: new Map(), others }, rates: [] } as never };
	};

	test("lower the output of an item that names none, in its body too", async () => {
		cap(1_000);
		const { max_tokens: _none, ...open } = CHAT;
		const { data, response } = await handIn(open).withResponse();
		expect(response.headers.get("x-tollgate-clamped-output-tokens")).toBe("1000");
		const { item, bodyBlobKey } = accepted(data.id);
		expect(JSON.parse(await readBlob(on.stand.blobs, bodyBlobKey))).toEqual({ ...open, max_completion_tokens: 1_000 });
		expect(item.boundTokens - item.boundInputTokens).toBe(1_000);
		expect(item.boundNanoUsd).toBe(10_000n * 1_000n + 2_500n * BigInt(item.boundInputTokens));
	});

	test("refuse one that asks for more, which stands in the books under its id", async () => {
		cap(10);
		const error = await handIn().catch((thrown: unknown) => thrown);
		const { headers } = error as InstanceType<typeof OpenAI.APIError>;
		expect(error).toMatchObject({ status: 422, code: "limit.cap" });
		expect(on.authority.limitRefusals).toMatchObject([{ code: "limit.cap", evidence: { limit: NAME, need: 20n } }]);
		expect([headers?.get("x-tollgate-request-id"), headers?.get("x-tollgate-limit")]).toEqual([on.authority.limitRefusals[0]?.requestId, NAME]);
		expect(on.items.asks).toEqual([]);
	});
});
