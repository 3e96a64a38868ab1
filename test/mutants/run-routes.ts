import type { Mutant } from "./mutant.ts";

/** Rules of the routes of agent runs, and of the client library. */
const ROUTES = "gateway/routes/runs.ts";
const ROUTES_TEST = "test/gateway/runs.test.ts";
const CLIENT = "clients/agent-run.ts";
const CLIENT_TEST = "test/unit/clients/agent-run.test.ts";

export const RUN_ROUTE_MUTANTS: readonly Mutant[] = [
	{
		rule: "only so many wait at a gateway for runs to change",
		file: ROUTES,
		from: "	if (waiting.count >= waitersMax) return tooManyWait(waitersMax);\n",
		to: "",
		test: ROUTES_TEST,
		titles: ["10,000 wait; the next is told to ask again, and has its place when one is answered"],
	},
	{
		rule: "who waits for a run is answered when the gateway ends",
		file: ROUTES,
		from: "		runs.guard.beginDrain();\n",
		to: "",
		test: ROUTES_TEST,
		titles: ["who waits holds up no drain, is no open call, and is answered"],
		redBy: "socket hang up",
	},
	{
		rule: "a root keeps the team's default of a ceiling that it does not name",
		file: ROUTES,
		from: "limits: isRoot ? withDefaults(limits, opening.defaults) : limits,",
		to: "limits,",
		test: ROUTES_TEST,
		titles: ["opens a run with its limits and the team's defaults of what it does not name"],
	},
	{
		rule: "a run is booked on a feature by a key that may assert it",
		file: ROUTES,
		from: "const refused = asserted === null ? undefined : await refuseFeature(context, key, asserted);",
		to: "const refused: Problem | undefined = undefined;",
		test: ROUTES_TEST,
		titles: ["books on a feature that the key may assert, and says so"],
	},
	{
		rule: "a run is opened for the key's own team",
		file: ROUTES,
		from: '	if (teamId !== key.teamId) return invalidRun([{ field: "teamId", problem: "is not the team of this key" }]);\n',
		to: "",
		test: ROUTES_TEST,
		titles: ["refuses another team, names it, and opens nothing"],
	},
	{
		rule: "a tool does not run while its run is held",
		file: CLIENT,
		from: "		if (hold !== undefined) throw new RunHeldError(hold);\n",
		to: "",
		test: CLIENT_TEST,
		titles: ["OpenAI's carries the run, is the very class that is imported, and its refusal is known to the run"],
	},
	{
		rule: "a tool runs as often as its ceiling says",
		file: CLIENT,
		from: "		for (let run = usedUp(); run !== undefined; run = usedUp()) await run.#lookAgain(tool);\n",
		to: "",
		test: CLIENT_TEST,
		titles: ["refuses before the tool runs where its ceiling is reached, and looks whether it was raised"],
	},
	{
		rule: "a run that is stopped is not waited for",
		file: "clients/run-waiting.ts",
		from: 'if (standing.state === "running") return true;',
		to: 'if (standing.state !== "paused") return true;',
		test: CLIENT_TEST,
		titles: ["rejects when the run is stopped, has ended, or is nobody's"],
	},
	{
		rule: "the body of a run with a key in escapes is not read by the runtime's parser",
		file: "gateway/routes/json-body.ts",
		from: "value: readJson(",
		to: "value: JSON.parse(",
		test: "test/unit/gateway/json-body.test.ts",
		titles: ["a field in escapes has the name it says, whatever the runtime's parser takes it for"],
	},
];
