import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { EXAMPLE_AGENTS, requirePackages, runExample } from "#test/support/example-agents.ts";
import { PROJECT_FOLDER } from "#test/support/project-files.ts";
import { type SimulatedProvider, startSimulatedProvider } from "#test/support/simulated-provider.ts";

/**
 * The agents of `examples/` against the simulated provider behind a played gateway, which pauses their run at the tenth call: what each framework
 * makes of the refusal. With a gateway that finds the loop itself: test/e2e/examples.test.ts.
 */

const CALLS_LET_THROUGH = 9;
const REFUSAL = {
	...{ type: "run_paused", code: "run.paused", message: "The run r-1 is paused by loop.repetition.", run: "r-1", guard: "loop.repetition" },
	...{
		evidence: "the call find_order and its result repeated 9 times in 9 steps",
		measured: "9",
		threshold: "9",
		ofRun: "r-1",
		pauseId: "pau_0123456789abcdef",
	},
	...{ askAgainInMs: 900_000, watch: "/v1/runs/r-1/wait?version=2", howToAsk: "npx tollgate run resume r-1" },
};
const TOTALS = { costNanoUsd: "0", inputTokens: 0, outputTokens: 0, steps: 0, outputBytes: 0, toolCalls: {} };
const STANDING = { runId: "r-1", teamId: "demo", state: "running", hold: null, version: "1" };
const RUN = {
	...STANDING,
	parentRunId: null,
	origin: "registered",
	limits: {},
	openedMsAgo: 0,
	pausedMs: 0,
	children: 0,
	totals: TOTALS,
	assertedFeature: null,
};

let provider: SimulatedProvider;
let gateway: Server;
let gatewayUrl: string;
let calls: { readonly path: string; readonly run: string | undefined; readonly status: number }[];

beforeAll(async () => {
	provider = await startSimulatedProvider();
	gateway = createServer((request, response) => void answer(request, response));
	await once(gateway.listen(0, "127.0.0.1"), "listening");
	gatewayUrl = `http://127.0.0.1:${(gateway.address() as AddressInfo).port}`;
});
afterAll(async () => {
	gateway.closeAllConnections();
	gateway.close();
	await provider.close();
});
beforeEach(() => {
	calls = [];
});

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
	const chunks: Buffer[] = [];
	for await (const chunk of request) chunks.push(chunk as Buffer);
	const target = request.url ?? "";
	const send = (status: number, body: unknown, headers = {}) =>
		response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
	if (target === "/v1/runs") return void send(201, RUN);
	if (target === "/v1/runs/r-1/finish") return void send(200, { ...STANDING, state: "finished" });
	const isLetThrough = calls.length < CALLS_LET_THROUGH;
	calls.push({ path: target, run: request.headers["x-tollgate-run"] as string | undefined, status: isLetThrough ? 200 : 402 });
	if (!isLetThrough) return void send(402, target === "/v1/messages" ? { type: "error", error: REFUSAL } : { error: REFUSAL }, { "x-should-retry": "false" });
	const headers = { "content-type": "application/json", ...(target === "/v1/messages" && { "anthropic-version": "2023-06-01" }) };
	const answered = await fetch(`${provider.url}${target}`, { method: "POST", headers, body: Buffer.concat(chunks) });
	send(answered.status, await answered.json());
}

describe.each(EXAMPLE_AGENTS)("examples/%s", (file, packages) => {
	test("is told once that its run is paused, and sends nothing after that", async () => {
		requirePackages(packages);
		const before = provider.calls().length;
		const { output, exitCode } = await runExample(file, { gatewayUrl, key: "tg-any" });
		expect([exitCode, output]).toEqual([
			1,
			expect.stringContaining("paused by loop.repetition: the call find_order and its result repeated 9 times in 9 steps\n"),
		]);
		expect(output.match(/paused/g)).toHaveLength(1);
		expect(output).toContain("npx tollgate run resume r-1");
		expect(calls.map(({ status }) => status)).toEqual([...Array.from({ length: CALLS_LET_THROUGH }, () => 200), 402]);
		expect(new Set(calls.map(({ run }) => run))).toEqual(new Set(["r-1"]));
		expect(provider.calls().length - before).toBe(CALLS_LET_THROUGH);
	});
});

test.each(["vercel-ai-sdk", "langchain"] as const)("the types of examples/%s hold", async (example) => {
	requirePackages(example);
	const compiler = path.join(PROJECT_FOLDER, "node_modules/typescript/bin/tsc");
	const checked = await promisify(execFile)(process.execPath, [compiler, "--noEmit", "-p", path.join(PROJECT_FOLDER, "examples", example)]).catch(
		(error: unknown) => error,
	);
	expect(checked).toMatchObject({ stdout: "" });
});
