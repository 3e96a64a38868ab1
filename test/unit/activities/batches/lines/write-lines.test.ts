import { describe, expect, test } from "vitest";
import { readCustomIds } from "#activities/batches/lines/custom-ids.ts";
import { type PartToWrite, writeLines } from "#activities/batches/lines/write-lines.ts";
import { itemOf } from "#domain/batching/attempt-of-item.ts";
import { anthropicRequest, chatBody, inPieces, messageBody, openAiLine, textOf } from "#test/support/batch-lines.ts";

const STORED = `${["a", "b", "c", "d"].map((customId) => openAiLine(customId, {}, chatBody({ user: customId }))).join("\r\n")}\n\n`;
const PART: PartToWrite = {
	protocol: "openai",
	endpoint: "chat.completions",
	batchNumber: "12",
	items: 4,
	deploymentModel: "gpt-4o",
	tries: [],
	lineBytesMax: 10_000,
};

type Sent = { custom_id: string; method?: string; url?: string; body?: { user: string; model: string }; params?: { model: string } };

async function sent(changes: Partial<PartToWrite>, stored = STORED): Promise<Sent[]> {
	const text = await textOf(writeLines(inPieces(stored), { ...PART, ...changes }));
	return text === ""
		? []
		: text
				.trimEnd()
				.split("\n")
				.map((line) => JSON.parse(line) as Sent);
}

describe("the lines of a part", () => {
	test("are those of its items in order, under ids that name item and try", async () => {
		const lines = await sent({
			tries: [
				{ n: 2, tryNumber: 1 },
				{ n: 4, tryNumber: 3 },
			],
		});
		expect(lines.map(({ custom_id, method, url, body }) => [custom_id, method, url, body?.user])).toEqual([
			["batch12-1-2", "POST", "/v1/chat/completions", "b"],
			["batch12-1-12", "POST", "/v1/chat/completions", "d"],
		]);
		expect(lines.map(({ custom_id }) => itemOf(custom_id, { batchNumber: "12", items: 4 }))).toEqual([
			{ n: 2, tryNumber: 1 },
			{ n: 4, tryNumber: 3 },
		]);
	});

	test("carry the body byte for byte, and the deployment's model where it is called otherwise", async () => {
		const body = '{ "model" : "gpt-4o","messages":[ {"role":"user","content":"\\u00e9 é"} ],"temperature":1.0 }';
		const stored = `{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body": ${body} }`;
		const tries = [{ n: 1, tryNumber: 1 }];
		expect(await textOf(writeLines(inPieces(stored), { ...PART, items: 1, tries }))).toContain(`"body":${body}}\n`);
		expect(await textOf(writeLines(inPieces(stored), { ...PART, items: 1, tries, deploymentModel: "house" }))).toContain(
			`"body":${body.replace("gpt-4o", "house")}}\n`,
		);
	});

	test("are in the form of the provider, whatever form they came in", async () => {
		const tries = [{ n: 1, tryNumber: 1 }];
		const change: Partial<PartToWrite> = { protocol: "anthropic", endpoint: "messages", deploymentModel: "claude", items: 1, tries };
		const expected = [{ custom_id: "batch12-1-1", params: messageBody() }];
		expect(await sent(change, anthropicRequest("a"))).toEqual(expected);
		expect(await sent(change, openAiLine("a", { url: "/v1/messages" }, messageBody()))).toEqual(expected);
	});

	test("of no item are none, and what is stored is read no further than the last of them", async () => {
		expect(await sent({ tries: [] })).toEqual([]);
		async function* cut(): AsyncGenerator<Uint8Array> {
			yield Buffer.from(`${openAiLine("a")}\n`);
			throw new Error("read too far");
		}
		expect(await textOf(writeLines(cut(), { ...PART, tries: [{ n: 1, tryNumber: 1 }] }))).toContain("batch12-1-1");
	});

	test.each([
		["an item that is not there", [{ n: 7, tryNumber: 1 }], /is no request|ends before item 7/],
		[
			"items out of order",
			[
				{ n: 2, tryNumber: 1 },
				{ n: 1, tryNumber: 1 },
			],
			/stand in order/,
		],
	])("fail for %s", async (_name, tries, message) => {
		await expect(sent({ tries })).rejects.toThrow(message);
	});
});

test("custom ids of a stored batch are read in order", async () => {
	expect(await readCustomIds(inPieces(STORED), { lineBytesMax: 10_000 })).toEqual(["a", "b", "c", "d"]);
	expect(await readCustomIds(inPieces(anthropicRequest("x")), { lineBytesMax: 10_000 })).toEqual(["x"]);
	await expect(readCustomIds(inPieces("{}"), { lineBytesMax: 10_000 })).rejects.toThrow(/line 1 of the stored batch has no custom_id/);
});
