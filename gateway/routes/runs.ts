import { randomBytes } from "node:crypto";
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { z } from "zod";
import { Departure } from "#activities/request/leaving.ts";
import type { KeyIdentity } from "#activities/request/port.ts";
import type { RunGuard } from "#activities/runs/guard-port.ts";
import type { ChainRun, EnteredRun, RegisterRun, RunStore } from "#activities/runs/port.ts";
import { enteringRefusal } from "#activities/runs/run-refusal.ts";
import { FinishRunRequest, RegisterRunRequest, RUN_WAIT_MS_MAX, WaitRunQuery } from "#clients/run-contract.ts";
import { RUN_ID_PATTERN } from "#domain/agents/run.ts";
import { newRunId } from "#domain/agents/run-ids.ts";
import { checkRunLimits } from "#domain/agents/run-limits.ts";
import type { FieldProblem } from "#domain/budget/scope.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { GatewayContext } from "../context.ts";
import { callFields } from "../log-fields.ts";
import { bodyTooLarge, type Problem, problemOf, refusalProblem, renderProblem } from "../problem.ts";
import { protocolOf } from "../protocol.ts";
import { invalidRun } from "../run-headers.ts";
import { readJsonBody } from "./json-body.ts";
import { runAnswer, runStanding } from "./run-answers.ts";

/** What the routes of agent runs work with. */
export type RunRoutes = {
	readonly store: Pick<RunStore, "register" | "find" | "read" | "finish">;
	readonly guard: Pick<RunGuard, "whenChanged" | "follow" | "beginDrain">;
	/** How a root of the team is opened: its limits where it names none, and what a loop does to it. */
	openingOf(teamId: string): RunOpening;
	/** Most that wait at once; default 10,000. */
	readonly waitersMax?: number;
};

export type RunOpening = Pick<RegisterRun, "defaults" | "budgets" | "newRunsPerHour" | "onLoop">;

const BODY_BYTES_MAX = 64 * 1024;
const WAITERS_MAX = 10_000;
const WAIT_RETRY_AFTER_SECONDS = 5;

type RunRequest = FastifyRequest<{ Params: { runId: string } }>;
type Answer = { readonly status: 200 | 201; readonly body: unknown };
type Call = {
	readonly context: GatewayContext;
	readonly runs: RunRoutes;
	readonly key: KeyIdentity;
	readonly request: RunRequest;
	readonly reply: FastifyReply;
};

/** `/v1/runs`, as of a virtual key: opens, shows, ends a run of the key's team, and waits for a change of it. None of them reaches a provider. */
export function registerRunRoutes(app: FastifyInstance, context: GatewayContext): void {
	const { runs } = context;
	if (runs === undefined) return;
	const waiting = { count: 0 };
	// Whoever waits is answered, so that a drain has nobody to wait for.
	app.addHook("preClose", (done) => {
		runs.guard.beginDrain();
		done();
	});
	const options = { bodyLimit: BODY_BYTES_MAX, errorHandler: refuseLargeBody(context) };
	const serve =
		(handle: (call: Call) => Promise<Answer | Problem>) =>
		(request: RunRequest, reply: FastifyReply): Promise<FastifyReply> =>
			answerCall(context, { request, reply }, (key) => handle({ context, runs, key, request, reply }));
	app.post<{ Params: { runId: string } }>("/v1/runs", options, serve(register));
	app.get<{ Params: { runId: string } }>("/v1/runs/:runId", options, serve(show));
	app.get<{ Params: { runId: string } }>(
		"/v1/runs/:runId/wait",
		options,
		serve((call) => waitForChange(call, waiting)),
	);
	app.post<{ Params: { runId: string } }>("/v1/runs/:runId/finish", options, serve(finish));
}

async function answerCall(
	context: GatewayContext,
	{ request, reply }: { readonly request: RunRequest; readonly reply: FastifyReply },
	handle: (key: KeyIdentity) => Promise<Answer | Problem>,
): Promise<FastifyReply> {
	const key = request.virtualKey;
	if (key === undefined) return sendProblem(context, { request, reply }, { code: "key.missing", message: "No key." });
	try {
		const outcome = await handle(key);
		if ("code" in outcome) return sendProblem(context, { request, reply }, outcome);
		return reply.code(outcome.status).header("x-tollgate-request-id", request.id).send(outcome.body);
	} catch (error) {
		if (!(error instanceof CostControlError)) context.log.error({ ...callFields(request), err: error }, "a request about a run failed");
		return sendProblem(context, { request, reply }, problemOf(error));
	}
}

