import fc from "fast-check";

/** What providers answer, right and wrong: shapes of both protocols with counts, names and texts that were not agreed on. */
const count = fc.oneof(
	{ arbitrary: fc.nat(100_000), weight: 6 },
	{
		arbitrary: fc.constantFrom<unknown>(-1, -0, 0.5, 2 ** 31, 2 ** 31 + 1, 2 ** 53, 1e308, null, "7", "", true, [], {}, [1], undefined),
		weight: 2,
	},
	{ arbitrary: fc.double({ noNaN: true, noDefaultInfinity: true }), weight: 1 },
);
const text = fc.oneof(
	fc.constantFrom("gpt-4o", "claude-sonnet-5-5", "standard", "priority", "", '"usage":1', "\\", "é𝒳", "\ud800", "\u0000"),
	fc.string({ unit: "binary", maxLength: 12 }),
);
const details = fc.oneof(
	fc.dictionary(
		fc.constantFrom(
			"cached_tokens",
			"cache_write_tokens",
			"audio_tokens",
			"reasoning_tokens",
			"thinking_tokens",
			"ephemeral_5m_input_tokens",
			"ephemeral_1h_input_tokens",
			"web_search_requests",
			"__proto__",
			"cache_write_tokens_details",
		),
		count,
		{ maxKeys: 4 },
	),
	count,
);

function objectOf(fields: Readonly<Record<string, fc.Arbitrary<unknown>>>): fc.Arbitrary<unknown> {
	return fc.record(fields, { requiredKeys: [] });
}

const usage = fc.oneof(
	{
		arbitrary: objectOf({
			prompt_tokens: count,
			completion_tokens: count,
			total_tokens: count,
			input_tokens: count,
			output_tokens: count,
			cache_read_input_tokens: count,
			cache_creation_input_tokens: count,
			prompt_tokens_details: details,
			completion_tokens_details: details,
			input_tokens_details: details,
			output_tokens_details: details,
			cache_creation: details,
			server_tool_use: details,
			service_tier: text,
			speed: text,
			inference_geo: text,
			iterations: fc.array(
				fc.oneof(objectOf({ type: fc.constantFrom("message", "compaction", "advisor"), input_tokens: count, output_tokens: count }), count),
				{
					maxLength: 3,
				},
			),
		}),
		weight: 6,
	},
	{ arbitrary: count, weight: 1 },
);
const agreed = fc.tuple(fc.nat(1_000), fc.nat(1_000)).map(([input, output]) => ({
	prompt_tokens: input,
	completion_tokens: output,
	total_tokens: input + output,
	input_tokens: input,
	output_tokens: output,
}));
const COUNT_FIELDS = [
	"prompt_tokens",
	"input_tokens",
	"completion_tokens",
	"output_tokens",
	"total_tokens",
	"cache_read_input_tokens",
	"cache_creation_input_tokens",
];
const DETAIL_FIELDS = [
	"prompt_tokens_details",
	"input_tokens_details",
	"completion_tokens_details",
	"output_tokens_details",
	"cache_creation",
	"server_tool_use",
];
/** Right but for one or two fields: most of what goes wrong in the field. */
const slipped = fc
	.tuple(
		agreed,
		fc.dictionary(fc.constantFrom(...COUNT_FIELDS), count, { maxKeys: 2 }),
		fc.dictionary(fc.constantFrom(...DETAIL_FIELDS), details, { maxKeys: 1 }),
	)
	.map(([right, counts, parts]) => ({ ...right, total_tokens: undefined, ...counts, ...parts }));
const anyUsage = fc.oneof({ arbitrary: usage, weight: 2 }, { arbitrary: agreed, weight: 1 }, { arbitrary: slipped, weight: 3 });
const item = objectOf({
	id: text,
	type: fc.constantFrom("message", "web_search_call", "file_search_call", "x_call", "_call"),
	action: fc.constant({ type: "search" }),
});

export const answer = objectOf({
	id: text,
	model: fc.oneof(text, count),
	service_tier: fc.oneof(text, count),
	usage: anyUsage,
	output: fc.oneof(fc.array(item, { maxLength: 4 }), count),
	tools: fc.array(objectOf({ type: fc.constantFrom("web_search_preview", "web_search", "x") }), { maxLength: 2 }),
	choices: fc.array(objectOf({ delta: objectOf({ content: text }), finish_reason: text }), { maxLength: 2 }),
	store: fc.boolean(),
	error: objectOf({ type: text, code: text }),
});

const event = fc.oneof(
	{ arbitrary: answer, weight: 4 },
	{
		arbitrary: objectOf({
			type: fc.constantFrom("message_start", "message_delta", "message_stop", "content_block_delta", "response.completed", "response.failed", "error", "ping"),
			message: answer,
			response: answer,
			delta: objectOf({ text, stop_reason: text, type: text }),
			usage: anyUsage,
			error: objectOf({ type: text }),
		}),
		weight: 4,
	},
);
const line = fc.oneof(
	{ arbitrary: event.map((value) => `data: ${JSON.stringify(value)}`), weight: 6 },
	{ arbitrary: event.map((value) => `data:${JSON.stringify(value, null, 1).replaceAll("\n", "\ndata:")}`), weight: 1 },
	{ arbitrary: fc.constantFrom("data: [DONE]", ": ping", "event: message_delta", "event: error", "data", "id: 1", "", "\uFEFFdata: {}"), weight: 3 },
);
const lineEnd = fc.constantFrom("\n", "\r\n", "\r");

/** Lines with any line end, mostly followed by the blank line that ends an event. */
export const eventStream = fc
	.array(fc.tuple(line, lineEnd, fc.oneof({ arbitrary: lineEnd, weight: 5 }, { arbitrary: fc.constant(""), weight: 1 })), { maxLength: 10 })
	.map((lines) => lines.flat().join(""));
