import type { AnswerHeaders } from "#activities/providers/port.ts";
import type { NanoUsd } from "#domain/money/nano-usd.ts";
import type { Leaving } from "./leaving.ts";

/** Facts that travel with an answer, as x-tollgate headers. */
export type AnswerHead = {
	readonly status: number;
	readonly headers: AnswerHeaders;
	/** Model the deployment served. */
	readonly model: string;
	readonly clampedOutputTokens: number | undefined;
	readonly budgetLeftNanoUsd: NanoUsd | undefined;
	/** The model alias asked for, where lines of a budget made another one serve the call. */
	readonly degradedFrom?: string | undefined;
	/** The agent run the call is a step of, and the guards that warn of it. */
	readonly runId?: string | undefined;
	readonly runWarnings?: readonly string[] | undefined;
};

/** The caller's side of a real-time call, as the request layer sees it; the gateway implements it over HTTP. */
export type Caller = {
	readonly leaving: Leaving;
	/** The answer is wanted to its end also after the caller left: it is kept for his return. Default false. */
	readonly keepsAnswer?: boolean;
	/** One complete answer; its cost is known. */
	answer(head: AnswerHead, body: Buffer, costNanoUsd: NanoUsd): void;
	beginStream(head: AnswerHead): void;
	/** False when the caller's connection is full: wait for `whenWritable`. */
	write(chunk: Buffer): boolean;
	whenWritable(resume: () => void): void;
	endStream(): void;
	/** Breaks a stream that cannot be completed, so that the caller sees it is not whole. */
	cutStream(): void;
};
