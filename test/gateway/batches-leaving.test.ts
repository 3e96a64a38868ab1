import { connect, type Socket } from "node:net";
import { beforeEach, expect, test } from "vitest";
import { TEST_KEY } from "#test/support/fake-authority.ts";
import { type BatchGateway, chatLine, chatLines, kept, messageRequest, NOTHING_KEPT, startBatchGateway } from "#test/support/gateway-batches.ts";
import { rawCall } from "#test/support/raw-call.ts";
import { until } from "#test/support/until.ts";

/** A caller who leaves while he uploads, or while his batch waits for money, leaves nothing behind. */

let on: BatchGateway;

beforeEach(async () => {
	on = await startBatchGateway();
	return () => on.close();
});

/** The head of a request and the first bytes of its body, on a socket of its own. */
function begin(path: string, headers: readonly string[], body: string): Socket {
	const { hostname, port } = new URL(on.url);
	const socket = connect(Number(port), hostname);
	socket.on("error", () => undefined); // the gateway may close it too
	socket.write(`${[`POST ${path} HTTP/1.1`, "host: gateway", `authorization: Bearer ${TEST_KEY}`, ...headers].join("\r\n")}\r\n\r\n${body}`);
	return socket;
}

const openCalls = async (): Promise<string> =>
	/tollgate_open_calls (\d+)/.exec((await rawCall(on.url, { method: "GET", path: "/metrics" })).body.toString())?.[1] ?? "";
const whenOpen = () => until("the request to be worked on", async () => (await openCalls()) === "1");
const whenOver = () => until("the end of it", async () => (await openCalls()) === "0");

test("during the upload of a file", async () => {
	const form = `--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n`;
	const socket = begin("/v1/files", ["content-type: multipart/form-data; boundary=b", "content-length: 900000"], form + chatLines(100));
	await whenOpen();
	socket.destroy();
	await whenOver();
	expect(await kept(on.stand)).toEqual(NOTHING_KEPT);
});

test("during the body of a message batch", async () => {
	const body = `{"requests":[${JSON.stringify(messageRequest(1))},`;
	const socket = begin("/v1/messages/batches", ["content-type: application/json", "content-length: 900000"], body);
	await whenOpen();
	socket.destroy();
	await whenOver();
	expect(await kept(on.stand)).toEqual(NOTHING_KEPT);
	expect(on.stand.asks).toEqual([]);
});

test("while a batch waits for money: no later ask, no batch, no money", async () => {
	Object.assign(on.stand, { moneyNanoUsd: 1n, isHeldByOthers: true });
	const body = JSON.stringify({ requests: [messageRequest(1)] });
	const socket = begin("/v1/messages/batches", ["content-type: application/json", `content-length: ${body.length}`], body);
	await until("an ask for money", () => on.stand.asks.length > 0);
	socket.destroy();
	await whenOver();
	const asks = on.stand.asks.length;
	expect(await kept(on.stand)).toEqual(NOTHING_KEPT);
	expect(on.stand.asks.some(({ waitIsOver }) => waitIsOver)).toBe(false);
	on.stand.moneyNanoUsd = undefined;
	expect((await rawCall(on.url, { path: "/v1/messages/batches", body })).status).toBe(200);
	expect(on.stand.asks).toHaveLength(asks + 1);
});

test("whose file is refused in its first line hears it, although most of it has not come", async () => {
	const form = `--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nhello\n${chatLine(2)}\n`;
	const socket = begin("/v1/messages/batches", ["content-type: application/json", "content-length: 900000"], "hello");
	const answer = await new Promise<string>((resolve) => socket.once("data", (chunk) => resolve(chunk.toString())));
	expect(answer).toMatch(/^HTTP\/1\.1 400 /);
	// And may go on sending: it is read away.
	expect(socket.write(form)).toBe(true);
	socket.destroy();
	await whenOver();
	expect(await kept(on.stand)).toEqual(NOTHING_KEPT);
});
