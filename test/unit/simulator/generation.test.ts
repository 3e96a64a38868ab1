import { describe, expect, it } from "vitest";
import { type Ask, generate } from "#simulator/generation.ts";

const ASK: Ask = {
	texts: ["What does a call cost?"],
	lastUserText: "What does a call cost?",
	endsWithToolResult: false,
	toolResults: 0,
	capTokens: undefined,
	tools: [],
	toolChoice: { kind: "auto" },
	json: undefined,
	stopSequences: [],
	reasoning: "none",
};

const WEATHER = {
	name: "get_weather",
	schema: {
		type: "object",
		properties: { city: { type: "string" }, days: { type: "integer", minimum: 2 }, note: { type: "string" } },
		required: ["city", "days"],
	},
};

function textOf(generation: ReturnType<typeof generate>): string {
	return generation.parts.map((part) => part.pieces.join("")).join("");
}

describe("generate", () => {
	it("gives the same prompt the same answer, another prompt another one", () => {
		expect(textOf(generate(ASK, {}))).toBe(textOf(generate(ASK, {})));
		expect(textOf(generate(ASK, {}))).not.toBe(textOf(generate({ ...ASK, texts: ["Another"] }, {})));
	});

	it("varies the words of further choices, not their length", () => {
		const [first, second] = [generate(ASK, {}, 0), generate(ASK, {}, 1)];
		expect(textOf(first)).not.toBe(textOf(second));
		expect(second.outputTokens).toBe(first.outputTokens);
	});

	it("begins every text with the mark", () => {
		expect(textOf(generate(ASK, {})).startsWith("[simulated] ")).toBe(true);
	});

	it("fills a cap of 1000 exactly and stops for length", () => {
		expect(generate({ ...ASK, capTokens: 1000 }, {})).toMatchObject({ outputTokens: 1000, stopReason: "length" });
	});

	it("stops by itself when its length is below the cap", () => {
		expect(generate({ ...ASK, capTokens: 1000 }, { outputTokens: 12 })).toMatchObject({ outputTokens: 12, stopReason: "stop" });
	});

	it("passes the cap only where the directive says so", () => {
		expect(generate({ ...ASK, capTokens: 10 }, { outputTokens: 50 }).outputTokens).toBe(10);
		expect(generate({ ...ASK, capTokens: 10 }, { outputTokens: 50, ignoreCap: true }).outputTokens).toBe(50);
	});

	it("bills the whole cap at the bound, whatever would end the answer sooner", () => {
		const ask = { ...ASK, capTokens: 77, stopSequences: ["simulated"], tools: [WEATHER], toolChoice: { kind: "required" } as const };
		expect(generate(ask, { usageAtBound: true }).outputTokens).toBe(77);
	});

	it("counts hidden reasoning inside the output and shows none of it", () => {
		const generation = generate({ ...ASK, reasoning: "hidden", capTokens: 1024 }, {});
		expect(generation).toMatchObject({ outputTokens: 1024, reasoningTokens: 256 });
		expect(generation.parts.map((part) => [part.kind, part.pieces.length])).toEqual([["text", 768]]);
	});

	it("shows thinking as a part of its own", () => {
		const generation = generate({ ...ASK, reasoning: "shown", capTokens: 1024 }, {});
		expect(generation.parts.map((part) => [part.kind, part.pieces.length])).toEqual([
			["thinking", 256],
			["text", 768],
		]);
	});

	it.each([3, 10, 40, 500])("gives whole JSON of %i tokens", (capTokens) => {
		const generation = generate({ ...ASK, json: { schema: undefined }, capTokens }, {});
		expect(JSON.parse(textOf(generation))).toMatchObject({ simulated: true });
		expect(generation.outputTokens).toBeLessThanOrEqual(capTokens);
	});

	it("fits a JSON schema", () => {
		const schema = {
			type: "object",
			properties: { name: { type: "string" }, kind: { enum: ["a", "b"] }, list: { type: "array", items: { $ref: "#/$defs/item" }, minItems: 1 } },
			$defs: { item: { type: "boolean" } },
		};
		expect(JSON.parse(textOf(generate({ ...ASK, json: { schema } }, {})))).toEqual({ name: "[simulated]", kind: "a", list: [true] });
	});

	it("ends before a stop sequence and names it", () => {
		const whole = textOf(generate(ASK, {}));
		const sequence = whole.slice(30, 40);
		const generation = generate({ ...ASK, stopSequences: [sequence] }, {});
		expect(generation).toMatchObject({ stopReason: "stop_sequence", stopSequence: sequence });
		expect(textOf(generation)).toBe(whole.slice(0, whole.indexOf(sequence)));
	});

	it("calls the tool the newest message names, with the required arguments", () => {
		const generation = generate({ ...ASK, tools: [WEATHER], lastUserText: "please get_weather" }, {});
		expect(generation.parts).toMatchObject([{ kind: "tool", name: "get_weather" }]);
		expect(JSON.parse(textOf(generation))).toEqual({ city: "[simulated]", days: 2 });
		expect(generation.stopReason).toBe("tool");
	});

	it("makes the calls of a script in order, as often as it says, then answers in words", () => {
		const script = [{ name: "get_weather", arguments: { city: "Lisbon", days: 3 }, times: 2 }, { name: "get_weather" }, { name: "not_offered" }];
		const said = [0, 1, 2, 3, 4].map((toolResults) => {
			const { parts } = generate({ ...ASK, tools: [WEATHER], endsWithToolResult: toolResults > 0, toolResults }, { toolCalls: script });
			return parts.map((part) => (part.kind === "tool" ? JSON.parse(part.pieces.join("")) : part.kind));
		});
		expect(said).toEqual([[{ city: "Lisbon", days: 3 }], [{ city: "Lisbon", days: 3 }], [{ city: "[simulated]", days: 2 }], ["text"], ["text"]]);
	});

	it("answers in words after a tool's result, or where no tool is named", () => {
		const named = { ...ASK, tools: [WEATHER], lastUserText: "please get_weather" };
		expect(generate({ ...named, endsWithToolResult: true }, {}).parts[0]?.kind).toBe("text");
		expect(generate({ ...named, lastUserText: "hello" }, {}).parts[0]?.kind).toBe("text");
		expect(generate({ ...named, toolChoice: { kind: "none" } }, {}).parts[0]?.kind).toBe("text");
	});
});
