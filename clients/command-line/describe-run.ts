import { amountText, CEILING_KINDS } from "#domain/agents/ceilings.ts";
import type { AgentRunItem, AgentRunView } from "../administration-client.ts";
import { amount, cell, table } from "./output.ts";

/** Agent runs for a person: what stands, why, and what can be done. */
export function runTable(runs: readonly AgentRunItem[]): string {
	return table(
		["RUN", "TEAM", "STATE", "COST", "STEPS", "OPENED", "WHY"],
		runs.map(({ runId, teamId, state, costNanoUsd, steps, openedAt, hold }) => [
			runId,
			teamId,
			state,
			amount(costNanoUsd),
			String(steps),
			openedAt,
			hold === null ? "-" : `${hold.guard}${hold.ofRunId === runId ? "" : ` of ${hold.ofRunId}`}`,
		]),
	);
}

export function describeRun(run: AgentRunView): string {
	const blocks = [
		headOf(run),
		table(["CEILING", "OF", "AT", "TAKEN", "USED"], run.ceilings.map(ceilingRow)),
		...(run.steps.length === 0 ? [] : [stepsOf(run)]),
		table(["TIME", "EVENT", "BY", "WHY"], run.events.map(eventRow)),
		...actionsOf(run),
	];
	return blocks.join("\n\n");
}

function headOf(run: AgentRunView): string {
	const { runId, teamId, origin, state, hold, totals, rootRunId, parentRunId } = run;
	const calls = Object.values(totals.toolCalls).reduce((sum, count) => sum + count, 0);
	const children = run.children === 0 ? "" : `, ${run.children} child runs counted in`;
	return [
		`${runId} of team ${teamId}: ${state}${hold === null ? "" : ` by ${hold.guard}${hold.ofRunId === runId ? "" : ` of ${hold.ofRunId}`}`}`,
		...(hold === null
			? []
			: [
					`  why      ${hold.evidence} (measured ${hold.measured}, line ${hold.threshold})`,
					`  held     by ${hold.by} since ${cell(run.heldAt)}${hold.pauseId === null ? "" : `, ${hold.pauseId}`}${run.endsAt === null ? "" : `; becomes a stop ${run.endsAt}`}`,
				]),
		`  opened   ${run.openedAt} (${origin})${parentRunId === null ? "" : `, below ${parentRunId}${parentRunId === rootRunId ? "" : `, root ${rootRunId}`}`}`,
		`  spent    ${amount(totals.costNanoUsd)} in ${totals.steps} steps, ${totals.inputTokens} input and ${totals.outputTokens} output tokens, ${calls} tool calls${children}`,
		`  version  ${run.version}`,
	].join("\n");
}

function ceilingRow({ kind, tool, ofRunId, at, taken, isSoft }: AgentRunView["ceilings"][number]): string[] {
	const used = at === "0" ? "-" : `${(BigInt(taken) * 100n) / BigInt(at)} %`;
	return [[kind, ...(tool === undefined ? [] : [tool]), ...(isSoft ? ["(soft)"] : [])].join(" "), ofRunId, amountOf(kind, at), amountOf(kind, taken), used];
}

/** A kind of a newer release is shown as it counts. */
function amountOf(kind: string, value: string): string {
	const known = CEILING_KINDS.find((other) => other === kind);
	return known === undefined ? value : amountText(known, BigInt(value));
}

function stepsOf({ steps, totals }: AgentRunView): string {
	return `Last ${steps.length} of ${totals.steps} steps:\n${table(
		["TIME", "MODEL", "TOKENS", "COST", "OUTCOME", "REQUEST"],
		steps.map((step) => [step.at, step.model, String(step.tokens), amount(step.costNanoUsd), step.outcome, step.requestId]),
	)}`;
}

function eventRow({ at, kind, detail }: AgentRunView["events"][number]): string[] {
	const text = (field: string): string => (typeof detail[field] === "string" ? detail[field] : "");
	const guard = text("guard");
	return [at, guard === "" ? kind : `${kind} (${guard})`, cell(text("by")), cell(text("reason") || text("evidence"))];
}

function actionsOf({ runId, state, hold }: AgentRunView): string[] {
	if (state === "finished") return [];
	const command = (words: string): string => `npx tollgate run ${words} --reason WHY`;
	if (state === "running" || hold === null) return [`Stop it: ${command(`stop ${runId}`)}`];
	const isCeiling = hold.guard.startsWith("ceiling.");
	const raise = isCeiling && hold.ofRunId !== runId ? [`Raise what holds it: ${command(`raise ${hold.ofRunId} --usd USD`)}`] : [];
	const go = isCeiling ? command(`resume ${runId} --approve-usd USD`) : command(`resume ${runId}`);
	return [
		[...raise, ...(raise.length > 0 ? [] : [`Let it go on: ${go}`]), ...(state === "stopped" ? [] : [`Stop it: ${command(`stop ${runId}`)}`])].join("\n"),
	];
}
