import { crc32 } from "node:zlib";
import { type Answer, type AnswerContext, answeredModel, errorFrameText } from "../answer.ts";
import type { JsonObject } from "../json.ts";
import { type Prompt, PromptBuilder } from "../prompt.ts";
import { randomSequence } from "../text.ts";
import { countTextTokens } from "../tokens.ts";
import { invalid, requireModel } from "./request.ts";

/** `POST /v1/embeddings` (openai resources/embeddings.d.ts): unit vectors decided by model and text. */

const DIMENSIONS_DEFAULT = 1_536;
const DIMENSIONS_LARGE = 3_072;
const INPUTS_MOST = 2_048;
const HALF_UINT32 = 0x8000_0000;

/** An input is a text or a list of token numbers. */
type Input = string | readonly number[];

export function readEmbeddingsPrompt(body: JsonObject, bodyBytes: number): Prompt {
	requireModel(body);
	const prompt = new PromptBuilder();
	for (const input of readInputs(body)) if (typeof input === "string") prompt.addText(input);
	return prompt.build(bodyBytes);
}

export function answerEmbeddings(body: JsonObject, context: AnswerContext): Answer {
	const asked = requireModel(body);
	const inputs = readInputs(body);
	const dimensions = readDimensions(body, asked);
	const isBase64 = readEncoding(body) === "base64";
	const model = answeredModel(context.directive, asked);
	const tokens =
		context.directive.inputTokens ?? inputs.reduce<number>((sum, input) => sum + (typeof input === "string" ? countTextTokens(input) : input.length), 0);
	const data = () =>
		inputs.map((input, index) => {
			const vector = unitVector(crc32(`${asked}\n${typeof input === "string" ? input : input.join(" ")}`), dimensions);
			return { object: "embedding", index, embedding: isBase64 ? Buffer.from(vector.buffer).toString("base64") : [...vector] };
		});
	return {
		protocol: "openai",
		model,
		serviceTier: null,
		outputTokens: 0,
		choices: 1,
		usageAfter: () => ({ prompt_tokens: tokens, total_tokens: tokens }),
		body: (reported) => ({ object: "list", data: data(), model, ...(reported && { usage: reported }) }),
		frames: undefined,
		errorFrame: () => errorFrameText("openai", context.idSuffix),
	};
}

function readInputs(body: JsonObject): readonly Input[] {
	const input = body["input"];
	const inputs = Array.isArray(input) && !input.every((value) => typeof value === "number") ? input : [input];
	const areReadable = inputs.length > 0 && inputs.length <= INPUTS_MOST && inputs.every(isInput);
	if (!areReadable) throw invalid("Invalid 'input': expected a non-empty text, a list of tokens, or a list of at most 2048 of them.", "input");
	return inputs as readonly Input[];
}

function isInput(value: unknown): value is Input {
	if (typeof value === "string") return value !== "";
	return Array.isArray(value) && value.length > 0 && value.every((token) => Number.isInteger(token));
}

function readDimensions(body: JsonObject, model: string): number {
	const most = model.includes("large") ? DIMENSIONS_LARGE : DIMENSIONS_DEFAULT;
	const value = body["dimensions"] ?? most;
	if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > most)
		throw invalid(`Invalid 'dimensions': expected an integer from 1 to ${most}.`, "dimensions");
	return value as number;
}

function readEncoding(body: JsonObject): "float" | "base64" {
	const value = body["encoding_format"] ?? "float";
	if (value !== "float" && value !== "base64") throw invalid("Invalid 'encoding_format': expected 'float' or 'base64'.", "encoding_format");
	return value;
}

/** 32-bit floats, so that both encodings carry the same numbers. */
function unitVector(seed: number, dimensions: number): Float32Array<ArrayBuffer> {
	const next = randomSequence(seed);
	const vector = Float32Array.from({ length: dimensions }, () => next() / HALF_UINT32 - 1);
	const length = Math.hypot(...vector);
	return vector.map((value) => value / length);
}
