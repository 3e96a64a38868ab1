import { afterEach, describe, expect, test } from "vitest";
import type { WireTimes } from "#activities/batches/providers/provider-wire.ts";
import {
	anthropicError,
	type BatchWire,
	collect,
	MESSAGE_BATCH_CREATED_AT_MS,
	messageBatch,
	openOnWire,
	partOf,
	startBatchWire,
	type WireCall,
	wireSettings,
} from "#test/support/batch-wire.ts";
import { until } from "#test/support/until.ts";

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
	for (const one of open.splice(0).reverse()) await one.close();
});

async function start(answer: (call: WireCall) => void | Promise<void>, times: Partial<WireTimes> = {}) {
	const wire: BatchWire = await startBatchWire(answer);
	const { provider, providers } = openOnWire(wireSettings("anthropic", wire.url), times);
	open.push(wire, providers);
	return { wire, provider };
}

const REQUESTS = ["a", "b", "c"].map((text, n) => ({
	custom_id: `batch1-1-${n + 1}`,
	params: { model: "claude-sonnet-4-5", messages: [{ role: "user", content: text }] },
}));
const PART = partOf(
	REQUESTS.map((request) => JSON.stringify(request)),
	{ endpoint: "messages" },
);

/** Its lines, of which the last ones wait until the provider has seen the first. */
async function* onceItArrives(wire: BatchWire): AsyncGenerator<Uint8Array> {
	for await (const piece of PART.openLines()) {
		yield piece;
		await until("its beginning to arrive", () => wire.calls.length === 1);
	}
}

const BATCHES = "/v1/messages/batches";
const ID = "msgbatch_013Zva2CMHLNnXjNJJKqJ2EF";
const counts = (changes: Record<string, number>) => ({ processing: 0, succeeded: 0, errored: 0, canceled: 0, expired: 0, ...changes });

describe("create", () => {
	test("has nothing to upload beforehand", async () => {
		const { wire, provider } = await start((call) => void call.response.destroy());
		expect(await provider.upload(PART)).toBeNull();
		expect(wire.calls).toEqual([]);
	});

	test("sends the requests within one body", async () => {
		let body: unknown;
		const { wire, provider } = await start(async (call) => {
			body = JSON.parse((await call.text()) ?? "");
			call.json(200, messageBatch());
		});
		expect(await provider.create(PART)).toEqual({
			providerBatchId: ID,
			state: "running",
			total: 3,
			succeeded: 0,
			failed: 0,
			problems: [],
			createdAtMs: MESSAGE_BATCH_CREATED_AT_MS,
			expiresAtMs: MESSAGE_BATCH_CREATED_AT_MS + 86_400_000,
			outputFileId: null,
			errorFileId: null,
			resultsUrl: null,
		});
		expect(body).toEqual({ requests: REQUESTS });
		expect(wire.asked()).toEqual([`POST ${BATCHES}`]);
		expect(wire.calls[0]?.headers).toMatchObject({ "content-type": "application/json", "anthropic-version": expect.stringMatching(/^\d{4}-\d\d-\d\d$/) });
	});

	test.each([
		["cut before an answer", (call: WireCall) => void call.response.destroy()],
		["an answer that is no batch", (call: WireCall) => call.json(200, {})],
		["a fault of the provider", (call: WireCall) => call.json(500, anthropicError("api_error", "m"))],
		["silence", () => undefined],
	])("%s: nobody knows the outcome, one request was sent, and it may be found", async (_name, answer) => {
		const { wire, provider } = await start(
			async (call) => {
				if (call.method === "GET") return call.json(200, { data: [messageBatch()], has_more: false, first_id: null, last_id: null });
				await call.text();
				return answer(call);
			},
			{ uploadMs: 500 },
		);
		await expect(provider.create(PART)).rejects.toMatchObject({ code: "provider.unreachable", isRetryable: true });
		expect(wire.asked()).toEqual([`POST ${BATCHES}`]);
		const found = await provider.find(PART, { sinceMs: MESSAGE_BATCH_CREATED_AT_MS, isOthers: () => false });
		expect(found).toMatchObject([{ isCertain: false, status: { providerBatchId: ID, total: 3 } }]);
	});

	test("a body that is cut is not taken for whole, and why it was cut is told", async () => {
		const bodies: (string | undefined)[] = [];
		const { wire, provider } = await start(async (call) => {
			bodies.push(await call.text());
			call.json(200, messageBatch());
		});
		await expect(provider.create({ ...PART, items: 4, openLines: () => onceItArrives(wire) })).rejects.toThrow("has 3 lines where 4 were written");
		await until("the upload that breaks off", () => bodies.length === 1);
		expect(bodies).toEqual([undefined]);
	});

	test.each([
		[429, anthropicError("rate_limit_error", "m"), { code: "provider.overloaded", details: { retryAfterMs: 3_000 } }],
		[429, anthropicError("rate_limit_error", "m", { error_code: "enforced_spend_limit_reached" }), { code: "provider.quota" }],
		[
			400,
			anthropicError("invalid_request_error", "requests.1.params: bad"),
			{ code: "provider.refused", message: expect.stringContaining("requests.1.params: bad") },
		],
		[529, anthropicError("overloaded_error", "m"), { code: "provider.overloaded" }],
	])("%i %j is told, and asked once", async (status, body, expected) => {
		const { wire, provider } = await start(async (call) => {
			await call.text();
			call.json(status, body, { "retry-after": "3" });
		});
		await expect(provider.create(PART)).rejects.toMatchObject(expected);
		expect(wire.calls).toHaveLength(1);
	});

	test("200 MB are never held", { timeout: 120_000 }, async () => {
		const line = Buffer.from(`{"custom_id":"x","params":{"content":"${"y".repeat(1_000_000)}"}}\n`);
		const items = 200;
		let read = 0;
		let arrived = 0;
		let mostHeld = 0;
		const { provider } = await start(async (call) => {
			for await (const chunk of call.request as AsyncIterable<Buffer>) arrived += chunk.length;
			call.json(200, messageBatch());
		});
		const openLines = async function* () {
			for (let n = 0; n < items; n += 1) {
				read += line.length;
				mostHeld = Math.max(mostHeld, read - arrived);
				yield line;
			}
		};
		expect(await provider.create({ ...PART, items, openLines })).toMatchObject({ state: "running" });
		expect(arrived).toBeGreaterThan(items * (line.length - 1));
		expect(mostHeld).toBeLessThan(24_000_000);
	});
});

