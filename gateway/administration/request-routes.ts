import { explainRequest } from "#activities/administration/explain.ts";
import { requireKnownTeam } from "#activities/administration/read-teams.ts";
import { sumRefusals } from "#activities/administration/refusals.ts";
import { listRequests } from "#activities/administration/requests.ts";
import { teamsOfRequest } from "#activities/administration/teams-of.ts";
import * as contract from "#clients/request-contract.ts";
import { type MergeAnswers, mergeLists, ofQuery, owned, readers } from "./access.ts";
import { defineRoute, type Route } from "./route.ts";

const mergeRows = mergeLists("rows", { field: "calls", isDescending: true });
const mergeRefusals: MergeAnswers = (answers, query) => ({
	...(mergeRows(answers, query) as object),
	isComplete: answers.every((answer) => (answer as { readonly isComplete: boolean }).isComplete),
});

/** Single requests, and what was refused. */
export const REQUEST_ROUTES: readonly Route[] = [
	defineRoute("GET /requests", {
		operationId: "listRequests",
		access: readers(ofQuery()),
		summary: "Calls of a team, the newest first, page by page",
		answer: contract.RequestList,
		query: contract.RequestListQuery,
		handle: async ({ database }, { query }) => {
			const { teamId, from, to, limit, after, userId, keyId, ...others } = query;
			await requireKnownTeam(database, teamId);
			return listRequests(database, { teamId, from, to, limit, after, only: { user: userId, key: keyId, ...others } });
		},
	}),
	defineRoute("GET /requests/{requestId}", {
		operationId: "explainRequest",
		access: readers(owned("requestId", teamsOfRequest)),
		summary: "What one request cost and why, or why it was refused",
		answer: contract.RequestExplanation,
		handle: ({ database, workflows }, { params }) => explainRequest(database, params["requestId"] ?? "", workflows),
	}),
	defineRoute("GET /refusals", {
		operationId: "sumRefusals",
		access: readers(ofQuery(mergeRefusals)),
		summary: "What was refused in the last days, or would have been by observed budgets, by team and reason",
		answer: contract.RefusalSums,
		query: contract.RefusalSumQuery,
		handle: async ({ database }, { query }) => {
			await requireKnownTeam(database, query.teamId);
			return sumRefusals(database, query);
		},
	}),
];
