import { afterAll, beforeAll, expect, test } from "vitest";
import { createFakeAuthority } from "#test/support/fake-authority.ts";
import { testPriceBook } from "#test/support/gateway-price-book.ts";
import { startTestGateway } from "#test/support/gateway-server.ts";
import { chatBody, rawCall } from "#test/support/raw-call.ts";
import { type ScriptedProvider, startScriptedProvider } from "#test/support/scripted-provider.ts";

let provider: ScriptedProvider;
beforeAll(async () => {
	provider = await startScriptedProvider(({ response }) => response.end("{}"));
});
afterAll(() => provider.close());

test("a call that fails for a reason of ours is logged with the id its caller got, his team and his key, and with nothing he sent", async () => {
	const authority = createFakeAuthority(testPriceBook());
	const broken = { ...authority, admit: () => Promise.reject(new Error("broken on purpose")) };
	const gateway = await startTestGateway({ authority: broken, providerUrl: provider.url });
	const answer = await rawCall(gateway.url, { body: chatBody({}, { user: "eve@example" }) });
	await gateway.close();
	expect(answer.status).toBe(500);
	const lines = gateway.log.map((line) => JSON.parse(line) as Record<string, unknown>);
	expect(lines).toEqual([
		expect.objectContaining({
			msg: "a call failed",
			requestId: answer.headers["x-tollgate-request-id"],
			team: "demo",
			keyId: "key1",
			endpoint: "chat.completions",
			err: expect.objectContaining({ message: "broken on purpose" }),
		}),
	]);
	expect(lines[0]?.["requestId"]).toMatch(/^req_/);
	expect(JSON.stringify(lines)).not.toContain("eve@example");
});
