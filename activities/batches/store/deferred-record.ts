import type { BatchState, ItemOutcome } from "#domain/batching/batch.ts";
import { deferredStatus } from "#domain/batching/deferred.ts";
import type { DeferredRecord } from "../deferred-port.ts";

/** As `tollgate.deferred_record` says it. */
export type WireRecord = Omit<DeferredRecord, "status"> & {
	readonly batchState: BatchState;
	readonly outcome: ItemOutcome | null;
	readonly isCarried: boolean;
};

export function parseRecord({ batchState, outcome, isCarried, ...rest }: WireRecord): DeferredRecord {
	return { ...rest, status: deferredStatus({ batchState, outcome, isCarried, isAnswered: rest.answeredAtMs !== null }) };
}
