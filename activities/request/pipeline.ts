import type { Decider } from "#activities/decisions/port.ts";
import type { DeploymentCatalog, ModelTransport, PricedDeployment } from "#activities/providers/port.ts";
import { type BoundOptions, boundRequest } from "#domain/bound/bound-request.ts";
import type { FieldTable } from "#domain/bound/field-table.ts";
import { inspectRequest } from "#domain/bound/inspect-request.ts";
import type { Bound, Endpoint, InspectedRequest, RequestProblem } from "#domain/bound/request.ts";
import type { Serving } from "#domain/budget/degrade.ts";
import { withLoweredOutput } from "#domain/limits/caps.ts";
import type { PriceBook, Protocol } from "#domain/pricing/price-book.ts";
import { CallLimits, type CallProblem } from "./call-limits.ts";
import type { Caller } from "./caller.ts";
import { checkReferences } from "./check-references.ts";
import { chooseDeployments, chooseServing } from "./choose-deployments.ts";
import { decideCall } from "./decide-call.ts";
import type { ExactTokens } from "./exact-tokens.ts";
import type { Admission, AdmissionInput, Attempt, KeyIdentity, Left, Refusal, RequestAuthority, TeamPolicy } from "./port.ts";
import { prepareBody } from "./prepare-body.ts";
import { canCountExactly, refineBound } from "./refine-bound.ts";
import { type AttemptEnd, runAttempt } from "./run-attempt.ts";
import type { RunNaming } from "./run-naming.ts";
import { CallOfRun, type CallRuns, type CallStep } from "./run-step.ts";

/** What one call asks of the authority. */
export type CallAuthority = Pick<
	RequestAuthority,
	"teamPolicy" | "priceBook" | "findUnknownAnswer" | "findUnknownItem" | "countBudgets" | "admit" | "journalTurn" | "rates" | "recordLimitRefusal" | "counters"
>;

/**
 * The order of a real-time call: scope → inspect → model and price → run → references → bound → limits → decide → admit → send → settle.
 * Plain functions: the gateway calls them in-process, a durable agent from an activity.
 */
export type PipelineDependencies = {
	readonly authority: CallAuthority;
	readonly catalog: DeploymentCatalog;
	readonly transport: ModelTransport;
	/** Has a say in what the built-in rules allow. */
	readonly decider: Decider;
	/** Asked only for a call that names a run, or whose key requires one. */
	readonly runs: Pick<CallRuns, "enter">;
	readonly fieldTables: Readonly<Record<Endpoint, FieldTable>>;
	/** Asked only for a call that would be refused or clamped. */
	readonly exactTokens: Pick<ExactTokens, "countSaved">;
	/** Largest answer that is held in memory, bytes. */
	readonly answerBytesMax: number;
	readonly observer: CallObserver;
	/** Monotonic clock, milliseconds. */
	nowMs(): number;
	/** Named point at which tests kill the process. */
	crashPoint(name: string): void;
};

export type CallObserver = {
	/** Time from `receivedAtMs` to sending. */
	observeOverhead(milliseconds: number): void;
	observeUpstream(milliseconds: number): void;
};

export type ModelCallInput = {
	readonly requestId: string;
	readonly key: KeyIdentity;
	readonly endpoint: Endpoint;
	readonly protocol: Protocol;
	readonly body: Buffer;
	readonly asserted: { readonly user?: string; readonly feature?: string };
	readonly forwardedHeaders: readonly string[];
	/** Values of anthropic-beta. */
	readonly betas: readonly string[];
	/** What the headers say of the agent run it belongs to; absent = nothing. */
	readonly run?: RunNaming | undefined;
	/** On the clock of `nowMs`. */
	readonly receivedAtMs: number;
};

export type CallEnd =
	/** The caller has his answer, or has left. */
	{ readonly kind: "answered" } | { readonly kind: "refused"; readonly refusal: Refusal } | { readonly kind: "rejected"; readonly problem: CallProblem };

const ANSWERED: CallEnd = { kind: "answered" };

