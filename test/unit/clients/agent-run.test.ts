import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type AgentRun, CostControl, CostControlError, type Run, RunHeldError, type RunStanding, readRunHold, UnreachableError } from "#clients/index.ts";

/** The gateway's side is played: what the client sends and makes of the answers. With a real gateway: test/gateway/agent-run.test.ts. */

type Said = { readonly method: string; readonly path: string; readonly headers: IncomingMessage["headers"]; readonly body: unknown };
type Answer = { readonly status: number; readonly body: unknown; readonly headers?: Readonly<Record<string, string>> };

let server: Server;
let said: Said[];
/** Answers to requests of a path, in order; the last one stays. */
let answers: Map<string, Answer[]>;
let costControl: CostControl;
let origin: string;

beforeEach(async () => {
	said = [];
	answers = new Map();
	server = await listen(0);
	origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
	costControl = new CostControl({ baseUrl: `${origin}/`, key: "tg-test" });
});
afterEach(async () => {
	vi.restoreAllMocks();
	server.closeAllConnections();
	await new Promise((resolve) => server.close(resolve));
});

async function listen(port: number): Promise<Server> {
	const listening = createServer((request, response) => {
		const chunks: Buffer[] = [];
		request.on("data", (chunk: Buffer) => chunks.push(chunk));
		request.on("end", () => {
			const { method = "", url = "", headers } = request;
			const text = Buffer.concat(chunks).toString();
			said.push({ method, path: url, headers, body: text === "" ? undefined : JSON.parse(text) });
			const queue = answers.get(url.split("?")[0] ?? "") ?? [];
			const answer = (queue.length > 1 ? queue.shift() : queue[0]) ?? { status: 404, body: {} };
			response.writeHead(answer.status, { "content-type": "application/json", "x-should-retry": "false", ...answer.headers }).end(JSON.stringify(answer.body));
		});
	});
	await new Promise<void>((resolve) => listening.listen(port, "127.0.0.1", resolve));
	return listening;
}

const HELD = {
	state: "paused",
	guard: "loop.cycle",
	evidence: "3 calls came back 5 times",
	measured: "5",
	threshold: "5",
	ofRunId: "r-1",
	pauseId: "pau_0123456789abcdef",
	askAgainMs: 900_000,
	by: "gateway g1",
} as const;
const REFUSAL = {
	...{ type: "run_paused", code: "run.paused", message: "The run r-1 is paused.", run: "r-1", guard: "loop.cycle", evidence: HELD.evidence, measured: "5" },
	...{
		threshold: "5",
		ofRun: "r-1",
		pauseId: HELD.pauseId,
		askAgainInMs: 900_000,
		watch: "/v1/runs/r-1/wait?version=2",
		howToAsk: "npx tollgate run resume r-1",
	},
};

function standing(changes: Partial<RunStanding> = {}): RunStanding {
	return { runId: "r-1", teamId: "demo", state: "running", hold: null, version: "1", ...changes };
}

function runOf(changes: Partial<Run> = {}): Run {
	const totals = { costNanoUsd: "0", inputTokens: 0, outputTokens: 0, steps: 0, outputBytes: 0, toolCalls: {} };
	return { ...standing(), parentRunId: null, origin: "registered", limits: {}, openedMsAgo: 0, pausedMs: 0, children: 0, totals, ...changes };
}

const paused = standing({ state: "paused", hold: HELD, version: "2" });
const ok = (body: unknown): Answer => ({ status: 200, body });

function opens(changes: Partial<Run> & { assertedFeature?: string | null } = {}): void {
	answers.set("/v1/runs", [{ status: 201, body: { ...runOf(), assertedFeature: null, ...changes } }]);
}

async function openRun(
	changes: Partial<Run> & { assertedFeature?: string | null } = {},
	options: Parameters<CostControl["agentRun"]>[0] = {},
): Promise<AgentRun> {
	opens(changes);
	return costControl.agentRun(options);
}

