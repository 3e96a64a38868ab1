import { connect } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import fc from "fast-check";
import { createFakeAuthority, type FakeAuthority, TEST_KEY } from "#test/support/fake-authority.ts";
import { testPriceBook } from "#test/support/gateway-price-book.ts";
import { startTestGateway } from "#test/support/gateway-server.ts";
import { createMemoryIdempotencyStore } from "#test/support/memory-idempotency.ts";
import { type ReceivedCall, startScriptedProvider } from "#test/support/scripted-provider.ts";
import { answer, eventStream } from "../answers.ts";
import { mutated, toBytes } from "../bytes.ts";
import { type FuzzTarget, holds } from "../target.ts";

/** Stands in every input where text can stand; it may come back to the caller, and nowhere else. */
const MARK = "zqmarkqz";

const part = fc.oneof(
	fc.constantFrom(MARK, "", "hello", "é𝒳", "\ud800", "\u0000", "'; DROP TABLE x; --", "%s%n", "a".repeat(2_000)),
	fc.string({ unit: "binary", maxLength: 10 }),
);
const content = fc.oneof(
	part,
	fc.array(fc.record({ type: fc.constantFrom("text", "image_url", "input_text", "tool_use", MARK), text: part }, { requiredKeys: ["type"] }), { maxLength: 2 }),
);
const odd = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom<unknown>(-1, 0, 1e308, 2 ** 53, 0.5, null, MARK, [], {}));
const field = {
	messages: fc.array(fc.record({ role: fc.constantFrom("user", "system", "assistant", MARK), content }), { maxLength: 3 }),
	input: fc.oneof(part, fc.array(part, { maxLength: 2 })),
	max_tokens: fc.integer({ min: 1, max: 100 }),
	max_completion_tokens: fc.integer({ min: 1, max: 100 }),
	stream: fc.boolean(),
	stream_options: fc.constant({ include_usage: true }),
	n: fc.integer({ min: 1, max: 3 }),
	user: part,
	metadata: fc.dictionary(part, part, { maxKeys: 2 }),
	system: content,
	service_tier: fc.constantFrom("auto", "default", "flex"),
} as const;
/** Mostly what the endpoint takes; sometimes one thing that it does not. */
const slips = fc.oneof(
	{ arbitrary: fc.constant({}), weight: 3 },
	{
		arbitrary: fc.dictionary(
			fc.constantFrom(...Object.keys(field), "model", "tools", "thinking", "max_output_tokens", "previous_response_id", "__proto__", MARK),
			odd,
			{ minKeys: 1, maxKeys: 2 },
		),
		weight: 1,
	},
);
const message = fc.record({ role: fc.constantFrom("user", "assistant"), content: part.map((text) => text || "x") });
const messages = fc.array(message, { minLength: 1, maxLength: 3 });
const { max_tokens, max_completion_tokens, stream, stream_options, n, user, service_tier, metadata } = field;
const goodBody = {
	"/v1/chat/completions": fc.record(
		{ model: fc.constant("gpt-4o"), messages, max_completion_tokens, stream, n, user, metadata, service_tier, stream_options },
		{ requiredKeys: ["model", "messages"] },
	),
	"/v1/responses": fc.record({ model: fc.constant("gpt-4o"), input: part, max_output_tokens: max_tokens, stream, user }, { requiredKeys: ["model", "input"] }),
	"/v1/embeddings": fc.record({ model: fc.constant("text-embedding-3-small"), input: field.input, user }, { requiredKeys: ["model", "input"] }),
	"/v1/messages": fc.record(
		{ model: fc.constant("claude-sonnet-5-5"), messages, max_tokens, stream, system: part },
		{ requiredKeys: ["model", "messages", "max_tokens"] },
	),
	"/v1/messages/count_tokens": fc.record({ model: fc.constant("claude-sonnet-5-5"), messages, system: part }, { requiredKeys: ["model", "messages"] }),
} as const satisfies Readonly<Record<string, fc.Arbitrary<unknown>>>;
type ModelPath = keyof typeof goodBody;
const MODEL_PATHS = Object.keys(goodBody) as readonly ModelPath[];

