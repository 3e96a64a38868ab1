import type { Mutant } from "./mutant.ts";

/** Rules of the deciders: what they do not allow is not sent. */
const UNIT = "test/unit/activities/decisions";
const PIPELINE = { file: "activities/request/pipeline.ts", test: "test/gateway/decisions.test.ts" } as const;

export const DECISION_MUTANTS: readonly Mutant[] = [
	{
		rule: "an engine that does not answer in time has not allowed the call",
		file: "activities/decisions/opa/decider.ts",
		from: 'resolve({ kind: "undecided", problem });',
		to: 'resolve({ kind: "allowed" });',
		test: `${UNIT}/opa/decider.test.ts`,
		titles: ["no answer in time is no decision, and the question is given up"],
	},
	{
		rule: "a rule that is undefined allows nothing",
		file: "activities/decisions/opa/answer.ts",
		from: "if (result === undefined) return denied([UNDEFINED_REASON]);",
		to: "if (result === undefined) return ALLOWED;",
		test: `${UNIT}/opa/answer.test.ts`,
		titles: ["{} is undefined: it denies, and says so"],
	},
	{
		rule: "only status 200 is a decision of OPA",
		file: "activities/decisions/opa/answer.ts",
		from: "if (status !== 200)",
		to: "if (status === 0)",
		test: `${UNIT}/opa/answer.test.ts`,
		titles: ["status 500 is no decision, whatever the answer says"],
	},
	{
		rule: "the questions open at an engine are bounded",
		file: "activities/decisions/opa/decider.ts",
		from: "if (open >= openMax)",
		to: "if (open < 0)",
		test: `${UNIT}/opa/decider.test.ts`,
		titles: ["beyond the questions that may be open at once the next is undecided at once, and not asked"],
	},
	{
		rule: "a remembered decision is that of its team",
		file: "activities/decisions/remembered-decisions.ts",
		from: "update(JSON.stringify(facts))",
		to: 'update(JSON.stringify({ ...facts, team: "" }))',
		test: `${UNIT}/engine-decider.test.ts`,
		titles: ['a decision is not that of a call with {"team":"research"}'],
	},
	{
		rule: "what could not be decided is not remembered",
		file: "activities/decisions/remembered-decisions.ts",
		from: '		if (decision.kind === "undecided") return decision;\n',
		to: "",
		test: `${UNIT}/engine-decider.test.ts`,
		titles: ["what could not be decided is asked again"],
	},
	{
		rule: "what a decider does not allow is not sent",
		...PIPELINE,
		from: '		if (problem !== undefined) return { kind: "failed", problem };\n',
		to: "		void problem;\n",
		titles: ["a denied call gets 403 with the reasons in OpenAI's shape; no money is asked for and nothing is sent"],
	},
];
