import { setImmediate as turnEnd } from "node:timers/promises";
import { beforeEach, expect, test } from "vitest";
import { JournalTurn } from "#activities/request/journal-turn.ts";

let events: string[];
let failure: Error | undefined;

beforeEach(() => {
	events = [];
	failure = undefined;
});

const turn = new JournalTurn({
	together(work) {
		work();
		if (failure !== undefined) throw failure;
		events.push("written");
	},
});

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
	turn.add(step("a"));
	turn.add(step("b"));
	expect(events).toEqual([]);
	await turnEnd();
	expect(events).toEqual(["append a", "append b", "written", "conclude a", "conclude b"]);
});

test("a step that is added while others go on belongs to the next turn", async () => {
	turn.add(step("a", () => turn.add(step("c"))));
	turn.add(step("b"));
	await turnEnd();
	expect(events).toEqual(["append a", "append b", "written", "conclude a", "conclude b"]);
	await turnEnd();
	expect(events.slice(5)).toEqual(["append c", "written", "conclude c"]);
});

test("where nothing could be written every step is told so, and later turns go on", async () => {
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
