import { assert } from "../assert.ts";
import type { PriceLine } from "../pricing/price-book.ts";
import { capFieldOf } from "./bound-request.ts";
import { THINKING_BUDGET_TOKENS_MIN } from "./inspect-limits.ts";
import type { InspectedRequest } from "./request.ts";
import { factsOf } from "./request-facts.ts";
import { type Member, scanMembers } from "./scan-json.ts";

export type BodyEdits = {
	/** Output cap to enforce (a clamp); the thinking budget is lowered to stay below it. */
	readonly outputCap?: { readonly tokens: number; readonly line: PriceLine };
	/** Ask the provider for usage at the end of an OpenAI chat stream. */
	readonly asksStreamUsage?: boolean;
	/** Model id of the deployment, where it differs from the alias the caller used. */
	readonly model?: string;
};

type Splice = { readonly start: number; readonly end: number; readonly text: string };

const CAP_FIELDS = ["max_tokens", "max_completion_tokens", "max_output_tokens"];

/** The received body with these edits and every other byte unchanged; the very same buffer where nothing is to be edited. */
export function editBody(request: InspectedRequest, edits: BodyEdits): Buffer {
	const { members } = factsOf(request);
	const splices: Splice[] = [];
	if (edits.outputCap !== undefined) splices.push(...capSplices(request, members, edits.outputCap));
	if (edits.asksStreamUsage === true) splices.push(...streamUsageSplices(request, members));
	if (edits.model !== undefined && edits.model !== request.model) splices.push(setMember(request.body, members, "model", JSON.stringify(edits.model)));
	return applySplices(request.body, splices);
}

/** The body with its output capped at `tokens`, by the field the line enforces or the one the caller used. */
export function withOutputCap(request: InspectedRequest, tokens: number, line: PriceLine): Buffer {
	return editBody(request, { outputCap: { tokens, line } });
}

/** The body of an OpenAI chat stream with `stream_options.include_usage` on. */
export function withStreamUsage(request: InspectedRequest): Buffer {
	return editBody(request, { asksStreamUsage: true });
}

function capSplices(request: InspectedRequest, members: readonly Member[], { tokens, line }: { tokens: number; line: PriceLine }): Splice[] {
	assert(Number.isSafeInteger(tokens) && tokens >= 1, "an output cap is a positive whole number");
	const present = members.filter((member) => CAP_FIELDS.includes(member.key));
	const splices = present.map((member) => replaceValue(member, String(tokens)));
	const enforced = capFieldOf(request, line);
	// Two cap fields at once are refused by providers, so one the caller gave is reused.
	if (present.length === 0) splices.push(setMember(request.body, members, enforced, String(tokens)));
	return [...splices, ...thinkingSplices(request, members, tokens)];
}

/** `thinking.budget_tokens` must stay below `max_tokens` (messages.d.ts of @anthropic-ai/sdk 1.12.0). */
function thinkingSplices(request: InspectedRequest, members: readonly Member[], tokens: number): Splice[] {
	const budgetTokens = factsOf(request).thinkingBudgetTokens;
	if (budgetTokens === undefined || budgetTokens < tokens) return [];
	const thinking = members.find((member) => member.key === "thinking");
	assert(thinking !== undefined, "a thinking budget stands in a thinking field");
	const budget = scanMembers(request.body, thinking.valueStart, thinking.valueEnd).find((member) => member.key === "budget_tokens");
	assert(budget !== undefined, "a thinking budget stands in budget_tokens");
	assert(tokens > THINKING_BUDGET_TOKENS_MIN, "a cap below the smallest thinking budget was not offered by the bound");
	return [replaceValue(budget, String(tokens - 1))];
}

function streamUsageSplices(request: InspectedRequest, members: readonly Member[]): Splice[] {
	if (request.endpoint !== "chat.completions" || !request.isStream || request.asksStreamUsage) return [];
	const options = members.find((member) => member.key === "stream_options");
	if (options === undefined) return [setMember(request.body, members, "stream_options", '{"include_usage":true}')];
	if (request.body[options.valueStart] !== OPEN_BRACE) return [replaceValue(options, '{"include_usage":true}')];
	const nested = scanMembers(request.body, options.valueStart, options.valueEnd);
	return [setMemberOf(nested, options.valueStart, "include_usage", "true")];
}

const OPEN_BRACE = 0x7b;

function setMember(body: Buffer, members: readonly Member[], key: string, value: string): Splice {
	return setMemberOf(members, body.indexOf(OPEN_BRACE), key, value);
}

/** Replaces the member's value, or inserts the member right after the object's opening brace. */
function setMemberOf(members: readonly Member[], objectStart: number, key: string, value: string): Splice {
	const present = members.find((member) => member.key === key);
	if (present !== undefined) return replaceValue(present, value);
	const separator = members.length === 0 ? "" : ",";
	return { start: objectStart + 1, end: objectStart + 1, text: `${JSON.stringify(key)}:${value}${separator}` };
}

function replaceValue(member: Member, text: string): Splice {
	return { start: member.valueStart, end: member.valueEnd, text };
}

function applySplices(body: Buffer, splices: readonly Splice[]): Buffer {
	if (splices.length === 0) return body;
	const pieces: Buffer[] = [];
	let at = 0;
	for (const splice of splices.toSorted((left, right) => left.start - right.start)) {
		pieces.push(body.subarray(at, splice.start), Buffer.from(splice.text, "utf8"));
		at = splice.end;
	}
	pieces.push(body.subarray(at));
	return Buffer.concat(pieces);
}
