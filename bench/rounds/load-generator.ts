import type { ChildProcess } from "node:child_process";
import path from "node:path";
import type { ExpectedAnswer } from "../driver/load-target.ts";
import type { DriverReply } from "../driver/main.ts";
import type { WindowPlan, WindowResult } from "../driver/window.ts";
import type { LaneTally } from "../judge/lane-verdict.ts";
import type { RunningLane } from "../lanes/lane.ts";
import { type Prompt, probeLane, requestBody } from "../lanes/probe.ts";
import { cpuNsOf, loadBetween, markCpu, residentBytesOf } from "../machine/cpu.ts";
import { askProcess, OTHER_CORE, type Processes } from "../machine/processes.ts";
import { takeCoreFirst, takeTurns } from "../machine/scheduling.ts";
import type { WakefulCores } from "../machine/wakeful-cores.ts";
import type { ProviderAnswer, ProviderOrder, ProviderReport } from "../provider/messages.ts";
import { recordWindow, sumByName, type WindowRecord } from "./window-record.ts";

export type Load = {
	readonly latencyMs: number;
	readonly isStream: boolean;
	readonly prompt: Prompt;
	readonly connections: number;
	readonly ratePerSecond: number | undefined;
	readonly durationMs: number;
};

/** Well below what fills the core of driver and provider. */
const MOST_PER_SECOND_IN_TIME = 2_000;

type LoadPlan = { readonly lanes: readonly string[]; readonly logFolder: string; readonly cores: WakefulCores | undefined };

type Started = {
	readonly provider: ChildProcess;
	readonly driver: ChildProcess;
	readonly cores: WakefulCores | undefined;
	readonly providerPorts: Readonly<Record<string, number>>;
};

const NOTHING: LaneTally = { sent: 0, right: 0, wrong: 0, failed: 0, failures: {} };

/** Provider and driver together: sends load through a lane, and counts every call of the run, warm-up and void windows included. */
export class LoadGenerator {
	readonly providerPorts: Readonly<Record<string, number>>;
	private readonly provider: ChildProcess;
	private readonly driver: ChildProcess;
	private readonly cores: WakefulCores | undefined;
	private readonly answers = new Map<string, ExpectedAnswer>();
	/** By port: a gateway beside the lanes counts for none of them. */
	private readonly tallies = new Map<number, LaneTally>();
	private nextCall = 1;

	private constructor(started: Started) {
		this.provider = started.provider;
		this.driver = started.driver;
		this.cores = started.cores;
		this.providerPorts = started.providerPorts;
	}

	/** Starts both; the provider serves each of `lanes` on a port of its own and logs to `logFolder`. `cores`: kept awake while calls come at fixed times. */
	static async start(processes: Processes, { lanes, logFolder, cores }: LoadPlan): Promise<LoadGenerator> {
		// Short-lived objects of a whole window fit: no collection makes the load wait.
		const node = [process.execPath, "--expose-gc", "--max-semi-space-size=64"] as const;
		const main = (of: string) => path.join(import.meta.dirname, "..", of, "main.ts");
		const provider = processes.start({
			name: "provider",
			core: OTHER_CORE,
			command: [...node, main("provider"), logFolder, ...lanes],
			hasIpc: true,
		});
		const listening = new Promise<ProviderReport>((resolve) => provider.once("message", (report) => resolve(report as ProviderReport)));
		const { ports: providerPorts } = await processes.within("provider", provider, listening);
		const driver = processes.start({ name: "driver", core: OTHER_CORE, command: [...node, main("driver")], hasIpc: true });
		return new LoadGenerator({ provider, driver, cores, providerPorts });
	}

	/** Pids whose load on core 1 is the bench's own. */
	get pids(): readonly number[] {
		return [this.provider.pid, this.driver.pid].filter((pid) => pid !== undefined);
	}

	/** One whole answer or one stream through a lane: learns what must come back. Throws what is wrong with it. */
	async probe(lane: RunningLane<string>, isStream: boolean): Promise<void> {
		await this.setMode({ latencyMs: 0, isStream, prompt: 256 });
		await this.learn(lane, { isStream, prompt: 256 });
	}

