import { fileURLToPath } from "node:url";
import cookie from "@fastify/cookie";
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { z } from "zod";
import type { BudgetGovernor } from "#activities/administration/port.ts";
import type { AlertSender } from "#activities/alerts/sender.ts";
import type { BatchJobs } from "#activities/batches/job/job-port.ts";
import type { Months } from "#activities/chargeback/close.ts";
import type { OidcProvider } from "#activities/identity/oidc.ts";
import type { Queryable } from "#activities/keys/port.ts";
import { createPolicyThread } from "#activities/policy/policy-thread.ts";
import type { CurrentPriceBook } from "#activities/pricebooks/port.ts";
import type { ReportSettings } from "#activities/reports/port.ts";
import type { SpendSums } from "#activities/spend/recount-spend.ts";
import { ADMINISTRATION_PREFIX } from "#clients/administration-contract.ts";
import { createWorkflowLinks } from "#clients/workflow-links.ts";
import { createKeptPlaceProblem } from "#config/alert-secrets.ts";
import { DEFAULT_PROVIDER_OUTLINE, type ProviderOutline } from "#config/providers.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { findUnstorableText, STORABLE_TEXT_RULE } from "#domain/text/storable-text.ts";
import { mergeAnswers, narrowToTeams, type RouteInput, requireRole, withOwnTeam } from "./access.ts";
import { type Caller, identifyCaller, refuseOtherSites, SESSION_COOKIE } from "./caller.ts";
import { ChangeFeed, type ChangeFeedOptions } from "./change-feed.ts";
import { addConsolePages, addSecurityHeaders, REPORT_POLICY } from "./console-pages.ts";
import { addOidcPages, OIDC_PATH } from "./oidc-pages.ts";
import { describeAdministrationApi } from "./openapi.ts";
import type { PolicyThreadData } from "./policy-thread-worker.ts";
import { problemOf, sendProblem } from "./problem.ts";
import { AnswerWithSession, type ConsoleSettings, type Route, type RouteContext, StreamedAnswer, WrittenAnswer } from "./route.ts";
import { ADMINISTRATION_ROUTES } from "./routes.ts";
import { clearSessionCookie, setSessionCookie } from "./session-cookie.ts";
import { SignInTries } from "./sign-in-tries.ts";

export type AdministrationDependencies = {
	/** A pool that is not shared with the hot path. */
	readonly database: Queryable;
	/** The teams' workflows. */
	readonly governor: BudgetGovernor;
	/** The price book in force now. */
	readPrices(): Promise<CurrentPriceBook>;
	/** Providers and aliases of the gateways' settings, which a policy may name; default: those without a providers file. */
	readonly providers?: ProviderOutline;
	/** Tells a channel of alerts something now: the test of a channel. */
	readonly alertSender: AlertSender;
	/** Default: days of UTC. */
	readonly reports?: ReportSettings;
	/** The workflows of batches; default: they cannot be asked, and batches are read and cancelled without them. */
	readonly batchJobs?: BatchJobs;
	/** The workflows of months; default: months are read and not closed. */
	readonly months?: Months;
	/** The workflow of sums; default: they cannot be made anew. */
	readonly spendSums?: SpendSums;
	/** Default: no link to Temporal. */
	readonly temporalUiUrl?: string | null;
	/** That workflows are in; default "default". */
	readonly temporalNamespace?: string;
	/** Whose people may sign in; default nobody's. */
	readonly oidc?: { readonly name: string; readonly provider: OidcProvider };
	/** Told why somebody whom an identity provider sent was not let in. Default: nothing. */
	readonly onSignInRefused?: (error: CostControlError) => void;
	/** How often changes are looked for while pages listen; default every second. */
	readonly changeFeed?: Pick<ChangeFeedOptions, "lookMs" | "beatMs">;
	/** Of the built console; default console/dist of the project. */
	readonly consoleFolder?: string;
	/** Milliseconds of a clock that only goes forward, for failed tries to sign in; default performance.now. */
	readonly now?: () => number;
	/** Of the process that delivers alerts: nothing in it is read for a channel. */
	readonly home: string;
	/** Told what nobody foresaw; the caller only learns that it was our fault. Default: nothing. */
	readonly onUnexpectedError?: (error: unknown, request: { readonly method: string; readonly url: string }) => void;
};

