import { expect, it } from "vitest";
import type { BatchJobDependencies } from "#activities/batches/job/job-port.ts";
import { openBodies } from "#activities/batches/job/real-time-bodies.ts";
import type { BatchRecord } from "#activities/batches/port.ts";
import type { RealTimeItem } from "#activities/batches/real-time-port.ts";

const MEBIBYTE = 1_048_576;
const items = Array.from({ length: 40 }, (_, index) => ({ n: index + 1, tryNumber: 2 }) as RealTimeItem);

/** A caller's file, whose requests are this long. */
function fileOf(bodyBytes: number): { readonly dependencies: BatchJobDependencies; read(): number } {
	let read = 0;
	const lines = {
		async *readBodies() {
			for (const { n } of items) {
				read++;
				yield { n, body: Buffer.alloc(bodyBytes) };
			}
		},
	};
	return { dependencies: { lines } as unknown as BatchJobDependencies, read: () => read };
}

const CALLERS = { batchId: "batch_1", origin: "caller" } as BatchRecord;

it("holds 16 MiB of a caller's file at once, and leaves the items behind them to the next activity", async () => {
	const file = fileOf(MEBIBYTE);
	const bodies = await openBodies(file.dependencies, CALLERS, items);
	expect([bodies.items.map(({ n }) => n), file.read()]).toEqual([items.slice(0, 16).map(({ n }) => n), 16]);
	expect((await bodies.read({ n: 16, bodyBlobKey: null })).length).toBe(MEBIBYTE);
	await expect(bodies.read({ n: 17, bodyBlobKey: null })).rejects.toThrow("item 17 of batch_1 was not read");
});

it("reads one that is longer by itself", async () => {
	const bodies = await openBodies(fileOf(20 * MEBIBYTE).dependencies, CALLERS, items);
	expect(bodies.items.map(({ n }) => n)).toEqual([1]);
});
