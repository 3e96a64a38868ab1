import type { LiveRun } from "./live-run.ts";
import type { RunNode } from "./run-node.ts";

/** A run of which nothing is kept but its name. */
type RestingRun = {
	readonly teamId: string;
	readonly rootRunId: string;
	/** What keeps it from going on: known without asking, also while PostgreSQL is away. */
	readonly held: RunNode | undefined;
};

const RESTING_MAX = 200_000;

/** Runs that were idle for a minute: PostgreSQL has all of them, the next call reads it again. */
export class RestingRuns {
	readonly #runs = new Map<string, RestingRun>();
	/** Ids of those that are held, by the root of their tree. */
	readonly #held = new Map<string, Set<string>>();

	get size(): number {
		return this.#runs.size;
	}

	get heldSize(): number {
		let size = 0;
		for (const runIds of this.#held.values()) size += runIds.size;
		return size;
	}

	/** What holds the run, as of the team; undefined where it may go on, or has to be asked for. */
	heldOf(runId: string, teamId: string): RunNode | undefined {
		const run = this.#runs.get(runId);
		return run?.teamId === teamId ? run.held : undefined;
	}

	add({ runId, teamId, root, held }: LiveRun): void {
		this.delete(runId);
		this.#runs.set(runId, { teamId, rootRunId: root.runId, held });
		if (held !== undefined) {
			const others = this.#held.get(root.runId);
			if (others === undefined) this.#held.set(root.runId, new Set([runId]));
			else others.add(runId);
		}
		if (this.#runs.size <= RESTING_MAX) return;
		const [oldest] = this.#runs.keys();
		if (oldest !== undefined) this.delete(oldest);
	}

	delete(runId: string): void {
		const run = this.#runs.get(runId);
		if (run === undefined) return;
		this.#runs.delete(runId);
		if (run.held === undefined) return;
		const others = this.#held.get(run.rootRunId);
		others?.delete(runId);
		if (others?.size === 0) this.#held.delete(run.rootRunId);
	}

	/** Something in the tree has changed: whether they are still held has to be asked. */
	forgetHeldOf(rootRunId: string): void {
		for (const runId of [...(this.#held.get(rootRunId) ?? [])]) this.delete(runId);
	}
}
