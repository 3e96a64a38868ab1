import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { degradedBy, servedAsAsked } from "#domain/budget/degrade.ts";
import { makePriceBook } from "#domain/pricing/make-price-book.ts";
import { createFakeAuthority, type FakeAuthority } from "#test/support/fake-authority.ts";
import { testPriceBook } from "#test/support/gateway-price-book.ts";
import { startTestGateway, type TestGateway } from "#test/support/gateway-server.ts";
import { chatBody, JSON_HEADERS, rawCall } from "#test/support/raw-call.ts";
import { type ScriptedProvider, startScriptedProvider } from "#test/support/scripted-provider.ts";

/** A call that a budget's line degrades: sent, priced and booked as the model in its place, and said so in a header. */
const ANSWER = '{"model":"gpt-4o-mini","usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}';

let provider: ScriptedProvider;
let gateway: TestGateway;
let authority: FakeAuthority;
let degradeTo: Record<string, string>;

function priceBook() {
	const { lines } = testPriceBook();
	const [first] = lines;
	return makePriceBook(8, [...lines, { ...(first ?? expect.fail("a line")), model: "gpt-4o-mini", aliases: [] }]);
}

beforeAll(async () => {
	provider = await startScriptedProvider(({ response }) => {
		response.writeHead(200, { "content-type": "application/json" });
		response.end(ANSWER);
	});
});
afterAll(() => provider.close());
beforeEach(async () => {
	authority = createFakeAuthority(priceBook());
	degradeTo = { "gpt-4o": "gpt-4o-mini" };
	const admit = authority.admit.bind(authority);
	authority.admit = (input) => {
		const serving = input.serving ?? servedAsAsked(input.model);
		if (serving.applied.size > 0 || !Object.hasOwn(degradeTo, input.model)) return admit(input);
		const servedAs = degradedBy([{ at: { basisPoints: 9000 }, degradeTo }], { budgetId: "1", place: 1 }, serving);
		return { kind: "refused", servedAs, refusal: { ...EMPTY_REFUSAL, message: "beyond the line" } };
	};
	gateway = await startTestGateway({ authority, providerUrl: provider.url });
	return () => gateway.close();
});

const EMPTY_REFUSAL = {
	code: "budget.exceeded",
	...{ budget: null, unit: null, limitAmount: null, leftAmount: null, resetsAt: null, heldAmount: null, heldUntil: null },
	...{ howToAsk: "", retryAfterSeconds: null },
} as const;

test("is served by the other model over the same protocol, and the header says what was asked for", async () => {
	const answer = await rawCall(gateway.url, { body: chatBody({}) });
	expect(answer.status).toBe(200);
	expect(answer.headers).toMatchObject({ "x-tollgate-degraded": "gpt-4o", "x-tollgate-model": "gpt-4o-mini" });
	expect(JSON.parse(provider.received.at(-1)?.body.toString() ?? "")).toMatchObject({ model: "gpt-4o-mini", max_tokens: 40 });
	expect(authority.attempts).toMatchObject([{ outcome: "settled", input: { model: "gpt-4o-mini", line: { model: "gpt-4o-mini" } } }]);
});

test("has no such header where nothing was degraded", async () => {
	degradeTo = {};
	const answer = await rawCall(gateway.url, { body: chatBody({}) });
	expect(answer.headers).not.toHaveProperty("x-tollgate-degraded");
	expect(answer.headers["x-tollgate-model"]).toBe("gpt-4o");
});

test("says so again when its stored answer is replayed", async () => {
	const call = { headers: [...JSON_HEADERS, "idempotency-key", "degraded-1"], body: chatBody({}) };
	await rawCall(gateway.url, call);
	const replayed = await rawCall(gateway.url, call);
	expect(replayed.headers).toMatchObject({ "x-tollgate-idempotent-replay": "true", "x-tollgate-degraded": "gpt-4o" });
});

test.each(["claude-sonnet-5-5", "nowhere"])("is refused where %s cannot serve it: beyond the line the dear model is not used", async (served) => {
	degradeTo = { "gpt-4o": served };
	const before = provider.received.length;
	const answer = await rawCall(gateway.url, { body: chatBody({}) });
	expect(answer.status).toBeGreaterThanOrEqual(400);
	expect(answer.body.toString()).toContain(`beyond which gpt-4o is served by ${served}`);
	expect(provider.received.length).toBe(before);
	expect(authority.attempts).toEqual([]);
});
