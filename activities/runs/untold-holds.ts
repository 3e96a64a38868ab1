import type { RunRecord } from "#domain/agents/run.ts";
import type { RunHold } from "#domain/agents/run-hold.ts";
import type { RunHolding, RunStore } from "./port.ts";
import type { RunNode } from "./run-node.ts";

export type UntoldHoldsDependencies = {
	readonly store: Pick<RunStore, "hold">;
	/** PostgreSQL's word on it, which is the last one. */
	readonly onTold: (node: RunNode, record: RunRecord) => void;
	readonly onError: (error: unknown) => void;
};

/** Held at once; a tree at its ceiling may hold a thousand runs in one turn. */
const HOLDS_PER_STATEMENT = 500;

/**
 * Holds that are in force here and not written yet: those of one turn of the event loop go out together. What PostgreSQL does not take stays,
 * and so does the run; it is told again when the next heartbeat asks. A process that dies before forgets that the run was held; its
 * ceilings hold all the same.
 */
export class UntoldHolds {
	readonly #dependencies: UntoldHoldsDependencies;
	readonly #untold = new Map<RunNode, RunHolding>();
	/** They are about to be told, or being told. */
	#isTelling = false;

	constructor(dependencies: UntoldHoldsDependencies) {
		this.#dependencies = dependencies;
	}

	get size(): number {
		return this.#untold.size;
	}

	/** In force from now on. */
	add(node: RunNode, hold: RunHold): void {
		const { askAgainMs: _, ...told } = hold;
		this.#untold.set(node, { number: node.number, knownVersion: node.record.version, hold: told });
		node.hold(hold);
		this.#plan();
	}

	/** Tells what could not be told. */
	tellAgain(): void {
		if (this.#untold.size > 0) this.#plan();
	}

	#plan(): void {
		if (this.#isTelling) return;
		this.#isTelling = true;
		setImmediate(() => void this.#tell());
	}

	async #tell(): Promise<void> {
		const { store, onError, onTold } = this.#dependencies;
		try {
			while (this.#untold.size > 0) {
				const batch = [...this.#untold].slice(0, HOLDS_PER_STATEMENT);
				const records = await store.hold(batch.map(([, holding]) => holding));
				for (const [index, [node, holding]] of batch.entries()) {
					const record = records[index];
					if (record === undefined || this.#untold.get(node) !== holding) continue;
					this.#untold.delete(node);
					onTold(node, record);
				}
				if (records.length < batch.length) throw new RangeError(`${batch.length} holds were told, ${records.length} were answered`);
			}
		} catch (error) {
			onError(error);
		} finally {
			this.#isTelling = false;
		}
	}
}
