import { observeExchange } from "#domain/agents/loop-detector.ts";
import { createLoopMemory } from "#domain/agents/loop-memory.ts";
import type { ToolExchange } from "#domain/agents/run-event.ts";
import type { GuardVerdict } from "#domain/agents/verdict.ts";
import type { CorpusEvent, CorpusRun } from "./corpus-run.ts";

export function toExchange({ tool, args, observation, isError, costNanoUsd, tokens }: CorpusEvent): ToolExchange {
	const argsText = typeof args === "string" ? args : JSON.stringify(args);
	return { agent: "", tool, argsText, observation: observation ?? undefined, isError, costNanoUsd: BigInt(costNanoUsd), tokens };
}

export type Replayed = { readonly warnings: readonly GuardVerdict[]; readonly stop: GuardVerdict | undefined };

/** What the detector alone says of a run, which ends at its first stop. */
export function replay(run: CorpusRun): Replayed {
	const memory = createLoopMemory();
	const warnings: GuardVerdict[] = [];
	for (const event of run.events) {
		const verdicts = observeExchange(memory, toExchange(event));
		const stop = verdicts.find(({ severity }) => severity === "stop");
		if (stop !== undefined) return { warnings, stop };
		warnings.push(...verdicts);
	}
	return { warnings, stop: undefined };
}
