import type { Mutant } from "./mutant.ts";

/** Rules of the HTTP skin: what a gateway takes on. */
const HELD_BODIES = "test/gateway/held-bodies.test.ts";
const CALLS = { file: "gateway/routes/model-calls.ts", test: HELD_BODIES } as const;
const BODIES = "gateway/call-body.ts";
const SHED = "further calls get 503 in the protocol of their caller, no money is asked for, and readiness says so until there is room";
const BROKEN = "an upload that breaks off gives its place back, and so does a body that is too large";

export const GATEWAY_MUTANTS: readonly Mutant[] = [
	{
		rule: "a call is taken only while there is memory for its body",
		file: "gateway/held-bodies.ts",
		from: "			if (held >= bytesMax) return undefined;\n",
		to: "",
		test: HELD_BODIES,
		titles: [SHED],
	},
	{
		rule: "readiness knows that there is no memory for a body",
		file: "gateway/routes/operations.ts",
		from: "context.heldBodies.isFull ?",
		to: "false ?",
		test: HELD_BODIES,
		titles: [SHED],
	},
	{ rule: "a call that is over gives the place of its body back", ...CALLS, from: "		request.heldBody?.leave();\n", to: "", titles: [SHED], redBy: "waited" },
	{
		rule: "an upload that breaks off gives its place back",
		...CALLS,
		file: BODIES,
		from: '	reply.raw.on("close", held.abandon);\n',
		to: "",
		titles: [BROKEN],
		redBy: "waited",
	},
	{
		rule: "a body of unknown length counts as the largest",
		...CALLS,
		file: BODIES,
		from: "return Number.POSITIVE_INFINITY;",
		to: "return 0;",
		titles: ["a body that does not say how long it is counts as the largest, until it is here"],
		redBy: "waited",
	},
	{
		rule: "a parent without a run is refused",
		file: "gateway/run-headers.ts",
		from: "if (parentRunId !== undefined && runId === undefined)",
		to: "if (parentRunId === undefined && runId === null)",
		test: "test/gateway/run-headers.test.ts",
		titles: ["a parent without a run: 422 with every mistake by its header, nothing entered and nothing sent"],
	},
	{
		rule: "no provider sees the run of a call",
		file: "gateway/forwarded-headers.ts",
		from: '["accept", "anthropic-version", "anthropic-beta"] as const',
		to: '["accept", "anthropic-version", "anthropic-beta", "x-tollgate-run"] as const',
		test: "test/gateway/run-headers.test.ts",
		titles: ["no provider sees a header of ours, on any endpoint"],
	},
	{
		rule: "an idempotent call belongs to its run",
		file: "activities/idempotency/idempotent-calls.ts",
		from: ", ...(run?.claim ? [run.claim.runId] : [])]",
		to: "]",
		test: "test/gateway/run-headers.test.ts",
		titles: ["is another request of another run", "is another request of none"],
	},
	{
		rule: "a call whose run was held while it waited is not sent",
		file: "activities/request/run-step.ts",
		from: 'if (admission.kind === "admitted") admission.attempt.release("run_held");\n			return { kind: "refused", refusal: held };',
		to: "",
		test: "test/gateway/run-steps.test.ts",
		titles: ["is not sent, though budget came: what was reserved is given back"],
	},
	{
		rule: "nobody waits for budget of a run that stands",
		file: "activities/request/run-step.ts",
		from: "for (const step of this.#waiting) step.turnAwayIfHeld();",
		to: "",
		test: "test/unit/activities/request/run-step.test.ts",
		titles: ["ends when the run is held: with the next heartbeat"],
	},
	{
		rule: "the guard is told of a step before its answer is whole",
		file: "activities/request/run-attempt.ts",
		from: '		this.#tellStep();\n		this.#context.crashPoint("after-settle");',
		to: '		this.#context.crashPoint("after-settle");',
		test: "test/gateway/run-steps.test.ts",
		titles: ["a stream of chat: told to the guard once, and in the books"],
	},
	{
		rule: "an ending that cannot be journaled is a step that was spent",
		file: "activities/request/run-attempt.ts",
		from: "		this.#tellUnknown();\n",
		to: "",
		test: "test/gateway/run-steps.test.ts",
		titles: ["an ending that cannot be journaled"],
	},
	{
		rule: "a heartbeat that answers a claim gives back what is claimed",
		file: "activities/request/lease-keeper.ts",
		from: "if (others <= RETURNS_MAX || claimed.has(windowId))",
		to: "if (others <= RETURNS_MAX)",
		test: "test/unit/activities/request/lease-keeper-runs.test.ts",
		titles: ["gives back to 500 windows with a heartbeat, and to those of a claim with the answer to it"],
	},
	{
		rule: "a drain gives back to every window",
		file: "activities/request/lease-keeper.ts",
		from: "for (let left = Number.POSITIVE_INFINITY; left > 0; ) {",
		to: "for (let left = 0; left === 0; left = -1) {",
		test: "test/unit/activities/request/lease-keeper-runs.test.ts",
		titles: ["gives everything back before a drain ends"],
	},
];