describe("agentRun", () => {
	test("asks for a run with all that was named, dollars as nano-USD", async () => {
		opens({ assertedFeature: "support" });
		const limits = { costUsd: { soft: { at: "1.5", action: "degrade", degradeTo: { big: "small" } }, hard: 2.5 }, steps: 40, toolCalls: { "*": 20 } } as const;
		const run = await costControl.agentRun({ team: "demo", runId: "r-1", parent: "root", feature: "support", limits, agent: "planner" });
		expect(said).toMatchObject([{ method: "POST", path: "/v1/runs", headers: { authorization: "Bearer tg-test", "content-type": "application/json" } }]);
		expect(said[0]?.body).toEqual({
			...{ teamId: "demo", runId: "r-1", parentRunId: "root", feature: "support" },
			limits: {
				costNanoUsd: { soft: { at: "1500000000", action: "degrade", degradeTo: { big: "small" } }, hard: "2500000000" },
				steps: 40,
				toolCalls: { "*": 20 },
			},
		});
		expect([run.id, run.teamId]).toEqual(["r-1", "demo"]);
		expect(run.headers()).toEqual({ "x-tollgate-run": "r-1", "x-tollgate-agent": "planner", "x-tollgate-feature": "support" });
	});

	test("says nothing of what was not named", async () => {
		expect((await openRun()).headers()).toEqual({ "x-tollgate-run": "r-1" });
		expect(said[0]?.body).toEqual({});
	});

	test.each([{ costUsd: "1,5" }, { costUsd: 0.1 + 0.2 }, { costUsd: { hard: { at: "much" } } }, { costUsd: "1", costNanoUsd: "1" }])(
		"refuses %j before it asks",
		async (limits) => {
			await expect(openRun({}, { limits })).rejects.toThrow(RangeError);
			expect(said).toHaveLength(0);
		},
	);

	test("throws what the gateway refuses, with the field", async () => {
		answers.set("/v1/runs", [{ status: 422, body: { error: { code: "run.invalid", message: "limits.steps must be …", param: "limits.steps" } } }]);
		const error = await costControl.agentRun().catch((thrown: unknown) => thrown);
		expect(error).toBeInstanceOf(CostControlError);
		expect(error).toMatchObject({ code: "run.invalid", message: "limits.steps must be …", details: { field: "limits.steps", httpStatus: 422 } });
	});

	test("throws the hold of a parent that stands still, and where nothing answers", async () => {
		answers.set("/v1/runs", [{ status: 402, body: { error: REFUSAL } }]);
		await expect(costControl.agentRun({ parent: "r-1" })).rejects.toMatchObject({ name: "RunHeldError", hold: { guard: "loop.cycle", version: "2" } });
		const nobody = new CostControl({ baseUrl: "http://127.0.0.1:1", key: "tg-test" });
		await expect(nobody.agentRun()).rejects.toThrow(UnreachableError);
	});

	test("needs a gateway", async () => {
		await expect(new CostControl({ temporal: { address: "127.0.0.1:1" } }).agentRun()).rejects.toThrow(TypeError);
	});
});

describe("the official clients", () => {
	test("OpenAI's carries the run, is the very class that is imported, and its refusal is known to the run", async () => {
		const run = await openRun();
		const client = run.openai();
		expect(client).toBeInstanceOf(OpenAI);
		answers.set("/v1/chat/completions", [{ status: 402, body: { error: REFUSAL } }]);
		const error = await client.chat.completions.create({ model: "m", messages: [] }).catch((thrown: unknown) => thrown);
		expect(error).toBeInstanceOf(OpenAI.APIError);
		expect(said.slice(1)).toMatchObject([{ path: "/v1/chat/completions", headers: { "x-tollgate-run": "r-1", authorization: "Bearer tg-test" } }]);
		expect(readRunHold(error)).toMatchObject({ runId: "r-1", guard: "loop.cycle", askAgainMs: 900_000 });
		const call = vi.fn();
		await expect(run.step("search", {}, call)).rejects.toThrow(RunHeldError);
		expect(call).not.toHaveBeenCalled();
	});

	test("Anthropic's likewise; a call that is answered shows that the run goes on", async () => {
		const run = await openRun();
		const client = run.anthropic();
		expect(client).toBeInstanceOf(Anthropic);
		const message = {
			id: "msg_1",
			type: "message",
			role: "assistant",
			model: "m",
			content: [],
			stop_reason: "end_turn",
			usage: { input_tokens: 1, output_tokens: 1 },
		};
		answers.set("/v1/messages", [{ status: 402, body: { type: "error", error: REFUSAL } }, ok(message)]);
		const ask = () => client.messages.create({ model: "m", max_tokens: 1, messages: [] });
		const error = await ask().catch((thrown: unknown) => thrown);
		expect(error).toBeInstanceOf(Anthropic.APIError);
		expect(readRunHold(error)).toMatchObject({ runId: "r-1", pauseId: HELD.pauseId });
		await expect(run.step("search", {}, () => 1)).rejects.toThrow(RunHeldError);
		await ask();
		expect(await run.step("search", {}, () => 1)).toBe(1);
		expect(said.at(-1)).toMatchObject({ headers: { "x-tollgate-run": "r-1", authorization: "Bearer tg-test" } });
	});
});

