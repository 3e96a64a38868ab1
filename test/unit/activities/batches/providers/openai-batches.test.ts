import { afterEach, describe, expect, test } from "vitest";
import type { WireTimes } from "#activities/batches/providers/provider-wire.ts";
import type { ProviderSettings } from "#config/providers.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import {
	type BatchWire,
	collect,
	OPENAI_CREATED_AT_MS,
	openAiBatch,
	openAiError,
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

type Changes = { readonly settings?: Partial<ProviderSettings>; readonly times?: Partial<WireTimes> };

async function start(answer: (call: WireCall) => void | Promise<void>, { settings = {}, times = {} }: Changes = {}) {
	const wire: BatchWire = await startBatchWire(answer);
	const { provider, providers } = openOnWire(wireSettings("openai", wire.url, settings), times);
	open.push(wire, providers);
	return { wire, provider };
}

const LINES = [`{"custom_id":"batch1-1-1","method":"POST","url":"/v1/chat/completions","body":{"model":"gpt-4o"}}`, `{"custom_id":"batch1-1-2"}`];
const PART = partOf(LINES);

/** Its lines, of which the last ones wait until the provider has seen the first. */
async function* onceItArrives(wire: BatchWire): AsyncGenerator<Uint8Array> {
	for await (const piece of PART.openLines()) {
		yield piece;
		await until("its beginning to arrive", () => wire.calls.length === 1);
	}
}

const UPLOADED = { ...PART, providerFileId: "file-in" };
const ended = (files: Record<string, unknown>) => openAiBatch({ status: "completed", ...files });

describe("upload", () => {
	test("sends the lines as a multipart file of purpose batch, once, and resolves with its id", async () => {
		let body: string | undefined;
		const { wire, provider } = await start(async (call) => {
			body = await call.text();
			call.json(200, { id: "file-9", object: "file", bytes: PART.bytes, created_at: 1, filename: "x", purpose: "batch", status: "processed" });
		});
		expect(await provider.upload(PART)).toBe("file-9");
		expect(wire.asked()).toEqual(["POST /v1/files"]);
		const boundary = /^multipart\/form-data; boundary=(.+)$/.exec(wire.calls[0]?.headers["content-type"] ?? "")?.[1];
		expect(body).toContain(`--${boundary}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n`);
		expect(body).toContain(`name="file"; filename="${PART.token}.jsonl"\r\nContent-Type: application/jsonl\r\n\r\n${LINES.join("\n")}\n\r\n`);
		expect(body?.endsWith(`--${boundary}--\r\n`)).toBe(true);
	});

	test("a file that went up before is not sent again", async () => {
		const { wire, provider } = await start((call) => void call.response.destroy());
		expect(await provider.upload(UPLOADED)).toBe("file-in");
		expect(wire.calls).toEqual([]);
	});

	test("a connection that is cut is an outcome nobody knows, and the SDK does not try again", async () => {
		const { wire, provider } = await start((call) => void call.response.destroy());
		await expect(provider.upload(PART)).rejects.toMatchObject({ code: "provider.unreachable", isRetryable: true });
		expect(wire.calls).toHaveLength(1);
	});

	test("lines that cannot be read break it off before its end, and their error is the one that is told", async () => {
		const damaged = new CostControlError("authority.unreachable", "the blob is away");
		const bodies: (string | undefined)[] = [];
		const { wire, provider } = await start(async (call) => {
			bodies.push(await call.text());
			call.json(200, { id: "file-9" });
		});
		const openLines = async function* () {
			yield Buffer.from(`${LINES[0]}\n`);
			await until("its beginning to arrive", () => wire.calls.length === 1);
			throw damaged;
		};
		await expect(provider.upload({ ...PART, openLines })).rejects.toBe(damaged);
		await until("the upload that breaks off", () => bodies.length === 1);
		expect(bodies).toEqual([undefined]);
	});

	test("a part with fewer lines than it says is not sent to its end", async () => {
		const bodies: (string | undefined)[] = [];
		const { wire, provider } = await start(async (call) => {
			bodies.push(await call.text());
			call.json(200, { id: "file-9" });
		});
		await expect(provider.upload({ ...PART, items: 3, openLines: () => onceItArrives(wire) })).rejects.toThrow("has 2 lines where 3 were written");
		await until("the upload that breaks off", () => bodies.length === 1);
		expect(bodies).toEqual([undefined]);
	});

	test("an answer that is no file is an outcome nobody knows", async () => {
		const { provider } = await start(async (call) => {
			await call.text();
			call.response.writeHead(200, { "content-type": "text/html" }).end("<html>");
		});
		await expect(provider.upload(PART)).rejects.toMatchObject({ code: "provider.unreachable" });
	});

	test("200 MB are never held: what was read and has not arrived stays within what a connection holds", { timeout: 120_000 }, async () => {
		const line = Buffer.from(`{"custom_id":"x","body":"${"y".repeat(1_000_000)}"}\n`);
		const items = 200;
		let read = 0;
		let arrived = 0;
		let mostHeld = 0;
		const { provider } = await start(async (call) => {
			for await (const chunk of call.request as AsyncIterable<Buffer>) arrived += chunk.length;
			call.json(200, { id: "file-9" });
		});
		const openLines = async function* () {
			for (let n = 0; n < items; n += 1) {
				read += line.length;
				mostHeld = Math.max(mostHeld, read - arrived);
				yield line;
			}
		};
		expect(await provider.upload({ ...PART, items, bytes: items * line.length, openLines })).toBe("file-9");
		expect(arrived).toBeGreaterThan(items * line.length);
		expect(mostHeld).toBeLessThan(24_000_000);
	});
});

