import fc from "fast-check";

/** Bytes as latin1 text, so that every byte string is JSON. */
export function toBytes(text: string): Buffer {
	return Buffer.from(text, "latin1");
}

type Mutation = { readonly kind: "delete" | "insert" | "replace" | "repeat" | "cut"; readonly at: number; readonly length: number; readonly text: string };

const mutation: fc.Arbitrary<Mutation> = fc.record({
	kind: fc.constantFrom("delete", "insert", "replace", "repeat", "cut"),
	at: fc.nat(4_000),
	length: fc.integer({ min: 1, max: 12 }),
	text: fc.oneof(
		fc.constantFrom("\0", "\r", "\n", "\r\n\r\n", '"', "\\", "{", "}", "[", "]", ",", ":", " ", "null", "1e999", "-1", "\ud800", "ÿþ", "ï»¿", "__proto__"),
		fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)), maxLength: 4 }),
	),
});

/** What a hostile hand or a broken link makes of well-formed bytes: mostly little, sometimes much. */
export function mutated(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
	const latin1 = text.map((value) => Buffer.from(value).toString("latin1"));
	return fc.oneof(
		{ arbitrary: latin1, weight: 2 },
		{ arbitrary: fc.tuple(latin1, fc.array(mutation, { minLength: 1, maxLength: 5 })).map(([bytes, steps]) => steps.reduce(mutate, bytes)), weight: 3 },
		{ arbitrary: fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)), maxLength: 60 }), weight: 1 },
	);
}

function mutate(bytes: string, { kind, at, length, text }: Mutation): string {
	const place = bytes.length === 0 ? 0 : at % (bytes.length + 1);
	const [before, after] = [bytes.slice(0, place), bytes.slice(place)];
	const inserted = Buffer.from(text).toString("latin1");
	if (kind === "delete") return before + after.slice(length);
	if (kind === "insert") return before + inserted + after;
	if (kind === "replace") return before + inserted + after.slice(length);
	if (kind === "repeat") return before + after.slice(0, length) + after;
	return before;
}

/** Where a byte string is cut into slices; taken modulo its length. */
export const cuts = fc.array(fc.nat(8_000), { maxLength: 12 });

/** The slicings under which nothing may differ: whole, as given, byte by byte. */
export function slicings(bytes: Buffer, at: readonly number[]): readonly (readonly Buffer[])[] {
	const places = [0, ...[...new Set(at.map((cut) => cut % (bytes.length + 1)))].sort((left, right) => left - right), bytes.length];
	const given = places.slice(1).map((end, index) => bytes.subarray(places[index], end));
	return [[bytes], given, Array.from(bytes, (byte) => Buffer.of(byte))];
}
