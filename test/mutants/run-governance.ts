import type { Mutant } from "./mutant.ts";

const RULES = "domain/agents/run-governance.ts";
const RULES_TEST = "test/unit/domain/agents/run-governance.test.ts";
const STARTER = "activities/agent-runs/run-starter.ts";
const PACE = "activities/shared/tell-pace.ts";
const STARTER_TEST = "test/unit/activities/agent-runs/run-starter.test.ts";
const SQL = "migrations/0022_run_governance.sql";
const SQL_TEST = "test/integration/activities/agent-runs/postgres.test.ts";

/** What stands between a run that is held and somebody who only thinks that it may go on, and between many runs and Temporal. */
export const RUN_GOVERNANCE_MUTANTS: readonly Mutant[] = [
	{
		rule: "a report of a lower version of a run changes nothing",
		file: RULES,
		from: "	return versions > 0n ? laterMs > -RESTORED_MS : laterMs > RESTORED_MS;",
		to: "	return true;",
		test: RULES_TEST,
		titles: ["of a lower version change nothing, those of the same one show what was taken since"],
	},
	{
		rule: "a decision about a run is made on the version that is shown",
		file: RULES,
		from: "knownVersion: snapshot.run.version, decision };",
		to: 'knownVersion: "0", decision };',
		test: RULES_TEST,
		titles: ["is made on the version that is shown, and waits in the outbox until PostgreSQL holds it"],
	},
	{
		rule: "a pause of a run that nobody answers becomes a stop once",
		file: RULES,
		from: "	return !isUnderWay && unendableVersion !== run.version;",
		to: "	return unendableVersion !== run.version;",
		test: RULES_TEST,
		titles: ["becomes a stop after a week, on the version that was told, once"],
	},
	{
		rule: "a run's workflow does not end before what it decided is written",
		file: RULES,
		from: "	if (snapshot === null || outbox.length > 0) return false;",
		to: "	if (snapshot === null) return false;",
		test: RULES_TEST,
		titles: ["a workflow is over with its run, or a week after a stop, and never before what it decided is written"],
	},
	{
		rule: "at most twenty workflows of runs start in a second",
		file: PACE,
		from: "		if (isStart) this.starts.push(place);\n",
		to: "",
		test: STARTER_TEST,
		titles: ["starts a thousand new runs, each once, no more than twenty in any second"],
	},
	{
		rule: "one run is told at most once in ten seconds",
		file: STARTER,
		from: "				this.toldAt.set(run.number, now());\n				this.moved.delete(run.number);\n",
		to: "				this.moved.delete(run.number);\n",
		test: STARTER_TEST,
		titles: ["tells one run at most once in ten seconds"],
	},
	{
		rule: "a thousand agents at the ceiling of one root are one alert",
		file: SQL,
		within: "CREATE FUNCTION tollgate.alert_of_run(",
		from: "a.is_firing AND a.resolved_at IS NULL) THEN RETURN false; END IF;",
		to: "false) THEN RETURN false; END IF;",
		test: SQL_TEST,
		titles: ["runs that meet the ceiling of one root are one alert, which ends with the last of them"],
	},
	{
		rule: "held runs are told before others",
		file: SQL,
		within: "CREATE FUNCTION tollgate.runs_to_tell(",
		from: "ORDER BY n.place, n.number;",
		to: "ORDER BY n.number;",
		test: SQL_TEST,
		titles: ["held runs come first, then registered, then warned ones; of a run nobody looks at nothing is told"],
	},
];
