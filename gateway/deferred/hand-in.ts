import type { AcceptResult, DeferredRecord } from "#activities/batches/deferred-port.ts";
import { acceptInTime } from "#activities/batches/store/hold-in-time.ts";
import type { BatchEndpoint } from "#domain/batching/batch.ts";
import type { Answer, BatchCall } from "../batches/answering.ts";
import { CallerLeft, pause } from "../batches/patience.ts";
import { bodyOf } from "../call-body.ts";
import { IDEMPOTENCY_HEADER } from "../idempotency-key.ts";
import { callFields } from "../log-fields.ts";
import { type Problem, refusalProblem } from "../problem.ts";
import { type AdmittedItem, admitItem } from "./admit-item.ts";
import { digestOf, type ItemName, nameItem } from "./item-ids.ts";
import type { DeferredRoutes } from "./ports.ts";
import { readItemHeaders } from "./read-headers.ts";
import { renderItem } from "./render-item.ts";

/** A request about items that are handed in alone. */
export type DeferredCall = BatchCall & { readonly deferred: DeferredRoutes };

/**
 * The order of an item: headers → known already (whatever time is left by now)? → admission as of a call → body to the blob store → money. What is accepted has a body; of what is not, a
 * body at most is left, which is deleted at once or by the sweep.
 */
export async function handIn(call: DeferredCall, endpoint: BatchEndpoint): Promise<Answer | Problem> {
	const { batches, context, deferred, key, protocol, request } = call;
	const rules = { key, authority: context.authority, nowMs: batches.wallClockMs(), knowsChannel: deferred.knowsChannel };
	const read = await readItemHeaders(request, rules);
	if (read.kind === "rejected") return read.problem;
	const { headers } = read;
	const body = bodyOf(request);
	const name = nameItem({ key, endpoint, headers, body });
	const known = name.requestHash === null ? undefined : await deferred.store.readDeferred(key.teamId, name.deferredId);
	if (read.kind === "too_soon") return known?.requestHash === name.requestHash ? answerKnown(known, name) : read.problem;
	if (known !== undefined) return answerKnown(known, name);
	const admitting = { pipeline: context.pipeline, opaqueUserId: deferred.opaqueUserId, digestOf };
	const admission = await admitItem(admitting, { ...name, key, protocol, endpoint, body, headers });
	if (admission.kind === "rejected") return admission.problem;
	try {
		const accepted = await keepAndAccept(call, admission);
		if (accepted.kind === "refused") return { ...refusalProblem(accepted.refusal), bookedAs: name.deferredId };
		return accepted.record.requestHash === name.requestHash ? answerAccepted(accepted.record, admission.cappedOutputTokens) : mismatch(name);
	} catch (error) {
		if (error instanceof CallerLeft) return LEFT;
		throw error;
	}
}

/** Nobody hears it. */
const LEFT: Problem = { code: "request.invalid", message: "The caller left before the item was accepted." };

/** The body first: whoever finds the item finds what is to be sent. */
async function keepAndAccept(call: DeferredCall, { item, body }: AdmittedItem): Promise<Exclude<AcceptResult, { kind: "short" }>> {
	const { batches, context, deferred, key, leaving } = call;
	const { pipeline } = context;
	await batches.blobs.write(item.bodyBlobKey, inChunks(body));
	const wait = { waitMs: pipeline.authority.teamPolicy(key.teamId).admissionWaitMs, nowMs: pipeline.nowMs, pause: (ms: number) => pause(ms, leaving) };
	await pause(0, leaving);
	const result = await acceptInTime(deferred.store, item, wait);
	// Under a derived id another request may have been accepted with the same bytes.
	if (result.kind === "refused" && item.requestHash === null) await removeBody(call, item.bodyBlobKey);
	return result;
}

/** What cannot be removed now is swept when its time is over, and never hides why it was refused. */
async function removeBody({ batches, context, request }: DeferredCall, blobKey: string): Promise<void> {
	try {
		await batches.blobs.delete(blobKey);
	} catch (error) {
		context.log.warn({ ...callFields(request), blobKey, err: error }, "the body of an item that was refused could not be removed; it is swept");
	}
}

const CHUNK_BYTES = 65_536;

/** Views of the body, so that what is sealed or sent of it at a time is small. */
async function* inChunks(body: Buffer): AsyncGenerator<Uint8Array> {
	for (let from = 0; from < body.length; from += CHUNK_BYTES) yield body.subarray(from, from + CHUNK_BYTES);
}

function answerAccepted(record: DeferredRecord, cappedOutputTokens: number | undefined): Answer {
	const capped = cappedOutputTokens === undefined ? {} : { "x-tollgate-clamped-output-tokens": String(cappedOutputTokens) };
	return { status: 202, headers: { location: `/v1/deferred/${record.deferredId}`, ...capped }, body: { ...renderItem(record), answer: null } };
}

/** As it stands now; its answer, where it has one already, is read where Location says. */
function answerKnown(record: DeferredRecord, name: ItemName): Answer | Problem {
	if (record.requestHash !== name.requestHash) return mismatch(name);
	const answer = answerAccepted(record, undefined);
	return { ...answer, headers: { ...answer.headers, "x-tollgate-idempotent-replay": "true" } };
}

function mismatch({ deferredId }: ItemName): Problem {
	return {
		code: "idempotency.mismatch",
		field: IDEMPOTENCY_HEADER,
		message: `This Idempotency-Key belongs to another request (${deferredId}): endpoint, body or attribution differ. Nothing was accepted; a new request needs a new key.`,
	};
}
