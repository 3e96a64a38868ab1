import { CostControlError } from "#domain/errors/cost-control-error.ts";

const FAILED_MAX = 10;
const MINUTE_MS = 60_000;
/** Addresses remembered at once; beyond it all are counted anew, against secrets of 256 bits. */
const ADDRESSES_MAX = 10_000;

/** Failed tries to sign in, by address and minute: a person mistypes a few times, a program that guesses is told to wait. In memory, of this process alone. */
export class SignInTries {
	readonly #now: () => number;
	#failed = new Map<string, number>();
	#minute = 0;

	constructor(now: () => number = () => performance.now()) {
		this.#now = now;
	}

	/** What fails is counted where it was refused, not where nobody could be asked. @throws CostControlError "session.too_many_tries" until the minute is over, whatever is tried. */
	async count<Result>(address: string, attempt: () => Promise<Result>): Promise<Result> {
		this.#forgetEarlierMinutes();
		if ((this.#failed.get(address) ?? 0) >= FAILED_MAX)
			throw new CostControlError("session.too_many_tries", `${FAILED_MAX} tries to sign in failed within a minute. Wait a minute, then try again.`);
		// Counted before it is tried, so that many at once are not all let through.
		this.#add(address, 1);
		try {
			const result = await attempt();
			this.#add(address, -1);
			return result;
		} catch (error) {
			if (!(error instanceof CostControlError)) this.#add(address, -1);
			throw error;
		}
	}

	#add(address: string, tries: number): void {
		const failed = Math.max(0, (this.#failed.get(address) ?? 0) + tries);
		if (failed === 0) this.#failed.delete(address);
		else this.#failed.set(address, failed);
	}

	#forgetEarlierMinutes(): void {
		const minute = Math.floor(this.#now() / MINUTE_MS);
		if (minute === this.#minute && this.#failed.size < ADDRESSES_MAX) return;
		this.#minute = minute;
		this.#failed = new Map();
	}
}
