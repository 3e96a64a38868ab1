import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DEFAULT_LIMITS, type OpenAiBatchLimits } from "../../../../simulator/batches/limits.ts";
import { FileWriter, readLines } from "../../../../simulator/batches/lines.ts";
import { tokenLimitProblem, type ValidatedInput, validateInput } from "../../../../simulator/batches/validation.ts";
import { CallLog } from "../../../../simulator/call-log.ts";
import { ProviderState } from "../../../../simulator/provider-state.ts";

let folder: string;
let state: ProviderState;

beforeAll(() => {
	folder = mkdtempSync(join(tmpdir(), "tollgate-validation-"));
	state = new ProviderState(new CallLog(join(folder, "calls.jsonl")), { pace: { latencyMs: 0, tokensPerSecond: 1 }, faultRates: {}, seed: 1 });
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const ENDPOINT = "/v1/chat/completions";

function item(customId: string, change: object = {}): string {
	const body = { model: "gpt-4o", messages: [{ role: "user", content: "Hello" }] };
	return JSON.stringify({ custom_id: customId, method: "POST", url: ENDPOINT, body, ...change });
}

async function validate(text: string, limits: Partial<OpenAiBatchLimits> = {}, endpoint = ENDPOINT): Promise<ValidatedInput> {
	const path = join(folder, "input.jsonl");
	writeFileSync(path, text);
	const input = { path, bytes: statSync(path).size, endpoint, limits: { ...DEFAULT_LIMITS.openai, ...limits } };
	return validateInput(input, state);
}

const codesOf = ({ problems }: ValidatedInput) => problems.map(({ code, line, param }) => [code, line, param]);

test("a good file has its items, its model and its prompt tokens, with or without a last line end", async () => {
	const found = await validate(`${item("a")}\n${item("b")}`);
	expect(found).toMatchObject({ problems: [], total: 2, model: "gpt-4o", promptTokens: 16 });
	expect(await validate(`${item("a")}\n${item("b")}\n`)).toEqual(found);
});

test("every problem has the line it stands in", async () => {
	const lines = [
		item("a"),
		"{",
		item("a"),
		item("b", { url: "/v1/responses" }),
		item("c", { method: "GET" }),
		item("d", { body: { model: "gpt-4o-mini", messages: [] } }),
		item("e", { body: {} }),
		item("f", { body: null }),
		"[]",
		"",
		item(""),
		JSON.stringify({ method: "POST", url: ENDPOINT, body: { model: "gpt-4o" } }),
	];
	expect(codesOf(await validate(lines.join("\n")))).toEqual([
		["invalid_json_line", 2, null],
		["duplicate_custom_id", 3, "custom_id"],
		["url_mismatch", 4, "url"],
		["invalid_method", 5, "method"],
		["model_mismatch", 6, "body.model"],
		["missing_required_parameter", 7, "body.model"],
		["missing_required_parameter", 8, "body"],
		["invalid_json_line", 9, null],
		["invalid_json_line", 10, null],
		["missing_required_parameter", 11, "custom_id"],
		["missing_required_parameter", 12, "custom_id"],
	]);
});

test("what a file is too much of", async () => {
	expect(codesOf(await validate(""))).toEqual([["empty_file", null, null]]);
	expect(codesOf(await validate(`${item("a")}\n${item("b")}\n${item("c")}`, { itemsMax: 2 }))).toEqual([["too_many_tasks", null, null]]);
	expect(codesOf(await validate(item("a"), { bytesMax: 10 }))).toEqual([["file_too_large", null, "input_file_id"]]);
	const embedding = item("a", { url: "/v1/embeddings", body: { model: "text-embedding-3-small", input: ["one", "two", "three"] } });
	expect(codesOf(await validate(embedding, { embeddingInputsMax: 2 }, "/v1/embeddings"))).toEqual([["too_many_inputs", null, null]]);
	expect(codesOf(await validate(embedding, { embeddingInputsMax: 3 }, "/v1/embeddings"))).toEqual([]);
});

test("what waits of a model counts against its own limit, or the one for all", () => {
	const problemOf = (enqueuedTokensMax: Record<string, number>) =>
		tokenLimitProblem({ model: "gpt-4o", promptTokens: 8 }, { ...DEFAULT_LIMITS.openai, enqueuedTokensMax }, () => 90)?.code;
	expect(problemOf({ "*": 97 })).toBe("token_limit_exceeded");
	expect(problemOf({ "*": 97, "gpt-4o": 98 })).toBeUndefined();
	expect(problemOf({ "gpt-5": 1 })).toBeUndefined();
});

test("no more than a hundred problems are told", async () => {
	expect((await validate("x\n".repeat(5_000))).problems).toHaveLength(100);
});

test("plans in items are found, and a mistyped one fails the batch", async () => {
	const marked = (text: string) => item("a", { body: { model: "gpt-4o", messages: [{ role: "user", content: `[[simulate-batch:${text}]]` }] } });
	expect((await validate(marked('{"turnaroundMs":5}'))).plan).toEqual({ turnaroundMs: 5 });
	expect(codesOf(await validate(marked('{"turnaround":5}')))).toEqual([["invalid_simulation", 1, null]]);
});

test("lines are read from any of their starts, and told apart where the last has no end", async () => {
	const path = join(folder, "lines.txt");
	const writer = await FileWriter.create(path);
	const texts = ["", "ä", "x".repeat(700_000), "end"];
	await writer.write(Buffer.from(texts.join("\n")));
	await writer.close();
	const read = async (startByte: number) => {
		const found: { readonly text: string; readonly startByte: number; readonly isEnded: boolean }[] = [];
		for await (const line of readLines(path, startByte)) found.push({ text: line.bytes.toString(), startByte: line.startByte, isEnded: line.isEnded });
		return found;
	};
	const all = await read(0);
	expect(all.map(({ text }) => text)).toEqual(texts);
	expect(all.map(({ isEnded }) => isEnded)).toEqual([true, true, true, false]);
	for (const [index, { startByte }] of all.entries()) expect(await read(startByte)).toEqual(all.slice(index));
	expect(writer.bytes).toBe(statSync(path).size);
});
