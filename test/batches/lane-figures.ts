import type { LaneReason } from "#domain/batching/lane.ts";
import type { TurnaroundSource } from "#domain/batching/turnaround.ts";
import type { LaneItem } from "./lane-generator.ts";

/** What one policy made of a world. */
export type LaneFigures = {
	readonly policy: string;
	readonly items: number;
	/** Everything that was billed, answers that nobody waited for any more included. */
	readonly costNanoUsd: bigint;
	/** Of it, billed for items that had their answer. */
	readonly duplicateNanoUsd: bigint;
	readonly duplicates: number;
	/** Items whose answer came after their deadline. */
	readonly late: number;
	/** Items that ended without an answer. */
	readonly failed: number;
	/** Items that were not handed back exactly once. */
	readonly notDeliveredOnce: number;
	readonly batches: number;
	readonly cancelledBatches: number;
	readonly hedged: number;
	readonly triedAgain: number;
	readonly shed: number;
	readonly reasons: Readonly<Partial<Record<LaneReason, number>>>;
	readonly sources: Readonly<Partial<Record<TurnaroundSource, number>>>;
};

/** The caller's side: what he was handed back, and when. It knows nothing of how that came about. */
export class Deliveries {
	readonly #counts = new Map<number, number>();
	#late = 0;

	receive(item: LaneItem, atMs: number): void {
		const before = this.#counts.get(item.n) ?? 0;
		this.#counts.set(item.n, before + 1);
		if (before === 0 && item.deadlineMs !== null && atMs > item.deadlineMs) this.#late += 1;
	}

	get late(): number {
		return this.#late;
	}

	notOnce(items: readonly LaneItem[]): number {
		return items.filter(({ n }) => this.#counts.get(n) !== 1).length;
	}
}

export function costShare(figures: LaneFigures, of: LaneFigures): number {
	return Number((figures.costNanoUsd * 1_000_000n) / of.costNanoUsd) / 1_000_000;
}

export function lateShareOf({ late, items }: LaneFigures): number {
	return late / items;
}

export function renderFigures(all: readonly LaneFigures[], realTime: LaneFigures): string {
	const percent = (share: number): string => `${(share * 100).toFixed(2)} %`;
	const rows = all.map((figures) => [
		figures.policy,
		costShare(figures, realTime).toFixed(3),
		percent(lateShareOf(figures)),
		percent(Number((figures.duplicateNanoUsd * 1_000_000n) / figures.costNanoUsd) / 1_000_000),
		String(figures.hedged),
		String(figures.batches),
		String(figures.cancelledBatches),
		String(figures.notDeliveredOnce),
	]);
	const head = ["policy", "cost", "late", "paid twice", "hedged", "batches", "cancelled", "not delivered once"];
	const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
	return [head, ...rows]
		.map((row) => row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))).join("  "))
		.join("\n");
}
