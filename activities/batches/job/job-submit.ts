import { isCertain, type PartRecord, type ProviderBatchStatus } from "#domain/batching/batch-part.ts";
import { decideSubmitRoom } from "#domain/batching/job-pace.ts";
import type { StepOutcome } from "#domain/batching/job-reducer.ts";
import { LINE_OVERHEAD_BYTES, PartCutter } from "#domain/batching/split-parts.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { BatchRecord, ItemToSend } from "../port.ts";
import type { BatchProvider, FoundBatch, PartToSubmit } from "../providers/provider-port.ts";
import { accountOf } from "./job-lines.ts";
import type { BatchJobDependencies, CreateInput, FindInput, PartInput } from "./job-port.ts";
import { readBatch, readPart } from "./job-rows.ts";
import { endUnsendable } from "./unsendable-items.ts";

/** How a part gets to its provider: once, or it is looked for. */
const DONE: StepOutcome = { kind: "done" };
const PAGE = 5_000;
/** From what is recorded to what is sent: a process that was stopped for longer may have been given up meanwhile. */
const SUBMIT_WITHIN_MS = 20_000;

export function providerOf({ providerOf: find }: BatchJobDependencies, batch: BatchRecord): BatchProvider {
	const provider = find(batch);
	if (provider === undefined) throw new CostControlError("provider.unreachable", `no account of ${batch.provider} that runs batches is configured here`);
	return provider;
}

/** Splits what has to go by the provider's limits; each part is recorded when its request file stands. */
export async function writeParts(dependencies: BatchJobDependencies, batchId: string): Promise<void> {
	const { store } = dependencies;
	const batch = await readBatch(store, batchId);
	const { limits } = providerOf(dependencies, batch);
	const cutter = new PartCutter({ ...limits, itemOverheadBytes: LINE_OVERHEAD_BYTES });
	let part = Math.max(0, ...(await store.parts(batchId)).map((record) => record.part)) + 1;
	let items: ItemToSend[] = [];
	for (let after = 0; ; ) {
		const page = await store.itemsToSend(batchId, after, PAGE);
		for (const item of page) {
			const placed = cutter.place(item);
			// No batch could carry it: it was checked against the same limits when it came in.
			if (placed.kind === "too_large")
				throw new CostControlError("internal.invariant", `item ${item.n} of ${batchId} is above a limit of the provider: ${placed.limit}`);
			if (placed.isFirst && items.length > 0) {
				if (await writePart(dependencies, batch, part, items)) part++;
				items = [];
			}
			items.push(item);
		}
		after = page.at(-1)?.n ?? after;
		if (page.length < PAGE) break;
	}
	if (items.length > 0) await writePart(dependencies, batch, part, items);
}

/** Those whose bodies are not there end. False: none of its items can be sent, and there is no such part. */
export async function writePart(dependencies: BatchJobDependencies, batch: BatchRecord, part: number, items: readonly ItemToSend[]): Promise<boolean> {
	const { store, lines } = dependencies;
	const { batchId } = batch;
	const { bytes, unsendable } = await lines.writeRequests(batch, part, items);
	await endUnsendable(dependencies, batch, { items, unsendable });
	const ended = new Set(unsendable.map(({ n }) => n));
	const carried = items.filter(({ n }) => !ended.has(n));
	if (carried.length === 0) return false;
	const nothing = { providerFileId: null, providerBatchId: null, submitBeganAtMs: null, runningSinceMs: null, endedAtMs: null };
	await store.writePart(
		{ batchId, part, token: `tollgate-${batchId}-${part}`, items: carried.length, bytes, ...nothing },
		carried.map(({ n }) => n),
	);
	return true;
}

/** A file that was handed in twice because its id was lost stays unused, and costs nothing. */
export async function uploadPart(dependencies: BatchJobDependencies, { batchId, part }: PartInput): Promise<StepOutcome> {
	const { store } = dependencies;
	const batch = await readBatch(store, batchId);
	const record = await readPart(store, { batchId, part });
	if (record.state !== "written" || record.providerFileId !== null) return DONE;
	try {
		const provider = providerOf(dependencies, batch);
		const providerFileId = await provider.upload(toSubmit(dependencies, batch, record));
		if (providerFileId !== null) await store.movePart({ batchId, part }, "written", { providerFileId });
		return DONE;
	} catch (error) {
		await tellQuota(dependencies, batch, { part, error });
		return refusedOf(error);
	}
}

/**
 * Creates the provider batch once: "submitting" is recorded before, and where that stands already the outcome of the attempt is not known,
 * unless the workflow knows that it did nothing. Whatever is not certainly a refusal may have created it.
 */
