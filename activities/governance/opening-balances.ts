import type { Connection } from "../database/connection.ts";

/**
 * Books what calls reserved before a budget existed have cost since (0005), every few seconds, of every young budget. With thousands of
 * them that takes longer than a crossing may wait to be told: so on a connection of its own, beside what is told.
 */
const YOUNG_BUDGETS = "SELECT tollgate.refresh_opening_balances(interval '20 minutes')";
const INTERVAL_MS = 5_000;
/** It takes a core of the database while it runs: a twentieth of the time at most. */
const SHARE = 20;

export class OpeningBalances {
	private readonly connection: Connection;
	private readonly now: () => number;
	private dueAtMs = Number.NEGATIVE_INFINITY;
	private running: Promise<void> | undefined;

	/** `now`: monotonic milliseconds. */
	constructor(connection: Connection, now: () => number) {
		this.connection = connection;
		this.now = now;
	}

	/** Begins where it is due and none is under way. `onFailure` hears of one that failed; it is tried again when it is due again. */
	refresh(onFailure: (error: unknown) => void): void {
		const beganAtMs = this.now();
		if (this.running !== undefined || beganAtMs < this.dueAtMs) return;
		this.running = this.connection
			.query("young_budgets", YOUNG_BUDGETS, [])
			.then(() => undefined, onFailure)
			.finally(() => {
				this.running = undefined;
				this.dueAtMs = beganAtMs + Math.max(INTERVAL_MS, SHARE * (this.now() - beganAtMs));
			});
	}

	/** Resolves when none is under way. */
	async settled(): Promise<void> {
		await this.running;
	}
}
