import type { IncomingMessage } from "node:http";
import { isObject, type JsonObject } from "../json.ts";
import { type Protocol, ProviderError } from "../provider-error.ts";
import type { SimulatedClock } from "./clock.ts";
import type { BatchDisk } from "./disk.ts";
import type { BatchLimits } from "./limits.ts";
import type { BatchPlan } from "./plan.ts";
import { type BatchRecord, NO_USAGE } from "./records.ts";
import type { BatchRunner } from "./runner.ts";
import { WINDOW_MS } from "./timeline.ts";

/** What the routes of both protocols share: where batches are kept, who runs them, and what a new one begins with. */
export type BatchDesk = {
	readonly disk: BatchDisk;
	readonly clock: SimulatedClock;
	readonly runner: BatchRunner;
	readonly plans: PlanShelf;
	limits: BatchLimits;
};

/** Plans of batches to come. */
export class PlanShelf {
	/** Of every batch. */
	standing: BatchPlan = {};
	#next: BatchPlan[] = [];

	get next(): readonly BatchPlan[] {
		return this.#next;
	}

	addNext(plan: BatchPlan, times: number): void {
		for (let time = 0; time < times; time += 1) this.#next.push(plan);
	}

	/** Of the next batch; taken off the shelf. */
	take(): BatchPlan {
		return { ...this.standing, ...this.#next.shift() };
	}
}

const HOUR_MS = 3_600_000;
const JSON_BYTES_MAX = 1024 * 1024;

type Beginning = Pick<BatchRecord, "id" | "protocol" | "endpoint" | "inputFileId" | "metadata" | "resultsKeptMs" | "plan" | "phase" | "total" | "startedAtMs">;

export function newRecord({ disk }: Pick<BatchDesk, "disk">, beginning: Beginning & { readonly createdAtMs: number }): BatchRecord {
	return {
		ordinal: disk.nextOrdinal(),
		end: null,
		problems: [],
		model: null,
		promptTokens: 0,
		expiresAtMs: beginning.createdAtMs + WINDOW_MS,
		cancelAskedAtMs: null,
		finalizingAtMs: null,
		endedAtMs: null,
		done: 0,
		inputByte: 0,
		workBytes: 0,
		succeeded: 0,
		errored: 0,
		stuck: 0,
		expired: 0,
		cancelled: 0,
		usage: NO_USAGE,
		outputFileId: null,
		errorFileId: null,
		...beginning,
	};
}

/** Throws the provider's 429 where an hour has had all the batches it may have. */
export function checkHourlyBatches({ disk, clock, limits }: BatchDesk, protocol: Protocol): void {
	const { batchesPerHour } = limits[protocol];
	if (batchesPerHour === null) return;
	const sinceMs = clock.nowMs() - HOUR_MS;
	const recent = disk.batches().filter((record) => record.protocol === protocol && record.createdAtMs > sinceMs);
	if (recent.length < batchesPerHour) return;
	const freeAtMs = (recent.at(-batchesPerHour)?.createdAtMs ?? clock.nowMs()) + HOUR_MS;
	const waitMs = clock.realMsUntil(freeAtMs);
	const retryAfterSeconds = Number.isFinite(waitMs) ? Math.max(1, Math.ceil(waitMs / 1_000)) : undefined;
	throw new ProviderError(429, `Rate limit reached: at most ${batchesPerHour} batches an hour.`, { retryAfterSeconds });
}

/** Throws the provider's 404. */
export function findBatch({ disk }: Pick<BatchDesk, "disk">, protocol: Protocol, id: string): BatchRecord {
	const record = disk.batch(id);
	if (record === undefined || record.protocol !== protocol)
		throw new ProviderError(404, protocol === "openai" ? `No batch found with id '${id}'.` : `Not found: message batch ${id}`, { code: null });
	return record;
}

/** Throws the provider's 400 for anything but a small JSON object. */
export async function readSmallBody(request: IncomingMessage): Promise<JsonObject> {
	const chunks: Buffer[] = [];
	let bytes = 0;
	for await (const chunk of request as AsyncIterable<Buffer>) {
		bytes += chunk.length;
		if (bytes <= JSON_BYTES_MAX) chunks.push(chunk);
	}
	if (bytes > JSON_BYTES_MAX) throw new ProviderError(413, `The request is larger than ${JSON_BYTES_MAX} bytes.`);
	try {
		const value: unknown = JSON.parse(Buffer.concat(chunks).toString());
		if (isObject(value)) return value;
	} catch (cause) {
		throw new ProviderError(400, `We could not parse the JSON body of your request: ${(cause as Error).message}`);
	}
	throw new ProviderError(400, "The body of the request must be a JSON object.");
}
