import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { RealTimePart, RealTimeStore } from "../real-time-port.ts";

/** How often it is said again within the time that it holds. */
const RENEWALS = 4;

export type ClaimOptions = {
	readonly store: Pick<RealTimeStore, "claimPart">;
	readonly of: RealTimePart;
	readonly caller: string;
	readonly forMs: number;
	/** Monotonic milliseconds. */
	now(): number;
};

/**
 * That nobody else calls for a part, said again while the work goes on. Whoever could not say it in time may have been given up for gone:
 * what it still hears is not kept, for it was charged as unknown.
 */
export class PartClaim {
	readonly #options: ClaimOptions;
	readonly #timer: NodeJS.Timeout;
	#heldUntil: number;
	#isLost = false;

	private constructor(options: ClaimOptions, saidAt: number) {
		this.#options = options;
		this.#heldUntil = saidAt + options.forMs;
		this.#timer = setInterval(() => void this.#renew(), options.forMs / RENEWALS);
	}

	/** A number: for so many milliseconds it is another's. */
	static async take(options: ClaimOptions): Promise<PartClaim | number> {
		const saidAt = options.now();
		const anothersMs = await options.store.claimPart(options.of, options.caller, options.forMs);
		return anothersMs > 0 ? anothersMs : new PartClaim(options, saidAt);
	}

	get isOurs(): boolean {
		return !this.#isLost && this.#options.now() < this.#heldUntil;
	}

	/** @throws CostControlError "governance.unreachable" */
	require(): void {
		if (!this.isOurs) throw new CostControlError("governance.unreachable", `part ${this.#options.of.part} may be another worker's by now`);
	}

	/** What is left of it ends by itself where PostgreSQL does not hear. */
	async end(): Promise<void> {
		clearInterval(this.#timer);
		if (!this.isOurs) return;
		const { store, of, caller } = this.#options;
		await store.claimPart(of, caller, 0);
	}

	async #renew(): Promise<void> {
		const { store, of, caller, forMs, now } = this.#options;
		const saidAt = now();
		try {
			if ((await store.claimPart(of, caller, forMs)) > 0) this.#isLost = true;
			else this.#heldUntil = Math.max(this.#heldUntil, saidAt + forMs);
		} catch {
			// Said again at the next turn; until then it holds for as long as it was said.
		}
	}
}
