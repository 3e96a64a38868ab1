import OpenAI, { toFile } from "openai";
import { describe, expect, it } from "vitest";
import { HOUR_MS, lineOf, marked, named, type ResultLine, simulatedBatches } from "#test/support/simulated-batches.ts";

/** Files and batches of the simulated provider, through the official OpenAI client: how they go, and what comes back. */

const at = simulatedBatches();
const { upload, submit, pass, textOf, linesOf, billed } = at;

describe("files", () => {
	it("keeps what the client uploads, byte by byte, and forgets it when told", async () => {
		const bytes = Buffer.from(`${lineOf({ customId: "ä" })}\r\n--x\n`);
		const file = await at.openai.files.create({
			file: await toFile(bytes, "items.jsonl"),
			purpose: "batch",
			expires_after: { anchor: "created_at", seconds: 3_600 },
		});
		expect(file).toMatchObject({ object: "file", bytes: bytes.length, filename: "items.jsonl", purpose: "batch", status: "processed" });
		expect((file.expires_at ?? 0) - file.created_at).toBe(3_600);
		expect(await at.openai.files.retrieve(file.id)).toEqual(file);
		expect(Buffer.from(await (await at.openai.files.content(file.id)).arrayBuffer())).toEqual(bytes);
		expect(await at.openai.files.delete(file.id)).toEqual({ id: file.id, object: "file", deleted: true });
		await expect(at.openai.files.retrieve(file.id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
	});

	it("lists the newest first, in pages", async () => {
		const ids: string[] = [];
		for (let n = 0; n < 5; n += 1) ids.unshift(await upload([lineOf({ customId: `page-${n}` })]));
		const found: string[] = [];
		for await (const file of at.openai.files.list({ limit: 2, purpose: "batch" })) found.push(file.id);
		expect(found.slice(0, 5)).toEqual(ids);
		expect((await at.openai.files.list({ order: "asc", limit: 1 })).data[0]?.id).toBe(found.at(-1));
	});

	it("rejects what no batch can be made of", async () => {
		const file = await toFile(Buffer.from("x"), "items.txt");
		await expect(at.openai.files.create({ file, purpose: "batch" })).rejects.toThrow("Must be .jsonl");
		await expect(at.openai.files.create({ file, purpose: "other" as never })).rejects.toThrow("Invalid purpose");
		const empty = await toFile(Buffer.alloc(0), "items.jsonl");
		await expect(at.openai.files.create({ file: empty, purpose: "batch" })).rejects.toThrow("empty");
		const plain = await fetch(`${at.provider.url}/v1/files`, { method: "POST", body: "{}" });
		expect([plain.status, plain.headers.get("x-simulated-provider")]).toEqual([400, "true"]);
	});

	it("refuses more bytes than a batch may have, once it has read them", async () => {
		await at.provider.control("batches/limits", { openai: { bytesMax: 1_000 } });
		await expect(upload(Array.from({ length: 20_000 }, (_, n) => lineOf({ customId: `large-${n}` })))).rejects.toMatchObject({ status: 413 });
		await at.provider.control("batches/limits", { openai: { bytesMax: 200 * 1024 * 1024 } });
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
		const half = await at.openai.batches.retrieve(made.id);
		expect(half).toMatchObject({ status: "in_progress", model: "gpt-4o", request_counts: { total: 3, completed: 1, failed: 0 }, output_file_id: null });
		await pass(HOUR_MS);
		const done = await at.openai.batches.retrieve(made.id);
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
			at.openai.batches.create({ input_file_id: id, endpoint: "/v1/embeddings", completion_window: "24h" }),
			at.openai.batches.create({ input_file_id: responses, endpoint: "/v1/responses", completion_window: "24h" }),
		]);
		await pass(24 * HOUR_MS);
		const ended = await Promise.all(made.map((batch) => at.openai.batches.retrieve(batch.id)));
		expect(ended.map(({ status }) => status)).toEqual(["completed", "completed"]);
		expect((await linesOf(ended[0]?.output_file_id))[0]?.response?.body).toMatchObject({ object: "list", usage: { total_tokens: 2 } });
		expect((await linesOf(ended[1]?.output_file_id))[0]?.response?.body).toMatchObject({ object: "response", usage: { output_tokens: 20 } });
		expect([...billed("embed"), ...billed("resp")].map(({ serviceTier }) => serviceTier)).toEqual(["batch", "batch"]);
	});

	it("fails as a whole with the lines of what is wrong, and bills nothing", async () => {
		const input_file_id = await upload([lineOf({ customId: "bad-1" }), "{", lineOf({ customId: "bad-1" })]);
		const made = await at.openai.batches.create({ input_file_id, endpoint: "/v1/chat/completions", completion_window: "24h" });
		await pass(2_000);
		const failed = await at.openai.batches.retrieve(made.id);
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
		const ended = await at.openai.batches.retrieve(made.id);
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
		const expired = await at.openai.batches.retrieve(made.id);
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
		expect((await at.openai.batches.retrieve(made.id)).status).toBe("in_progress");
		await pass(2 * HOUR_MS);
		const expired = await at.openai.batches.retrieve(made.id);
		expect(expired.status).toBe("expired");
		expect((await linesOf(expired.error_file_id)).map(({ custom_id }) => custom_id)).toEqual(["hung-1"]);
		expect(billed("hung").map(({ attemptId }) => attemptId)).toEqual(["hung-2"]);
	});

	it("is cancelled with partial results, and not once it has ended", async () => {
		const made = await submit(named("stop", 10), { validationMs: 0 });
		await pass(HOUR_MS / 2);
		expect((await at.openai.batches.cancel(made.id)).status).toBe("cancelling");
		await pass(30_000);
		expect((await at.openai.batches.retrieve(made.id)).status).toBe("cancelling");
		await pass(HOUR_MS);
		const cancelled = await at.openai.batches.retrieve(made.id);
		expect(cancelled).toMatchObject({ status: "cancelled", cancelling_at: expect.any(Number), cancelled_at: expect.any(Number), completed_at: null });
		const [output, errors] = await Promise.all([linesOf(cancelled.output_file_id), linesOf(cancelled.error_file_id)]);
		expect(output.map(({ custom_id }) => custom_id)).toEqual(billed("stop").map(({ attemptId }) => attemptId));
		expect([output.length, errors.length, new Set(errors.map(({ error }) => error?.code))]).toEqual([5, 5, new Set(["batch_cancelled"])]);
		await expect(at.openai.batches.cancel(made.id)).rejects.toMatchObject({ status: 409 });
	});

	it("is cancelled before it began without any result", async () => {
		const made = await submit(named("early", 2), { validationMs: HOUR_MS });
		await at.openai.batches.cancel(made.id);
		await pass(2 * HOUR_MS);
		expect(await at.openai.batches.retrieve(made.id)).toMatchObject({ status: "cancelled", output_file_id: null, error_file_id: null });
		expect(billed("early")).toEqual([]);
	});
});

