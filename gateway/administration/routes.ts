import { z } from "zod";
import { listBudgets, removeBudget, setBudget } from "#activities/administration/budgets.ts";
import { listChanges } from "#activities/administration/changes.ts";
import { waitUntilInForce } from "#activities/administration/in-force.ts";
import { listLeases, resolveLease } from "#activities/administration/leases.ts";
import { listTeams, readTeam, requireKnownTeam } from "#activities/administration/read-teams.ts";
import { changeTeam, createTeam, deleteTeam, freezeTeam } from "#activities/administration/teams.ts";
import { readTeamToday } from "#activities/administration/today.ts";
import { createVirtualKey, listVirtualKeys, revokeVirtualKey, rotateVirtualKey } from "#activities/keys/postgres.ts";
import { endThrottle, listThrottles } from "#activities/limits/throttles.ts";
import { setPrice } from "#activities/pricebooks/postgres.ts";
import * as contract from "#clients/administration-contract.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { checkPrice, type UsageQuestion } from "#domain/pricing/explain.ts";
import { priceLineToJson } from "#domain/pricing/line-codec.ts";
import { HANDLER, mergeLists, OF_PATH, ofQuery, operators, readers } from "./access.ts";
import { ALERT_ROUTES } from "./alert-routes.ts";
import { AUDIT_ROUTES } from "./audit-routes.ts";
import { BATCH_ROUTES } from "./batch-routes.ts";
import { DEFERRED_ROUTES } from "./deferred-routes.ts";
import { FOCUS_ROUTES } from "./focus-routes.ts";
import { FORECAST_ROUTES } from "./forecast-routes.ts";
import { INCREASE_ROUTES } from "./increase-routes.ts";
import { PEOPLE_ROUTES } from "./people-routes.ts";
import { POLICY_ROUTES } from "./policy-routes.ts";
import { REPORT_ROUTES } from "./report-routes.ts";
import { REQUEST_ROUTES } from "./request-routes.ts";
import { defineRoute, type Route, type RouteContext } from "./route.ts";
import { RUN_ROUTES } from "./run-routes.ts";
import { SESSION_ROUTES } from "./session-routes.ts";
import { SPEND_ROUTES } from "./spend-routes.ts";
import { STATEMENT_ROUTES } from "./statement-routes.ts";

const DONE = { done: true } as const;
const ROTATION_OVERLAP_MS = 24 * 60 * 60 * 1000;
const flag = z.enum(["true", "false"]).optional();
const limit = z.coerce.number().int().min(1).max(1_000).default(200);

/** A change to a key is answered when every live gateway acts on it. */
async function inForce<Result>(context: RouteContext, change: Promise<Result>): Promise<Result> {
	const result = await change;
	await waitUntilInForce(context.database);
	return result;
}

const teams: readonly Route[] = [
	defineRoute("GET /teams", {
		operationId: "listTeams",
		access: readers(HANDLER),
		summary: "All teams",
		answer: contract.TeamList,
		handle: async ({ database, teamIds }) => ({ teams: await listTeams(database, teamIds) }),
	}),
	defineRoute("POST /teams", {
		operationId: "createTeam",
		access: operators(),
		summary: "Create a team, with its first budget",
		body: contract.CreateTeamRequest,
		answer: contract.CreatedTeam,
		status: 201,
		handle: (context, { body }) => createTeam(context, body),
	}),
	defineRoute("GET /teams/{teamId}", {
		operationId: "readTeam",
		access: readers(OF_PATH),
		summary: "One team",
		answer: contract.Team,
		handle: ({ database }, { params }) => readTeam(database, params["teamId"] ?? ""),
	}),
	defineRoute("GET /teams/{teamId}/today", {
		operationId: "readTeamToday",
		access: readers(OF_PATH),
		summary: "What a team spent on its local day so far, and what was expected of it",
		answer: contract.TeamToday,
		handle: ({ database }, { params }) => readTeamToday(database, params["teamId"] ?? ""),
	}),
	defineRoute("PATCH /teams/{teamId}", {
		operationId: "changeTeam",
		access: operators(),
		summary: "Change a team's policy or limits, or declare it unlimited",
		body: contract.ChangeTeamRequest,
		answer: contract.Team,
		handle: (context, { params, body }) => changeTeam(context, params["teamId"] ?? "", body),
	}),
	defineRoute("DELETE /teams/{teamId}", {
		operationId: "deleteTeam",
		access: operators(),
		summary: "End a team and its keys; its books stay",
		answer: contract.Done,
		handle: async (context, { params }) => {
			await deleteTeam(context, params["teamId"] ?? "");
			return DONE;
		},
	}),
	defineRoute("POST /teams/{teamId}/freeze", {
		operationId: "freezeTeam",
		access: operators(),
		summary: "Stop all spending of a team at once",
		body: contract.FreezeRequest,
		answer: contract.FrozenTeam,
		handle: (context, { params, body }) => freezeTeam(context, params["teamId"] ?? "", { isFrozen: true, reason: body.reason }),
	}),
	defineRoute("POST /teams/{teamId}/unfreeze", {
		operationId: "unfreezeTeam",
		access: operators(),
		summary: "Let a frozen team spend again",
		answer: contract.FrozenTeam,
		handle: (context, { params }) => freezeTeam(context, params["teamId"] ?? "", { isFrozen: false, reason: "" }),
	}),
];

