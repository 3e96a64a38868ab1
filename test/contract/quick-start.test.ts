import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type SimulatedProvider, startSimulatedProvider } from "#test/support/simulated-provider.ts";

/** The quick-start agents as their readers run them: a process each, configured by environment alone. */

const REFUSAL = {
	type: "budget_exceeded",
	code: "budget.exceeded",
	message: "the budget is spent",
	budget: "team demo, day",
	limitNanoUsd: "250000000",
	leftNanoUsd: "1000000",
	resetsAt: "2026-11-24T00:00:00.000Z",
	howToAsk: "ask your administrator",
};

const CAP_REFUSAL = { type: "invalid_request_error", code: "limit.cap", message: "the cap of 10 input tokens would be passed" };

const AGENTS = ["openai-agent.ts", "anthropic-agent.ts"] as const;

let provider: SimulatedProvider;
let refusing: Server;

beforeAll(async () => {
	provider = await startSimulatedProvider();
	refusing = createServer((request, response) => {
		const [status, error] = request.url?.startsWith("/capped") ? [422, CAP_REFUSAL] : [402, REFUSAL];
		const body = request.url?.endsWith("/v1/messages") ? { type: "error", error } : { error };
		response.writeHead(status, { "content-type": "application/json", "x-should-retry": "false" }).end(JSON.stringify(body));
	});
	await once(refusing.listen(0, "127.0.0.1"), "listening");
});

afterAll(async () => {
	await provider.close();
	refusing.close();
});

async function runAgent(file: string, origin: string): Promise<{ readonly output: string; readonly exitCode: number | null }> {
	const child = spawn(process.execPath, [new URL(`../../examples/quick-start/${file}`, import.meta.url).pathname], {
		env: { PATH: process.env["PATH"], OPENAI_BASE_URL: `${origin}/v1`, OPENAI_API_KEY: "any", ANTHROPIC_BASE_URL: origin, ANTHROPIC_API_KEY: "any" },
		stdio: ["ignore", "pipe", "inherit"],
	});
	let output = "";
	child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
	await once(child, "close");
	return { output, exitCode: child.exitCode };
}

describe.each(AGENTS)("%s", (file) => {
	it("calls its tool, then answers", async () => {
		const before = provider.calls().length;
		const { output, exitCode } = await runAgent(file, provider.url);
		expect(exitCode).toBe(0);
		expect(output).toMatch(/^turn 1: .*\nturn 2: .*\n\[simulated\] /);
		expect(provider.calls().length - before).toBe(2);
	});

	it("explains a refusal and ends with 1", async () => {
		const { output, exitCode } = await runAgent(file, `http://127.0.0.1:${(refusing.address() as AddressInfo).port}`);
		expect(exitCode).toBe(1);
		expect(output).toBe(
			"refused (budget.exceeded): the budget is spent\n  budget team demo, day, left 0.001000 USD of 0.250000 USD\n  resets 2026-11-24T00:00:00.000Z; to ask for more: ask your administrator\n",
		);
	});

	it("tells a refusal for what a call is by its code", async () => {
		const { output, exitCode } = await runAgent(file, `http://127.0.0.1:${(refusing.address() as AddressInfo).port}/capped`);
		expect([exitCode, output]).toEqual([1, "refused (limit.cap): the cap of 10 input tokens would be passed\n"]);
	});
});
