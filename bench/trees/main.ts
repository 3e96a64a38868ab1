import { Command, InvalidArgumentError, Option } from "commander";
import { openBenchSystem, pinThisProcess } from "../bench-system.ts";
import type { RunningLane } from "../lanes/lane.ts";
import { startGatewayLane, startLane } from "../lanes/start-lanes.ts";
import type { Load } from "../rounds/load-generator.ts";
import { warmUp } from "../rounds/run-rounds.ts";
import type { WindowRecord } from "../rounds/window-record.ts";
import { FULL, SCENARIOS } from "../scenarios.ts";
import { createRandom, shuffle } from "../statistics/random.ts";
import { compareTrees } from "./compare.ts";
import { readTree, type Tree } from "./tree.ts";

type Given = {
	readonly scenario: string;
	readonly rounds: number;
	readonly windowMs: number;
	readonly warmUpMs: number;
	readonly awake: boolean;
	readonly seed: number;
};

/** As the governed lane of the bench. */
const ONE_BUDGET = { budgets: 1 } as const;

/** Of a stream the time to the first token is what counts, which is not compared here. */
const COMPARED = SCENARIOS.filter(({ isStream }) => !isStream);

/**
 * `npm run bench:trees`: gateways of several source trees, with one budget each, in many short windows in turn. Tells a change of some percent in minutes,
 * where the bench needs an hour; judges no bar. See docs/bench.md.
 */
const command = new Command("bench:trees")
	.description("Measures gateways of several source trees side by side, in short windows in turn. Loopback only; provider keys are ignored.")
	.argument("<name=folder[,run][,--flag...]...>", "trees, the first is what the others are compared with; run: every call is a step of an agent run")
	.addOption(new Option("--scenario <name>", "as in the bench").choices(COMPARED.map(({ name }) => name)).default("caller-1"))
	.option("--rounds <number>", "windows of each", positive, 60)
	.option("--window-ms <number>", "length of a window", positive, 500)
	.option("--warm-up-ms <number>", "of each before the first", positive, FULL.warmUpMs)
	.option("--awake", "keeps both cores from sleeping between calls", false)
	.option("--seed <number>", "of the order of windows", positive, 7)
	.action(async (texts: readonly string[], given: Given) => {
		const trees = texts.map(readTree);
		const names = trees.map(({ name }) => name);
		const [first, ...others] = names;
		if (first === undefined || new Set(names).size < names.length) throw new Error("two trees have the same name");
		pinThisProcess();
		const system = await openBenchSystem(["direct", "floor", ...names], { isAwake: given.awake });
		try {
			const records = await measure(system, trees, given);
			process.stdout.write(`${compareTrees(records, [first, ...others, "floor", "direct"], createRandom(given.seed)).join("\n")}\n`);
		} finally {
			await system.close();
		}
	});

async function measure(
	{ context, generator }: Awaited<ReturnType<typeof openBenchSystem>>,
	trees: readonly Tree[],
	given: Given,
): Promise<WindowRecord<string>[]> {
	const scenario = COMPARED.find(({ name }) => name === given.scenario);
	if (scenario === undefined) throw new Error(`there is no scenario ${given.scenario}`);
	const lanes: RunningLane<string>[] = [];
	for (const name of ["direct", "floor"] as const) {
		const start = await startLane(name, context);
		if (start.kind === "served") lanes.push(start.lane);
	}
	for (const { name, folder, hasRuns, nodeFlags } of trees)
		lanes.push(await startGatewayLane(context, { name, teams: ONE_BUDGET, hasRuns, tree: folder, nodeFlags }));
	const { latencyMs, isStream, prompt, connections, ratePerSecond } = scenario;
	const load: Load = { latencyMs, isStream, prompt, connections, ratePerSecond, durationMs: given.windowMs };
	await warmUp({ generator, lanes, warmUpMs: given.warmUpMs });
	const random = createRandom(given.seed);
	const records: WindowRecord<string>[] = [];
	for (let round = 1; round <= given.rounds; round += 1) {
		for (const lane of shuffle(lanes, random)) records.push(await generator.measure(lane, load, { scenario: scenario.name, round, part: 0 }));
		process.stderr.write(`\rround ${round} of ${given.rounds}`);
	}
	process.stderr.write("\n");
	return records;
}

function positive(text: string): number {
	const number = Number(text);
	if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError("a whole number from 1 on");
	return number;
}

command.parseAsync().then(
	// A signal handler and IPC channels would keep the process.
	() => process.exit(),
	(error: unknown) => {
		process.stderr.write(`bench:trees: ${error instanceof Error ? error.message : String(error)}\n`);
		process.exit(1);
	},
);
