import fc from "fast-check";
import { expect, test } from "vitest";
import { RequestElements } from "../../../../simulator/batches/request-elements.ts";

type Read = { readonly elements: unknown[]; readonly isFound: boolean; readonly isWhole: boolean };

function read(text: string, cuts: readonly number[] = []): Read {
	const bytes = Buffer.from(text);
	const places = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((left, right) => left - right);
	const elements = new RequestElements();
	const found = places.flatMap((start, index) => elements.feed(bytes.subarray(start, places[index + 1] ?? bytes.length)));
	return { elements: found.map((element) => JSON.parse(element.toString()) as unknown), isFound: elements.isFound, isWhole: elements.isWhole };
}

test("the elements of requests come out as JSON.parse sees them, wherever the body is cut, whatever stands beside them", () => {
	const beside = fc.dictionary(fc.constantFrom("a", "request", "requestss", "x y"), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 3 });
	fc.assert(
		fc.property(
			beside,
			fc.array(fc.jsonValue({ maxDepth: 4 }), { maxLength: 6 }),
			fc.boolean(),
			fc.array(fc.nat(2_000), { maxLength: 30 }),
			(others, requests, isPretty, cuts) => {
				const text = JSON.stringify({ ...others, requests, last: [{ requests: [1] }] }, null, isPretty ? 2 : undefined);
				const parsed = JSON.parse(text) as { requests: unknown[] };
				expect(read(text, cuts)).toEqual({ elements: parsed.requests, isFound: true, isWhole: true });
			},
		),
	);
});

test.each([
	['{"requests": 5}', false, true],
	['{"other": {"requests": [1]}}', false, true],
	['{"requests": []}', true, true],
	['{"requests": [{"a": 1}', true, false],
	['{"requests": [{"a": "1}]}', true, false],
	["[1]", false, false],
	["", false, false],
	['{"requests": []} x', true, false],
])("%s: found %s, whole %s", (text, isFound, isWhole) => {
	expect(read(text)).toMatchObject({ isFound, isWhole });
});
