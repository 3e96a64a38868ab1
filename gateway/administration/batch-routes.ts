import { z } from "zod";
import { addSavings, type BatchSavings, readBatchSavings } from "#activities/administration/batch-savings.ts";
import { cancelBatch, listBatches, readBatch, retryBatch } from "#activities/administration/batches.ts";
import { requireKnownTeam } from "#activities/administration/read-teams.ts";
import { teamsOfBatch } from "#activities/administration/teams-of.ts";
import * as contract from "#clients/batch-contract.ts";
import { BATCH_STATES } from "#domain/batching/batch.ts";
import { type MergeAnswers, mergeLists, ofQuery, operators, owned, readers } from "./access.ts";
import { defineRoute, type Route } from "./route.ts";

const BATCH = owned("batchId", teamsOfBatch);

const mergeSavings: MergeAnswers = (answers) => {
	const ofTeams = answers as readonly BatchSavings[];
	const teams = ofTeams.flatMap((answer) => answer.teams);
	return { ...ofTeams[0], teams, total: addSavings(teams) };
};

/** Batches for operators. The name of the admin key is who cancels. */
export const BATCH_ROUTES: readonly Route[] = [
	defineRoute("GET /batches", {
		operationId: "listBatches",
		access: readers(ofQuery(mergeLists("batches", { field: "createdAt", isDescending: true }))),
		summary: "Batches, the newest first, page by page",
		answer: contract.BatchList,
		query: z.strictObject({
			teamId: z.string().optional(),
			state: z.enum(BATCH_STATES).optional(),
			limit: z.coerce.number().int().min(1).max(1_000).default(50),
			after: z.string().optional(),
		}),
		handle: async (context, { query }) => {
			await requireKnownTeam(context.database, query.teamId);
			return { batches: await listBatches(context, query) };
		},
	}),
	defineRoute("GET /batches/savings", {
		operationId: "readBatchSavings",
		access: readers(ofQuery(mergeSavings)),
		summary: "What batches cost, those of files and those of items handed in alone, and what the same would have cost in real time, by team",
		answer: contract.BatchSavings,
		query: z.strictObject({ teamId: z.string().optional(), days: z.coerce.number().int().min(1).max(366).default(30) }),
		handle: async ({ database }, { query }) => {
			await requireKnownTeam(database, query.teamId);
			return readBatchSavings(database, query);
		},
	}),
	defineRoute("GET /batches/{batchId}", {
		operationId: "readBatch",
		access: readers(BATCH),
		summary: "One batch: how far it is, what it holds and has cost, its parts at the provider, and what holds it up",
		answer: contract.BatchView,
		handle: (context, { params }) => readBatch(context, params["batchId"] ?? ""),
	}),
	defineRoute("POST /batches/{batchId}/cancel", {
		operationId: "cancelBatch",
		access: operators(BATCH),
		summary: "End a batch: what the provider has finished is paid, the rest is given back",
		answer: contract.BatchView,
		handle: (context, { params }) => cancelBatch(context, params["batchId"] ?? ""),
	}),
	defineRoute("POST /batches/{batchId}/retry", {
		operationId: "retryBatch",
		access: operators(BATCH),
		summary: "Try at once what a batch waits for, and begin its workflow where there is none",
		answer: contract.BatchView,
		handle: (context, { params }) => retryBatch(context, params["batchId"] ?? ""),
	}),
];
