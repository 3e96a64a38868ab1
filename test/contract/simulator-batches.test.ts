import { readFileSync } from "node:fs";
import OpenAI, { toFile } from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type SimulatedProvider, startSimulatedProvider } from "#test/support/simulated-provider.ts";
import { until } from "#test/support/until.ts";

/** Files and batches of the simulated provider, through the official OpenAI client. */

const HOUR_MS = 3_600_000;

let provider: SimulatedProvider;
let openai: OpenAI;

beforeAll(async () => {
	provider = await startSimulatedProvider();
	openai = clientOf(provider);
});

afterAll(() => provider.close());

function clientOf({ url }: SimulatedProvider): OpenAI {
	return new OpenAI({ apiKey: "any", baseURL: `${url}/v1`, maxRetries: 0 });
}

type Item = { readonly customId: string; readonly content?: string; readonly body?: object; readonly url?: string };

function lineOf({ customId, content = "Hello", body, url = "/v1/chat/completions" }: Item): string {
	const chat = { model: "gpt-4o", max_tokens: 5, messages: [{ role: "user", content }] };
	return JSON.stringify({ custom_id: customId, method: "POST", url, body: body ?? chat });
}

const marked = (directive: object) => `[[simulate:${JSON.stringify(directive)}]]`;

async function upload(lines: readonly string[], client = openai): Promise<string> {
	const file = await client.files.create({ file: await toFile(Buffer.from(`${lines.join("\n")}\n`), "items.jsonl"), purpose: "batch" });
	return file.id;
}

async function submit(items: readonly Item[], plan: object = {}, client = openai): Promise<OpenAI.Batch> {
	const input_file_id = await upload(items.map(lineOf), client);
	const metadata = { simulate: JSON.stringify({ turnaroundMs: HOUR_MS, ...plan }) };
	return client.batches.create({ input_file_id, endpoint: "/v1/chat/completions", completion_window: "24h", metadata });
}

function pass(ms: number, of = provider): Promise<Record<string, unknown>> {
	return of.control("batches/clock", { advanceMs: ms });
}

type ResultLine = {
	readonly id: string;
	readonly custom_id: string;
	readonly response: { readonly status_code: number; readonly request_id: string; readonly body: Record<string, unknown> } | null;
	readonly error: { readonly code: string } | null;
};

async function textOf(fileId: string | null | undefined, client = openai): Promise<string> {
	return fileId ? (await client.files.content(fileId)).text() : "";
}

async function linesOf(fileId: string | null | undefined, client = openai): Promise<ResultLine[]> {
	return (await textOf(fileId, client))
		.split("\n")
		.filter((line) => line !== "")
		.map((line) => JSON.parse(line) as ResultLine);
}

const named = (prefix: string, count: number): Item[] => Array.from({ length: count }, (_, index) => ({ customId: `${prefix}-${index + 1}` }));
const billed = (prefix: string, of = provider) => of.calls().filter(({ attemptId }) => attemptId?.startsWith(`${prefix}-`) === true);

