import type { Mutant } from "./mutant.ts";

/** Rules of caps, rates and throttles. */
const SQL = "migrations/0016_limits.sql";
const TAKE_RATE = "CREATE FUNCTION tollgate.take_rate(";
const TAKE_RATE_TEST = "test/integration/limits/take-rate.test.ts";
const GATEWAY_TEST = "test/gateway/limits.test.ts";

export const LIMIT_MUTANTS: readonly Mutant[] = [
	{
		rule: "a call takes its rates before it is sent",
		file: "activities/request/call-limits.ts",
		from: "		if (this.permit === undefined) return within;\n",
		to: "		return within;\n",
		test: GATEWAY_TEST,
		titles: ["is a 429 in OpenAI's shape that says when to try again, and is told from a provider's"],
	},
	{
		rule: "a call gives its rates back when it is over",
		file: "activities/request/pipeline.ts",
		from: "		limits?.end();\n",
		to: "",
		test: GATEWAY_TEST,
		titles: ["a call that money refuses gives its rate back"],
	},
	{
		rule: "a permit ends once",
		file: "domain/limits/rate-permit.ts",
		from: '		assert(!this.isEnded, "a permit ends once");\n',
		to: "",
		test: "test/unit/activities/limits/rate-keeper.test.ts",
		titles: ["a permit ends once"],
	},
	{
		rule: "a call takes of every rate or of none",
		file: "domain/limits/rate-permit.ts",
		from: "need > counter.room(nowMs, isServed)) return index;",
		to: "need > counter.room(nowMs, isServed) && index === 0) return index;",
		test: "test/unit/activities/limits/rate-keeper.test.ts",
		titles: ["all or nothing: a call that one rate refuses takes nothing of the others"],
	},
	{
		rule: "what is spent counts for a minute",
		file: "domain/limits/spent-minute.ts",
		from: "const SECONDS_COUNTED = 61;",
		to: "const SECONDS_COUNTED = 60;",
		test: "test/unit/domain/limits/rate-counter.test.ts",
		titles: ["counts for at least a minute and at most a second longer"],
	},
	{
		rule: "shares together stay within the limit",
		file: SQL,
		within: TAKE_RATE,
		from: "greatest(0, q.max - q.share - o.share)",
		to: "greatest(0, q.max - q.share)",
		test: TAKE_RATE_TEST,
		titles: ["never add up to more than the limit, and a call gets all it needs or nothing"],
	},
	{
		rule: "an exchange that comes late undoes nothing",
		file: SQL,
		within: TAKE_RATE,
		from: "AND seq >= p_seq) THEN",
		to: "AND false) THEN",
		test: TAKE_RATE_TEST,
		titles: ["an exchange that comes late changes nothing"],
	},
	{
		rule: "what a silent gateway spent counts for a minute more",
		file: SQL,
		within: "CREATE FUNCTION tollgate.rate_share_ends_at(",
		from: "interval '61 seconds' END",
		to: "interval '0' END",
		test: TAKE_RATE_TEST,
		titles: ["keeps its share while it may still spend, and a minute longer for what it spent"],
	},
	{
		rule: "the idle part of all shares is a tenth of the limit",
		file: SQL,
		within: TAKE_RATE,
		from: "p_limits[i] / (10 * v_live) - v_left",
		to: "p_limits[i] - v_left",
		test: TAKE_RATE_TEST,
		titles: ["at most a tenth of the limit lies idle over all gateways"],
	},
	{
		rule: "a cap lowers or refuses",
		file: "domain/limits/caps.ts",
		from: "	if (!isOutputOver && !isCostOver && !isAtOnceOver) return WITHIN;\n",
		to: "	return WITHIN;\n",
		test: "test/unit/domain/limits/caps.test.ts",
		titles: ["an output above the cap is lowered to it"],
	},
	{
		rule: "a lowered output is what is reserved and sent",
		file: "activities/request/reserving.ts",
		from: "clampedOutputTokens: clampedOutputTokens ?? input.cappedOutputTokens }",
		to: "clampedOutputTokens }",
		test: "test/unit/activities/request/request-authority.test.ts",
		titles: ["an output cap that a limit has set is journaled and sent like a clamp"],
	},
	{
		rule: "velocity is judged against the key's own history",
		file: "domain/limits/velocity.ts",
		from: "	if (costNanoUsd <= usualNanoUsd) return USUAL;\n",
		to: "",
		test: "test/unit/domain/limits/velocity.test.ts",
		titles: ["its usual spending is usual"],
	},
];
