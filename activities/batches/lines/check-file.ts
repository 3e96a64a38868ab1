import { hash } from "node:crypto";
import type { BatchEndpoint } from "#domain/batching/batch.ts";
import { checkLine, type RequestLine } from "#domain/batching/check-line.ts";
import { ENDPOINT_URLS } from "#domain/batching/endpoint-urls.ts";
import { BODY_FIELDS, describeLineProblem, type LineForm, type LineProblem, type LineProblems, ProblemList } from "#domain/batching/line-problem.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { BatchLimits } from "../providers/provider-port.ts";
import { FairTurns } from "./fair-turns.ts";
import { type LineLimits, type LineReader, LineSplitter, type ReadLine, RequestSplitter } from "./read-lines.ts";

/**
 * Checks a batch as it arrives: every request for itself, one model and one endpoint for all, custom ids that stand once, and the limits.
 * What is remembered of it is a hash and a number for each request.
 */
export type FileRules = LineLimits & {
	/** `openai`: a file of lines. `anthropic`: the body `{"requests":[…]}`. */
	readonly form: LineForm;
	readonly limits: Pick<BatchLimits, "itemsMax" | "bytesMax" | "embeddingInputsMax">;
};

export type CheckedFile =
	/** `bytes`: of what is stored. */
	| { readonly kind: "accepted"; readonly endpoint: BatchEndpoint; readonly model: string; readonly lines: number; readonly bytes: number }
	| { readonly kind: "refused"; readonly problems: LineProblems };

type SharedByAll = Pick<RequestLine, "endpoint" | "model">;

const LINE_END = Buffer.from("\n");
/** Requests cut out of a body are handed on in blocks of about this size. */
const BLOCK_BYTES = 65_536;

/** For one file. `through` is read to its end once; then `result` tells. */
export class FileChecker {
	readonly #rules: FileRules;
	readonly #reader: LineReader;
	readonly #problems = new ProblemList();
	/** Line by the hash of the custom id that stands in it. */
	readonly #lineOfCustomId = new Map<string, number>();
	#first: SharedByAll | undefined;
	/** An empty line is one only if another follows. */
	#emptyLine: number | undefined;
	#lines = 0;
	#arrivedBytes = 0;
	#storedBytes = 0;
	#embeddingInputs = 0;
	#isOver = false;
	#block: Buffer[] = [];
	#blockBytes = 0;

	constructor(rules: FileRules) {
		this.#rules = rules;
		this.#reader = rules.form === "openai" ? new LineSplitter(rules) : new RequestSplitter(rules);
	}