describe("files", () => {
	it("keeps what the client uploads, byte by byte, and forgets it when told", async () => {
		const bytes = Buffer.from(`${lineOf({ customId: "ä" })}\r\n--x\n`);
		const file = await openai.files.create({
			file: await toFile(bytes, "items.jsonl"),
			purpose: "batch",
			expires_after: { anchor: "created_at", seconds: 3_600 },
		});
		expect(file).toMatchObject({ object: "file", bytes: bytes.length, filename: "items.jsonl", purpose: "batch", status: "processed" });
		expect((file.expires_at ?? 0) - file.created_at).toBe(3_600);
		expect(await openai.files.retrieve(file.id)).toEqual(file);
		expect(Buffer.from(await (await openai.files.content(file.id)).arrayBuffer())).toEqual(bytes);
		expect(await openai.files.delete(file.id)).toEqual({ id: file.id, object: "file", deleted: true });
		await expect(openai.files.retrieve(file.id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
	});

	it("lists the newest first, in pages", async () => {
		const ids: string[] = [];
		for (let n = 0; n < 5; n += 1) ids.unshift(await upload([lineOf({ customId: `page-${n}` })]));
		const found: string[] = [];
		for await (const file of openai.files.list({ limit: 2, purpose: "batch" })) found.push(file.id);
		expect(found.slice(0, 5)).toEqual(ids);
		expect((await openai.files.list({ order: "asc", limit: 1 })).data[0]?.id).toBe(found.at(-1));
	});

	it("rejects what no batch can be made of", async () => {
		const file = await toFile(Buffer.from("x"), "items.txt");
		await expect(openai.files.create({ file, purpose: "batch" })).rejects.toThrow("Must be .jsonl");
		await expect(openai.files.create({ file, purpose: "other" as never })).rejects.toThrow("Invalid purpose");
		const empty = await toFile(Buffer.alloc(0), "items.jsonl");
		await expect(openai.files.create({ file: empty, purpose: "batch" })).rejects.toThrow("empty");
		const plain = await fetch(`${provider.url}/v1/files`, { method: "POST", body: "{}" });
		expect([plain.status, plain.headers.get("x-simulated-provider")]).toEqual([400, "true"]);
	});

	it("refuses more bytes than a batch may have, once it has read them", async () => {
		await provider.control("batches/limits", { openai: { bytesMax: 1_000 } });
		await expect(upload(Array.from({ length: 20_000 }, (_, n) => lineOf({ customId: `large-${n}` })))).rejects.toMatchObject({ status: 413 });
		await provider.control("batches/limits", { openai: { bytesMax: 200 * 1024 * 1024 } });
	});
});

describe("a batch", () => {
	it("goes from validating to completed on the simulated clock, and bills each item under its custom id", async () => {
		const prompt = "a prefix that is cached ".repeat(300);
		const made = await submit([
			{ customId: "whole-1", content: `${prompt}one` },
			{ customId: "whole-2", content: `${prompt}two` },
			{ customId: "whole-3", body: { model: "gpt-4o" } },
		]);
		expect(made).toMatchObject({ object: "batch", status: "validating", completion_window: "24h", request_counts: { total: 0, completed: 0, failed: 0 } });
		expect((made.expires_at ?? 0) - made.created_at).toBe(24 * 3_600);
		await pass(2_000 + HOUR_MS / 2);
		const half = await openai.batches.retrieve(made.id);
		expect(half).toMatchObject({ status: "in_progress", model: "gpt-4o", request_counts: { total: 3, completed: 1, failed: 0 }, output_file_id: null });
		await pass(HOUR_MS);
		const done = await openai.batches.retrieve(made.id);
		expect(done).toMatchObject({ status: "completed", request_counts: { total: 3, completed: 2, failed: 1 } });
		expect((done.completed_at ?? 0) - (done.in_progress_at ?? 0)).toBe(3_601);
		const output = await linesOf(done.output_file_id);
		expect(output.map(({ custom_id }) => custom_id)).toEqual(["whole-1", "whole-2"]);
		expect(output[1]?.response?.body).toMatchObject({ object: "chat.completion", service_tier: "default" });
		expect(output[1]?.response?.body["usage"]).toMatchObject({ completion_tokens: 5, prompt_tokens_details: { cached_tokens: expect.any(Number) } });
		const log = billed("whole");
		expect(log.map(({ attemptId, providerRequestId, serviceTier, usage }) => ({ attemptId, providerRequestId, serviceTier, usage }))).toEqual(
			output.map(({ custom_id, response }) => ({
				attemptId: custom_id,
				providerRequestId: response?.request_id,
				serviceTier: "batch",
				usage: response?.body["usage"],
			})),
		);
		expect(log[1]?.usage["prompt_tokens_details"]).toMatchObject({ cached_tokens: 1_792 });
		expect(done.usage).toMatchObject({ output_tokens: 10, input_tokens_details: { cached_tokens: expect.any(Number) } });
		const [failed] = await linesOf(done.error_file_id);
		expect(failed).toMatchObject({ custom_id: "whole-3", error: null, response: { status_code: 400, body: { error: { param: "messages" } } } });
	});

	it("answers responses and embeddings too", async () => {
		const embeddings = { model: "text-embedding-3-small", input: "Hello", dimensions: 8 };
		const id = await upload([lineOf({ customId: "embed-1", url: "/v1/embeddings", body: embeddings })]);
		const responses = await upload([lineOf({ customId: "resp-1", url: "/v1/responses", body: { model: "gpt-4o", input: "Hello", max_output_tokens: 20 } })]);
		const made = await Promise.all([
			openai.batches.create({ input_file_id: id, endpoint: "/v1/embeddings", completion_window: "24h" }),
			openai.batches.create({ input_file_id: responses, endpoint: "/v1/responses", completion_window: "24h" }),
		]);
		await pass(24 * HOUR_MS);
		const ended = await Promise.all(made.map((batch) => openai.batches.retrieve(batch.id)));
		expect(ended.map(({ status }) => status)).toEqual(["completed", "completed"]);
		expect((await linesOf(ended[0]?.output_file_id))[0]?.response?.body).toMatchObject({ object: "list", usage: { total_tokens: 2 } });
		expect((await linesOf(ended[1]?.output_file_id))[0]?.response?.body).toMatchObject({ object: "response", usage: { output_tokens: 20 } });
		expect([...billed("embed"), ...billed("resp")].map(({ serviceTier }) => serviceTier)).toEqual(["batch", "batch"]);
	});

	it("fails as a whole with the lines of what is wrong, and bills nothing", async () => {
		const input_file_id = await upload([lineOf({ customId: "bad-1" }), "{", lineOf({ customId: "bad-1" })]);
		const made = await openai.batches.create({ input_file_id, endpoint: "/v1/chat/completions", completion_window: "24h" });
		await pass(2_000);
		const failed = await openai.batches.retrieve(made.id);
		expect(failed).toMatchObject({ status: "failed", failed_at: expect.any(Number), output_file_id: null, error_file_id: null });
		expect(failed.errors?.data).toMatchObject([
			{ code: "invalid_json_line", line: 2 },
			{ code: "duplicate_custom_id", line: 3, param: "custom_id" },
		]);
		await pass(24 * HOUR_MS);
		expect(billed("bad")).toEqual([]);
	});

	it("fails single items where they or the plan ask for it; those are not billed", async () => {
		const made = await submit([...named("part", 200), { customId: "asked-1", content: marked({ status: 429, errorCode: "slow_down" }) }], {
			failShare: 0.3,
			failStatus: 503,
		});
		await pass(2 * HOUR_MS);
		const ended = await openai.batches.retrieve(made.id);
		const [output, errors] = await Promise.all([linesOf(ended.output_file_id), linesOf(ended.error_file_id)]);
		expect(output.length + errors.length).toBe(201);
		expect(errors.length).toBeGreaterThan(40);
		expect(errors.length).toBeLessThan(82);
		expect(billed("part").map(({ attemptId }) => attemptId)).toEqual(output.map(({ custom_id }) => custom_id));
		expect(errors.find(({ custom_id }) => custom_id === "asked-1")).toMatchObject({ response: { status_code: 429, body: { error: { code: "slow_down" } } } });
		expect(ended.request_counts).toEqual({ total: 201, completed: output.length, failed: errors.length });
	});

	it("expires after a day: what finished is kept and billed, the rest stands in the error file", async () => {
		const made = await submit(named("late", 10), { turnaroundMs: 48 * HOUR_MS, validationMs: 0 });
		await pass(25 * HOUR_MS);
		const expired = await openai.batches.retrieve(made.id);
		expect(expired).toMatchObject({ status: "expired", request_counts: { total: 10, completed: 5, failed: 5 }, completed_at: null });
		expect((await linesOf(expired.output_file_id)).map(({ custom_id }) => custom_id)).toEqual(["late-1", "late-2", "late-3", "late-4", "late-5"]);
		expect((await linesOf(expired.error_file_id)).map(({ custom_id, response, error }) => [custom_id, response, error?.code])).toEqual(
			[6, 7, 8, 9, 10].map((n) => [`late-${n}`, null, "batch_expired"]),
		);
		expect(billed("late")).toHaveLength(5);
	});

	it("expires for the sake of one item that hangs", async () => {
		const made = await submit([{ customId: "hung-1", content: marked({ fault: "hang" }) }, { customId: "hung-2" }]);
		await pass(23 * HOUR_MS);
		expect((await openai.batches.retrieve(made.id)).status).toBe("in_progress");
		await pass(2 * HOUR_MS);
		const expired = await openai.batches.retrieve(made.id);
		expect(expired.status).toBe("expired");
		expect((await linesOf(expired.error_file_id)).map(({ custom_id }) => custom_id)).toEqual(["hung-1"]);
		expect(billed("hung").map(({ attemptId }) => attemptId)).toEqual(["hung-2"]);
	});

	it("is cancelled with partial results, and not once it has ended", async () => {
		const made = await submit(named("stop", 10), { validationMs: 0 });
		await pass(HOUR_MS / 2);
		expect((await openai.batches.cancel(made.id)).status).toBe("cancelling");
		await pass(30_000);
		expect((await openai.batches.retrieve(made.id)).status).toBe("cancelling");
		await pass(HOUR_MS);
		const cancelled = await openai.batches.retrieve(made.id);
		expect(cancelled).toMatchObject({ status: "cancelled", cancelling_at: expect.any(Number), cancelled_at: expect.any(Number), completed_at: null });
		const [output, errors] = await Promise.all([linesOf(cancelled.output_file_id), linesOf(cancelled.error_file_id)]);
		expect(output.map(({ custom_id }) => custom_id)).toEqual(billed("stop").map(({ attemptId }) => attemptId));
		expect([output.length, errors.length, new Set(errors.map(({ error }) => error?.code))]).toEqual([5, 5, new Set(["batch_cancelled"])]);
		await expect(openai.batches.cancel(made.id)).rejects.toMatchObject({ status: 409 });
	});

	it("is cancelled before it began without any result", async () => {
		const made = await submit(named("early", 2), { validationMs: HOUR_MS });
		await openai.batches.cancel(made.id);
		await pass(2 * HOUR_MS);
		expect(await openai.batches.retrieve(made.id)).toMatchObject({ status: "cancelled", output_file_id: null, error_file_id: null });
		expect(billed("early")).toEqual([]);
	});
});

describe("results", () => {
	it("come unordered, doubled, without some and with strangers, where the plan says so", async () => {
		const made = await submit(named("odd", 200), { unordered: true, duplicateShare: 0.2, missingShare: 0.1, unknownLines: 2, unreadableLines: 1 });
		await pass(2 * HOUR_MS);
		const { output_file_id } = await openai.batches.retrieve(made.id);
		const texts = (await textOf(output_file_id)).split("\n").filter((line) => line !== "");
		const isReadable = (text: string) => text.endsWith("}");
		expect(texts.filter((text) => !isReadable(text))).toHaveLength(1);
		const ids = texts.filter(isReadable).map((text) => (JSON.parse(text) as ResultLine).custom_id);
		expect(ids.filter((id) => id.startsWith("unknown-")).sort()).toEqual(["unknown-1", "unknown-2"]);
		const ours = ids.filter((id) => id.startsWith("odd-"));
		const distinct = new Set(ours);
		expect(ours.length - distinct.size).toBeGreaterThan(20);
		expect(200 - distinct.size).toBeGreaterThan(5);
		const numbers = [...distinct].map((id) => Number(id.slice("odd-".length)));
		expect(numbers).not.toEqual([...numbers].sort((left, right) => left - right));
		expect(billed("odd")).toHaveLength(200);
	});

	it("are cut in the middle for as many reads as asked, and whole then", async () => {
		const made = await submit(named("cut", 20), { truncateTo: 0.5, truncatedReads: 2 });
		await pass(2 * HOUR_MS);
		const { output_file_id } = await openai.batches.retrieve(made.id);
		const reads = [await textOf(output_file_id), await textOf(output_file_id), await textOf(output_file_id)];
		const { bytes } = await openai.files.retrieve(output_file_id ?? "");
		expect(reads.map((text) => Buffer.byteLength(text))).toEqual([Math.floor(bytes / 2), Math.floor(bytes / 2), bytes]);
	});

	it("are gone after their retention, or at once where the plan says so", async () => {
		const kept = await submit(named("kept", 1));
		const gone = await submit(named("gone", 1), { resultsGone: true });
		await pass(2 * HOUR_MS);
		const batches = await Promise.all([kept, gone].map(({ id }) => openai.batches.retrieve(id)));
		expect(batches.map(({ status }) => status)).toEqual(["completed", "completed"]);
		await expect(textOf(batches[1]?.output_file_id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
		expect(await linesOf(batches[0]?.output_file_id)).toHaveLength(1);
		await pass(31 * 24 * HOUR_MS);
		await expect(textOf(batches[0]?.output_file_id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
		expect(billed("gone")).toHaveLength(1);
	});

	it("lack what was cut of an item that ran, and double what came twice", async () => {
		const made = await submit([
			{ customId: "line-1", content: marked({ fault: "cut_after_headers" }) },
			{ customId: "line-2", content: marked({ fault: "duplicate_chunk" }) },
			{ customId: "line-3", content: marked({ fault: "missing_usage" }) },
		]);
		await pass(2 * HOUR_MS);
		const output = await linesOf((await openai.batches.retrieve(made.id)).output_file_id);
		expect(output.map(({ custom_id }) => custom_id)).toEqual(["line-2", "line-2", "line-3"]);
		expect(output[2]?.response?.body).not.toHaveProperty("usage");
		expect(billed("line").map(({ attemptId, usage }) => [attemptId, usage["completion_tokens"]])).toEqual([
			["line-1", 5],
			["line-2", 5],
			["line-3", 5],
		]);
	});
});

describe("the call that creates a batch", () => {
	const listed = async (token: string) => {
		const found: OpenAI.Batch[] = [];
		for await (const batch of openai.batches.list({ limit: 5 })) if (batch.metadata?.["token"] === token) found.push(batch);
		return found;
	};

	it.each([
		["cut", 1],
		["lost", 0],
	] as const)("is %s: %i batch is found by its metadata", async (fault, count) => {
		const input_file_id = await upload([lineOf({ customId: `call-${fault}` })]);
		await provider.control("batches/faults", { next: [{ operation: "create", fault }] });
		const metadata = { token: fault };
		const creating = openai.batches.create({ input_file_id, endpoint: "/v1/chat/completions", completion_window: "24h", metadata });
		await expect(creating).rejects.toBeInstanceOf(OpenAI.APIConnectionError);
		expect(await listed(fault)).toHaveLength(count);
	});

	it("is answered late: the batch is there before its answer", async () => {
		const input_file_id = await upload([lineOf({ customId: "call-late" })]);
		await provider.control("batches/faults", { next: [{ operation: "create", fault: "late", holdUntil: "create-late" }] });
		const creating = openai.batches.create({ input_file_id, endpoint: "/v1/chat/completions", completion_window: "24h", metadata: { token: "late" } });
		const [found] = await until("the batch in the list", async () => {
			const batches = await listed("late");
			return batches.length === 1 && batches;
		});
		await provider.control("release", { name: "create-late" });
		expect((await creating).id).toBe(found?.id);
	});

	it.each([
		["create", 429],
		["retrieve", 503],
	])("or another one is refused: %s with %i and when to try again", async (operation, status) => {
		const made = await submit(named(`refused-${status}`, 1));
		await provider.control("batches/faults", { next: [{ operation, status, retryAfterSeconds: 7 }] });
		const failure = await (operation === "create" ? submit(named("again", 1)) : openai.batches.retrieve(made.id)).catch((error: unknown) => error);
		expect(failure).toBeInstanceOf(OpenAI.APIError);
		expect((failure as InstanceType<typeof OpenAI.APIError>).status).toBe(status);
		expect((failure as InstanceType<typeof OpenAI.APIError>).headers?.get("retry-after")).toBe("7");
		expect((await openai.batches.retrieve(made.id)).id).toBe(made.id);
	});

	it("is refused for what the provider does not take", async () => {
		const input_file_id = await upload([lineOf({ customId: "rules-1" })]);
		const create = (change: object) => openai.batches.create({ input_file_id, endpoint: "/v1/chat/completions", completion_window: "24h", ...change } as never);
		await expect(create({ endpoint: "/v1/other" })).rejects.toMatchObject({ status: 400, param: "endpoint" });
		await expect(create({ completion_window: "1h" })).rejects.toMatchObject({ status: 400, param: "completion_window" });
		await expect(create({ metadata: { key: 5 } })).rejects.toMatchObject({ status: 400, param: "metadata" });
		await expect(create({ output_expires_after: { anchor: "created_at", seconds: 5 } })).rejects.toMatchObject({ status: 400 });
		await expect(create({ input_file_id: "file-none" })).rejects.toMatchObject({ status: 404 });
		await expect(create({ metadata: { simulate: "{" } })).rejects.toMatchObject({ status: 400 });
		await expect(openai.batches.retrieve("batch_none")).rejects.toBeInstanceOf(OpenAI.NotFoundError);
	});

	it("breaks off in the middle of a file that is read", async () => {
		const file = await upload(Array.from({ length: 2_000 }, (_, n) => lineOf({ customId: `broken-${n}` })));
		await provider.control("batches/faults", { next: [{ operation: "content", fault: "cut_content" }] });
		await expect(textOf(file)).rejects.toThrow();
		expect((await textOf(file)).length).toBeGreaterThan(100_000);
	});
});

describe("limits", () => {
	it("of batches an hour and of enqueued tokens hold on the simulated clock", async () => {
		await pass(HOUR_MS);
		await provider.control("batches/limits", { openai: { batchesPerHour: 2, enqueuedTokensMax: { "gpt-4.1": 20 } } });
		const body = { model: "gpt-4.1", max_tokens: 5, messages: [{ role: "user", content: "Hello" }] };
		const two = (prefix: string) => named(prefix, 2).map((item) => ({ ...item, body }));
		const [first, second] = [await submit(two("limit")), await submit(two("limited"))];
		const failure = await submit(named("third", 1)).catch((error: unknown) => error);
		expect(failure).toBeInstanceOf(OpenAI.RateLimitError);
		await pass(HOUR_MS / 2);
		const batches = await Promise.all([first, second].map(({ id }) => openai.batches.retrieve(id)));
		expect(batches.map(({ status }) => status).sort()).toEqual(["failed", "in_progress"]);
		expect(batches.find(({ status }) => status === "failed")?.errors?.data?.[0]?.code).toBe("token_limit_exceeded");
		await pass(HOUR_MS);
		expect((await submit(named("fourth", 1))).status).toBe("validating");
		await provider.control("batches/limits", { openai: { batchesPerHour: null, enqueuedTokensMax: {} } });
	});

	it("and plans that are mistyped are named, and change nothing", async () => {
		expect(await provider.control("batches/limits", { openai: { items: 1 } })).toMatchObject({
			httpStatus: 400,
			error: expect.stringContaining("openai.items"),
		});
		expect(await provider.control("batches/plan", { plan: { turnaround: 1 } })).toMatchObject({ httpStatus: 400 });
		expect(await provider.control("batches/clock", { nowMs: 5 })).toMatchObject({ httpStatus: 400, error: expect.stringContaining("does not go back") });
	});
});

describe("a plan by the control endpoint", () => {
	it("holds for the next batches, or for one that is there", async () => {
		await provider.control("batches/plan", { plan: { turnaroundMs: 5, validationMs: 0 }, next: 1 });
		const ids = await Promise.all([1, 2].map((n) => upload([lineOf({ customId: `planned-${n}` })])));
		const made: OpenAI.Batch[] = [];
		for (const input_file_id of ids) made.push(await openai.batches.create({ input_file_id, endpoint: "/v1/chat/completions", completion_window: "24h" }));
		await pass(60_000);
		const statuses = async () => Promise.all(made.map(async ({ id }) => (await openai.batches.retrieve(id)).status));
		expect(await statuses()).toEqual(["completed", "in_progress"]);
		await provider.control("batches/plan", { batch: made[1]?.id, plan: { turnaroundMs: 5 } });
		expect(await statuses()).toEqual(["completed", "completed"]);
	});

	it("lets time run by itself at a pace", async () => {
		const started = await startSimulatedProvider();
		try {
			const client = clientOf(started);
			const made = await submit(named("pace", 3), {}, client);
			await started.control("batches/clock", { pace: 100_000 });
			await until("the batch", async () => (await client.batches.retrieve(made.id)).status === "completed");
			expect(billed("pace", started)).toHaveLength(3);
		} finally {
			await started.close();
		}
	});
});

describe("a kill", () => {
	it("in the middle of a batch loses no file, and bills no item twice", async () => {
		const first = await startSimulatedProvider();
		const made = await submit(named("killed", 20_000), { turnaroundMs: HOUR_MS, validationMs: 0 }, clientOf(first));
		const moving = pass(2 * HOUR_MS, first).catch(() => "killed");
		await until("the first bills", () => billed("killed", first).length > 500);
		first.child.kill("SIGKILL");
		expect(await moving).toBe("killed");
		const before = billed("killed", first).length;
		expect(before).toBeLessThan(20_000);
		const second = await startSimulatedProvider({}, first.callLogPath);
		try {
			const client = clientOf(second);
			await pass(HOUR_MS, second);
			const ended = await client.batches.retrieve(made.id);
			expect(ended).toMatchObject({ status: "completed", request_counts: { completed: 20_000 } });
			const calls = billed("killed", second);
			expect([calls.length, new Set(calls.map(({ attemptId }) => attemptId)).size]).toEqual([20_000, 20_000]);
			const output = await linesOf(ended.output_file_id, client);
			expect(output.map(({ custom_id, response }) => [custom_id, response?.request_id])).toEqual(
				calls.map(({ attemptId, providerRequestId }) => [attemptId, providerRequestId]),
			);
			expect((await client.files.list()).data.map(({ id }) => id)).toContain(made.input_file_id);
		} finally {
			await second.close();
			await first.close();
		}
	});
});

describe("50,000 items", () => {
	it("pass in streaming, in less than 300 MB of memory", async () => {
		const started = await startSimulatedProvider();
		try {
			const client = clientOf(started);
			const made = await submit(named("mass", 50_000), { unordered: true }, client);
			await pass(24 * HOUR_MS, started);
			const ended = await client.batches.retrieve(made.id);
			expect(ended.request_counts).toEqual({ total: 50_000, completed: 50_000, failed: 0 });
			expect(started.calls()).toHaveLength(50_000);
			const { bytes } = await client.files.retrieve(ended.output_file_id ?? "");
			expect(Buffer.byteLength(await textOf(ended.output_file_id, client))).toBe(bytes);
			if (process.platform === "linux") expect(peakMegabytes(started)).toBeLessThan(300);
		} finally {
			await started.close();
		}
	});
});

function peakMegabytes({ child }: SimulatedProvider): number {
	const [, kilobytes] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8")) ?? [];
	return Number(kilobytes) / 1024;
}
