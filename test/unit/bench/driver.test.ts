import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { learnAnswer, NONCE, NONCE_BEFORE, nonceOf } from "../../../bench/driver/load-target.ts";
import { Pacer } from "../../../bench/driver/pacer.ts";
import { constantArrival } from "../../../bench/driver/schedule.ts";
import { StreamWatch } from "../../../bench/driver/stream-watch.ts";
import { runWindow, type WindowPlan } from "../../../bench/driver/window.ts";
import { LatencyHistogram } from "../../../bench/statistics/latency-histogram.ts";

const open: { readonly server?: Server; close(): unknown }[] = [];

afterEach(async () => {
	await Promise.all(open.splice(0).map((one) => one.close()));
});

function pacer(): Pacer {
	const made = new Pacer();
	open.push(made);
	return made;
}

/** A provider of the simplest kind: says the nonce back, after what `answer` does with it. */
async function serve(answer: (nonce: string, response: ServerResponse, request: { body: string; run: unknown }) => void): Promise<Pick<WindowPlan, "target">> {
	const server: Server = createServer((request: IncomingMessage, response) => {
		let body = "";
		request.setEncoding("utf8").on("data", (text: string) => {
			body += text;
		});
		request.on("end", () => answer(/nonce-[0-9a-f]{16}/.exec(body)?.[0] ?? "", response, { body, run: request.headers["x-tollgate-run"] }));
	});
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	open.push({ server, close: () => new Promise((resolve) => server.close(resolve)) });
	const { port } = server.address() as AddressInfo;
	const nonce = nonceOf(7);
	const target = {
		port,
		path: "/",
		authorizations: ["Bearer a"],
		headers: {},
		requestBody: `say ${NONCE}`,
		answer: learnAnswer(Buffer.from(`<${nonce}>`), nonce),
	};
	return { target };
}

const CALL = { isStream: false, firstCall: 1, durationMs: 300, connections: 60, ratePerSecond: 200 } as const;

describe("schedule", () => {
	test("is fixed in advance and evenly spaced", () => {
		expect([...constantArrival({ ratePerSecond: 250, durationMs: 20 })]).toEqual([0, 4, 8, 12, 16]);
	});
});

