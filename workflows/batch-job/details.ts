import type { PartRecord } from "#domain/batching/batch-part.ts";
import { driveOf, type JobBatch, type JobPicture, type JobState, jobWord } from "#domain/batching/job-state.ts";
import { formatInstant } from "#domain/budget/window.ts";
import { formatUsd } from "#domain/money/wire.ts";
import { plain } from "../shared/details-text.ts";

/**
 * What the operator reads in the Temporal UI: Markdown, as JSON text at most 20,000 bytes (a server limit). The UI shows some ten lines of it
 * and scrolls to the rest, so what can be done stands before the parts.
 */
const ID_LENGTH_MAX = 128;
const TEXT_SHOWN_MAX = 300;
const NAME_SHOWN_MAX = 80;
const PARTS_SHOWN_MAX = 30;
const DOUBLES_SHOWN_MAX = 5;
const DOUBLES = { found: "it is to be cancelled", cancelled: "its cancellation was asked for", settled: "what it billed is booked" } as const;

export function renderBatchDetails(state: JobState): string {
	const { picture } = state;
	const title = `## Batch ${plain(state.batchId, ID_LENGTH_MAX)} of team ${plain(state.teamId, NAME_SHOWN_MAX)}: ${jobWord(state)}`;
	if (picture === null) return [title, "", "Its rows were not read yet."].join("\n");
	return [title, ...troubleLines(state), ...totalLines(state, picture), ...actionLines(state, picture), ...partLines(state, picture)].join("\n");
}

function troubleLines({ trouble, doubles }: JobState): string[] {
	return [
		...(trouble === null ? [] : ["", `**Waits since ${formatInstant(trouble.atMs)} (${trouble.step}):** ${plain(trouble.message, TEXT_SHOWN_MAX)}`]),
		...doubles
			.slice(-DOUBLES_SHOWN_MAX)
			.map(
				({ providerBatchId, part, phase }) =>
					`\n**A second provider batch of part ${part}:** \`${plain(providerBatchId, NAME_SHOWN_MAX)}\`, ${DOUBLES[phase]}.`,
			),
	];
}

function totalLines(state: JobState, { batch }: JobPicture): string[] {
	const { counts, items } = batch;
	const counted = (["succeeded", "errored", "expired", "cancelled", "open"] as const).filter((outcome) => counts[outcome] > 0);
	return [
		"",
		`${items - counts.open} of ${items} items ended: ${counted.map((outcome) => `${counts[outcome]} ${outcome}`).join(", ")}.`,
		`Held ${formatUsd(BigInt(batch.heldNanoUsd))} USD, settled ${formatUsd(BigInt(batch.settledNanoUsd))} USD; model ${plain(batch.model, NAME_SHOWN_MAX)} of ${plain(batch.provider, NAME_SHOWN_MAX)}, since ${formatInstant(batch.createdAtMs)}.`,
		...(batch.problem === null ? [] : [`Problem: ${plain(batch.problem, TEXT_SHOWN_MAX)}`]),
		...(batch.cancelAskedAtMs === null ? [] : [`Its end was asked for at ${formatInstant(batch.cancelAskedAtMs)}.`]),
		`Retries: ${state.retries}.${state.unresolved > 0 ? ` Charged at their bounds, because nobody knows what they cost: ${state.unresolved} items.` : ""}${state.unknownLines > 0 ? ` Results that name no item of it: ${state.unknownLines}.` : ""}`,
		...(batch.origin === "collected" && !isOver(batch) ? ["Its items were handed in alone: each goes with a batch or in real time, by its own deadline."] : []),
		...(batch.origin === "collected" || isOver(batch) ? [] : ruleLines(batch)),
		...(isOver(batch) ? [] : [timeLeft(state, batch)]),
	];
}

function ruleLines({ rules: { mayResubmit, mayRelane } }: JobBatch): string[] {
	if (mayResubmit && mayRelane) return ["What the provider leaves undone goes into another batch, once, and then in real time."];
	if (mayRelane) return ["What the provider leaves undone goes in real time."];
	return mayResubmit ? ["What the provider leaves undone goes into another batch, once."] : [];
}

function timeLeft(state: JobState, { deadlineMs }: JobBatch): string {
	const expiries = state.drives.flatMap(({ status }) => status?.expiresAtMs ?? []);
	const ends = [
		...(deadlineMs === null ? [] : [`it is wanted by ${formatInstant(deadlineMs)}`]),
		...(expiries.length === 0 ? [] : [`the provider gives it up at ${formatInstant(Math.max(...expiries))}`]),
	];
	return ends.length === 0 ? "Time left: as the provider takes." : `Time left: ${ends.join("; ")}.`;
}

function partLines(state: JobState, { parts }: JobPicture): string[] {
	if (parts.length === 0) return ["", "No part was written yet."];
	const shown = parts.slice(-PARTS_SHOWN_MAX);
	const hidden = parts.length - shown.length;
	return [
		"",
		"| part | state | items | at the provider | done there | next look |",
		"| ---: | --- | ---: | --- | ---: | --- |",
		...shown.map((record) => partRow(state, record)),
		...(hidden > 0 ? ["", `${hidden} earlier parts.`] : []),
	];
}

function partRow(state: JobState, { part, state: partState, items, lane, providerBatchId }: PartRecord): string {
	const drive = driveOf(state, part);
	const { status, dueAtMs, isCertain } = drive;
	const id =
		lane === "real_time" ? "real time" : providerBatchId === null ? "–" : `\`${plain(providerBatchId, NAME_SHOWN_MAX)}\`${isCertain ? "" : " (perhaps)"}`;
	const done = status === null || status.total === 0 ? "–" : `${status.succeeded + status.failed} of ${status.total}`;
	const isOver = partState === "collected" || partState === "failed";
	return `| ${part} | ${partState} | ${items} | ${id} | ${done} | ${isOver || dueAtMs === 0 ? "–" : formatInstant(dueAtMs)} |`;
}

function actionLines({ batchId }: JobState, { batch }: JobPicture): string[] {
	const show = `\`npx tollgate batch show ${plain(batchId, ID_LENGTH_MAX)}\``;
	if (isOver(batch)) return ["", `It is over: nothing is left to do. The same without Temporal: ${show}.`];
	return [
		"",
		"What can be done:",
		"", // without it the Temporal UI sees no list
		'- end it: `cancelBatch` `{"by":"YOUR NAME"}`',
		'- try at once what waits: signal `batchChanged` `{"retriesNow":true}`',
		`- without Temporal: ${show}`,
	];
}

function isOver({ state }: JobBatch): boolean {
	return ["completed", "expired", "cancelled", "failed"].includes(state);
}
