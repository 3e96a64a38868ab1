import type { Answer } from "../../api/client.ts";

export type BatchState = Answer<"/admin/v1/batches">["batches"][number]["state"];
export type ItemStatus = Answer<"/admin/v1/deferred">["items"][number]["status"];

/** In the order of a batch's life. */
export const STATE_WORDS: Readonly<Record<BatchState, string>> = {
	collecting: "collects items",
	held: "held, not begun",
	running: "running",
	cancelling: "being cancelled",
	finalizing: "joining its outputs",
	completed: "completed",
	expired: "expired",
	cancelled: "cancelled",
	failed: "failed",
};
export const BATCH_STATES = Object.keys(STATE_WORDS) as readonly BatchState[];

/** Whether an item of this status may still be asked to end: one that runs ends as the part does that carries it. */
export const IS_OPEN: Readonly<Record<ItemStatus, boolean>> = {
	collecting: true,
	waiting: true,
	running: true,
	succeeded: false,
	failed: false,
	expired: false,
	cancelled: false,
};
export const ITEM_STATUSES = Object.keys(IS_OPEN) as readonly ItemStatus[];

/** Spans that the report of items can be asked for, in days. */
export const REPORT_DAYS = ["7", "30", "90", "366"] as const;
export type ReportDays = (typeof REPORT_DAYS)[number];
