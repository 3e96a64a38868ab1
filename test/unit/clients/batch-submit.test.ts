import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CostControl, CostControlError, type ItemToSubmit, readRefusal, SubmissionInterruptedError, UnreachableError } from "#clients/index.ts";
import { type PlayedGateway, startPlayedGateway } from "#test/support/played-deferred.ts";

/** The gateway's side is played: what the client sends, and what it makes of refusals. With a real gateway: test/integration/batches/client-submit.test.ts. */

let gateway: PlayedGateway;
let costControl: CostControl;

beforeEach(async () => {
	gateway = await startPlayedGateway();
	costControl = new CostControl({ baseUrl: `${gateway.url}/`, key: "tg-test" });
});
afterEach(() => gateway.close());

const item = (id: string | undefined, content = "hello"): ItemToSubmit => ({
	...(id !== undefined && { id }),
	endpoint: "chat/completions",
	body: { model: "gpt-4o", max_tokens: 9, messages: [{ role: "user", content }] },
});
const items = (count: number): ItemToSubmit[] => Array.from({ length: count }, (_, n) => item(`item-${n}`, `number ${n}`));
const refusal = (status: number, code: string, more: object = {}) => ({ status, body: { error: { code, message: code, ...more } } });
const thrownBy = (promise: Promise<unknown>) =>
	promise.then(
		() => undefined,
		(error: unknown) => error,
	);
const contentOf = (body: unknown) => (body as { messages: { content: string }[] }).messages[0]?.content;

describe("what is sent", () => {
	test("the body as it is, to the item's endpoint, with what holds for all of them in headers", async () => {
		const deadline = new Date("2026-12-01T09:00:00Z");
		const body = { model: "claude-sonnet-5-5", max_tokens: 9, messages: [{ role: "user", content: "hi" }] };
		const options = { deadline, webhook: "ops", lane: "batch", feature: "digest", user: "ann" } as const;
		const batch = await costControl.batch.submit({ items: [{ id: "a", endpoint: "messages", body }, item("b")], ...options });
		expect(gateway.items.map(({ endpoint }) => endpoint).sort()).toEqual(["chat/completions", "messages"]);
		const sent = gateway.items.find(({ endpoint }) => endpoint === "messages");
		expect(sent?.body).toEqual(body);
		expect(sent?.headers).toMatchObject({
			...{ authorization: "Bearer tg-test", "content-type": "application/json", "x-tollgate-deadline": "2026-12-01T09:00:00.000Z" },
			...{ "x-tollgate-webhook": "ops", "x-tollgate-lane": "batch", "x-tollgate-feature": "digest", "x-tollgate-user": "ann" },
		});
		expect([...batch.ids.keys()]).toEqual(["a", "b"]);
		expect(batch.ids.get("a")).toBe(sent?.id);
		expect(batch.refused).toEqual([]);
	});

	test("a span as it is, and nothing of what was not named", async () => {
		await costControl.batch.submit({ items: [item("a")], deadline: "6h" });
		const named = Object.entries(gateway.items[0]?.headers ?? {}).filter(([name]) => name.startsWith("x-tollgate"));
		expect(named).toEqual([["x-tollgate-deadline", "6h"]]);
	});

	test("any text as an id", async () => {
		const ids = ["__proto__", "größer, 2", "x".repeat(5_000)];
		const batch = await costControl.batch.submit({ items: ids.map((id) => item(id)) });
		expect([...batch.ids.keys()]).toEqual(ids);
		for (const { headers } of gateway.items) expect(headers["idempotency-key"]).toMatch(/^[\x20-\x7e]{1,255}$/);
		expect(costControl.batch.resume(JSON.parse(JSON.stringify(Object.fromEntries(batch.ids))) as Record<string, string>).ids).toEqual(batch.ids);
	});

	test("items of an async iterable are taken as they are handed in, 16 under way, and their order is kept", async () => {
		let taken = 0;
		let ahead = 0;
		async function* source() {
			for (const each of items(100)) {
				taken += 1;
				ahead = Math.max(ahead, taken - gateway.items.length);
				yield each;
			}
		}
		gateway.interfere = async () => {
			while (gateway.requests.length < 16) await new Promise(setImmediate);
			// A seventeenth would come meanwhile.
			for (let turn = 0; turn < 50 && gateway.items.length === 0; turn += 1) await new Promise(setImmediate);
			return undefined;
		};
		const batch = await costControl.batch.submit({ items: source() });
		expect([...batch.ids.keys()]).toEqual(items(100).map(({ id }) => id));
		expect(gateway.items).toHaveLength(100);
		expect(gateway.underWayMost()).toBe(16);
		expect(ahead).toBeLessThanOrEqual(17);
	});

	test("a Date that is none is refused before anything is asked", async () => {
		await expect(costControl.batch.submit({ items: [item("a")], deadline: new Date("soon") })).rejects.toThrow(RangeError);
		expect(gateway.requests).toHaveLength(0);
		expect(() => new CostControl({ temporal: { address: "127.0.0.1:1" } }).batch).toThrow(TypeError);
	});
});