function bodyFor(path: ModelPath): fc.Arbitrary<string> {
	return fc.tuple(goodBody[path] as fc.Arbitrary<object>, slips).map(([body, slip]) => JSON.stringify({ ...body, ...slip }));
}

const headerText = fc.oneof(
	fc.constantFrom(MARK, "", "identity", "gzip", "chunked", "100-continue", "application/json", "text/plain", "\x80\xff", "a".repeat(3_000)),
	fc.string({ unit: "binary", maxLength: 12 }),
);
const header = fc.tuple(
	fc.oneof(
		fc.constantFrom(
			"content-type",
			"authorization",
			"x-api-key",
			"api-key",
			"idempotency-key",
			"x-tollgate-user",
			"anthropic-beta",
			"anthropic-version",
			"expect",
			"content-encoding",
			"accept",
			"connection",
			"host",
			MARK,
		),
		fc.string({ maxLength: 6 }),
	),
	headerText,
);
const otherPaths = fc.oneof(
	{ arbitrary: fc.constantFrom("/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/messages", "/v1/messages/count_tokens"), weight: 9 },
	{
		arbitrary: fc.constantFrom(
			"/v1/models",
			`/v1/models/${MARK}`,
			"/healthz",
			"/readyz",
			"/metrics",
			"/v1/%zz",
			"//",
			"*",
			`/v1/chat/completions?beta=${MARK}`,
			"/v1/../v1/messages",
			"http://h/v1/messages",
		),
		weight: 2,
	},
	{ arbitrary: fc.string({ maxLength: 20 }), weight: 1 },
);

type Case = {
	readonly method: string;
	readonly path: string;
	readonly headers: readonly (readonly [string, string])[];
	readonly body: string;
	readonly isWrongLength: boolean;
	readonly answer: string;
	readonly isStream: boolean;
	readonly status: number;
};

const target = fc.oneof(
	{
		arbitrary: fc.constantFrom(...MODEL_PATHS).chain((path) => {
			const good = bodyFor(path).map((text) => Buffer.from(text).toString("latin1"));
			return fc.record({ path: fc.constant<string>(path), body: fc.oneof({ arbitrary: good, weight: 3 }, { arbitrary: mutated(bodyFor(path)), weight: 1 }) });
		}),
		weight: 9,
	},
	{ arbitrary: fc.record({ path: otherPaths, body: mutated(bodyFor("/v1/messages")) }), weight: 1 },
);

const cases: fc.Arbitrary<Case> = fc
	.record({
		target,
		method: fc.oneof({ arbitrary: fc.constant("POST"), weight: 19 }, { arbitrary: fc.constantFrom("GET", "PUT", "OPTIONS", "HEAD", "BREW", ""), weight: 1 }),
		headers: fc.oneof({ arbitrary: fc.constant([]), weight: 2 }, { arbitrary: fc.array(header, { maxLength: 3 }), weight: 1 }),
		isWrongLength: fc.integer({ min: 0, max: 19 }).map((value) => value === 0),
		answer: fc.oneof(mutated(answer.map((value) => JSON.stringify(value))), mutated(eventStream)),
		isStream: fc.boolean(),
		status: fc.oneof({ arbitrary: fc.constant(200), weight: 5 }, { arbitrary: fc.constantFrom(201, 307, 400, 408, 429, 500, 503, 529), weight: 1 }),
	})
	.map(({ target: { path, body }, ...rest }) => ({ ...rest, path, body }));

/**
 * One request over a socket, byte for byte, to a gateway whose provider answers as badly: it is answered, or its connection
 * closed; never with a 500, nothing of it stands in a log line, and whatever was reserved is booked exactly once.
 */
