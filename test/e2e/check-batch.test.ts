import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const run = promisify(execFile);
const ROOT = path.join(import.meta.dirname, "../..");

/** The last line of `npm run check:batch -- …`. */
async function lastLine(...words: string[]): Promise<Record<string, unknown>> {
	const { stdout } = await run(process.execPath, [path.join(ROOT, "scripts/check-batch.ts"), ...words], { cwd: ROOT });
	return JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "") as Record<string, unknown>;
}

async function withScenario<Result>(scenario: object, use: (file: string) => Promise<Result>): Promise<Result> {
	const folder = mkdtempSync(path.join(tmpdir(), "tollgate-scenario-"));
	try {
		const file = path.join(folder, "scenario.json");
		writeFileSync(file, JSON.stringify(scenario));
		return await use(file);
	} finally {
		rmSync(folder, { recursive: true });
	}
}

/** One of each kind that matters: answered whole, expired, too dear, cancelled; a worker that is killed is awaited for as long as its heartbeat, so that is left to the command. */
const SCENARIO = {
	batches: [
		{ protocol: "openai", items: 40, plan: { turnaroundMs: 3_600_000, unordered: true }, failedShare: 0.1, doubledShare: 0.1 },
		{ protocol: "anthropic", items: 25, plan: { turnaroundMs: 3_600_000 } },
		{ protocol: "openai", items: 30, plan: { turnaroundMs: 144_000_000 } },
		{ protocol: "openai", items: 20, limitNanoUsd: "1200000", plan: { turnaroundMs: 1_800_000 } },
		{ protocol: "anthropic", items: 8, plan: { turnaroundMs: 36_000_000, cancelMs: 60_000 }, cancelAfterMs: 1_500 },
	],
	// Alone: batches that are late, and called in real time before their deadlines; forbidden to be; failed, cancelled, repeated; too dear; told to webhooks, some of which refuse.
	deferred: [
		{
			...{ protocol: "openai", items: 14, keys: 2, features: 2, users: 2, plan: { turnaroundMs: 144_000_000 }, failedShare: 0.1 },
			...{ deadlineShare: 0.8, deadlineMostMs: 64_800_000, batchOnlyShare: 0.2, repeatedShare: 0.3, cancelledShare: 0.1, unnamedShare: 0.2 },
			...{ webhook: true, refusedWebhookShare: 0.3 },
		},
		{ protocol: "anthropic", items: 8, plan: { turnaroundMs: 3_600_000 }, deadlineShare: 0, limitNanoUsd: "1500000" },
	],
	faults: [
		{ atMs: 0, kind: "provider", faults: { next: [{ operation: "create", fault: "cut" }], rates: { retrieve: { "503": 0.1 } } } },
		{ atMs: 1_200, kind: "kill", component: "gateway_1", forMs: 200 },
		{ atMs: 2_500, kind: "kill", component: "postgres", forMs: 100 },
		{ atMs: 4_500, kind: "kill", component: "gateway_2", forMs: 100 },
		// Whatever was handed in between two of these has run out by the next.
		...[8_000, 16_000, 24_000, 32_000].map((atMs) => ({ atMs, kind: "clock", advanceMs: 90_000_000 })),
	],
};

test("each item of a few batches, and each that was handed in alone, comes once and is booked once, while gateways and PostgreSQL are killed", async () => {
	const result = await withScenario(SCENARIO, (file) => lastLine("--seed", "3", "--scenario", file));
	const kills = { worker: 0, gateway_1: 1, gateway_2: 1, postgres: 1, temporal: 0 };
	expect(result).toMatchObject({ ok: true, seed: 3, batches: 5, overspendNanoUsd: "0", unresolved: 0, kills });
	expect(result["delivered"], "delivered").toBe(result["items"]);
	expect(result["refusals"], "refusals").toBeGreaterThan(0);
	const alone = result["deferred"] as Record<string, number>;
	expect((alone["accepted"] ?? 0) + (alone["refused"] ?? 0), "handed in alone").toBeGreaterThanOrEqual(22);
	for (const what of ["refused", "repeated", "succeeded", "failed", "realTime", "batch"]) expect(alone[what], what).toBeGreaterThan(0);
	const webhooks = result["webhooks"] as Record<string, number>;
	for (const what of ["taken", "refused"]) expect(webhooks[what], what).toBeGreaterThan(0);
	expect((webhooks["taken"] ?? 0) + (webhooks["refused"] ?? 0), "told of").toBeLessThanOrEqual(webhooks["messages"] ?? 0);
}, 300_000);

test("what cannot be read is answered by the help, a scenario by what is wrong in it", async () => {
	await expect(lastLine("--batches", "0")).rejects.toMatchObject({ code: 2, stdout: expect.stringContaining("--seed S") as string });
	await expect(lastLine("--batches", "2", "--deferred")).rejects.toMatchObject({ code: 2, stdout: expect.stringContaining("--seed S") as string });
	await expect(lastLine("--batches", "2", "--items", "5")).rejects.toMatchObject({ code: 2, stdout: expect.stringContaining("--seed S") as string });
	const wrong = withScenario({ batches: [{ protocol: "openai", items: 0 }] }, (file) => lastLine("--scenario", file));
	await expect(wrong).rejects.toMatchObject({ code: 2, stdout: expect.stringContaining("batches.0.items") as string });
});
