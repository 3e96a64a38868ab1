import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { expect } from "vitest";
import { bodyOf, MODEL, planCall } from "./call.ts";
import type { Fault, FaultRun } from "./fault.ts";
import { expectEnds } from "./load.ts";
import { exchange } from "./raw.ts";
import { inTurns } from "./requests.ts";
import { residentMegabytes } from "./resident-memory.ts";
import { OwnServer } from "./server.ts";
import { type FaultStand, LEASE_MS } from "./stand.ts";

/** Callers who mean harm: hostile headers and bodies, and requests that would have the gateway call somebody else. */

const MEGABYTE = 1_048_576;
const MEMORY_MEGABYTES_MOST = 600;

/** Every request carries it; it must never stand in a statement that PostgreSQL was given. */
type Hostile = { readonly canary: string; readonly key: string };

const sqlOf = (canary: string): string => `' OR 1=1; DROP TABLE tollgate.team; -- ${canary}`;

function request(lines: readonly string[], body: string | Buffer = ""): Buffer {
	const head = ["POST /v1/chat/completions HTTP/1.1", "host: gateway", ...lines, `content-length: ${Buffer.byteLength(body)}`, "connection: close"];
	return Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`, "latin1"), Buffer.from(body)]);
}

const chatOf = (content: unknown, more: object = {}): string =>
	JSON.stringify({ model: MODEL, max_tokens: 10, messages: [{ role: "user", content }], ...more });

function attacks({ canary, key }: Hostile): Buffer[] {
	const sql = sqlOf(canary);
	const known = `authorization: Bearer ${key}`;
	const json = "content-type: application/json";
	return [
		request([`authorization: Bearer ${sql}`, json], chatOf("hello")),
		request([`authorization: Bearer tg-${canary}'--`, json], chatOf("hello")),
		request([known, `authorization: Bearer ${sql}`, json], chatOf("hello")),
		request([known, json, `idempotency-key: ${sql}`], chatOf("hello")),
		request([known, json, `x-request-id: ${sql}`, `x-tollgate-user: ${sql}`, `anthropic-beta: ${sql}`], chatOf("hello")),
		request([known, json, `x-odd: a\r\nx-injected: ${canary}`], chatOf("hello")),
		request([known, json, `x-odd: a\nb ${canary}`], chatOf("hello")),
		request([known, json, `x-long: ${canary.repeat(2_000)}`], chatOf("hello")),
		request([known, json, ...Array.from({ length: 300 }, (_, index) => `x-${index}: ${canary}`)], chatOf("hello")),
		request([known, json], chatOf("hello", { user: sql, metadata: { note: sql } })),
		request([known, json], chatOf(`\u0000\ud800 ${canary}`, { user: `\u0000${canary}` })),
		request([known, json], `{"__proto__":{"model":"${canary}"},${chatOf("hello").slice(1)}`),
		request([known, json], chatOf("hello", { constructor: { prototype: { isAdmin: true } }, [sql]: 1 })),
		request([known, json], chatOf("hello", { model: sql })),
		request([known, json], `{"model":"${MODEL}","model":"${canary}",${chatOf("hello").slice(1)}`),
		request([known, json], `{"model":"${MODEL}","messages":${"[".repeat(100_000)}${"]".repeat(100_000)}}`),
		request(
			[known, json],
			Buffer.concat([Buffer.from(`{"model":"${MODEL}","messages":[{"role":"user","content":"`), Buffer.from([0xff, 0xfe, 0xc0, 0x80]), Buffer.from('"}]}')]),
		),
		request([known, json, "content-encoding: gzip"], gzipSync(Buffer.alloc(64 * MEGABYTE))),
		request([known, json], Buffer.alloc(33 * MEGABYTE, "a")),
		request([known, "content-type: text/plain"], chatOf(sql)),
		Buffer.from(
			`POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n${known}\r\n${json}\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /metrics HTTP/1.1\r\nhost: ${canary}\r\n\r\n`,
		),
		Buffer.from(`GET /v1/${encodeURIComponent(sql)} HTTP/1.1\r\nhost: a\r\n${known}\r\nconnection: close\r\n\r\n`),
		Buffer.from(`${canary} / HTTP/9.9\r\n\r\n`),
	];
}

/** A good request with some of its bytes changed. */
function damaged(run: FaultRun, { canary, key }: Hostile): Buffer {
	const { random } = run;
	const bytes = request([`authorization: Bearer ${key}`, "content-type: application/json"], chatOf(canary));
	for (let change = random.integer(1, 6); change > 0; change -= 1) bytes[random.integer(0, bytes.length - 1)] = random.integer(0, 255);
	return Buffer.concat([bytes, Buffer.from("\r\n\r\n")]); // a length that grew would wait for more
}

/** An HTTP server that must not be talked to, or that sends whoever does to it elsewhere. */
async function openServer(run: FaultRun, answer: (count: number) => { status: number; location?: string }): Promise<{ url: string; hits: () => number }> {
	let hits = 0;
	const server = createServer((incoming, outgoing) => {
		incoming.resume();
		const { status, location } = answer(++hits);
		outgoing.writeHead(status, { "content-type": "application/json", ...(location !== undefined && { location }) }).end("{}");
	});
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	run.defer(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
	return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, hits: () => hits };
}

