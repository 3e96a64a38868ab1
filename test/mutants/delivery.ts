import type { Mutant } from "./mutant.ts";

/** What stands between an item that was handed in alone and another's answer, none, or one that is told of before it is there. */
const ANSWERS = "activities/batches/delivery/answers.ts";
const WRITER = "activities/batches/delivery/answer-writer.ts";
const ANSWERS_TEST = "test/unit/activities/batches/delivery/answers.test.ts";
const BODIES = "activities/batches/lines/write-bodies.ts";
const BODIES_TEST = "test/unit/activities/batches/lines/write-bodies.test.ts";
const OF_THE_TRY = "an answer counts where it is of the try that ended the item, and of how it ended";

export const DELIVERY_MUTANTS: readonly Mutant[] = [
	{
		rule: "an answer is of the try that ended its item",
		file: ANSWERS,
		from: "item.tryNumber === tryNumber && ",
		to: "",
		test: ANSWERS_TEST,
		titles: [OF_THE_TRY],
	},
	{
		rule: "an answer says how its item ended",
		file: ANSWERS,
		from: " && item.outcome === outcomeOf(result.kind)",
		to: "",
		test: ANSWERS_TEST,
		titles: [OF_THE_TRY],
	},
	{
		rule: "an older error does not hide that an item is charged and lost",
		file: "activities/batches/delivery/last-errors.ts",
		from: "item.isCharged || ",
		to: "",
		test: ANSWERS_TEST,
		titles: ["an item that was given up after an error of the provider is answered with that, unless it is charged as lost"],
	},
	{
		rule: "an item is told to have no answer only where that is known for good",
		file: ANSWERS,
		from: 'if (!(error instanceof CostControlError && (error.code === "blob.missing" || error.code === "blob.damaged"))) throw error;',
		to: "if (!(error instanceof CostControlError)) throw error;",
		test: ANSWERS_TEST,
		titles: ["results that are gone or damaged hold up nobody whose answer is elsewhere; those that may be read later do"],
	},
	{
		rule: "kept results are read no further than the last answer",
		file: ANSWERS,
		from: "			if (awaited.size === 0) return;\n		}\n	}\n",
		to: "		}\n	}\n",
		test: ANSWERS_TEST,
		titles: ["kept results are read once, the newest first, and no further than the last answer that is looked for"],
	},
	{
		rule: "answers are told of when they stand",
		file: WRITER,
		from: "			const answerBlobKey = await this.#dependencies.lines.keepAnswer(this.#batch, deferredId, body);\n			this.#written.push({ n, bodyBlobKey, httpStatus, answerBlobKey });",
		to: '			this.#written.push({ n, bodyBlobKey, httpStatus, answerBlobKey: [this.#batch.teamId, "deferred", deferredId, "answer"].join("/") });\n			await this.#dependencies.lines.keepAnswer(this.#batch, deferredId, body);',
		test: ANSWERS_TEST,
		titles: ["answers are written a few at a time, and told of a page at a time when they stand"],
	},
	{
		rule: "a write that failed fails the step",
		file: WRITER,
		from: "			this.#failure ??= { error };",
		to: "			void error;",
		test: ANSWERS_TEST,
		titles: ["a write that fails fails the step, and what was written meanwhile is written again"],
	},
	{
		rule: "few answers are written at once",
		file: WRITER,
		from: "this.#flying.size >= WRITES_MAX || ",
		to: "",
		test: ANSWERS_TEST,
		titles: ["answers are written a few at a time, and told of a page at a time when they stand"],
	},
	{
		rule: "what a double of a provider batch answered is found",
		file: "activities/batches/job/job-rows.ts",
		from: "[providerBatchId, SAID_BY.double]",
		to: "[providerBatchId]",
		test: ANSWERS_TEST,
		titles: ["what a double of its batch answered is what its caller reads"],
	},
	{
		rule: "an item without a body is in no part",
		file: "activities/batches/job/job-submit.ts",
		from: "items.filter(({ n }) => !ended.has(n))",
		to: "items.filter(() => true)",
		test: ANSWERS_TEST,
		titles: ["an item whose body is not there is answered so, holds nothing, and keeps nobody else up"],
		redBy: "is not free to be sent",
	},
	{
		rule: "a body that may be read later ends nothing",
		file: BODIES,
		from: "		throw error;\n	}\n	return body.take()",
		to: '		return "It cannot be read.";\n	}\n	return body.take()',
		test: BODIES_TEST,
		titles: ["what may be read later ends nothing: blob.unreachable", "what may be read later ends nothing: blob.key_missing"],
	},
	{
		rule: "a body is one line of its part",
		file: BODIES,
		from: "body: inOneLine(sent)",
		to: "body: sent",
		test: BODIES_TEST,
		titles: ["a body stands in its line as it was handed in, but for the model and what would end the line"],
	},
	{
		rule: "the sweep takes no body whose item is to be answered",
		file: "activities/blobs/activities.ts",
		from: "asked.filter((key) => !needed.has(key))",
		to: "asked.filter(() => needed !== undefined)",
		test: "test/unit/activities/blobs/sweep.test.ts",
		titles: ["takes bodies of requests that were handed in alone when they are a day old and nobody waits for their answers"],
	},
	{
		rule: "a body is needed until its item is answered",
		file: "activities/batches/delivery/needed-bodies.ts",
		from: " AND answered_at IS NULL",
		to: "",
		test: "test/integration/activities/batches/collected-job.test.ts",
		titles: ["a body is needed from when its item is accepted until that is answered, and no other of the same id"],
	},
];
