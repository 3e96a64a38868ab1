import { boundItems, type ItemRules } from "#activities/batches/lines/bound-items.ts";
import type { Attribution, BatchRecord, FileRecord, NewBatch } from "#activities/batches/port.ts";
import { holdInTime } from "#activities/batches/store/hold-in-time.ts";
import type { PricedDeployment } from "#activities/providers/port.ts";
import { chooseDeployments } from "#activities/request/choose-deployments.ts";
import { decideFacts } from "#activities/request/decide-call.ts";
import type { Leaving } from "#activities/request/leaving.ts";
import type { KeyIdentity, LimitRefusal, Refusal } from "#activities/request/port.ts";
import type { TraceContext } from "#activities/telemetry/port.ts";
import type { BatchEndpoint, CallerBatchRules } from "#domain/batching/batch.ts";
import type { LineProblems } from "#domain/batching/line-problem.ts";
import type { PriceBook, Protocol } from "#domain/pricing/price-book.ts";
import type { Asserted } from "../assertions.ts";
import type { GatewayContext } from "../context.ts";
import { type Problem, refusalProblem } from "../problem.ts";
import { LINE_BYTES_MAX } from "./limits.ts";
import { lineProblem } from "./line-problems.ts";
import { CallerLeft, pause } from "./patience.ts";
import type { BatchRoutes } from "./ports.ts";
import { refuseModel } from "./upload-file.ts";

/** A batch as its caller asks for it, over lines that are stored already. */
export type BatchToMake = {
	readonly batchId: string;
	readonly requestId: string;
	readonly key: KeyIdentity;
	readonly asserted: Asserted;
	readonly protocol: Protocol;
	readonly endpoint: BatchEndpoint;
	/** What the first request asks for. */
	readonly model: string;
	readonly file: FileRecord;
	readonly metadata: Readonly<Record<string, string>> | null;
	readonly outputKeptMs: number | null;
	readonly traceContext: TraceContext | null;
	readonly leaving: Leaving;
};

export type Made =
	| { readonly kind: "made"; readonly batch: BatchRecord }
	/** The evidence stands in the books under the id of the batch. */
	| { readonly kind: "refused"; readonly refusal: Refusal; readonly batchId: string }
	| { readonly kind: "rejected"; readonly problem: Problem }
	/** Nobody is there to hear more. */
	| { readonly kind: "left" };

export function problemOfMade(made: Exclude<Made, { kind: "made" }>): Problem {
	if (made.kind === "rejected") return made.problem;
	if (made.kind === "refused") return { ...refusalProblem(made.refusal), bookedAs: made.batchId };
	// Nobody hears it.
	return { code: "request.invalid", message: "The caller left before the batch was made." };
}

export type Making = Pick<GatewayContext, "pipeline" | "log"> & { readonly batches: BatchRoutes };

/** A caller's own batch is driven as he made it, unless his key says otherwise: his code may resubmit by itself. It keeps what it was made with. */
function callerRules({ resubmitsBatches = false, relanesBatches = false }: KeyIdentity): CallerBatchRules {
	return { mayResubmit: resubmitsBatches, mayRelane: relanesBatches };
}

/**
 * The order of a batch: scope → model and price → bound every item → decide → hold. The decider is asked once, for the whole of it. Until
 * its money is held nothing of it lasts: what is refused, or left by its caller, is undone at once, and by the sweep where that fails.
 */
export async function createBatch(making: Making, wanted: BatchToMake): Promise<Made> {
	const book = making.pipeline.authority.priceBook();
	const scope = chooseCandidate(making, book, wanted);
	if ("code" in scope) return { kind: "rejected", problem: scope };
	const { store } = making.batches;
	const begun = await store.begin(newBatch(wanted, scope, book));
	let isHeld = false;
	try {
		const made = await fillAndHold(making, { wanted, candidate: scope, begun });
		isHeld = made.kind === "made";
		return made;
	} catch (error) {
		if (error instanceof CallerLeft) return { kind: "left" };
		throw error;
	} finally {
		if (!isHeld) await abandon(making, wanted);
	}
}

/** That it could not be undone never hides why it was to be. */
async function abandon({ batches, log }: Making, { batchId, requestId, key }: BatchToMake): Promise<void> {
	try {
		await batches.store.abandon(batchId);
	} catch (error) {
		log.warn({ requestId, team: key.teamId, keyId: key.keyId, batchId, err: error }, "a batch that was not held could not be undone; it is swept");
	}
}

type Begun = { readonly wanted: BatchToMake; readonly candidate: PricedDeployment; readonly begun: BatchRecord };

async function fillAndHold(making: Making, { wanted, candidate, begun }: Begun): Promise<Made> {
	const { pipeline, batches } = making;
	const { batchId, file, leaving, key } = wanted;
	const bounded = await boundItems(batches.blobs.read(file.blobKey), itemRules(making, wanted, candidate), async (items) => {
		if (leaving.hasLeft) throw new CallerLeft();
		await batches.store.addItems(batchId, items);
	});
	if (bounded.kind === "refused") return { kind: "rejected", problem: refuseLines(making, wanted, bounded.problems) };
	const denied = await decide(making, { wanted, candidate, begun }, bounded);
	if (denied !== undefined) return { kind: "rejected", problem: denied };
	const wait = { waitMs: pipeline.authority.teamPolicy(key.teamId).admissionWaitMs, nowMs: pipeline.nowMs, pause: (ms: number) => pause(ms, leaving) };
	await pause(0, leaving);
	const held = await holdInTime(batches.store, batchId, wait);
	if (held.kind === "refused") return { kind: "refused", refusal: held.refusal, batchId };
	const { items, nanoUsd } = bounded;
	const counts = { open: items, succeeded: 0, errored: 0, expired: 0, cancelled: 0 };
	return { kind: "made", batch: { ...begun, state: "held", items, counts, heldNanoUsd: nanoUsd.toString() } };
}