/** Every way a caller may name another host. */
function detours(trap: string, key: string): Buffer[] {
	const host = new URL(trap).host;
	const known = [`authorization: Bearer ${key}`, "content-type: application/json"];
	const decimal = `http://2130706433:${new URL(trap).port}`;
	const fields = ["api_base", "base_url", "baseURL", "endpoint", "api_host", "custom_llm_provider", "proxy", "azure_endpoint", "url"];
	const headers = [
		"x-base-url",
		"x-forwarded-host",
		"x-portkey-custom-host",
		"x-api-base",
		"helicone-target-url",
		"forwarded",
		"x-original-url",
		"x-tollgate-provider-url",
	];
	return [
		...fields.flatMap((field) => [trap, decimal, `${trap}/v1`].map((url) => request(known, chatOf("hello", { [field]: url })))),
		...headers.map((header) => request([...known, `${header}: ${header === "forwarded" ? `host=${host}` : trap}`], chatOf("hello"))),
		...[
			trap,
			`${trap}/v1#`,
			`openai/${trap}`,
			`../../${host}`,
			`@${host}`,
			`${MODEL}@${host}`,
			`//${host}/`,
			`${MODEL}\r\nhost: ${host}`,
			`[::ffff:127.0.0.1]:${new URL(trap).port}`,
		].map((model) => request(known, chatOf("hello", { model }))),
		request(known, chatOf([{ type: "image_url", image_url: { url: `${trap}/picture.png` } }])),
		request(known, chatOf("hello", { tools: [{ type: "mcp", server_url: trap, server_label: "trap" }] })),
		request(known, chatOf('hello [[simulate:{"fault":"redirect"}]]')),
		Buffer.from(
			`POST ${trap}/v1/chat/completions HTTP/1.1\r\nhost: ${host}\r\n${known.join("\r\n")}\r\ncontent-length: ${chatOf("hello").length}\r\nconnection: close\r\n\r\n${chatOf("hello")}`,
		),
		Buffer.from(`CONNECT ${host} HTTP/1.1\r\nhost: ${host}\r\n${known[0]}\r\n\r\n`),
		Buffer.from(`POST //${host}/v1/chat/completions HTTP/1.1\r\nhost: ${host}\r\n${known.join("\r\n")}\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}`),
	];
}

async function sendAll(run: FaultRun, stand: FaultStand, requests: readonly Buffer[], options: { readonly mayBePartial?: boolean } = {}): Promise<number[]> {
	return inTurns(requests, 6, async (bytes) => (await exchange(stand.gateway(run.random.integer(0, stand.gateways.length - 1)).url, bytes, options)).status);
}

export const HOSTILE_FAULTS: readonly Fault[] = [
	{
		id: "F25",
		name: "hostile headers and bodies, with every statement of PostgreSQL on record",
		async run(run) {
			const server = await OwnServer.start();
			run.defer(() => server.close());
			const stand = await run.open({ database: server.database });
			await stand.sql("ALTER SYSTEM SET log_statement = 'all'");
			await stand.sql("ALTER SYSTEM SET log_parameter_max_length = 0"); // values that travel beside the text are as they should be
			await stand.sql("SELECT pg_reload_conf()");
			const load = await stand.load(run.random, { calls: 200 });
			await load.beginFault(2 * LEASE_MS);
			const hostile = { canary: `canary${run.random.text(12)}`, key: stand.ample.key };
			const broken = Array.from({ length: 150 }, () => damaged(run, hostile));
			const statuses = [...(await sendAll(run, stand, attacks(hostile))), ...(await sendAll(run, stand, broken, { mayBePartial: true }))];
			load.healed();
			const recoveryMs = await stand.recover();
			await load.finish();
			expectEnds(load.records, []);
			expect(statuses.filter((status) => status >= 500)).toEqual([]);
			for (const gateway of stand.gateways) expect(residentMegabytes(gateway.child.pid)).toBeLessThan(MEMORY_MEGABYTES_MOST);
			const counts = await stand.finish(load.records, { shouldResolve: true });
			const log = server.readLog();
			expect(log).toContain("tollgate.resolve_key($1"); // statements really were recorded
			expect(log.split("\n").filter((line) => line.includes(hostile.canary))).toEqual([]);
			return { counts, recoveryMs, note: `${statuses.length} hostile requests` };
		},
	},
	{
		id: "F26",
		name: "requests that name another host, and a provider that redirects to one",
		async run(run) {
			const stand = await run.open({ gateways: 3 });
			const trap = await openServer(run, () => ({ status: 200 }));
			const load = await stand.load(run.random, { calls: 200 });
			await load.beginFault(LEASE_MS);
			await sendAll(run, stand, detours(trap.url, stand.ample.key));
			// A provider gone bad: whatever it says, nobody follows it, and it learns of no other host's key.
			const codes = [301, 302, 303, 307, 308];
			const bad = await openServer(run, (count) => ({ status: codes[count % codes.length] ?? 302, location: `${trap.url}/latest/meta-data` }));
			await stand.start(3, { TOLLGATE_SIMULATED_PROVIDER_URL: bad.url });
			const call = { ...planCall(stand.ample, run.random), directive: {} };
			const answers = await inTurns(codes, 2, () =>
				fetch(`${stand.gateway(3).url}/v1/chat/completions`, {
					method: "POST",
					redirect: "manual",
					headers: { authorization: `Bearer ${call.key}`, "content-type": "application/json" },
					body: bodyOf(call),
				}),
			);
			for (const answer of answers) expect(answer.headers.get("location"), "a way to the other host, handed to the caller").toBeNull();
			load.healed();
			await load.finish();
			expectEnds(load.records, []);
			expect(trap.hits(), "requests that reached the trap").toBe(0);
			expect(bad.hits()).toBe(codes.length);
			return { counts: await stand.finish(load.records, { shouldResolve: true }), recoveryMs: null };
		},
	},
];
