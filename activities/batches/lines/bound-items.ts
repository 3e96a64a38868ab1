import type { PricedDeployment } from "#activities/providers/port.ts";
import { checkReferences, type ReferenceCheck } from "#activities/request/check-references.ts";
import type { TeamPolicy } from "#activities/request/port.ts";
import type { BatchEndpoint, HeldItem } from "#domain/batching/batch.ts";
import { checkLine, type FieldProblem, type RequestLine } from "#domain/batching/check-line.ts";
import { dearestLane } from "#domain/batching/dearest-lane.ts";
import { BODY_FIELDS, type LineForm, type LineProblems, ProblemList } from "#domain/batching/line-problem.ts";
import { withModel } from "#domain/batching/render-line.ts";
import { boundRequest } from "#domain/bound/bound-request.ts";
import type { FieldTable } from "#domain/bound/field-table.ts";
import { hasTools } from "#domain/bound/has-tools.ts";
import { inspectRequest } from "#domain/bound/inspect-request.ts";
import type { Bound, BoundResult, InspectedRequest, RequestProblem } from "#domain/bound/request.ts";
import { applyCaps, type CapProblem, capsFor } from "#domain/limits/caps.ts";
import { FairTurns } from "./fair-turns.ts";
import { type LineLimits, readLines } from "./read-lines.ts";

/**
 * The most each item of a stored batch can cost, proven as for a call (money-path §2) but for two things: an item is billed at the batch
 * prices alone, unless it may go in real time, and nothing lowers its output afterwards, so what a cap of the team would lower is refused.
 */
export type ItemRules = LineLimits & {
	readonly form: LineForm;
	/** What the first request asks for (`readFirstRequest`); all others must too. */
	readonly endpoint: BatchEndpoint;
	readonly model: string;
	readonly candidate: PricedDeployment;
	/** Of the endpoint. */
	readonly fieldTable: FieldTable;
	readonly policy: TeamPolicy;
	readonly teamId: string;
	/** Attributed, for the caps. */
	readonly feature: string | null;
	/** Whose earlier answers are. */
	readonly authority: ReferenceCheck["authority"];
	/** What its batch leaves undone of it goes in real time: the dearer of both lanes is held. Default no. */
	readonly mayGoRealTime?: boolean;
	/** Values of the `anthropic-beta` header the batch came with (default none). */
	readonly betas?: readonly string[];
};

export type BoundBatch =
	/** Sums over all items; `hasTools` where any of them has. */
	| {
			readonly kind: "bounded";
			readonly items: number;
			readonly nanoUsd: bigint;
			readonly tokens: number;
			readonly inputTokens: number;
			readonly hasTools: boolean;
	  }
	/** What was taken before the first problem is to be abandoned. */
	| { readonly kind: "refused"; readonly problems: LineProblems };

const BATCH_TIER = ["batch"] as const;
const ITEMS_AT_ONCE = 1_000;

/** Hands items on in order, a thousand at a time, until the first problem; from then on it only looks for more of them. */
export async function boundItems(
	stored: AsyncIterable<Uint8Array>,
	rules: ItemRules,
	take: (items: readonly HeldItem[]) => Promise<void>,
): Promise<BoundBatch> {
	const turns = new FairTurns();
	const problems = new ProblemList();
	const sum: Sum = { items: 0, nanoUsd: 0n, tokens: 0, inputTokens: 0, hasTools: false };
	let ready: HeldItem[] = [];
	for await (const read of readLines(stored, rules)) {
		if (turns.isOver) await turns.next();
		// Empty lines stand at the end alone: a file with others was not stored.
		if (read.kind === "empty") continue;
		const bounded = read.kind === "line" ? await boundLine(read.line, read.bytes, rules) : unreadable(read.kind);
		if ("problems" in bounded) for (const problem of bounded.problems) problems.add({ line: read.line, ...problem });
		else {
			add(sum, bounded);
			ready.push(bounded.item);
		}
		if (!problems.isEmpty) ready = [];
		if (ready.length < ITEMS_AT_ONCE) continue;
		await take(ready);
		ready = [];
	}
	if (!problems.isEmpty) return { kind: "refused", problems: problems.problems };
	if (ready.length > 0) await take(ready);
	return { kind: "bounded", ...sum };
}

type Sum = { items: number; nanoUsd: bigint; tokens: number; inputTokens: number; hasTools: boolean };

function add(sum: Sum, { item, hasTools }: BoundedLine): void {
	sum.items += 1;
	sum.nanoUsd += item.boundNanoUsd;
	sum.tokens += item.boundTokens;
	sum.inputTokens += item.boundInputTokens;
	sum.hasTools ||= hasTools;
}

