import { describe, expect, test } from "vitest";
import { BATCH_STATES, ITEM_OUTCOMES } from "#domain/batching/batch.ts";
import {
	BATCH_MOVES,
	ITEM_MOVES,
	type ItemState,
	isFinalBatch,
	isFinalPart,
	mayMove,
	mayMoveItem,
	mayMovePart,
	PART_MOVES,
} from "#domain/batching/batch-moves.ts";
import { PART_STATES } from "#domain/batching/batch-part.ts";

/** Everything that can be reached from `start`, itself included. */
function reachable<State extends string>(moves: Readonly<Record<State, readonly State[]>>, start: State): Set<State> {
	const reached = new Set<State>([start]);
	for (const state of reached) for (const next of moves[state]) reached.add(next);
	return reached;
}

describe("a batch", () => {
	test("ends as completed, expired, cancelled or failed, and what has ended goes nowhere", () => {
		const final = BATCH_STATES.filter(isFinalBatch);
		expect(final).toEqual(["completed", "expired", "cancelled", "failed"]);
		for (const state of final) expect(BATCH_STATES.filter((to) => mayMove(state, to))).toEqual([state]);
	});

	test("can reach every end, and from every state some end", () => {
		expect([...reachable(BATCH_MOVES, "collecting")].sort()).toEqual([...BATCH_STATES].sort());
		for (const state of BATCH_STATES) expect([...reachable(BATCH_MOVES, state)].some(isFinalBatch)).toBe(true);
	});

	test("never comes back to a state it left", () => {
		for (const state of BATCH_STATES) for (const next of BATCH_MOVES[state]) expect(reachable(BATCH_MOVES, next).has(state)).toBe(false);
	});

	test("completes only through joining its outputs, and fails only while nothing of it was taken", () => {
		expect(BATCH_STATES.filter((from) => mayMove(from, "completed"))).toEqual(["finalizing", "completed"]);
		expect(BATCH_STATES.filter((from) => mayMove(from, "failed"))).toEqual(["held", "running", "failed"]);
		expect(mayMove("collecting", "running")).toBe(false);
		expect(mayMove("cancelling", "running")).toBe(false);
	});

	test("may stay where it is", () => {
		for (const state of BATCH_STATES) expect(mayMove(state, state)).toBe(true);
	});
});

describe("a part", () => {
	test("ends as collected or failed, and never comes back to a state it left", () => {
		expect(PART_STATES.filter(isFinalPart)).toEqual(["collected", "failed"]);
		for (const state of PART_STATES) for (const next of PART_MOVES[state]) expect(reachable(PART_MOVES, next).has(state)).toBe(false);
		expect([...reachable(PART_MOVES, "written")].sort()).toEqual([...PART_STATES].sort());
	});

	test("is known as submitting before it can run, so that nothing runs that was never written down", () => {
		expect(PART_STATES.filter((from) => mayMovePart(from, "running"))).toEqual(["submitting", "running"]);
		expect(mayMovePart("submitting", "written")).toBe(false);
		expect(mayMovePart("running", "collected")).toBe(false);
	});
});

describe("an item", () => {
	test("has one outcome, and keeps it", () => {
		const states: readonly ItemState[] = ["open", ...ITEM_OUTCOMES];
		expect(ITEM_MOVES.open).toEqual([...ITEM_OUTCOMES]);
		for (const from of ITEM_OUTCOMES) expect(states.filter((to) => mayMoveItem(from, to))).toEqual([from]);
	});
});
