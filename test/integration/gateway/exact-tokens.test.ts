import { afterAll, beforeAll, expect, it } from "vitest";
import { type GatewayProcess, type GatewayStand, openGatewayStand } from "#test/support/gateway-process.ts";

/** Near the limit the tokenizer decides, beside the gateway and never in its way. */

let stand: GatewayStand;
let gateway: GatewayProcess;

beforeAll(async () => {
	stand = await openGatewayStand();
	// In the place of OpenAI itself: as the simulated provider its texts would be bounded by bytes alone.
	gateway = await stand.start("exact", { TOLLGATE_SIMULATED_PROVIDER_URL: "", TOLLGATE_OPENAI_BASE_URL: `${stand.provider.url}/v1` });
});

afterAll(() => stand.close());

async function chat(key: string, content: string, maxTokens = 20): Promise<{ status: number; body: { error?: { code?: string } } }> {
	const response = await fetch(`${gateway.url}/v1/chat/completions`, {
		method: "POST",
		headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
		body: JSON.stringify({ model: "gpt-4o", max_tokens: maxTokens, messages: [{ role: "user", content }] }),
	});
	return { status: response.status, body: (await response.json()) as { error?: { code?: string } } };
}

/** gpt-4o: 2,500 nano-USD per input token. */
const moneyForInput = (tokens: number): bigint => BigInt(tokens) * 2_500n + 500_000n;

it("admits a long text whose tokens fit and whose bytes do not", async () => {
	// Words so short that the simulated provider, which counts a token per four bytes, counts no more than the encoding does.
	const text = "the cat sat on a mat ".repeat(2_000);
	const { key } = await stand.team(moneyForInput(20_000), { admissionWaitMs: 0 });
	// On a busy machine loading the encoding may take longer than a call waits for it: then the bytes are the bound.
	await expect.poll(async () => (await chat(key, text)).status, { timeout: 30_000 }).toBe(200);
	expect((await stand.verify()).report).toMatchObject({ ok: true, overspendNanoUsd: "0", overrunNanoUsd: "0", falseRefusals: 0 });
}, 60_000);

it("200 KB of one letter near the limit are refused by their bytes while other callers are answered", async () => {
	const short = await stand.team(moneyForInput(60_000), { admissionWaitMs: 0 });
	const other = await stand.team(100_000_000_000n);
	const letters = Promise.all(Array.from({ length: 6 }, () => chat(short.key, "a".repeat(200_000))));
	const others = await Promise.all(Array.from({ length: 20 }, () => chat(other.key, "hello")));
	expect(others.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
	for (const refused of await letters) {
		expect(refused.status).toBe(402);
		expect(refused.body.error).toMatchObject({ code: "budget.exceeded" });
	}
	expect((await stand.verify()).report).toMatchObject({ ok: true, overspendNanoUsd: "0", falseRefusals: 0 });
}, 60_000);
