import { fstatSync, mkdirSync, openSync, readSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/**
 * The ground truth of every test: one JSON line per billed call, appended across restarts. A line is
 * written in one synchronous write before the last byte of its answer leaves, so an answer
 * that somebody holds in full is always in the log.
 */

export type BilledCall = {
	/** `X-Client-Request-Id` as received; null when there was none. */
	readonly attemptId: string | null;
	/** Value of `x-request-id` (OpenAI) or `request-id` (Anthropic); never repeats, across restarts too. */
	readonly providerRequestId: string;
	/** ISO 8601. */
	readonly at: string;
	readonly protocol: "openai" | "anthropic";
	/** Model and tier as answered; the tier is null where the wire names none (embeddings). */
	readonly model: string;
	readonly serviceTier: string | null;
	/** The usage object in the provider's own shape. No price. */
	readonly usage: Readonly<Record<string, unknown>>;
};

const NEWLINE = 0x0a;

export class CallLog {
	readonly path: string;
	readonly #descriptor: number;

	/** Creates the folder and the file where they are missing. Throws the file system's error when it cannot. */
	constructor(path: string) {
		mkdirSync(dirname(path), { recursive: true });
		this.path = path;
		this.#descriptor = openSync(path, "a+", 0o600);
		this.#endTornLine();
	}

	append(call: BilledCall): void {
		const line = Buffer.from(`${JSON.stringify(call)}\n`);
		const written = writeSync(this.#descriptor, line);
		if (written !== line.length) throw new Error(`call log: only ${written} of ${line.length} bytes written to ${this.path}`);
	}

	/** A line torn by a kill in the middle of the write must not swallow the next one. */
	#endTornLine(): void {
		const { size } = fstatSync(this.#descriptor);
		if (size === 0) return;
		const last = Buffer.alloc(1);
		readSync(this.#descriptor, last, 0, 1, size - 1);
		if (last[0] !== NEWLINE) writeSync(this.#descriptor, "\n");
	}
}
