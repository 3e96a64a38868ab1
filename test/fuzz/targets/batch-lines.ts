import { isUtf8 } from "node:buffer";
import fc from "fast-check";
import { type LineReader, LineSplitter, RequestSplitter } from "#activities/batches/lines/read-lines.ts";
import { bodyOfLine, checkLine, customIdOfLine, type RequestLine } from "#domain/batching/check-line.ts";
import { BODY_FIELDS, type LineForm } from "#domain/batching/line-problem.ts";
import { renderLine, withModel } from "#domain/batching/render-line.ts";
import { cuts, mutated, slicings, toBytes } from "../bytes.ts";
import { holds, pureTarget } from "../target.ts";

/** Batches as callers write them: files of request lines, and lists of requests in one body. */
const LINE_BYTES_MAX = 220;
const FORMS = ["openai", "anthropic"] as const satisfies readonly LineForm[];

const odd = fc.constantFrom<unknown>(0, 1, 1e21, null, true, "", "a", "é", "x".repeat(70), [], [1], {}, { a: {} }, "\n", "/v1/responses");
const mostly = (good: unknown): fc.Arbitrary<unknown> => fc.oneof({ arbitrary: fc.constant(good), weight: 8 }, { arbitrary: odd, weight: 1 });
const params = fc.oneof(
	{
		arbitrary: fc.record(
			{ model: mostly("m"), messages: mostly([]), max_tokens: mostly(5), stream: odd, service_tier: odd, é: odd },
			{ requiredKeys: ["model", "messages", "max_tokens"] },
		),
		weight: 6,
	},
	{ arbitrary: odd, weight: 1 },
);
const openAiRequest = fc.record(
	{ custom_id: mostly("a-1"), method: mostly("POST"), url: mostly("/v1/chat/completions"), body: params, extra: odd },
	{ requiredKeys: ["custom_id", "method", "url", "body"] },
);
const anthropicRequest = fc.record({ custom_id: mostly("a-1"), params, extra: odd }, { requiredKeys: ["custom_id", "params"] });
const file = fc
	.array(fc.tuple(fc.oneof(openAiRequest, anthropicRequest), fc.constantFrom("\n", "\r\n", "\n\n", " \n")), { maxLength: 4 })
	.map((lines) => lines.map(([request, end]) => JSON.stringify(request) + end).join(""));
const list = fc.tuple(fc.array(anthropicRequest, { maxLength: 4 }), fc.nat(2)).map(([requests, indent]) => JSON.stringify({ requests }, undefined, indent));

type Told = readonly [line: number | null, kind: string, bytes: string];

/** Lines against a second, slow reading of the rule; and of each what its check says against a parser. */
export const batchLines = pureTarget({
	name: "batch-lines",
	cases: fc.record({ bytes: mutated(file), cuts }),
	check(input) {
		const bytes = toBytes(input.bytes);
		const expected = splitSlowly(input.bytes);
		for (const chunks of slicings(bytes, input.cuts)) {
			const found = tell(new LineSplitter({ lineBytesMax: LINE_BYTES_MAX }), chunks);
			holds(JSON.stringify(found) === JSON.stringify(expected), "the same lines under every slicing", found, expected);
		}
		for (const [, kind, line] of expected) if (kind === "line") for (const form of FORMS) checkOne(toBytes(line), form);
	},
});

/** A list that is taken is what a parser finds in it, and one that a parser takes for a list of objects is taken. */
export const batchRequests = pureTarget({
	name: "batch-requests",
	cases: fc.record({ bytes: mutated(list), cuts }),
	check(input) {
		const bytes = toBytes(input.bytes);
		const [expected, ...others] = slicings(bytes, input.cuts).map((chunks) => tell(new RequestSplitter({ lineBytesMax: 10_000 }), chunks));
		for (const found of others) holds(JSON.stringify(found) === JSON.stringify(expected), "the same requests under every slicing", found, expected);
		const text = bytes.toString("utf8");
		const lines = (expected ?? []).map(([, kind, line]) => (kind === "line" ? parse(toBytes(line).toString("utf8")) : undefined));
		const parsed = isUtf8(bytes) ? parse(text) : undefined;
		if (!lines.includes(undefined)) holds(JSON.stringify(parsed) === JSON.stringify({ requests: lines }), "a parser finds the same requests", expected);
		else if (isList(parsed) && text.split("requests").length === 2) holds(text.includes("[".repeat(50)), "a list of objects is taken", expected, parsed);
		for (const [, kind, line] of expected ?? []) if (kind === "line") checkOne(toBytes(line), "anthropic");
	},
});

function checkOne(line: Buffer, form: LineForm): void {
	const checked = checkLine(line, form);
	if (checked.kind === "invalid") {
		holds(checked.problems.length > 0 && checked.problems.every(({ message }) => message !== ""), "a refused line says why", line.toString("latin1"));
		return;
	}
	const parsed = parse(line.toString("utf8")) as Record<string, unknown>;
	const { customId, body } = checked.request;
	holds(parsed["custom_id"] === customId && customIdOfLine(line) === customId, "its custom id is the one that a parser reads", customId);
	holds(JSON.stringify(parsed[BODY_FIELDS[form]]) === JSON.stringify(parse(body.toString("utf8"))), "its body is the one that a parser reads", body.toString());
	checkSent(checked.request);
}

function checkSent({ body, endpoint, model }: RequestLine): void {
	const sent = renderLine({ customId: "batch1-1-1", body, protocol: "openai", endpoint });
	holds(sent.indexOf("\n") === sent.length - 1 && !sent.includes("\r"), "what is sent is one line", sent.toString());
	holds(bodyOfLine(sent)?.equals(body) === true, "a body is sent as it came", sent.toString());
	holds(withModel(body, model) === body, "a model that is called so stays as it is written", body.toString());
	const renamed = parse(withModel(body, `${model}-2`).toString("utf8")) as object;
	holds(
		JSON.stringify(renamed) === JSON.stringify({ ...(parse(body.toString("utf8")) as object), model: `${model}-2` }),
		"a model is replaced and nothing else",
		renamed,
	);
}

function tell(reader: LineReader, chunks: readonly Buffer[]): Told[] {
	const read = [...chunks.flatMap((chunk) => [...reader.push(chunk)]), ...reader.end()];
	return read.map((line) => [line.line, line.kind, line.kind === "line" ? line.bytes.toString("latin1") : line.kind === "malformed" ? line.message : ""]);
}

function splitSlowly(text: string): Told[] {
	const pieces = text.split("\n");
	if (pieces.at(-1) === "") pieces.pop();
	return pieces.map((piece, index) => {
		const line = piece.replace(/\r$/, "");
		const kind = line === "" ? "empty" : line.length > LINE_BYTES_MAX ? "too_long" : isUtf8(toBytes(line)) ? "line" : "not_utf8";
		return [index + 1, kind, kind === "line" ? line : ""];
	});
}

function isList(parsed: unknown): boolean {
	if (typeof parsed !== "object" || parsed === null || Object.keys(parsed).join() !== "requests") return false;
	const { requests } = parsed as { requests: unknown };
	return Array.isArray(requests) && requests.every((request) => typeof request === "object" && request !== null && !Array.isArray(request));
}

function parse(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return undefined;
	}
}
