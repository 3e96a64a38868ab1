import { describe, expect, it } from "vitest";
import { DirectiveError, findMarker, parseDirective } from "#simulator/directive.ts";
import { readSettings, SettingsError } from "#simulator/settings.ts";
import { slicesOf } from "#simulator/slices.ts";

describe("directives", () => {
	it("are found in the newest text that carries one", () => {
		expect(findMarker(['a [[simulate:{"outputTokens":1}]] b', 'c [[simulate:{"outputTokens":2}]] d', "e"])).toEqual({ outputTokens: 2 });
		expect(findMarker(["nothing"])).toBeUndefined();
	});

	it("may hold a script of tool calls", () => {
		const toolCalls = [{ name: "search", arguments: { q: ["a"] }, times: 12 }, { name: "fetch" }];
		expect(findMarker([`go [[simulate:${JSON.stringify({ toolCalls })}]]`])).toEqual({ toolCalls });
	});

	it.each([
		'{"toolCalls":{}}',
		'{"toolCalls":[{"name":""}]}',
		'{"toolCalls":[{"name":"a","times":0}]}',
		'{"toolCalls":[{"name":"a","arguments":[]}]}',
		'{"toolCalls":[{"name":"a","args":{}}]}',
	])("are refused where a script is none: %s", (json) => {
		expect(() => parseDirective(json)).toThrow(/toolCalls must be/);
	});

	it.each(["{", "[]", '{"outputToken":1}', '{"outputTokens":-1}', '{"fault":"explode"}', '{"status":200}', '{"__proto__":1}'])(
		"are refused when unreadable: %s",
		(json) => {
			expect(() => parseDirective(json)).toThrow(DirectiveError);
		},
	);

	it("are refused when the marker is open", () => {
		expect(() => findMarker(["[[simulate:{}"])).toThrow(DirectiveError);
	});
});

describe("settings", () => {
	it("name every mistake at once", () => {
		const read = () => readSettings({ TOLLGATE_PROVIDER_PORT: "99999", TOLLGATE_SIMULATOR_LATENCY_MS: "soon", TOLLGATE_SIMULATOR_FAULT_RATES: '{"hang":2}' });
		expect(read).toThrow(SettingsError);
		expect(read).toThrow(/TOLLGATE_PROVIDER_PORT[\s\S]*TOLLGATE_SIMULATOR_LATENCY_MS[\s\S]*TOLLGATE_SIMULATOR_FAULT_RATES/);
	});

	it("have defaults", () => {
		expect(readSettings({})).toMatchObject({ host: "127.0.0.1", port: 0, pace: { latencyMs: 20, tokensPerSecond: 2_000 }, faultRates: {} });
	});
});

describe("slices", () => {
	const bytes = Buffer.from("a é 予 🙂 z");

	it("lose no byte", () => {
		expect(Buffer.concat(slicesOf(bytes, "one_byte_slices") ?? [])).toEqual(bytes);
		expect(Buffer.concat(slicesOf(bytes, "split_utf8") ?? [])).toEqual(bytes);
		expect(slicesOf(bytes, undefined)).toBeUndefined();
	});

	it("cut inside characters", () => {
		expect(slicesOf(bytes, "split_utf8")?.map((slice) => slice.length)).toEqual([3, 3, 4, 5]);
	});
});
