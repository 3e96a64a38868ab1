import { pino } from "pino";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type CallFacts, type Decision, emptyDecisionCounters } from "#activities/decisions/port.ts";
import { loadSettings } from "#config/load.ts";
import type { ProviderTable } from "#config/providers.ts";
import { openDecider } from "#gateway/open-decider.ts";
import { createFakeAuthority, type FakeAuthority, keyIdentity, TEST_KEY } from "#test/support/fake-authority.ts";
import { testPriceBook } from "#test/support/gateway-price-book.ts";
import { simulatedProviderTable, startTestGateway, type TestGateway } from "#test/support/gateway-server.ts";
import { chatBody, JSON_HEADERS, messagesBody, rawCall } from "#test/support/raw-call.ts";
import { startScriptedProvider } from "#test/support/scripted-provider.ts";
import { type SimulatedProvider, startSimulatedProvider } from "#test/support/simulated-provider.ts";

/** Whoever has a say in a call has it before money is touched, and only to refuse. */

let provider: SimulatedProvider;
let gateway: TestGateway;
let authority: FakeAuthority;
let decision: Decision | ((facts: CallFacts) => Decision);
const asked: CallFacts[] = [];

beforeAll(async () => {
	provider = await startSimulatedProvider();
});
afterAll(() => provider.close());

const askingDecider = {
	isAsked: true,
	decide: (facts: CallFacts) => {
		asked.push(facts);
		return Promise.resolve(typeof decision === "function" ? decision(facts) : decision);
	},
	close: () => Promise.resolve(),
};

function startDecided(options: { readonly table?: ProviderTable } = {}): Promise<TestGateway> {
	return startTestGateway({ authority, providerUrl: provider.url, decisions: { decider: askingDecider, counters: emptyDecisionCounters() }, ...options });
}

beforeEach(async () => {
	asked.length = 0;
	decision = { kind: "allowed" };
	authority = createFakeAuthority(testPriceBook());
	gateway = await startDecided();
	return () => gateway.close();
});

const ANTHROPIC = ["x-api-key", TEST_KEY, "content-type", "application/json", "anthropic-version", "2023-06-01"];

describe("what is not allowed", () => {
	test("a denied call gets 403 with the reasons in OpenAI's shape; no money is asked for and nothing is sent", async () => {
		decision = { kind: "denied", reasons: ["Not on Sundays.", "Not this model."] };
		const answer = await rawCall(gateway.url, { body: chatBody({}) });
		expect(answer.status).toBe(403);
		expect(answer.headers["x-should-retry"]).toBe("false");
		expect(JSON.parse(answer.body.toString())).toMatchObject({
			error: {
				code: "policy.denied",
				type: "permission_error",
				message: "The policy of this system does not allow this call. Not on Sundays. Not this model.",
			},
		});
		expect(authority.attempts).toEqual([]);
		expect(authority.counters).toMatchObject({ admitted: 0, refused: 0 });
	});

	test("and in Anthropic's", async () => {
		decision = { kind: "denied", reasons: [] };
		const answer = await rawCall(gateway.url, { path: "/v1/messages", headers: ANTHROPIC, body: messagesBody({}, { stream: true }) });
		expect(answer.status).toBe(403);
		expect(JSON.parse(answer.body.toString())).toMatchObject({ type: "error", error: { code: "policy.denied", type: "permission_error" } });
		expect(authority.attempts).toEqual([]);
	});

	test("a call that is not decided gets 503, may be tried again, and says nothing of why", async () => {
		decision = { kind: "undecided", problem: "connect ECONNREFUSED 10.1.2.3:8181" };
		const answer = await rawCall(gateway.url, { body: chatBody({}) });
		expect(answer.status).toBe(503);
		expect(answer.headers["retry-after"]).toBe("1");
		expect(answer.headers["x-should-retry"]).toBeUndefined();
		expect(JSON.parse(answer.body.toString())).toMatchObject({ error: { code: "policy.unreachable", type: "service_unavailable_error" } });
		expect(answer.body.toString()).not.toContain("10.1.2.3");
		expect(authority.attempts).toEqual([]);
	});

	test("refusals are counted by their code", async () => {
		decision = ({ isStream }) => (isStream ? { kind: "denied", reasons: [] } : { kind: "undecided", problem: "away" });
		await rawCall(gateway.url, { body: chatBody({}) });
		await rawCall(gateway.url, { body: chatBody({}, { stream: true }) });
		const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
		expect(metrics).toContain('tollgate_refusals_total{code="policy.denied"} 1');
		expect(metrics).toContain('tollgate_refusals_total{code="policy.unreachable"} 1');
	});
});

describe("what is told", () => {
	test("attributed facts and bounds, claims marked as such, nothing of the prompt", async () => {
		authority.keys.set(TEST_KEY, keyIdentity({ feature: "search", userId: "u1", environment: "production", mayAssert: ["user"] }));
		const changes = {
			user: "eve",
			metadata: { run: "7", job: "nightly" },
			stream: true,
			tools: [{ type: "function", function: { name: "secret_tool", parameters: {} } }],
		};
		const answer = await rawCall(gateway.url, { headers: [...JSON_HEADERS, "x-tollgate-user", "ada"], body: chatBody({}, changes) });
		expect(answer.status).toBe(200);
		const [attempt] = authority.attempts;
		expect(asked).toEqual([
			{
				team: "demo",
				feature: "search",
				user: "ada",
				environment: "production",
				keyId: "key1",
				endpoint: "chat.completions",
				protocol: "openai",
				modelAsked: "gpt-4o",
				provider: "openai",
				model: "gpt-4o",
				boundNanoUsd: attempt?.reservedNanoUsd.toString(),
				boundTokens: String(attempt?.input.bound.tokens),
				isStream: true,
				hasTools: true,
				claimed: { "metadata.job": "nightly", "metadata.run": "7", user: "eve" },
			},
		]);
		expect(Object.keys(asked[0]?.claimed ?? {})).toEqual(["metadata.job", "metadata.run", "user"]);
		expect(JSON.stringify(asked)).not.toMatch(/hello|simulate|secret_tool|tg_test/);
	});

	test.each([
		["no tools", {}, false],
		["an empty list of tools", { tools: [] }, false],
		["a tool", { tools: [{ type: "function", function: { name: "f", parameters: {} } }] }, true],
		["the older functions", { functions: [{ name: "f", parameters: {} }] }, true],
		["none of the older functions", { functions: [] }, false],
	])("%s", async (_name, changes, hasTools) => {
		await rawCall(gateway.url, { body: chatBody({}, changes) });
		expect(asked).toEqual([expect.objectContaining({ hasTools })]);
	});
});

