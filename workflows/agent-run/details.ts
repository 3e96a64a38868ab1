import { amountText } from "#domain/agents/ceilings.ts";
import { pauseEndsAtMs } from "#domain/agents/run-governance.ts";
import { type RunGovernanceState, runWord } from "#domain/agents/run-governance-state.ts";
import type { RunEventRow, RunSnapshot, RunStepRow, StandingCeiling } from "#domain/agents/run-snapshot.ts";
import { formatInstant } from "#domain/budget/window.ts";
import { formatUsd } from "#domain/money/wire.ts";
import { plain } from "../shared/details-text.ts";

/** What the operator reads in the Temporal UI: Markdown, as JSON text at most 20,000 bytes (a server limit). */
const EVENTS_SHOWN_MAX = 8;
const NAME_SHOWN_MAX = 40;
/** Whole: they are pasted. */
const ID_LENGTH_MAX = 128;
const EVIDENCE_SHOWN_MAX = 400;
const TEXT_SHOWN_MAX = 80;
const BYTES_MAX = 19_500;
/** Steps give way first, then ceilings. */
const SHOWN = [20, 10, 5, 0].map((steps) => ({ steps, ceilings: 24 })).concat({ steps: 0, ceilings: 8 }, { steps: 0, ceilings: 2 });

export function renderRunDetails(state: RunGovernanceState): string {
	const { snapshot } = state;
	const title = [`## Run ${runId(state.runId)} of team ${name(state.teamId)}: ${runWord(state)}`];
	if (snapshot === null) return [...title, "", "Nothing was told of this run yet."].join("\n");
	const head = [...title, ...holdLines(snapshot), ...refusedLines(state), ...actionLines(snapshot), ...totalLines(snapshot)];
	const tail = [...eventLines(snapshot), "", `Version ${name(snapshot.run.version)}.`];
	for (const { ceilings, steps } of SHOWN) {
		const text = [...head, ...ceilingLines(snapshot, ceilings), ...stepLines(snapshot, steps), ...tail].join("\n");
		if (bytesOf(text) <= BYTES_MAX) return text;
	}
	return [...head, ...tail].join("\n");
}

function holdLines(snapshot: RunSnapshot): string[] {
	const { hold, state } = snapshot.run;
	if (hold === null) return [];
	const since = snapshot.heldAtMs == null ? "" : ` since ${formatInstant(snapshot.heldAtMs)}`;
	const whose = hold.ofRunId === snapshot.run.runId ? "" : ` of run ${runId(hold.ofRunId)}`;
	const ends = state === "paused" ? ` Unless somebody answers, it becomes a stop at ${formatInstant(pauseEndsAtMs(snapshot))}.` : "";
	return [
		"",
		`**${name(hold.guard)}${whose}:** ${plain(hold.evidence, EVIDENCE_SHOWN_MAX)} (measured ${name(hold.measured)}, line ${name(hold.threshold)}).`,
		`Held by ${name(hold.by)}${since}.${ends}`,
	];
}

function refusedLines({ refused }: RunGovernanceState): string[] {
	if (refused === null) return [];
	return ["", `**Not carried out:** ${refused.decision} by ${name(refused.by)}: ${plain(refused.problem, EVIDENCE_SHOWN_MAX)}`];
}

/** Updates to paste; what cannot be done now is not offered. */
function actionLines({ run }: RunSnapshot): string[] {
	if (run.state === "finished") return [];
	const by = '"by":"YOUR NAME","reason":"WHY"';
	const held = run.state !== "running";
	return [
		"",
		"What can be done; amounts are new totals, money in nano-USD:",
		"", // without it the Temporal UI sees no list
		...(held ? [`- go on: \`resumeRun\` \`{${by}}\``, `- go on with more: \`approveMore\` \`{"limits":{"costNanoUsd":"10000000000"},${by}}\``] : []),
		`- raise a ceiling: \`raiseRun\` \`{"limits":{"steps":500},${by}}\``,
		...(run.state === "stopped" ? [] : [`- stop: \`stopRun\` \`{${by}}\``]),
		`- without Temporal: \`npx tollgate run show ${runId(run.runId)}\``,
	];
}

