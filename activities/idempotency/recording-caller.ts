import { assert } from "#domain/assert.ts";
import { KEPT_ANSWER_BYTES_MAX } from "#domain/idempotency/decide.ts";
import type { NanoUsd } from "#domain/money/nano-usd.ts";
import type { AnswerHead, Caller } from "../request/caller.ts";
import type { Leaving } from "../request/leaving.ts";
import type { StoredAnswer } from "./port.ts";

/** Headers of a provider that say something about the answer itself; rate limits and timings belong to their moment. */
const KEPT_HEADERS = ["content-type", "content-encoding", "x-request-id", "request-id", "openai-model"] as const;

/**
 * Stands before the caller: keeps what he receives, also after he left, and holds the end of the answer back until it is
 * stored, so that whoever has a whole answer can have it again.
 */
export class RecordingCaller implements Caller {
	readonly keepsAnswer = true;
	readonly leaving: Leaving;
	readonly #caller: Caller;
	/** The attempt is booked: what follows is the last of the answer. */
	readonly #isBooked: () => boolean;
	#head: AnswerHead | undefined;
	#isStream = false;
	#isWhole = false;
	#chunks: Buffer[] = [];
	#bytes = 0;
	#heldBack: (() => void)[] = [];

	constructor(caller: Caller, isBooked: () => boolean) {
		this.#caller = caller;
		this.#isBooked = isBooked;
		this.leaving = caller.leaving;
	}

	get isWhole(): boolean {
		return this.#isWhole;
	}

	get answerBytes(): number {
		return this.#bytes;
	}

	answer(head: AnswerHead, body: Buffer, costNanoUsd: NanoUsd): void {
		this.#head = head;
		this.#keep(body);
		this.#isWhole = true;
		this.#heldBack.push(() => this.#caller.answer(head, body, costNanoUsd));
	}

	beginStream(head: AnswerHead): void {
		this.#head = head;
		this.#isStream = true;
		if (!this.leaving.hasLeft) this.#caller.beginStream(head);
	}

	write(chunk: Buffer): boolean {
		this.#keep(chunk);
		if (this.#bytes > KEPT_ANSWER_BYTES_MAX) this.deliver();
		else if (this.#isBooked()) {
			this.#heldBack.push(() => void this.#caller.write(chunk));
			return true;
		}
		return this.leaving.hasLeft || this.#caller.write(chunk);
	}

	whenWritable(resume: () => void): void {
		this.#caller.whenWritable(resume);
	}

	endStream(): void {
		this.#isWhole = true;
		this.#heldBack.push(() => this.#caller.endStream());
	}

	cutStream(): void {
		this.deliver();
		this.#caller.cutStream();
	}

	/** Sends what was held back, to a caller who is still there. */
	deliver(): void {
		const sends = this.#heldBack;
		this.#heldBack = [];
		if (this.leaving.hasLeft) return;
		for (const send of sends) send();
	}

	/** Of a whole answer that is not too large. */
	toStoredAnswer(requestId: string): StoredAnswer {
		const head = this.#head;
		assert(head !== undefined && this.#isWhole && this.#bytes <= KEPT_ANSWER_BYTES_MAX, "only a whole answer is kept");
		const headers: Record<string, string> = {};
		for (const name of KEPT_HEADERS) {
			const value = head.headers[name];
			if (typeof value === "string") headers[name] = value;
		}
		const { status, model, clampedOutputTokens, degradedFrom } = head;
		const kept = { requestId, status, headers, model, clampedOutputTokens, ...(degradedFrom !== undefined && { degradedFrom }) };
		return { ...kept, isStream: this.#isStream, body: Buffer.concat(this.#chunks) };
	}

	#keep(bytes: Buffer): void {
		this.#bytes += bytes.length;
		if (this.#bytes > KEPT_ANSWER_BYTES_MAX) this.#chunks = [];
		else this.#chunks.push(bytes);
	}
}
