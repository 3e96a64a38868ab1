import type { Mutant } from "./mutant.ts";

/** What holds agent runs in memory, and lets nothing by that passes from gateway to gateway. */
const GUARD = "activities/runs/run-guard.ts";
const HOLDS = "activities/runs/untold-holds.ts";
const DIRECTORY = "activities/runs/run-directory.ts";
const GUARD_TEST = "test/unit/activities/runs/run-guard.test.ts";
const CEILINGS_TEST = "test/unit/activities/runs/run-ceilings.test.ts";
const REST_TEST = "test/unit/activities/runs/run-rest.test.ts";
const WATCHERS_TEST = "test/unit/activities/runs/run-watchers.test.ts";

export const RUN_GUARD_MUTANTS: readonly Mutant[] = [
	{
		rule: "a run that loops is held",
		file: GUARD,
		from: 'if (stop !== undefined) return { kind: "refused", refusal: this.#holdLoop(live, stop) };',
		to: "",
		test: GUARD_TEST,
		titles: ["is held with the step that the detector says"],
	},
	{
		rule: "a run at a ceiling that its books do not keep is held",
		file: GUARD,
		from: "refusal: this.#hold(live, (making) => ceilingHold(verdict, ofRun, making)) };",
		to: "refusal: heldRefusal(ofRun, live.runId) };",
		test: CEILINGS_TEST,
		titles: ["on calls of a tool allows so many and holds before the next step"],
	},
	{
		rule: "a run whose budget is spent is held",
		file: GUARD,
		from: 'if (refusal.code !== "budget.exceeded" && refusal.code !== "budget.overrun") return undefined;',
		to: "return undefined;",
		test: CEILINGS_TEST,
		titles: ["of the run holds it by the ceiling that it keeps"],
	},
	{
		rule: "what is held in memory is told to PostgreSQL",
		file: HOLDS,
		from: "setImmediate(() => void this.#tell());",
		to: "",
		test: CEILINGS_TEST,
		titles: ["of the run holds it by the ceiling that it keeps"],
	},
	{
		rule: "a hold that could not be told is told again",
		file: HOLDS,
		from: "if (this.#untold.size > 0) this.#plan();",
		to: "",
		test: GUARD_TEST,
		titles: ["a hold is in force at once and told when it can be"],
	},
	{
		rule: "a run that is held holds those below it",
		file: "activities/runs/live-run.ts",
		from: "for (const node of this.nodes) if (node.isHeld) return node;",
		to: "if (this.own.isHeld) return this.own;",
		test: GUARD_TEST,
		titles: ["holds all below the run, and the others go on"],
	},
	{
		rule: "a step counts for the runs above its own",
		file: GUARD,
		from: "for (const node of live.nodes) node.addStep(",
		to: "for (const node of live.nodes.slice(-1)) node.addStep(",
		test: CEILINGS_TEST,
		titles: ["of a run above counts what all below it do"],
	},
	{
		rule: "what other gateways took of a run counts here",
		file: "activities/runs/run-notes.ts",
		from: "node.addTotals(totals);",
		to: "",
		test: CEILINGS_TEST,
		titles: ["counts what other gateways took, as flushes tell it"],
	},
	{
		rule: "what a run costs at other gateways is handed over",
		file: GUARD,
		from: "if (observed.pending !== undefined) this.#handOvers.begin(live, call);",
		to: "",
		test: "test/property/run-guard.test.ts",
		titles: ["end on four gateways in turn, none missed and nothing else stopped"],
	},
	{
		rule: "turns wait for what they cost",
		file: "activities/runs/hand-over.ts",
		from: "const PATIENCE_TURNS = 6;",
		to: "const PATIENCE_TURNS = 0;",
		test: "test/unit/activities/runs/hand-over.test.ts",
		titles: ["a flush that comes after the next step is waited for, beside the calls"],
	},
	{
		rule: "what a step elsewhere cost is looked for until it is flushed",
		file: "activities/runs/hand-over.ts",
		from: "const READS_MAX = 3;",
		to: "const READS_MAX = 1;",
		test: "test/unit/activities/runs/hand-over.test.ts",
		titles: ["a flush that comes after the next step is waited for, beside the calls"],
	},
	{
		rule: "a turn that is sent again is not counted again",
		file: "domain/agents/turn-cursor.ts",
		from: "cursors[KEY_AT] = keyWord(turnKey(last));",
		to: "",
		test: "test/unit/domain/agents/turn-cursor.test.ts",
		titles: ["that is sent again says nothing new"],
	},
	{
		rule: "what a person let go on is forgiven",
		file: "domain/agents/run-memory.ts",
		from: "forgiveLoops(memory.loop);",
		to: "",
		test: GUARD_TEST,
		titles: ["is forgiven when a person lets the run go on"],
	},
	{
		rule: "a tree that changed is read before its next step",
		file: DIRECTORY,
		from: "for (const node of live.nodes) node.isStale = true;",
		to: "",
		test: GUARD_TEST,
		titles: ["a run of which something has changed does not go on unread"],
	},
	{
		rule: "what changed while a run was read is read again",
		file: DIRECTORY,
		from: "if (read < READS_MAX && this.#hasChangedSince(entered.chain, changes)) continue;",
		to: "",
		test: GUARD_TEST,
		titles: ["what changed while a run was read is read again"],
	},
	{
		rule: "a run rests when its rows are flushed",
		file: "activities/runs/run-rest.ts",
		from: "if (live.own.flushMark > enqueuedRows - pendingRows) return false;",
		to: "",
		test: REST_TEST,
		titles: ["rests once its rows are flushed"],
	},
	{
		rule: "a hold at rest ends with a change of its tree",
		file: DIRECTORY,
		from: "this.resting.forgetHeldOf(rootRunId);",
		to: "",
		test: REST_TEST,
		titles: ["that is held is refused without asking, until something in its tree has changed"],
	},
	{
		rule: "a change wakes those who watch its tree",
		file: GUARD,
		from: "this.#watchers.wake(rootRunIds);",
		to: "",
		test: WATCHERS_TEST,
		titles: ["waits until it changes, on a gateway that never served it, too"],
	},
];
