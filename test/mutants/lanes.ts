import type { Mutant } from "./mutant.ts";

/** Lanes of items that were handed in alone: real time, hedges, and what is charged where nobody knows. */
const REAL_TIME = "migrations/0028_real_time.sql";
const ANSWERS = "activities/batches/job/real-time-answers.ts";
const LANES_TEST = "test/integration/activities/batches/real-time.test.ts";
const STOP_TEST = "test/integration/workers/batches-stop.test.ts";
const KILLS_TEST = "test/integration/activities/batches/real-time-kills.test.ts";
const HEDGE_TEST = "test/integration/activities/batches/hedge.test.ts";
const CHOICE_TEST = "test/unit/domain/batching/choose-lane.test.ts";
const FAILED_TWICE = "that may not go in real time, and fails in both its batches, is answered with what the provider said last";
const RELANE_TEST = "test/unit/activities/batches/job/relane.test.ts";
const CHECK = { file: "test/batches/check/judge-items.ts", test: "test/unit/batches/check-judge.test.ts" } as const;
const EVERY_DEATH = "leaves nothing unbooked, nothing booked twice, and each item with one end";

export const LANE_MUTANTS: readonly Mutant[] = [
	{
		rule: "nothing of a caller's batch goes in real time without the rule of its key",
		file: "domain/batching/choose-lane.ts",
		from: "mayRealTime: mayRelane })",
		to: "mayRealTime: true })",
		test: CHOICE_TEST,
		titles: ["after two batches, with another batch alone"],
	},
	{
		rule: "lanes of a caller's batch are chosen only where its rules say so",
		file: "domain/batching/job-plan.ts",
		from: "const isChosen = batch.rules.mayRelane && ",
		to: "const isChosen = ",
		test: "test/unit/domain/batching/job-lanes.test.ts",
		titles: ["lanes are chosen where the rules say so: of a collected batch at once, of a caller's own when a batch of the provider ran"],
	},
	{
		rule: "what no provider took of a caller's batch does not go in real time, whatever another of its batches left undone",
		file: "domain/batching/choose-lane.ts",
		from: "	if (!wasTaken && tries < ran.untaken + BATCH_TRIES_MAX)",
		to: "	if (ran === null)",
		test: RELANE_TEST,
		titles: ["is not what no provider took: that goes with a batch again, however often and whatever another one left undone meanwhile"],
	},
	{
		rule: "what no provider ever speaks of does not go with batches for ever",
		file: "domain/batching/choose-lane.ts",
		from: "	if (!wasTaken && tries < ran.untaken + BATCH_TRIES_MAX)",
		to: "	if (!wasTaken)",
		test: CHOICE_TEST,
		titles: ["what nobody spoke of twice, goes no more with a batch"],
	},
	{
		rule: "lanes of a caller's batch are not chosen before one of its batches ran",
		file: "domain/batching/job-plan.ts",
		from: " || parts.some(hasRun));",
		to: " || parts.length > 0);",
		test: "test/unit/domain/batching/job-lanes.test.ts",
		titles: ["lanes are chosen where the rules say so: of a collected batch at once, of a caller's own when a batch of the provider ran"],
	},
	{
		rule: "what a caller's file does not have any more ends, and is not waited for",
		file: "activities/batches/job/real-time-bodies.ts",
		from: "if (!isBodyGone(error)) throw error;",
		to: "throw error;",
		test: RELANE_TEST,
		titles: ["whose file is gone ends with its tries, as one that cannot be sent, and costs nothing"],
	},
	{
		rule: "what may go in real time is held at the dearer of both lanes",
		file: "activities/batches/lines/bound-items.ts",
		from: "return mayGoRealTime ? [withBatch, boundRequest(request, candidate.line, options)] : [withBatch];",
		to: "return [withBatch];",
		test: "test/unit/activities/batches/lines/bound-items.test.ts",
		titles: ["that may go in real time are held at the dearer of both lanes, and at the tiers of either"],
	},
	{
		rule: "what went in real time of a caller's batch is settled at that price",
		file: "activities/batches/job/batch-pricing.ts",
		from: ' || lane === "real_time";',
		to: ";",
		test: "test/integration/activities/batches/relane.test.ts",
		titles: ["what its batch left undone is settled at the price of real time, and nothing is held or overspent after it"],
	},
	{
		...CHECK,
		rule: "check:batch takes a call that the key forbids for broken",
		from: "!order.relane || placeOf(attemptId) <= items",
		to: "placeOf(attemptId) <= items",
		titles: ["rules of a key: a call that its key forbids is broken"],
	},
	{
		...CHECK,
		rule: "check:batch takes a call at the price of a batch for broken",
		from: "if (wayOf(service_tier) !== way)",
		to: "if (wayOf(service_tier) !== way && way !== IN_REAL_TIME)",
		titles: ["rules of a key: a call at the price of a batch is broken"],
	},
	{
		...CHECK,
		rule: "check:batch takes what expired and could have been called for broken",
		from: "order.relane && order.cancelAfterMs === undefined && expired.length > 0",
		to: "false && expired.length > 0",
		titles: ["rules of a key: an item that expired though it may be called is broken"],
	},
	{
		rule: "what was sent and has no kept answer may be billed",
		file: "activities/batches/job/real-time-part.ts",
		from: "const unknown = items.filter(({ isSent }) => isSent);",
		to: "const unknown = items.filter(() => false);",
		test: KILLS_TEST,
		titles: [EVERY_DEATH],
		redBy: "the batch has not ended",
	},
	{
		rule: "calls under way when the worker is to end have the time that is set",
		file: "workers/batches.ts",
		from: "				stopMs,\n",
		to: "				stopMs: 1_500,\n",
		test: STOP_TEST,
		titles: ["a call that takes longer than the rest of a stop is waited for, delivered, and booked as it was used"],
	},
	{
		rule: "the Temporal worker cancels nothing while calls have their time",
		file: "workers/batches.ts",
		from: "		stopGraceMs: stopGraceMs + CUT_BOOKED_WITHIN_MS,\n",
		to: "",
		test: STOP_TEST,
		titles: ["a call that takes longer than the rest of a stop is waited for, delivered, and booked as it was used"],
	},
	{
		rule: "what still runs then is cut, and booked",
		file: "activities/batches/job/real-time-part.ts",
		from: " >= times.stopMs) this.#cutting.abort();",
		to: " >= times.stopMs) void this.#cutting;",
		test: STOP_TEST,
		titles: ["a call that runs longer than it may is cut, and charged at its bound before the worker ends"],
	},
	{
		rule: "what may be billed goes again only with a second bound",
		file: ANSWERS,
		from: ".filter(({ n }) => held.has(n))",
		to: ".filter(() => true)",
		test: LANES_TEST,
		titles: ["ends where nobody pays for another try"],
		redBy: "the batch has not ended",
	},
	{
		rule: "what another part carries goes beside it only with a second bound",
		file: "migrations/0029_batch_parts.sql",
		within: "CREATE FUNCTION tollgate.write_batch_part(",
		from: "part IS NOT NULL AND is_second_held ELSE",
		to: "part IS NOT NULL ELSE",
		test: HEDGE_TEST,
		titles: ["is carried by no second part without a second bound"],
	},
	{
		rule: "a refusal of the provider is no try",
		file: REAL_TIME,
		within: "CREATE FUNCTION tollgate.unmark_sent(",
		from: "SET sent_try = NULL",
		to: "SET sent_try = try",
		test: LANES_TEST,
		titles: ["is left alone for as long as it says, and what it refused goes under the same try"],
	},
	{
		rule: "one worker at a time calls for a part",
		file: REAL_TIME,
		within: "CREATE FUNCTION tollgate.claim_part(",
		from: "IF v_part.caller <> p_caller AND",
		to: "IF false AND",
		test: LANES_TEST,
		titles: ["an item whose part another worker calls for is left to that one until it is silent"],
	},
	{
		rule: "an answer that comes when its part is another's is not kept",
		file: ANSWERS,
		from: "		requireClaim();\n",
		to: "		void requireClaim;\n",
		test: LANES_TEST,
		titles: ["what a worker hears that stood still past its claim is not kept over what the next one charged"],
	},
	{
		rule: "an item whose last try the provider answered with an error is not told that it had no time",
		file: "activities/batches/job/choose-lanes.ts",
		from: 'failed.has(n) ? "errored" : "expired"',
		to: 'failed.has(n * 0) ? "errored" : "expired"',
		test: LANES_TEST,
		titles: [FAILED_TWICE],
	},
	{
		rule: "an error of an earlier try is not the last that was said",
		file: "activities/batches/job/failed-last.ts",
		from: "lastTries.get(named.n) === named.tryNumber",
		to: "lastTries.has(named.n)",
		test: LANES_TEST,
		titles: [FAILED_TWICE],
	},
	{
		rule: "what its caller keeps out of real time goes with a batch",
		file: "domain/batching/choose-lane.ts",
		from: "if (tries === 0 && mayGoRealTime)",
		to: "if (tries === 0)",
		test: CHOICE_TEST,
		titles: ["too little time, and real time forbidden"],
	},
];