describe("what is sent again", () => {
	test("after a crash the same ids hand in nothing twice, and the same items are found", async () => {
		const before = await costControl.batch.submit({ items: items(3) });
		const after = await new CostControl({ baseUrl: gateway.url, key: "tg-test" }).batch.submit({ items: items(5) });
		expect(gateway.items).toHaveLength(5);
		for (const [id, deferredId] of before.ids) expect(after.ids.get(id)).toBe(deferredId);
	});

	test("items without an id are others each time", async () => {
		await costControl.batch.submit({ items: [item(undefined), item(undefined)] });
		await costControl.batch.submit({ items: [item(undefined)] });
		expect(gateway.items).toHaveLength(3);
	});

	test("an answer that was lost is asked for again under the same key, also without an id", async () => {
		let lost = 0;
		gateway.interfere = () => (lost++ === 0 ? "lose" : undefined);
		const batch = await costControl.batch.submit({ items: [item(undefined)] });
		expect(gateway.requests).toHaveLength(2);
		expect([...batch.ids.values()]).toEqual(gateway.items.map(({ id }) => id));
		expect(gateway.items).toHaveLength(1);
	});

	test.each([
		[429, "limit.in_flight"],
		[503, "gateway.overloaded"],
	])("a %i is waited for as Retry-After says, and the item is taken", async (status, code) => {
		gateway.interfere = () => (gateway.requests.length === 1 ? { ...refusal(status, code), headers: { "retry-after": "1" } } : undefined);
		const batch = await costControl.batch.submit({ items: [item("a")] });
		expect(batch.refused).toEqual([]);
		const [first, second] = gateway.requests;
		// Timers may be a millisecond early.
		expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThanOrEqual(990);
	});

	test("one item that is told to come later than patience lasts is refused, and the others are taken", async () => {
		gateway.interfere = (_request, body) =>
			contentOf(body) === "number 1" ? { ...refusal(429, "limit.requests"), headers: { "retry-after": "2" } } : undefined;
		async function* source() {
			const [first, ...others] = items(4).reverse();
			yield* [...others, first!];
			// Another is decided on after it was first refused.
			while (gateway.requests.length < 4) await new Promise(setImmediate);
			yield item("last", "the last");
		}
		const batch = await costControl.batch.submit({ items: source(), patienceMs: 100 }).catch((error: SubmissionInterruptedError) => error.batch);
		expect(batch.refused).toMatchObject([{ id: "item-1", error: { code: "limit.requests", details: { retryAfterMs: 2_000 } } }]);
	});
});

describe("refusals", () => {
	test("of one item lose none of the others, and say why", async () => {
		const money = { type: "budget_exceeded", budget: "team demo, day", leftNanoUsd: "7", howToAsk: "npx tollgate …" };
		gateway.interfere = (_request, body) => {
			if (contentOf(body) === "number 1") return refusal(402, "budget.exceeded", money);
			return contentOf(body) === "number 2" ? refusal(400, "request.invalid", { param: "messages" }) : undefined;
		};
		const batch = await costControl.batch.submit({ items: items(5) });
		expect([...batch.ids.keys()]).toEqual(["item-0", "item-3", "item-4"]);
		expect(batch.refused).toMatchObject([
			{ id: "item-1", index: 1, error: { code: "budget.exceeded" } },
			{ id: "item-2", index: 2, error: { code: "request.invalid", details: { field: "messages", httpStatus: 400 } } },
		]);
		expect(batch.refused.every(({ error }) => error instanceof CostControlError)).toBe(true);
		expect(readRefusal(batch.refused[0]?.error)).toMatchObject({ code: "budget.exceeded", budget: "team demo, day", leftNanoUsd: "7" });
		expect(readRefusal(batch.refused[1]?.error)).toBeUndefined();
		expect(gateway.requests).toHaveLength(5);
	});

	test("of items that are none are found before they are sent, and so is an id that stands twice", async () => {
		const wrong = [
			{ ...item("a"), endpoint: "images" },
			{ id: "b", endpoint: "embeddings", body: [] },
			{ ...item(""), id: "" },
			null,
			item("twice"),
			item("twice"),
		];
		const batch = await costControl.batch.submit({ items: wrong as ItemToSubmit[] });
		expect([...batch.ids.keys()]).toEqual(["twice"]);
		expect(batch.refused.map(({ id, index, error }) => [id, index, (error as CostControlError).details["field"]])).toEqual([
			["a", 0, "endpoint"],
			["b", 1, "body"],
			["", 2, "id"],
			["", 3, "endpoint"],
			["twice", 5, "id"],
		]);
		expect(gateway.requests).toHaveLength(1);
	});

	test("a body that is no JSON is one item's", async () => {
		const batch = await costControl.batch.submit({ items: [{ ...item("a"), body: { n: 1n } }, item("b")] });
		expect(batch.refused).toMatchObject([{ id: "a", error: { name: "TypeError" } }]);
		expect([...batch.ids.keys()]).toEqual(["b"]);
	});
});

