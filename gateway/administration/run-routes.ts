import { z } from "zod";
import { requireKnownTeam } from "#activities/administration/read-teams.ts";
import { decideRun, listRuns, readRun } from "#activities/administration/runs.ts";
import { teamsOfRun } from "#activities/administration/teams-of.ts";
import * as contract from "#clients/run-governance-contract.ts";
import { RUN_STATES } from "#domain/agents/run.ts";
import { mergeLists, ofQuery, operators, owned, readers } from "./access.ts";
import { defineRoute, type Route } from "./route.ts";

const RUN = owned("runId", teamsOfRun);

/** Agent runs for people. The name of the admin key is who decides. */
export const RUN_ROUTES: readonly Route[] = [
	defineRoute("GET /runs", {
		operationId: "listRuns",
		access: readers(ofQuery(mergeLists("runs", { field: "number", isDescending: true }))),
		summary: "Agent runs, the newest first, page by page",
		answer: contract.RunList,
		query: z.strictObject({
			teamId: z.string().optional(),
			state: z.enum(RUN_STATES).optional(),
			limit: z.coerce.number().int().min(1).max(1_000).default(50),
			before: z
				.string()
				.regex(/^\d{1,18}$/)
				.optional(),
		}),
		handle: async ({ database }, { query }) => {
			await requireKnownTeam(database, query.teamId);
			return { runs: await listRuns(database, query) };
		},
	}),
	defineRoute("GET /runs/{runId}", {
		operationId: "readRun",
		access: readers(RUN),
		summary: "One run: why it stands, what it took of its ceilings, its last steps, and what happened to it",
		answer: contract.RunView,
		handle: (context, { params }) => readRun(context, params["runId"] ?? ""),
	}),
	defineRoute("POST /runs/{runId}/resume", {
		operationId: "resumeRun",
		access: operators(RUN),
		summary: "Let a held run go on, and forgive what repeated so far",
		body: contract.RunDecisionRequest,
		answer: contract.RunView,
		handle: (context, { params, body }) => decideRun(context, params["runId"] ?? "", { ...body, kind: "resume" }),
	}),
	defineRoute("POST /runs/{runId}/approve", {
		operationId: "approveRun",
		access: operators(RUN),
		summary: "Raise ceilings of a run and let it go on",
		body: contract.ApproveRunRequest,
		answer: contract.RunView,
		handle: (context, { params, body }) => decideRun(context, params["runId"] ?? "", { ...body, kind: "approve" }),
	}),
	defineRoute("POST /runs/{runId}/raise", {
		operationId: "raiseRun",
		access: operators(RUN),
		summary: "Raise ceilings of a run; those that its ceilings held go on",
		body: contract.RaiseRunRequest,
		answer: contract.RunView,
		handle: (context, { params, body }) => decideRun(context, params["runId"] ?? "", { ...body, kind: "raise" }),
	}),
	defineRoute("POST /runs/{runId}/stop", {
		operationId: "stopRun",
		access: operators(RUN),
		summary: "Refuse every further step of a run and of those below it",
		body: contract.RunDecisionRequest,
		answer: contract.RunView,
		handle: (context, { params, body }) => decideRun(context, params["runId"] ?? "", { ...body, kind: "stop" }),
	}),
	defineRoute("POST /runs/{runId}/finish", {
		operationId: "finishRun",
		access: operators(),
		summary: "End a run and those below it for good; its id is never used again",
		body: contract.RunDecisionRequest,
		answer: contract.RunView,
		handle: (context, { params, body }) => decideRun(context, params["runId"] ?? "", { ...body, kind: "finish" }),
	}),
];