describe("find", () => {
	test("takes the batches of that size made since, without those of other parts", async () => {
		const at = (minutes: number) => new Date(MESSAGE_BATCH_CREATED_AT_MS - minutes * 60_000).toISOString();
		const batches = [
			messageBatch({ id: "b0", created_at: at(0), request_counts: counts({ processing: 4 }) }),
			messageBatch({ id: "b1", created_at: at(1) }),
			messageBatch({ id: "b2", created_at: at(2), request_counts: counts({ succeeded: 1, errored: 1, expired: 1 }), processing_status: "ended" }),
			messageBatch({ id: "b3", created_at: at(7) }),
			messageBatch({ id: "b4", created_at: at(11) }),
			messageBatch({ id: "b5", created_at: at(12) }),
			messageBatch({ id: "b6", created_at: at(13) }),
		];
		const { wire, provider } = await start((call) => {
			const from = batches.findIndex(({ id }) => id === call.query["after_id"]) + 1;
			call.json(200, { data: batches.slice(from, from + 2), has_more: from + 2 < batches.length, first_id: null, last_id: null });
		});
		const found = await provider.find(PART, { sinceMs: MESSAGE_BATCH_CREATED_AT_MS - 5 * 60_000, isOthers: (id) => id === "b1" });
		expect(found.map(({ status, isCertain }) => [status.providerBatchId, status.state, isCertain])).toEqual([
			["b2", "ended", false],
			["b3", "running", false],
		]);
		expect(wire.calls.map(({ query }) => query["after_id"])).toEqual([undefined, "b1", "b3"]);
	});

	test("a list that cannot be read finds nothing out, rather than nothing", async () => {
		const { provider } = await start((call) => call.json(200, { has_more: false }));
		await expect(provider.find(PART, { sinceMs: 0, isOthers: () => false })).rejects.toMatchObject({ code: "provider.unreachable" });
	});
});