const BODY_BYTES_MAX = 1024 * 1024;
const UTC_REPORTS: ReportSettings = { timeZone: "UTC" };
const CONSOLE_FOLDER = fileURLToPath(new URL("../../console/dist/", import.meta.url));
const POLICY_THREAD_MODULE = new URL("./policy-thread-worker.ts", import.meta.url);

/**
 * The administration API on a server of its own, and the console beside it. Every route but /healthz, the OpenAPI document, the files of the console and
 * sign-in needs an admin key or a session, whose name stands beside every change.
 */
export function createAdministrationApp(dependencies: AdministrationDependencies): FastifyInstance {
	const app = fastify({
		bodyLimit: BODY_BYTES_MAX,
		exposeHeadRoutes: false,
		return503OnClosing: false,
		frameworkErrors: (error, _request, reply) => void sendProblem(reply, problemOf(error)),
	});
	app.register(cookie);
	addSecurityHeaders(app);
	const document = describeAdministrationApi(ADMINISTRATION_ROUTES);
	app.get("/healthz", async () => ({ ok: true }));
	app.get(`${ADMINISTRATION_PREFIX}/openapi.json`, async () => document);
	const { home } = dependencies;
	const policyThread = createPolicyThread({ worker: { file: POLICY_THREAD_MODULE, data: { home } satisfies PolicyThreadData } });
	app.addHook("onClose", () => policyThread.close());
	const parts = { policyThread, keptPlaceProblem: createKeptPlaceProblem({ home }), tries: new SignInTries(dependencies.now), feed: createFeed(dependencies) };
	app.addHook("preClose", async () => parts.feed.closeAll());
	for (const route of ADMINISTRATION_ROUTES) addRoute(app, route, { ...dependencies, ...parts });
	const { oidc, database, onSignInRefused = () => undefined } = dependencies;
	if (oidc !== undefined) addOidcPages(app, { provider: oidc.provider, database, tries: parts.tries, onRefusal: onSignInRefused });
	addConsolePages(app, dependencies.consoleFolder ?? CONSOLE_FOLDER);
	app.setNotFoundHandler((_request, reply) =>
		sendProblem(reply, {
			code: "request.not_found",
			message: "There is no such path or method. The routes are listed at /admin/v1/openapi.json.",
			field: null,
		}),
	);
	app.setErrorHandler((error: FastifyError, request, reply) => {
		const problem = problemOf(error);
		if (problem.code === "internal.invariant") dependencies.onUnexpectedError?.(error, { method: request.method, url: request.url });
		return sendProblem(reply, problem);
	});
	return app;
}

function createFeed({ database, changeFeed, onUnexpectedError }: AdministrationDependencies): ChangeFeed {
	return new ChangeFeed({
		...changeFeed,
		database,
		onProblem: (error) => {
			// PostgreSQL that is away is nothing unforeseen: what changed meanwhile is told when it is back.
			if (problemOf(error as FastifyError).code === "internal.invariant") onUnexpectedError?.(error, { method: "GET", url: `${ADMINISTRATION_PREFIX}/events` });
		},
	});
}

type RouteParts = AdministrationDependencies & Pick<RouteContext, "policyThread" | "keptPlaceProblem" | "feed"> & { readonly tries: SignInTries };

function addRoute(app: FastifyInstance, route: Route, dependencies: RouteParts): void {
	app.route({
		method: route.method,
		url: `${ADMINISTRATION_PREFIX}${route.path.replaceAll(/\{(\w+)\}/g, ":$1")}`,
		...(route.bodyBytesMax !== undefined && { bodyLimit: route.bodyBytesMax }),
		handler: async (request, reply) => {
			const caller = await callerOf(request, route, dependencies);
			requireRole(route.access, caller);
			refuseUnstorable({ params: request.params, query: request.query, body: withoutLineBreaks(request.body, route.fileField) });
			const input = {
				params: request.params as Record<string, string>,
				query: parse(route.query, withOwnTeam(route.access, caller, request.query), ""),
				body: parse(route.body, request.body ?? {}, ""),
			};
			const context = contextFor(caller, request, dependencies);
			return sendAnswer(request, reply.code(route.status), await answerFor({ route, context, input }));
		},
	});
}

