import { assert } from "#domain/assert.ts";
import type { ErrorCode } from "#domain/errors/codes.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { BatchRecord } from "../port.ts";
import type { RealTimeItem } from "../real-time-port.ts";
import type { BatchJobDependencies } from "./job-port.ts";
import type { Waiting } from "./real-time.ts";

/** In memory at once, of a caller's batch; one body may be larger. */
const BODIES_BYTES_MAX = 16_777_216;

const BODY_GONE: ReadonlySet<ErrorCode> = new Set(["blob.missing", "blob.damaged"]);

/** It will not be there at another time either. */
export function isBodyGone(error: unknown): error is CostControlError {
	return error instanceof CostControlError && BODY_GONE.has(error.code);
}

/** Requests of items that are to be called. */
export type ItemBodies = {
	/** Those of them that can be called now; the others are read by the next activity. */
	readonly items: readonly RealTimeItem[];
	/** Rejects with what `isBodyGone` knows where there is none. */
	read(item: Pick<Waiting, "n" | "bodyBlobKey">): Promise<Buffer>;
};

/** Of an item that was handed in alone a blob of its own, read when it is called; of a caller's batch lines of his file, read in order and kept. */
export async function openBodies({ lines, realTime }: BatchJobDependencies, batch: BatchRecord, items: readonly RealTimeItem[]): Promise<ItemBodies> {
	if (batch.origin === "collected") {
		return {
			items,
			async read({ n, bodyBlobKey }) {
				assert(bodyBlobKey !== null, `item ${n} of ${batch.batchId} was handed in without a body`);
				return realTime.readBody(bodyBlobKey);
			},
		};
	}
	const bodies = new Map<number, Buffer>();
	let bytes = 0;
	let gone: CostControlError | undefined;
	try {
		for await (const { n, body } of lines.readBodies(batch, items)) {
			bodies.set(n, body);
			bytes += body.length;
			if (bytes >= BODIES_BYTES_MAX) break;
		}
	} catch (error) {
		if (!isBodyGone(error)) throw error;
		gone = error;
	}
	return {
		items: gone === undefined ? items.filter(({ n }) => bodies.has(n)) : items,
		async read({ n }) {
			const body = bodies.get(n);
			if (body === undefined && gone !== undefined) throw gone;
			assert(body !== undefined, `item ${n} of ${batch.batchId} was not read`);
			return body;
		},
	};
}
