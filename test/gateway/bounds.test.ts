import { afterAll, beforeAll, expect, test } from "vitest";
import type { ProviderSettings } from "#config/providers.ts";
import { DEFAULT_TEAM_POLICY } from "#domain/budget/team-policy.ts";
import { createFakeAuthority, type FakeAuthority } from "#test/support/fake-authority.ts";
import { testPriceBook } from "#test/support/gateway-price-book.ts";
import { simulatedProviderTable, startTestGateway } from "#test/support/gateway-server.ts";
import { chatBody, type RawAnswer, rawCall } from "#test/support/raw-call.ts";
import { type ScriptedProvider, startScriptedProvider } from "#test/support/scripted-provider.ts";

/** What the provider's settings and the team's policy do to a bound. */

let provider: ScriptedProvider;

beforeAll(async () => {
	provider = await startScriptedProvider((call) => call.response.end('{"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}'));
});
afterAll(() => provider.close());

type Given = { readonly settings?: Partial<ProviderSettings>; readonly body: string; prepare?(authority: FakeAuthority): void };

async function call({ settings, body, prepare }: Given): Promise<{ answer: RawAnswer; authority: FakeAuthority }> {
	const authority = createFakeAuthority(testPriceBook());
	prepare?.(authority);
	const table = simulatedProviderTable(provider.url);
	const gateway = await startTestGateway({
		authority,
		providerUrl: provider.url,
		table: { ...table, providers: table.providers.map((each) => ({ ...each, ...settings })) },
	});
	try {
		return { answer: await rawCall(gateway.url, { body }), authority };
	} finally {
		await gateway.close();
	}
}

test("a default tier without a price: refused, unless the call names a tier that has one", async () => {
	const settings = { defaultTiers: ["standard", "priority"] } as const;
	const { answer } = await call({ settings, body: chatBody({}) });
	expect(answer.status).toBe(422);
	expect(JSON.parse(answer.body.toString()).error).toMatchObject({ code: "pricing.unknown_tier", param: "service_tier" });
	expect((await call({ settings, body: chatBody({}, { service_tier: "default" }) })).answer.status).toBe(200);
});

test("a cap the deployment does not obey bounds nothing", async () => {
	const { authority } = await call({ settings: { enforcedCapFields: ["max_completion_tokens"] }, body: chatBody({}) });
	expect(authority.attempts[0]?.input.bound.outputTokens).toBe(16_384);
	expect((await call({ body: chatBody({}) })).authority.attempts[0]?.input.bound.outputTokens).toBe(40);
});

test("a policy may let a clamp lower the caller's own cap", async () => {
	const body = chatBody({}, { max_tokens: 4_000 });
	const prepare = (mayLowerCallerCap: boolean) => (authority: FakeAuthority) => {
		authority.policy = { ...DEFAULT_TEAM_POLICY, mayLowerCallerCap };
		authority.moneyNanoUsd = 20_000_000n;
	};
	expect((await call({ body, prepare: prepare(false) })).answer.status).toBe(402);
	const { answer, authority } = await call({ body, prepare: prepare(true) });
	expect(answer.status).toBe(200);
	expect(authority.attempts[0]?.clampedOutputTokens).toBeGreaterThanOrEqual(256);
	expect(JSON.parse(provider.received.at(-1)?.body.toString() ?? "").max_tokens).toBe(authority.attempts[0]?.clampedOutputTokens);
});
