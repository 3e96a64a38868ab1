import { z } from "zod";
import { decideIncrease, endIncrease, listIncreases, readIncrease, requestIncrease, withdrawIncrease } from "#activities/administration/increases.ts";
import { requireKnownTeam } from "#activities/administration/read-teams.ts";
import { teamsOfIncrease } from "#activities/administration/teams-of.ts";
import * as contract from "#clients/increase-contract.ts";
import { ORGANIZATION_ID } from "#domain/budget/scope.ts";
import { mergeLists, OF_BODY, ofQuery, operators, owned, readers } from "./access.ts";
import { defineRoute, type Route } from "./route.ts";

const INCREASE = owned("increaseId", teamsOfIncrease);

/** Temporary increases of limits. The name of the admin key is who asks and who decides. */
export const INCREASE_ROUTES: readonly Route[] = [
	defineRoute("GET /increases", {
		operationId: "listIncreases",
		access: readers(ofQuery(mergeLists("increases", { field: "requestedAt", isDescending: true }))),
		summary: "Increases that wait for a decision or are in force, the newest first; with all, every one",
		answer: contract.IncreaseList,
		query: z.strictObject({
			teamId: z.string().optional(),
			all: z.enum(["true", "false"]).optional(),
			limit: z.coerce.number().int().min(1).max(1_000).default(200),
		}),
		handle: async ({ database }, { query }) => {
			if (query.teamId !== ORGANIZATION_ID) await requireKnownTeam(database, query.teamId);
			return { increases: await listIncreases(database, { teamId: query.teamId, isAll: query.all === "true", limit: query.limit }) };
		},
	}),
	defineRoute("POST /increases", {
		operationId: "requestIncrease",
		access: operators(OF_BODY),
		summary: "Ask for a temporarily higher limit, or to spend beyond a line that needs approval",
		body: contract.RequestIncreaseRequest,
		answer: contract.Increase,
		status: 201,
		handle: (context, { body }) => requestIncrease(context, body),
	}),
	defineRoute("GET /increases/{increaseId}", {
		operationId: "readIncrease",
		access: readers(INCREASE),
		summary: "One increase: who asked, why, who decided, what then held",
		answer: contract.Increase,
		handle: ({ database }, { params }) => readIncrease(database, params["increaseId"] ?? ""),
	}),
	defineRoute("POST /increases/{increaseId}/approve", {
		operationId: "approveIncrease",
		access: operators(INCREASE),
		summary: "Raise the limit as asked, or by less; answered when it is in force",
		body: contract.ApproveIncreaseRequest,
		answer: contract.Increase,
		handle: (context, { params, body }) => decideIncrease(context, params["increaseId"] ?? "", { ...body, decision: "approve" }),
	}),
	defineRoute("POST /increases/{increaseId}/reject", {
		operationId: "rejectIncrease",
		access: operators(INCREASE),
		summary: "Refuse an increase, with a reason",
		body: contract.RejectIncreaseRequest,
		answer: contract.Increase,
		handle: (context, { params, body }) => decideIncrease(context, params["increaseId"] ?? "", { ...body, decision: "reject" }),
	}),
	defineRoute("POST /increases/{increaseId}/withdraw", {
		operationId: "withdrawIncrease",
		access: operators(INCREASE),
		summary: "Take back what one asked for",
		answer: contract.Increase,
		handle: (context, { params }) => withdrawIncrease(context, params["increaseId"] ?? ""),
	}),
	defineRoute("POST /increases/{increaseId}/end", {
		operationId: "endIncrease",
		access: operators(INCREASE),
		summary: "End a raise in force before its date; answered when the lower limit is in force",
		body: contract.EndIncreaseRequest,
		answer: contract.Increase,
		handle: (context, { params, body }) => endIncrease(context, params["increaseId"] ?? "", body),
	}),
];
