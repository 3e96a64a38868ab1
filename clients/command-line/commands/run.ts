import { type Command, InvalidArgumentError } from "commander";
import { RUN_STATES } from "#domain/agents/run.ts";
import { parseUsd } from "#domain/money/wire.ts";
import { addCommand, addGroup, type OptionDefinition } from "../command.ts";
import { describeRun, runTable } from "../describe-run.ts";
import { CommandFailure, type Terminal } from "../output.ts";
import { oneOf, someText, wholeNumber } from "../values.ts";

type ListOptions = { team?: string; state?: string; limit?: string; before?: string };
type Raised = { usd?: string; steps?: string; inputTokens?: string; outputTokens?: string };
type DecisionOptions = { reason?: string; knownVersion?: string };
type ResumeOptions = DecisionOptions & { approveUsd?: string; approveSteps?: string; approveInputTokens?: string; approveOutputTokens?: string };

const TOKENS_MAX = 1_000_000_000_000;
const STEPS_MAX = 10_000_000;
const REASON: Readonly<Record<string, OptionDefinition>> = { "!--reason <TEXT>": ["why, for the run's history", someText] };
const VERSION: Readonly<Record<string, OptionDefinition>> = {
	"--known-version <N>": ["only if the run still has the version that was looked at", wholeNumber(1, Number.MAX_SAFE_INTEGER)],
};

export function addRunCommands(program: Command, terminal: Terminal): void {
	const run = addGroup(program, "run", { summary: "agent runs: list, show, resume, stop, raise, finish", example: "npx tollgate run list --state paused" });
	addReading(run, terminal);
	addGoingOn(run, terminal);
	addEnding(run, terminal);
}

function addReading(run: Command, terminal: Terminal): void {
	addCommand<ListOptions>(run, terminal, {
		usage: "list",
		summary: "agent runs, the newest first",
		example: "npx tollgate run list --team search --state paused",
		options: {
			"--team <TEAM>": ["of one team; default all", someText],
			"--state <STATE>": [RUN_STATES.join(", "), oneOf(RUN_STATES)],
			"--limit <N>": ["how many; default 50", wholeNumber(1, 1_000)],
			"--before <NUMBER>": ["older than this one of --json", wholeNumber(1, Number.MAX_SAFE_INTEGER)],
		},
		run: async ({ system, print, options: { team, state, limit, before } }) => {
			const runs = await system().runs.list({ teamId: team, state, limit: limit === undefined ? undefined : Number(limit), before });
			print(runs, runTable(runs));
		},
	});
	addCommand(run, terminal, {
		usage: "show <RUN>",
		summary: "one run: why it stands, what it took of its ceilings, its last steps, and what happened to it",
		example: "npx tollgate run show r-7",
		run: async ({ system, print, arguments: [runId = ""] }) => {
			const found = await system().runs.read(runId);
			print(found, describeRun(found));
		},
	});
}

function addGoingOn(run: Command, terminal: Terminal): void {
	addCommand<ResumeOptions>(run, terminal, {
		usage: "resume <RUN>",
		summary: "let a held run go on, and forgive what repeated so far; with --approve-… its ceilings are raised first, to new totals",
		example: 'npx tollgate run resume r-7 --approve-usd 10 --reason "the index is worth it"',
		options: { ...REASON, ...ceilingOptions("approve-"), ...VERSION },
		run: async ({ system, print, options, arguments: [runId = ""] }) => {
			const limits = limitsOf({
				usd: options.approveUsd,
				steps: options.approveSteps,
				inputTokens: options.approveInputTokens,
				outputTokens: options.approveOutputTokens,
			});
			const decided = { reason: options.reason ?? "", knownVersion: options.knownVersion };
			const { runs } = system();
			const resumed = await (limits === undefined ? runs.resume(runId, decided) : runs.approve(runId, { ...decided, limits }));
			print(resumed, `${runId} goes on.`);
		},
	});
	addCommand<DecisionOptions & Raised>(run, terminal, {
		usage: "raise <RUN>",
		summary: "raise ceilings that a run states, to new totals; whatever they held goes on",
		example: 'npx tollgate run raise r-7 --usd 10 --steps 500 --reason "a longer job than most"',
		options: { ...REASON, ...ceilingOptions(""), ...VERSION },
		run: async ({ system, print, options, arguments: [runId = ""] }) => {
			const limits = limitsOf(options);
			if (limits === undefined) throw new CommandFailure(2, "name what is raised: --usd, --steps, --input-tokens or --output-tokens");
			const raised = await system().runs.raise(runId, { reason: options.reason ?? "", knownVersion: options.knownVersion, limits });
			print(raised, `${runId} may take more; it is ${raised.state}.`);
		},
	});
}

function addEnding(run: Command, terminal: Terminal): void {
	addCommand<DecisionOptions>(run, terminal, {
		usage: "stop <RUN>",
		summary: "refuse every further step of a run and of those below it; it may still be resumed",
		example: 'npx tollgate run stop r-7 --reason "nobody knows what it does"',
		options: { ...REASON, ...VERSION },
		run: async ({ system, print, options, arguments: [runId = ""] }) => {
			const stopped = await system().runs.stop(runId, { reason: options.reason ?? "", knownVersion: options.knownVersion });
			print(stopped, `${runId} is stopped: its calls are refused until: npx tollgate run resume ${runId} --reason WHY`);
		},
	});
	addCommand<DecisionOptions>(run, terminal, {
		usage: "finish <RUN>",
		summary: "end a run and those below it for good; its id is never used again",
		example: 'npx tollgate run finish r-7 --reason "the job is done"',
		options: { ...REASON, ...VERSION },
		run: async ({ system, print, options, arguments: [runId = ""] }) => {
			const finished = await system().runs.finish(runId, { reason: options.reason ?? "", knownVersion: options.knownVersion });
			print(finished, `${runId} has ended, after ${finished.totals.steps} steps.`);
		},
	});
}

function ceilingOptions(prefix: string): Record<string, OptionDefinition> {
	return {
		[`--${prefix}usd <USD>`]: ["ceiling on money, in dollars", dollars],
		[`--${prefix}steps <N>`]: ["ceiling on model calls", wholeNumber(1, STEPS_MAX)],
		[`--${prefix}input-tokens <N>`]: ["ceiling on input tokens", wholeNumber(1, TOKENS_MAX)],
		[`--${prefix}output-tokens <N>`]: ["ceiling on output tokens", wholeNumber(1, TOKENS_MAX)],
	};
}

function dollars(text: string): string {
	const amount = parseUsd(text);
	if (amount === undefined || amount <= 0n) throw new InvalidArgumentError("It is an amount in dollars, like 10 or 0.25.");
	return text;
}

type GivenCeilings = { readonly [Name in keyof Raised]?: string | undefined };

/** undefined: none is named. */
function limitsOf({ usd, steps, inputTokens, outputTokens }: GivenCeilings): Record<string, unknown> | undefined {
	const given = {
		...(usd !== undefined && { costNanoUsd: (parseUsd(usd) ?? 0n).toString() }),
		...(steps !== undefined && { steps: Number(steps) }),
		...(inputTokens !== undefined && { inputTokens: Number(inputTokens) }),
		...(outputTokens !== undefined && { outputTokens: Number(outputTokens) }),
	};
	return Object.keys(given).length === 0 ? undefined : given;
}