describe("step", () => {
	const LIMITS = { toolCalls: { "*": { hard: { at: 2, action: "pause" } }, mail: { hard: { at: 0, action: "stop" } } } };

	test("hands on arguments and result, and errors of the tool", async () => {
		const run = await openRun({ limits: LIMITS });
		expect(await run.step("search", { q: "x" }, async ({ q }) => `${q}!`)).toBe("x!");
		await expect(
			run.step("fetch", {}, () => {
				throw new Error("down");
			}),
		).rejects.toThrow("down");
	});

	test("refuses before the tool runs where its ceiling is reached, and looks whether it was raised", async () => {
		const run = await openRun({ limits: LIMITS });
		answers.set("/v1/runs/r-1", [ok(runOf({ limits: LIMITS })), ok(runOf({ limits: { toolCalls: { "*": { hard: { at: 3, action: "pause" } } } } }))]);
		const call = vi.fn(() => "found");
		await run.step("search", {}, call);
		await run.step("search", {}, call);
		const refused = run.step("search", {}, call);
		await expect(refused).rejects.toMatchObject({ code: "run.ceiling", details: { field: "limits.toolCalls.search" } });
		await expect(refused).rejects.not.toBeInstanceOf(RunHeldError);
		expect(call).toHaveBeenCalledTimes(2);
		await run.step("search", {}, call);
		expect(call).toHaveBeenCalledTimes(3);
	});

	test("a tool with a ceiling of its own is not every tool", async () => {
		const run = await openRun({ limits: LIMITS });
		answers.set("/v1/runs/r-1", [ok(runOf({ limits: LIMITS }))]);
		await expect(run.step("mail", {}, () => 1)).rejects.toMatchObject({ code: "run.ceiling" });
		expect(await run.step("search", {}, () => 1)).toBe(1);
	});

	test("what the gateway holds the run for by then is told as a hold", async () => {
		const run = await openRun({ limits: { toolCalls: { search: { hard: { at: 0, action: "pause" } } } } });
		answers.set("/v1/runs/r-1", [ok(runOf({ ...paused, hold: { ...HELD, guard: "ceiling.toolCalls", tool: "search" } }))]);
		await expect(run.step("search", {}, () => 1)).rejects.toMatchObject({ name: "RunHeldError", hold: { guard: "ceiling.toolCalls", tool: "search" } });
	});

	test("a child's calls count with its parent's, of two at once one is the last", async () => {
		const root = await openRun({ runId: "r-1", limits: LIMITS });
		opens({ runId: "r-2", parentRunId: "r-1" });
		const child = await root.child({ limits: { steps: 5 } });
		expect(said.at(-1)?.body).toEqual({ parentRunId: "r-1", limits: { steps: 5 } });
		answers.set("/v1/runs/r-1", [ok(runOf({ limits: LIMITS }))]);
		await root.step("search", {}, () => 1);
		const ends = await Promise.allSettled([child.step("search", {}, () => 1), root.step("search", {}, () => 1), child.step("search", {}, () => 1)]);
		expect(ends.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected"]);
		expect(await child.step("other", {}, () => 1)).toBe(1);
	});
});

describe("whenResumed", () => {
	const WAIT = "/v1/runs/r-1/wait";

	test("resolves at once where nothing holds the run", async () => {
		const run = await openRun();
		answers.set(WAIT, [ok(standing())]);
		await run.whenResumed();
		expect(said.slice(1).map(({ path }) => path)).toEqual([WAIT]);
	});

	test("waits for the next version, again where nothing changed, and then the run is no longer known as held", async () => {
		const run = await openRun({ ...paused });
		await expect(run.step("search", {}, () => 1)).rejects.toThrow(RunHeldError);
		answers.set(WAIT, [ok(paused), ok(paused), ok({ ...paused, version: "3" }), ok(standing({ version: "4" }))]);
		await run.whenResumed();
		expect(said.slice(1).map(({ path }) => path)).toEqual([
			WAIT,
			`${WAIT}?version=2&waitMs=60000`,
			`${WAIT}?version=2&waitMs=60000`,
			`${WAIT}?version=3&waitMs=60000`,
		]);
		expect(await run.step("search", {}, () => 1)).toBe(1);
	});

	test("survives a gateway that restarts: refused connections, 502 of a load balancer, 503 of a drain", async () => {
		const run = await openRun({ ...paused });
		const draining = {
			status: 503,
			headers: { "retry-after": "0" },
			body: { error: { code: "gateway.draining", message: "This gateway is shutting down; try again." } },
		};
		answers.set(WAIT, [ok(paused), draining, { status: 502, body: "<html>" }, ok(standing({ version: "3" }))]);
		const { port } = server.address() as AddressInfo;
		server.closeAllConnections();
		await new Promise((resolve) => server.close(resolve));
		const resumed = run.whenResumed();
		await new Promise((resolve) => setImmediate(resolve));
		server = await listen(port);
		await resumed;
		expect(said.filter(({ path }) => path.startsWith(WAIT))).toHaveLength(4);
	});

	test("rejects when the run is stopped, has ended, or is nobody's", async () => {
		const run = await openRun();
		answers.set(WAIT, [
			ok(paused),
			ok(standing({ state: "stopped", hold: { ...HELD, state: "stopped", guard: "person", pauseId: null, askAgainMs: null }, version: "3" })),
		]);
		await expect(run.whenResumed()).rejects.toMatchObject({ name: "RunHeldError", code: "run.stopped", hold: { guard: "person", version: "3" } });
		answers.set(WAIT, [ok(standing({ state: "finished", version: "4" }))]);
		await expect(run.whenResumed()).rejects.toMatchObject({ code: "run.finished" });
		answers.set(WAIT, [{ status: 404, body: { error: { code: "run.unknown", message: "This team has no run r-1.", param: "runId" } } }]);
		await expect(run.whenResumed()).rejects.toMatchObject({ code: "run.unknown" });
	});

	test("ends with its signal and after its time, also between two tries", async () => {
		const run = await openRun();
		answers.set(WAIT, [{ status: 503, headers: { "retry-after": "3600" }, body: { error: { code: "authority.unreachable", message: "away" } } }]);
		const stop = new AbortController();
		const stopped = run.whenResumed({ signal: stop.signal });
		await expect.poll(() => said.some(({ path }) => path === WAIT)).toBe(true);
		stop.abort(new Error("the agent ends"));
		await expect(stopped).rejects.toThrow("the agent ends");
		await expect(run.whenResumed({ timeoutMs: 20 })).rejects.toMatchObject({ name: "TimeoutError" });
	});

	test("waits for the run above that holds it, too", async () => {
		const root = await openRun({ runId: "root" });
		opens({ runId: "r-1", parentRunId: "root" });
		const child = await root.child();
		answers.set("/v1/runs/root/wait", [ok({ ...paused, runId: "root" }), ok(standing({ runId: "root", version: "3" }))]);
		answers.set(WAIT, [ok(standing())]);
		await child.whenResumed();
		expect(said.slice(2).map(({ path }) => path.split("?")[0])).toEqual(["/v1/runs/root/wait", "/v1/runs/root/wait", WAIT]);
	});
});

test("status shows what the books have, and notes a hold; finish ends the run", async () => {
	const run = await openRun();
	answers.set("/v1/runs/r-1", [ok(runOf({ ...paused, totals: { ...runOf().totals, steps: 9 } }))]);
	expect(await run.status()).toMatchObject({ state: "paused", totals: { steps: 9 } });
	await expect(run.step("search", {}, () => 1)).rejects.toThrow("The run r-1 is paused by loop.cycle: 3 calls came back 5 times.");
	answers.set("/v1/runs/r-1/finish", [ok(standing({ state: "finished" }))]);
	expect(await run.finish()).toMatchObject({ state: "finished" });
	expect(said.at(-1)).toMatchObject({ method: "POST", body: {} });
});