async function register({ context, runs, key, request }: Call): Promise<Answer | Problem> {
	const read = readJsonBody(request);
	if (read.kind === "rejected") return read.problem;
	const checked = checkRegistration(read.value, request.query);
	if (checked.kind === "invalid") return invalidRun(checked.problems);
	const { runId, parentRunId = null, teamId = key.teamId, feature, limits = {} } = checked.value;
	if (teamId !== key.teamId) return invalidRun([{ field: "teamId", problem: "is not the team of this key" }]);
	const asserted = feature === undefined || feature === key.feature ? null : feature;
	const refused = asserted === null ? undefined : await refuseFeature(context, key, asserted);
	if (refused !== undefined) return refused;
	const known = runId === undefined ? undefined : await runs.store.find(key.teamId, runId);
	const opening = runs.openingOf(key.teamId);
	const isRoot = parentRunId === null && (known === undefined || known.run.path.length === 1);
	const entered = await runs.store.register({
		...opening,
		teamId: key.teamId,
		keyId: key.keyId,
		feature: asserted ?? key.feature,
		runId: runId ?? newRunId(randomBytes),
		parentRunId,
		limits: isRoot ? withDefaults(limits, opening.defaults) : limits,
	});
	if (entered.kind === "refused") return refusalOf(entered);
	const { chain } = entered;
	const own = chain.at(-1);
	if (own === undefined) throw new Error("a run was entered without itself");
	const body = { ...runAnswer(own, chain.at(-2)?.run.runId ?? null), assertedFeature: asserted };
	return { status: known === undefined ? 201 : 200, body };
}

type Registration =
	| { readonly kind: "valid"; readonly value: z.output<typeof RegisterRunRequest> }
	| { readonly kind: "invalid"; readonly problems: FieldProblem[] };

/** Every mistake of the request, those inside `limits` among them. */
function checkRegistration(body: unknown, query: unknown): Registration {
	const parsed = RegisterRunRequest.safeParse(body);
	const given = (body as { readonly limits?: unknown } | null)?.limits;
	const isObject = typeof given === "object" && given !== null && !Array.isArray(given);
	const limits = isObject ? checkRunLimits(given) : undefined;
	const problems = [
		...unknownQuery(query),
		...(parsed.success ? [] : problemsOf(parsed.error, "body")),
		...(limits?.kind === "invalid" ? limits.problems : []),
	];
	return parsed.success && problems.length === 0 ? { kind: "valid", value: parsed.data } : { kind: "invalid", problems };
}

/** A root has the team's default of each ceiling that it does not name; one that names none is left to the store. */
function withDefaults(limits: Readonly<Record<string, unknown>>, defaults: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
	if (Object.keys(limits).length === 0) return limits;
	const checked = checkRunLimits(limits);
	const isChildless = checked.kind === "valid" && checked.value.some(({ kind, hard }) => kind === "depth" && hard?.at === 0n);
	const { width, ...others } = defaults;
	return { ...others, ...(width !== undefined && !isChildless && { width }), ...limits };
}

async function refuseFeature({ authority }: GatewayContext, key: KeyIdentity, feature: string): Promise<Problem | undefined> {
	const refused = (message: string): Problem => ({ code: "key.assertion_refused", message, field: "feature" });
	if (!key.mayAssert.includes("feature")) return refused("This key may not assert a feature; leave it out, or use a key that may.");
	if (!(await authority.mayAssertValue(key, "feature", feature))) return refused("This key has asserted as many different features as it may.");
	return undefined;
}

async function show({ runs, key, request }: Call): Promise<Answer | Problem> {
	const problem = checkPath(request) ?? refuseQuery(request);
	if (problem !== undefined) return problem;
	const { runId } = request.params;
	const found = await runs.store.find(key.teamId, runId);
	if (found === undefined) return unknownRun(runId);
	return { status: 200, body: runAnswer(found, await parentOf(runs, found)) };
}

async function parentOf({ store }: RunRoutes, { run }: ChainRun): Promise<string | null> {
	const number = run.path.at(-2);
	if (number === undefined) return null;
	const [parent] = await store.read([number]);
	return parent?.run.runId ?? null;
}

/** Holds no place among the open calls: a watcher who is cut off has lost nothing. */
async function waitForChange({ runs, key, request, reply }: Call, waiting: { count: number }): Promise<Answer | Problem> {
	const pathProblem = checkPath(request);
	if (pathProblem !== undefined) return pathProblem;
	const query = WaitRunQuery.safeParse(request.query);
	if (!query.success) return invalidRun(problemsOf(query.error, "query"));
	const waitersMax = runs.waitersMax ?? WAITERS_MAX;
	if (waiting.count >= waitersMax) return tooManyWait(waitersMax);
	const { version = null, waitMs = RUN_WAIT_MS_MAX } = query.data;
	const { runId } = request.params;
	const departure = new Departure();
	const leave = (): void => {
		if (!reply.raw.writableFinished) departure.leave();
	};
	waiting.count += 1;
	reply.raw.once("close", leave);
	try {
		const run = await runs.guard.whenChanged({ teamId: key.teamId, runId, version }, waitMs, departure);
		return run === undefined ? unknownRun(runId) : { status: 200, body: runStanding(run) };
	} finally {
		waiting.count -= 1;
		reply.raw.off("close", leave);
	}
}

