import { divideRoundingUp, type NanoUsd } from "../money/nano-usd.ts";
import type { PriceLine, TokenPrices } from "../pricing/price-book.ts";
import { selectPrices } from "../pricing/select-prices.ts";
import { createRandom, type Random } from "../statistics/random.ts";

/** Tokens by the class they are priced in, of many calls. `inputTokens` includes cache reads and writes, `outputTokens` reasoning. */
export type TokenSums = {
	readonly inputTokens: bigint;
	readonly cachedInputTokens: bigint;
	readonly cacheWrite5mTokens: bigint;
	readonly cacheWrite1hTokens: bigint;
	readonly outputTokens: bigint;
	readonly reasoningTokens: bigint;
};

/** Simple calls of one day. */
export type SimpleDay = TokenSums & { readonly calls: number; readonly costNanoUsd: NanoUsd };

/** What simple calls cost, what they would cost of the cheaper model, and what that comes to in 30 days. */
export type Saving = {
	readonly costNanoUsd: NanoUsd;
	readonly cheaperNanoUsd: NanoUsd;
	/** Of the span itself, at the same number of tokens; negative: the cheaper model would cost more. */
	readonly savedNanoUsd: NanoUsd;
	/** In 30 days: the expected value, and the bounds between which four of five of the drawn months lie. */
	readonly monthly: { readonly expectedNanoUsd: NanoUsd; readonly lowNanoUsd: NanoUsd; readonly highNanoUsd: NanoUsd };
	/**
	 * Share of the simple calls, 0 to 1, that may be asked again of the dearer model before nothing is saved: the cheaper answers are paid for too.
	 * Null where nothing cost anything.
	 */
	readonly retryShareMax: number | null;
	/** A saving that holds: at least 100 simple calls on 3 different days, and the low bound above nothing. */
	readonly isRecommended: boolean;
};

const MONTH_DAYS = 30;
const PATHS = 400;
const LOW = 0.1;
const HIGH = 0.9;
/** Whole weeks are drawn where there are enough of them: weekdays differ. */
const WEEK_DAYS = 7;
const WEEKS_MIN = 3;
const CALLS_MIN = 100;
const DAYS_MIN = 3;
/** How many times as many tokens another model may write for the same request. */
const LENGTH_LOW = 0.8;
const LENGTH_HIGH = 1.3;
const SEED = 1;

/**
 * Prices the simple calls of `days` with another line of the book. What a month saves is drawn 400 times: blocks of a week (of a day below three weeks of
 * span) out of the span, and the length of what the other model writes, evenly between 0.8 and 1.3 times. The same input always gives the same answer.
 * Days before the first such call say nothing of a month to come and are left out.
 * @param span all its days in order, those without a call included
 */
export function auditSimpleCalls(span: readonly SimpleDay[], cheaper: PriceLine): Saving {
	const firstUsed = span.findIndex(({ calls }) => calls > 0);
	const days = firstUsed < 0 ? [] : span.slice(firstUsed);
	const prices = selectPrices(cheaper, "standard", 0);
	const priced = days.map((day) => ({ ...priceDay(day, prices), costNanoUsd: day.costNanoUsd }));
	const total = (of: (day: (typeof priced)[number]) => bigint): bigint => priced.reduce((sum, day) => sum + of(day), 0n);
	const costNanoUsd = total((day) => day.costNanoUsd);
	const cheaperNanoUsd = total((day) => day.inputNanoUsd + day.outputNanoUsd);
	const savedNanoUsd = costNanoUsd - cheaperNanoUsd;
	const bounds = drawMonths(
		priced.map((day) => ({ fixed: Number(day.costNanoUsd - day.inputNanoUsd), written: Number(day.outputNanoUsd) })),
		createRandom(SEED).share,
	);
	const calls = days.reduce((sum, day) => sum + day.calls, 0);
	return {
		costNanoUsd,
		cheaperNanoUsd,
		savedNanoUsd,
		monthly: { expectedNanoUsd: (savedNanoUsd * BigInt(MONTH_DAYS)) / BigInt(Math.max(1, days.length)), ...bounds },
		retryShareMax: costNanoUsd <= 0n ? null : Math.max(0, Number(savedNanoUsd) / Number(costNanoUsd)),
		isRecommended: calls >= CALLS_MIN && days.filter((day) => day.calls > 0).length >= DAYS_MIN && bounds.lowNanoUsd > 0n,
	};
}

const FEMTO_USD_PER_NANO_USD = 1_000_000n;

function priceDay(sums: TokenSums, prices: TokenPrices): { readonly inputNanoUsd: NanoUsd; readonly outputNanoUsd: NanoUsd } {
	const uncached = sums.inputTokens - sums.cachedInputTokens - sums.cacheWrite5mTokens - sums.cacheWrite1hTokens;
	const input =
		uncached * prices.input +
		sums.cachedInputTokens * prices.cachedInput +
		sums.cacheWrite5mTokens * prices.cacheWrite5m +
		sums.cacheWrite1hTokens * prices.cacheWrite1h;
	const output = (sums.outputTokens - sums.reasoningTokens) * prices.output + sums.reasoningTokens * prices.reasoning;
	return { inputNanoUsd: divideRoundingUp(input, FEMTO_USD_PER_NANO_USD), outputNanoUsd: divideRoundingUp(output, FEMTO_USD_PER_NANO_USD) };
}

/** `fixed`: cost now less the input's at the other model; `written`: what the other model's output costs at the same length. */
type DayEffect = { readonly fixed: number; readonly written: number };

function drawMonths(days: readonly DayEffect[], random: Random["share"]): { readonly lowNanoUsd: NanoUsd; readonly highNanoUsd: NanoUsd } {
	const blockDays = days.length >= WEEKS_MIN * WEEK_DAYS ? WEEK_DAYS : 1;
	if (days.length === 0) return { lowNanoUsd: 0n, highNanoUsd: 0n };
	const paths = Array.from({ length: PATHS }, () => {
		const length = LENGTH_LOW + (LENGTH_HIGH - LENGTH_LOW) * random();
		let saved = 0;
		for (let drawn = 0; drawn < MONTH_DAYS; drawn += blockDays) {
			const start = Math.floor(random() * days.length);
			for (let day = 0; day < Math.min(blockDays, MONTH_DAYS - drawn); day++) {
				const { fixed, written } = days[(start + day) % days.length] ?? { fixed: 0, written: 0 };
				saved += fixed - written * length;
			}
		}
		return saved;
	}).sort((left, right) => left - right);
	return { lowNanoUsd: quantile(paths, LOW), highNanoUsd: quantile(paths, HIGH) };
}

function quantile(sorted: readonly number[], share: number): NanoUsd {
	return BigInt(Math.round(sorted[Math.floor(share * (sorted.length - 1))] ?? 0));
}
