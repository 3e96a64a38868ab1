import type { Mutant } from "./mutant.ts";

const RULES = "domain/budget/increases.ts";
const RULES_TEST = "test/unit/domain/budget/increases.test.ts";
const SQL = "migrations/0014_limit_increases.sql";
const SQL_TEST = "test/integration/activities/increases.test.ts";

/** What stands between a request and money: somebody else's word, the right to give it, a ceiling, and a date. */
export const INCREASE_MUTANTS: readonly Mutant[] = [
	{
		rule: "nobody decides about his own request",
		file: RULES,
		from: "	if (isSamePerson(increase.requestedBy, decidedBy))\n",
		to: "	if (false)\n",
		test: RULES_TEST,
		titles: ['nobody decides about his own request: "ann"'],
	},
	{
		rule: "only approvers decide where some are named",
		file: RULES,
		from: "if (rules.approvers.length > 0 && !rules.approvers.includes(decidedBy))",
		to: "if (false)",
		test: RULES_TEST,
		titles: ["where approvers are named, only they decide"],
	},
	{
		rule: "the ceiling counts what is in force",
		file: RULES,
		from: "raised + amount <= BigInt(rules.ceilingNanoUsd)",
		to: "amount <= BigInt(rules.ceilingNanoUsd)",
		test: RULES_TEST,
		titles: ["the ceiling holds for what the raises of one budget add together"],
	},
	{
		rule: "what expired is not approved",
		file: RULES,
		from: "if (increase.expiresAtMs <= nowMs)",
		to: "if (false)",
		test: RULES_TEST,
		titles: ["too late, for a budget that is gone, for a date that is over, or unknown"],
	},
	{
		rule: "a raise ends once",
		file: RULES,
		from: "	return { left: open.filter((increase) => !isDue(increase)),",
		to: "	return { left: open,",
		test: "test/property/increases.test.ts",
		titles: ["each request ends in exactly one final state, and each step of it is announced once"],
		redBy: "Property failed",
	},
	{
		rule: "nobody's own approval is written",
		file: SQL,
		within: "CREATE FUNCTION tollgate.may_decide(",
		from: "lower(btrim(p_requested_by)) <> lower(btrim(p_decided_by))",
		to: "true",
		test: SQL_TEST,
		titles: ["nobody approves his own"],
	},
	{
		rule: "an approval is written by the approvers of that moment",
		file: SQL,
		within: "CREATE FUNCTION tollgate.may_decide(",
		from: "(tollgate.increase_rules(p_team)->'approvers' = '[]' OR tollgate.increase_rules(p_team)->'approvers' ? p_decided_by)",
		to: "true",
		test: SQL_TEST,
		titles: ["an approver that was taken away meanwhile approves nothing; the organisation's approve for every team"],
	},
	{
		rule: "no raise is written above the ceiling",
		file: SQL,
		within: "CREATE FUNCTION tollgate.apply_increase(",
		from: "v_raised + v_amount > v_ceiling THEN",
		to: "false THEN",
		test: SQL_TEST,
		titles: ["nothing above the ceiling, the team's or else the organisation's, in all raises together"],
	},
	{
		rule: "a held revision is no proof that a raise is applied",
		file: SQL,
		within: "CREATE FUNCTION tollgate.apply_increase(",
		from: "IF v_held > p_revision THEN",
		to: "IF v_held >= p_revision THEN",
		test: SQL_TEST,
		titles: ["a revision that somebody else took for another step is no proof that this one is done"],
	},
	{
		rule: "a grant looks at the end of a raise",
		file: "migrations/0002_authority_functions.sql",
		within: "CREATE FUNCTION tollgate.grant_lease(",
		from: "  IF v_is_raise_over THEN PERFORM tollgate.lower_windows(v_windows); END IF;\n",
		to: "",
		test: SQL_TEST,
		titles: [
			"a grant falls back to the old limit by PostgreSQL's clock, and what was spent above it is no overspend",
			"the first of two raises that ends takes its part alone",
		],
		redBy: "waited",
	},
	{
		rule: "a raise whose date is over raises nothing",
		file: SQL,
		within: "CREATE FUNCTION tollgate.raises_at(",
		from: " AND until_at > p_at",
		to: "",
		test: SQL_TEST,
		titles: ["the first of two raises that ends takes its part alone"],
	},
	{
		rule: "a window opened ahead has no raise that ends before it",
		file: "migrations/0002_authority_functions.sql",
		within: "CREATE FUNCTION tollgate.insert_window(",
		from: "greatest(clock_timestamp(), p_starts_at)",
		to: "clock_timestamp()",
		test: SQL_TEST,
		titles: ["a window opened ahead has the raises that are in force when it begins"],
	},
];
