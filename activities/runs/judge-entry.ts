import { type CeilingVerdict, judgeCeilings } from "#domain/agents/ceilings.ts";
import { degradedBy, type Serving, servedAsAsked } from "#domain/budget/degrade.ts";
import type { LiveRun } from "./live-run.ts";
import type { RunNode } from "./run-node.ts";

/** What the ceilings of a run, and of those above it, say before a step. */
export type EntryJudgement =
	| { readonly kind: "held"; readonly verdict: CeilingVerdict; readonly ofRun: RunNode }
	| { readonly kind: "goes_on"; readonly serving: Serving | undefined; readonly soft: readonly CeilingVerdict[] };

const NO_VERDICTS: readonly CeilingVerdict[] = [];
const GOES_ON: EntryJudgement = { kind: "goes_on", serving: undefined, soft: NO_VERDICTS };

/** `model` is the alias asked for. Of several hard ceilings one that ends the run goes first, then that of the run highest up. */
export function judgeEntry({ nodes, contextGrowthTokens }: LiveRun, model: string, nowMs: number): EntryJudgement {
	let soft: readonly CeilingVerdict[] = NO_VERDICTS;
	let held: Extract<EntryJudgement, { kind: "held" }> | undefined;
	for (let level = 0; level < nodes.length; level += 1) {
		const node = nodes[level];
		if (node === undefined || node.limits.ofSteps.length === 0) continue;
		const tally = node.tallyAt(nowMs, { depth: nodes.length - 1 - level, contextGrowthTokens });
		for (const verdict of judgeCeilings(node.limits.ofSteps, tally)) {
			if (verdict.severity === "warn" || verdict.severity === "degrade") soft = [...soft, verdict];
			else if (held === undefined || (verdict.severity === "stop" && held.verdict.severity === "pause")) held = { kind: "held", verdict, ofRun: node };
		}
	}
	if (held !== undefined) return held;
	return soft.length === 0 ? GOES_ON : { kind: "goes_on", serving: servingBy(soft, model), soft };
}

/** As the books hand a call on to another alias, but by no budget: what they keep of it says so. undefined: as asked. */
function servingBy(soft: readonly CeilingVerdict[], model: string): Serving | undefined {
	let serving = servedAsAsked(model);
	for (const { severity, degradeTo } of soft)
		if (severity === "degrade" && degradeTo !== undefined) serving = degradedBy([{ at: { amount: "0" }, degradeTo }], { budgetId: "", place: 1 }, serving);
	return serving.served === model ? undefined : { ...serving, applied: new Map() };
}
