import { z } from "zod";
import { cancelDeferred, listDeferred, readDeferred, reportDeferred } from "#activities/administration/deferred.ts";
import { listWebhooks, retryDeadWebhooks } from "#activities/administration/deferred-webhooks.ts";
import { requireKnownTeam } from "#activities/administration/read-teams.ts";
import { teamsOfDeferred } from "#activities/administration/teams-of.ts";
import * as contract from "#clients/deferred-contract.ts";
import { DEFERRED_STATUSES } from "#domain/batching/deferred.ts";
import { ofQuery, operators, owned, ownedInBody, readers } from "./access.ts";
import { defineRoute, type Route } from "./route.ts";

const DEFERRED = owned("deferredId", teamsOfDeferred);

const limit = z.coerce.number().int().min(1).max(1_000).default(50);

/** Items handed in alone, for operators. */
export const DEFERRED_ROUTES: readonly Route[] = [
	defineRoute("GET /deferred", {
		operationId: "listDeferred",
		access: readers(ofQuery()),
		summary: "Items of a team that were handed in alone, the newest first, page by page",
		answer: contract.DeferredList,
		query: z.strictObject({ teamId: z.string(), status: z.enum(DEFERRED_STATUSES).optional(), limit, after: z.string().optional() }),
		handle: async ({ database }, { query }) => {
			await requireKnownTeam(database, query.teamId);
			return { items: await listDeferred(database, query) };
		},
	}),
	defineRoute("GET /deferred/report", {
		operationId: "reportDeferred",
		access: readers(ofQuery()),
		summary: "What items handed in alone cost, what they would have cost in real time, and what came late, by team and lane",
		answer: contract.DeferredReport,
		query: z.strictObject({ teamId: z.string().optional(), days: z.coerce.number().int().min(1).max(366).default(30) }),
		handle: async ({ database }, { query }) => {
			await requireKnownTeam(database, query.teamId);
			return reportDeferred(database, query);
		},
	}),
	defineRoute("GET /deferred/webhooks", {
		operationId: "listDeferredWebhooks",
		access: readers(ofQuery()),
		summary: "Webhooks of ended items, the newest end first; those that were given up where nothing else is asked for",
		answer: contract.DeferredWebhookList,
		query: z.strictObject({
			state: z.enum(["waiting", "delivered", "dead"]).default("dead"),
			teamId: z.string().optional(),
			channel: z.string().optional(),
			limit,
		}),
		handle: async ({ database }, { query }) => {
			await requireKnownTeam(database, query.teamId);
			return { webhooks: await listWebhooks(database, query) };
		},
	}),
	defineRoute("POST /deferred/webhooks/retry", {
		operationId: "retryDeferredWebhooks",
		access: operators(ownedInBody("deferredId", teamsOfDeferred)),
		summary: "Send again what was given up, of one item, of a channel, or of all",
		body: contract.RetryWebhooksRequest,
		answer: contract.RetriedWebhooks,
		handle: async ({ database }, { body }) => ({ waiting: await retryDeadWebhooks(database, body) }),
	}),
	defineRoute("GET /deferred/{deferredId}", {
		operationId: "readDeferred",
		access: readers(DEFERRED),
		summary: "One item that was handed in alone: its lane, its batch, what it holds and has cost",
		answer: contract.DeferredView,
		handle: ({ database }, { params }) => readDeferred(database, params["deferredId"] ?? ""),
	}),
	defineRoute("POST /deferred/{deferredId}/cancel", {
		operationId: "cancelDeferred",
		access: operators(DEFERRED),
		summary: "End an item that no part carries; one that a part carries ends as that part does",
		answer: contract.DeferredView,
		handle: ({ database }, { params }) => cancelDeferred(database, params["deferredId"] ?? ""),
	}),
];
