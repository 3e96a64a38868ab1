import type { NewDeferredItem } from "#activities/batches/deferred-port.ts";
import { bodyKey } from "#activities/batches/lines/deferred-blobs.ts";
import type { Attribution } from "#activities/batches/port.ts";
import type { PricedDeployment } from "#activities/providers/port.ts";
import { checkReferences } from "#activities/request/check-references.ts";
import { chooseDeployments } from "#activities/request/choose-deployments.ts";
import { withOpaqueUsers } from "#activities/request/claimed-users.ts";
import { decideCall } from "#activities/request/decide-call.ts";
import type { PipelineDependencies } from "#activities/request/pipeline.ts";
import type { KeyIdentity, LimitRefusal } from "#activities/request/port.ts";
import type { BatchEndpoint } from "#domain/batching/batch.ts";
import { checkBodyAlone } from "#domain/batching/check-line.ts";
import { withModel } from "#domain/batching/render-line.ts";
import { limitPassedBy } from "#domain/batching/split-parts.ts";
import { editBody } from "#domain/bound/edit-body.ts";
import { inspectRequest } from "#domain/bound/inspect-request.ts";
import type { InspectedRequest } from "#domain/bound/request.ts";
import type { Protocol } from "#domain/pricing/price-book.ts";
import { refuseScope, withoutBatchPrice } from "../batches/create-batch.ts";
import { CALLER_LIMITS } from "../batches/limits.ts";
import { invalidFields } from "../batches/read-creation.ts";
import type { Problem } from "../problem.ts";
import { type BoundedItem, boundItem } from "./bound-item.ts";
import type { DeferredRoutes } from "./ports.ts";
import type { ItemHeaders } from "./read-headers.ts";

/** An item as its caller hands it in. */
export type ItemToAdmit = {
	readonly deferredId: string;
	/** null: it has no Idempotency-Key, and nobody else hands in anything under its id. */
	readonly requestHash: string | null;
	readonly key: KeyIdentity;
	readonly protocol: Protocol;
	readonly endpoint: BatchEndpoint;
	/** As received. */
	readonly body: Buffer;
	readonly headers: ItemHeaders;
};

export type Admitting = {
	readonly pipeline: Pick<PipelineDependencies, "authority" | "catalog" | "decider" | "fieldTables">;
	readonly opaqueUserId: DeferredRoutes["opaqueUserId"];
	readonly digestOf: (bytes: Buffer) => string;
};

export type AdmittedItem = {
	readonly kind: "admitted";
	readonly item: NewDeferredItem;
	/** To be kept under `item.bodyBlobKey`. */
	readonly body: Buffer;
	readonly cappedOutputTokens: number | undefined;
};
export type ItemAdmission = AdmittedItem | { readonly kind: "rejected"; readonly problem: Problem };

/** The order of an item: scope → inspect → what a batch takes → model and price → references → bound and caps → decide. No money is touched by it. */
export async function admitItem(admitting: Admitting, wanted: ItemToAdmit): Promise<ItemAdmission> {
	const { pipeline } = admitting;
	const { authority } = pipeline;
	const { key, endpoint, headers } = wanted;
	const outOfScope = refuseScope(key, endpoint);
	if (outOfScope !== undefined) return rejected(outOfScope);
	const policy = authority.teamPolicy(key.teamId);
	const inspection = inspectRequest(endpoint, onOneLine(wanted.body), pipeline.fieldTables[endpoint], { unknownFields: policy.unknownFields });
	if (inspection.kind === "rejected") return inspection;
	const { request, parsed } = inspection;
	const { problems, embeddingInputs } = checkBodyAlone(parsed, endpoint);
	if (problems.length > 0) return rejected(invalidFields(problems));
	const candidate = chooseCandidate(pipeline, wanted, request.model);
	if ("code" in candidate) return rejected(candidate);
	const references = await checkReferences(request, { teamId: key.teamId, policy, authority });
	if (references !== undefined) return rejected(references);
	const feature = headers.asserted.feature ?? key.feature;
	const bounded = boundItem({ request, candidate, policy, teamId: key.teamId, feature, mayGoRealTime: headers.mayGoRealTime });
	if (bounded.kind === "refused") return refuseBound(authority, wanted, bounded.problem);
	const denied = await decide(pipeline, wanted, { request, candidate, bounded });
	if (denied !== undefined) return rejected(denied);
	const { cappedOutputTokens: tokens } = bounded;
	const body = tokens === undefined ? request.body : editBody(request, { outputCap: { tokens, line: candidate.line } });
	const size = { bytes: withModel(body, candidate.deployment.model).length, embeddingInputs };
	const item = newItem(admitting, { ...wanted, body }, { request, candidate, bounded, size });
	const tooLarge = refuseSize(item);
	return tooLarge === undefined ? { kind: "admitted", item, body, cappedOutputTokens: tokens } : rejected(tooLarge);
}

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;

