import { describe, expect, it } from "vitest";
import { factsOf, ownedReferencesOf } from "#domain/bound/request-facts.ts";
import { inspected, rejected } from "#test/support/inspect.ts";

const hello = [{ role: "user", content: "hello" }];
const chat = (more: object = {}): object => ({ model: "gpt-4o", messages: hello, ...more });
const messages = (more: object = {}): object => ({ model: "claude-sonnet-4-5", max_tokens: 100, messages: hello, ...more });
const responses = (more: object = {}): object => ({ model: "gpt-4o", input: "hello", ...more });
const userContent = (...content: object[]): object => ({ messages: [{ role: "user", content }] });

describe("what is read", () => {
	it("reads a chat request", () => {
		const request = inspected("chat.completions", chat({ stream: true, stream_options: { include_usage: true }, max_tokens: 7, n: 3 }));
		expect(request).toMatchObject({
			endpoint: "chat.completions",
			protocol: "openai",
			model: "gpt-4o",
			isStream: true,
			asksStreamUsage: true,
			outputCapTokens: 7,
			outputCapField: "max_tokens",
			choices: 3,
		});
	});

	it("takes absent and null as nothing asked", () => {
		const request = inspected("chat.completions", chat({ stream: null, stream_options: null, n: null, service_tier: null }));
		expect(request).toMatchObject({ isStream: false, asksStreamUsage: false, outputCapTokens: undefined, outputCapField: undefined, choices: 1 });
	});

	it("counts the higher of two caps", () => {
		expect(inspected("chat.completions", chat({ max_tokens: 10, max_completion_tokens: 20 }))).toMatchObject({
			outputCapTokens: 20,
			outputCapField: "max_completion_tokens",
		});
		expect(inspected("chat.completions", chat({ max_completion_tokens: 20, max_tokens: 10 }))).toMatchObject({
			outputCapTokens: 20,
			outputCapField: "max_completion_tokens",
		});
	});

	it("keeps what the caller claims, shortened, and nothing else", () => {
		const pairs = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`k${index}`, "v"]));
		const { claimed } = inspected("chat.completions", chat({ user: "u".repeat(600), safety_identifier: "s", metadata: { ...pairs, number: 1 } }));
		expect(claimed["user"]).toHaveLength(512);
		expect(claimed["safety_identifier"]).toBe("s");
		expect(Object.keys(claimed).filter((key) => key.startsWith("metadata."))).toHaveLength(16);
		expect(inspected("messages", messages({ metadata: { user_id: "x" } })).claimed).toEqual({ "metadata.user_id": "x" });
	});

	it("forwards the received buffer itself", () => {
		const body = Buffer.from(JSON.stringify(chat()));
		expect(inspected("chat.completions", body).body).toBe(body);
	});

	it("takes \\u0000 and lone surrogates in any text", () => {
		const request = inspected("chat.completions", `{"model":"gpt-4o","user":"a\\u0000b","messages":[{"role":"user","content":"\\u0000\\ud800"}]}`);
		expect(request.claimed["user"]).toBe("a\u0000b");
	});

	it("takes a caller's own U+FFFD", () => {
		expect(inspected("chat.completions", chat({ user: "\ufffd" })).claimed["user"]).toBe("\ufffd");
	});
});

