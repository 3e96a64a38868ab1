import type { Fault } from "./directive.ts";

/** How a faulty network hands out bytes. */

const MULTIBYTE_LEAD = 0xc0;

/** One byte at a time, or cut behind the first byte of every multi-byte character; undefined for a fault that does not slice. */
export function slicesOf(bytes: Buffer, fault: Fault | undefined): Buffer[] | undefined {
	if (fault === "one_byte_slices") return Array.from(bytes, (_, index) => bytes.subarray(index, index + 1));
	return fault === "split_utf8" ? cutInsideCharacters(bytes) : undefined;
}

function cutInsideCharacters(bytes: Buffer): Buffer[] {
	const slices: Buffer[] = [];
	let start = 0;
	for (let index = 0; index < bytes.length; index += 1) {
		if ((bytes[index] ?? 0) < MULTIBYTE_LEAD) continue;
		slices.push(bytes.subarray(start, index + 1));
		start = index + 1;
	}
	slices.push(bytes.subarray(start));
	return slices;
}