	/**
	 * What is to be stored, while it is checked: a file as it came, a body's requests one a line. Rejects at the end with "batch.line_invalid"
	 * where anything is wrong, so that whoever writes it keeps nothing; from the first problem on nothing more is handed on, and nothing more is
	 * read where what follows cannot matter.
	 */
	async *through(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
		const turns = new FairTurns();
		for await (const chunk of source) {
			this.#count(chunk);
			for (const line of this.#isOver ? [] : this.#reader.push(chunk)) {
				this.#take(line);
				if (turns.isOver) await turns.next();
				if (this.#blockBytes >= BLOCK_BYTES) yield this.#takeBlock();
			}
			if (this.#isOver) break;
			if (this.#rules.form === "openai" && this.#problems.isEmpty) yield chunk;
		}
		for (const line of this.#isOver ? [] : this.#reader.end()) this.#take(line);
		this.#close();
		const { result } = this;
		if (result.kind === "refused") throw new CostControlError("batch.line_invalid", describeProblems(result.problems, this.#rules.form));
		if (this.#blockBytes > 0) yield this.#takeBlock();
	}

	get result(): CheckedFile {
		if (!this.#problems.isEmpty || this.#first === undefined) return { kind: "refused", problems: this.#problems.problems };
		const { endpoint, model } = this.#first;
		return { kind: "accepted", endpoint, model, lines: this.#lines, bytes: this.#storedBytes };
	}

	#count(chunk: Uint8Array): void {
		this.#arrivedBytes += chunk.length;
		if (this.#rules.form === "openai") this.#storedBytes += chunk.length;
		const { bytesMax } = this.#rules.limits;
		if (this.#arrivedBytes <= bytesMax) return;
		this.#refuse(null, null, `a batch is at most ${bytesMax} bytes`);
		this.#isOver = true;
	}

	#take(read: ReadLine): void {
		if (this.#isOver) return;
		if (read.kind === "malformed") {
			this.#refuse(read.line, read.field, read.message);
			this.#isOver = true;
			return;
		}
		if (read.kind === "empty") {
			this.#emptyLine ??= read.line;
			return;
		}
		if (this.#emptyLine !== undefined) this.#refuse(this.#emptyLine, null, "is empty");
		this.#emptyLine = undefined;
		const { itemsMax } = this.#rules.limits;
		this.#lines += 1;
		if (this.#lines > itemsMax) {
			this.#refuse(null, null, `a batch is at most ${itemsMax} requests`);
			this.#isOver = true;
		} else if (read.kind === "line") this.#check(read.line, read.bytes);
		else
			this.#refuse(
				read.line,
				null,
				read.kind === "too_long" ? `is longer than ${this.#rules.lineBytesMax} bytes, the most a request may take` : "is not valid UTF-8",
			);
	}

	#check(line: number, bytes: Buffer): void {
		const checked = checkLine(bytes, this.#rules.form);
		if (checked.kind === "invalid") {
			for (const problem of checked.problems) this.#problems.add({ line, ...problem });
			return;
		}
		const { request } = checked;
		this.#first ??= { endpoint: request.endpoint, model: request.model };
		this.#compare(line, request, this.#first);
		this.#remember(line, request.customId);
		this.#embeddingInputs += request.embeddingInputs;
		if (this.#rules.form === "anthropic" && this.#problems.isEmpty) this.#store(bytes);
	}

	#compare(line: number, { endpoint, model }: RequestLine, first: SharedByAll): void {
		const { form } = this.#rules;
		if (endpoint !== first.endpoint) this.#refuse(line, "url", `must be ${ENDPOINT_URLS[first.endpoint]}, as before: a batch has one endpoint`);
		if (model !== first.model) this.#refuse(line, `${BODY_FIELDS[form]}.model`, `must be ${JSON.stringify(first.model)}, as before: a batch has one model`);
	}

	#remember(line: number, customId: string): void {
		const key = hash("sha256", customId, "base64url");
		const earlier = this.#lineOfCustomId.get(key);
		if (earlier === undefined) this.#lineOfCustomId.set(key, line);
		else {
			const place = this.#rules.form === "openai" ? `line ${earlier}` : `requests.${earlier - 1}`;
			this.#refuse(line, "custom_id", `${JSON.stringify(customId.slice(0, 80))} stands in ${place} already`);
		}
	}

	#close(): void {
		if (this.#isOver) return;
		if (this.#lines === 0) this.#refuse(null, null, "a batch has at least one request");
		const { embeddingInputsMax } = this.#rules.limits;
		if (embeddingInputsMax !== undefined && this.#embeddingInputs > embeddingInputsMax)
			this.#refuse(null, null, `a batch is at most ${embeddingInputsMax} inputs of embeddings; these are ${this.#embeddingInputs}`);
	}

	#refuse(line: number | null, field: string | null, message: string): void {
		this.#problems.add({ line, field, code: "batch.line_invalid", message });
	}

	#store(bytes: Buffer): void {
		this.#block.push(bytes, LINE_END);
		this.#blockBytes += bytes.length + 1;
		this.#storedBytes += bytes.length + 1;
	}

	#takeBlock(): Buffer {
		const block = Buffer.concat(this.#block);
		this.#block = [];
		this.#blockBytes = 0;
		return block;
	}
}

/** Reads all of it and stores nothing. */
export async function checkFile(source: AsyncIterable<Uint8Array>, rules: FileRules): Promise<CheckedFile> {
	const checker = new FileChecker(rules);
	try {
		for await (const _ of checker.through(source));
	} catch (error) {
		if (!(error instanceof CostControlError) || error.code !== "batch.line_invalid") throw error;
	}
	return checker.result;
}

/** The first problem in words, and how many there are beside it. */
export function describeProblems({ listed, unlisted }: LineProblems, form: LineForm): string {
	const [first, ...others] = listed;
	const more = others.length + unlisted;
	const text = describeLineProblem(first ?? NOTHING_TOLD, form);
	return more === 0 ? text : `${text} (and ${more} more)`;
}

const NOTHING_TOLD: LineProblem = { line: null, field: null, code: "batch.line_invalid", message: "the batch cannot be used" };
