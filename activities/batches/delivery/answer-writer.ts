import type { ItemAnswer } from "#domain/batching/item-answer.ts";
import type { AnswerToDeliver } from "../deferred-port.ts";
import type { BatchJobDependencies } from "../job/job-port.ts";
import type { BatchRecord } from "../port.ts";

type WriterDependencies = Pick<BatchJobDependencies, "store" | "lines" | "observer">;
type Written = { readonly n: number; readonly bodyBlobKey: string; readonly httpStatus: number; readonly answerBlobKey: string };

/** Written, or removed, at once. An answer that is larger alone is written alone. */
const WRITES_MAX = 8;
const BYTES_MAX = 16_777_216;

/** Writes answers, a few at a time, and tells of them once they stand, a page at a time. What they asked for is removed behind that. */
export class AnswerWriter {
	readonly #dependencies: WriterDependencies;
	readonly #batch: BatchRecord;
	readonly #page: number;
	readonly #flying = new Map<Promise<void>, number>();
	#flyingBytes = 0;
	#written: Written[] = [];
	#failure: { readonly error: unknown } | undefined;

	constructor(dependencies: WriterDependencies, batch: BatchRecord, page: number) {
		this.#dependencies = dependencies;
		this.#batch = batch;
		this.#page = page;
	}

	/** Rejects as an earlier write did. */
	async write(item: AnswerToDeliver, answer: ItemAnswer): Promise<void> {
		const bytes = answer.body.length;
		while (this.#flying.size > 0 && (this.#flying.size >= WRITES_MAX || this.#flyingBytes + bytes > BYTES_MAX)) await Promise.race(this.#flying.keys());
		this.#throwFailure();
		const flight = this.#keep(item, answer).finally(() => {
			this.#flying.delete(flight);
			this.#flyingBytes -= bytes;
		});
		this.#flying.set(flight, bytes);
		this.#flyingBytes += bytes;
		if (this.#written.length >= this.#page) await this.#mark();
	}

	async finish(): Promise<void> {
		await this.settled();
		this.#throwFailure();
		while (this.#written.length > 0) await this.#mark();
	}

	/** Nothing is written any more. */
	async settled(): Promise<void> {
		await Promise.all(this.#flying.keys());
	}

	/** Never rejects: what fails is told by the next call. */
	async #keep({ n, deferredId, bodyBlobKey }: AnswerToDeliver, { httpStatus, body }: ItemAnswer): Promise<void> {
		try {
			const answerBlobKey = await this.#dependencies.lines.keepAnswer(this.#batch, deferredId, body);
			this.#written.push({ n, bodyBlobKey, httpStatus, answerBlobKey });
		} catch (error) {
			this.#failure ??= { error };
		}
	}

	#throwFailure(): void {
		if (this.#failure !== undefined) throw this.#failure.error;
	}

	async #mark(): Promise<void> {
		const marked = this.#written.splice(0, this.#page);
		const { store } = this.#dependencies;
		await store.markAnswered(
			this.#batch.batchId,
			marked.map(({ bodyBlobKey: _, ...answer }) => answer),
		);
		for (let from = 0; from < marked.length; from += WRITES_MAX) await this.#forget(marked.slice(from, from + WRITES_MAX));
	}

	async #forget(answered: readonly Written[]): Promise<void> {
		const { lines, observer } = this.#dependencies;
		const ends = await Promise.allSettled(answered.map(({ bodyBlobKey }) => lines.forgetBody(bodyBlobKey)));
		const failed = ends.find((end) => end.status === "rejected");
		if (failed !== undefined) observer.bodiesLeft(this.#batch.batchId, failed.reason);
	}
}
