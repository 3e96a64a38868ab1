import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { DEFAULT_TEAM_POLICY } from "#domain/budget/team-policy.ts";
import { createFakeAuthority, type FakeAuthority, keyIdentity } from "#test/support/fake-authority.ts";
import { testPriceBook } from "#test/support/gateway-price-book.ts";
import { startTestGateway, type TestGateway } from "#test/support/gateway-server.ts";
import { JSON_HEADERS, type RawAnswer, rawCall } from "#test/support/raw-call.ts";
import { type SimulatedProvider, startSimulatedProvider } from "#test/support/simulated-provider.ts";

/** What other teams keep with the provider is nobody's business: all teams share one account there. */

let provider: SimulatedProvider;
let gateway: TestGateway;
let authority: FakeAuthority;

beforeAll(async () => {
	provider = await startSimulatedProvider();
});
afterAll(() => provider.close());
beforeEach(async () => {
	authority = createFakeAuthority(testPriceBook());
	authority.keys.set("tg_other_team_000000", keyIdentity({ keyId: "key2", teamId: "other" }));
	gateway = await startTestGateway({ authority, providerUrl: provider.url });
	return () => gateway.close();
});

const OTHER_TEAM = ["authorization", "Bearer tg_other_team_000000", "content-type", "application/json"];

function respond(changes: object, headers: readonly string[] = JSON_HEADERS): Promise<RawAnswer> {
	return rawCall(gateway.url, { path: "/v1/responses", headers, body: JSON.stringify({ model: "gpt-4o", input: "hello", max_output_tokens: 40, ...changes }) });
}

function idOf(answer: RawAnswer): string {
	const text = answer.body.toString();
	const [, id] = /"id":"(resp_[^"]+)"/.exec(text) ?? [];
	return id ?? expect.fail(`no response id in ${text.slice(0, 200)}`);
}

function expectRefused(answer: RawAnswer, field: string): void {
	expect(answer.status).toBe(422);
	expect(JSON.parse(answer.body.toString()).error).toMatchObject({ code: "request.unknown_reference", param: field });
}

test.each([
	["in one piece", {}],
	["as a stream", { stream: true }],
])("an earlier answer %s is continued by the team that received it, and by no other", async (_name, how) => {
	const first = await respond(how);
	expect(first.status).toBe(200);
	const previous = { previous_response_id: idOf(first) };
	expect((await respond(previous)).status).toBe(200);
	const sent = authority.attempts.length;
	expectRefused(await respond(previous, OTHER_TEAM), "previous_response_id");
	expect(authority.attempts).toHaveLength(sent);
});

test.each([
	["in one piece", {}],
	["as a stream", { stream: true }],
])("items of an answer %s are named by the team that received them, and by no other", async (_name, how) => {
	const first = await respond(how);
	const [, itemId] = /"id":"(msg_[^"]+)"/.exec(first.body.toString()) ?? [];
	const input = [
		{ role: "user", content: "hello" },
		{ type: "item_reference", id: itemId },
		{ role: "user", content: "and now?" },
	];
	expect((await respond({ input })).status).toBe(200);
	expect(authority.attempts[1]?.input.bound.inputTokens).toBeGreaterThanOrEqual(128_000);
	expectRefused(await respond({ input }, OTHER_TEAM), "input[1]");
	const withNobodys = [...input, { id: "msg_of_nobody" }];
	expectRefused(await respond({ input: withNobodys }), "input[3]");
	expectRefused(await respond({ input: [{ type: "item_reference" }] }), "input[0]");
});

test("items of an answer that is not stored are nobody's", async () => {
	const first = await respond({ store: false });
	const [, id] = /"id":"(msg_[^"]+)"/.exec(first.body.toString()) ?? [];
	expectRefused(await respond({ input: [{ type: "item_reference", id }] }), "input[0]");
});

test("an answer that a request is only compared with is the team's own too", async () => {
	const first = await respond({});
	const compared = { prompt_cache_options: { comparison_response_id: idOf(first) } };
	expect((await respond(compared)).status).toBe(200);
	expect((await respond({ ...compared, previous_response_id: idOf(first) })).status).toBe(200);
	expectRefused(await respond(compared, OTHER_TEAM), "prompt_cache_options.comparison_response_id");
	const second = await respond({}, OTHER_TEAM);
	expectRefused(await respond({ ...compared, previous_response_id: idOf(second) }, OTHER_TEAM), "prompt_cache_options.comparison_response_id");
});

test.each(["resp_of_nobody", "", "resp_\u0000", "r".repeat(300)])("%j is nobody's answer", async (id) => {
	expectRefused(await respond({ previous_response_id: id }), "previous_response_id");
	expect(authority.attempts).toHaveLength(0);
});

const STORED: readonly [string, object][] = [
	["conversation", { conversation: "conv_1" }],
	["input[0]", { input: [{ type: "item_reference", id: "msg_1" }] }],
	["input[0].content[0]", { input: [{ role: "user", content: [{ type: "input_file", file_id: "file_1" }] }] }],
	["input[0].content[0]", { input: [{ role: "user", content: [{ type: "input_image", file_id: "file_1" }] }] }],
];

test.each(STORED)("what is stored in the shared account is refused: %s", async (field, changes) => {
	expectRefused(await respond(changes), field);
	expect(authority.attempts).toHaveLength(0);
});

test.each(STORED)("unless the team's policy says that it may pass: %s, held at a context window", async (_field, changes) => {
	authority.policy = { ...DEFAULT_TEAM_POLICY, unknownFields: "pass" };
	await respond(changes);
	expect(authority.attempts[0]?.input.bound.inputTokens).toBeGreaterThanOrEqual("conversation" in changes ? 128_000 : 2_000);
});

test("a vector store is refused by its tool, a file of a message by its part", async () => {
	expectRefused(await respond({ max_tool_calls: 1, tools: [{ type: "file_search", vector_store_ids: ["vs_1"] }] }), "tools[0]");
	const content = [{ type: "document", source: { type: "file", file_id: "file_1" } }];
	const body = JSON.stringify({ model: "claude-sonnet-5-5", max_tokens: 40, messages: [{ role: "user", content }] });
	const answer = await rawCall(gateway.url, { path: "/v1/messages", headers: [...JSON_HEADERS, "anthropic-version", "2023-06-01"], body });
	expect(answer.status).toBe(422);
	expect(JSON.parse(answer.body.toString()).error).toMatchObject({ code: "request.unknown_reference", param: "messages[0].content[0]" });
	expect(authority.attempts).toHaveLength(0);
});

test("a tier without a price is refused by name, before anything is reserved", async () => {
	const answer = await respond({ service_tier: "priority" });
	expect(answer.status).toBe(422);
	expect(JSON.parse(answer.body.toString()).error).toMatchObject({ code: "pricing.unknown_tier", param: "service_tier" });
	expect(authority.attempts).toHaveLength(0);
});
