import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { Answer, Frame, WireUsage } from "./answer.ts";
import type { Directive } from "./directive.ts";
import { errorOfStatus, ProviderError } from "./provider-error.ts";
import type { ProviderState } from "./provider-state.ts";
import { reportUsage, type UsageReport } from "./reported-usage.ts";
import { slicesOf } from "./slices.ts";

/**
 * Brings one answer to the caller at the pace asked for, with the fault asked for, and bills it exactly once:
 * before the last byte leaves, or for what was generated when the caller goes away. Generation runs
 * on the clock, not on the socket: a caller who reads slowly pays for what was generated meanwhile.
 */

export type Call = {
	readonly state: ProviderState;
	readonly response: ServerResponse;
	/** Merged with the fault drawn by rate. */
	readonly directive: Directive;
	readonly attemptId: string | null;
	readonly providerRequestId: string;
	/** Path and query, for the redirect fault. */
	readonly target: string;
};

const WRITE_BYTES = 64 * 1024;
/** Timers are no finer; faster streams send several tokens at a time. */
const TICK_MS = 5;
const REDIRECTED = "simulate-redirected=1";

export class Delivery {
	readonly #call: Call;
	readonly #answer: Answer;
	readonly #report: UsageReport;
	readonly #tokensPerSecond: number;
	readonly #receivedAtMs = performance.now();
	#startedAtMs: number | undefined;
	#isGone = false;
	#isBilled = false;
	#isUnbilled: boolean;
	/** Everything is generated and only the delivery hangs. */
	#isStuck = false;
	#wake: (() => void) | undefined;

