import { request } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { withClient } from "#test/support/authority-rows.ts";
import { type GatewayProcess, type GatewayStand, openGatewayStand } from "#test/support/gateway-process.ts";
import { preloading } from "#test/support/preload.ts";
import { until } from "#test/support/until.ts";

/** A gateway as the process it is takes the largest batch a caller may hand in, and holds little of it at a time. */

const LINES = 50_000;
/** Just below 200 MB in all. */
const LINE_BYTES = 3_980;
const MEGABYTES_MAX = 300;

let stand: GatewayStand;
let gateway: GatewayProcess;

beforeAll(async () => {
	stand = await openGatewayStand();
	gateway = await stand.start("batches", { NODE_OPTIONS: preloading("memory-peak.mjs") });
});
afterAll(() => stand.close());

function* lines(): Generator<string> {
	for (let n = 1; n <= LINES; n += 1) {
		const body = { model: "gpt-4o", max_tokens: 1, messages: [{ role: "user", content: "" }] };
		const empty = JSON.stringify({ custom_id: `item-${n}`, method: "POST", url: "/v1/chat/completions", body });
		yield `${empty.replace('"content":""', `"content":"${"x".repeat(LINE_BYTES - empty.length)}"`)}\n`;
	}
}

function* form(): Generator<Buffer> {
	yield Buffer.from(
		'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n',
	);
	for (const line of lines()) yield Buffer.from(line);
	yield Buffer.from("\r\n--b--\r\n");
}

async function upload(key: string): Promise<{ readonly id: string; readonly bytes: number }> {
	const headers = { authorization: `Bearer ${key}`, "content-type": "multipart/form-data; boundary=b" };
	const outgoing = request(`${gateway.url}/v1/files`, { method: "POST", headers, agent: false });
	const answer = new Promise<string>((resolve, reject) => {
		outgoing.once("error", reject);
		outgoing.once("response", (response) => {
			const chunks: Buffer[] = [];
			response.on("data", (chunk: Buffer) => chunks.push(chunk));
			response.once("end", () => resolve(Buffer.concat(chunks).toString()));
		});
	});
	await pipeline(Readable.from(form(), { objectMode: false }), outgoing);
	return JSON.parse(await answer);
}

test("50,000 requests of nearly 200 MB are taken in, bounded and held in less than 300 MB of memory, and rest as one batch", { timeout: 170_000 }, async () => {
	const { key } = await stand.team(1_000_000_000_000n);
	const file = await upload(key);
	expect(file.bytes).toBe(LINES * (LINE_BYTES + 1));
	const openai = new OpenAI({ apiKey: key, baseURL: `${gateway.url}/v1`, maxRetries: 0 });
	const batch = await openai.batches.create({ input_file_id: file.id, endpoint: "/v1/chat/completions", completion_window: "24h" });
	expect(batch).toMatchObject({ status: "validating", request_counts: { total: LINES } });
	const [row] = await withClient(stand.database.url, async (client) => (await client.query("SELECT state, items FROM tollgate.batch")).rows);
	expect(row).toEqual({ state: "held", items: LINES });
	gateway.child.kill("SIGUSR2");
	const held = await until("the gateway to say what it held", () => /it held (\d+) MB at most/.exec(gateway.log())?.[1]);
	expect(Number(held)).toBeLessThan(MEGABYTES_MAX);
});
