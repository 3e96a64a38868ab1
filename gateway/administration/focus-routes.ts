import { readCharges } from "#activities/spend/read-charges.ts";
import * as contract from "#clients/focus-contract.ts";
import { readers } from "./access.ts";
import { defineRoute, type Route } from "./route.ts";

/** What exports in the FOCUS format are made of. */
export const FOCUS_ROUTES: readonly Route[] = [
	defineRoute("GET /charges", {
		operationId: "readCharges",
		access: readers(null),
		summary: "What was spent on a day of UTC as finely as it is kept, page by page",
		answer: contract.FocusCharges,
		query: contract.FocusQuery,
		handle: async ({ database }, { query: { day, runs, after, limit } }) => {
			const { charges, next } = await readCharges(database, { day, hasRuns: runs === "true", after, limit });
			return { charges: [...charges], next };
		},
	}),
];