	constructor(call: Call, answer: Answer) {
		this.#call = call;
		this.#answer = answer;
		this.#report = reportUsage(answer.usageAfter(answer.outputTokens), call.directive.fault);
		this.#isUnbilled = call.directive.status !== undefined || this.#isRedirected();
		this.#tokensPerSecond = (call.directive.tokensPerSecond ?? call.state.pace.tokensPerSecond) * answer.choices;
		call.response.once("close", () => this.#leave());
	}

	/** Throws ProviderError for a status that was asked for; the caller writes it. */
	async run(): Promise<void> {
		const { directive, state } = this.#call;
		if (directive.holdUntil !== undefined) await this.#hold(directive.holdUntil);
		await this.#pause(directive.latencyMs ?? state.pace.latencyMs);
		if (this.#isGone) return;
		if (directive.status !== undefined) throw errorOfStatus(directive.status, this.#errorOptions(directive));
		if (this.#isRedirected()) return this.#redirect();
		this.#startedAtMs = performance.now();
		if (directive.fault === "hang") return this.#hang();
		await (this.#answer.frames === undefined ? this.#sendBody() : this.#sendStream(this.#answer.frames(this.#report.reported)));
	}

	#errorOptions({ status, errorCode, retryAfterSeconds }: Directive): ProviderError["options"] {
		const isPassing = status === 429 || status === 503 || status === 529;
		const seconds = retryAfterSeconds ?? (isPassing ? this.#call.state.retryAfterSeconds : undefined);
		return { retryAfterSeconds: seconds, ...(errorCode !== undefined && { code: errorCode }) };
	}

	#isRedirected(): boolean {
		return this.#call.directive.fault === "redirect" && !this.#call.target.includes(REDIRECTED);
	}

	/** Whoever follows it is answered and billed, which shows in the log. */
	#redirect(): void {
		const { response, target } = this.#call;
		response.writeHead(307, { location: `${target}${target.includes("?") ? "&" : "?"}${REDIRECTED}`, "content-length": 0 }).end();
	}

	async #sendBody(): Promise<void> {
		const { directive, response } = this.#call;
		await this.#generated(this.#answer.outputTokens);
		if (this.#isGone) return;
		if (directive.fault === "error_event_mid_stream") return this.#fail();
		const bytes = Buffer.from(JSON.stringify(this.#answer.body(this.#report.reported)));
		this.#bill(this.#report.billed);
		if (directive.fault === "cut_before_headers") return this.#cut();
		this.#begin({ "content-type": "application/json", "content-length": bytes.length });
		if (directive.fault === "cut_after_headers") return this.#cut();
		if (directive.fault === "cut_mid_stream" || directive.fault === "hang_mid_stream") {
			response.write(bytes.subarray(0, Math.ceil(bytes.length / 2)));
			return directive.fault === "cut_mid_stream" ? this.#cut() : this.#hang();
		}
		await this.#write(bytes);
		if (!this.#isGone) response.end();
	}

	#begin(headers: OutgoingHttpHeaders): void {
		const { response } = this.#call;
		if (this.#answer.protocol === "openai") response.setHeader("openai-processing-ms", Math.round(performance.now() - this.#receivedAtMs));
		response.writeHead(200, headers);
		// A first token that is not due yet must not hold the headers back.
		response.flushHeaders();
	}

	async #sendStream(frames: Iterable<Frame>): Promise<void> {
		const { response, directive } = this.#call;
		const { fault } = directive;
		if (fault === "cut_before_headers") return this.#billAndCut(this.#report.billed);
		this.#begin({ "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" });
		if (fault === "cut_after_headers") return this.#billAndCut(this.#report.billed);
		const half = Math.floor(this.#answer.outputTokens / 2);
		let hasRepeated = false;
		let batch = "";
		for (const frame of frames) {
			if (!this.#isDue(frame.outputTokens) || batch.length > WRITE_BYTES) {
				await this.#write(batch);
				batch = "";
				await this.#generated(frame.outputTokens);
			}
			if (this.#isGone) return;
			if (frame.outputTokens > half && isBreakingOff(fault)) return this.#breakOff(batch, half);
			if (frame.kind !== "content") this.#bill(this.#report.billed);
			if (frame.kind === "end" && fault === "no_done") break;
			batch += frame.text;
			if (fault !== "duplicate_chunk") continue;
			// A doubled usage report must not be counted twice, a doubled token not either.
			if (frame.kind === "usage" || (frame.outputTokens > half && !hasRepeated)) batch += frame.text;
			hasRepeated ||= frame.outputTokens > half;
		}
		await this.#write(batch);
		if (!this.#isGone) response.end();
	}

	/** Half of the answer is out: cut, fail or hang there, billing what was generated. */
	async #breakOff(batch: string, generatedTokens: number): Promise<void> {
		const { response, directive } = this.#call;
		await this.#write(batch);
		if (directive.fault === "hang_mid_stream") return this.#hang();
		this.#bill(this.#answer.usageAfter(generatedTokens));
		if (directive.fault === "cut_mid_stream") return this.#cut();
		response.end(this.#answer.errorFrame());
	}

	/** A plain answer has no middle: the failure is a 500, and not billed. */
	#fail(): never {
		this.#isUnbilled = true;
		throw new ProviderError(500, "[simulated] the model failed while answering");
	}

	#billAndCut(usage: WireUsage): void {
		this.#bill(usage);
		this.#cut();
	}

	/** Ends the connection after what was written, without the end the protocol promises. */
	#cut(): void {
		this.#call.response.socket?.destroySoon();
	}

	async #hang(): Promise<void> {
		this.#isStuck = true;
		await this.#wait(() => undefined);
	}

	async #hold(name: string): Promise<void> {
		let leaveQueue: (() => void) | undefined;
		await this.#wait((resume) => {
			leaveQueue = this.#call.state.holds.wait(name, resume);
			if (leaveQueue === undefined) resume();
		});
		leaveQueue?.();
	}

	async #pause(durationMs: number): Promise<void> {
		if (durationMs <= 0 || this.#isGone) return;
		let timer: NodeJS.Timeout | undefined;
		await this.#wait((resume) => {
			timer = setTimeout(resume, durationMs);
		});
		clearTimeout(timer);
	}

	/** Resolves when `begin` calls back, or when the caller is gone. */
	async #wait(begin: (resume: () => void) => void): Promise<void> {
		if (this.#isGone) return;
		await new Promise<void>((resume) => {
			this.#wake = resume;
			begin(resume);
		});
		this.#wake = undefined;
	}

	/** Waits until this many tokens are generated. */
	async #generated(outputTokens: number): Promise<void> {
		while (!this.#isGone && !this.#isDue(outputTokens)) {
			const leftMs = ((outputTokens - this.#generatedTokens()) * 1000) / this.#tokensPerSecond;
			await this.#pause(Math.max(TICK_MS, leftMs));
		}
	}

	#isDue(outputTokens: number): boolean {
		return outputTokens <= this.#generatedTokens();
	}

	#generatedTokens(): number {
		const total = this.#answer.outputTokens;
		if (this.#startedAtMs === undefined) return 0;
		if (this.#isStuck || this.#tokensPerSecond === Number.POSITIVE_INFINITY) return total;
		return Math.min(total, Math.floor(((performance.now() - this.#startedAtMs) * this.#tokensPerSecond) / 1000));
	}

	async #write(data: string | Buffer): Promise<void> {
		if (data.length === 0 || this.#isGone) return;
		const { response, directive } = this.#call;
		const slices = slicesOf(typeof data === "string" ? Buffer.from(data) : data, directive.fault);
		if (slices !== undefined) return this.#writeSlices(slices);
		if (response.write(data)) return;
		await this.#wait((resume) => response.once("drain", resume));
	}

	async #writeSlices(slices: readonly Buffer[]): Promise<void> {
		for (const slice of slices) {
			if (this.#isGone) return;
			this.#call.response.write(slice);
			// Its own turn of the event loop, so that the network sees it alone.
			await new Promise((resume) => setImmediate(resume));
		}
	}

	#leave(): void {
		this.#isGone = true;
		if (!this.#isBilled && !this.#isUnbilled) this.#bill(this.#answer.usageAfter(this.#generatedTokens()));
		this.#wake?.();
	}

	#bill(usage: WireUsage): void {
		if (this.#isBilled) return;
		this.#isBilled = true;
		const { state, attemptId, providerRequestId } = this.#call;
		const { protocol, model, serviceTier } = this.#answer;
		state.bill({ attemptId, providerRequestId, at: new Date().toISOString(), protocol, model, serviceTier, usage });
	}
}

function isBreakingOff(fault: Directive["fault"]): boolean {
	return fault === "cut_mid_stream" || fault === "hang_mid_stream" || fault === "error_event_mid_stream";
}
