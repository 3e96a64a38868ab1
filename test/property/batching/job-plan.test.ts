import fc from "fast-check";
import { expect, test } from "vitest";
import { isFinalBatch } from "#domain/batching/batch-moves.ts";
import type { ItemResult } from "#domain/batching/item-result.ts";
import { driveJob, type JobStand, type JobStandOptions, openJobStand } from "#test/support/batch-job-stand.ts";
import type { CallFault, ItemScript } from "#test/support/scripted-batch-provider.ts";

/**
 * Whatever happens, in any order: calls of the provider that fail, are cut or are done without an answer, batches that show late, that are
 * refused, that are somebody else's, results that are doubled, out of order, cut or gone; activities that die between any two calls,
 * workflows that forget everything, and somebody who cancels.
 */
const succeeded: ItemResult = { kind: "succeeded", httpStatus: 200, requestId: null, body: '{"usage":1}' };
const withoutUsage: ItemResult = { kind: "succeeded", httpStatus: 200, requestId: null, body: "{}" };
const overloaded: ItemResult = { kind: "errored", httpStatus: 529, requestId: null, body: '{"error":{"type":"overloaded_error"}}' };
const invalid: ItemResult = { kind: "errored", httpStatus: 400, requestId: null, body: '{"error":{"type":"invalid_request_error"}}' };
const SCRIPTS: readonly ItemScript[] = [
	...[succeeded, succeeded, succeeded, succeeded, withoutUsage, overloaded, invalid, { kind: "expired" } as const, "missing" as const],
	...[
		[succeeded, succeeded],
		[{ kind: "expired" } as const, succeeded],
		[overloaded, succeeded],
	],
];

const world = fc.record({
	items: fc.integer({ min: 1, max: 7 }),
	protocol: fc.constantFrom("openai" as const, "anthropic" as const),
	mayResubmit: fc.boolean(),
	origin: fc.constantFrom("caller" as const, "collected" as const),
	scripts: fc.array(fc.nat(SCRIPTS.length - 1), { minLength: 7, maxLength: 7 }),
	itemsMax: fc.integer({ min: 1, max: 4 }),
	pollsToEnd: fc.integer({ min: 1, max: 3 }),
	callFaults: fc.array(fc.constantFrom<CallFault>("none", "none", "none", "cutBefore", "cutAfter", "overloaded"), { maxLength: 12 }),
	refusals: fc.array(fc.constantFrom("token_limit_exceeded", "invalid_json"), { maxLength: 2 }),
	hiddenLooks: fc.integer({ min: 0, max: 3 }),
	truncations: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 2 }),
	areResultsGone: fc.boolean(),
	strangers: fc.integer({ min: 0, max: 1 }),
	crashes: fc.array(fc.integer({ min: 1, max: 80 }), { maxLength: 6 }),
	stepFaults: fc.array(fc.constantFrom("none" as const, "none" as const, "none" as const, "lost" as const, "skipped" as const, "forgotten" as const), {
		maxLength: 14,
	}),
	cancelsAt: fc.option(fc.integer({ min: 1, max: 30 }), { nil: undefined }),
});
type World = typeof world extends fc.Arbitrary<infer Value> ? Value : never;

function standOf(given: World) {
	const faults = [...given.callFaults];
	const crashes = new Set(given.crashes);
	const options: JobStandOptions = {
		items: given.items,
		origin: given.origin,
		protocol: given.protocol,
		rules: { mayResubmit: given.mayResubmit, mayRelane: false },
		onCall: (place) => {
			if (crashes.has(place)) throw new Error("the worker is gone");
		},
		script: {
			itemOf: (name) => SCRIPTS[given.scripts[Number(name.slice(2)) - 1] ?? 0] ?? succeeded,
			pollsToEnd: given.pollsToEnd,
			itemsMax: given.itemsMax,
			faultOf: () => faults.shift() ?? "none",
			// Anthropic's have no such state: what it does not take it refuses at once. And without metadata nobody could say whose a failed one is.
			refusals: given.protocol === "openai" ? given.refusals.map((code) => ({ code, message: "refused as a whole" })) : [],
			// Without metadata one that shows later than the looks cannot be told apart from somebody else's.
			hiddenLooks: given.protocol === "openai" && !given.areResultsGone ? given.hiddenLooks : Math.min(given.hiddenLooks, 2),
			truncations: [...given.truncations],
			// Without metadata it is its results that say whose a batch is.
			areResultsGone: given.protocol === "openai" && given.areResultsGone,
			strangers: given.strangers,
			hasMetadata: given.protocol === "openai",
		},
	};
	return openJobStand(options);
}

/** Of each item that was handed in alone what came of it can be read. */
function expectAnswers({ store, blobs, batchId }: JobStand): void {
	store.outcomes(batchId).forEach((outcome, index) => {
		const answer = store.answers(batchId)[index];
		const read = JSON.parse(blobs.blobs.get(answer?.answerBlobKey ?? "")?.toString("utf8") ?? "") as { error?: unknown };
		expect([answer?.httpStatus === 200, read.error === undefined]).toEqual(outcome === "succeeded" ? [true, true] : [false, false]);
		if (outcome === "expired" || outcome === "cancelled") expect(answer?.httpStatus).toBe(outcome === "expired" ? 504 : 409);
	});
}

test("every item has one outcome, whatever was billed is booked once, and nothing is held at the end", async () => {
	await fc.assert(
		fc.asyncProperty(world, async (given) => {
			const stand = standOf(given);
			const { store, provider, batchId } = stand;
			const stepFaults = [...given.stepFaults];
			await driveJob(stand, { faultOf: () => stepFaults.shift() ?? "none", ...(given.cancelsAt !== undefined && { cancelsAt: given.cancelsAt }) });
			const record = await store.read(batchId);
			expect(record && isFinalBatch(record.state)).toBe(true);
			expect(store.outcomes(batchId).filter((outcome) => outcome === null)).toEqual([]);
			expect(store.heldNanoUsd(batchId)).toBe(0n);
			expect(record?.heldNanoUsd).toBe("0");
			const entered = store.entries.map(({ attemptId }) => attemptId);
			expect(new Set(entered).size).toBe(entered.length);
			// What the provider billed of ours has its entry; an entry without a bill is one whose end nobody knows.
			const billed = provider.billed.filter((customId) => customId.startsWith("batch"));
			for (const customId of billed) expect(entered).toContain(customId);
			for (const { attemptId, reason } of store.entries) if (!billed.includes(attemptId)) expect(reason).toBe("unresolved");
			if (given.origin === "collected") expectAnswers(stand);
		}),
		{ numRuns: 400 },
	);
}, 120_000);

test("no part is at the provider twice where it shows its batches within the looks", async () => {
	await fc.assert(
		fc.asyncProperty(world, async (given) => {
			const stand = standOf({ ...given, strangers: 0, hiddenLooks: Math.min(given.hiddenLooks, 2) });
			const stepFaults = [...given.stepFaults];
			await driveJob(stand, { faultOf: () => stepFaults.shift() ?? "none", ...(given.cancelsAt !== undefined && { cancelsAt: given.cancelsAt }) });
			const tokens = [...stand.provider.batches.values()].map(({ token }) => token);
			expect(new Set(tokens).size).toBe(tokens.length);
			const sent = [...stand.provider.batches.values()].flatMap(({ customIds }) => customIds.map(({ customId }) => customId));
			expect(new Set(sent).size).toBe(sent.length);
		}),
		{ numRuns: 200 },
	);
}, 120_000);
