import type { NanoUsd } from "../money/nano-usd.ts";
import type { Turn } from "./read-turn.ts";
import type { ToolCall, ToolExchange } from "./run-event.ts";
import { hashToken, mixHash } from "./token-scanner.ts";

/** The step that made a turn's calls, as its run's gateway remembers it. */
export type CallingStep = {
	readonly agent: string;
	readonly costNanoUsd: NanoUsd;
	/** Input and output together. */
	readonly tokens: number;
	/** Calls of its answer, for bodies that do not repeat them. */
	readonly calls: readonly ToolCall[];
	/** Milliseconds between it and the run's step before; left out where they are not known. */
	readonly sinceLastMs?: number | undefined;
};

const UNKNOWN_TOOL = "(unknown tool)";

/** A turn as detection takes it: each result with its call, the step's cost shared among them, its tokens with the first. */
export function exchangesOf({ results }: Turn, { agent, costNanoUsd, tokens, calls, sinceLastMs }: CallingStep): readonly ToolExchange[] {
	const share = results.length === 1 ? costNanoUsd : results.length === 0 ? 0n : costNanoUsd / BigInt(results.length);
	const exchanges: ToolExchange[] = [];
	for (const { callId, observation, isError, call } of results) {
		const made = call ?? calls.find((remembered) => remembered.callId === callId);
		const isFirst = exchanges.length === 0;
		exchanges.push({
			agent,
			tool: made?.tool ?? UNKNOWN_TOOL,
			argsText: made?.argsText ?? "",
			observation,
			isError,
			costNanoUsd: share,
			tokens: isFirst ? tokens : 0,
			sinceLastMs: isFirst ? sinceLastMs : undefined,
		});
	}
	return exchanges;
}

/** Equal for the same turn sent again, as clients do after an error: it is observed once. Never 0. */
export function turnKey({ results, messages }: Turn): number {
	return turnKeyOf(
		results.map(({ callId }) => callId),
		messages,
	);
}

/** The same, of the ids of the calls that its results answer. */
export function turnKeyOf(callIds: readonly string[], messages: number): number {
	let key = mixHash(messages, callIds.length);
	for (const callId of callIds) key = mixHash(key, hashToken(callId));
	return key || 1;
}
