import { assert } from "#domain/assert.ts";
import type { PriceBook } from "#domain/pricing/price-book.ts";
import type { CurrentPriceBook } from "../pricebooks/port.ts";

const LONGEST_TIMER_MS = 86_400_000;

/** The price book in force: read again when it changed (the change log says so) and when a dated price begins. */
export class CurrentPrices {
	private readonly read: () => Promise<CurrentPriceBook>;
	private readonly onError: (error: unknown) => void;
	private current: PriceBook | undefined;
	private timer: NodeJS.Timeout | undefined;

	constructor(read: () => Promise<CurrentPriceBook>, onError: (error: unknown) => void) {
		this.read = read;
		this.onError = onError;
	}

	get book(): PriceBook {
		assert(this.current, "prices are loaded before the first call");
		return this.current;
	}

	async load(): Promise<void> {
		const { book, msUntilNextPrice } = await this.read();
		this.current = book;
		this.stop();
		if (msUntilNextPrice !== undefined) this.timer = setTimeout(() => void this.load().catch(this.onError), Math.min(msUntilNextPrice + 1, LONGEST_TIMER_MS));
	}

	stop(): void {
		clearTimeout(this.timer);
	}
}