/** Sees nothing, and changes nothing. */
const NOBODY: Caller = { name: "", role: "viewer", teamIds: [], adminKeyId: null, session: null, secret: "" };

async function callerOf(request: FastifyRequest, { access }: Route, { database }: RouteParts): Promise<Caller> {
	if (access.kind !== "anyone") return identifyCaller(request, database);
	refuseOtherSites(request);
	return NOBODY;
}

function contextFor(caller: Caller, request: FastifyRequest, dependencies: RouteParts): RouteContext {
	const { onUnexpectedError: _error, home: _home, tries, oidc, temporalUiUrl = null, temporalNamespace = "default", ...parts } = dependencies;
	const { providers = DEFAULT_PROVIDER_OUTLINE, reports = UTC_REPORTS } = dependencies;
	const visitor = { address: request.ip, cookie: request.cookies[SESSION_COOKIE], lastEventId: request.headers["last-event-id"]?.toString(), tries };
	const console: ConsoleSettings = { temporalUiUrl, oidc: oidc === undefined ? null : { name: oidc.name, startUrl: `${OIDC_PATH}/start` } };
	const workflows = createWorkflowLinks({ uiUrl: temporalUiUrl, namespace: temporalNamespace });
	return { ...parts, providers, reports, caller, visitor, console, workflows, adminName: caller.name, teamIds: caller.teamIds };
}

/** Once, or once for each of a team owner's teams. */
async function answerFor({ route, context, input }: { readonly route: Route; readonly context: RouteContext; readonly input: RouteInput }): Promise<unknown> {
	const [first, ...others] = await narrowToTeams(route.access, context.caller, input, context.database);
	if (first === undefined) throw new Error("nothing is left to ask");
	const answers = [await route.handle(context, first)];
	for (const other of others) answers.push(await route.handle(context, other));
	return others.length === 0 ? answers[0] : mergeAnswers(route.access, answers, input.query);
}

function sendAnswer(request: FastifyRequest, reply: FastifyReply, answer: unknown): FastifyReply {
	if (answer instanceof WrittenAnswer) {
		if (answer.type.startsWith("text/html")) reply.header("content-security-policy", REPORT_POLICY);
		return reply.type(answer.type).send(answer.text);
	}
	// A proxy that gathers answers would hold back events.
	if (answer instanceof StreamedAnswer) return reply.type(answer.type).header("x-accel-buffering", "no").send(answer.stream);
	if (!(answer instanceof AnswerWithSession)) return reply.send(answer);
	if (answer.token === null) clearSessionCookie(reply);
	else setSessionCookie(request, reply, answer.token);
	return reply.send(answer.answer);
}

/** Free text reaches PostgreSQL in many places, some of them of open shape (a price line, a policy): none may hold what it cannot store. */
function refuseUnstorable(parts: Readonly<Record<string, unknown>>): void {
	for (const [part, value] of Object.entries(parts)) {
		const found = findUnstorableText(value);
		if (found === undefined) continue;
		const field = found || part;
		throw new CostControlError("admin.invalid", `${field}: ${STORABLE_TEXT_RULE}`, { details: { field } });
	}
}

/** The text of a file has lines and tabs; any other control character is as wrong there as elsewhere. */
function withoutLineBreaks(body: unknown, fileField: string | undefined): unknown {
	if (fileField === undefined || typeof body !== "object" || body === null) return body;
	const text = (body as Readonly<Record<string, unknown>>)[fileField];
	return typeof text === "string" ? { ...body, [fileField]: text.replaceAll(/[\t\r\n]/g, " ") } : body;
}

function parse(schema: z.ZodType | undefined, value: unknown, prefix: string): unknown {
	if (!schema) return undefined;
	const parsed = schema.safeParse(value);
	if (parsed.success) return parsed.data;
	const issues = parsed.error.issues.map((issue) => ({
		field: `${prefix}${issue.path.join(".") || (issue.code === "unrecognized_keys" ? issue.keys.join(", ") : "body")}`,
		message: issue.message,
	}));
	throw new CostControlError("admin.invalid", issues.map((issue) => `${issue.field}: ${issue.message}`).join("; "), {
		details: { field: issues[0]?.field ?? null },
	});
}
