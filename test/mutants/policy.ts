import type { Mutant } from "./mutant.ts";

/** What holds a policy together: whole or not at all, on the basis that was looked at, beside the workflows' own changes. */
const APPLY = "test/integration/activities/policy/apply-policy.test.ts";
const UNIT = "test/unit/domain/budget/policy-documents.test.ts";
const DOCUMENT = { file: "migrations/0017_policy.sql", within: "CREATE FUNCTION tollgate.apply_policy_document(", test: APPLY } as const;
const GOVERNANCE = { file: "migrations/0005_governance_functions.sql", test: APPLY } as const;

export const POLICY_MUTANTS: readonly Mutant[] = [
	{
		rule: "a policy that was judged on an older basis is refused",
		...DOCUMENT,
		within: "CREATE FUNCTION tollgate.refuse_stale(",
		from: "IF tollgate.policy_basis() > p_basis THEN",
		to: "IF false THEN",
		titles: ["when a budget was changed by itself since its basis, whoever looked away"],
	},
	{
		rule: "a policy of which a part cannot be written leaves nothing",
		...DOCUMENT,
		from: "  v_done := v_done || tollgate.write_policy_budgets(v_budgets, v_revisions);\n",
		to: "  BEGIN v_done := v_done || tollgate.write_policy_budgets(v_budgets, v_revisions); EXCEPTION WHEN check_violation THEN NULL; END;\n",
		titles: ["when one team in the middle cannot be written"],
	},
	{
		rule: "a policy puts the open windows of what it changes under the new limits",
		...DOCUMENT,
		from: "  PERFORM tollgate.limit_policy_windows(v_held);\n",
		to: "",
		titles: ["takes open windows with it, the next one opened ahead too, opens the one that is due, and clears the overrun that was seen"],
	},
	{
		rule: "a policy raises the revision of the teams it changes",
		...DOCUMENT,
		from: "SET revision = (v_revisions->>team_id)::bigint, document_revision",
		to: "SET document_revision",
		titles: ["a change decided before the policy is fenced, and held only when it is written under a later revision"],
	},
	{
		rule: "a policy takes the budgets it changes, and their windows, before the change log",
		...DOCUMENT,
		from: "  PERFORM 1 FROM tollgate.declared_budget WHERE id = ANY (v_held) ORDER BY id FOR NO KEY UPDATE;\n",
		to: "  PERFORM pg_advisory_xact_lock(718204001);\n  PERFORM 1 FROM tollgate.declared_budget WHERE id = ANY (v_held) ORDER BY id FOR NO KEY UPDATE;\n",
		test: "test/integration/activities/policy/concurrent-policies.test.ts",
		titles: ["no two of them wait for each other, every one comes through, and the books are in order"],
	},
	{
		rule: "a change that is written is not written again over a policy",
		...GOVERNANCE,
		within: "CREATE FUNCTION tollgate.apply_policy(",
		from: "  IF p_revision = v_written THEN RETURN p_revision; END IF;\n",
		to: "",
		titles: ["a change that was written and whose answer was lost is not written again over the policy"],
	},
	{
		rule: "a freeze that is written is not decided again after a policy",
		...GOVERNANCE,
		within: "CREATE FUNCTION tollgate.set_frozen(",
		from: "  IF p_revision = v_row.written_revision THEN RETURN p_revision; END IF;\n",
		to: "",
		titles: ["a freeze whose answer was lost is not decided again"],
	},
	{
		rule: "a change that a policy fenced is not held before it is written",
		file: "activities/administration/in-force.ts",
		from: "$2 <= written_revision OR",
		to: "true OR",
		test: APPLY,
		titles: ["a change decided before the policy is fenced, and held only when it is written under a later revision"],
	},
	{
		rule: "no change of a workflow has the number of a policy document",
		file: "domain/budget/policy-revision.ts",
		from: "next % DOCUMENT_REVISION_STEP === 0 ? next + 1 : next",
		to: "next",
		test: UNIT,
		titles: ["no change of a workflow has the number of a document"],
	},
	{
		rule: "a workflow reads again what a policy changed without it",
		file: "domain/budget/team-budget-reducer.ts",
		from: "state.mustReread || (report.documentRevision ?? 0) > state.documentRevision",
		to: "state.mustReread",
		test: UNIT,
		titles: ["reads PostgreSQL's rows again, once, and goes on from the document's revision"],
	},
	{
		rule: "a policy is read where it holds nobody up",
		file: "activities/policy/policy-thread.ts",
		from: "		this.worker ??= this.start();\n		const { id, question } = this.asked;\n		this.worker.postMessage({ id, question } satisfies AskedOfThread);\n",
		to: "		const { id, question } = this.asked;\n		this.take({ id, answer: answerPolicyQuestion(question, () => undefined) });\n",
		also: 'import { answerPolicyQuestion } from "./policy-work.ts"',
		test: "test/unit/activities/policy/policy-thread.test.ts",
		titles: ["whoever asks goes on meanwhile: no pause is as long as half of what reading a large policy takes"],
	},
	{
		rule: "a gateway takes up the aliases of a policy",
		file: "activities/request/lease-keeper.ts",
		from: '		if (changes.some((change) => change.kind === "policy")) await onPolicy();\n',
		to: "",
		test: "test/integration/request/policy-documents.test.ts",
		titles: ["an alias of the policy is served by every gateway, and no more when it is pruned"],
	},
];
