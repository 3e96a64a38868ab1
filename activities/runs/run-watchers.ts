import type { RunRecord } from "#domain/agents/run.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { Leaving } from "../request/leaving.ts";
import type { WatchedRun } from "./guard-port.ts";
import type { ChainRun, RunStore } from "./port.ts";

export type RunWatchersDependencies = {
	readonly store: Pick<RunStore, "find" | "read">;
	/** As this gateway knows the run, when that is as new as anything it heard. */
	readonly known: (teamId: string, runId: string) => KnownRun | undefined;
	readonly onError: (error: unknown) => void;
};

export type KnownRun = { readonly record: RunRecord; readonly rootRunId: string };

type Watcher = {
	readonly version: string;
	/** As it was read last. */
	record: RunRecord;
	readonly resolve: (record: RunRecord) => void;
};

export const WATCHERS_MAX = 10_000;
export const WATCH_MS_MAX = 60_000;
const READ_AT_ONCE = 500;

/** Those who wait for a run to change. Any gateway can be asked: what wakes them is the change log, which each follows anyway. */
export class RunWatchers {
	readonly #dependencies: RunWatchersDependencies;
	/** By the root of the tree. */
	readonly #watchers = new Map<string, Set<Watcher>>();
	/** Goes up with every change that is followed: what was read before may be older. */
	#generation = 0;
	#size = 0;
	#isDraining = false;

	constructor(dependencies: RunWatchersDependencies) {
		this.#dependencies = dependencies;
	}

	get size(): number {
		return this.#size;
	}

	/** See RunGuard.whenChanged. Throws gateway.overloaded where too many wait already. */
	async whenChanged({ teamId, runId, version }: WatchedRun, waitMs: number, leaving: Leaving): Promise<RunRecord | undefined> {
		if (this.#size >= WATCHERS_MAX && version !== null)
			throw new CostControlError("gateway.overloaded", "Too many wait for runs at this gateway; ask again shortly.");
		let found = this.#dependencies.known(teamId, runId);
		while (found === undefined) {
			const generation = this.#generation;
			const chainRun = await this.#dependencies.store.find(teamId, runId);
			if (chainRun === undefined) return undefined;
			const rootRunId = await this.#rootOf(chainRun);
			if (generation === this.#generation || this.#isDraining) found = { record: chainRun.run, rootRunId };
		}
		if (version === null || found.record.version !== version || waitMs <= 0 || this.#isDraining || leaving.hasLeft) return found.record;
		return this.#wait(found, { version, waitMs: Math.min(waitMs, WATCH_MS_MAX), leaving });
	}

	/** Trees that changed here or elsewhere. */
	wake(rootRunIds: readonly string[]): void {
		this.#generation += 1;
		const woken: Watcher[] = [];
		for (const rootRunId of rootRunIds) woken.push(...(this.#watchers.get(rootRunId) ?? []));
		if (woken.length > 0) void this.#readAgain(woken);
	}

	beginDrain(): void {
		this.#isDraining = true;
		for (const watchers of [...this.#watchers.values()]) for (const watcher of [...watchers]) watcher.resolve(watcher.record);
	}

	async #rootOf({ run }: ChainRun): Promise<string> {
		const [root = run.number] = run.path;
		if (root === run.number) return run.runId;
		const [found] = await this.#dependencies.store.read([root]);
		return found?.run.runId ?? run.runId;
	}

	#wait({ record, rootRunId }: KnownRun, wait: { readonly version: string; readonly waitMs: number; readonly leaving: Leaving }): Promise<RunRecord> {
		return new Promise((resolve) => {
			const end = (): void => watcher.resolve(watcher.record);
			const timer = setTimeout(end, wait.waitMs);
			const watcher: Watcher = {
				version: wait.version,
				record,
				resolve: (newest) => {
					clearTimeout(timer);
					wait.leaving.forget(end);
					this.#forget(rootRunId, watcher);
					resolve(newest);
				},
			};
			wait.leaving.onLeave(end);
			const others = this.#watchers.get(rootRunId);
			if (others === undefined) this.#watchers.set(rootRunId, new Set([watcher]));
			else others.add(watcher);
			this.#size += 1;
		});
	}

	#forget(rootRunId: string, watcher: Watcher): void {
		const watchers = this.#watchers.get(rootRunId);
		if (watchers?.delete(watcher) !== true) return;
		this.#size -= 1;
		if (watchers.size === 0) this.#watchers.delete(rootRunId);
	}

	/** Where PostgreSQL does not answer they wait on, and ask again when their time is over. */
	async #readAgain(woken: readonly Watcher[]): Promise<void> {
		const numbers = [...new Set(woken.map(({ record }) => record.number))];
		try {
			for (let from = 0; from < numbers.length; from += READ_AT_ONCE) {
				const found = await this.#dependencies.store.read(numbers.slice(from, from + READ_AT_ONCE));
				const byNumber = new Map(found.map(({ run }) => [run.number, run]));
				for (const watcher of woken) {
					const record = byNumber.get(watcher.record.number);
					if (record === undefined || BigInt(record.version) < BigInt(watcher.record.version)) continue;
					watcher.record = record;
					if (record.version !== watcher.version) watcher.resolve(record);
				}
			}
		} catch (error) {
			this.#dependencies.onError(error);
		}
	}
}