describe("400: the body cannot be trusted to mean one thing", () => {
	it.each([
		"{",
		'{"model":"x"',
		'{"a":NaN}',
		'{"a":Infinity}',
		'{"a":-Infinity}',
		"{'a':1}",
		'{"a":1,}',
		'{"a":1}{"b":2}',
		'{"a":1} x',
		"[]",
		'"text"',
		"7",
		"null",
		"",
	])("refuses %j", (text) => {
		expect(rejected("chat.completions", text).code).toBe("request.invalid");
	});

	it("refuses bytes that are not UTF-8", () => {
		expect(rejected("chat.completions", Buffer.concat([Buffer.from('{"model":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}')])).code).toBe("request.invalid");
		expect(rejected("chat.completions", Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(JSON.stringify(chat()))])).code).toBe("request.invalid");
	});

	it.each(["Model", "MODEL", "max_Tokens", "max_to\u212aens", "me\u017f\u017fages"])("refuses %j, a known key in another case", (key) => {
		const problem = rejected("chat.completions", chat({ [key]: 1 }), { unknownFields: "pass" });
		expect(problem).toMatchObject({ code: "request.duplicate_field", field: key });
	});

	it("refuses a doubled key, written with an escape too", () => {
		expect(rejected("chat.completions", '{"model":"a","messages":[],"m\\u006fdel":"b"}')).toMatchObject({ code: "request.duplicate_field", field: "model" });
	});

	it.each([-1, 0, 1.5, "5", null, true, [], 1e300, 2 ** 31])("refuses the cap %j and names the field", (cap) => {
		for (const field of ["max_tokens", "max_completion_tokens"])
			expect(rejected("chat.completions", chat({ [field]: cap }))).toMatchObject({ code: "request.invalid", field });
		expect(rejected("responses", responses({ max_output_tokens: cap }))).toMatchObject({ code: "request.invalid", field: "max_output_tokens" });
		expect(rejected("messages", messages({ max_tokens: cap }))).toMatchObject({ code: "request.invalid", field: "max_tokens" });
	});

	it.each([0, -1, 1.5, "2", 1_025])("refuses n = %j", (n) => {
		expect(rejected("chat.completions", chat({ n }))).toMatchObject({ code: "request.invalid", field: "n" });
	});

	it.each([
		[{ model: "" }, "model"],
		[{ model: 5 }, "model"],
		[{ model: "m".repeat(257) }, "model"],
		[{ stream: "yes" }, "stream"],
		[{ stream_options: [] }, "stream_options"],
		[{ stream_options: { include_usage: 1 } }, "stream_options.include_usage"],
		[{ messages: "hello" }, "messages"],
		[{ messages: [] }, "messages"],
		[{ messages: ["hello"] }, "messages[0]"],
		[{ messages: [{ content: "x" }] }, "messages[0].role"],
		[{ messages: [{ role: "user", content: 5 }] }, "messages[0].content"],
		[{ messages: [{ role: "user", content: ["x"] }] }, "messages[0].content[0]"],
		[{ messages: [{ role: "user", content: [{}] }] }, "messages[0].content[0].type"],
		[{ tools: {} }, "tools"],
		[{ tools: [1] }, "tools[0]"],
		[{ temperature: "hot" }, "temperature"],
		[{ user: 5 }, "user"],
		[{ metadata: "x" }, "metadata"],
	])("refuses %j and names the field", (more, field) => {
		expect(rejected("chat.completions", chat(more))).toMatchObject({ code: "request.invalid", field });
	});

	it("refuses instructions of a response that are no text: items there would be inspected by nobody", () => {
		const instructions = [{ role: "developer", content: [{ type: "input_file", file_id: "file_1" }] }];
		expect(rejected("responses", responses({ instructions }))).toMatchObject({ code: "request.invalid", field: "instructions" });
	});

	it("asks for what every call needs", () => {
		expect(rejected("chat.completions", { messages: hello }).field).toBe("model");
		expect(rejected("chat.completions", { model: "gpt-4o" }).field).toBe("messages");
		expect(rejected("embeddings", { model: "x" }).field).toBe("input");
		expect(rejected("messages", { model: "x", messages: hello }).field).toBe("max_tokens");
	});

	it.each([5, {}, [], [{}], [1.5], [-1], [["x"]]])("refuses the embeddings input %j", (input) => {
		expect(rejected("embeddings", { model: "x", input })).toMatchObject({ code: "request.invalid", field: "input" });
	});

	it.each([0, 1_023, 1_024.5, "2000"])("refuses a thinking budget of %j", (budget) => {
		expect(rejected("messages", messages({ thinking: { type: "enabled", budget_tokens: budget } }))).toMatchObject({
			code: "request.invalid",
			field: "thinking.budget_tokens",
		});
	});
});

