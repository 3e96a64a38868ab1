import { crc32 } from "node:zlib";

/** Dice that fall alike whenever they are thrown for the same thing: seed, batch and item decide, not the order of events. */

const UINT32 = 0x1_0000_0000;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** At least 0, below 1. `what` names what is thrown for. */
export function chance(seed: number, ...what: readonly (number | string)[]): number {
	return scatter(crc32(what.join(" "), seed >>> 0)) / UINT32;
}

/** Last steps of MurmurHash3: texts that differ in one digit come out far apart. */
function scatter(value: number): number {
	let hash = value >>> 0;
	hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
	hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
	return (hash ^ (hash >>> 16)) >>> 0;
}

const SHORT_SHARE = 0.7;
const MIDDLE_SHARE = 0.2;
const SHORT_LEAST_MS = 2 * MINUTE_MS;

/** How long a batch works: 70 % of them 2 to 60 minutes, 20 % 1 to 4 hours, 10 % 8 to 24 hours. */
export function drawTurnaroundMs(seed: number, ordinal: number): number {
	const kind = chance(seed, "turnaround", ordinal);
	const place = chance(seed, "within", ordinal);
	if (kind < SHORT_SHARE) return Math.floor(SHORT_LEAST_MS * (HOUR_MS / SHORT_LEAST_MS) ** place);
	if (kind < SHORT_SHARE + MIDDLE_SHARE) return Math.floor(HOUR_MS + place * 3 * HOUR_MS);
	return Math.floor(8 * HOUR_MS + place * 16 * HOUR_MS);
}
