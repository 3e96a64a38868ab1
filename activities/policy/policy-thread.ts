import { Worker } from "node:worker_threads";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { PolicyAnswer, PolicyQuestion } from "./policy-work.ts";

/**
 * Reads, compares and writes policies in a thread of its own, so that a large one holds up nothing else: started on first need,
 * ended when nobody asked for a while. One question at a time; both its time and its memory are bounded.
 */
export type PolicyThread = {
	/**
	 * @throws CostControlError "request.too_large" when the memory for it does not suffice, "gateway.overloaded" when it takes too
	 * long or too many wait already. Any other error is a mistake of ours.
	 */
	ask<Question extends PolicyQuestion>(question: Question): Promise<PolicyAnswer<Question>>;
	close(): Promise<void>;
};

export type PolicyThreadOptions = {
	/** The module that runs in the thread, and what it is told of this process. */
	readonly worker: { readonly file: URL; readonly data: unknown };
	/** For one question, waiting for others included. Default 60,000 ms. */
	readonly answerMs?: number;
	/** How long the thread lives on without a question. Default 10,000 ms. */
	readonly idleMs?: number;
	/** What one question may take of memory; a file of 1 MiB takes about 100. Default 1,536 MiB. */
	readonly heapMib?: number;
};

export type AskedOfThread = { readonly id: number; readonly question: PolicyQuestion };
export type ThreadReply = { readonly id: number; readonly answer?: PolicyAnswer<PolicyQuestion>; readonly problem?: string };

/** Each holds its policy meanwhile. */
const MAX_WAITING = 8;

export function createPolicyThread(options: PolicyThreadOptions): PolicyThread {
	return new QuestionThread(options);
}

type Waiting = AskedOfThread & {
	readonly deadline: NodeJS.Timeout;
	readonly resolve: (answer: PolicyAnswer<PolicyQuestion>) => void;
	readonly reject: (error: Error) => void;
};

/** One question in the thread at a time, so that ending it takes nobody else's answer away. */
class QuestionThread implements PolicyThread {
	private readonly module: PolicyThreadOptions["worker"];
	private readonly answerMs: number;
	private readonly idleMs: number;
	private readonly heapMib: number;
	private waiting: Waiting[] = [];
	private asked: Waiting | undefined;
	private worker: Worker | undefined;
	private idle: NodeJS.Timeout | undefined;
	private nextId = 1;

	constructor({ worker, answerMs = 60_000, idleMs = 10_000, heapMib = 1_536 }: PolicyThreadOptions) {
		this.module = worker;
		this.answerMs = answerMs;
		this.idleMs = idleMs;
		this.heapMib = heapMib;
	}

	ask<Question extends PolicyQuestion>(question: Question): Promise<PolicyAnswer<Question>> {
		if (this.waiting.length >= MAX_WAITING) return Promise.reject(overloaded(`${MAX_WAITING} policies wait to be read or written already.`));
		return new Promise<PolicyAnswer<PolicyQuestion>>((resolve, reject) => {
			const id = this.nextId++;
			this.waiting.push({ id, question, deadline: setTimeout(() => this.giveUp(id), this.answerMs), resolve, reject });
			this.askNext();
		}) as Promise<PolicyAnswer<Question>>;
	}

	async close(): Promise<void> {
		clearTimeout(this.idle);
		for (const waiting of [this.asked, ...this.waiting]) if (waiting) this.fail(waiting, overloaded("This process stops."));
		await this.stop();
	}

	private askNext(): void {
		if (this.asked) return;
		clearTimeout(this.idle);
		this.asked = this.waiting.shift();
		if (!this.asked) {
			this.idle = setTimeout(() => void this.stop(), this.idleMs).unref();
			return;
		}
		this.worker ??= this.start();
		const { id, question } = this.asked;
		this.worker.postMessage({ id, question } satisfies AskedOfThread);
	}

	private start(): Worker {
		const worker = new Worker(this.module.file, { workerData: this.module.data, resourceLimits: { maxOldGenerationSizeMb: this.heapMib } });
		worker.unref();
		worker.on("message", (reply: ThreadReply) => this.take(reply));
		worker.on("error", (error) => this.lose(worker, error));
		worker.on("exit", (code) => this.lose(worker, new Error(`it ended with code ${code}`)));
		return worker;
	}

	private take({ id, answer, problem }: ThreadReply): void {
		const { asked } = this;
		if (asked?.id !== id) return;
		if (answer === undefined) this.fail(asked, new Error(`a policy could not be read or written: ${problem ?? ""}`));
		else {
			this.end(asked);
			asked.resolve(answer);
		}
		this.askNext();
	}

	/** Out of time: what is under way cannot be stopped otherwise than with its thread. */
	private giveUp(id: number): void {
		const late = overloaded(`The policy could not be read or written within ${this.answerMs / 1_000} s.`);
		const waiting = this.waiting.find((other) => other.id === id);
		if (waiting) return this.fail(waiting, late);
		if (this.asked?.id !== id) return;
		this.fail(this.asked, late);
		void this.stop().then(() => this.askNext());
	}

	private lose(worker: Worker, error: Error): void {
		if (this.worker !== worker) return;
		this.worker = undefined;
		const isTooLarge = (error as { code?: unknown }).code === "ERR_WORKER_OUT_OF_MEMORY";
		if (this.asked) this.fail(this.asked, isTooLarge ? this.tooLarge() : new Error("the thread that reads policies is gone", { cause: error }));
		this.askNext();
	}

	private tooLarge(): CostControlError {
		const message = `This policy needs more memory than the ${this.heapMib} MiB there are for reading or writing one; nothing was done. Name fewer teams at once: what a file leaves out stays.`;
		return new CostControlError("request.too_large", message);
	}

	private fail(waiting: Waiting, error: Error): void {
		this.end(waiting);
		waiting.reject(error);
	}

	private end(waiting: Waiting): void {
		clearTimeout(waiting.deadline);
		this.waiting = this.waiting.filter((other) => other !== waiting);
		if (this.asked === waiting) this.asked = undefined;
	}

	private async stop(): Promise<void> {
		const { worker } = this;
		this.worker = undefined;
		await worker?.terminate();
	}
}

function overloaded(why: string): CostControlError {
	return new CostControlError("gateway.overloaded", `${why} Nothing was done; try again.`);
}
