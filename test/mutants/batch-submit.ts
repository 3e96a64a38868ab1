import type { Mutant } from "./mutant.ts";

/** Rules by which the client hands in each item once, loses none to another's refusal, and asks no more than it says. */
const SUBMIT = "test/unit/clients/batch-submit.test.ts";
const BATCH = "test/unit/clients/deferred-batch.test.ts";

export const BATCH_SUBMIT_MUTANTS: readonly Mutant[] = [
	{
		rule: "an item has the Idempotency-Key of its caller's id, whenever it is handed in",
		file: "clients/items-to-submit.ts",
		from: "idempotencyKey: idempotencyKeyOf(id) }",
		to: "idempotencyKey: idempotencyKeyOf(randomUUID()) }",
		test: SUBMIT,
		titles: ["after a crash the same ids hand in nothing twice, and the same items are found"],
	},
	{
		rule: "no more than sixteen items are under way",
		file: "clients/hand-in.ts",
		from: "underWay(items, ITEMS_UNDER_WAY_MAX,",
		to: "underWay(items, 2 * ITEMS_UNDER_WAY_MAX,",
		test: SUBMIT,
		titles: ["items of an async iterable are taken as they are handed in, 16 under way, and their order is kept"],
	},
	{
		rule: "what is refused of all items ends the submission",
		file: "clients/hand-in.ts",
		from: "		if (isOfAll(error)) this.#ending.abort(error);\n",
		to: "",
		test: SUBMIT,
		titles: ["key.revoked is refused once and not for each item, and is thrown as it is where nothing was taken"],
	},
	{
		rule: "a submission that is interrupted hands over what was under way",
		file: "clients/under-way.ts",
		from: "		failure = { error };\n",
		to: "		throw error;\n",
		test: SUBMIT,
		titles: ["items that fail: what was under way is taken, and the source is not asked again"],
	},
	{
		rule: "a page of the list has its second",
		file: "clients/deferred-arrivals.ts",
		from: "round.pages * PAUSE_PER_PAGE_MS",
		to: "0",
		test: BATCH,
		titles: ["a page has its second: what is open is not asked about all the time"],
	},
	{
		rule: "an item that cannot be read keeps no other back",
		file: "clients/deferred-arrivals.ts",
		from: "			if (!(error instanceof CostControlError) || !OF_ONE_ITEM.has",
		to: "			if (true || !(error instanceof CostControlError) || !OF_ONE_ITEM.has",
		test: BATCH,
		titles: ["keeps none of the others back, and is told in the end"],
	},
	{
		rule: "whoever takes no more results leaves no request behind",
		file: "clients/deferred-arrivals.ts",
		from: "		left.abort();\n",
		to: "",
		test: BATCH,
		titles: ["whoever takes no more leaves no request behind"],
		redBy: "expected 3 to be +0",
	},
];
