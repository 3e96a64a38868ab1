import { type AddressInfo, createServer, type Server } from "node:net";
import { afterEach, expect, test } from "vitest";
import { createOpaDecider, type OpaOptions } from "#activities/decisions/opa/decider.ts";
import type { Decider } from "#activities/decisions/port.ts";
import { callFacts } from "#test/support/call-facts.ts";
import { type ReceivedCall, type ScriptedProvider, startScriptedProvider } from "#test/support/scripted-provider.ts";
import { until } from "#test/support/until.ts";

/** The wire of OPA's data API, judged by a server that answers exactly what a test says. */

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
	for (const close of closing.splice(0).reverse()) await close();
});

const PATH = "/v1/data/tollgate/call";
/** Never waited for: every test that is not about time is answered at once. */
const LONG_MS = 60_000;

async function startOpa(answer: (call: ReceivedCall) => void): Promise<ScriptedProvider> {
	const server = await startScriptedProvider(answer);
	closing.push(() => server.close());
	return server;
}

function ask(url: string, options: Partial<OpaOptions> = {}): Decider {
	const decider = createOpaDecider({ url: `${url}${PATH}`, timeoutMs: LONG_MS, ...options });
	closing.push(() => decider.close());
	return decider;
}

function reply(text: string, status = 200): (call: ReceivedCall) => void {
	return ({ response }) => void response.writeHead(status, { "content-type": "application/json" }).end(text);
}

test("posts the input as JSON to the document, with the token where there is one", async () => {
	const opa = await startOpa(reply('{"result":true}'));
	const facts = callFacts({ claimed: { "metadata.job": "nightly" } });
	expect(await ask(opa.url).decide(facts)).toEqual({ kind: "allowed" });
	expect(await ask(opa.url, { token: "t0ken" }).decide(facts)).toEqual({ kind: "allowed" });
	const [first, second] = opa.received;
	expect(first?.request).toMatchObject({ method: "POST", url: PATH });
	expect(first?.request.headers).toMatchObject({ "content-type": "application/json", "accept-encoding": "identity" });
	expect(first?.request.headers.authorization).toBeUndefined();
	expect(JSON.parse(first?.body.toString() ?? "")).toEqual({ input: facts });
	expect(second?.request.headers.authorization).toBe("Bearer t0ken");
});

test("keeps its connections for the next questions", async () => {
	const opa = await startOpa(reply('{"result":true}'));
	const decider = ask(opa.url);
	for (let round = 0; round < 10; round += 1) await decider.decide(callFacts());
	// The next may be asked before the connection of the last is known to be free.
	expect(new Set(opa.received.map(({ request }) => request.socket)).size).toBeLessThanOrEqual(2);
});

test("an undefined result denies", async () => {
	const opa = await startOpa(reply("{}"));
	expect(await ask(opa.url).decide(callFacts())).toMatchObject({ kind: "denied" });
});

test.each([
	["an error", reply('{"code":"internal_error"}', 500)],
	["a status without a body", reply("", 204)],
	["a redirect", ({ response }: ReceivedCall) => void response.writeHead(302, { location: "/elsewhere" }).end('{"result":true}')],
	["no JSON", reply("allow")],
	["a compressed answer", ({ response }: ReceivedCall) => void response.writeHead(200, { "content-encoding": "gzip" }).end(Buffer.from([0x1f, 0x8b, 8]))],
	["an answer larger than 64 KiB", reply(`{"result":true,"padding":"${"x".repeat(70_000)}"}`)],
	["an answer without end", ({ response }: ReceivedCall) => writeForEver(response)],
	["an answer that breaks off", ({ response }: ReceivedCall) => void response.write('{"result":true', () => response.destroy())],
	["a connection that is closed unanswered", ({ request }: ReceivedCall) => void request.socket.destroy()],
	["what is not HTTP", ({ request }: ReceivedCall) => void request.socket.end("SSH-2.0-OpenSSH\r\n")],
])("%s is no decision", async (_name, answer) => {
	const opa = await startOpa(answer);
	const decision = await ask(opa.url).decide(callFacts());
	expect(decision.kind).toBe("undecided");
});

function writeForEver(response: ReceivedCall["response"]): void {
	const write = (): void => {
		if (response.destroyed) return;
		response.write("x".repeat(16_384), () => setImmediate(write));
	};
	write();
}

test("an engine that is not there is no decision", async () => {
	expect((await ask(await closedUrl()).decide(callFacts())).kind).toBe("undecided");
});

test("no answer in time is no decision, and the question is given up", async () => {
	let isGivenUp = false;
	const opa = await startOpa(({ request }) => void request.socket.once("close", () => (isGivenUp = true)));
	expect(await ask(opa.url, { timeoutMs: 50 }).decide(callFacts())).toEqual({ kind: "undecided", problem: "no answer within 50 ms" });
	await until("the connection to close", () => isGivenUp);
});

test("an answer that begins in time and does not end in time is no decision", async () => {
	const opa = await startOpa(({ response }) => void response.writeHead(200).write('{"result":'));
	expect(await ask(opa.url, { timeoutMs: 50 }).decide(callFacts())).toEqual({ kind: "undecided", problem: "no answer within 50 ms" });
});

test("a server that accepts and says nothing is no decision", async () => {
	const silent = createServer((socket) => void socket.resume());
	const url = await listen(silent);
	closing.push(() => new Promise((resolve) => silent.close(resolve)));
	expect((await ask(url, { timeoutMs: 50 }).decide(callFacts())).kind).toBe("undecided");
});

test("a connection that was closed meanwhile costs no decision: the question is asked once more", async () => {
	let questions = 0;
	const opa = await startOpa((call) => {
		questions += 1;
		if (questions === 2) call.request.socket.destroy();
		else reply('{"result":true}')(call);
	});
	const decider = ask(opa.url);
	expect(await decider.decide(callFacts())).toEqual({ kind: "allowed" });
	expect(await decider.decide(callFacts())).toEqual({ kind: "allowed" });
	expect(questions).toBe(3);
});

test("beyond the questions that may be open at once the next is undecided at once, and not asked", async () => {
	const waiting: ReceivedCall[] = [];
	const opa = await startOpa((call) => void waiting.push(call));
	const decider = ask(opa.url, { openMax: 2 });
	const open = [decider.decide(callFacts()), decider.decide(callFacts())];
	expect(decider.decide(callFacts())).toEqual({ kind: "undecided", problem: "2 questions are open" });
	await until("both questions", () => waiting.length === 2);
	for (const call of waiting) reply('{"result":true}')(call);
	expect(await Promise.all(open.map((question) => Promise.resolve(question)))).toEqual([{ kind: "allowed" }, { kind: "allowed" }]);
	const later = decider.decide(callFacts());
	await until("the next question", () => waiting.length === 3);
	reply('{"result":false}')(waiting[2] as ReceivedCall);
	expect(await later).toEqual({ kind: "denied", reasons: [] });
});

test("closing leaves open questions undecided", async () => {
	const opa = await startOpa(() => undefined);
	const decider = ask(opa.url);
	const open = decider.decide(callFacts());
	await until("the question", () => opa.received.length === 1);
	await decider.close();
	expect((await open).kind).toBe("undecided");
});

async function closedUrl(): Promise<string> {
	const server = createServer();
	const url = await listen(server);
	await new Promise((resolve) => server.close(resolve));
	return url;
}

async function listen(server: Server): Promise<string> {
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
