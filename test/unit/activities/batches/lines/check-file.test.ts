import { describe, expect, test } from "vitest";
import { type CheckedFile, checkFile, describeProblems, FileChecker, type FileRules } from "#activities/batches/lines/check-file.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { anthropicRequest, chatBody, inPieces, messageBody, openAiLine, placesOf, textOf } from "#test/support/batch-lines.ts";
import { largestPause } from "#test/support/event-loop.ts";

const LIMITS = { itemsMax: 1_000, bytesMax: 10_000_000, embeddingInputsMax: undefined };
const OPENAI: FileRules = { form: "openai", limits: LIMITS, lineBytesMax: 10_000 };
const ANTHROPIC: FileRules = { ...OPENAI, form: "anthropic" };

function check(text: string, rules: FileRules = OPENAI): Promise<CheckedFile> {
	return checkFile(inPieces(text), rules);
}

async function problemsOf(text: string, rules: FileRules = OPENAI) {
	const checked = await check(text, rules);
	expect(checked.kind).toBe("refused");
	return checked.kind === "refused" ? checked.problems : { listed: [], unlisted: 0 };
}

/** "3 body.model: must be …" */
async function told(text: string, rules: FileRules = OPENAI): Promise<string[]> {
	return (await problemsOf(text, rules)).listed.map(({ line, field, message }) => `${line} ${field}: ${message}`);
}

const fileOf = (...lines: readonly string[]): string => lines.map((line) => `${line}\n`).join("");
const bodyOf = (...requests: readonly string[]): string => `{"requests":[${requests.join(",")}]}`;
const embedding = (customId: string, input: unknown): string => openAiLine(customId, { url: "/v1/embeddings" }, { model: "e", input });

describe("a file of requests", () => {
	test("is accepted with what its requests share", async () => {
		const text = fileOf(openAiLine("a"), openAiLine("b"));
		expect(await check(text)).toEqual({ kind: "accepted", endpoint: "chat.completions", model: "gpt-4o", lines: 2, bytes: text.length });
	});

	test("is handed on as it came, while it is checked", async () => {
		const text = `${openAiLine("a")}\r\n${openAiLine("b")}\n\n`;
		const checker = new FileChecker(OPENAI);
		expect(await textOf(checker.through(inPieces(text)))).toBe(text);
		expect(checker.result).toMatchObject({ kind: "accepted", lines: 2, bytes: text.length });
	});

	test("that is wrong rejects whoever stores it, and nothing is handed on behind the first mistake", async () => {
		const text = fileOf(openAiLine("a"), "{}", openAiLine("b"), "[]");
		const checker = new FileChecker(OPENAI);
		let handedOn = "";
		const storing = (async () => {
			for await (const piece of checker.through(inPieces(text))) handedOn += Buffer.from(piece).toString();
		})();
		const error = await storing.then(
			() => undefined,
			(reason: unknown) => reason,
		);
		expect(error).toBeInstanceOf(CostControlError);
		expect(error).toMatchObject({ code: "batch.line_invalid", publicMessage: expect.stringMatching(/^line 2: custom_id: must be given \(and \d more\)$/) });
		expect(handedOn.length).toBeLessThan(text.indexOf("{}\n") + 3);
		expect(checker.result).toMatchObject({ kind: "refused", problems: { listed: expect.arrayContaining([expect.objectContaining({ line: 4 })]) } });
	});

	test.each([
		[
			"mixed endpoints",
			fileOf(openAiLine("a"), embedding("b", "x")),
			["2 url: must be /v1/chat/completions, as before: a batch has one endpoint", '2 body.model: must be "gpt-4o", as before: a batch has one model'],
		],
		[
			"mixed models",
			fileOf(openAiLine("a"), openAiLine("b", {}, chatBody({ model: "gpt-4" }))),
			['2 body.model: must be "gpt-4o", as before: a batch has one model'],
		],
		["a custom id twice", fileOf(openAiLine("a"), openAiLine("b"), openAiLine("a")), ['3 custom_id: "a" stands in line 1 already']],
		["an empty line", fileOf(openAiLine("a"), "", openAiLine("b")), ["2 null: is empty"]],
		[
			"a line that is too long",
			fileOf(openAiLine("a", {}, chatBody({ user: "x".repeat(10_000) }))),
			["1 null: is longer than 10000 bytes, the most a request may take"],
		],
		["no line", "\n\n", ["null null: a batch has at least one request"]],
		["nothing", "", ["null null: a batch has at least one request"]],
	] as const)("is refused for %s", async (_name, text, problems) => {
		expect(await told(text)).toEqual(problems);
	});

	test("is refused for a line that is no UTF-8", async () => {
		const broken = Buffer.concat([Buffer.from(fileOf(openAiLine("a"))), Buffer.of(0xe9, 0x0a)]);
		expect(await checkFile(inPieces(broken), OPENAI)).toMatchObject({ problems: { listed: [{ line: 2, message: "is not valid UTF-8" }] } });
	});

	test("is told every line that is wrong, a hundred of them by name", async () => {
		const problems = await problemsOf("x\n".repeat(250));
		expect([problems.listed.length, problems.unlisted, placesOf(problems).at(-1)]).toEqual([100, 150, "100 null"]);
		expect(describeProblems(problems, "openai")).toBe("line 1: must be one JSON object in UTF-8 without a byte order mark (and 249 more)");
	});

	test("is read no further than its limits", async () => {
		let pieces = 0;
		async function* endless(piece: string): AsyncGenerator<Uint8Array> {
			for (;;) {
				pieces += 1;
				yield Buffer.from(piece);
			}
		}
		const items = await checkFile(endless("x\n"), { ...OPENAI, limits: { ...LIMITS, itemsMax: 5 } });
		expect([items, pieces]).toMatchObject([
			{ problems: { listed: expect.arrayContaining([expect.objectContaining({ line: null, message: "a batch is at most 5 requests" })]) } },
			6,
		]);
		pieces = 0;
		const bytes = await checkFile(endless("\n".repeat(10)), { ...OPENAI, limits: { ...LIMITS, bytesMax: 35 } });
		expect([bytes, pieces]).toMatchObject([{ problems: { listed: [{ line: null, message: "a batch is at most 35 bytes" }] } }, 4]);
	});

	test("is bounded in all inputs of embeddings together", async () => {
		const rules = { ...OPENAI, limits: { ...LIMITS, embeddingInputsMax: 3 } };
		expect(await check(fileOf(embedding("a", ["x", "y"]), embedding("b", "z")), rules)).toMatchObject({ kind: "accepted" });
		expect(await told(fileOf(embedding("a", ["x", "y"]), embedding("b", ["z", "z"])), rules)).toEqual([
			"null null: a batch is at most 3 inputs of embeddings; these are 4",
		]);
	});

	test("passes errors of its source on", async () => {
		async function* cut(): AsyncGenerator<Uint8Array> {
			yield Buffer.from(openAiLine("a"));
			throw new Error("the caller left");
		}
		await expect(checkFile(cut(), OPENAI)).rejects.toThrow("the caller left");
	});
});