function totalLines({ run, rootRunId, parentRunId, openedAtMs, totals }: RunSnapshot): string[] {
	const calls = Object.values(totals.toolCalls).reduce((sum, count) => sum + count, 0);
	const tree = parentRunId === null ? "" : ` Below ${runId(parentRunId)}${parentRunId === rootRunId ? "" : `, root ${runId(rootRunId)}`}.`;
	const children = run.children === 0 ? "" : ` ${run.children} child runs, counted in.`;
	return [
		"",
		`Spent ${formatUsd(BigInt(totals.costNanoUsd))} USD in ${totals.steps} steps, ${totals.inputTokens} input and ${totals.outputTokens} output tokens, ${calls} tool calls, since ${formatInstant(openedAtMs)} (${name(run.origin)}).${tree}${children}`,
	];
}

function ceilingLines({ run, ceilings }: RunSnapshot, most: number): string[] {
	if (ceilings.length === 0) return ["", "No ceiling is stated: the team's budgets hold alone."];
	const hidden = ceilings.length - most;
	return [
		"",
		"| ceiling | at | taken | used |",
		"| --- | ---: | ---: | ---: |",
		...ceilings.slice(0, most).map((ceiling) => ceilingRow(ceiling, run.runId)),
		...(hidden > 0 ? ["", `${hidden} more ceilings.`] : []),
	];
}

function ceilingRow({ ofRunId, kind, tool, at, taken, isSoft }: StandingCeiling, ownId: string): string {
	const what = [kind, ...(tool === undefined ? [] : [name(tool)]), ...(ofRunId === ownId ? [] : [`of ${runId(ofRunId)}`]), ...(isSoft ? ["(soft)"] : [])].join(
		" ",
	);
	const used = at === "0" ? "–" : `${(BigInt(taken) * 100n) / BigInt(at)} %`;
	return `| ${what} | ${amountText(kind, BigInt(at))} | ${amountText(kind, BigInt(taken))} | ${used} |`;
}

function stepLines({ steps, totals }: RunSnapshot, most: number): string[] {
	const shown = most === 0 ? [] : steps.slice(-most);
	if (shown.length === 0) return [];
	return [
		"",
		`Last ${shown.length} of ${totals.steps} steps:`,
		"",
		"| time | model | tokens | cost | outcome | request |",
		"| --- | --- | ---: | ---: | --- | --- |",
		...shown.map(stepRow),
	];
}

function stepRow({ atMs, model, tokens, costNanoUsd, outcome, requestId }: RunStepRow): string {
	const cells = [formatInstant(atMs), name(model), String(tokens), `${formatUsd(BigInt(costNanoUsd))} USD`, name(outcome), `\`${name(requestId)}\``];
	return `| ${cells.join(" | ")} |`;
}

function eventLines({ events }: RunSnapshot): string[] {
	const shown = events.slice(-EVENTS_SHOWN_MAX);
	return shown.length === 0 ? [] : ["", "What happened:", "", ...shown.map(eventLine)];
}

function eventLine({ atMs, kind, detail }: RunEventRow): string {
	const text = (field: string): string => (typeof detail[field] === "string" ? plain(detail[field], TEXT_SHOWN_MAX) : "");
	const guard = text("guard") === "" ? "" : ` (${text("guard")})`;
	const by = text("by") === "" ? "" : ` by ${text("by")}`;
	const why = text("reason") || text("evidence");
	return `- ${formatInstant(atMs)} ${name(kind)}${guard}${by}${why === "" ? "" : `: ${why}`}`;
}

function name(text: string): string {
	return plain(text, NAME_SHOWN_MAX);
}

function bytesOf(text: string): number {
	return new TextEncoder().encode(JSON.stringify(text)).length;
}

function runId(text: string): string {
	return plain(text, ID_LENGTH_MAX);
}
