import { isObject, type JsonObject } from "../json.ts";
import type { ProviderState } from "../provider-state.ts";
import { PAID_ROUTES } from "../routes.ts";
import { wireErrorOf } from "../wire-error.ts";
import type { OpenAiBatchLimits } from "./limits.ts";
import { type Line, readLines } from "./lines.ts";
import { type BatchPlan, PlanError, planInLine } from "./plan.ts";
import type { BatchProblem } from "./records.ts";

/**
 * Checks the input file of an OpenAI batch as the provider does once the batch was created: problems carry the line they stand in.
 * What the body of an item says beside its model is not looked at; that fails with the item.
 */

/** Enough to see what is wrong with a file; the rest is not told. */
const PROBLEMS_MOST = 100;

export type ValidatedInput = {
	readonly problems: readonly BatchProblem[];
	readonly total: number;
	readonly model: string | null;
	/** Of all prompts together. */
	readonly promptTokens: number;
	/** What markers in the items ask for. */
	readonly plan: BatchPlan;
};

export type InputToValidate = {
	readonly path: string;
	readonly bytes: number;
	readonly endpoint: string;
	readonly limits: OpenAiBatchLimits;
};

export async function validateInput(input: InputToValidate, state: ProviderState): Promise<ValidatedInput> {
	const validation = new Validation(input, state);
	if (input.limits.bytesMax !== null && input.bytes > input.limits.bytesMax) {
		validation.complain({ code: "file_too_large", line: null, message: `The file is larger than ${input.limits.bytesMax} bytes.`, param: "input_file_id" });
		return validation.result();
	}
	for await (const line of readLines(input.path)) {
		validation.read(line);
		if (validation.isHopeless) break;
	}
	return validation.result();
}

/** The problem of a batch that does not fit beside what already waits of its model; undefined where it does. */
export function tokenLimitProblem(
	{ model, promptTokens }: Pick<ValidatedInput, "model" | "promptTokens">,
	limits: OpenAiBatchLimits,
	enqueuedTokensOf: (model: string) => number,
): BatchProblem | undefined {
	if (model === null) return undefined;
	const tokensMax = limits.enqueuedTokensMax[model] ?? limits.enqueuedTokensMax["*"];
	if (tokensMax === undefined || enqueuedTokensOf(model) + promptTokens <= tokensMax) return undefined;
	const message = `Enqueued token limit reached for ${model}. Limit: ${tokensMax} enqueued tokens. Please try again once some in_progress batches have been completed.`;
	return { code: "token_limit_exceeded", line: null, message, param: null };
}

class Validation {
	readonly #input: InputToValidate;
	readonly #state: ProviderState;
	readonly #problems: BatchProblem[] = [];
	readonly #customIds = new Set<string>();
	#lines = 0;
	#model: string | null = null;
	#promptTokens = 0;
	#embeddingInputs = 0;
	#plan: BatchPlan = {};

	constructor(input: InputToValidate, state: ProviderState) {
		this.#input = input;
		this.#state = state;
	}

	get isHopeless(): boolean {
		return this.#problems.length >= PROBLEMS_MOST || this.#isTooLong();
	}

	complain(problem: BatchProblem): void {
		if (this.#problems.length < PROBLEMS_MOST) this.#problems.push(problem);
	}

	read(line: Line): void {
		this.#lines += 1;
		const item = parseItem(line);
		if (item === undefined) return this.#complainOfLine("invalid_json_line", "This line is not parseable as valid JSON.", null);
		this.#readPlan(line);
		this.#checkCustomId(item["custom_id"]);
		if (item["method"] !== "POST") this.#complainOfLine("invalid_method", "The method of a request must be POST.", "method");
		if (item["url"] !== this.#input.endpoint)
			this.#complainOfLine("url_mismatch", `The URL of a request must be the endpoint of the batch, ${this.#input.endpoint}.`, "url");
		const body = item["body"];
		if (!isObject(body)) return this.#complainOfLine("missing_required_parameter", "Missing required parameter: 'body'.", "body");
		this.#checkModel(body["model"]);
		this.#measure(body);
	}

	result(): ValidatedInput {
		const { limits } = this.#input;
		if (this.#lines === 0 && this.#problems.length === 0) this.#complainOfFile("empty_file", "The batch input file is empty.");
		if (this.#isTooLong()) this.#complainOfFile("too_many_tasks", `The batch input file contains more than the maximum of ${limits.itemsMax} requests.`);
		if (limits.embeddingInputsMax !== null && this.#embeddingInputs > limits.embeddingInputsMax)
			this.#complainOfFile("too_many_inputs", `The batch contains more than the maximum of ${limits.embeddingInputsMax} embedding inputs.`);
		return { problems: this.#problems, total: this.#lines, model: this.#model, promptTokens: this.#promptTokens, plan: this.#plan };
	}

	#isTooLong(): boolean {
		const { itemsMax } = this.#input.limits;
		return itemsMax !== null && this.#lines > itemsMax;
	}

	#complainOfLine(code: string, message: string, param: string | null): void {
		this.complain({ code, line: this.#lines, message, param });
	}

	#complainOfFile(code: string, message: string): void {
		this.complain({ code, line: null, message, param: null });
	}

	#readPlan({ bytes }: Line): void {
		try {
			this.#plan = { ...this.#plan, ...planInLine(bytes) };
		} catch (error) {
			if (!(error instanceof PlanError)) throw error;
			this.#complainOfLine("invalid_simulation", error.message, null);
		}
	}

	#checkCustomId(customId: unknown): void {
		if (typeof customId !== "string" || customId === "")
			return this.#complainOfLine("missing_required_parameter", "Missing required parameter: 'custom_id'.", "custom_id");
		if (this.#customIds.has(customId)) {
			const message = `The custom_id '${customId}' for this request is a duplicate of another request. The custom_id must be unique for each request in the batch.`;
			this.#complainOfLine("duplicate_custom_id", message, "custom_id");
		}
		this.#customIds.add(customId);
	}

	#checkModel(model: unknown): void {
		if (typeof model !== "string" || model === "")
			return this.#complainOfLine("missing_required_parameter", "Missing required parameter: 'body.model'.", "body.model");
		this.#model ??= model;
		if (model !== this.#model)
			this.#complainOfLine("model_mismatch", `All requests of a batch must have the same model. Found: ${model}, expected: ${this.#model}.`, "body.model");
	}

	#measure(body: JsonObject): void {
		const { input } = body;
		if (this.#input.endpoint === "/v1/embeddings") this.#embeddingInputs += Array.isArray(input) && typeof input[0] !== "number" ? input.length : 1;
		try {
			const prepared = PAID_ROUTES[this.#input.endpoint]?.prepare(body, Buffer.byteLength(JSON.stringify(body)), this.#state.responses);
			this.#promptTokens += prepared?.prompt.inputTokens ?? 0;
		} catch (error) {
			// It fails when it runs.
			if (wireErrorOf(error) === undefined) throw error;
		}
	}
}

function parseItem({ bytes, isTooLong }: Line): JsonObject | undefined {
	if (isTooLong) return undefined;
	try {
		const value: unknown = JSON.parse(bytes.toString());
		return isObject(value) ? value : undefined;
	} catch {
		return undefined;
	}
}
