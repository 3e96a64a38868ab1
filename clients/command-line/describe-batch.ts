import type { BatchItem, BatchView } from "../administration-client.ts";
import { amount, cell, table } from "./output.ts";

/** Batches for a person: how far they are, what they hold and have cost, and what can be done. */
export function batchTable(batches: readonly BatchItem[]): string {
	return table(
		["BATCH", "TEAM", "STATE", "MODEL", "ENDED", "HELD", "SETTLED", "CREATED", "PROBLEM"],
		batches.map((batch) => [
			batch.batchId,
			batch.teamId,
			batch.state,
			batch.model,
			endedOf(batch),
			amount(batch.heldNanoUsd),
			amount(batch.settledNanoUsd),
			batch.createdAt,
			cell(batch.problem),
		]),
	);
}

export function describeBatch(batch: BatchView): string {
	const parts = table(
		["PART", "STATE", "ITEMS", "AT THE PROVIDER", "DONE THERE", "SUBMITTED", "GIVEN UP"],
		batch.parts.map((part) => [
			String(part.part),
			part.state,
			String(part.items),
			cell(part.providerBatchId),
			cell(part.doneAtProvider),
			cell(part.submittedAt),
			cell(part.expiresAt),
		]),
	);
	return [headOf(batch), parts, ...actionsOf(batch)].join("\n\n");
}

/** One line of `--watch`: what changes while a batch goes on. */
export function progressLine(batch: BatchView): string {
	const doneAtProvider = batch.parts.reduce((sum, part) => sum + (part.state === "running" ? (part.doneAtProvider ?? 0) : 0), 0);
	const there = doneAtProvider === 0 ? "" : `, ${doneAtProvider} more done at the provider`;
	const waits = batch.progress?.trouble == null ? "" : `; waits (${batch.progress.trouble.step}): ${batch.progress.trouble.message}`;
	return `${batch.state}: ${endedOf(batch)} items ended${there}, held ${amount(batch.heldNanoUsd)}, settled ${amount(batch.settledNanoUsd)}${waits}`;
}

function ruleLines({ mayResubmit, mayRelane }: BatchView): string[] {
	if (mayResubmit && mayRelane)
		return ["  rule     unfinished items go into another batch, once, then in real time (batches.resubmit and batches.relane of its key)"];
	if (mayRelane) return ["  rule     unfinished items go in real time (batches.relane of its key)"];
	return mayResubmit ? ["  rule     unfinished items go into another batch, once (batches.resubmit of its key)"] : [];
}

function headOf(batch: BatchView): string {
	const { counts, progress } = batch;
	const byOutcome = (["succeeded", "errored", "expired", "cancelled", "open"] as const).filter((outcome) => counts[outcome] > 0);
	const isCollected = batch.origin === "collected";
	return [
		`${batch.batchId} of team ${batch.teamId}: ${batch.state}${isCollected && batch.state === "collecting" ? " items until its collector sends it" : ""}`,
		...(batch.problem === null ? [] : [`  problem  ${batch.problem}`]),
		...(progress?.trouble == null ? [] : [`  waits    since ${progress.trouble.since} (${progress.trouble.step}): ${progress.trouble.message}`]),
		`  items    ${endedOf(batch)} ended: ${byOutcome.map((outcome) => `${counts[outcome]} ${outcome}`).join(", ")}`,
		`  money    held ${amount(batch.heldNanoUsd)}, settled ${amount(batch.settledNanoUsd)}`,
		`  model    ${batch.model} (${batch.endpoint}) at ${batch.deployment}, with ${batch.keyId === null ? "a key for each item" : `key ${batch.keyId}`}`,
		...(isCollected
			? [`  alone    its items were handed in one by one: npx tollgate deferred list --team ${batch.teamId}`]
			: [`  files    input ${cell(batch.inputFileId)}, output ${cell(batch.outputFileId)}, errors ${cell(batch.errorFileId)}`]),
		...(isCollected ? [] : ruleLines(batch)),
		`  time     created ${batch.createdAt}, running since ${cell(batch.runningSince)}, ended ${cell(batch.endedAt)}${batch.cancelAskedAt === null ? "" : `, cancelled ${batch.cancelAskedAt}`}`,
		...(progress === null
			? []
			: [`  job      next ${progress.next}${progress.nextAt === null ? "" : ` until ${progress.nextAt}`}, ${progress.retries} retries`]),
		...(progress === null || progress.unresolved === 0
			? []
			: [`  unknown  ${progress.unresolved} items are charged at their bounds: nobody knows what they cost`]),
	].join("\n");
}

function endedOf({ items, counts }: Pick<BatchItem, "items" | "counts">): string {
	return `${items - counts.open} of ${items}`;
}

function actionsOf({ batchId, endedAt, progress, state, origin }: BatchView): string[] {
	// Its items are cancelled one by one.
	if (endedAt !== null || (origin === "collected" && state === "collecting")) return [];
	const retry = progress?.trouble == null ? [] : [`Try now what it waits for: npx tollgate batch retry ${batchId}`];
	return [[`Watch it: npx tollgate batch show ${batchId} --watch`, ...retry, `End it: npx tollgate batch cancel ${batchId}`].join("\n")];
}