describe("the body of a message batch", () => {
	test("is handed on as one request a line, that stands for itself", async () => {
		const first = anthropicRequest("a");
		const second = JSON.stringify(JSON.parse(anthropicRequest("b")), undefined, 2);
		const checker = new FileChecker(ANTHROPIC);
		const stored = await textOf(checker.through(inPieces(bodyOf(first, second))));
		expect(stored.split("\n").slice(0, -1)).toEqual([first, second.replaceAll("\n", " ")]);
		expect(checker.result).toEqual({ kind: "accepted", endpoint: "messages", model: "claude", lines: 2, bytes: stored.length });
	});

	test.each([
		[
			"mixed models",
			bodyOf(anthropicRequest("a"), anthropicRequest("b", messageBody({ model: "m" }))),
			['2 params.model: must be "claude", as before: a batch has one model'],
		],
		["a custom id twice", bodyOf(anthropicRequest("a"), anthropicRequest("a")), ['2 custom_id: "a" stands in requests.0 already']],
		["no requests", bodyOf(), ["null null: a batch has at least one request"]],
		["a request that is none", bodyOf(anthropicRequest("a"), "7", anthropicRequest("c")), ["2 null: must be an object"]],
		["a request that is no JSON", bodyOf(anthropicRequest("a"), '{"custom_id":x}'), ["2 null: is not valid JSON"]],
		["a body that is cut", bodyOf(anthropicRequest("a")).slice(0, -1), ["null null: the body ends too early"]],
		["another field", `{"model":"m"}`, ["null model: is no field of a message batch; there is requests"]],
	])("is refused for %s", async (_name, text, problems) => {
		expect(await told(text, ANTHROPIC)).toEqual(problems);
	});

	test("is bounded in requests, and in bytes as they arrive", async () => {
		const text = bodyOf(anthropicRequest("a"), anthropicRequest("b"), anthropicRequest("c"));
		expect(await told(text, { ...ANTHROPIC, limits: { ...LIMITS, itemsMax: 2 } })).toEqual(["null null: a batch is at most 2 requests"]);
		expect(await told(`${" ".repeat(200)}${text}`, { ...ANTHROPIC, limits: { ...LIMITS, bytesMax: 150 } })).toEqual([
			"null null: a batch is at most 150 bytes",
		]);
	});
});

test("a large file lets others go first", async () => {
	const text = Array.from({ length: 20_000 }, (_, index) => openAiLine(`item-${index}`)).join("\n");
	const rules = { ...OPENAI, limits: { ...LIMITS, itemsMax: 20_000, bytesMax: 1e9 } };
	const { result, pauseMs, wholeMs } = await largestPause(() => checkFile(inPieces(text, 1 << 20), rules));
	expect(result).toMatchObject({ kind: "accepted", lines: 20_000 });
	// Of the whole, so that a slow machine says the same.
	expect(pauseMs).toBeLessThan(Math.max(wholeMs / 2, 50));
});