async function finish({ runs, key, request }: Call): Promise<Answer | Problem> {
	const read = readJsonBody(request);
	if (read.kind === "rejected") return read.problem;
	const body = FinishRunRequest.safeParse(read.value);
	const problem = checkPath(request) ?? refuseQuery(request) ?? (body.success ? undefined : invalidRun(problemsOf(body.error, "body")));
	if (problem !== undefined) return problem;
	const { runId } = request.params;
	const result = await runs.store.finish({ teamId: key.teamId, runId, by: `key ${key.keyId}` });
	if (result.kind === "refused") {
		if (result.code === "run.unknown" || result.code === "run.other_team") return unknownRun(runId);
		return { ...invalidRun(result.problems), code: result.code };
	}
	// The change log tells the other gateways.
	const [root] = result.run.path.length === 1 ? [{ run: result.run }] : await runs.store.read(result.run.path.slice(0, 1));
	if (root !== undefined) runs.guard.follow([root.run.runId]);
	return { status: 200, body: runStanding(result.run) };
}

function refusalOf(refused: Extract<EnteredRun, { kind: "refused" }>): Problem {
	// What holds the parent is told as it is to a call.
	if (refused.run !== undefined) return refusalProblem(enteringRefusal(refused));
	const { code, message, field, problems, retryAfterSeconds } = refused;
	return { code, message, ...(field !== "" && { field }), ...(problems && { problems }), ...(retryAfterSeconds !== undefined && { retryAfterSeconds }) };
}

/** Also where it is another team's: whoever asks is told nothing of it. */
function unknownRun(runId: string): Problem {
	return { code: "run.unknown", message: `This team has no run ${runId}.`, field: "runId" };
}

function tooManyWait(waitersMax: number): Problem {
	const message = `${waitersMax} others wait at this gateway already; ask again shortly, or without a version, which is answered at once.`;
	return { code: "gateway.overloaded", message, retryAfterSeconds: WAIT_RETRY_AFTER_SECONDS };
}

function checkPath({ params }: RunRequest): Problem | undefined {
	return RUN_ID_PATTERN.test(params.runId) ? undefined : unknownRun(params.runId.slice(0, 128).replaceAll(/[^\x20-\x7e]/g, "?"));
}

function refuseQuery({ query }: RunRequest): Problem | undefined {
	const problems = unknownQuery(query);
	return problems.length > 0 ? invalidRun(problems) : undefined;
}

function unknownQuery(query: unknown): FieldProblem[] {
	return Object.keys(query as object).map((name) => ({ field: printable(name), problem: "is no parameter of this request" }));
}

function problemsOf({ issues }: z.ZodError, whole: string): FieldProblem[] {
	return issues.flatMap((issue) => {
		const at = issue.path.map((part) => printable(String(part))).join(".");
		if (issue.code !== "unrecognized_keys") return [{ field: at === "" ? whole : at, problem: issue.message }];
		return issue.keys.map((name) => ({ field: at === "" ? printable(name) : `${at}.${printable(name)}`, problem: "is no field of this request" }));
	});
}

function printable(name: string): string {
	return name.slice(0, 128).replaceAll(/[\p{Cc}\p{Cs}]/gu, "?");
}

function refuseLargeBody(context: GatewayContext) {
	return (error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
		if (error.code !== "FST_ERR_CTP_BODY_TOO_LARGE") throw error;
		// Without the end of the connection an unread body would keep coming.
		reply.header("connection", "close");
		return sendProblem(context, { request, reply }, bodyTooLarge(BODY_BYTES_MAX));
	};
}

function sendProblem(
	{ metrics }: GatewayContext,
	{ request, reply }: { readonly request: FastifyRequest; readonly reply: FastifyReply },
	problem: Problem,
): FastifyReply {
	const rendered = renderProblem(problem, protocolOf(request), request.id);
	for (let index = 0; index < rendered.headers.length; index += 2) reply.header(rendered.headers[index] ?? "", rendered.headers[index + 1]);
	metrics.countRefusal(problem.code);
	metrics.countRequest("other", rendered.status);
	return reply.code(rendered.status).send(rendered.body);
}
