import type { Mutant } from "./mutant.ts";

/** Rules of statements: every nano-dollar lands once, and what is closed stays. */
const DRAFT = "test/integration/activities/chargeback/draft.test.ts";
const KILLS = "test/integration/workers/close-month-kills.test.ts";
const PROPERTY = "test/property/chargeback.test.ts";
const SQL = { file: "migrations/0034_statements.sql", test: DRAFT } as const;

export const CHARGEBACK_MUTANTS: readonly Mutant[] = [
	{
		rule: "chargeback: what rounding leaves over is given to somebody",
		file: "domain/chargeback/split.ts",
		from: "(raised.has(teamId) ? 1n : 0n)",
		to: "(raised.has(teamId) ? 0n : 0n)",
		test: PROPERTY,
		titles: ["an amount that is split is the sum of its parts, each within a nano-dollar of its share"],
		redBy: "Property failed after",
	},
	{
		rule: "chargeback: what is shared is taken off those it came from",
		file: "domain/chargeback/statement.ts",
		from: "if (pool === undefined) ownNanoUsd += amountNanoUsd;",
		to: "ownNanoUsd += amountNanoUsd;\n\t\tif (pool === undefined) continue;",
		test: PROPERTY,
		titles: ["cost what the ledger has, and are charged that and the margins"],
		redBy: "Property failed after",
	},
	{
		rule: "chargeback: a closed month never changes",
		...SQL,
		within: "CREATE FUNCTION tollgate.keep_closed_month(",
		from: "m.month = (v_row ->> 'month')::date AND m.state = 'closed'",
		to: "false",
		titles: ["never changes: UPDATE tollgate.statement_line SET amount_nano_usd = 0"],
	},
	{
		rule: "chargeback: a closed month is not emptied",
		...SQL,
		within: "CREATE FUNCTION tollgate.keep_closed_month(",
		from: "WHERE state = 'closed') THEN",
		to: "WHERE false) THEN",
		titles: ["never changes: TRUNCATE tollgate.statement_line"],
	},
	{
		rule: "chargeback: a month is closed once",
		...SQL,
		within: "CREATE FUNCTION tollgate.begin_statement_draft(",
		from: "IF v_month.state = 'closed' THEN RETURN",
		to: "IF false THEN RETURN",
		titles: ["closed again is closed once"],
		redBy: "is closed: it never changes",
	},
	{
		rule: "chargeback: a month that is not over is not stated",
		...SQL,
		within: "CREATE FUNCTION tollgate.begin_statement_draft(",
		from: "IF clock_timestamp() < v_ends_at + interval '1 hour' THEN",
		to: "IF false THEN",
		titles: ["of a month that is not over is refused, and nothing is left of it"],
	},
	{
		rule: "chargeback: a draft that is not what the ledger has is not shown",
		...SQL,
		within: "CREATE FUNCTION tollgate.finish_statement_draft(",
		from: "IF v_stated.cost <> tollgate.spend_of_span(v_draft.starts_at, v_draft.ends_at)\n     OR ",
		to: "IF false AND ",
		titles: ["is not shown where it is not what the ledger has"],
	},
	{
		rule: "chargeback: what is booked for an earlier month is an adjustment",
		...SQL,
		within: "CREATE FUNCTION tollgate.begin_statement_draft(",
		from: " AND o.at < v_draft.starts_at\n",
		to: " AND false\n",
		titles: ["what is booked later for an earlier month is an adjustment in the month it was booked in, and the earlier one stays as it was"],
	},
	{
		rule: "chargeback: a month that was closed by a worker that was killed before it said so is closed",
		...SQL,
		test: KILLS,
		within: "CREATE FUNCTION tollgate.decide_statement_month(",
		from: `THEN RETURN '{"outcome": "already"}'; END IF;`,
		to: `THEN RETURN '{"outcome": "superseded"}'; END IF;`,
		titles: ["each month is closed once, and is the ledger's, wherever its worker was killed"],
	},
	{
		rule: "a step of a month's close or of a report says that it is alive while a statement runs",
		file: "activities/shared/pulsing.ts",
		from: "setInterval(heartbeat, PULSE_MS)",
		to: "setInterval(() => undefined, PULSE_MS)",
		test: "test/unit/activities/shared/pulsing.test.ts",
		titles: ["decideMonth beats while PostgreSQL says nothing", "prepareReports beats while PostgreSQL says nothing"],
	},
];
