import type { NanoUsd } from "../money/nano-usd.ts";

/**
 * A run as it is seen from outside: what passes the gateway, in the words of no protocol. A step is one model call; an exchange is one
 * tool call of an answer together with the result that a later request brings back.
 */

export type ToolCall = {
	/** Id that ties a result to its call; "" where the protocol gave none. */
	readonly callId: string;
	readonly tool: string;
	/** As the model wrote them: JSON text, or free text for tools that take any. */
	readonly argsText: string;
};

/** One for all who made none. */
export const NO_CALLS: readonly ToolCall[] = [];

export type ToolResult = { readonly callId: string; readonly observation: string; readonly isError: boolean };

/** What detection looks at, in the order in which results came back. */
export type ToolExchange = {
	/** Who acted in the tree of agents; "" where a run has one agent. */
	readonly agent: string;
	readonly tool: string;
	readonly argsText: string;
	/** undefined: the tool brought nothing back, which counts as an error. */
	readonly observation: string | undefined;
	readonly isError: boolean;
	/** Cost of the step that made the call, shared among its calls; 0n = not known. */
	readonly costNanoUsd: NanoUsd;
	/** Input and output tokens of that step, with one of its exchanges; 0 with the others and where they are not known. */
	readonly tokens: number;
	/** Milliseconds since the run's exchange before; left out where they are not known. */
	readonly sinceLastMs?: number | undefined;
};

/** One model call of a run, as ceilings count it. */
export type RunStep = {
	readonly costNanoUsd: NanoUsd;
	readonly inputTokens: number;
	readonly outputTokens: number;
	/** Bytes of the answer's body. */
	readonly outputBytes: number;
	/** Names of the tools its answer calls, one per call. */
	readonly toolNames: readonly string[];
};