/** Serves one call. Throws only what nobody planned for: a broken invariant, an unwritable journal. */
export async function serveCall(dependencies: PipelineDependencies, input: ModelCallInput, caller: Caller): Promise<CallEnd> {
	const book = dependencies.authority.priceBook();
	const policy = dependencies.authority.teamPolicy(input.key.teamId);
	const prepared = prepare(dependencies, input, { book, policy, caller });
	if (prepared.kind === "rejected") return prepared;
	const { entering, request } = prepared;
	let step: CallStep | undefined;
	if (entering !== undefined) {
		if (entering instanceof Promise) dependencies.authority.counters.sqlRoundTripsBeforeSend += 1;
		const entry = entering instanceof Promise ? await entering : entering;
		if (entry?.kind === "refused") return entry;
		step = entry?.step;
	}
	let limits: CallLimits | undefined;
	try {
		const checked = checkReferences(request, { teamId: input.key.teamId, policy, authority: dependencies.authority });
		const problem = checked instanceof Promise ? await checked : checked;
		if (problem !== undefined) return { kind: "rejected", problem };
		if (policy.limits !== undefined)
			limits = new CallLimits(policy.limits, dependencies.authority.rates, { key: input.key, asserted: input.asserted, model: request.model });
		let scope: CallScope = { dependencies, input, caller, policy, book, request, limits, step };
		let candidates = prepared.candidates;
		let degraded = step?.serving;
		let last: CallEnd = ANSWERED;
		for (let next = 0; ; next++) {
			if (degraded !== undefined) {
				const choice = chooseServing(dependencies.catalog, book, { serving: degraded, endpoint: input.endpoint });
				if (choice.kind === "rejected") return choice;
				scope = { ...scope, serving: degraded };
				candidates = choice.candidates;
				degraded = undefined;
			}
			const candidate = candidates[next];
			if (candidate === undefined) return last;
			const tried = await tryDeployment(scope, candidate);
			if (tried.kind === "degraded") {
				degraded = tried.serving;
				next = -1;
			} else if (tried.kind !== "not_sent") return toCallEnd(tried);
			else if (tried.hasCallerLeft) return ANSWERED;
			else last = UNREACHABLE;
		}
	} finally {
		limits?.end();
		step?.end();
	}
}

const UNREACHABLE: CallEnd = {
	kind: "rejected",
	problem: { code: "provider.unreachable", message: "No connection to the provider could be made. Nothing was sent and nothing is charged." },
};

type Rules = { readonly book: PriceBook; readonly policy: TeamPolicy; readonly caller: Caller };
type Prepared =
	| {
			readonly kind: "prepared";
			readonly request: InspectedRequest;
			readonly candidates: readonly PricedDeployment[];
			/** undefined: the call has no run. */
			readonly entering: ReturnType<CallRuns["enter"]>;
	  }
	| { readonly kind: "rejected"; readonly problem: RequestProblem };

/**
 * Everything that can be said no to before any money is touched. The parsed body is dropped with the end of it, or with the turns that the guard of a run
 * reads of it once the call is on its way: only the bytes outlive that.
 */
function prepare(dependencies: PipelineDependencies, input: ModelCallInput, { book, policy, caller }: Rules): Prepared {
	const { key, endpoint } = input;
	if (key.endpoints !== null && !key.endpoints.includes(endpoint)) return rejected("key.scope", `This key may not call ${endpoint}.`);
	const inspection = inspectRequest(endpoint, input.body, dependencies.fieldTables[endpoint], {
		unknownFields: policy.unknownFields,
		anthropicBeta: input.betas,
	});
	if (inspection.kind === "rejected") return inspection;
	const { request, parsed } = inspection;
	if (key.models !== null && !key.models.includes(request.model))
		return rejected("key.scope", `This key may not call the model ${request.model.slice(0, 200)}.`, "model");
	const choice = chooseDeployments(dependencies.catalog, book, { model: request.model, endpoint });
	if (choice.kind === "rejected") return choice;
	const { candidates } = choice;
	if (!input.run?.claim && key.requiresRun !== true) return { kind: "prepared", request, candidates, entering: undefined };
	const call = new CallOfRun(dependencies.authority, input, { request, parsed, provider: candidates[0]?.line.provider ?? "" });
	return { kind: "prepared", request, candidates, entering: dependencies.runs.enter(call, caller.leaving) };
}

function rejected(code: RequestProblem["code"], message: string, field?: string): Prepared {
	return { kind: "rejected", problem: field === undefined ? { code, message } : { code, message, field } };
}

type CallScope = {
	readonly dependencies: PipelineDependencies;
	readonly input: ModelCallInput;
	readonly caller: Caller;
	readonly policy: TeamPolicy;
	readonly book: PriceBook;
	readonly request: InspectedRequest;
	/** Set where lines of budgets make another alias serve it. */
	readonly serving?: Serving;
	/** Undefined where the team has none. */
	readonly limits: CallLimits | undefined;
	/** Undefined where the call has no run. */
	readonly step: CallStep | undefined;
};

/** Not sent: it is to be tried again as served so. */
type Degraded = { readonly kind: "degraded"; readonly serving: Serving };
type Tried = AttemptEnd | Degraded | { readonly kind: "refused"; readonly refusal: Refusal } | { readonly kind: "failed"; readonly problem: CallProblem };

/** The most a try can take, and the output cap to which the team's limits lowered it. */
type Measured = { readonly bound: Bound; readonly cappedOutputTokens: number | undefined };

