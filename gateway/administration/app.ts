import fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { z } from "zod";
import { authenticateAdmin, type KnownAdmin } from "#activities/administration/admin-keys.ts";
import type { BudgetGovernor } from "#activities/administration/port.ts";
import type { AlertSender } from "#activities/alerts/sender.ts";
import type { BatchJobs } from "#activities/batches/job/job-port.ts";
import type { Months } from "#activities/chargeback/close.ts";
import type { Queryable } from "#activities/keys/port.ts";
import { createPolicyThread } from "#activities/policy/policy-thread.ts";
import { RefusedPolicy } from "#activities/policy/port.ts";
import type { CurrentPriceBook } from "#activities/pricebooks/port.ts";
import type { ReportSettings } from "#activities/reports/port.ts";
import { ADMINISTRATION_PREFIX, type Problem } from "#clients/administration-contract.ts";
import { createKeptPlaceProblem } from "#config/alert-secrets.ts";
import { DEFAULT_PROVIDER_OUTLINE, type ProviderOutline } from "#config/providers.ts";
import { ERROR_CODES, type ErrorCode } from "#domain/errors/codes.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { findUnstorableText, STORABLE_TEXT_RULE } from "#domain/text/storable-text.ts";
import { mergeAnswers, narrowToTeams, type RouteInput, requireRole, withOwnTeam } from "./access.ts";
import { describeAdministrationApi } from "./openapi.ts";
import { copyDiff } from "./policy-routes.ts";
import type { PolicyThreadData } from "./policy-thread-worker.ts";
import { type Route, type RouteContext, WrittenAnswer } from "./route.ts";
import { ADMINISTRATION_ROUTES } from "./routes.ts";

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
	/** Of the process that delivers alerts: nothing in it is read for a channel. */
	readonly home: string;
	/** Told what nobody foresaw; the caller only learns that it was our fault. Default: nothing. */
	readonly onUnexpectedError?: (error: unknown, request: { readonly method: string; readonly url: string }) => void;
};

const BODY_BYTES_MAX = 1024 * 1024;
const UTC_REPORTS: ReportSettings = { timeZone: "UTC" };
const POLICY_THREAD_MODULE = new URL("./policy-thread-worker.ts", import.meta.url);

/**
 * The administration API on a server of its own. Every route but /healthz and the OpenAPI document needs an
 * admin key, and its name stands beside every change.
 */