describe("what ends a submission", () => {
	test.each([
		["key.revoked", 401, {}],
		["key.assertion_refused", 403, { param: "x-tollgate-feature" }],
		["request.invalid", 400, { param: "x-tollgate-webhook" }],
	])("%s is refused once and not for each item, and is thrown as it is where nothing was taken", async (code, status, more) => {
		gateway.interfere = () => refusal(status, code, more);
		const error = await thrownBy(costControl.batch.submit({ items: items(1_000) }));
		expect(error).toMatchObject({ name: "CostControlError", code });
		expect(gateway.requests.length).toBeLessThanOrEqual(32);
		await expect(costControl.batch.submit({ items: items(1) })).rejects.toMatchObject({ code });
	});

	test("whatever was taken by then is handed over", async () => {
		gateway.interfere = () => (gateway.items.length >= 40 ? refusal(401, "key.revoked") : undefined);
		const error = await thrownBy(costControl.batch.submit({ items: items(1_000) }));
		if (!(error instanceof SubmissionInterruptedError)) throw error;
		expect(error.cause).toMatchObject({ code: "key.revoked" });
		expect([...error.batch.ids.values()].sort()).toEqual(gateway.items.map(({ id }) => id).sort());
	});

	test("the signal, where the source of items does not answer", async () => {
		const abort = new AbortController();
		let isEnded = false;
		async function* source() {
			try {
				yield* items(3);
				await once(new EventTarget(), "never");
			} finally {
				isEnded = true;
			}
		}
		gateway.interfere = () => {
			if (gateway.items.length === 2) setImmediate(() => abort.abort(new Error("enough")));
			return undefined;
		};
		const error = await thrownBy(costControl.batch.submit({ items: source(), signal: abort.signal }));
		expect(error).toMatchObject({ name: "SubmissionInterruptedError", cause: { message: "enough" } });
		expect(isEnded).toBe(false);
	});

	test("the signal, where the gateway does not answer: its reason, and nothing was taken", async () => {
		const abort = new AbortController();
		gateway.interfere = () => {
			abort.abort(new Error("enough"));
			return "hold";
		};
		await expect(costControl.batch.submit({ items: items(5), signal: abort.signal })).rejects.toThrow("enough");
		await expect(costControl.batch.submit({ items: items(5), signal: abort.signal })).rejects.toThrow("enough");
	});

	test("items that fail: what was under way is taken, and the source is not asked again", async () => {
		async function* source() {
			yield* items(3);
			throw new Error("the file broke off");
		}
		const error = await thrownBy(costControl.batch.submit({ items: source() }));
		expect(error).toMatchObject({ name: "SubmissionInterruptedError", cause: { message: "the file broke off" } });
		expect((error as SubmissionInterruptedError).batch.ids.size).toBe(3);
	});

	test("a gateway that takes nothing for as long as patience lasts", async () => {
		const nobody = new CostControl({ baseUrl: "http://127.0.0.1:1", key: "tg-test" });
		let taken = 0;
		const source = function* () {
			for (const each of items(1_000)) {
				taken += 1;
				yield each;
			}
		};
		await expect(nobody.batch.submit({ items: source(), patienceMs: 1_000 })).rejects.toThrow(UnreachableError);
		expect(taken).toBeLessThanOrEqual(32);
	});
});