	/** Runs one window. Throws when the driver or the first call through the lane fails. */
	async run(lane: RunningLane<string>, load: Load): Promise<WindowResult> {
		await this.setMode(load);
		const answer = await this.learn(lane, load);
		const plan: WindowPlan = {
			target: { ...lane.endpoint, requestBody: requestBody(load.prompt, load.isStream), answer },
			isStream: load.isStream,
			firstCall: this.nextCall,
			durationMs: load.durationMs,
			connections: load.connections,
			ratePerSecond: load.ratePerSecond,
		};
		const reply = await this.inTime(load, () => askProcess<DriverReply>(this.driver, plan));
		if ("problem" in reply) throw new Error(`${lane.name}: ${reply.problem}`);
		this.nextCall += reply.result.sent + 1;
		this.count(lane, reply.result);
		return reply.result;
	}

	/** Runs one window between two looks at the machine. */
	async measure<Lane extends string>(
		lane: RunningLane<Lane>,
		load: Load,
		name: Pick<WindowRecord, "scenario" | "round" | "part">,
	): Promise<WindowRecord<Lane>> {
		const own = () => this.pids.reduce((sum, pid) => sum + cpuNsOf(pid), 0n);
		const mark = () => markCpu(lane.pid, (core) => this.cores?.cpuNs(core) ?? 0n);
		const [before, ownBefore] = [mark(), own()];
		const result = await this.run(lane, load);
		const after = mark();
		const seen = loadBetween(before, after);
		// Ticks are sampled and can miss work that sleeps through them; what provider and driver used is known to the nanosecond.
		const ownBusy = Number(own() - ownBefore) / Number(after.atNs - before.atNs);
		const residentBytes = lane.pid === undefined ? undefined : residentBytesOf(lane.pid);
		const described = { lane: lane.name, ...name, ratePerSecond: load.ratePerSecond };
		return recordWindow(described, result, { load: { ...seen, core1Busy: Math.max(seen.core1Busy, ownBusy) }, residentBytes });
	}

	/** An open loop sends at times fixed before: nothing else on its core may come before the driver. */
	private async inTime<Reply>({ ratePerSecond }: Load, work: () => Promise<Reply>): Promise<Reply> {
		// What fills a core sleeps little, and could not go on being first.
		if (ratePerSecond === undefined || ratePerSecond > MOST_PER_SECOND_IN_TIME) return work();
		this.cores?.keepAwake();
		takeCoreFirst(this.pids);
		try {
			return await work();
		} finally {
			takeTurns(this.pids);
			this.cores?.letSleep();
		}
	}

	/** What was sent through a lane so far. */
	tally({ endpoint }: Pick<RunningLane<string>, "endpoint">): Readonly<LaneTally> {
		return this.tallies.get(endpoint.port) ?? NOTHING;
	}

	private async setMode({ latencyMs, isStream, prompt }: Pick<Load, "latencyMs" | "isStream" | "prompt">): Promise<void> {
		await askProcess<ProviderAnswer>(this.provider, { mode: { latencyMs, isStream, isStep: prompt === "step" } } satisfies ProviderOrder);
	}

	private async learn(lane: RunningLane<string>, { isStream, prompt }: Pick<Load, "isStream" | "prompt">): Promise<ExpectedAnswer> {
		const key = `${lane.name} ${isStream} ${prompt === "step"}`;
		const known = this.answers.get(key);
		if (known !== undefined) return known;
		const answer = await probeLane(lane, isStream, prompt === "step" ? prompt : 256);
		this.answers.set(key, answer);
		return answer;
	}

	private count(lane: RunningLane<string>, { sent, right, wrong, failed, failures }: LaneTally): void {
		const tally = this.tally(lane);
		const counts = { sent: tally.sent + sent, right: tally.right + right, wrong: tally.wrong + wrong, failed: tally.failed + failed };
		this.tallies.set(lane.endpoint.port, { ...counts, failures: sumByName([tally.failures, failures]) });
	}
}
