import { MigrationError } from "#activities/database/migrate.ts";
import { ConfigurationError, loadSettings, type Settings } from "#config/load.ts";
import { formatUsd } from "#domain/money/wire.ts";
import { shellWord } from "#domain/shell-word.ts";
import { describeConsole } from "./console-link.ts";
import { type Endpoints, readEndpoints, removeEndpoints } from "./endpoints.ts";
import { endOrphans, leaveHome, takeHome } from "./home.ts";
import { type Entries, type Plan, planStart, StartError } from "./plan.ts";
import { RunningSystem } from "./system.ts";

const EXIT = { stopped: 0, failed: 1, alreadyRunning: 3 } as const;
const PARENT_CHECK_MS = 500;

/**
 * `npm start`: brings the system of one home up, keeps it up and stops it on SIGINT or SIGTERM (or when the npm that
 * started it is gone).
 *
 * @returns the exit code: 0 stopped, 1 could not start, 3 this home's system already runs.
 */
export async function runStart(entries: Entries, say: (line: string) => void = (line) => process.stdout.write(`${line}\n`)): Promise<number> {
	const stop = catchStopSignals();
	try {
		const settings = loadSettings();
		const holder = await takeHome(settings.home);
		if (holder !== null) return sayAlreadyRunning(settings, holder.pid, say);
		try {
			return await runInHome(settings, entries, { stop, say });
		} finally {
			leaveHome(settings.home);
		}
	} catch (error) {
		say(`\n${describeFailure(error)}`);
		return EXIT.failed;
	}
}

type Run = { readonly stop: Promise<string>; readonly say: (line: string) => void };

async function runInHome(settings: Settings, entries: Entries, run: Run): Promise<number> {
	removeEndpoints(settings.home);
	const orphans = await endOrphans(settings.home);
	const plan = await planStart(settings, entries);
	sayFirstLine(plan, run.say);
	if (orphans.length > 0) run.say(`ended what an earlier start left running: ${orphans.join(", ")}`);
	const system = new RunningSystem(plan, run.say);
	try {
		const first = await Promise.race([system.start(), run.stop]);
		if (typeof first !== "string") {
			const ready = { endpoints: first, demoLimitNanoUsd: system.demoLimitNanoUsd(), console: await describeConsole(first) };
			sayReady(plan, ready, run.say);
			run.say(`\n${await run.stop}: stopping`);
		}
		return EXIT.stopped;
	} finally {
		await system.stop();
		run.say("stopped");
	}
}

/** A terminal and npm may both pass a Ctrl-C on: the second signal of a stop means nothing new. */
function catchStopSignals(): Promise<string> {
	return new Promise((resolve) => {
		for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => resolve(signal));
		if (process.env["npm_lifecycle_event"] === undefined) return;
		const parent = process.ppid;
		setInterval(() => {
			if (process.ppid !== parent) resolve("npm is gone");
		}, PARENT_CHECK_MS).unref();
	});
}

function sayFirstLine(plan: Plan, say: (line: string) => void): void {
	if (plan.realProviders.length === 0) {
		say("Tollgate starts with a simulated provider (no provider key is set): answers are made up and cost no real money.");
		return;
	}
	// The limit itself is told when it is known: a person may have set another than this start would.
	say(`Tollgate starts with REAL providers (${plan.realProviders.join(", ")} is set): calls cost real money; team "demo" keeps its daily limit.`);
	for (const name of plan.missingKeys) say(`${name} is not set: the models of that provider are not offered.`);
}

/** `console`: what is said of it; null = there is none. */
type Ready = { readonly endpoints: Endpoints; readonly demoLimitNanoUsd: bigint | null; readonly console: string | null };

function sayReady(plan: Plan, { endpoints, demoLimitNanoUsd, console }: Ready, say: (line: string) => void): void {
	const limit = demoLimitNanoUsd === null ? null : `${formatUsd(demoLimitNanoUsd)} USD a day`;
	const teamPage = `${endpoints.temporalUi}/namespaces/${plan.settings.temporalNamespace}/workflows/team-budget%2Fdemo`;
	const body = '{"model":"gpt-4o","max_tokens":1000,"messages":[{"role":"user","content":"Tell me a story of a toll gate."}]}';
	say(
		[
			"",
			"Tollgate is ready. Ctrl-C stops it; what was spent stays in its books.",
			`  Gateway      ${endpoints.gateway}/v1`,
			`  Demo key     ${endpoints.demoKey}`,
			`  Admin API    ${endpoints.admin}/admin/v1   key in ${endpoints.adminKeyFile}`,
			...(console === null ? [] : [`  Console      ${console}`]),
			`  Temporal UI  ${endpoints.temporalUi === null ? `the one of ${endpoints.temporalAddress}` : teamPage}`,
			`  Agent runs   calls with -H "x-tollgate-run: ID" are one run: npx tollgate run list`,
			endpoints.provider === "real"
				? `  Providers    REAL: calls cost real money${limit === null ? "" : `; team "demo" is limited to ${limit}`}`
				: `  Provider     simulated, ${endpoints.simulatedProvider?.url}`,
			"",
			limit === null ? "Paste this (the budgets of its team: npx tollgate budget show --team demo):" : `Paste this until the budget of ${limit} says no:`,
			"",
			`curl ${shellWord(`${endpoints.gateway}/v1/chat/completions`)} -H "Authorization: Bearer ${endpoints.demoKey}" -H "Content-Type: application/json" -d '${body}'`,
			"",
		].join("\n"),
	);
}

function sayAlreadyRunning(settings: Settings, pid: number, say: (line: string) => void): number {
	const endpoints = readEndpoints(settings.home);
	say(`The system of ${settings.home} already runs (process ${pid}); nothing was started.`);
	if (endpoints === null) say("It is still starting.");
	else
		say(
			[
				`  Gateway      ${endpoints.gateway}/v1`,
				`  Demo key     ${endpoints.demoKey}`,
				`  Admin API    ${endpoints.admin}/admin/v1`,
				`  Temporal UI  ${endpoints.temporalUi ?? "not ours"}`,
			].join("\n"),
		);
	say("For a second system, set TOLLGATE_HOME to another folder and the port variables to other ports, or to 0.");
	return EXIT.alreadyRunning;
}

/** What a person can act on is told without a stack. */
function describeFailure(error: unknown): string {
	if (error instanceof StartError || error instanceof ConfigurationError || error instanceof MigrationError) return error.message;
	return error instanceof Error ? `Tollgate could not start. ${error.message}` : String(error);
}
