import type { DeferredStore } from "#activities/batches/deferred-port.ts";
import type { OpaqueUserId } from "#activities/request/claimed-users.ts";

/** What the routes of items that are handed in alone work with, beside what those of batches have. */
export type DeferredRoutes = {
	readonly store: Pick<DeferredStore, "accept" | "readDeferred" | "listDeferred" | "cancelDeferred" | "answered">;
	/** What a body says of its user is kept under it, as of a call. */
	readonly opaqueUserId: OpaqueUserId;
	/** Whether policy has a channel of this name. Absent: none is known, so that no item can name one. */
	readonly knowsChannel?: (name: string) => Promise<boolean>;
	/** Most that wait for an answer at once; default 10,000. */
	readonly waitersMax?: number;
	/** How often it is looked whether what somebody waits for is there; default 1,000 ms. */
	readonly lookEveryMs?: number;
};
