import { request } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import OpenAI, { toFile } from "openai";
import { beforeEach, expect, test } from "vitest";
import { largestPause } from "#test/support/event-loop.ts";
import { TEST_KEY } from "#test/support/fake-authority.ts";
import { type BatchGateway, chatLine, chatLines, startBatchGateway } from "#test/support/gateway-batches.ts";
import { rawCall } from "#test/support/raw-call.ts";

/** What is large passes in pieces: memory stays as it is, and other calls get their turn. */

const MEGABYTE = 1024 * 1024;
const FILE_MEGABYTES = 190;
const LINES = 50_000;

let on: BatchGateway;

beforeEach(async () => {
	on = await startBatchGateway();
	return () => on.close();
});

type Answered = { readonly status: number; readonly body: Record<string, unknown> };

function upload(body: AsyncIterable<Uint8Array>): Promise<Answered> {
	return new Promise((resolve, reject) => {
		const headers = { authorization: `Bearer ${TEST_KEY}`, "content-type": "multipart/form-data; boundary=b" };
		const outgoing = request(`${on.url}/v1/files`, { method: "POST", headers, agent: false }, (response) => {
			const chunks: Buffer[] = [];
			response.on("data", (chunk: Buffer) => chunks.push(chunk));
			response.once("end", () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(Buffer.concat(chunks).toString()) }));
		});
		pipeline(Readable.from(body, { objectMode: false }), outgoing).catch(reject);
	});
}

async function* formOf(lines: Iterable<Buffer>): AsyncGenerator<Uint8Array> {
	yield Buffer.from(
		'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n',
	);
	for (const line of lines) yield line;
	yield Buffer.from("\r\n--b--\r\n");
}

function* largeLines(megabytes: number): Generator<Buffer> {
	const content = "x".repeat(MEGABYTE / 4);
	for (let n = 1; n <= megabytes * 4; n += 1) yield Buffer.from(`${chatLine(n, { body: { messages: [{ role: "user", content: content.slice(300) }] } })}\n`);
}

/** What the process holds beyond what it held before, at most while `work` is under way. */
async function memoryTaken<Result>(work: () => Promise<Result>): Promise<{ readonly result: Result; readonly bytes: number }> {
	const held = (): number => {
		const { heapUsed, external } = process.memoryUsage();
		return heapUsed + external;
	};
	const before = held();
	let most = before;
	const timer = setInterval(() => {
		most = Math.max(most, held());
	}, 5);
	try {
		return { result: await work(), bytes: most - before };
	} finally {
		clearInterval(timer);
	}
}

test("a file of nearly 200 MB is taken in much less memory than it has", async () => {
	const { result, bytes } = await memoryTaken(() => upload(formOf(largeLines(FILE_MEGABYTES))));
	expect(result.status).toBe(200);
	expect(result.body["bytes"]).toBeGreaterThan((FILE_MEGABYTES - 1) * MEGABYTE);
	// What was read and not yet collected is among it.
	expect(bytes).toBeLessThan(0.8 * FILE_MEGABYTES * MEGABYTE);
});

test("a file that is too large is refused, and nothing of it is kept", async () => {
	const { status, body } = await upload(formOf(largeLines(202)));
	expect([status, body["error"]]).toEqual([400, expect.objectContaining({ code: "batch.line_invalid" })]);
	expect(await on.stand.payloads()).toEqual([]);
});

test("while 50,000 lines are checked and bounded, other calls wait for a small part of it", async () => {
	const openai = new OpenAI({ apiKey: TEST_KEY, baseURL: `${on.url}/v1`, maxRetries: 0 });
	const file = await toFile(Buffer.from(chatLines(LINES)), "a.jsonl");
	const { result, pauseMs, wholeMs } = await largestPause(async () => {
		const { id } = await openai.files.create({ file, purpose: "batch" });
		const batch = openai.batches.create({ input_file_id: id, endpoint: "/v1/chat/completions", completion_window: "24h" });
		expect((await rawCall(on.url, { method: "GET", path: "/healthz" })).status).toBe(200);
		return batch;
	});
	expect(result.request_counts?.total).toBe(LINES);
	expect(pauseMs).toBeLessThan(wholeMs / 8);
});
