import fc from "fast-check";
import { expect, test } from "vitest";
import { BATCH_STATES } from "#domain/batching/batch.ts";
import { BATCH_MOVES, isFinalBatch, isFinalPart, mayMove, mayMovePart, PART_MOVES } from "#domain/batching/batch-moves.ts";
import { PART_STATES } from "#domain/batching/batch-part.ts";
import { BATCH_TRIES_MAX, decideRetry, judgeItemError, TRIES_MAX } from "#domain/batching/retry.ts";

const HOUR_MS = 3_600_000;

/** What befalls each try of an item, for ever: it never comes to an answer. */
const misfortune = fc.record({ ended: fc.constantFrom("errored", "expired", "cancelled"), tookMs: fc.nat(24 * HOUR_MS) });

test("an item that never gets an answer ends after at most three tries, two of them in batches, and only where it may go", () => {
	const rules = fc.record({
		mayBatch: fc.boolean(),
		mayRealTime: fc.boolean(),
		slackMs: fc.option(fc.integer({ min: -HOUR_MS, max: 60 * HOUR_MS }), { nil: null }),
	});
	fc.assert(
		fc.property(fc.array(misfortune, { minLength: 12, maxLength: 12 }), rules, fc.nat(24 * HOUR_MS), (fate, { mayBatch, mayRealTime, slackMs }, neededMs) => {
			let tries = 1;
			let batchTries = 1;
			let leftMs = slackMs;
			for (const { ended, tookMs } of fate) {
				if (leftMs !== null) leftMs -= tookMs;
				const problem = judgeItemError("openai", { httpStatus: 500, body: "" });
				const decision = decideRetry({ ended, problem, tries, batchTries, slackMs: leftMs, neededMs, mayBatch, mayRealTime });
				expect(decision.isPastDeadline).toBe(leftMs !== null && leftMs <= 0);
				if (decision.kind === "end") break;
				expect(decision.kind === "batch" ? mayBatch : mayRealTime).toBe(true);
				if (decision.kind === "batch") {
					expect(leftMs === null || leftMs >= neededMs).toBe(true);
					batchTries += 1;
				}
				tries += 1;
			}
			expect(tries).toBeLessThanOrEqual(TRIES_MAX);
			expect(batchTries).toBeLessThanOrEqual(BATCH_TRIES_MAX);
		}),
		{ numRuns: 500 },
	);
});

test("any text and status is an error that is judged, never one that throws, and an account's is never tried again", () => {
	const body = fc.oneof(fc.string(), fc.json());
	fc.assert(
		fc.property(fc.constantFrom("openai", "anthropic"), fc.integer({ min: 0, max: 599 }), body, (protocol, httpStatus, text) => {
			const problem = judgeItemError(protocol, { httpStatus, body: text });
			if (problem.isOfAccount) expect(problem.isWorthAnother).toBe(false);
		}),
	);
});

test("whatever is tried, a batch and a part come to an end in a few moves, and stay there", () => {
	fc.assert(
		fc.property(
			fc.array(fc.constantFrom(...BATCH_STATES), { maxLength: 60 }),
			fc.array(fc.constantFrom(...PART_STATES), { maxLength: 60 }),
			(states, partStates) => {
				const walked = walk(states, { from: "collecting", mayMove });
				const walkedPart = walk(partStates, { from: "written", mayMove: mayMovePart });
				expect(walked.length).toBeLessThanOrEqual(Object.keys(BATCH_MOVES).length);
				expect(walkedPart.length).toBeLessThanOrEqual(Object.keys(PART_MOVES).length);
				expect(walked.slice(0, -1).some(isFinalBatch)).toBe(false);
				expect(walkedPart.slice(0, -1).some(isFinalPart)).toBe(false);
			},
		),
	);
});

/** The states that are come through when each of `wanted` is tried in turn. */
function walk<State>(
	wanted: readonly State[],
	{ from, mayMove: may }: { readonly from: State; readonly mayMove: (from: State, to: State) => boolean },
): State[] {
	const walked = [from];
	for (const to of wanted) {
		const at = walked.at(-1) as State;
		if (to !== at && may(at, to)) walked.push(to);
	}
	return walked;
}