describe("poll, cancel and forget", () => {
	test.each([
		["in_progress", "running"],
		["canceling", "cancelling"],
		["ended", "ended"],
		["something_new", "running"],
	])("%s is %s", async (processing, state) => {
		const { wire, provider } = await start((call) =>
			call.json(
				200,
				messageBatch({ processing_status: processing, request_counts: counts({ processing: 1, succeeded: 5, errored: 2, canceled: 3, expired: 4 }) }),
			),
		);
		expect(await provider.poll(ID)).toMatchObject({ state, total: 15, succeeded: 5, failed: 9 });
		expect(wire.asked()).toEqual([`GET ${BATCHES}/${ID}`]);
	});

	test("cancel asks for it; a batch that ended meanwhile is told as it stands", async () => {
		const { wire, provider } = await start((call) => {
			if (call.method === "GET") call.json(200, messageBatch({ processing_status: "ended" }));
			else if (call.path.includes("/late/")) call.json(400, anthropicError("invalid_request_error", "ended already"));
			else call.json(200, messageBatch({ processing_status: "canceling" }));
		});
		expect(await provider.cancel(ID)).toMatchObject({ state: "cancelling" });
		expect(await provider.cancel("late")).toMatchObject({ state: "ended" });
		expect(wire.asked()).toEqual([`POST ${BATCHES}/${ID}/cancel`, `POST ${BATCHES}/late/cancel`, `GET ${BATCHES}/late`]);
	});

	test("forget deletes the batch; one that is gone is no error, one that runs is", async () => {
		const answers = [200, 404, 400];
		const { wire, provider } = await start((call) => {
			if (call.method === "GET") call.json(200, messageBatch({ processing_status: "ended" }));
			else call.json(answers.shift() ?? 500, anthropicError("invalid_request_error", "m"));
		});
		const of = { providerFileId: null, status: await provider.poll(ID) };
		await provider.forget(of);
		await provider.forget(of);
		await expect(provider.forget(of)).rejects.toMatchObject({ code: "provider.refused" });
		expect(wire.asked().slice(1)).toEqual(Array(3).fill(`DELETE ${BATCHES}/${ID}`));
	});
});

describe("results", () => {
	const ok = (id: string) => `{"custom_id":"${id}","result":{"type":"succeeded","message":{"id":"msg","usage":{"input_tokens":1.0}}}}\n`;

	async function resultsOf(resultsUrl: (wire: BatchWire) => string | null, answer: (call: WireCall) => void) {
		const made: { wire?: BatchWire } = {};
		const { wire, provider } = await start((call) => {
			if (call.path === `${BATCHES}/${ID}`) call.json(200, messageBatch({ processing_status: "ended", results_url: made.wire && resultsUrl(made.wire) }));
			else answer(call);
		});
		made.wire = wire;
		return { wire, results: provider.results(await provider.poll(ID)) };
	}
	const file = (call: WireCall, text: string) => void call.response.writeHead(200, { "content-type": "application/x-jsonl" }).end(text);

	test("are read where the provider says, in any order", async () => {
		const { wire, results } = await resultsOf(
			({ url }) => `${url}/v1/results/77?part=1`,
			(call) => file(call, `${ok("b")}{"custom_id":"a","result":{"type":"canceled"}}\n`),
		);
		expect(await collect(results)).toEqual([
			{ kind: "item", customId: "b", result: { kind: "succeeded", httpStatus: 200, requestId: null, body: `{"id":"msg","usage":{"input_tokens":1.0}}` } },
			{ kind: "item", customId: "a", result: { kind: "cancelled" } },
		]);
		expect(wire.calls.at(-1)).toMatchObject({ path: "/v1/results/77", query: { part: "1" } });
	});

	test.each(["https://elsewhere.example/v1/messages/batches/x/results", "no URL"])("are never asked of another host than the key is for: %s", async (url) => {
		const { wire, results } = await resultsOf(
			() => url,
			(call) => file(call, ok("a")),
		);
		expect(await collect(results)).toHaveLength(1);
		expect(wire.asked().at(-1)).toBe(`GET ${BATCHES}/${ID}/results`);
	});

	test("of a batch that was archived are gone", async () => {
		const { results } = await resultsOf(
			() => null,
			(call) => file(call, ok("a")),
		);
		await expect(collect(results)).rejects.toMatchObject({ code: "provider.results_gone" });
	});

	test.each([404, 410])("that are %i are gone", async (status) => {
		const { results } = await resultsOf(
			({ url }) => `${url}/r`,
			(call) => call.json(status, anthropicError("not_found_error", "past")),
		);
		await expect(collect(results)).rejects.toMatchObject({ code: "provider.results_gone" });
	});

	test("that were cut within a line are told; a connection that breaks is an error", async () => {
		const cut = await resultsOf(
			({ url }) => `${url}/r`,
			(call) => file(call, ok("a") + ok("b").slice(0, 50)),
		);
		expect(await collect(cut.results)).toMatchObject([{ customId: "a" }, { kind: "unreadable", line: 2, problem: expect.stringMatching(/^results: /) }]);
		const broken = await resultsOf(
			({ url }) => `${url}/r`,
			(call) => void call.response.writeHead(200, { "content-length": "9999" }).write(ok("a"), () => call.response.destroy()),
		);
		await expect(collect(broken.results)).rejects.toMatchObject({ code: "provider.unreachable" });
	});
});