export async function createPart(dependencies: BatchJobDependencies, { batchId, part, isClear }: CreateInput): Promise<StepOutcome> {
	const { store } = dependencies;
	const batch = await readBatch(store, batchId);
	const record = await readPart(store, { batchId, part });
	if (record.state !== "written" && record.state !== "submitting") return DONE;
	// Nothing is sent any more for one that is to end.
	if (batch.cancelAskedAtMs !== null) return DONE;
	if (record.state === "submitting" && !isClear) return { kind: "unknown", message: "an attempt to create it was cut" };
	const provider = providerOf(dependencies, batch);
	const room = decideSubmitRoom(await dependencies.readLoad({ batch, part }), provider.limits);
	if (room.kind === "wait") return { kind: "noRoom", waitMs: room.waitMs, why: room.why };
	const recordedAtMs = dependencies.now();
	const submitting = await store.movePart({ batchId, part }, "submitting", {});
	if (dependencies.now() - recordedAtMs > SUBMIT_WITHIN_MS) return { kind: "unknown", message: "recording the attempt took too long to go on with it" };
	try {
		const status = await provider.create(toSubmit(dependencies, batch, submitting));
		await keepTaken(dependencies, batch, { part, state: "running", status, isCertain: true });
		return { kind: "said", status };
	} catch (error) {
		await tellQuota(dependencies, batch, { part, error });
		if (isRefusal(error)) return refusedOf(error);
		dependencies.observer.stepFailed(batchId, error);
		return { kind: "unknown", message: messageOf(error) };
	}
}

/**
 * Looks at the provider for a part whose creation has no known outcome. What another part certainly is, is left out; what another one took for itself by its
 * size is not, for it may be this one: whose it is shows in its results.
 */
export async function findPart(dependencies: BatchJobDependencies, { batchId, part, notOurs }: FindInput): Promise<StepOutcome> {
	const { store } = dependencies;
	const batch = await readBatch(store, batchId);
	const record = await readPart(store, { batchId, part });
	const isInDoubt = record.state === "submitting" || (record.providerBatchId !== null && notOurs.includes(record.providerBatchId));
	if (!isInDoubt) return DONE;
	const known = await store.knownProviderBatches(batch.provider);
	const isOthers = (id: string): boolean =>
		notOurs.includes(id) || (known.get(id)?.isCertain === true && !(id === record.providerBatchId && isCertain(record)));
	const found = await providerOf(dependencies, batch).find(record, { sinceMs: record.submitBeganAtMs ?? batch.createdAtMs, isOthers });
	const [first, ...others] = found.toSorted(byLikelihood(record.submitBeganAtMs ?? batch.createdAtMs, (id) => known.has(id)));
	if (first === undefined) return { kind: "absent" };
	const state = record.state === "submitting" ? "running" : record.state;
	await keepTaken(dependencies, batch, { part, state, status: first.status, isCertain: first.isCertain });
	const doubles = first.isCertain ? others.filter(({ isCertain }) => isCertain).map(({ status }) => status.providerBatchId) : [];
	return { kind: "found", status: first.status, isCertain: first.isCertain, doubles };
}

/** Certain ones first, then those that nobody took for another part, then those made nearest to the attempt. */
function byLikelihood(attemptAtMs: number, isTaken: (id: string) => boolean): (left: FoundBatch, right: FoundBatch) => number {
	const distance = ({ status }: FoundBatch): number => Math.abs(status.createdAtMs - attemptAtMs);
	const taken = ({ status }: FoundBatch): number => Number(isTaken(status.providerBatchId));
	return (left, right) => Number(right.isCertain) - Number(left.isCertain) || taken(left) - taken(right) || distance(left) - distance(right);
}

type Taken = { readonly part: number; readonly state: PartRecord["state"]; readonly status: ProviderBatchStatus; readonly isCertain: boolean };

async function keepTaken({ store, tellQuota: tell }: BatchJobDependencies, batch: BatchRecord, taken: Taken): Promise<void> {
	const { part, state, status, isCertain } = taken;
	const { batchId, state: batchState } = batch;
	await store.movePart({ batchId, part }, state, { status, isCertain });
	if (batchState === "held") await store.move(batchId, "running", {});
	await tell(batch, null);
}

/** Only a person can give an account money. */
async function tellQuota(
	{ tellQuota: tell }: BatchJobDependencies,
	batch: BatchRecord,
	{ part, error }: { readonly part: number; readonly error: unknown },
): Promise<void> {
	if (!(error instanceof CostControlError && error.code === "provider.quota")) return;
	await tell(batch, { account: accountOf(batch), part, message: messageOf(error) });
}

function toSubmit({ lines }: BatchJobDependencies, batch: BatchRecord, { token, items, bytes, part, providerFileId }: PartRecord): PartToSubmit {
	return { token, items, bytes, providerFileId, endpoint: batch.endpoint, openLines: () => lines.openRequests(batch, part) };
}

function isRefusal(error: unknown): error is CostControlError {
	return error instanceof CostControlError && ["provider.refused", "provider.quota", "provider.overloaded"].includes(error.code);
}

/** What certainly was not done. @throws whatever is no word of the provider. */
function refusedOf(error: unknown): StepOutcome {
	if (!isRefusal(error)) throw error;
	const asked = error.details["retryAfterMs"];
	return {
		kind: "refused",
		isFinal: error.code === "provider.refused",
		message: error.publicMessage,
		retryAfterMs: typeof asked === "number" ? asked : null,
	};
}

export function messageOf(error: unknown): string {
	return error instanceof CostControlError ? error.publicMessage : error instanceof Error ? error.message : String(error);
}
