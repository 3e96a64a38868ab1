import type { Mutant } from "./mutant.ts";

/** Items that are handed in alone: each holds its own bound in its own windows, in the batch that collects it. */
const DEFERRED = "migrations/0026_deferred.sql";
const GROUPS = "migrations/0031_deferred_groups.sql";
const BATCHES = "migrations/0024_batches.sql";
const STORE_TEST = "test/integration/activities/batches/deferred-store.test.ts";
const MORE_TEST = "test/integration/activities/batches/hold-more.test.ts";
const ALONE = "is held by its items alone, and is no batch of its team's";

export const DEFERRED_MUTANTS: readonly Mutant[] = [
	{
		rule: "what a collecting batch holds is not idle for the next item",
		file: DEFERRED,
		within: "CREATE FUNCTION tollgate.grant_beside(",
		from: "p_budgets, v_windows, v_base, v_nothing,",
		to: "p_budgets, v_nothing, v_nothing, v_nothing,",
		test: STORE_TEST,
		titles: ["joins the batch that collects its like, and its bound is held there at once"],
	},
	{
		rule: "an item meets the budgets of who pays for it",
		file: GROUPS,
		within: "CREATE FUNCTION tollgate.deferred_askers(",
		from: "tollgate.budgets_met(b, w.who) d",
		to: "tollgate.budgets_met(b, '{}') d",
		test: STORE_TEST,
		titles: ["meets the budgets of its own key and user, beside others of the same batch"],
	},
	{
		rule: "what an item left is idle in its windows alone",
		file: "domain/batching/hold-tally.ts",
		from: "for (const windowId of windowIds) {",
		to: "for (const windowId of windowIds === undefined ? [] : this.windows.keys()) {",
		test: STORE_TEST,
		titles: ["each is booked in its windows, for who pays, and takes no idle money of others"],
	},
	{
		rule: "an item waits for the claim it began with, not for those of later ones",
		file: "activities/batches/store/accept-items.ts",
		from: "judgeShort(sql, { ...asking, claims, items:",
		to: "judgeShort(sql, { ...asking, items:",
		test: STORE_TEST,
		titles: ["is refused once those who were asked have answered the claim it began with, though others have claimed since"],
	},
	{
		rule: "a collecting batch is flushed as it was read",
		file: DEFERRED,
		within: "CREATE FUNCTION tollgate.flush_collector(",
		from: "v_batch.version <> p_version OR ",
		to: "",
		test: STORE_TEST,
		titles: ["is flushed as it was read, once, and takes nothing more"],
	},
	{
		rule: "a collected batch is not held again",
		file: "migrations/0025_batch_money.sql",
		within: "CREATE FUNCTION tollgate.hold_batch(",
		from: "IF v_batch.origin <> 'caller' THEN",
		to: "IF false THEN",
		test: STORE_TEST,
		titles: [ALONE],
		redBy: "duplicate key",
	},
	{
		rule: "a batch that collected something is not abandoned",
		file: BATCHES,
		within: "CREATE FUNCTION tollgate.abandon_batch(",
		from: " AND (origin = 'caller' OR items = 0)",
		to: "",
		test: STORE_TEST,
		titles: [ALONE],
	},
	{
		rule: "an item that a part carries is not cancelled beside it",
		file: DEFERRED,
		within: "CREATE FUNCTION tollgate.cancel_deferred(",
		from: "AND outcome IS NULL AND part IS NULL RETURNING",
		to: "AND outcome IS NULL RETURNING",
		test: STORE_TEST,
		titles: ["while a part carries it runs on, and its answer is kept"],
	},
	{
		rule: "what a cancelled item held goes back",
		file: DEFERRED,
		within: "CREATE FUNCTION tollgate.cancel_deferred(",
		from: "  PERFORM tollgate.release_bounds(v_batch.number, ARRAY[v_item.n]);\n",
		to: "",
		test: STORE_TEST,
		titles: ["while it is collected gives its bound back at once, in its windows"],
	},
	{
		rule: "second bounds together fit what is left",
		file: DEFERRED,
		within: "CREATE FUNCTION tollgate.hold_more(",
		from: "q.need + q.raised > q.free",
		to: "q.need > q.free",
		test: MORE_TEST,
		titles: ["is granted whole or not at all, item by item in the order asked, once, and never above a limit"],
		redBy: "above its limit",
	},
	{
		rule: "a freeze stops second bounds",
		file: DEFERRED,
		within: "CREATE FUNCTION tollgate.hold_more(",
		from: "w.is_frozen OR ",
		to: "",
		test: MORE_TEST,
		titles: ["is not of what has ended, may not go in real time, is a caller's, is collected still, or stands under a freeze"],
	},
	{
		rule: "a second bound pays for the try beside the one that ended the item",
		file: "activities/batches/store/book-items.ts",
		from: 'const isSecond = decision === "duplicate" && item.isSecondHeld === true;',
		to: 'const isSecond = decision === "ignored" && item.isSecondHeld === true;',
		test: MORE_TEST,
		titles: ["pays for the try beside the one that ended the item"],
	},
	{
		rule: "a second bound goes back with the last part that ran",
		file: "migrations/0029_batch_parts.sql",
		within: "CREATE FUNCTION tollgate.move_batch_part(",
		from: "      PERFORM tollgate.release_seconds(v_batch.number, NULL);\n",
		to: "      NULL;\n",
		test: MORE_TEST,
		titles: ["that nobody spent goes back when nothing runs any more, and not before"],
	},
];
