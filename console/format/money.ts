import { NANO_USD_PER_USD } from "#domain/money/nano-usd.ts";
import { formatUsd } from "#domain/money/wire.ts";

const CENTS_PER_USD = 100n;
const SIGNIFICANT_DIGITS = 3;

/** Dollars as a person reads them: two decimals from one dollar on, three digits that count below; rounded half up. "1,234.56 USD", "0.0123 USD". */
export function formatMoney(nanoUsd: bigint): string {
	const sign = nanoUsd < 0n ? "−" : "";
	const magnitude = nanoUsd < 0n ? -nanoUsd : nanoUsd;
	return `${sign}${formatMagnitude(magnitude)} USD`;
}

/** Exact, for who looks closer: "1,234.560000001 USD (1234560000001 nano-USD)". */
export function formatExactMoney(nanoUsd: bigint): string {
	return `${formatUsd(nanoUsd)} USD (${nanoUsd} nano-USD)`;
}

/** Short, for the axis of a chart: "1.2k", "350", "0.02". */
export function formatAxisUsd(usd: number): string {
	return new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 }).format(usd);
}

/** Heights of bars alone: what is told or added up stays a bigint. */
export function toChartUsd(nanoUsd: bigint): number {
	return Number(nanoUsd) / Number(NANO_USD_PER_USD);
}

/** Share in percent for the width of a bar, 0 to 100; 0 where there is no whole. */
export function toBarPercent(part: bigint, whole: bigint): number {
	if (whole <= 0n || part <= 0n) return 0;
	const basisPoints = (part * 10_000n) / whole;
	return Number(basisPoints > 10_000n ? 10_000n : basisPoints) / 100;
}

/** "84 %", "0.4 %"; null where there is no whole. */
export function formatShare(part: bigint, whole: bigint): string | null {
	if (whole <= 0n) return null;
	const perMille = (part * 1_000n) / whole;
	const magnitude = perMille < 0n ? -perMille : perMille;
	return `${perMille < 0n ? "−" : ""}${magnitude < 10n ? `0.${magnitude}` : (magnitude + 5n) / 10n} %`;
}

function formatMagnitude(magnitude: bigint): string {
	if (magnitude === 0n) return "0.00";
	if (magnitude >= NANO_USD_PER_USD) {
		const cents = roundTo(magnitude, NANO_USD_PER_USD / CENTS_PER_USD);
		return `${group(cents / CENTS_PER_USD)}.${(cents % CENTS_PER_USD).toString().padStart(2, "0")}`;
	}
	const digits = magnitude.toString().length;
	const unit = 10n ** BigInt(Math.max(0, digits - SIGNIFICANT_DIGITS));
	return formatUsd(roundTo(magnitude, unit) * unit);
}

function roundTo(magnitude: bigint, unit: bigint): bigint {
	return (magnitude + unit / 2n) / unit;
}

function group(whole: bigint): string {
	return whole.toString().replaceAll(/\B(?=(\d{3})+$)/g, ",");
}

/** Whole numbers: "12,345". */
export function formatCount(count: bigint | number): string {
	return count < 0 ? `−${group(-BigInt(count))}` : group(BigInt(count));
}

/** An amount of a budget, which may be in tokens. */
export function formatAmount(amount: bigint, unit: string): string {
	return unit === "nano_usd" ? formatMoney(amount) : `${formatCount(amount)} ${unit.replaceAll("_", " ")}`;
}
