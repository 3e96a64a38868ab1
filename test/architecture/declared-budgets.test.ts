import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { PROJECT_FOLDER } from "#test/support/project-files.ts";

/**
 * Ceilings of agent runs are rows of tollgate.budget, and no part of what a team is governed by: whatever reads what people declared reads
 * tollgate.declared_budget. Who names the table means every budget, or the rows themselves.
 */
const MEAN_EVERY_BUDGET: Readonly<Record<string, readonly string[]>> = {
	"migrations/0002_authority_functions.sql": ["insert_window", "open_window"],
	// insert_budget makes declared ones; the system columns that moved_teams looks at stand in the table alone.
	"migrations/0005_governance_functions.sql": ["limit_windows", "insert_budget", "moved_teams"],
	"migrations/0007_verification_functions.sql": ["adjust_attempt", "reduce_lump", "post_found_calls"],
	"migrations/0008_epoch_ends.sql": ["lump_epoch"],
	"migrations/0009_next_windows.sql": ["open_next_window"],
	"migrations/0012_ledger_archive.sql": ["archive_month"],
	"migrations/0013_thresholds.sql": ["window_limits", "calendar_window", "bounds_after"],
	"migrations/0019_gateway_alerts.sql": ["lost_commits", "silent_gateways"],
	"activities/administration/explain.ts": [],
	"activities/administration/leases.ts": [],
	"activities/administration/refusals.ts": [],
	"activities/verification/judge-adjustments.ts": [],
	"activities/verification/judge-counters.ts": [],
	"activities/verification/judge-degraded.ts": [],
	"activities/verification/judge-entries.ts": [],
	"activities/verification/judge-runs.ts": [],
	"activities/verification/judge-windows.ts": [],
};
/** Runs themselves, from 0020 on: their functions make and read their own budgets. */
const IS_OF_RUNS = /^(migrations\/002\d_run\w*\.sql|activities\/(runs|agent-runs)\/)/;
const NAMES_TABLE = /tollgate\.budget\b/;

const read = (file: string): string => readFileSync(path.join(PROJECT_FOLDER, file), "utf8");
const filesIn = (folder: string, ending: string): string[] =>
	readdirSync(path.join(PROJECT_FOLDER, folder), { recursive: true, encoding: "utf8" })
		.filter((name) => name.endsWith(ending))
		.map((name) => `${folder}/${name.replaceAll(path.sep, "/")}`);

/** Names of the functions of a migration that name the table; comments say what they like. */
function functionsNaming(sql: string): string[] {
	const statements = sql.replaceAll(/--[^\n]*/g, "").split(/^CREATE (?:OR REPLACE )?FUNCTION tollgate\./m);
	return statements
		.slice(1)
		.flatMap((statement) => (NAMES_TABLE.test(statement.slice(0, statement.indexOf("$$;"))) ? [/^\w+/.exec(statement)?.[0] ?? ""] : []));
}

test("only functions that mean every budget name the table, all others read the declared ones", () => {
	const naming = filesIn("migrations", ".sql")
		.filter((file) => !IS_OF_RUNS.test(file))
		.map((file) => [file, functionsNaming(read(file)).toSorted()] as const)
		.filter(([, names]) => names.length > 0);
	const allowed = Object.entries(MEAN_EVERY_BUDGET).filter(([, names]) => names.length > 0);
	expect(Object.fromEntries(naming)).toEqual(Object.fromEntries(allowed.map(([file, names]) => [file, names.toSorted()])));
});

test("so do statements outside of them", () => {
	const sources = ["activities", "clients", "gateway", "workers", "workflows", "domain"].flatMap((folder) => filesIn(folder, ".ts"));
	const naming = sources.filter((file) => !IS_OF_RUNS.test(file) && NAMES_TABLE.test(read(file)));
	expect(naming.toSorted()).toEqual(Object.keys(MEAN_EVERY_BUDGET).filter((file) => file.endsWith(".ts")));
});

test("a function that names it is noticed", () => {
	const sql =
		"CREATE FUNCTION tollgate.one(b tollgate.budget) RETURNS void AS $$ $$;\nCREATE FUNCTION tollgate.two() RETURNS void AS $$\n-- tollgate.budget\nSELECT 1 FROM tollgate.budget_window $$;";
	expect(functionsNaming(sql)).toEqual(["one"]);
});