describe("create", () => {
	test("names the file, the endpoint and, in its metadata, the part", async () => {
		let body: unknown;
		const { wire, provider } = await start(async (call) => {
			body = JSON.parse((await call.text()) ?? "");
			call.json(200, openAiBatch({ status: "validating", request_counts: { total: 0, completed: 0, failed: 0 } }));
		});
		const status = await provider.create({ ...UPLOADED, endpoint: "responses" });
		expect(wire.asked()).toEqual(["POST /v1/batches"]);
		expect(body).toEqual({ completion_window: "24h", endpoint: "/v1/responses", input_file_id: "file-in", metadata: { tollgate_part: PART.token } });
		expect(status).toEqual({
			providerBatchId: "batch_6926c4e1",
			state: "validating",
			total: 0,
			succeeded: 0,
			failed: 0,
			problems: [],
			createdAtMs: OPENAI_CREATED_AT_MS,
			expiresAtMs: OPENAI_CREATED_AT_MS + 86_400_000,
			outputFileId: null,
			errorFileId: null,
			resultsUrl: null,
		});
	});

	test.each([
		["cut before an answer", (call: WireCall) => void call.response.destroy()],
		["cut within the answer", (call: WireCall) => void call.response.writeHead(200, { "content-length": "999" }).write("{", () => call.response.destroy())],
		["an answer that is no JSON", (call: WireCall) => void call.response.writeHead(200, { "content-type": "application/json" }).end(`{"id":`)],
		["an answer that is no batch", (call: WireCall) => call.json(200, { ok: true })],
		["a fault of the provider", (call: WireCall) => call.json(500, openAiError({ message: "m", type: "server_error" }))],
		["something in front of the provider", (call: WireCall) => void call.response.writeHead(502).end("bad gateway")],
		["silence", () => undefined],
	])("%s: nobody knows the outcome, one request was sent, and it is found", async (_name, answer) => {
		const { wire, provider } = await start(
			(call) => (call.method === "POST" ? answer(call) : call.json(200, { object: "list", data: [openAiBatch()], has_more: false })),
			{ times: { callMs: 500 } },
		);
		await expect(provider.create(UPLOADED)).rejects.toMatchObject({ code: "provider.unreachable", isRetryable: true });
		expect(wire.asked()).toEqual(["POST /v1/batches"]);
		const found = await provider.find(PART, { sinceMs: OPENAI_CREATED_AT_MS, isOthers: () => false });
		expect(found).toMatchObject([{ isCertain: true, status: { providerBatchId: "batch_6926c4e1", state: "running", total: 3 } }]);
	});

	test.each([
		[429, openAiError({ message: "m", type: "requests", code: "rate_limit_exceeded" }), { code: "provider.overloaded", details: { retryAfterMs: 3_000 } }],
		[429, openAiError({ message: "m", type: "insufficient_quota", code: "insufficient_quota" }), { code: "provider.quota", isRetryable: false }],
		[400, openAiError({ message: "m" }), { code: "provider.refused", isRetryable: false }],
		[503, openAiError({ message: "m", type: "service_unavailable_error" }), { code: "provider.overloaded", isRetryable: true }],
	])("%i %j is told, and asked once", async (status, body, expected) => {
		const { wire, provider } = await start((call) => call.json(status, body, { "retry-after": "3" }));
		await expect(provider.create(UPLOADED)).rejects.toMatchObject(expected);
		expect(wire.calls).toHaveLength(1);
	});
});