export const httpRequests: FuzzTarget = {
	name: "http",
	async open() {
		let current: Case | undefined;
		const provider = await startScriptedProvider(({ response }) => {
			response.writeHead(current?.status ?? 200, { "content-type": current?.isStream ? "text/event-stream" : "application/json" });
			response.end(toBytes(current?.answer ?? ""));
		});
		const authority = createFakeAuthority(testPriceBook());
		const idempotencyStore = createMemoryIdempotencyStore();
		const limits = { keepAliveTimeoutMs: 300, bodyBytesMax: 100_000 };
		const gateway = await startTestGateway({ authority, providerUrl: provider.url, limits, idempotencyStore });
		return {
			cases: cases as fc.Arbitrary<never>,
			async check(input) {
				current = input as unknown as Case;
				authority.attempts.length = 0;
				provider.received.length = 0;
				authority.assertionsLeft = 2;
				idempotencyStore.records.clear();
				checkAnswer(await exchange(Number(new URL(gateway.url).port), current), current);
				while (authority.attempts.some(({ outcome }) => outcome === "open")) await nextTurn();
				checkBooks(authority, provider.received);
				const lines = gateway.log.splice(0);
				holds(!lines.some((line) => line.includes(MARK)), "nothing of a request stands in a log line", lines);
			},
			async close() {
				await gateway.close();
				await provider.close();
			},
		};
	},
};

/** Each call that was sent had a reservation of its own. That none was booked twice the authority itself throws for. */
function checkBooks({ attempts }: FakeAuthority, received: readonly ReceivedCall[]): void {
	const sent = received.map(({ request }) => String(request.headers["x-client-request-id"]));
	const reserved = new Set(attempts.map(({ attemptId }) => attemptId));
	holds(new Set(sent).size === sent.length && sent.every((id) => reserved.has(id)), "every call sent was reserved once", sent, [...reserved]);
}

function toRequest({ method, path, headers, body, isWrongLength }: Case): Buffer {
	const bytes = toBytes(body);
	const given = headers.map(([name, value]) => `${name}: ${value}`);
	const has = (name: string) => headers.some(([given]) => given.toLowerCase() === name);
	const own = [
		...(has("host") ? [] : ["host: gateway"]),
		...(has("authorization") || has("x-api-key") || has("api-key") ? [] : [`authorization: Bearer ${TEST_KEY}`]),
		...(has("connection") ? [] : ["connection: close"]),
		`content-length: ${bytes.length + (isWrongLength ? 5 : 0)}`,
	];
	return Buffer.concat([Buffer.from(`${method} ${path} HTTP/1.1\r\n${[...own, ...given].join("\r\n")}\r\n\r\n`, "latin1"), bytes]);
}

/** Everything that came back until the gateway closed. */
function exchange(port: number, input: Case): Promise<string> {
	return new Promise((resolve, reject) => {
		const chunks: Buffer[] = [];
		const socket = connect(port, "127.0.0.1");
		socket.on("data", (chunk) => {
			chunks.push(chunk);
			// A connection that the request asked to keep: what was sent is answered.
			if (isWhole(Buffer.concat(chunks))) socket.end();
		});
		socket.once("close", () => resolve(Buffer.concat(chunks).toString("latin1")));
		socket.once("error", (error: NodeJS.ErrnoException) => (error.code === "ECONNRESET" || error.code === "EPIPE" ? undefined : reject(error)));
		if (input.isWrongLength) socket.end(toRequest(input));
		else socket.write(toRequest(input));
	});
}

function isWhole(received: Buffer): boolean {
	const text = received.toString("latin1");
	const end = text.indexOf("\r\n\r\n");
	if (text.endsWith("\r\n0\r\n\r\n")) return true;
	const length = /\r\ncontent-length: (\d+)\r\n/i.exec(text.slice(0, end + 2))?.[1];
	return end !== -1 && length !== undefined && received.length >= end + 4 + Number(length);
}

function checkAnswer(answered: string, { status: providerStatus }: Case): void {
	if (answered === "") return;
	const status = Number(/^(?:HTTP\/1\.1 100 Continue\r\n\r\n)?HTTP\/1\.1 (\d{3}) /.exec(answered)?.[1]);
	holds(Number.isInteger(status), "an answer of HTTP", answered.slice(0, 200));
	// A provider's own 500 passes as it is.
	holds(status !== 500 || providerStatus === 500, "never a 500", answered.slice(0, 1_000));
	holds(!answered.includes("    at "), "no stack trace", answered.slice(0, 1_000));
}
