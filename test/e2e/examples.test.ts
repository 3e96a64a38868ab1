import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { EXAMPLE_AGENTS, requirePackages, runExample } from "#test/support/example-agents.ts";
import { BOOKS_IN_ORDER, type CommandResult, type System, startSystem, tollgate, verify } from "#test/support/system.ts";

/** The agents of `examples/` on the whole system: the gateway finds their loop by itself, a person lets one of them go on. */

let system: System;

beforeAll(async () => {
	system = await startSystem();
}, 300_000);
afterAll(() => system.close());

function billedCalls(): number {
	const { simulatedProvider } = system.endpoints();
	if (!simulatedProvider) throw new Error("the system has no simulated provider");
	return readFileSync(simulatedProvider.callLog, "utf8").split("\n").filter(Boolean).length;
}

function callsOfTool(output: string): number {
	return output.match(/^(step \d+: )?find_order /gm)?.length ?? 0;
}

describe.each(EXAMPLE_AGENTS)("examples/%s", (file, packages) => {
	test("meets its loop, is told once that its run is paused, and sends nothing after that", async () => {
		requirePackages(packages);
		const before = billedCalls();
		const { gateway, demoKey } = system.endpoints();
		const { output, exitCode } = await runExample(file, { gatewayUrl: gateway, key: demoKey });
		expect([exitCode, output]).toEqual([1, expect.stringMatching(/^paused by loop\.repetition: .*find_order.* repeated \d+ times/m)]);
		expect(output.match(/^paused/gm)).toHaveLength(1);
		// Each call that reached the provider asked for the tool; the next was refused.
		expect(billedCalls() - before).toBe(callsOfTool(output));
		expect(callsOfTool(output)).toBeGreaterThanOrEqual(9);
		expect(callsOfTool(output)).toBeLessThanOrEqual(10);
	});
});

test("an agent that waits goes on where it was when a person resumes its run, and comes to its end", async () => {
	const { gateway, demoKey } = system.endpoints();
	let resumed: Promise<CommandResult> | undefined;
	const { output, exitCode } = await runExample("plain-agent/agent.ts", {
		...{ gatewayUrl: gateway, key: demoKey, waitMs: 60_000 },
		onOutput: (soFar) => {
			const runId = /^run (\S+)$/m.exec(soFar)?.[1];
			if (runId !== undefined && /; waiting$/m.test(soFar))
				resumed ??= tollgate(system, ["run", "resume", runId, "--reason", "it is being packed, which takes a while"]);
		},
	});
	expect(await resumed).toMatchObject({ exitCode: 0 });
	expect([exitCode, output]).toEqual([0, expect.stringMatching(/^goes on\n(step \d+: find_order .*\n)+\[simulated\] /m)]);
	expect(callsOfTool(output)).toBe(12);
});

test("tickets that may wait are answered by their deadline, and handed in and paid once however often they are handed in", async () => {
	const before = billedCalls();
	const { gateway, demoKey } = system.endpoints();
	// So soon that no batch would be back: in real time.
	const asked = { gatewayUrl: gateway, key: demoKey, environment: { TICKETS: "10", DEADLINE: "2m", JOB: "today" } };
	const first = await runExample("deferred/classify.ts", asked);
	const printed = /^10 handed in, 0 refused\n(today\/\d+ succeeded \(real_time\): \[simulated\] .*\n){10}cost [1-9]\d* nano-USD\n$/;
	expect([first.exitCode, first.output]).toEqual([0, expect.stringMatching(printed)]);
	const again = await runExample("deferred/classify.ts", asked);
	expect(again.output.split("\n").sort()).toEqual(first.output.split("\n").sort());
	expect(billedCalls() - before).toBe(10);
}, 60_000);

test("the books are in order", async () => {
	expect(await verify(system)).toMatchObject(BOOKS_IN_ORDER);
});
