import type { BatchJobs, BatchProgress } from "#activities/batches/job/job-port.ts";
import type { BatchRecord, BatchStore } from "#activities/batches/port.ts";
import { createPostgresBatchStore } from "#activities/batches/store/postgres.ts";
import type { Queryable } from "#activities/keys/port.ts";
import type { BatchState } from "#domain/batching/batch.ts";
import { isFinalBatch } from "#domain/batching/batch-moves.ts";
import type { PartRecord } from "#domain/batching/batch-part.ts";
import { driveOf } from "#domain/batching/job-state.ts";
import { formatInstant } from "#domain/budget/window.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { WorkflowLink, WorkflowLinks } from "./port.ts";

/** Batches for operators: what PostgreSQL holds of them, and what their workflows say where Temporal answers. */
export type BatchAdministration = {
	readonly database: Queryable;
	readonly workflows: WorkflowLinks;
	/** Absent: the workflows cannot be asked here. */
	readonly batchJobs?: BatchJobs | undefined;
};

export type BatchFilter = {
	readonly teamId?: string | undefined;
	readonly state?: BatchState | undefined;
	readonly limit: number;
	/** Id of the last one seen. */
	readonly after?: string | undefined;
};

/** Newest first. */
export async function listBatches({ database }: Pick<BatchAdministration, "database">, { teamId, state, limit, after }: BatchFilter): Promise<BatchSummary[]> {
	const page = { after: after ?? null, limit, ...(state !== undefined && { states: [state] }) };
	return (await storeOver(database).list(teamId ?? null, page)).map(summaryOf);
}

/** @throws CostControlError "batch.missing". */
export async function readBatch(administration: BatchAdministration, batchId: string): Promise<BatchDetail> {
	const store = storeOver(administration.database);
	const batch = await knownBatch(store, batchId);
	const parts = await store.parts(batchId);
	const progress = isFinalBatch(batch.state) ? undefined : await progressOf(administration.batchJobs, batchId);
	return { ...detailOf(batch, parts, progress), workflow: hasWorkflow(batch, progress) ? administration.workflows.ofBatch(batchId) : null };
}

/**
 * What the provider has finished is paid; the rest is given back. Works with Temporal away: the workflow hears of it when it is back.
 * @throws CostControlError "batch.missing", "batch.ended", "admin.conflict" while it collects items.
 */
export async function cancelBatch(administration: BatchAdministration & { readonly adminName: string }, batchId: string): Promise<BatchDetail> {
	const store = storeOver(administration.database);
	refuseUndriven(await knownBatch(store, batchId));
	await store.askCancel(batchId, administration.adminName);
	return readBatch(administration, batchId);
}

/**
 * Tries at once what waits for its time, and begins the workflow where there is none any more.
 * @throws CostControlError "batch.missing", "batch.ended", "admin.conflict" while it collects items, "governance.unreachable".
 */
export async function retryBatch(administration: BatchAdministration, batchId: string): Promise<BatchDetail> {
	const batch = await knownBatch(storeOver(administration.database), batchId);
	refuseUndriven(batch);
	if (administration.batchJobs === undefined) throw new CostControlError("governance.unreachable", "The workflows of batches cannot be asked here.");
	await administration.batchJobs.tell(batch, { retriesNow: true });
	return readBatch(administration, batchId);
}

async function knownBatch(store: Pick<BatchStore, "read">, batchId: string): Promise<BatchRecord> {
	const batch = await store.read(batchId);
	if (batch === undefined)
		throw new CostControlError("batch.missing", `There is no batch ${JSON.stringify(batchId.slice(0, 128))}. All of them: npx tollgate batch list`, {
			details: { field: "batchId" },
		});
	return batch;
}

/** One that has ended, or that no job drives yet because items are still handed in. */
function refuseUndriven({ state, batchId, origin, teamId }: BatchRecord): void {
	if (isFinalBatch(state)) throw new CostControlError("batch.ended", `Batch ${batchId} has ended already: it is ${state}.`, { details: { field: "batchId" } });
	if (origin === "collected" && state === "collecting")
		throw new CostControlError(
			"admin.conflict",
			`Batch ${batchId} collects items, and is sent when its collector says so. Its items: npx tollgate deferred list --team ${teamId} --status collecting`,
			{ details: { field: "batchId" } },
		);
}

/** One that is being handed in has none, and one whose money is held gets it a moment later. */
function hasWorkflow({ state }: BatchRecord, progress: BatchProgress | undefined): boolean {
	return progress !== undefined || (state !== "collecting" && state !== "held");
}

/** With Temporal away, or before the workflow began, PostgreSQL says what is known. */
async function progressOf(jobs: BatchJobs | undefined, batchId: string): Promise<BatchProgress | undefined> {
	try {
		return await jobs?.status(batchId);
	} catch (error) {
		const isAway = error instanceof CostControlError && (error.code === "governance.unreachable" || error.code === "batch.missing");
		if (!isAway) throw error;
		return undefined;
	}
}

function summaryOf(batch: BatchRecord) {
	const { batchId, teamId, state, protocol, endpoint, model, provider, items, counts, heldNanoUsd, settledNanoUsd, problem } = batch;
	return {
		...{ batchId, teamId, state, protocol, endpoint, model, provider, items, heldNanoUsd, settledNanoUsd, problem },
		counts: { ...counts },
		createdAt: formatInstant(batch.createdAtMs),
		endedAt: instantOf(batch.endedAtMs),
		cancelAskedAt: instantOf(batch.cancelAskedAtMs),
	};
}
export type BatchSummary = ReturnType<typeof summaryOf>;

function detailOf(batch: BatchRecord, parts: readonly PartRecord[], progress: BatchProgress | undefined) {
	const { deployment, origin, attribution, rules, inputFileId, outputFileId, errorFileId } = batch;
	return {
		...summaryOf(batch),
		...{ deployment, origin, keyId: attribution?.keyId ?? null, ...rules, inputFileId, outputFileId, errorFileId },
		runningSince: instantOf(batch.runningSinceMs),
		deadline: instantOf(batch.deadlineMs),
		parts: parts.map((part) => partOf(part, progress)),
		progress: progress === undefined ? null : workflowOf(progress),
	};
}
export type BatchDetail = ReturnType<typeof detailOf> & { readonly workflow: WorkflowLink | null };

function partOf(record: PartRecord, progress: BatchProgress | undefined) {
	const { part, state, items, bytes, providerBatchId } = record;
	const status = progress === undefined ? null : driveOf(progress.state, part).status;
	return {
		...{ part, state, items, bytes, providerBatchId },
		submittedAt: instantOf(record.submitBeganAtMs),
		endedAt: instantOf(record.endedAtMs),
		doneAtProvider: status === null || status.total === 0 ? null : status.succeeded + status.failed,
		expiresAt: instantOf(status?.expiresAtMs ?? null),
	};
}

function workflowOf({ state, next, nextAtMs }: BatchProgress) {
	const { trouble, retries, unresolved, unknownLines } = state;
	const waits = trouble === null ? null : { since: formatInstant(trouble.atMs), step: trouble.step, message: trouble.message };
	return { next, nextAt: instantOf(nextAtMs), retries, unresolved, unknownLines, trouble: waits };
}

function instantOf(ms: number | null): string | null {
	return ms === null ? null : formatInstant(ms);
}

function storeOver(database: Queryable): BatchStore {
	return createPostgresBatchStore({ query: async (_name, statement, values) => (await database.query(statement, [...values])).rows as never });
}