/** A cap that refuses the batch is in the books under its id, with the first request that is beyond it, however many are. */
function refuseLines({ pipeline }: Making, { batchId, key, protocol }: BatchToMake, problems: LineProblems): Problem {
	const passed = new Map<string, LimitRefusal>();
	for (const { line, code, evidence } of problems.listed)
		if (evidence !== undefined && !passed.has(evidence.limit))
			passed.set(evidence.limit, { requestId: batchId, key, code, evidence, ...(line !== null && { line }) });
	for (const refusal of passed.values()) pipeline.authority.recordLimitRefusal(refusal);
	const limit = problems.listed[0]?.evidence?.limit;
	return { ...lineProblem(problems, protocol), ...(limit !== undefined && { limit }), ...(passed.size > 0 && { bookedAs: batchId }) };
}

type Sum = { readonly items: number; readonly nanoUsd: bigint; readonly tokens: number; readonly hasTools: boolean };

/** The most that all of it can cost is what is held for it, so that is what is decided about. */
async function decide({ pipeline }: Making, { wanted, candidate }: Begun, sum: Sum): Promise<Problem | undefined> {
	if (!pipeline.decider.isAsked) return undefined;
	const { feature, userId: user, environment, keyId } = attributionOf(wanted);
	const { protocol, endpoint, key, model: modelAsked } = wanted;
	return decideFacts(
		pipeline.decider,
		{
			team: key.teamId,
			feature,
			user,
			environment,
			keyId,
			endpoint,
			protocol,
			modelAsked,
			provider: candidate.line.provider,
			model: candidate.deployment.model,
			boundNanoUsd: sum.nanoUsd.toString(),
			boundTokens: sum.tokens.toString(),
			isStream: false,
			hasTools: sum.hasTools,
			claimed: {},
			batchItems: sum.items,
		},
		wanted.requestId,
	);
}

function chooseCandidate({ pipeline }: Making, book: PriceBook, { key, endpoint, model }: BatchToMake): PricedDeployment | Problem {
	const refused = refuseScope(key, endpoint) ?? refuseModel(model, key.models);
	if (refused !== undefined) return refused;
	const choice = chooseDeployments(pipeline.catalog, book, { model, endpoint });
	if (choice.kind === "rejected") return choice.problem;
	return choice.candidates.find(({ line }) => line.tiers.batch !== undefined) ?? withoutBatchPrice(model);
}

export function refuseScope({ endpoints }: KeyIdentity, endpoint: BatchEndpoint): Problem | undefined {
	if (endpoints === null || endpoints.includes(endpoint)) return undefined;
	return { code: "key.scope", message: `This key may not call ${endpoint}, alone or in batches.` };
}

export function withoutBatchPrice(model: string): Problem {
	return {
		code: "pricing.unknown_tier",
		message: `The model ${model.slice(0, 200)} has no price for batches, so it is not served in one. An administrator gives its price line the tier batch, with: npx tollgate price set --file FILE`,
		field: "model",
	};
}

function newBatch(wanted: BatchToMake, { deployment, line }: PricedDeployment, book: PriceBook): NewBatch {
	const { batchId, key, protocol, endpoint, model, file, metadata, outputKeptMs, traceContext } = wanted;
	return {
		batchId,
		teamId: key.teamId,
		protocol,
		endpoint,
		model,
		deployment: deployment.name,
		provider: line.provider,
		pricedModel: line.model,
		origin: "caller",
		attribution: attributionOf(wanted),
		rules: callerRules(key),
		inputFileId: file.fileId,
		metadata,
		outputKeptMs,
		// He waits as long as the provider lets it run: 24 hours from when it took it.
		deadlineMs: null,
		priceVersion: book.version,
		pricesAsOfMs: book.asOfMs,
		traceContext,
	};
}

function attributionOf({ key, asserted }: BatchToMake): Attribution {
	return {
		keyId: key.keyId,
		feature: asserted.feature ?? key.feature,
		userId: asserted.user ?? key.userId,
		environment: key.environment,
		asserted: Object.keys(asserted).length > 0 ? { ...asserted } : null,
		// What single requests claim differs from one to the next, and is kept of none.
		claimed: null,
	};
}

function itemRules({ pipeline }: Making, wanted: BatchToMake, candidate: PricedDeployment): ItemRules {
	const { key, asserted, protocol, endpoint, model } = wanted;
	return {
		form: protocol,
		lineBytesMax: LINE_BYTES_MAX,
		endpoint,
		model,
		candidate,
		fieldTable: pipeline.fieldTables[endpoint],
		policy: pipeline.authority.teamPolicy(key.teamId),
		teamId: key.teamId,
		feature: asserted.feature ?? key.feature,
		authority: pipeline.authority,
		mayGoRealTime: callerRules(key).mayRelane,
	};
}