/** It will stand in a file of lines. Between the tokens of a JSON text a line end is as good as a space, and within them there is none. */
function onOneLine(body: Buffer): Buffer {
	const lineEnds = [LINE_FEED, CARRIAGE_RETURN].filter((lineEnd) => body.includes(lineEnd));
	if (lineEnds.length === 0) return body;
	const line = Buffer.from(body);
	for (const lineEnd of lineEnds) for (let at = line.indexOf(lineEnd); at >= 0; at = line.indexOf(lineEnd, at + 1)) line[at] = SPACE;
	return line;
}

/** The first that a batch can carry, or else, where it may go in real time, the first. */
function chooseCandidate({ authority, catalog }: Admitting["pipeline"], { key, endpoint, headers }: ItemToAdmit, model: string): PricedDeployment | Problem {
	if (key.models !== null && !key.models.includes(model))
		return { code: "key.scope", message: `This key may not call the model ${model.slice(0, 200)}.`, field: "model" };
	const choice = chooseDeployments(catalog, authority.priceBook(), { model, endpoint });
	if (choice.kind === "rejected") return choice.problem;
	const [first] = choice.candidates;
	const inBatches = choice.candidates.find(({ line }) => line.tiers.batch !== undefined);
	return inBatches ?? (headers.mayGoRealTime && first !== undefined ? first : withoutBatchPrice(model));
}

/** A cap that refuses it is in the books under its id. */
function refuseBound(
	authority: PipelineDependencies["authority"],
	wanted: ItemToAdmit,
	problem: Problem & Partial<Pick<LimitRefusal, "evidence">>,
): ItemAdmission {
	const { evidence, ...told } = problem;
	if (evidence === undefined) return rejected(told);
	authority.recordLimitRefusal({ requestId: wanted.deferredId, key: wanted.key, code: problem.code, evidence });
	return rejected({ ...told, bookedAs: wanted.deferredId });
}

type Proven = { readonly request: InspectedRequest; readonly candidate: PricedDeployment; readonly bounded: BoundedItem };

async function decide(
	{ decider }: Admitting["pipeline"],
	{ deferredId, key, headers }: ItemToAdmit,
	{ request, candidate, bounded }: Proven,
): Promise<Problem | undefined> {
	if (!decider.isAsked) return undefined;
	return decideCall(decider, { requestId: deferredId, key, asserted: headers.asserted, request, candidate, bound: bounded.dearest });
}

type Size = { readonly bytes: number; readonly embeddingInputs: number };

function newItem(admitting: Admitting, wanted: ItemToAdmit, { request, candidate, bounded, size }: Proven & { readonly size: Size }): NewDeferredItem {
	const { deferredId, requestHash, key, protocol, endpoint, body, headers } = wanted;
	const { deployment, line } = candidate;
	const book = admitting.pipeline.authority.priceBook();
	return {
		...{ deferredId, requestHash, teamId: key.teamId, protocol, endpoint, model: request.model },
		...{ deployment: deployment.name, provider: line.provider, pricedModel: line.model, priceVersion: book.version, pricesAsOfMs: book.asOfMs },
		attribution: attributionOf(wanted, request, admitting),
		item: { ...bounded.amounts, ...size },
		...{ deadlineMs: headers.deadlineMs, mayGoRealTime: headers.mayGoRealTime, webhook: headers.webhook, traceContext: headers.traceContext },
		bodyBlobKey: bodyKey(key.teamId, deferredId, requestHash === null ? null : admitting.digestOf(body)),
	};
}

function attributionOf({ key, headers }: ItemToAdmit, { claimed }: InspectedRequest, { opaqueUserId }: Admitting): Attribution {
	const { asserted } = headers;
	const claims = withOpaqueUsers(claimed, (text) => opaqueUserId(key.teamId, text));
	return {
		keyId: key.keyId,
		feature: asserted.feature ?? key.feature,
		userId: asserted.user ?? key.userId,
		environment: key.environment,
		asserted: Object.keys(asserted).length > 0 ? { ...asserted } : null,
		claimed: Object.keys(claims).length > 0 ? Object.fromEntries(Object.entries(claims).map(([name, text]) => [storable(name), storable(text)])) : null,
	};
}

/** PostgreSQL keeps no U+0000 and no half of a surrogate pair. */
function storable(text: string): string {
	return text.replaceAll(/[\p{Cc}\p{Cs}]/gu, "\u{fffd}");
}

/** What no batch of the API that he speaks could carry, though alone. */
function refuseSize({ item, protocol, endpoint }: NewDeferredItem): Problem | undefined {
	const passed = limitPassedBy(item, { ...CALLER_LIMITS[protocol], enqueuedTokensMax: undefined, itemOverheadBytes: 0 });
	if (passed === undefined) return undefined;
	const { limit, amount, amountMax } = passed;
	const field = endpoint === "embeddings" ? "input" : "body";
	return { code: "request.invalid", message: `${field}: ${amount} ${limit.replace("_", " ")} are more than the ${amountMax} that a batch may hold.`, field };
}

function rejected(problem: Problem): ItemAdmission {
	return { kind: "rejected", problem };
}
