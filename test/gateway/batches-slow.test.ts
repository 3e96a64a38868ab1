import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { TEST_KEY } from "#test/support/fake-authority.ts";
import { type BatchGateway, chatLine, kept, messageRequest, NOTHING_KEPT, startBatchGateway } from "#test/support/gateway-batches.ts";

/** How long the bodies of requests may take to arrive: uploads as long as they move, everything else a time in all. */

const REQUEST_TIMEOUT_MS = 400;
const limits = { requestTimeoutMs: REQUEST_TIMEOUT_MS, headersTimeoutMs: 300 };

let on: BatchGateway | undefined;
afterEach(() => on?.close());

type Sending = { readonly path: string; readonly type: string; readonly pieces: readonly string[]; readonly everyMs: number; readonly isWhole?: boolean };

/** Sends a body piece by piece, one every so often, and answers what the server said when it had enough of it or all of it. */
async function send({ path, type, pieces, everyMs, isWhole = true }: Sending): Promise<{ readonly status: number; readonly tookMs: number }> {
	const began = performance.now();
	const { port, hostname } = new URL(on?.url ?? "");
	const socket = connect(Number(port), hostname);
	const bytes = pieces.reduce((sum, piece) => sum + Buffer.byteLength(piece), 0) + (isWhole ? 0 : 1);
	const head = [`POST ${path} HTTP/1.1`, "host: a", `authorization: Bearer ${TEST_KEY}`, `content-type: ${type}`, `content-length: ${bytes}`];
	let answer = "";
	const answered = new Promise<void>((resolve, reject) => {
		socket.on("data", (chunk: Buffer) => {
			answer += chunk.toString();
			resolve();
		});
		socket.once("close", () => resolve());
		socket.once("error", reject);
	});
	socket.write(`${[...head, "connection: close"].join("\r\n")}\r\n\r\n`);
	for (const piece of pieces) {
		if (answer !== "") break;
		socket.write(piece);
		await Promise.race([pause(everyMs), answered]);
	}
	await answered;
	socket.destroy();
	return { status: Number(answer.split(" ")[1]), tookMs: performance.now() - began };
}

const field = (name: string, value: string) => `--b\r\ncontent-disposition: form-data; ${name}\r\n\r\n${value}`;
const FILE = [
	field('name="purpose"', "batch\r\n"),
	field('name="file"; filename="a"', ""),
	`${chatLine(1)}\n`,
	`${chatLine(2)}\n`,
	`${chatLine(3)}`,
	"\r\n",
	"--b--\r\n",
];
const UPLOAD = { path: "/v1/files", type: "multipart/form-data; boundary=b" };
const MESSAGES = ['{"requests":[', JSON.stringify(messageRequest(1)), ",", JSON.stringify(messageRequest(2)), ",", JSON.stringify(messageRequest(3)), "]}"];
const MESSAGE_BATCH = { path: "/v1/messages/batches", type: "application/json" };
const PIECE_MS = 200;

test.each([
	["a file", { ...UPLOAD, pieces: FILE }],
	["a message batch", { ...MESSAGE_BATCH, pieces: MESSAGES }],
])("%s may take longer than a request, as long as something of it comes", async (_name, upload) => {
	on = await startBatchGateway({ limits });
	const { status, tookMs } = await send({ ...upload, everyMs: PIECE_MS });
	expect(status).toBe(200);
	// The server's own time was over more than once.
	expect(tookMs).toBeGreaterThan(3 * REQUEST_TIMEOUT_MS);
});

test.each([
	["nothing comes of any more", {}],
	["takes longer than an upload may in all", { everyMs: PIECE_MS, uploadTimeoutMs: 700 }],
])(
	"a file that %s is answered with 408, and nothing of it is kept",
	async (_name, { everyMs = 0, uploadTimeoutMs = 60_000 }: { everyMs?: number; uploadTimeoutMs?: number }) => {
		on = await startBatchGateway({ limits: { ...limits, uploadTimeoutMs } });
		const { status } = await send({ ...UPLOAD, pieces: everyMs === 0 ? FILE.slice(0, 3) : FILE, everyMs, isWhole: false });
		expect(status).toBe(408);
		const { stand } = on;
		await expect.poll(() => kept(stand)).toEqual(NOTHING_KEPT);
	},
);

test("the body of any other request has its time in all, however it comes", async () => {
	on = await startBatchGateway({ limits });
	const body = JSON.stringify({ model: "gpt-4o", messages: [{ role: "user", content: "x".repeat(30) }] });
	const pieces = body.match(/.{1,4}/g) ?? [];
	const { status, tookMs } = await send({ path: "/v1/chat/completions", type: "application/json", pieces, everyMs: 150 });
	expect(status).toBe(408);
	expect(tookMs).toBeLessThan(pieces.length * 150);
});
