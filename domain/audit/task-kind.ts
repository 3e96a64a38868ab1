import type { InspectedRequest } from "../bound/request.ts";
import { factsOf } from "../bound/request-facts.ts";
import type { Usage } from "../usage/usage.ts";

/**
 * What kind of work a call was, by its length and structure alone: nothing of its text is read. The first kind that fits, in
 * the order of this table. Those that are simple are what a cheaper model serves as a rule; whether it does is for an
 * evaluation to prove, so an audit recommends and changes nothing.
 */
export const TASK_KINDS = {
	no_text: { isSimple: false, criteria: "writes no text: embeddings, tokens that are counted" },
	media: { isSimple: false, criteria: "holds an image, audio or a document" },
	unseen: { isSimple: false, criteria: "continues an earlier answer, or points at content that its body does not show" },
	tools: { isSimple: false, criteria: "is given tools" },
	reasoning: { isSimple: false, criteria: "asks for thinking, or reasoned for more than 512 tokens" },
	conversation: { isSimple: false, criteria: "more than 8 messages" },
	classification: { isSimple: true, criteria: "at most 4,000 tokens in and 16 out" },
	extraction: { isSimple: true, criteria: "asks for JSON; at most 4,000 tokens in and 500 out" },
	short_answer: { isSimple: true, criteria: "at most 2,000 tokens in and 200 out" },
	summary: { isSimple: true, criteria: "at most 8,000 tokens in and 500 out, and four times as many in as out" },
	long: { isSimple: false, criteria: "anything longer" },
} as const satisfies Readonly<Record<string, { readonly isSimple: boolean; readonly criteria: string }>>;

export type TaskKind = keyof typeof TASK_KINDS;

const REASONING_TOKENS_MAX = 512;
const MESSAGES_MAX = 8;
const SUMMARY_RATIO = 4;

export function taskKindOf(request: InspectedRequest, usage: Usage): TaskKind {
	if (request.endpoint === "embeddings" || request.endpoint === "count_tokens") return "no_text";
	const facts = factsOf(request);
	if (facts.images > 0 || facts.audioBytes > 0 || facts.documents > 0) return "media";
	if (facts.references.length > 0 || facts.named.length > 0) return "unseen";
	if (facts.hasTools) return "tools";
	if (facts.thinkingBudgetTokens !== undefined || usage.reasoningTokens > REASONING_TOKENS_MAX) return "reasoning";
	if (facts.messages > MESSAGES_MAX) return "conversation";
	return kindByLength(facts.hasSchema, usage.inputTokens, usage.outputTokens - usage.reasoningTokens);
}

function kindByLength(hasSchema: boolean, inputTokens: number, outputTokens: number): TaskKind {
	if (inputTokens <= 4_000 && outputTokens <= 16) return "classification";
	if (hasSchema && inputTokens <= 4_000 && outputTokens <= 500) return "extraction";
	if (inputTokens <= 2_000 && outputTokens <= 200) return "short_answer";
	if (inputTokens <= 8_000 && outputTokens <= 500 && inputTokens >= SUMMARY_RATIO * outputTokens) return "summary";
	return "long";
}

/** Of a name as it stands in the books; a kind that is not known any more is not simple. */
export function isSimpleTask(name: string): boolean {
	return Object.hasOwn(TASK_KINDS, name) && TASK_KINDS[name as TaskKind].isSimple;
}
