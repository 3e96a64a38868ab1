import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PROJECT_FOLDER } from "#test/support/project-files.ts";
import { type ScriptedAnswer, ScriptedGateway, type ScriptedStep } from "#test/support/scripted-gateway.ts";
import { startTestTemporal, type TestTemporal } from "#test/support/temporal.ts";
import { until } from "#test/support/until.ts";

/** examples/durable-agent as its reader runs it: a worker of his own, here killed in the middle of a tool, and a starter. */
let temporal: TestTemporal;
let gateway: ScriptedGateway;
let folder: string;
const children: ChildProcess[] = [];

beforeAll(async () => {
	folder = mkdtempSync(path.join(tmpdir(), "tollgate-example-"));
	[temporal, gateway] = await Promise.all([startTestTemporal({ hasSearchAttributes: false }), ScriptedGateway.start()]);
	const calls = [
		{ tool: "find_part", args: { name: "pump" } },
		{ tool: "order_part", args: { number: "P-17" } },
	];
	gateway.answer = ({ step }: ScriptedStep): ScriptedAnswer => {
		const call = calls[step - 1];
		return call === undefined ? { kind: "text", text: "The pump is ordered." } : { kind: "calls", calls: [call] };
	};
});

afterAll(async () => {
	for (const child of children) child.kill("SIGKILL");
	await gateway?.close();
	await temporal?.close();
	rmSync(folder, { recursive: true, force: true });
});

function run(file: string, ...args: string[]) {
	const environment = { GATEWAY_URL: gateway.url, GATEWAY_KEY: "tg-any", TEMPORAL_ADDRESS: temporal.address, AGENT_FOLDER: folder };
	const child = spawn(process.execPath, [path.join(PROJECT_FOLDER, "examples/durable-agent", file), ...args], {
		env: { ...process.env, ...environment },
		stdio: ["ignore", "pipe", "inherit"],
	});
	children.push(child);
	const output = { text: "" };
	child.stdout.setEncoding("utf8").on("data", (text: string) => (output.text += text));
	return { child, output };
}

test("killed in the middle of a tool, the worker's successor brings the agent to its end: three calls paid, one order placed", async () => {
	const worker = run("worker.ts");
	const starter = run("start.ts", "pump-1");
	await until("the tool", () => worker.output.text.includes("find_part"), 60_000);
	worker.child.kill("SIGKILL");
	await once(worker.child, "exit");
	expect(existsSync(path.join(folder, "orders.jsonl"))).toBe(false);
	const successor = run("worker.ts");
	await once(starter.child, "close");
	expect([starter.child.exitCode, starter.output.text]).toEqual([0, "answered after 3 steps and 2 tool calls\nThe pump is ordered.\n"]);
	expect(gateway.served).toEqual(["pump-1/1", "pump-1/2", "pump-1/3"]);
	expect(successor.output.text).toContain('find_part {"name":"pump"}');
	const orders = readFileSync(path.join(folder, "orders.jsonl"), "utf8").trim().split("\n");
	expect(orders.map((line) => JSON.parse(line) as unknown)).toEqual([{ args: { number: "P-17" }, idempotencyKey: "pump-1/2/0" }]);
	successor.child.kill("SIGTERM");
	await once(successor.child, "exit");
	expect(successor.child.exitCode).toBe(0);
}, 110_000);
