import { type ChildProcess, type Serializable, type StdioOptions, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { RANKS, rank } from "./scheduling.ts";

/** The core of the gateway under test, and the core of everything else: provider, driver, PostgreSQL, the bench itself. */
export const GATEWAY_CORE = 0;
export const OTHER_CORE = 1;

export type ProcessCommand = {
	readonly name: string;
	readonly core: number;
	/** Program and arguments. */
	readonly command: readonly [string, ...string[]];
	/** All of its environment but PATH and HOME: nothing else is inherited, no provider's key above all. */
	readonly environment?: Readonly<Record<string, string>>;
	readonly hasIpc?: boolean;
	/** One of `RANKS`. Default: what is measured comes first, on the core of the gateway; on the other everybody is alike. */
	readonly niceness?: number;
};

const READY_TIMEOUT_MS = 60_000;
const END_PATIENCE_MS = 20_000;

/** Every process the bench starts, pinned to its core, so that all of them are ended whatever happens. */
export class Processes {
	private readonly logFolder: string;
	private readonly running = new Map<ChildProcess, string>();
	private isEnding = false;

	constructor(logFolder: string) {
		this.logFolder = logFolder;
	}

	/** Starts a process in a group of its own: a Ctrl-C in the terminal reaches the bench alone. What it says on stderr is in its log. */
	start({ name, core, command, environment = {}, hasIpc = false, niceness }: ProcessCommand): ChildProcess {
		if (this.isEnding) throw new Error("the bench is ending");
		const log = openSync(this.logOf(name), "a", 0o600);
		const stdio: StdioOptions = hasIpc ? ["ignore", log, log, "ipc"] : ["ignore", "pipe", log];
		const { PATH = "", HOME = "" } = process.env;
		const child = spawn("taskset", ["-c", String(core), ...command], {
			stdio,
			detached: true,
			env: { PATH, HOME, ...environment },
			...(hasIpc && { serialization: "advanced" as const }),
		});
		closeSync(log);
		if (child.pid !== undefined) rank(child.pid, niceness ?? (core === GATEWAY_CORE ? RANKS.measured : 0));
		this.running.set(child, name);
		child.once("exit", () => this.running.delete(child));
		return child;
	}

	/** Starts a process that says `{"event":"listening",…}` on stdout once it serves. */
	async startServer(command: ProcessCommand): Promise<{ readonly child: ChildProcess; readonly report: Readonly<Record<string, unknown>> }> {
		const child = this.start(command);
		const report = await this.within(command.name, child, firstReport(child));
		return { child, report };
	}

	/** Waits for `ready`; a process that ends before, or is silent for a minute, throws with the end of its log. */
	async within<Value>(name: string, child: ChildProcess, ready: Promise<Value>): Promise<Value> {
		const ended = new Promise<never>((_, reject) => {
			child.once("error", (error) => reject(new Error(`${name} cannot be started: ${error.message}`)));
			child.once("exit", (code, signal) => reject(new Error(`${name} ended (${signal ?? code}):\n${this.endOfLog(name)}`)));
		});
		let timer: NodeJS.Timeout | undefined;
		const late = new Promise<never>((_, reject) => {
			timer = setTimeout(() => reject(new Error(`${name} is not ready after a minute:\n${this.endOfLog(name)}`)), READY_TIMEOUT_MS);
		});
		ended.catch(() => undefined); // an end later on is expected; whoever calls it then sees that himself
		try {
			return await Promise.race([ready, ended, late]);
		} finally {
			clearTimeout(timer);
		}
	}

	/** SIGTERM, and SIGKILL after 20 s. */
	async end(child: ChildProcess): Promise<void> {
		if (child.exitCode !== null || child.signalCode !== null) return;
		const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
		child.kill("SIGTERM");
		child.kill("SIGCONT"); // one that was stopped would not hear it
		const timer = setTimeout(() => child.kill("SIGKILL"), END_PATIENCE_MS);
		await ended;
		clearTimeout(timer);
	}

	/** Ends all of them; none can be started afterwards. */
	async endAll(): Promise<void> {
		this.isEnding = true;
		await Promise.all([...this.running.keys()].map((child) => this.end(child)));
	}

	private logOf(name: string): string {
		return path.join(this.logFolder, `${name}.log`);
	}

	private endOfLog(name: string): string {
		return readFileSync(this.logOf(name), "utf8").trim().split("\n").slice(-12).join("\n");
	}
}

function firstReport(child: ChildProcess): Promise<Record<string, unknown>> {
	return new Promise((resolve) => {
		if (child.stdout === null) return;
		createInterface({ input: child.stdout }).on("line", (line) => {
			if (line.startsWith('{"event":"listening"')) resolve(JSON.parse(line) as Record<string, unknown>);
		});
	});
}

/** Sends an order over IPC and waits for the one answer to it. */
export function askProcess<Answer>(child: ChildProcess, order: Serializable): Promise<Answer> {
	return new Promise((resolve, reject) => {
		const onEnd = (): void => reject(new Error("the process ended while it was asked"));
		child.once("exit", onEnd);
		child.once("message", (answer) => {
			child.off("exit", onEnd);
			resolve(answer as Answer);
		});
		child.send(order);
	});
}
