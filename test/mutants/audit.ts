import type { Mutant } from "./mutant.ts";

/** Rules of the audit of model usage: what is simple, and what is recommended. */
export const AUDIT_MUTANTS: readonly Mutant[] = [
	{
		rule: "what a cheaper model would save is of simple calls alone",
		file: "activities/audit/read-uses.ts",
		test: "test/gateway/administration/audit.test.ts",
		from: "AND task_kind = ANY ($5) GROUP BY",
		to: "AND $5::text[] IS NOT NULL GROUP BY",
		titles: ["recommends a cheaper model for the simple calls of a feature, and says what they are"],
	},
	{
		rule: "nothing is recommended that may cost more",
		file: "domain/audit/audit-use.ts",
		test: "test/unit/domain/audit/audit-use.test.ts",
		from: " && bounds.lowNanoUsd > 0n",
		to: "",
		titles: ["a model that is not cheaper is not recommended"],
	},
	{
		rule: "a call that is given tools is not simple, however short",
		file: "domain/audit/task-kind.ts",
		test: "test/unit/domain/audit/task-kind.test.ts",
		from: '	if (facts.hasTools) return "tools";\n',
		to: "",
		titles: ["chat: given tools"],
	},
	{
		rule: "kinds of work together are what was spent",
		file: "migrations/0032_rollups.sql",
		test: "test/integration/activities/spend/count-spend.test.ts",
		from: "sum(output_tokens), sum(reasoning_tokens), sum(amount_nano_usd)\n    FROM booked",
		to: "sum(output_tokens), sum(reasoning_tokens), coalesce(sum(amount_nano_usd) FILTER (WHERE calls > 0), 0)\n    FROM booked",
		titles: ["a random ledger, counted in pieces of any size between its bookings (seed 1)"],
	},
];
