import type { BatchStore } from "#activities/batches/port.ts";
import type { BlobStore } from "#activities/blobs/port.ts";
import type { DeferredRoutes } from "../deferred/ports.ts";

/** What the routes of files and batches work with; put together by gateway/open-batches.ts. */
export type BatchRoutes = {
	readonly store: RouteStore;
	readonly blobs: Pick<BlobStore, "write" | "read" | "delete">;
	/** Uploads and creations that are worked on at once; further ones are refused with 503. Default 8: each takes a turn of the event loop like a call, for seconds. */
	readonly busyMax?: number;
	/** Absent: no routes of items that are handed in alone. */
	readonly deferred?: DeferredRoutes;
	/** Wall clock, for when a file ends. Milliseconds since 1970. */
	readonly wallClockMs: () => number;
};

/** Of the store what a caller can bring about. */
export type RouteStore = Pick<
	BatchStore,
	"createFile" | "readFile" | "listFiles" | "deleteFile" | "begin" | "addItems" | "hold" | "abandon" | "read" | "list" | "askCancel" | "forget"
>;
