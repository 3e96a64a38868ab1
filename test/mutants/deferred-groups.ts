import type { Mutant } from "./mutant.ts";

/** Items that come to a collector at once: accepted together, each for itself. */
const GROUPS = "migrations/0031_deferred_groups.sql";
const ASK_GROUPS = "activities/batches/store/ask-groups.ts";
const ACCEPT = "activities/batches/store/accept-items.ts";
const GROUPS_TEST = "test/integration/activities/batches/deferred-groups.test.ts";
const ASK_GROUPS_TEST = "test/unit/activities/batches/store/ask-groups.test.ts";
const STORE_TEST = "test/integration/activities/batches/deferred-store.test.ts";
const AS_ALONE = "whatever comes together is as if it had come one after another";

export const DEFERRED_GROUP_MUTANTS: readonly Mutant[] = [
	{
		rule: "who comes meanwhile is asked for together",
		file: ASK_GROUPS,
		from: "line.splice(0, this.#options.sizeMax)",
		to: "line.splice(0, 1)",
		test: GROUPS_TEST,
		titles: ["are accepted in one statement, in the order they came, and the first does not wait for them"],
	},
	{
		rule: "so many share a transaction at most",
		file: ASK_GROUPS,
		from: "line.splice(0, this.#options.sizeMax)",
		to: "line.splice(0)",
		test: ASK_GROUPS_TEST,
		titles: ["the first is asked for at once, and who came meanwhile together, so many as may be"],
	},
	{
		rule: "no group has an id twice",
		file: ASK_GROUPS,
		from: "group.set(id, asker);",
		to: 'group.set([id, group.size].join(" "), asker);',
		test: ASK_GROUPS_TEST,
		titles: ["the same id is never twice in a group: the second asks when the first is answered"],
	},
	{
		rule: "what concerns one of a group is that one's",
		file: ASK_GROUPS,
		from: "else await this.#askSingly(group);",
		to: "else for (const { reject } of group) reject(error);",
		test: GROUPS_TEST,
		titles: ["what the database rejects of one is that one's, and the others are accepted"],
	},
	{
		rule: "an outage is told to a group at once",
		file: ASK_GROUPS,
		from: ' || this.#options.faultOf(error) === "outage"',
		to: "",
		test: ASK_GROUPS_TEST,
		titles: ["where nobody can be asked all are told so, and nobody is asked for again"],
	},
	{
		rule: "a group whose items all take too long is not asked for to the last",
		file: ASK_GROUPS,
		from: " && tooLong < 2",
		to: "",
		test: ASK_GROUPS_TEST,
		titles: ["one that takes too long is alone with it; when a second does, the others would too"],
	},
	{
		rule: "a lock that is not free in time concerns who needs it",
		file: ACCEPT,
		from: 'return isTooSlow(error) || sqlState(error) === "55P03" ? "time" : "outage";',
		to: 'return "outage";',
		test: GROUPS_TEST,
		titles: ["the budget of one is locked too long: the others are accepted, and that one when it is free"],
	},
	{
		rule: "one collector at each price version",
		file: ACCEPT,
		from: "return [teamId, protocol, endpoint, deployment, model, pricedModel, priceVersion];",
		to: "return [teamId, protocol, endpoint, deployment, model, pricedModel];",
		test: GROUPS_TEST,
		titles: ["at two price versions go in two groups"],
	},
	{
		rule: "items that are accepted together are of one collector",
		file: GROUPS,
		within: "CREATE FUNCTION tollgate.accept_deferred_items(",
		from: " OR count(DISTINCT ARRAY[i ->> 'teamId', i ->> 'protocol', i ->> 'endpoint', i ->> 'deployment',\n    i ->> 'model', i ->> 'pricedModel', i ->> 'priceVersion']) > 1",
		to: "",
		test: GROUPS_TEST,
		titles: ["of two collectors, or one twice, are not accepted by one call"],
	},
	{
		rule: "each of a group needs what it needs, of its own budgets",
		file: GROUPS,
		within: "CREATE FUNCTION tollgate.hold_deferred(",
		from: "coalesce(a.needs[array_position(a.budgets, q.id)], 0)",
		to: "coalesce(a.needs[1], 0)",
		test: GROUPS_TEST,
		titles: [AS_ALONE],
		redBy: "Property failed",
	},
	{
		rule: "of a group those are added that were served",
		file: GROUPS,
		within: "CREATE FUNCTION tollgate.hold_deferred(",
		from: " WHERE s.is_served::boolean ORDER BY s.call",
		to: " ORDER BY s.call",
		test: GROUPS_TEST,
		titles: ["one that does not fit is refused, in the books under its id, and the others go, a smaller one after it too"],
	},
	{
		rule: "what was accepted is not held again in a group",
		file: GROUPS,
		within: "CREATE FUNCTION tollgate.deferred_askers(",
		from: "    WHERE NOT tollgate.is_accepted(item ->> 'deferredId')\n",
		to: "",
		test: GROUPS_TEST,
		titles: ["with the same id twice are one, held once, and both are told of it"],
	},
	{
		rule: "a batch holds in each window the bounds of those of a group that are in it",
		file: GROUPS,
		within: "CREATE FUNCTION tollgate.add_deferred_items(",
		from: "sum(a.needs[array_position(a.budgets, w.budget_id)])",
		to: "sum(a.needs[1])",
		test: STORE_TEST,
		titles: ["meets the budgets of its own key and user, beside others of the same batch"],
	},
	{
		rule: "what an observed budget would have refused is told of who passed it",
		file: GROUPS,
		within: "CREATE FUNCTION tollgate.observed_turn(",
		from: "(x.item ->> 'granted')::bigint - l.amount",
		to: "(x.item ->> 'granted')::bigint",
		test: GROUPS_TEST,
		titles: ["of a budget that is observed only, those that pass it are noted, and not who came before them"],
	},
	{
		rule: "claims end with the last of a group that waited",
		file: GROUPS,
		within: "CREATE FUNCTION tollgate.hold_deferred(",
		from: " AND deferred_id <> ALL (v_ids)",
		to: "",
		test: STORE_TEST,
		titles: ["claims what gateways hold idle, and is accepted once that came back"],
	},
];