describe("find", () => {
	test("goes through the pages until one is older than the attempt", async () => {
		const at = (n: number) => OPENAI_CREATED_AT_MS / 1_000 - n * 200;
		const batches = Array.from({ length: 9 }, (_, n) =>
			openAiBatch({ id: `b${n}`, created_at: at(n), metadata: n === 3 ? { tollgate_part: PART.token } : n % 2 === 0 ? null : { tollgate_part: "other" } }),
		);
		const { wire, provider } = await start((call) => {
			const from = batches.findIndex(({ id }) => id === call.query["after"]) + 1;
			call.json(200, { object: "list", data: batches.slice(from, from + 2), has_more: from + 2 < batches.length });
		});
		// Five minutes before the attempt count: b0 to b4 are young, the page of b6 and b7 is not.
		const found = await provider.find(PART, { sinceMs: at(3) * 1_000, isOthers: () => false });
		expect(found.map(({ status, isCertain }) => [status.providerBatchId, isCertain])).toEqual([["b3", true]]);
		expect(wire.calls.map(({ query }) => query["after"])).toEqual([undefined, "b1", "b3", "b5"]);
		expect(wire.calls[0]?.query["limit"]).toBe("100");
	});

	test("tells every batch of the part, should there be two", async () => {
		const { provider } = await start((call) => call.json(200, { data: [openAiBatch({ id: "b2" }), openAiBatch({ id: "b1" })], has_more: false }));
		expect(await provider.find(PART, { sinceMs: 0, isOthers: () => false })).toHaveLength(2);
	});

	test.each([
		["is no list", () => ({ ok: true })],
		["does not go on", () => ({ data: [openAiBatch()], has_more: true })],
		["goes on behind nothing", () => ({ data: [], has_more: true })],
		["holds what is no batch", () => ({ data: [{ id: 7 }], has_more: false })],
	])("an answer that %s finds nothing out, rather than nothing", async (_name, answer) => {
		const { provider } = await start((call) => call.json(200, answer()));
		await expect(provider.find({ ...PART, token: "another" }, { sinceMs: 0, isOthers: () => false })).rejects.toMatchObject({ code: "provider.unreachable" });
	});
});