export function createAdministrationApp(dependencies: AdministrationDependencies): FastifyInstance {
	const app = fastify({
		bodyLimit: BODY_BYTES_MAX,
		exposeHeadRoutes: false,
		return503OnClosing: false,
		frameworkErrors: (error, _request, reply) => void sendProblem(reply, problemOf(error)),
	});
	const document = describeAdministrationApi(ADMINISTRATION_ROUTES);
	app.get("/healthz", async () => ({ ok: true }));
	app.get(`${ADMINISTRATION_PREFIX}/openapi.json`, async () => document);
	const { home } = dependencies;
	const policyThread = createPolicyThread({ worker: { file: POLICY_THREAD_MODULE, data: { home } satisfies PolicyThreadData } });
	app.addHook("onClose", () => policyThread.close());
	for (const route of ADMINISTRATION_ROUTES) addRoute(app, route, { ...dependencies, policyThread, keptPlaceProblem: createKeptPlaceProblem({ home }) });
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

function addRoute(
	app: FastifyInstance,
	route: Route,
	dependencies: AdministrationDependencies & Pick<RouteContext, "policyThread" | "keptPlaceProblem">,
): void {
	app.route({
		method: route.method,
		url: `${ADMINISTRATION_PREFIX}${route.path.replaceAll(/\{(\w+)\}/g, ":$1")}`,
		...(route.bodyBytesMax !== undefined && { bodyLimit: route.bodyBytesMax }),
		handler: async (request, reply) => {
			const admin = await requireAdmin(request, dependencies.database);
			requireRole(route.access, admin);
			refuseUnstorable({ params: request.params, query: request.query, body: withoutLineBreaks(request.body, route.fileField) });
			const input = {
				params: request.params as Record<string, string>,
				query: parse(route.query, withOwnTeam(route.access, admin, request.query), ""),
				body: parse(route.body, request.body ?? {}, ""),
			};
			const { onUnexpectedError: _error, home: _home, providers = DEFAULT_PROVIDER_OUTLINE, reports = UTC_REPORTS, ...parts } = dependencies;
			const context: RouteContext = { ...parts, providers, reports, adminName: admin.name, teamIds: admin.teamIds };
			const answer = await answerFor(admin, { route, context, input });
			if (answer instanceof WrittenAnswer) return reply.code(route.status).type(answer.type).send(answer.text);
			return reply.code(route.status).send(answer);
		},
	});
}

/** Once, or once for each of a team owner's teams. */
async function answerFor(
	admin: KnownAdmin,
	{ route, context, input }: { readonly route: Route; readonly context: RouteContext; readonly input: RouteInput },
): Promise<unknown> {
	const [first, ...others] = await narrowToTeams(route.access, admin, input, context.database);
	if (first === undefined) throw new Error("nothing is left to ask");
	const answers = [await route.handle(context, first)];
	for (const other of others) answers.push(await route.handle(context, other));
	return others.length === 0 ? answers[0] : mergeAnswers(route.access, answers, input.query);
}

async function requireAdmin(request: FastifyRequest, database: Queryable): Promise<KnownAdmin> {
	const [scheme, secret, ...rest] = (request.headers.authorization ?? "").split(" ");
	if (scheme?.toLowerCase() !== "bearer" || !secret || rest.length > 0)
		throw new CostControlError("key.missing", "Send an admin key as Authorization: Bearer tga-…");
	const admin = await authenticateAdmin(database, secret);
	if (!admin) throw new CostControlError("key.invalid", "This admin key is unknown or revoked. Virtual keys (tg-…) cannot administer.");
	return admin;
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

type AdministrationProblem = z.input<typeof Problem>["error"] & { readonly code: ErrorCode };

function problemOf(error: FastifyError): AdministrationProblem {
	if (error instanceof CostControlError) {
		const { code, publicMessage: message, details } = error;
		const refused =
			error instanceof RefusedPolicy ? { mistakes: error.mistakes?.map((mistake) => ({ ...mistake })), diff: error.diff && copyDiff(error.diff) } : {};
		return { code, message, field: typeof details["field"] === "string" ? details["field"] : null, ...refused };
	}
	if (error.code === "FST_ERR_CTP_BODY_TOO_LARGE") return { code: "request.too_large", message: "The body is larger than this route takes.", field: null };
	if (error.statusCode !== undefined && error.statusCode < 500) return { code: "request.invalid", message: error.message, field: null };
	if (isDatabaseAway(error)) return { code: "authority.unreachable", message: "PostgreSQL does not answer; try again.", field: null };
	return { code: "internal.invariant", message: "Tollgate failed to serve this request. Its log says why.", field: null };
}

/**
 * Connection refused, reset, timed out; or PostgreSQL's classes 08 (connection), 53 (resources), 57 (shutdown, statement timeout), 58 (its
 * disk), or 55P03 (a lock not given in time). The driver gives no code to a connection that is lost under a statement, only these words.
 */
function isDatabaseAway({ code, message }: { readonly code?: string; readonly message: string }): boolean {
	if (/^(ECONN|ETIMEDOUT|EPIPE|ENOTFOUND|08...|53...|57...|58...|55P03)/.test(code ?? "")) return true;
	return code === undefined && /^(Connection terminated|Query read timeout|timeout exceeded when trying to connect)/.test(message);
}

function sendProblem(reply: FastifyReply, problem: AdministrationProblem): FastifyReply {
	const { httpStatus } = ERROR_CODES[problem.code];
	if (httpStatus === 503) reply.header("retry-after", "1");
	return reply.code(httpStatus).send({ error: problem });
}