/** What a stored batch asks for, by its first request; undefined where that one cannot be read, which no stored one is. */
export async function readFirstRequest(
	stored: AsyncIterable<Uint8Array>,
	{ form, ...limits }: LineLimits & { readonly form: LineForm },
): Promise<Pick<RequestLine, "endpoint" | "model"> | undefined> {
	for await (const read of readLines(stored, limits)) {
		const checked = read.kind === "line" ? checkLine(read.bytes, form) : undefined;
		return checked?.kind === "valid" ? { endpoint: checked.request.endpoint, model: checked.request.model } : undefined;
	}
	return undefined;
}

type BoundedLine = { readonly item: HeldItem; readonly hasTools: boolean };
type Refused = { readonly problems: readonly FieldProblem[] };

async function boundLine(n: number, bytes: Buffer, rules: ItemRules): Promise<BoundedLine | Refused> {
	const checked = checkLine(bytes, rules.form);
	if (checked.kind === "invalid") return { problems: checked.problems };
	const { request } = checked;
	const { candidate, endpoint } = rules;
	if (request.endpoint !== endpoint || request.model !== rules.model)
		return refuse("must be what the first request of the batch asks for: one endpoint, one model");
	const inspection = inspectRequest(endpoint, request.body, rules.fieldTable, { unknownFields: rules.policy.unknownFields, anthropicBeta: rules.betas ?? [] });
	if (inspection.kind === "rejected") return ofBody(inspection.problem, rules.form);
	const references = await checkReferences(inspection.request, rules);
	if (references !== undefined) return ofBody(references, rules.form);
	const bounds: Bound[] = [];
	for (const bounded of boundLanes(inspection.request, rules)) {
		if (bounded.kind === "unbounded") return ofBody(bounded.problem, rules.form);
		const overCap = capProblem(bounded.bound, rules);
		if (overCap !== undefined) return ofBody(overCap, rules.form);
		bounds.push(bounded.bound);
	}
	const { customId, embeddingInputs } = request;
	const sent = withModel(request.body, candidate.deployment.model);
	const item = { n, customId, ...dearestLane(bounds).amounts, embeddingInputs, bytes: sent.length };
	return { item, hasTools: hasTools(inspection.request) };
}

/** With a batch, and in real time where it may go so. */
function boundLanes(request: InspectedRequest, { candidate, policy, mayGoRealTime = false }: ItemRules): readonly BoundResult[] {
	const { defaultTiers, tokenPermille, enforcedCapFields } = candidate.deployment;
	const { clampFloorTokens, clampFloorReasoningTokens } = policy;
	const options = { clampFloorTokens, clampFloorReasoningTokens, defaultTiers, tokenPermille, ...(enforcedCapFields && { enforcedCapFields }) };
	const withBatch = boundRequest(request, candidate.line, { ...options, onlyTiers: BATCH_TIER });
	return mayGoRealTime ? [withBatch, boundRequest(request, candidate.line, options)] : [withBatch];
}

/** Caps per call hold for an item. What they would lower in real time has no floor here: nobody would write the lower cap into the stored body. */
function capProblem(bound: Bound, { policy, teamId, feature }: ItemRules): CapProblem | undefined {
	const caps = policy.limits?.caps;
	if (caps === undefined) return undefined;
	const { inputTokens, outputTokens, nanoUsd, tokens, reach } = bound;
	const unclamped: Bound = {
		inputTokens,
		outputTokens,
		nanoUsd,
		tokens,
		reach,
		clampFloorTokens: undefined,
		at: () => ({ nanoUsd, tokens }),
		clampTo: () => undefined,
	};
	const verdict = applyCaps(unclamped, teamId, capsFor(caps, feature));
	return verdict.kind === "exceeded" ? verdict.problem : undefined;
}

/** A problem of the body as one of the line. */
function ofBody({ code, message, field, evidence }: RequestProblem & Partial<Pick<CapProblem, "evidence">>, form: LineForm): Refused {
	const text = field !== undefined && message.startsWith(`${field}: `) ? message.slice(field.length + 2) : message;
	const path = field === undefined ? BODY_FIELDS[form] : `${BODY_FIELDS[form]}.${field}`;
	return { problems: [{ field: path, code, message: text, ...(evidence && { evidence }) }] };
}

function unreadable(kind: "too_long" | "not_utf8"): Refused {
	return refuse(kind === "too_long" ? "is longer than a request may be" : "is not valid UTF-8");
}

function refuse(message: string): Refused {
	return { problems: [{ field: null, code: "batch.line_invalid", message }] };
}