describe("422: what it costs is not known", () => {
	it("refuses an unknown field, tool type, content type and beta by default", () => {
		expect(rejected("chat.completions", chat({ turbo: true }))).toMatchObject({ code: "request.unknown_field", field: "turbo" });
		expect(rejected("chat.completions", chat({ tools: [{ type: "oracle" }] }))).toMatchObject({ code: "request.unknown_field", field: "tools[0].type" });
		expect(rejected("chat.completions", chat(userContent({ type: "hologram" })))).toMatchObject({
			code: "request.unknown_field",
			field: "messages[0].content[0].type",
		});
		expect(rejected("messages", messages(), { anthropicBeta: ["prompt-caching-2024-07-31, warp-2027-01-01"] })).toMatchObject({
			code: "request.unknown_field",
			field: "anthropic-beta",
		});
		expect(rejected("chat.completions", chat(userContent({ type: "constructor" }))).code).toBe("request.unknown_field");
	});

	it("lets them pass under the policy, and then reserves at the dearest line", () => {
		const options = { unknownFields: "pass", anthropicBeta: ["warp-2027-01-01"] } as const;
		expect(factsOf(inspected("messages", messages(), options)).isDearest).toBe(true);
		expect(factsOf(inspected("chat.completions", chat({ turbo: true }), options)).isDearest).toBe(true);
		expect(factsOf(inspected("chat.completions", chat({ tools: [{ type: "oracle" }] }), options)).isDearest).toBe(true);
		expect(factsOf(inspected("chat.completions", chat(userContent({ type: "hologram" })), options)).isDearest).toBe(true);
		expect(factsOf(inspected("chat.completions", chat())).isDearest).toBe(false);
	});

	it.each([
		["background", { background: true }],
		["prompt", { prompt: { id: "p" } }],
		["context_management", { context_management: [{ type: "compaction" }] }],
		["reasoning.mode", { reasoning: { mode: "pro" } }],
		["tools[0]", { tools: [{ type: "code_interpreter", container: { type: "auto" } }] }],
		["tools[0]", { tools: [{ type: "mcp" }], max_tool_calls: 1 }],
		["tools[0]", { tools: [{ type: "web_search" }] }],
		["tools[0].tools[0]", { tools: [{ type: "namespace", tools: [{ type: "image_generation" }] }] }],
		["input[0].tools[0]", { input: [{ type: "additional_tools", role: "developer", tools: [{ type: "shell" }] }] }],
		["input[0].tools[0]", { max_tool_calls: 1, input: [{ type: "additional_tools", role: "developer", tools: [{ type: "web_search" }] }] }],
		["input[0].tools[1]", { max_tool_calls: 1, input: [{ type: "tool_search_output", tools: [{ type: "custom" }, { type: "file_search" }] }] }],
		[
			"input[0].tools[0].tools[0]",
			{ max_tool_calls: 1, input: [{ type: "additional_tools", tools: [{ type: "namespace", tools: [{ type: "web_search" }] }] }] },
		],
		["input[0]", { input: [{ type: "compaction_trigger" }] }],
	])("refuses what cannot be bounded in a response: %s", (field, more) => {
		expect(rejected("responses", responses(more), { unknownFields: "pass" })).toMatchObject({ code: "request.unbounded", field });
	});

	it.each([
		["mcp_servers", { mcp_servers: [{ type: "url", url: "https://example.com" }] }, []],
		["context_management", { context_management: { edits: [{ type: "clear_tool_uses_20250919" }, { type: "compact_20260112" }] } }, []],
		["context_management", { context_management: { edits: ["clear_tool_uses_20250919"] } }, []],
		["context_management", { context_management: { edits: {} } }, []],
		["context_management", { context_management: { edits: [], compaction: { trigger: 1 } } }, []],
		["container", { container: "c" }, []],
		["inference_geo", { inference_geo: "us" }, []],
		["tools[0]", { tools: [{ type: "web_search_20250305", name: "web_search" }] }, []],
		["tools[0]", { tools: [{ type: "code_execution_20250825", name: "code_execution" }] }, []],
		["anthropic-beta", {}, ["mcp-client-2025-11-20"]],
	])("refuses what cannot be bounded in a message: %s", (field, more, anthropicBeta) => {
		expect(rejected("messages", messages(more), { anthropicBeta })).toMatchObject({ code: "request.unbounded", field });
	});

	it("refuses a service tier nobody has priced, naming the field", () => {
		expect(rejected("responses", responses({ service_tier: "ultrafast" }))).toMatchObject({ code: "pricing.unknown_tier", field: "service_tier" });
		expect(rejected("messages", messages({ speed: "warp" }), { unknownFields: "pass" })).toMatchObject({ code: "pricing.unknown_tier", field: "speed" });
	});

	it.each([
		["prompt_cache_options.ttl", "responses", responses({ prompt_cache_options: { ttl: "12h" } })],
		[
			"input[0].content[0].prompt_cache_breakpoint.ttl",
			"responses",
			responses({ input: [{ role: "user", content: [{ type: "input_text", text: "x", prompt_cache_breakpoint: { mode: "explicit", ttl: "12h" } }] }] }),
		],
		["prompt_cache_options.ttl", "chat.completions", chat({ prompt_cache_options: { ttl: "48h" } })],
		["system[0].cache_control.ttl", "messages", messages({ system: [{ type: "text", text: "x", cache_control: { type: "ephemeral", ttl: "24h" } }] })],
	] as const)("refuses a cache life without a price: %s in %s", (field, endpoint, body) => {
		expect(rejected(endpoint, body, { unknownFields: "pass" })).toMatchObject({ code: "request.unbounded", field });
	});

	it("takes priced cache lives, and a tool that has a parameter named ttl", () => {
		inspected("responses", responses({ prompt_cache_options: { ttl: "30m" } }));
		inspected("messages", messages({ cache_control: { type: "ephemeral", ttl: "1h" } }));
		inspected("chat.completions", chat({ tools: [{ type: "function", function: { name: "set", parameters: { properties: { ttl: { type: "string" } } } } }] }));
	});

	it("refuses headers of the SDKs that stand in the body", () => {
		expect(rejected("messages", messages({ user_profile_id: "p" })).code).toBe("request.unknown_field");
	});

	it("accepts the harmless values of the same fields", () => {
		inspected("responses", responses({ background: false, prompt: null, reasoning: { effort: "high", mode: "standard" }, service_tier: "flex" }));
		inspected("messages", messages({ inference_geo: "global", speed: "standard", service_tier: "auto" }), {
			anthropicBeta: ["interleaved-thinking-2025-05-14", ""],
		});
		inspected("responses", responses({ context_management: [] }));
		inspected("messages", messages({ mcp_servers: [], context_management: null }));
	});

	it("takes tools of the caller inside an item", () => {
		const tools = [{ type: "function" }, { type: "custom" }, { type: "local_shell" }, { type: "namespace", tools: [{ type: "function" }] }];
		for (const type of ["additional_tools", "tool_search_output"]) inspected("responses", responses({ input: [{ type, tools }] }));
	});

	it("takes edits that only take input away, and the betas an ordinary agent sends with them", () => {
		const edits = [
			{ type: "clear_thinking_20251015", keep: "all" },
			{ type: "clear_tool_uses_20250919", trigger: { type: "input_tokens", value: 1 } },
		];
		const anthropicBeta = ["claude-code-20250219,interleaved-thinking-2025-05-14", "context-management-2025-06-27", "effort-2025-11-24"];
		const more = ["web-fetch-2025-09-10", "prompt-caching-scope-2026-01-05", "mid-conversation-system-2026-04-07"];
		for (const context_management of [{ edits }, { edits: [] }, {}])
			inspected("messages", messages({ context_management }), { anthropicBeta: [...anthropicBeta, ...more] });
		inspected("count_tokens", { model: "claude-sonnet-4-5", messages: hello }, { anthropicBeta: [...anthropicBeta, ...more] });
	});
});

