import { assert } from "#domain/assert.ts";
import type { PriceBook } from "#domain/pricing/price-book.ts";
import type { CurrentPriceBook } from "../pricebooks/port.ts";

const LONGEST_TIMER_MS = 86_400_000;
const RETRY_FIRST_MS = 1_000;
const RETRY_MAX_MS = 60_000;

/** The price book in force: read again when it changed (the change log says so) and when a dated price begins. */
export class CurrentPrices {
	private readonly read: () => Promise<CurrentPriceBook>;
	private readonly onError: (error: unknown) => void;
	private current: PriceBook | undefined;
	private timer: NodeJS.Timeout | undefined;
	private retryMs = RETRY_FIRST_MS;
	private isStopped = false;

	constructor(read: () => Promise<CurrentPriceBook>, onError: (error: unknown) => void) {
		this.read = read;
		this.onError = onError;
	}

	get book(): PriceBook {
		assert(this.current, "prices are loaded before the first call");
		return this.current;
	}

	/** Rejects when the book cannot be read; who asked asks again. */
	async load(): Promise<void> {
		const { book, msUntilNextPrice } = await this.read();
		this.current = book;
		this.retryMs = RETRY_FIRST_MS;
		clearTimeout(this.timer);
		if (msUntilNextPrice !== undefined) this.reloadAfter(Math.min(msUntilNextPrice + 1, LONGEST_TIMER_MS));
	}

	stop(): void {
		this.isStopped = true;
		clearTimeout(this.timer);
	}

	/** Nobody asks for a dated price but this timer, so it goes on until the book was read. */
	private reloadAfter(ms: number): void {
		if (this.isStopped) return;
		this.timer = setTimeout(() => {
			this.load().catch((error: unknown) => {
				this.onError(error);
				this.reloadAfter(this.retryMs);
				this.retryMs = Math.min(this.retryMs * 2, RETRY_MAX_MS);
			});
		}, ms);
	}
}
