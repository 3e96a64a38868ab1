import type { BatchRecord, BookedTry } from "#activities/batches/port.ts";
import { describeItem, type ItemServer } from "./describe-item.ts";
import { type AnswerReader, createAnswerReader } from "./item-answer.ts";
import type { ItemTelemetry, TelemetryCounters } from "./port.ts";
import type { SpanQueue } from "./span-queue.ts";

export type ItemSpansOptions = {
	readonly contentBytesMax: number | undefined;
	serverOf(batch: BatchRecord): ItemServer;
};

/**
 * What one booking waits for a receiver that takes spans, but not as fast as a large batch brings them. One that takes none is not waited
 * for: what it does not take is lost, and counted.
 */
const ROOM_WITHIN_MS = 2_000;

/** Items of batches as spans. */
export class ItemSpans implements ItemTelemetry {
	readonly answers: AnswerReader;
	readonly #queue: SpanQueue;
	readonly #serverOf: ItemSpansOptions["serverOf"];

	constructor(queue: SpanQueue, { contentBytesMax, serverOf }: ItemSpansOptions) {
		this.#queue = queue;
		this.#serverOf = serverOf;
		this.answers = createAnswerReader(contentBytesMax);
	}

	get counters(): TelemetryCounters {
		return this.#queue.counters;
	}

	get waiting(): number {
		return this.#queue.waiting;
	}

	async booked(tries: readonly BookedTry[]): Promise<void> {
		const bookedAtMs = Date.now();
		const waitsUntil = performance.now() + ROOM_WITHIN_MS;
		for (const tried of tries) {
			if (!wasCalled(tried)) continue;
			for (let leftMs = waitsUntil - performance.now(); this.#queue.isFull && !this.#queue.isFailing && leftMs > 0; leftMs = waitsUntil - performance.now())
				await this.#queue.someLeft(leftMs);
			this.#take(tried, bookedAtMs);
		}
	}

	close(deadlineMs: number): Promise<void> {
		return this.#queue.close(deadlineMs);
	}

	#take(tried: BookedTry, bookedAtMs: number): void {
		const server = this.#serverOf(tried.batch);
		let answer = tried.booking.answer;
		this.#queue.take({
			get keptBytes() {
				return answer?.output?.json.length ?? 0;
			},
			letGoOfBodies() {
				answer = answer && { ...answer, output: undefined };
			},
			describe: () => describeItem({ ...tried, booking: { ...tried.booking, answer } }, { server, bookedAtMs }),
		});
	}
}

/** What no provider answered and nobody is billed for was no call. */
function wasCalled({ booking, outcome }: BookedTry): boolean {
	return outcome !== null || booking.answer !== undefined;
}