describe("what the bound is told", () => {
	it("lists what belongs to somebody, with its id: earlier answers and stored content, not URLs and sealed items", () => {
		const request = inspected(
			"responses",
			responses({
				previous_response_id: "resp_1",
				conversation: { id: "conv_1" },
				input: [
					{ id: "msg_1" },
					{ type: "reasoning", id: "rs_1", summary: [], encrypted_content: "AAAA" },
					{
						role: "user",
						content: [
							{ type: "input_file", file_id: "file_1" },
							{ type: "input_image", file_id: "file_2" },
							{ type: "input_file", file_url: "https://example.com/a.pdf" },
							{ type: "input_image", image_url: "https://example.com/a.png" },
						],
					},
				],
			}),
		);
		expect(ownedReferencesOf(request)).toEqual([
			{ field: "input[0]", id: "msg_1", kind: "item" },
			{ field: "input[2].content[0]", id: "file_1", kind: "stored" },
			{ field: "previous_response_id", id: "resp_1", kind: "answer" },
			{ field: "conversation", id: "conv_1", kind: "stored" },
			{ field: "input[2].content[1]", id: "file_2", kind: "stored" },
		]);
	});

	it("lists answers and messages that a request is compared with, wherever they add no input", () => {
		const options = { comparison_response_id: "resp_2" };
		const request = inspected("responses", responses({ previous_response_id: "resp_1", prompt_cache_options: options }));
		expect(ownedReferencesOf(request)).toEqual([
			{ field: "previous_response_id", id: "resp_1", kind: "answer" },
			{ field: "prompt_cache_options.comparison_response_id", id: "resp_2", kind: "answer" },
		]);
		expect(ownedReferencesOf(inspected("chat.completions", chat({ prompt_cache_options: options })))).toMatchObject([{ id: "resp_2", kind: "answer" }]);
		const compared = inspected("messages", messages({ diagnostics: { previous_message_id: "msg_1" } }));
		expect(ownedReferencesOf(compared)).toEqual([{ field: "diagnostics.previous_message_id", id: "msg_1", kind: "stored" }]);
		expect(factsOf(compared).references).toEqual([]);
		const none = inspected("messages", messages({ diagnostics: { previous_message_id: null } }));
		expect(ownedReferencesOf(none)).toEqual([]);
	});

	it("lists the vector stores of a file search, files of a message, and spoken answers", () => {
		const search = inspected("responses", responses({ tools: [{ type: "file_search", vector_store_ids: ["vs_1"] }], max_tool_calls: 1 }));
		expect(ownedReferencesOf(search)).toEqual([{ field: "tools[0]", id: undefined, kind: "stored" }]);
		const file = inspected("messages", messages(userContent({ type: "document", source: { type: "file", file_id: "file_1" } })));
		expect(ownedReferencesOf(file)).toEqual([{ field: "messages[0].content[0]", id: "file_1", kind: "stored" }]);
		const spoken = inspected("chat.completions", chat({ messages: [{ role: "assistant", audio: { id: "audio_1" } }, ...hello] }));
		expect(ownedReferencesOf(spoken)).toEqual([{ field: "messages[0].audio", id: "audio_1", kind: "stored" }]);
		expect(ownedReferencesOf(inspected("chat.completions", chat()))).toEqual([]);
	});

	it("takes text that is cut into citable pieces for what its bytes do not show", () => {
		const source = { type: "text", media_type: "text/plain", data: "One. Two." };
		const cited = (more: object) => factsOf(inspected("messages", messages(userContent({ type: "document", source, ...more }))));
		expect(cited({ citations: { enabled: true } })).toMatchObject({ references: [{ field: "messages[0].content[0]" }], hasUnseenImages: false });
		for (const more of [{}, { citations: null }, { citations: { enabled: false } }]) expect(cited(more).references).toEqual([]);
		const found = { type: "search_result", source: "a", title: "b", content: [{ type: "text", text: "One." }], citations: { enabled: true } };
		expect(factsOf(inspected("messages", messages(userContent(found)))).references).toHaveLength(1);
	});

	it("counts inline media once, not as text", () => {
		const image = { type: "image_url", image_url: { url: `data:image/png;base64,${"A".repeat(5_000)}` } };
		const request = inspected("chat.completions", chat(userContent(image, { type: "input_audio", input_audio: { data: "A".repeat(4_000), format: "mp3" } })));
		const facts = factsOf(request);
		expect(facts).toMatchObject({ images: 1, audioBytes: 3_000, firstImageField: "messages[0].content[0]", firstAudioField: "messages[0].content[1]" });
		expect(facts.textBytes).toBe(request.body.length - image.image_url.url.length - 4_000);
	});

	it("looks into tool results and documents", () => {
		const image = { type: "image", source: { type: "base64", media_type: "image/png", data: "AAAA" } };
		const pdf = { type: "document", source: { type: "base64", media_type: "application/pdf", data: "AAAA" } };
		const text = { type: "document", source: { type: "text", media_type: "text/plain", data: "hello" } };
		const nested = { type: "document", source: { type: "content", content: [image] } };
		const facts = factsOf(
			inspected(
				"messages",
				messages(
					userContent({ type: "tool_result", tool_use_id: "t", content: [image, pdf] }, text, nested, {
						type: "document",
						source: { type: "url", url: "https://example.com/a.pdf" },
					}),
				),
			),
		);
		expect(facts).toMatchObject({ images: 2, documents: 1, references: [{ field: "messages[0].content[3]", id: "https://example.com/a.pdf", kind: "open" }] });
	});

	it("sees caching, tiers and hosted calls", () => {
		expect(factsOf(inspected("messages", messages())).cacheWrites).toBe("none");
		expect(factsOf(inspected("messages", messages({ cache_control: { type: "ephemeral" } }))).cacheWrites).toBe("short");
		expect(factsOf(inspected("messages", messages({ cache_control: { type: "ephemeral", ttl: "1h" } }))).cacheWrites).toBe("long");
		expect(factsOf(inspected("chat.completions", chat())).cacheWrites).toBe("short");
		expect(factsOf(inspected("chat.completions", chat({ service_tier: "fast" }))).askedTiers.map(({ tier }) => tier)).toEqual(["priority", "standard"]);
		expect(factsOf(inspected("responses", responses({ tools: [{ type: "web_search" }], max_tool_calls: 3 }))).hostedTools).toEqual([
			{ field: "tools[0]", feeName: "web_search", calls: 3 },
		]);
		expect(factsOf(inspected("messages", messages({ tools: [{ type: "web_search_20250305", name: "web_search", max_uses: 2 }] }))).hostedTools).toEqual([
			{ field: "tools[0]", feeName: "web_search", calls: 2 },
		]);
	});

	it("has no opinion on what counting tokens is given", () => {
		inspected("count_tokens", {
			model: "claude-sonnet-4-5",
			messages: hello,
			tools: [{ type: "code_execution_20250825", name: "x" }],
			thinking: { type: "enabled", budget_tokens: 1 },
		});
	});
});
