import fc from "fast-check";
import { expect, test } from "vitest";
import { AskGroups, type Fault } from "#activities/batches/store/ask-groups.ts";

/** Who asks while others are asked for: together, each once, each for itself. */

type Item = { readonly line: string; readonly id: string };
class Failure extends Error {
	readonly fault: Fault;
	constructor(fault: Fault) {
		super(fault);
		this.fault = fault;
	}
}

class Asked {
	readonly groups: string[][] = [];
	/** By what an id has in it. */
	failing: (ids: readonly string[]) => Fault | undefined = () => undefined;
	readonly #open: (() => void)[] = [];
	isHeld = false;

	readonly askGroups = new AskGroups<Item, string>({
		lineOf: ({ line }) => line,
		idOf: ({ id }) => id,
		ask: async (items) => {
			const ids = items.map(({ id }) => id);
			this.groups.push(ids);
			if (this.isHeld) await new Promise<void>((resolve) => this.#open.push(resolve));
			const fault = this.failing(ids);
			if (fault !== undefined) throw new Failure(fault);
			return ids.map((id) => `of ${id}`);
		},
		faultOf: (error) => (error as Failure).fault,
		sizeMax: 4,
	});

	ask(...ids: readonly string[]): Promise<readonly PromiseSettledResult<string>[]> {
		return Promise.allSettled(ids.map((id) => this.askGroups.ask({ line: "a", id })));
	}

	goOn(): void {
		for (const go of this.#open.splice(0)) go();
	}
}

const of = (...ids: readonly string[]) => ids.map((id) => ({ status: "fulfilled", value: `of ${id}` }));
const failed = (fault: Fault) => ({ status: "rejected", reason: new Failure(fault) });

test("the first is asked for at once, and who came meanwhile together, so many as may be", async () => {
	const asked = new Asked();
	const answers = asked.ask("1", "2", "3", "4", "5", "6", "7");
	expect(asked.groups).toEqual([["1"]]);
	expect(await answers).toEqual(of("1", "2", "3", "4", "5", "6", "7"));
	expect(asked.groups).toEqual([["1"], ["2", "3", "4", "5"], ["6", "7"]]);
	await asked.ask("8");
	expect(asked.groups.at(-1)).toEqual(["8"]);
});

test("one line does not wait for another", async () => {
	const asked = new Asked();
	asked.isHeld = true;
	const answers = Promise.all(["a", "b"].map((line) => asked.askGroups.ask({ line, id: "1" })));
	expect(asked.groups).toEqual([["1"], ["1"]]);
	asked.goOn();
	expect(await answers).toEqual(["of 1", "of 1"]);
});

test("the same id is never twice in a group: the second asks when the first is answered", async () => {
	const asked = new Asked();
	expect(await asked.ask("0", "1", "1", "2", "1")).toEqual(of("0", "1", "1", "2", "1"));
	expect(asked.groups).toEqual([["0"], ["1", "2"], ["1"], ["1"]]);
});

test("what fails for a group is asked for one by one, and one's fault is that one's", async () => {
	const asked = new Asked();
	asked.failing = (ids) => (ids.includes("2") ? "item" : undefined);
	expect(await asked.ask("0", "1", "2", "3")).toEqual([...of("0", "1"), failed("item"), ...of("3")]);
	expect(asked.groups).toEqual([["0"], ["1", "2", "3"], ["1"], ["2"], ["3"]]);
});

test("where nobody can be asked all are told so, and nobody is asked for again", async () => {
	const asked = new Asked();
	asked.failing = (ids) => (ids.length > 1 ? "outage" : undefined);
	expect(await asked.ask("0", "1", "2", "3")).toEqual([...of("0"), ...Array.from({ length: 3 }, () => failed("outage"))]);
	expect(asked.groups).toEqual([["0"], ["1", "2", "3"]]);
	// It goes on for who comes then.
	expect(await asked.ask("4")).toEqual(of("4"));
});

test("an outage that begins between those who are asked for one by one is told to the rest", async () => {
	const asked = new Asked();
	asked.failing = (ids) => (ids.length > 1 ? "item" : ids[0] === "2" ? "outage" : undefined);
	expect(await asked.ask("0", "1", "2", "3")).toEqual([...of("0", "1"), failed("outage"), failed("outage")]);
	expect(asked.groups).toEqual([["0"], ["1", "2", "3"], ["1"], ["2"]]);
});

test("one that takes too long is alone with it; when a second does, the others would too", async () => {
	const asked = new Asked();
	asked.failing = (ids) => (ids.includes("2") ? "time" : undefined);
	expect(await asked.ask("0", "1", "2", "3")).toEqual([...of("0", "1"), failed("time"), ...of("3")]);
	const later = new Asked();
	later.failing = (ids) => (ids.includes("0") ? undefined : "time");
	expect(await later.ask("0", "1", "2", "3", "4")).toEqual([...of("0"), ...Array.from({ length: 4 }, () => failed("time"))]);
	expect(later.groups).toEqual([["0"], ["1", "2", "3", "4"], ["1"], ["2"]]);
});

test("whoever asks whenever is answered, with his own answer, in the order of his line", async () => {
	const step = fc.record({ line: fc.constantFrom("a", "b"), id: fc.nat(12).map(String), rests: fc.boolean() });
	await fc.assert(
		fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
			const asked = new Asked();
			const answers: Promise<string>[] = [];
			for (const { rests, ...item } of steps) {
				answers.push(asked.askGroups.ask(item));
				if (rests) await Promise.resolve();
			}
			expect(await Promise.all(answers)).toEqual(steps.map(({ id }) => `of ${id}`));
			expect(asked.groups.flat()).toHaveLength(steps.length);
			for (const group of asked.groups) {
				expect(new Set(group).size).toBe(group.length);
				expect(group.length).toBeLessThanOrEqual(4);
			}
		}),
	);
});
