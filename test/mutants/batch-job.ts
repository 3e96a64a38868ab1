import type { Mutant } from "./mutant.ts";

const PLAN = "domain/batching/job-plan.ts";
const REDUCER = "domain/batching/job-reducer.ts";
const PLAN_TEST = "test/unit/domain/batching/job-plan.test.ts";
const SUBMIT = "activities/batches/job/job-submit.ts";
const FOUND = { file: SUBMIT, test: "test/integration/activities/batches/found-by-size.test.ts" } as const;
const SEEK = { file: "activities/batches/job/seek-part.ts", test: "test/unit/activities/batches/job/seek-part.test.ts" } as const;
const ANSWERED = "one whose creation is answered is its own, although another job took it for the one it looks for";
const KNOWN = "one that was taken for another, and is known as that by now, is asked after no more; not even when its owner has read and deleted it";
const COLLECT = "activities/batches/job/job-collect.ts";
const WHOSE = "activities/batches/job/whose-batch.ts";
const SUBMIT_TEST = "test/unit/activities/batches/job/job-submit.test.ts";
const BOOKS = "activities/batches/job/book-results.ts";
const BOOKS_TEST = "test/unit/activities/batches/job/book-results.test.ts";

/** What stands between a batch and being sent twice, cancelled for somebody else, or given back what it cost. */
export const BATCH_JOB_MUTANTS: readonly Mutant[] = [
	{
		rule: "a part whose creation has no known outcome is looked for before anything else",
		file: PLAN,
		from: 'return state === "submitting" && !isClear && looks < LOOKS_MAX;',
		to: "return false;",
		test: PLAN_TEST,
		titles: ["an attempt of unknown outcome is looked for, three times in three minutes, and then goes again as another part"],
	},
	{
		rule: "a creation that was cut may have been done",
		file: REDUCER,
		from: '	if (step.kind === "create") return { ...withDrive(put, step.part, inDoubt(state, nowMs)), isStale: true };\n',
		to: "",
		test: PLAN_TEST,
		titles: ["a step of creation that was cut is looked for, and nothing else that was cut is"],
	},
	{
		rule: "what was given up at a provider without metadata is known by its results",
		...SEEK,
		file: WHOSE,
		from: "return itemOf(line.customId, { batchNumber: number, items }) !== undefined;",
		to: "return line === undefined;",
		titles: ["takes what names items of the batch, also where another part took it by its size, and a second one as a double"],
	},
	{
		rule: "no batch ends while what may be its part runs",
		...SEEK,
		from: 'status.state !== "failed" && maySeekOn) throw',
		to: 'status.state !== "failed" && false) throw',
		titles: ["waits for what may be it and runs, for a day and an hour after the attempt"],
	},
	{
		rule: "what runs longer than a batch can is waited for no more",
		...SEEK,
		from: "realTime.wallClockMs() - sinceMs < SOUGHT_FOR_MS",
		to: "realTime.wallClockMs() > sinceMs",
		titles: ["waits for what may be it and runs, for a day and an hour after the attempt"],
		redBy: "may be part 1",
	},
	{
		rule: "what another part took for itself by its size may be this one",
		...FOUND,
		from: "known.get(id)?.isCertain === true && !(",
		to: "known.has(id) && !(",
		titles: ["two that were each taken for the other come to whose they are"],
	},
	{
		rule: "what was found by its size alone is not certain",
		...FOUND,
		from: "status: first.status, isCertain: first.isCertain }",
		to: "status: first.status, isCertain: true }",
		titles: [ANSWERED],
	},
	{
		rule: "what nobody took for another part is likelier than what somebody did",
		...FOUND,
		from: "taken(left) - taken(right) || ",
		to: "",
		titles: ["two that were each taken for the other come to whose they are"],
	},
	{
		rule: "what was found by its size, and read and deleted by whose it is, is not lost",
		...FOUND,
		file: WHOSE,
		from: "	if (isCertain(record) || record.providerBatchId === null) return false;\n",
		to: "	if (record) return false;\n",
		titles: [ANSWERED],
	},
	{
		rule: "a batch that is known as another part's by now is not asked after",
		...FOUND,
		file: COLLECT,
		from: "	if (await isKnownAsOthers(store, batch, record)) return",
		to: "	if (store === undefined) return",
		titles: [KNOWN],
	},
	{
		rule: "results that are gone are not lost where their batch is known as another part's by now",
		...FOUND,
		file: COLLECT,
		from: "if (lost !== undefined) return (await isKnownAsOthers(store, batch, record)) ?",
		to: "if (lost !== undefined) return store === undefined ?",
		titles: [KNOWN],
	},
	{
		rule: "results that name items of a part make its batch certain before it is deleted",
		...FOUND,
		file: COLLECT,
		from: 'if (whose === "ours" && !isCertain(record))',
		to: 'if (whose === "ours" && false)',
		titles: ["two that were each taken for the other come to whose they are"],
	},
	{
		rule: "another's batch is left to it while it runs, too",
		file: PLAN,
		from: "	if (isOthers) return { step: stepOfForeign(record, drive), dueAtMs: drive.dueAtMs };\n",
		to: "",
		test: PLAN_TEST,
		titles: ["what was found by its size, and turns out to be another part's while it runs, is left to that one"],
	},
	{
		rule: "a provider batch that may be somebody else's is not cancelled",
		file: PLAN,
		from: "isCancelDue && drive.isCertain && providerBatchId !== null",
		to: "isCancelDue && providerBatchId !== null",
		test: PLAN_TEST,
		titles: ["a cancellation goes at once, again when it shows no effect, and never to what may be somebody else's"],
	},
	{
		rule: "what is missing in results is charged after three readings, not after the first",
		file: PLAN,
		from: "isLast: reading >= READINGS_MAX",
		to: "isLast: true",
		test: PLAN_TEST,
		titles: ["results that lack items are read again, and what is missing the third time is charged"],
	},
	{
		rule: "an attempt to create a part that stands recorded is not made again",
		file: SUBMIT,
		from: 'if (record.state === "submitting" && !isClear) return',
		to: 'if (record.state === "ended") return',
		test: SUBMIT_TEST,
		titles: ["a part is created once: an attempt that stands recorded is not made again"],
	},
	{
		rule: "whatever is not certainly a refusal may have created the batch",
		file: SUBMIT,
		from: "		if (isRefusal(error)) return refusedOf(error);\n		dependencies",
		to: '		if (error instanceof Error) return { kind: "refused", isFinal: false, message: "", retryAfterMs: null };\n		dependencies',
		test: SUBMIT_TEST,
		titles: ["an answer that did not come is an outcome nobody knows, whether or not it was done"],
	},
	{
		rule: "nothing is sent for a batch that is to end",
		file: SUBMIT,
		from: "	if (batch.cancelAskedAtMs !== null) return DONE;\n",
		to: "",
		test: SUBMIT_TEST,
		titles: ["an account without room is not asked, and a batch that is to end sends nothing"],
	},
	{
		rule: "what nothing is said of is charged at its bound the last time, and only then",
		file: BOOKS,
		from: "for (const item of untold) await this.charge(item);",
		to: "",
		test: BOOKS_TEST,
		titles: ["what nothing is said of stays open, and is charged at its bound the last time"],
	},
	{
		rule: "unfinished items of a caller's batch go again only where its rule says so",
		file: PLAN,
		from: "(rules.mayResubmit || rules.mayRelane) && cancelAskedAtMs === null",
		to: "cancelAskedAtMs === null",
		test: PLAN_TEST,
		titles: ["what did not run ends where the rules do not say that it may go again, or its end was asked for"],
	},
	{
		rule: "a batch that was not taken is no try of its items",
		file: BOOKS,
		from: "(this.ranOf?.(n)?.tries.length ?? tryNumber)",
		to: "tryNumber",
		test: "test/unit/activities/batches/job/relane.test.ts",
		titles: ["goes in real time after two batches that ran, although another one was not taken before them"],
	},
	{
		rule: "an item goes into another batch once",
		file: BOOKS,
		from: "? TRIES_MAX : BATCH_TRIES_MAX;",
		to: "? TRIES_MAX : BATCH_TRIES_MAX + 1;",
		test: BOOKS_TEST,
		titles: ["what its second batch left undone too has ended"],
	},
	{
		rule: "the key of a provider is read for no alert channel, whatever its variable is called",
		file: "config/alert-secrets.ts",
		from: "keptVariables.includes(name) ? { problem: keptVariable(name) } : readVariable(name, environment)",
		to: "readVariable(name, environment)",
		test: "test/unit/config/alert-secrets.test.ts",
		titles: ["the key of a provider is read for no channel, whatever a file of providers calls its variable"],
	},
	{
		rule: "people are told that an account has no money",
		file: "activities/batches/job/job-submit.ts",
		from: '	if (!(error instanceof CostControlError && error.code === "provider.quota")) return;\n',
		to: '	if (!(error instanceof CostControlError && error.code === "provider.refused")) return;\n',
		test: "test/unit/activities/batches/job/job-submit.test.ts",
		titles: ["an account without money is told of where a part is not taken (create), and that it is over when one is"],
	},
	{
		rule: "an account without money is told of once while it lasts",
		file: "migrations/0024_batches.sql",
		from: "  IF v_firing.seq IS NOT NULL THEN RETURN false; END IF;\n",
		to: "",
		test: "test/integration/activities/batches/job-sql.test.ts",
		titles: ["that an account has no money fires once for a batch, ends when a part is taken, and may begin anew"],
	},
];