const throttles: readonly Route[] = [
	defineRoute("GET /throttles", {
		operationId: "listThrottles",
		access: readers(ofQuery(mergeLists("throttles"))),
		summary: "Keys and users that are throttled",
		answer: contract.ThrottleList,
		query: z.strictObject({ teamId: z.string().optional() }),
		handle: async ({ database }, { query }) => {
			await requireKnownTeam(database, query.teamId);
			return { throttles: await listThrottles(database, query.teamId) };
		},
	}),
	defineRoute("DELETE /throttles", {
		operationId: "endThrottle",
		access: operators(),
		summary: "End a throttle before its time",
		query: contract.EndThrottleRequest,
		answer: contract.Done,
		handle: async (context, { query }) => {
			await inForce(context, endThrottle(context.database, query, context.adminName));
			return DONE;
		},
	}),
];

const keys: readonly Route[] = [
	defineRoute("GET /keys", {
		operationId: "listKeys",
		access: readers(ofQuery(mergeLists("keys", { field: "id", isDescending: false }))),
		summary: "Virtual keys, page by page, without secrets",
		answer: contract.KeyList,
		query: z.strictObject({ teamId: z.string().optional(), afterId: z.string().optional(), limit }),
		handle: async ({ database }, { query }) => {
			await requireKnownTeam(database, query.teamId);
			const found = await listVirtualKeys(database, query);
			return { keys: found.map((key) => ({ ...key, models: copy(key.models), endpoints: copy(key.endpoints), mayAssert: [...key.mayAssert] })) };
		},
	}),
	defineRoute("POST /keys", {
		operationId: "createKey",
		access: operators(),
		summary: "Create a virtual key; the secret is in this answer only",
		body: contract.CreateKeyRequest,
		answer: contract.CreatedKey,
		status: 201,
		handle: (context, { body }) => inForce(context, createVirtualKey(context.database, body, context.adminName)),
	}),
	defineRoute("POST /keys/{keyId}/rotate", {
		operationId: "rotateKey",
		access: operators(),
		summary: "A successor with the same rights; the old key works on for the overlap",
		body: contract.RotateKeyRequest,
		answer: contract.CreatedKey,
		status: 201,
		handle: (context, { params, body }) =>
			inForce(
				context,
				rotateVirtualKey(
					context.database,
					{ keyId: params["keyId"] ?? "", overlapMs: body.overlapMs ?? ROTATION_OVERLAP_MS, expiresInMs: body.expiresInMs },
					context.adminName,
				),
			),
	}),
	defineRoute("POST /keys/{keyId}/revoke", {
		operationId: "revokeKey",
		access: operators(),
		summary: "Refuse a key from now on, on every gateway",
		answer: contract.Done,
		handle: async (context, { params }) => {
			await inForce(context, revokeVirtualKey(context.database, params["keyId"] ?? "", context.adminName));
			return DONE;
		},
	}),
];