describe("poll and cancel", () => {
	test.each([
		["validating", "validating"],
		["in_progress", "running"],
		["finalizing", "running"],
		["cancelling", "cancelling"],
		["completed", "ended"],
		["expired", "ended"],
		["cancelled", "ended"],
		["failed", "failed"],
		["something_new", "running"],
	])("%s is %s", async (status, state) => {
		const { wire, provider } = await start((call) => call.json(200, openAiBatch({ status })));
		expect(await provider.poll("batch_1")).toMatchObject({ state, total: 3, succeeded: 1, failed: 1 });
		expect(wire.asked()).toEqual(["GET /v1/batches/batch_1"]);
	});

	test("a batch that failed as a whole says why, with lines; one with an output has ended, since it ran", async () => {
		const data = [{ code: "invalid_json_line", line: 2, message: "not JSON\u0000", param: null }, { code: null }, ...Array.from({ length: 100 }, () => ({}))];
		const answers = [openAiBatch({ status: "failed", errors: { object: "list", data } }), openAiBatch({ status: "failed", output_file_id: "file-out" })];
		const { provider } = await start((call) => call.json(200, answers.shift()));
		const failed = await provider.poll("b");
		expect(failed.problems.slice(0, 2)).toEqual([
			{ line: 2, code: "invalid_json_line", message: "not JSON" },
			{ line: null, code: "unknown", message: "" },
		]);
		expect(failed.problems).toHaveLength(20);
		expect(await provider.poll("b")).toMatchObject({ state: "ended", outputFileId: "file-out" });
	});

	test("a batch the provider does not know is refused with its status", async () => {
		const { provider } = await start((call) => call.json(404, openAiError({ message: "No batch found" })));
		await expect(provider.poll("b")).rejects.toMatchObject({ code: "provider.refused", details: { status: 404, asked: "poll" } });
	});

	test("cancel asks for it", async () => {
		const { wire, provider } = await start((call) => call.json(200, openAiBatch({ status: "cancelling" })));
		expect(await provider.cancel("batch_1")).toMatchObject({ state: "cancelling" });
		expect(wire.asked()).toEqual(["POST /v1/batches/batch_1/cancel"]);
	});

	test.each([
		["completed", 409, "ended"],
		["cancelling", 400, "cancelling"],
	])("a batch that is %s already cannot be cancelled, and how it stands is told", async (status, refusal, state) => {
		const { provider } = await start((call) =>
			call.method === "POST" ? call.json(refusal, openAiError({ message: "Cannot cancel" })) : call.json(200, openAiBatch({ status })),
		);
		expect(await provider.cancel("b")).toMatchObject({ state });
	});

	test("a cancellation that is refused while the batch runs is an error", async () => {
		const { provider } = await start((call) =>
			call.method === "POST" ? call.json(400, openAiError({ message: "no" })) : call.json(200, openAiBatch({ status: "in_progress" })),
		);
		await expect(provider.cancel("b")).rejects.toMatchObject({ code: "provider.refused" });
	});
});

