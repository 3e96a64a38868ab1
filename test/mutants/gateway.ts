import type { Mutant } from "./mutant.ts";

/** Rules of the HTTP skin: what a gateway takes on. */
const HELD_BODIES = "test/gateway/held-bodies.test.ts";
const CALLS = { file: "gateway/routes/model-calls.ts", test: HELD_BODIES } as const;
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
		from: '	reply.raw.on("close", held.abandon);\n',
		to: "",
		titles: [BROKEN],
		redBy: "waited",
	},
	{
		rule: "a body of unknown length counts as the largest",
		...CALLS,
		from: "return Number.POSITIVE_INFINITY;",
		to: "return 0;",
		titles: ["a body that does not say how long it is counts as the largest, until it is here"],
		redBy: "waited",
	},
];