/** One deployment: its own bound, reservation and attempt id (money-path §6). */
async function tryDeployment(scope: CallScope, candidate: PricedDeployment): Promise<Tried> {
	const { dependencies, policy, request } = scope;
	const bounded = boundRequest(request, candidate.line, boundOptions(policy, candidate));
	if (bounded.kind === "unbounded") return { kind: "failed", problem: bounded.problem };
	const limiting = scope.limits?.admit(bounded.bound, () => exactBound(scope, candidate, { bound: bounded.bound, left: undefined }));
	const limited = limiting instanceof Promise ? await limiting : limiting;
	if (limited?.kind === "refused") return refusedByLimit(scope, limited.problem);
	const measured: Measured = limited ?? { bound: bounded.bound, cappedOutputTokens: undefined };
	if (dependencies.decider.isAsked) {
		const { requestId, key, asserted } = scope.input;
		const problem = await decideCall(dependencies.decider, { requestId, key, asserted, request, candidate, bound: measured.bound });
		if (problem !== undefined) return { kind: "failed", problem };
	}
	const asked = dependencies.authority.admit(toAdmission(scope, candidate, measured));
	const found: Admission = asked instanceof Promise ? await asked : asked;
	const judging = scope.step === undefined ? found : scope.step.judge(found);
	const admission = judging instanceof Promise ? await judging : judging;
	if (admission.kind === "refused") return admission.servedAs === undefined ? admission : { kind: "degraded", serving: admission.servedAs };
	return send(scope, candidate, { attempt: admission.attempt, bound: measured.bound });
}

/** Without evidence no limit was reached: its counting is what failed. */
function refusedByLimit({ dependencies, input }: CallScope, problem: CallProblem): Tried {
	const { code, evidence } = problem;
	if (evidence !== undefined) dependencies.authority.recordLimitRefusal({ requestId: input.requestId, key: input.key, code, evidence });
	return { kind: "failed", problem };
}

export function boundOptions(policy: TeamPolicy, { deployment }: PricedDeployment): BoundOptions {
	const { clampFloorTokens, clampFloorReasoningTokens, mayLowerCallerCap } = policy;
	const { defaultTiers, tokenPermille, enforcedCapFields } = deployment;
	return { clampFloorTokens, clampFloorReasoningTokens, mayLowerCallerCap, defaultTiers, tokenPermille, ...(enforcedCapFields && { enforcedCapFields }) };
}

function toAdmission(scope: CallScope, candidate: PricedDeployment, { bound, cappedOutputTokens }: Measured): AdmissionInput {
	const { input, request } = scope;
	return {
		requestId: input.requestId,
		key: input.key,
		asserted: input.asserted,
		claimed: request.claimed,
		endpoint: input.endpoint,
		protocol: input.protocol,
		model: scope.serving?.served ?? request.model,
		serving: scope.serving,
		provider: candidate.line.provider,
		deployment: candidate.deployment.name,
		line: candidate.line,
		book: scope.book,
		bound,
		cappedOutputTokens,
		refineBound: canCountExactly(request, candidate) ? (left) => refined(scope, candidate, { bound, cappedOutputTokens }, left) : undefined,
		leaving: scope.step ?? scope.caller.leaving,
		run: scope.step?.run,
	};
}

async function refined(
	scope: CallScope,
	candidate: PricedDeployment,
	{ bound, cappedOutputTokens }: Measured,
	left: Left | undefined,
): Promise<Bound | undefined> {
	const exact = await exactBound(scope, candidate, { bound, left });
	return exact === undefined || cappedOutputTokens === undefined ? exact : withLoweredOutput(exact, cappedOutputTokens);
}

async function exactBound(
	{ dependencies, policy, request }: CallScope,
	candidate: PricedDeployment,
	{ bound, left }: { bound: Bound; left: Left | undefined },
): Promise<Bound | undefined> {
	if (!canCountExactly(request, candidate)) return undefined;
	return refineBound({ request, line: candidate.line, options: boundOptions(policy, candidate), bound, left, exactTokens: dependencies.exactTokens });
}

async function send(
	scope: CallScope,
	candidate: PricedDeployment,
	{ attempt, bound }: { readonly attempt: Attempt; readonly bound: Bound },
): Promise<AttemptEnd> {
	const { dependencies, input, caller, policy, request } = scope;
	const { deployment, line } = candidate;
	const sentAtMs = dependencies.nowMs();
	const { body, hasAddedStreamUsage } = prepareBody(request, { deployment, line, clampedOutputTokens: attempt.clampedOutputTokens });
	const plan = {
		attempt,
		request,
		deployment,
		body,
		hasAddedStreamUsage,
		forwardedHeaders: input.forwardedHeaders,
		onDisconnect: policy.onDisconnect,
		boundInputTokens: bound.inputTokens,
		isReasoning: line.isReasoning,
		maxCallMs: policy.maxCallMs,
		answerBytesMax: dependencies.answerBytesMax,
		degradedFrom: scope.serving?.asked,
		step: scope.step,
	};
	const { authority, transport, nowMs, crashPoint } = dependencies;
	scope.limits?.sending();
	const running = runAttempt(plan, { transport, caller, journalTurn: authority.journalTurn, nowMs, crashPoint });
	dependencies.observer.observeOverhead(dependencies.nowMs() - input.receivedAtMs);
	const end = await running;
	scope.limits?.ended({ isSent: end.kind !== "not_sent", tokensUsed: attempt.tokensBooked });
	dependencies.observer.observeUpstream(dependencies.nowMs() - sentAtMs);
	return end;
}

function toCallEnd(tried: Exclude<Tried, { kind: "not_sent" | "degraded" }>): CallEnd {
	if (tried.kind === "failed") return { kind: "rejected", problem: tried.problem };
	return tried;
}