const budgets: readonly Route[] = [
	defineRoute("GET /budgets", {
		operationId: "listBudgets",
		access: readers(ofQuery(mergeLists("budgets"))),
		summary: "Budgets with their current windows",
		answer: contract.BudgetList,
		query: z.strictObject({ teamId: z.string().optional() }),
		handle: async ({ database }, { query }) => ({ budgets: await listBudgets(database, query.teamId) }),
	}),
	defineRoute("PUT /budgets", {
		operationId: "setBudget",
		access: operators(),
		summary: "Set one budget; answered when it is in force",
		body: contract.SetBudgetRequest,
		answer: contract.Budget,
		handle: (context, { body }) => setBudget(context, body),
	}),
	defineRoute("DELETE /budgets", {
		operationId: "removeBudget",
		access: operators(),
		summary: "End one budget; its books stay",
		query: contract.RemoveBudgetRequest,
		answer: contract.Done,
		handle: async (context, { query }) => {
			await removeBudget(context, query);
			return DONE;
		},
	}),
];

const books: readonly Route[] = [
	defineRoute("GET /leases", {
		operationId: "listLeases",
		access: readers(null),
		summary: "Money that gateways hold",
		answer: contract.LeaseList,
		query: z.strictObject({ all: flag }),
		handle: async ({ database }, { query }) => ({ leases: await listLeases(database, { isAll: query.all === "true" }) }),
	}),
	defineRoute("POST /leases/resolve", {
		operationId: "resolveLease",
		access: operators(),
		summary: "Settle what a gateway that never comes back has left open",
		body: contract.ResolveLeaseRequest,
		answer: contract.ResolvedLease,
		handle: async (context, { body }) => {
			const resolved = await resolveLease(context.database, body, context.adminName);
			return { ...resolved, lumps: [...resolved.lumps] };
		},
	}),
	defineRoute("GET /changes", {
		operationId: "listChanges",
		access: readers(null),
		summary: "Who changed what, in order",
		answer: contract.ChangeList,
		query: z.strictObject({
			afterRevision: z
				.string()
				.regex(/^\d{1,18}$/)
				.default("0"),
			limit,
		}),
		handle: async ({ database }, { query }) => ({ changes: await listChanges(database, query) }),
	}),
];

const prices: readonly Route[] = [
	defineRoute("GET /prices", {
		operationId: "listPrices",
		access: readers(HANDLER),
		summary: "Price lines in force",
		answer: contract.PriceList,
		query: z.strictObject({ provider: z.string().optional(), model: z.string().optional() }),
		handle: async ({ readPrices }, { query }) => {
			const { book } = await readPrices();
			const lines = book.lines.filter(
				(line) =>
					(query.provider ?? line.provider) === line.provider &&
					(query.model === undefined || line.model === query.model || line.aliases.includes(query.model)),
			);
			return { version: book.version, lines: lines.map(priceLineToJson) };
		},
	}),
	defineRoute("PUT /prices", {
		operationId: "setPrice",
		access: operators(),
		summary: "Set the price of one model",
		body: contract.SetPriceRequest,
		answer: contract.PriceSet,
		handle: (context, { body }) => inForce(context, setPrice(context.database, body, context.adminName)),
	}),
	defineRoute("POST /prices/check", {
		operationId: "checkPrice",
		access: readers(HANDLER),
		summary: "What a usage costs, and how that was made",
		body: contract.CheckPriceRequest,
		answer: contract.PriceCheck,
		handle: async ({ readPrices }, { body }) => {
			const checked = checkPrice({ ...body, book: (await readPrices()).book, usage: body.usage as UsageQuestion });
			if (checked.kind === "problem") throw new CostControlError(checked.code, checked.message, { details: { field: checked.field } });
			const { kind: _, ...answer } = checked;
			return { ...answer, lines: [...answer.lines] };
		},
	}),
];

function copy(values: readonly string[] | null): string[] | null {
	return values === null ? null : [...values];
}

/** Every route that needs an admin key, in the order of the document. */
export const ADMINISTRATION_ROUTES: readonly Route[] = [
	...teams,
	...throttles,
	...keys,
	...budgets,
	...INCREASE_ROUTES,
	...RUN_ROUTES,
	...BATCH_ROUTES,
	...DEFERRED_ROUTES,
	...POLICY_ROUTES,
	...SPEND_ROUTES,
	...AUDIT_ROUTES,
	...STATEMENT_ROUTES,
	...FOCUS_ROUTES,
	...REPORT_ROUTES,
	...FORECAST_ROUTES,
	...REQUEST_ROUTES,
	...books,
	...prices,
	...PEOPLE_ROUTES,
	...SESSION_ROUTES,
	...ALERT_ROUTES,
];