describe("results", () => {
	it("come unordered, doubled, without some and with strangers, where the plan says so", async () => {
		const made = await submit(named("odd", 200), { unordered: true, duplicateShare: 0.2, missingShare: 0.1, unknownLines: 2, unreadableLines: 1 });
		await pass(2 * HOUR_MS);
		const { output_file_id } = await at.openai.batches.retrieve(made.id);
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
		const { output_file_id } = await at.openai.batches.retrieve(made.id);
		const reads = [await textOf(output_file_id), await textOf(output_file_id), await textOf(output_file_id)];
		const { bytes } = await at.openai.files.retrieve(output_file_id ?? "");
		expect(reads.map((text) => Buffer.byteLength(text))).toEqual([Math.floor(bytes / 2), Math.floor(bytes / 2), bytes]);
	});

	it("are gone after their retention, or at once where the plan says so", async () => {
		const kept = await submit(named("kept", 1));
		const gone = await submit(named("gone", 1), { resultsGone: true });
		await pass(2 * HOUR_MS);
		const batches = await Promise.all([kept, gone].map(({ id }) => at.openai.batches.retrieve(id)));
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
		const output = await linesOf((await at.openai.batches.retrieve(made.id)).output_file_id);
		expect(output.map(({ custom_id }) => custom_id)).toEqual(["line-2", "line-2", "line-3"]);
		expect(output[2]?.response?.body).not.toHaveProperty("usage");
		expect(billed("line").map(({ attemptId, usage }) => [attemptId, usage["completion_tokens"]])).toEqual([
			["line-1", 5],
			["line-2", 5],
			["line-3", 5],
		]);
	});
});
