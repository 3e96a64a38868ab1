import { Worker } from "node:worker_threads";
import type { Endpoint } from "#domain/bound/request.ts";
import type { PriceLine } from "#domain/pricing/price-book.ts";

/**
 * Counts message text exactly where the price line names the encoding (money-path §2): only for a call whose byte bound
 * would be refused or clamped, in a thread that is started on first need and ended when it takes too long.
 */
export type Encoding = NonNullable<PriceLine["encoding"]>;

export type CountQuestion = { readonly id: number; readonly endpoint: Endpoint; readonly body: Uint8Array; readonly encoding: Encoding };

/** `problem`: the text could not be counted; nothing is saved then. */
export type CountReply = { readonly id: number; readonly saved: number; readonly problem?: string };

export type ExactTokens = {
	/** Tokens by which the message text of a body is below its bytes; undefined when that cannot be said in time: bytes are the bound. Never rejects. */
	countSaved(question: Omit<CountQuestion, "id">): Promise<number | undefined>;
	close(): Promise<void>;
};

export type ExactTokensOptions = {
	/** For one count, queueing included. Default 200 ms. */
	readonly countMs?: number;
	/** For one that has to wait for the thread or the encoding to be loaded. Default 2,000 ms. */
	readonly firstCountMs?: number;
	/** Told of what could not be counted: a text the encoder failed on, a thread that was ended or died. */
	readonly onProblem?: (problem: string) => void;
};

export const EXACT_BODY_BYTES_MAX = 262_144;
const MAX_WAITING = 16;

export function createExactTokens(options: ExactTokensOptions = {}): ExactTokens {
	return new CountingThread(options);
}

type Waiting = { readonly question: CountQuestion; readonly deadline: NodeJS.Timeout; readonly resolve: (saved: number | undefined) => void };

/** One question in the thread at a time, so that ending it takes nobody else's answer away. */
class CountingThread implements ExactTokens {
	private readonly options: ExactTokensOptions;
	private readonly loaded = new Set<Encoding>();
	private waiting: Waiting[] = [];
	private asked: Waiting | undefined;
	private worker: Worker | undefined;
	private nextId = 1;

	constructor(options: ExactTokensOptions) {
		this.options = options;
	}

	countSaved(question: Omit<CountQuestion, "id">): Promise<number | undefined> {
		if (question.body.length > EXACT_BODY_BYTES_MAX || this.waiting.length >= MAX_WAITING) return Promise.resolve(undefined);
		return new Promise((resolve) => {
			const id = this.nextId++;
			const { countMs = 200, firstCountMs = 2_000 } = this.options;
			const deadline = setTimeout(() => this.giveUp(id), this.loaded.has(question.encoding) ? countMs : firstCountMs);
			this.waiting.push({ question: { ...question, id }, deadline, resolve });
			this.askNext();
		});
	}

	async close(): Promise<void> {
		for (const waiting of [...this.waiting]) this.end(waiting, undefined);
		if (this.asked) this.end(this.asked, undefined);
		await this.stop();
	}

	private askNext(): void {
		if (this.asked) return;
		this.asked = this.waiting.shift();
		if (!this.asked) return;
		this.worker ??= this.start();
		// A copy goes over: the received bytes are still to be sent. A pooled Buffer would take its whole pool along.
		this.worker.postMessage({ ...this.asked.question, body: Uint8Array.from(this.asked.question.body) });
	}

	private start(): Worker {
		const worker = new Worker(new URL("./exact-tokens-worker.ts", import.meta.url), { resourceLimits: { maxOldGenerationSizeMb: 256 } });
		worker.unref();
		worker.on("message", (reply: CountReply) => this.take(reply));
		worker.on("error", (error) => this.lose(worker, error.message));
		worker.on("exit", (code) => this.lose(worker, `it ended with code ${code}`));
		return worker;
	}

	private take({ id, saved, problem }: CountReply): void {
		const { asked } = this;
		if (asked?.question.id !== id) return;
		if (problem === undefined) this.loaded.add(asked.question.encoding);
		else this.options.onProblem?.(problem);
		this.end(asked, problem === undefined ? saved : undefined);
		this.askNext();
	}

	/** Out of time: a count under way cannot be stopped otherwise than with its thread. */
	private giveUp(id: number): void {
		const waiting = this.waiting.find(({ question }) => question.id === id);
		if (waiting) return this.end(waiting, undefined);
		if (this.asked?.question.id !== id) return;
		this.options.onProblem?.("a count took too long; its thread was ended");
		this.end(this.asked, undefined);
		void this.stop().then(() => this.askNext());
	}

	private lose(worker: Worker, problem: string): void {
		if (this.worker !== worker) return;
		this.worker = undefined;
		this.loaded.clear();
		this.options.onProblem?.(`the counting thread is gone: ${problem}`);
		if (this.asked) this.end(this.asked, undefined);
		this.askNext();
	}

	private end(waiting: Waiting, saved: number | undefined): void {
		clearTimeout(waiting.deadline);
		this.waiting = this.waiting.filter((other) => other !== waiting);
		if (this.asked === waiting) this.asked = undefined;
		waiting.resolve(saved);
	}

	private async stop(): Promise<void> {
		const { worker } = this;
		this.worker = undefined;
		this.loaded.clear();
		await worker?.terminate();
	}
}
