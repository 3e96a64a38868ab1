import type { Mutant } from "./mutant.ts";

/** What opens, holds and lets go agent runs (migrations/0021, 0023). */
const OPENING = "migrations/0021_run_functions.sql";
const DECISIONS = "migrations/0023_run_decisions.sql";
const STORE_TEST = "test/integration/agents/run-store.test.ts";
const DECISIONS_TEST = "test/integration/agents/run-store-decisions.test.ts";
const RACES_TEST = "test/integration/agents/run-store-races.test.ts";
const DEADLOCKS_TEST = "test/integration/agents/run-store-deadlocks.test.ts";

export const RUN_STORE_MUTANTS: readonly Mutant[] = [
	{
		rule: "roots of one key are opened one after another",
		file: OPENING,
		within: "CREATE FUNCTION tollgate.enter_run(",
		from: "PERFORM pg_advisory_xact_lock(718204021, hashtext(p_ask ->> 'keyId'));",
		to: "NULL;",
		test: RACES_TEST,
		titles: [
			"of fifty roots that a key begins at once exactly as many are opened as it may begin in an hour",
			"the same conversation that begins at four gateways at once is one run",
		],
	},
	{
		rule: "children of one parent are opened one after another",
		file: OPENING,
		within: "CREATE FUNCTION tollgate.enter_run(",
		from: " ORDER BY number FOR NO KEY UPDATE;",
		to: ";",
		test: RACES_TEST,
		titles: ["of fifty that ask for the last child exactly one is opened"],
	},
	{
		rule: "runs are locked from the root down",
		file: OPENING,
		within: "CREATE FUNCTION tollgate.enter_run(",
		from: " ORDER BY number FOR NO KEY UPDATE;",
		to: " ORDER BY number DESC FOR NO KEY UPDATE;",
		test: DEADLOCKS_TEST,
		titles: ["no two of them wait for each other, and every one comes through"],
	},
	{
		rule: "a fenced gateway opens no run",
		file: OPENING,
		within: "CREATE FUNCTION tollgate.enter_run(",
		from: "IF NOT EXISTS (SELECT 1 FROM tollgate.gateway_epoch",
		to: "IF false AND NOT EXISTS (SELECT 1 FROM tollgate.gateway_epoch",
		test: RACES_TEST,
		titles: ["a gateway that was replaced opens nothing and finds nothing"],
		redBy: "Cannot read properties of null",
	},
	{
		rule: "a run is its team's alone",
		file: OPENING,
		within: "CREATE FUNCTION tollgate.refuse_known_run(",
		from: "IF p_run.team_id <> p_ask ->> 'teamId' THEN",
		to: "IF false THEN",
		test: STORE_TEST,
		titles: ["an id of another team"],
	},
	{
		rule: "a child has no higher ceiling than any run above it",
		file: OPENING,
		within: "CREATE FUNCTION tollgate.limits_above_chain(",
		from: "WHERE r.number = ANY (p_above)",
		to: "WHERE r.number = p_above[cardinality(p_above)]",
		test: STORE_TEST,
		titles: ["limits above those of a run further up are refused as well"],
	},
	{
		rule: "a conversation that is held is not begun anew",
		file: OPENING,
		within: "CREATE FUNCTION tollgate.asked_run(",
		from: "(v_run.state = 'running' AND (v_named",
		to: "(v_run.state <> 'finished' AND (v_named",
		test: STORE_TEST,
		titles: ["a run that is held is not escaped by starting over, and another key's is not joined"],
	},
	{
		rule: "a hold by what a gateway no longer knows changes nothing",
		file: DECISIONS,
		within: "CREATE FUNCTION tollgate.hold_runs(",
		from: " AND version = (v_asked ->> 'knownVersion')::bigint",
		to: "",
		test: DECISIONS_TEST,
		titles: ["a run is held once, by whoever knew it as it was"],
	},
	{
		rule: "a hold by a ceiling that was raised meanwhile changes nothing",
		file: DECISIONS,
		within: "CREATE FUNCTION tollgate.is_hold_late(",
		from: "coalesce(bool_and(l.at > (p_hold ->> 'threshold')::numeric), false)",
		to: "false",
		test: DECISIONS_TEST,
		titles: ["a gateway that held by a ceiling which was raised meanwhile holds nothing"],
	},
	{
		rule: "a resumed run is below every ceiling of its chain",
		file: DECISIONS,
		within: "CREATE FUNCTION tollgate.refuse_resume(",
		from: "RETURN CASE WHEN jsonb_array_length(v_standing) > 0 THEN tollgate.decision_refusal('admin.conflict', v_standing) END;",
		to: "RETURN NULL;",
		test: DECISIONS_TEST,
		titles: ["resuming is refused and says above what it must be raised", "one that the next call did not fit below holds although it is not reached"],
	},
	{
		rule: "a raise lets those go alone that its ceiling held",
		file: DECISIONS,
		within: "CREATE FUNCTION tollgate.raise_run(",
		from: "AND tollgate.does_hold_stand(r.hold, l.kind, l.tool, l.at)",
		to: "AND false",
		test: DECISIONS_TEST,
		titles: ["raising it lets those go on that it held, and only those"],
	},
	{
		rule: "a raised ceiling is raised in its budget",
		file: DECISIONS,
		within: "CREATE FUNCTION tollgate.raise_run(",
		from: "    PERFORM tollgate.limit_run_budgets(v_run);\n",
		to: "",
		test: RACES_TEST,
		titles: ["raising a ceiling raises its budget and the window: what was full has room, and the books say when"],
	},
	{
		rule: "a run ends with all below it",
		file: DECISIONS,
		within: "CREATE FUNCTION tollgate.finish_run(",
		from: "AND path @> ARRAY[p_run.number]",
		to: "AND number = p_run.number",
		test: DECISIONS_TEST,
		titles: ["finishing ends those below it, and no id comes back"],
	},
];
