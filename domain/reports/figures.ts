import { NANO_USD_PER_USD } from "../money/nano-usd.ts";
import { formatUsd } from "../money/wire.ts";

/** Numbers as people read them. What is rounded here stands exact beside it, where a rendering has a place for that. */

const CENT = NANO_USD_PER_USD / 100n;
/** A hundredth of a cent. */
const FINE = CENT / 100n;
/** Below it two digits that count are shown, down to a millionth of a dollar. */
const SMALLEST_SHOWN = 1_000n;

/** "$1,234.56", "$0.0386", "$0.000042", "−$3.10": half up to the cent, below a dollar to a hundredth of it, below that to two digits that count. */
export function readableUsd(nanoUsd: bigint): string {
	const [sign, magnitude] = nanoUsd < 0n ? ["−", -nanoUsd] : ["", nanoUsd];
	if (magnitude === 0n) return "$0.00";
	if (magnitude >= NANO_USD_PER_USD) {
		const cents = (magnitude + CENT / 2n) / CENT;
		return `${sign}$${grouped(cents / 100n)}.${(cents % 100n).toString().padStart(2, "0")}`;
	}
	if (magnitude < SMALLEST_SHOWN) return `${sign}<$0.000001`;
	if (magnitude >= CENT) return `${sign}$${inFine((magnitude + FINE / 2n) / FINE)}`;
	const unit = 10n ** BigInt(magnitude.toString().length - 2);
	return `${sign}$${formatUsd(((magnitude + unit / 2n) / unit) * unit)}`;
}

/** Four decimals always, so that a column of them stands in line. */
function inFine(fine: bigint): string {
	return `${fine / 10_000n}.${(fine % 10_000n).toString().padStart(4, "0")}`;
}

const THOUSAND_USD = 1_000n * NANO_USD_PER_USD;
const MILLION_USD = 1_000n * THOUSAND_USD;

/** As short as a mark of an axis: "$0", "$0.25", "$750", "$2.5k", "$1.25M". Exact for marks of few digits. */
export function axisUsd(nanoUsd: bigint): string {
	if (nanoUsd === 0n) return "$0";
	const [unit, suffix] = nanoUsd >= MILLION_USD ? [1_000_000n, "M"] : nanoUsd >= THOUSAND_USD ? [1_000n, "k"] : [1n, ""];
	return `$${formatUsd(nanoUsd / unit)
		.replace(/\.00$/, "")
		.replace(/(\.\d*?[1-9])0+$/, "$1")}${suffix}`;
}

/** "1234.560000001 USD": nothing is rounded. */
export function exactUsd(nanoUsd: bigint): string {
	return `${formatUsd(nanoUsd)} USD`;
}

/** "12,345". */
export function grouped(value: bigint): string {
	const [sign, magnitude] = value < 0n ? ["−", -value] : ["", value];
	return sign + magnitude.toString().replace(/\B(?=(\d{3})+$)/g, ",");
}

/** "+12 %", "−3 %", "0 %"; "new" where there was nothing, "×25" where percents say nothing; undefined = both are nothing. */
export function readableChange(now: bigint, before: bigint): string | undefined {
	if (before <= 0n) return now > 0n ? "new" : undefined;
	const difference = now - before;
	if (now >= before * 10n) return `×${grouped(roundedDivision(now, before))}`;
	const percent = roundedDivision(difference * 100n, before);
	if (percent === 0n) return difference === 0n ? "0 %" : difference > 0n ? "+<1 %" : "−<1 %";
	return percent > 0n ? `+${grouped(percent)} %` : `−${grouped(-percent)} %`;
}

/** "12 %"; below one percent "<1 %". */
export function readableShare(part: bigint, whole: bigint): string | undefined {
	if (whole <= 0n) return undefined;
	if (part > 0n && part * 100n < whole) return "<1 %";
	return `${roundedDivision(part * 100n, whole)} %`;
}

/** Half away from zero. `divisor` above 0. */
export function roundedDivision(value: bigint, divisor: bigint): bigint {
	return value < 0n ? -((-value + divisor / 2n) / divisor) : (value + divisor / 2n) / divisor;
}

export function sumOf(amounts: readonly bigint[]): bigint {
	return amounts.reduce((sum, amount) => sum + amount, 0n);
}

export const descending = (left: bigint, right: bigint): number => (left < right ? 1 : left > right ? -1 : 0);

/** By amount, the largest first; equal ones by name, so that the same books make the same report. */
export function dearestFirst<Item>(items: readonly Item[], amountOf: (item: Item) => bigint, nameOf: (item: Item) => string): readonly Item[] {
	return [...items].sort(
		(left, right) => descending(amountOf(left), amountOf(right)) || (nameOf(left) < nameOf(right) ? -1 : nameOf(left) > nameOf(right) ? 1 : 0),
	);
}
