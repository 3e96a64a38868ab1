import type { Beginning, Ending, IdempotencyStore, IdempotentRequest } from "#activities/idempotency/port.ts";

export type MemoryIdempotencyStore = IdempotencyStore & {
	readonly records: Map<string, { readonly request: IdempotentRequest; ending: Ending | undefined }>;
	/** Thrown by the next statements, as PostgreSQL away would. */
	error: Error | undefined;
	/** Set to hold every `finish` until it resolves. */
	gate: Promise<void> | undefined;
	/** Statements so far. */
	roundTrips: number;
};

/** The records of one gateway in memory; nothing expires. */
export function createMemoryIdempotencyStore(): MemoryIdempotencyStore {
	const store: MemoryIdempotencyStore = {
		records: new Map(),
		error: undefined,
		gate: undefined,
		roundTrips: 0,
		async begin(request) {
			store.roundTrips += 1;
			if (store.error !== undefined) throw store.error;
			const taken = store.records.get(nameOf(request));
			if (taken !== undefined) return known(request, taken.request, taken.ending);
			store.records.set(nameOf(request), { request, ending: undefined });
			return { kind: "new" };
		},
		async finish(request, ending) {
			store.roundTrips += 1;
			await store.gate;
			if (store.error !== undefined) throw store.error;
			const taken = store.records.get(nameOf(request));
			if (taken?.request.requestId !== request.requestId || taken.ending !== undefined) return;
			if (ending.kind === "removed") store.records.delete(nameOf(request));
			else taken.ending = ending;
		},
	};
	return store;
}

function nameOf({ keyId, keyHash }: IdempotentRequest): string {
	return `${keyId} ${keyHash.toString("hex")}`;
}

function known(request: IdempotentRequest, holder: IdempotentRequest, ending: Ending | undefined): Beginning {
	const state = ending === undefined || ending.kind === "removed" ? "open" : ending.kind;
	return {
		kind: "known",
		record: {
			state,
			isSameRequest: holder.requestHash.equals(request.requestHash),
			isHolderLive: true,
			reason: ending?.kind === "unknown" ? ending.reason : null,
		},
		isOurs: true,
		holderRequestId: holder.requestId,
		answer: ending?.kind === "answered" ? ending.answer : undefined,
	};
}
