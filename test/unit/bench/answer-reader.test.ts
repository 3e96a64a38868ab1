import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AnswerReader } from "../../../bench/driver/answer-reader.ts";

const BODY = "Grüße, 0\r\n\r\nende";
const BYTES = Buffer.from(BODY);
const BY_LENGTH = Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${BYTES.length}\r\n\r\n`), BYTES]);
const IN_CHUNKS = Buffer.concat([
	Buffer.from("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\n"),
	BYTES.subarray(0, 3),
	Buffer.from(`\r\n${(BYTES.length - 3).toString(16)}\r\n`),
	BYTES.subarray(3),
	Buffer.from("\r\n0\r\n\r\n"),
]);

function readInPieces(bytes: Buffer, cuts: readonly number[]): { steps: string[]; body: string; status: number } {
	const reader = new AnswerReader();
	const places = [...new Set([0, ...cuts.map((cut) => cut % bytes.length), bytes.length])].sort((left, right) => left - right);
	const steps = places.slice(1).map((end, index) => reader.push(Buffer.from(bytes.subarray(places[index], end))));
	return { steps, body: reader.body().toString(), status: reader.status };
}

describe("answers", () => {
	for (const [name, bytes] of [
		["with a length", BY_LENGTH],
		["in chunks", IN_CHUNKS],
	] as const) {
		test(`${name}: read alike wherever the network cuts them, and complete with the last byte, not before`, () => {
			fc.assert(
				fc.property(fc.array(fc.nat()), (cuts) => {
					const { steps, body, status } = readInPieces(bytes, cuts);
					expect(steps.at(-1)).toBe("complete");
					expect(steps.slice(0, -1).every((step) => step === "more")).toBe(true);
					expect([status, body]).toEqual([200, BODY]);
				}),
			);
		});
	}

	test("more bytes than announced, or an end nobody can know, is broken", () => {
		expect(new AnswerReader().push(Buffer.concat([BY_LENGTH, Buffer.from("x")]))).toBe("broken");
		expect(new AnswerReader().push(Buffer.concat([IN_CHUNKS, Buffer.from("x")]))).toBe("broken");
		expect(new AnswerReader().push(Buffer.from("HTTP/1.1 200 OK\r\n\r\nabc"))).toBe("broken");
		expect(new AnswerReader().push(Buffer.from("garbage\r\n\r\n"))).toBe("broken");
	});

	test("a server that says so closes after the answer", () => {
		const reader = new AnswerReader();
		reader.push(Buffer.from("HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno"));
		expect([reader.status, reader.isLast]).toEqual([503, true]);
	});
});
