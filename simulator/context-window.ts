import { type JsonObject, textOrEmpty } from "./json.ts";
import type { Prompt } from "./prompt.ts";
import { type Protocol, ProviderError } from "./provider-error.ts";

/** Context windows by model name, first match (model pages of both providers, 2026-11); a name nobody knows has 128,000 tokens. */
const WINDOWS: readonly (readonly [RegExp, number])[] = [
	[/^gpt-3\.5/, 16_385],
	[/^gpt-4(-0613)?$/, 8_192],
	[/^gpt-4\.1/, 1_047_576],
	[/^(gpt-4|chatgpt-4o|o1-mini|o1-preview)/, 128_000],
	[/^(o\d|codex)/, 200_000],
	[/^gpt-5(\.[0-3])?(-|$)|^gpt-5\.4-(mini|nano)/, 400_000],
	[/^gpt-\d/, 1_050_000],
	[/^claude-(3|haiku-4)|^claude-(opus|sonnet)-4(-[015])?(-20\d{6})?(-latest)?$/, 200_000],
	[/^claude-/, 1_000_000],
];
const UNKNOWN_MODEL_WINDOW = 128_000;

export function contextWindowOf(model: string): number {
	return WINDOWS.find(([pattern]) => pattern.test(model))?.[1] ?? UNKNOWN_MODEL_WINDOW;
}

/** The prompt, or the provider's 400 where it is longer than the model's window. Such a call is not billed. */
export function fitWindow<Fitting extends Prompt>(protocol: Protocol, body: JsonObject, prompt: Fitting): Fitting {
	const window = contextWindowOf(textOrEmpty(body["model"]));
	if (prompt.inputTokens <= window) return prompt;
	if (protocol === "anthropic") throw new ProviderError(400, `prompt is too long: ${prompt.inputTokens} tokens > ${window} maximum`);
	const message = `This model's maximum context length is ${window} tokens. However, your messages resulted in ${prompt.inputTokens} tokens.`;
	throw new ProviderError(400, message, { code: "context_length_exceeded", param: "messages" in body ? "messages" : "input" });
}