describe("open loop", () => {
	test("every answer is compared with the nonce of its own call", async () => {
		const seen: string[] = [];
		const plan = { ...CALL, ...(await serve((nonce, response) => response.end(`<${seen.push(nonce) && nonce}>`))) };
		const result = await runWindow(plan, pacer());
		expect([result.sent, result.right, result.wrong, result.failed, result.dropped]).toEqual([60, 60, 0, 0, 0]);
		expect(new Set(seen).size).toBe(60);
	});

	test("a step sends back what its own run was answered before", async () => {
		const last = new Map<unknown, string>();
		const broken: string[] = [];
		const { target } = await serve((nonce, response, { body, run }) => {
			const before = last.get(run);
			if (before !== undefined && body !== `say ${nonce} after ${before}`) broken.push(body);
			last.set(run, nonce);
			response.end(`<${nonce}>`);
		});
		const steps = { ...target, runs: ["run-a", "run-b", "run-c"], requestBody: `say ${NONCE} after ${NONCE_BEFORE}` };
		// One connection: the order in which calls arrive is the one in which they were sent.
		const result = await runWindow({ ...CALL, target: steps, connections: 1, ratePerSecond: undefined }, pacer());
		expect([result.right, result.wrong, result.failed]).toEqual([result.sent, 0, 0]);
		expect([...last.keys()].sort()).toEqual(steps.runs);
		expect(broken).toEqual([]);
		expect(result.sent).toBeGreaterThan(6);
	});

	test("an answer to another call, or with one other byte, is wrong", async () => {
		let last = nonceOf(1);
		const crossed = await serve((nonce, response) => {
			response.end(`<${last}>`);
			last = nonce;
		});
		expect((await runWindow({ ...CALL, ...crossed }, pacer())).wrong).toBe(60);
		const altered = await serve((nonce, response) => response.end(`<${nonce})`));
		expect((await runWindow({ ...CALL, ...altered }, pacer())).wrong).toBe(60);
	});

	test("another status than 200 and a connection that breaks are failures, each told by its way, and the load goes on", async () => {
		let calls = 0;
		const plan = await serve((nonce, response) => {
			calls += 1;
			if (calls === 3) response.destroy();
			else if (calls === 5) response.writeHead(429).end('{"error":{"message":"no","code":"budget.exceeded"}}');
			else response.end(`<${nonce}>`);
		});
		const result = await runWindow({ ...CALL, ...plan }, pacer());
		expect([result.failed, result.right]).toEqual([2, 58]);
		expect(result.failures).toEqual({ "the connection was closed": 1, "status 429 budget.exceeded": 1 });
	});

	test("a stall is in the latency of every call that was meant to leave during it", async () => {
		let held: (() => void)[] = [];
		let isStalled = true;
		const plan = await serve((nonce, response) => {
			const answer = () => response.end(`<${nonce}>`);
			if (isStalled) held.push(answer);
			else answer();
			// The whole first half of the window hangs on its last call.
			if (held.length < 30) return;
			isStalled = false;
			for (const release of held) release();
			held = [];
		});
		const result = await runWindow({ ...CALL, ...plan }, pacer());
		const latencies = LatencyHistogram.of(result.latenciesNs);
		expect(result.right).toBe(60);
		// The first call waited for the 30th, which left 145 ms later; a driver that waited with it would have seen one slow call.
		expect(latencies.percentileMs(100)).toBeGreaterThan(140);
		expect(latencies.percentileMs(60)).toBeGreaterThan(5);
	});

	test("a call that finds no free connection is dropped and counted, never sent late", async () => {
		const waiting: (() => void)[] = [];
		const plan = await serve((nonce, response) => {
			waiting.push(() => response.end(`<${nonce}>`));
			if (waiting.length === 4) setTimeout(() => waiting.forEach((release) => void release()), 1_000);
		});
		const result = await runWindow({ ...CALL, ...plan, connections: 4 }, pacer());
		expect([result.sent, result.dropped]).toEqual([4, 56]);
	});

	test("the driver tells when it was late itself", async () => {
		const plan = await serve((nonce, response) => response.end(`<${nonce}>`));
		const running = runWindow({ ...CALL, ...plan }, pacer());
		const block = setTimeout(() => {
			const end = performance.now() + 120;
			while (performance.now() < end);
		}, 100);
		const result = await running;
		clearTimeout(block);
		expect(LatencyHistogram.of(result.lagsNs).percentileMs(99)).toBeGreaterThan(50);
	});
});

test("calls take the keys in turn, on whatever connection they leave", async () => {
	const seen = new Map<string, number>();
	const plan = await serve((nonce, response) => response.end(`<${nonce}>`));
	open.at(-1)?.server?.on("request", ({ headers }: IncomingMessage) => seen.set(headers.authorization ?? "", (seen.get(headers.authorization ?? "") ?? 0) + 1));
	await runWindow({ ...CALL, target: { ...plan.target, authorizations: ["Bearer a", "Bearer b", "Bearer c"] } }, pacer());
	expect([...seen].sort()).toEqual([
		["Bearer a", 20],
		["Bearer b", 20],
		["Bearer c", 20],
	]);
});

describe("closed loop", () => {
	test("keeps as many calls under way as there are connections", async () => {
		let inFlight = 0;
		let most = 0;
		const plan = await serve((nonce, response) => {
			inFlight += 1;
			most = Math.max(most, inFlight);
			setImmediate(() => {
				inFlight -= 1;
				response.end(`<${nonce}>`);
			});
		});
		const result = await runWindow({ ...CALL, ...plan, connections: 5, ratePerSecond: undefined }, pacer());
		expect(result.right).toBe(result.sent);
		expect(result.right).toBeGreaterThan(5);
		expect(most).toBeLessThanOrEqual(5);
		expect(result.lagsNs.length).toBe(0);
	});
});

describe("streams", () => {
	const EVENTS = ["data: role\n\n", "data: one\n\n", "data: two\n\n", "data: [DONE]\n\n"].join("");

	test("the first token is the second event, wherever the pieces are cut", () => {
		for (let cut = 1; cut < EVENTS.length; cut += 1) {
			const watch = new StreamWatch();
			watch.see(Buffer.from(EVENTS.slice(0, cut)), 10);
			watch.see(Buffer.from(EVENTS.slice(cut)), 30);
			const second = EVENTS.indexOf("one\n\n") + 5;
			expect(watch.firstTokenAtMs).toBe(cut >= second ? 10 : 30);
			expect(watch.gapsMs.length).toBe(2);
		}
	});
});
