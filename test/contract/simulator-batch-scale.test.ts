import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { clientOf, HOUR_MS, named, simulatedBatches } from "#test/support/simulated-batches.ts";
import { type SimulatedProvider, startSimulatedProvider } from "#test/support/simulated-provider.ts";
import { until } from "#test/support/until.ts";

/** Batches of the simulated provider that are large: through a kill, and in bounded memory. */

const { submit, pass, textOf, linesOf, billed } = simulatedBatches();

describe("a kill", () => {
	it("in the middle of a batch loses no file, and bills no item twice", async () => {
		const first = await startSimulatedProvider();
		const made = await submit(named("killed", 20_000), { turnaroundMs: HOUR_MS, validationMs: 0 }, clientOf(first));
		const moving = pass(2 * HOUR_MS, first).catch(() => "killed");
		await until("the first bills", () => billed("killed", first).length > 500);
		first.child.kill("SIGKILL");
		expect(await moving).toBe("killed");
		const before = billed("killed", first).length;
		expect(before).toBeLessThan(20_000);
		const second = await startSimulatedProvider({}, first.callLogPath);
		try {
			const client = clientOf(second);
			await pass(HOUR_MS, second);
			const ended = await client.batches.retrieve(made.id);
			expect(ended).toMatchObject({ status: "completed", request_counts: { completed: 20_000 } });
			const calls = billed("killed", second);
			expect([calls.length, new Set(calls.map(({ attemptId }) => attemptId)).size]).toEqual([20_000, 20_000]);
			const output = await linesOf(ended.output_file_id, client);
			expect(output.map(({ custom_id, response }) => [custom_id, response?.request_id])).toEqual(
				calls.map(({ attemptId, providerRequestId }) => [attemptId, providerRequestId]),
			);
			expect((await client.files.list()).data.map(({ id }) => id)).toContain(made.input_file_id);
		} finally {
			await second.close();
			await first.close();
		}
	});
});

describe("50,000 items", () => {
	it("pass in streaming, in less than 300 MB of memory", async () => {
		const started = await startSimulatedProvider();
		try {
			const client = clientOf(started);
			const made = await submit(named("mass", 50_000), { unordered: true }, client);
			await pass(24 * HOUR_MS, started);
			const ended = await client.batches.retrieve(made.id);
			expect(ended.request_counts).toEqual({ total: 50_000, completed: 50_000, failed: 0 });
			expect(started.calls()).toHaveLength(50_000);
			const { bytes } = await client.files.retrieve(ended.output_file_id ?? "");
			expect(Buffer.byteLength(await textOf(ended.output_file_id, client))).toBe(bytes);
			if (process.platform === "linux") expect(peakMegabytes(started)).toBeLessThan(300);
		} finally {
			await started.close();
		}
	});
});

function peakMegabytes({ child }: SimulatedProvider): number {
	const [, kilobytes] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8")) ?? [];
	return Number(kilobytes) / 1024;
}
