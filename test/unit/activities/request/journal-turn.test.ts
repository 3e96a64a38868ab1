import { setImmediate as turnEnd } from "node:timers/promises";
import { beforeEach, expect, test } from "vitest";
import { JournalTurn } from "#activities/request/journal-turn.ts";

let events: string[];
let failure: Error | undefined;
let turn: JournalTurn;

beforeEach(() => {
	events = [];
	failure = undefined;
	turn = new JournalTurn({
		together(work) {
			work();
			if (failure !== undefined) throw failure;
			events.push("written");
		},
	});
});

/** Two steps shared the last turn. */
async function afterSharedTurn(): Promise<void> {
	turn.add(step("x"));
	turn.add(step("y"));
	await turnEnd();
	events = [];
}

function step(name: string, onConcluded: () => void = () => undefined) {
	return {
		append: () => void events.push(`append ${name}`),
		conclude(problem?: { readonly error: unknown }) {
			events.push(problem === undefined ? `conclude ${name}` : `${name}: ${String(problem.error)}`);
			onConcluded();
		},
	};
}

test("steps of one turn are written together, and none goes on before", async () => {
	await afterSharedTurn();
	turn.add(step("a"));
	turn.add(step("b"));
	expect(events).toEqual([]);
	await turnEnd();
	expect(events).toEqual(["append a", "append b", "written", "conclude a", "conclude b"]);
});

test("a step alone goes on at once, in its turn's first write; what comes in the same turn is written at its end", async () => {
	turn.add(step("a"));
	expect(events).toEqual(["append a", "written", "conclude a"]);
	turn.add(step("b"));
	turn.add(step("c"));
	expect(events.slice(3)).toEqual([]);
	await turnEnd();
	expect(events.slice(3)).toEqual(["append b", "append c", "written", "conclude b", "conclude c"]);
});

test("after a turn that several shared the first waits for the end, after one of its own it waits no more", async () => {
	await afterSharedTurn();
	turn.add(step("a"));
	expect(events).toEqual([]);
	await turnEnd();
	expect(events).toEqual(["append a", "written", "conclude a"]);
	turn.add(step("b"));
	expect(events.slice(3)).toEqual(["append b", "written", "conclude b"]);
	await turnEnd();
	expect(events).toHaveLength(6);
});

test("a step alone that could not be written is told so", () => {
	failure = new Error("the disk is full");
	turn.add(step("a"));
	expect(events).toEqual(["append a", "a: Error: the disk is full"]);
});

test("a step that is added while others go on belongs to the next turn", async () => {
	await afterSharedTurn();
	turn.add(step("a", () => turn.add(step("c"))));
	turn.add(step("b"));
	await turnEnd();
	expect(events).toEqual(["append a", "append b", "written", "conclude a", "conclude b"]);
	await turnEnd();
	expect(events.slice(5)).toEqual(["append c", "written", "conclude c"]);
});

test("where nothing could be written every step is told so, and later turns go on", async () => {
	await afterSharedTurn();
	failure = new Error("the disk is full");
	turn.add(step("a"));
	turn.add(step("b"));
	await turnEnd();
	expect(events).toEqual(["append a", "append b", "a: Error: the disk is full", "b: Error: the disk is full"]);
	failure = undefined;
	turn.add(step("c"));
	await turnEnd();
	expect(events.slice(4)).toEqual(["append c", "written", "conclude c"]);
});
