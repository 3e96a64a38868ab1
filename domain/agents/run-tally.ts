import type { RunTally } from "./ceilings.ts";
import type { RunStep } from "./run-event.ts";

/** Tools that are counted each by itself, beside those that a ceiling names; a run that names ever new ones has the rest counted together. */
export const TOOLS_COUNTED_MAX = 64;
export const OTHER_TOOLS = "(other tools)";

const NO_TOOLS: ReadonlySet<string> = new Set();

export function emptyTally(depth: number): RunTally {
	return {
		costNanoUsd: 0n,
		inputTokens: 0,
		outputTokens: 0,
		steps: 0,
		outputBytes: 0,
		elapsedMs: 0,
		toolCalls: {},
		depth,
		width: 0,
		contextGrowthTokens: 0,
		lastInputTokens: 0,
	};
}

/** The tally after one more step; `named` are tools that have a ceiling of their own. */
export function foldStep(tally: RunTally, step: RunStep, named: ReadonlySet<string> = NO_TOOLS): RunTally {
	const isFirst = tally.steps === 0;
	return {
		...tally,
		costNanoUsd: tally.costNanoUsd + step.costNanoUsd,
		inputTokens: tally.inputTokens + step.inputTokens,
		outputTokens: tally.outputTokens + step.outputTokens,
		steps: tally.steps + 1,
		outputBytes: tally.outputBytes + step.outputBytes,
		toolCalls:
			step.toolNames.length === 0
				? tally.toolCalls
				: addCalls(
						tally.toolCalls,
						step.toolNames.map((name) => [name, 1]),
						named,
					),
		contextGrowthTokens: isFirst ? 0 : Math.max(0, step.inputTokens - tally.lastInputTokens),
		lastInputTokens: step.inputTokens,
	};
}

/** A run's own tally with those of its children: sums what is taken together, keeps what each run has for itself. */
export function addTallies(own: RunTally, children: readonly RunTally[]): RunTally {
	return children.reduce(addTally, own);
}

function addTally(sum: RunTally, child: RunTally): RunTally {
	return {
		costNanoUsd: sum.costNanoUsd + child.costNanoUsd,
		inputTokens: sum.inputTokens + child.inputTokens,
		outputTokens: sum.outputTokens + child.outputTokens,
		steps: sum.steps + child.steps,
		outputBytes: sum.outputBytes + child.outputBytes,
		toolCalls: addCalls(sum.toolCalls, Object.entries(child.toolCalls)),
		elapsedMs: sum.elapsedMs,
		depth: sum.depth,
		width: sum.width,
		contextGrowthTokens: sum.contextGrowthTokens,
		lastInputTokens: sum.lastInputTokens,
	};
}

/** Under which name a tool's calls are counted. */
export function counterOf(counted: Readonly<Record<string, number>>, tool: string, named: ReadonlySet<string> = NO_TOOLS): string {
	return Object.hasOwn(counted, tool) || named.has(tool) || Object.keys(counted).length < TOOLS_COUNTED_MAX ? tool : OTHER_TOOLS;
}

function addCalls(
	counted: Readonly<Record<string, number>>,
	added: readonly (readonly [string, number])[],
	named: ReadonlySet<string> = NO_TOOLS,
): Readonly<Record<string, number>> {
	const [only] = added;
	if (only !== undefined && added.length === 1 && Object.hasOwn(counted, only[0])) return { ...counted, [only[0]]: (counted[only[0]] ?? 0) + only[1] };
	const calls = new Map(Object.entries(counted));
	for (const [name, count] of added) {
		const counter = calls.has(name) || named.has(name) || calls.size < TOOLS_COUNTED_MAX ? name : OTHER_TOOLS;
		calls.set(counter, (calls.get(counter) ?? 0) + count);
	}
	return Object.fromEntries(calls);
}
