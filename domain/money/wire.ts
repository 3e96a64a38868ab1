import { NANO_USD_PER_USD, type NanoUsd } from "./nano-usd.ts";

/**
 * The only place where money changes form. On every wire and in every workflow
 * payload an amount is a decimal string of nano-USD ("10000000" is one cent);
 * people type and read dollars.
 */

const DOLLARS = /^(-?)(0|[1-9][0-9]{0,17})(?:\.([0-9]{1,9}))?$/;

/** Decimal string of nano-USD. */
export function toWire(amount: NanoUsd): string {
	return amount.toString();
}

/**
 * Parses dollars as people type them ("0.25", "100"). At most nine decimals: a fraction of a
 * nano-dollar does not exist. Returns undefined when the text is no such amount.
 */
export function parseUsd(text: string): NanoUsd | undefined {
	const match = DOLLARS.exec(text.trim());
	if (!match) return undefined;
	const [, sign, whole = "0", fraction = ""] = match;
	const nano = BigInt(whole) * NANO_USD_PER_USD + BigInt(fraction.padEnd(9, "0"));
	return sign === "-" ? -nano : nano;
}

/** Dollars for people, exact, without trailing zeros beyond two decimals: 10000000n → "0.01". */
export function formatUsd(amount: NanoUsd): string {
	const sign = amount < 0n ? "-" : "";
	const magnitude = amount < 0n ? -amount : amount;
	const fraction = (magnitude % NANO_USD_PER_USD)
		.toString()
		.padStart(9, "0")
		.replace(/0{1,7}$/, "");
	return `${sign}${magnitude / NANO_USD_PER_USD}.${fraction}`;
}