describe("results", () => {
	const ok = (id: string) => `{"custom_id":"${id}","response":{"status_code":200,"request_id":"r","body":{"n":1.0}},"error":null}\n`;
	const expired = (id: string) => `{"custom_id":"${id}","response":null,"error":{"code":"batch_expired","message":"m"}}\n`;

	async function resultsOf(fields: Record<string, unknown>, answer: (call: WireCall) => void, times: Partial<WireTimes> = {}) {
		const { wire, provider } = await start((call) => (call.path === "/v1/batches/b" ? call.json(200, ended(fields)) : answer(call)), { times });
		const status = await provider.poll("b");
		return { wire, results: provider.results(status) };
	}
	const file = (call: WireCall, text: string) => void call.response.writeHead(200, { "content-type": "application/octet-stream" }).end(text);

	test("of the output file and the error file", async () => {
		const { wire, results } = await resultsOf({ output_file_id: "file-out", error_file_id: "file-err" }, (call) =>
			file(call, call.path.includes("file-out") ? ok("a") + ok("b") : expired("c")),
		);
		expect(await collect(results)).toMatchObject([
			{ customId: "a", result: { kind: "succeeded", body: `{"n":1.0}` } },
			{ customId: "b" },
			{ customId: "c", result: { kind: "expired" } },
		]);
		expect(wire.asked().slice(1)).toEqual(["GET /v1/files/file-out/content", "GET /v1/files/file-err/content"]);
	});

	test("of a batch with neither file there are none", async () => {
		const { wire, results } = await resultsOf({}, (call) => call.response.destroy());
		expect(await collect(results)).toEqual([]);
		expect(wire.calls).toHaveLength(1);
	});

	test("a file that was cut within a line is told, its whole lines stand", async () => {
		const { results } = await resultsOf({ output_file_id: "f" }, (call) => file(call, ok("a") + ok("b").slice(0, 40)));
		expect(await collect(results)).toMatchObject([{ customId: "a" }, { kind: "unreadable", line: 2, problem: expect.stringContaining("output file") }]);
	});

	test("a connection that breaks within the file is an error, after the lines that arrived", async () => {
		const { results } = await resultsOf({ output_file_id: "f" }, (call) => {
			call.response.writeHead(200, { "content-length": "99999" }).write(ok("a") + ok("b"), () => call.response.destroy());
		});
		const arrived: unknown[] = [];
		await expect(
			(async () => {
				for await (const line of results) arrived.push(line);
			})(),
		).rejects.toMatchObject({ code: "provider.unreachable", details: { asked: "results" } });
		expect(arrived.length).toBeLessThanOrEqual(2);
	});

	test("a file that stops arriving is given up", async () => {
		const { results } = await resultsOf({ output_file_id: "f" }, (call) => void call.response.writeHead(200).write(ok("a")), { idleMs: 300 });
		await expect(collect(results)).rejects.toMatchObject({ code: "provider.unreachable" });
	});

	test.each([404, 410])("what is past its retention (%i) is gone", async (status) => {
		const { results } = await resultsOf({ output_file_id: "f" }, (call) => call.json(status, openAiError({ message: "No such File object: f" })));
		await expect(collect(results)).rejects.toMatchObject({ code: "provider.results_gone", isRetryable: false });
	});

	test("64 MB are never held: what was written and has not been read stays within what a connection holds", { timeout: 120_000 }, async () => {
		const line = `{"custom_id":"x","response":{"status_code":200,"body":{"text":"${"y".repeat(16_000)}"}},"error":null}\n`;
		const items = 4_000;
		let written = 0;
		let read = 0;
		let mostHeld = 0;
		const { results } = await resultsOf({ output_file_id: "f" }, (call) => {
			call.response.writeHead(200);
			const write = (): void => {
				while (written < items) {
					written += 1;
					if (!call.response.write(line)) {
						call.response.once("drain", write);
						return;
					}
				}
				call.response.end();
			};
			write();
		});
		for await (const { kind } of results) {
			expect(kind).toBe("item");
			read += 1;
			mostHeld = Math.max(mostHeld, written - read);
			// Slower than the provider writes.
			await new Promise((resolve) => setImmediate(resolve));
		}
		expect(read).toBe(items);
		expect(mostHeld * line.length).toBeLessThan(24_000_000);
	});
});

describe("forget", () => {
	test("deletes what was uploaded and what was read; what is gone is no error", async () => {
		const { wire, provider } = await start((call) => {
			if (call.method === "GET") call.json(200, ended({ output_file_id: "file-out", error_file_id: "file-err" }));
			else if (call.path.endsWith("file-out")) call.json(404, openAiError({ message: "No such File object" }));
			else call.json(200, { id: "x", object: "file", deleted: true });
		});
		const status = await provider.poll("b");
		await provider.forget({ providerFileId: "file-in", status });
		expect(wire.asked().slice(1).sort()).toEqual(["DELETE /v1/files/file-err", "DELETE /v1/files/file-in", "DELETE /v1/files/file-out"]);
	});

	test("an error is told after everything was tried", async () => {
		const { wire, provider } = await start((call) => {
			if (call.method === "GET") call.json(200, ended({ output_file_id: "file-out" }));
			else call.json(500, openAiError({ message: "m", type: "server_error" }));
		});
		const status = await provider.poll("b");
		await expect(provider.forget({ providerFileId: "file-in", status })).rejects.toMatchObject({ code: "provider.unreachable" });
		expect(wire.calls).toHaveLength(3);
	});
});
