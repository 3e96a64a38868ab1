import { type PlannedFlush, planFlushes } from "#domain/batching/collector-plan.ts";
import { collectorWord } from "#domain/batching/collector-reducer.ts";
import type { CollectorPicture, CollectorState } from "#domain/batching/collector-state.ts";
import { formatInstant } from "#domain/budget/window.ts";
import { formatUsd } from "#domain/money/wire.ts";
import { plain } from "../shared/details-text.ts";

/**
 * What the operator reads in the Temporal UI: Markdown, as JSON text at most 20,000 bytes (a server limit). At most 16 batches collect at a time. Its pane
 * shows some 15 lines and cuts wide tables: what can be done stands above the rest.
 */
const TEXT_SHOWN_MAX = 300;
const NAME_SHOWN_MAX = 80;
const MINUTE_MS = 60_000;

const WHY: Readonly<Record<PlannedFlush["reason"], string>> = {
	count: "it is full (items)",
	bytes: "it is full (bytes)",
	embedding_inputs: "it is full (inputs of embeddings)",
	enqueued_tokens: "the provider takes no more prompts at a time",
	latest_start: "an item's deadline leaves no more than a batch needs",
	real_time: "an item's deadline leaves no more than a call in real time needs",
	age: "its first item has waited long enough",
	quiet: "nothing came for a while",
	asked: "an operator wants it",
	ending: "the workflow is to end",
	no_batches_left: "the provider takes no more batches at the moment; asked again then",
	no_tokens_left: "the provider takes no more prompts at the moment; asked again then",
};

export function renderCollectorDetails(state: CollectorState, nowMs: number): string {
	const { teamId, deployment, model, endpoint } = state.scope;
	const [team, target, alias] = [teamId, deployment, model].map((text) => plain(text, NAME_SHOWN_MAX));
	const title = `## Items of team ${team} for ${target}: ${collectorWord(state)}`;
	if (state.picture === null) return [title, "", "Its rows were not read yet.", ...troubleLines(state)].join("\n");
	return [
		...[title, "", `Handed in alone for ${alias}, ${endpoint}; seen at ${formatInstant(state.readAtMs)}.`],
		...troubleLines(state),
		...["", 'To send what waits now: `flushNow` `{"by":"YOUR NAME"}`'],
		...[...waitingLines(state, state.picture, nowMs), ...flushLines(state), ...providerLines(state.picture)],
	].join("\n");
}

function troubleLines({ trouble, askedBy }: CollectorState): string[] {
	return [
		...(trouble === null ? [] : ["", `**Waits since ${formatInstant(trouble.atMs)} (${trouble.step}):** ${plain(trouble.message, TEXT_SHOWN_MAX)}`]),
		...(askedBy === null ? [] : ["", `${plain(askedBy, NAME_SHOWN_MAX)} wants everything to go now.`]),
	];
}

function waitingLines(state: CollectorState, { batches }: CollectorPicture, nowMs: number): string[] {
	if (batches.length === 0) return ["", `Nothing waits${state.emptySinceMs === null ? "" : ` since ${formatInstant(state.emptySinceMs)}`}.`];
	return ["", ...planFlushes(state, nowMs).map((planned) => waitingLine(planned))];
}

function waitingLine({ batch, atMs, reason }: PlannedFlush): string {
	const { items, firstArrivedAtMs, earliestDeadlineMs } = batch.tally;
	const since = firstArrivedAtMs === null ? "" : ` since ${formatInstant(firstArrivedAtMs)}`;
	const deadline = earliestDeadlineMs === null ? "no deadline" : `earliest deadline ${formatInstant(earliestDeadlineMs)}`;
	const held = `${formatUsd(BigInt(batch.heldNanoUsd))} USD held`;
	return `- \`${plain(batch.batchId, NAME_SHOWN_MAX)}\`: ${items} items wait${since}, ${held}, ${deadline}. At ${formatInstant(atMs)} at the latest: ${WHY[reason]}.`;
}

function flushLines({ lastFlush, flushes, flushedItems }: CollectorState): string[] {
	if (lastFlush === null) return [];
	const { atMs, batchId, items, reason } = lastFlush;
	return [
		"",
		`Last sent: \`${plain(batchId, NAME_SHOWN_MAX)}\` with ${items} items at ${formatInstant(atMs)}: ${WHY[reason]}. In all ${flushes} batches, ${flushedItems} items.`,
	];
}

function providerLines({ turnaround, batchesLeft, enqueuedTokens, limits }: CollectorPicture): string[] {
	const { quantileMs, source, samples, inFlight } = turnaround;
	const basis = source === "default" ? `nothing is known (${samples} batches ended lately)` : `${samples} batches that ended lately, ${inFlight} that run`;
	return [
		"",
		`Nine of ten of the provider's batches end within ${Math.round(quantileMs / MINUTE_MS)} minutes: ${basis}.`,
		...(batchesLeft === null ? [] : [`It takes ${batchesLeft} more within this hour.`]),
		...(limits.enqueuedTokensMax === null ? [] : [`Of ${limits.enqueuedTokensMax} prompt tokens that may wait there, ${enqueuedTokens} do.`]),
	];
}