describe("when it is asked", () => {
	test("once for a call that is served", async () => {
		expect((await rawCall(gateway.url, { body: chatBody({}) })).status).toBe(200);
		expect(asked).toHaveLength(1);
	});

	test("not for what the built-in rules refuse: they stand before it", async () => {
		authority.keys.set(TEST_KEY, keyIdentity({ models: ["gpt-4o-mini"] }));
		expect((await rawCall(gateway.url, { body: chatBody({}) })).status).toBe(403);
		expect(asked).toEqual([]);
	});

	test("and it cannot allow what a budget refuses", async () => {
		authority.moneyNanoUsd = 0n;
		expect((await rawCall(gateway.url, { body: chatBody({}) })).status).toBe(402);
		expect(asked).toHaveLength(1);
	});

	test("for the next deployment too, which another provider may serve; a denial there ends the call", async () => {
		const [openai] = simulatedProviderTable(provider.url).providers;
		if (openai === undefined) throw new Error("no provider");
		const table: ProviderTable = {
			// Nobody listens on the discard port of the loopback.
			providers: [{ ...openai, name: "dead", baseUrl: "http://127.0.0.1:9/v1" }, openai],
			aliases: {
				fast: [
					{ provider: "dead", model: "gpt-4o", pricedAsModel: "gpt-4o" },
					{ provider: "openai", model: "gpt-4o", pricedAsModel: "gpt-4o" },
				],
			},
		};
		const twoDeployments = await startDecided({ table });
		decision = ({ provider: name }) => (authority.attempts.length === 0 ? { kind: "allowed" } : { kind: "denied", reasons: [`Not at ${name}.`] });
		const answer = await rawCall(twoDeployments.url, { body: chatBody({}, { model: "fast" }) });
		await twoDeployments.close();
		expect(answer.status).toBe(403);
		expect(asked).toHaveLength(2);
		expect(authority.attempts.map(({ outcome }) => outcome)).toEqual(["released"]);
	});
});

describe("by OPA_URL", () => {
	const LONG_MS = "60000";

	/** A gateway with the engine of its settings, whose document answers `result` to everything. */
	async function startWithOpa(result: unknown) {
		const opa = await startScriptedProvider(
			({ response }) => void response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ result })),
		);
		const settings = loadSettings({ OPA_URL: `${opa.url}/v1/data/tollgate/call`, OPA_TIMEOUT_MS: LONG_MS });
		const lines: unknown[] = [];
		const log = pino({ level: "info" }, { write: (line: string) => void lines.push(JSON.parse(line)) });
		const decided = await startTestGateway({ authority, providerUrl: provider.url, decisions: await openDecider(settings, log) });
		const close = () => Promise.all([decided.close(), opa.close()]);
		return { opa, lines, url: decided.url, close };
	}

	test("every call is asked about, remembered, counted and, where it is denied, logged without what the caller claims", async () => {
		const { opa, lines, url, close } = await startWithOpa({ allow: false, reasons: ["Not today."] });
		const answers = [await rawCall(url, { body: chatBody({}, { user: "eve@example" }) }), await rawCall(url, { body: chatBody({}, { user: "eve@example" }) })];
		const metrics = await (await fetch(`${url}/metrics`)).text();
		await close();
		expect(answers.map(({ status }) => status)).toEqual([403, 403]);
		expect(opa.received.map(({ body }) => JSON.parse(body.toString()))).toEqual([
			{ input: expect.objectContaining({ team: "demo", claimed: { user: "eve@example" } }) },
		]);
		expect(metrics).toContain('tollgate_decisions_total{decision="denied"} 2');
		expect(metrics).toContain("tollgate_decisions_remembered_total 1");
		expect(lines).toEqual([
			expect.objectContaining({ msg: "every call is decided by OPA" }),
			expect.objectContaining({
				msg: "a call was denied by policy",
				requestId: answers[0]?.headers["x-tollgate-request-id"],
				team: "demo",
				keyId: "key1",
				reasons: ["Not today."],
			}),
		]);
		expect(JSON.stringify(lines)).not.toContain("eve@example");
	});

	test("an engine that cannot be understood closes the gateway, and the log says why", async () => {
		const { lines, url, close } = await startWithOpa("allow");
		expect((await rawCall(url, { body: chatBody({}) })).status).toBe(503);
		await close();
		expect(authority.attempts).toEqual([]);
		expect(lines).toContainEqual(expect.objectContaining({ level: 40, problem: "the result is neither true, false nor an object" }));
	});

	test("without it nobody is asked, and the gateway has no more to do than before", async () => {
		const { decider } = await openDecider(loadSettings({}), pino({ level: "silent" }));
		expect(decider.isAsked).toBe(false);
	});
});
