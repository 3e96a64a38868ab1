import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { ProviderTable } from "#config/providers.ts";
import { createFakeAuthority, type FakeAttempt, type FakeAuthority } from "#test/support/fake-authority.ts";
import { testPriceBook } from "#test/support/gateway-price-book.ts";
import { simulatedProviderTable, startTestGateway, type TestGateway } from "#test/support/gateway-server.ts";
import { chatBody, messagesBody, rawCall } from "#test/support/raw-call.ts";
import { type SimulatedProvider, startSimulatedProvider } from "#test/support/simulated-provider.ts";

/** Every outcome rule of the money path, over the real simulated provider. */

let provider: SimulatedProvider;
let gateway: TestGateway;
let authority: FakeAuthority;

beforeAll(async () => {
	provider = await startSimulatedProvider();
});
afterAll(() => provider.close());

beforeEach(async () => {
	authority = createFakeAuthority(testPriceBook());
	gateway = await startTestGateway({ authority, providerUrl: provider.url });
	return () => gateway.close();
});

function onlyAttempt(): FakeAttempt {
	expect(authority.attempts).toHaveLength(1);
	return authority.attempts[0] as FakeAttempt;
}

const STREAM = { stream: true };

describe("complete answers that are not 2xx", () => {
	test.each([400, 401, 403, 404, 409, 413, 422, 429, 500, 502, 503, 529])("%i releases the reservation and reaches the caller as it is", async (status) => {
		const direct = await rawCall(provider.url, { body: chatBody({ status, retryAfterSeconds: 7 }) });
		const answer = await rawCall(gateway.url, { body: chatBody({ status, retryAfterSeconds: 7 }) });
		expect(answer.status).toBe(status);
		expect(answer.body.equals(direct.body)).toBe(true);
		expect(answer.headers["retry-after"]).toBe(direct.headers["retry-after"]);
		expect(answer.headers["x-request-id"]).toMatch(/^req_/);
		expect(answer.headers["x-tollgate-cost-nano-usd"]).toBe("0");
		expect(onlyAttempt()).toMatchObject({ outcome: "released", reason: `status_${status}`, costNanoUsd: 0n });
	});

	test.each([408, 504, 501])("%i may have run, so it is charged at the reservation", async (status) => {
		const answer = await rawCall(gateway.url, { body: chatBody({ status }) });
		expect(answer.status).toBe(status);
		expect(onlyAttempt()).toMatchObject({ outcome: "unresolved", httpStatus: status, costNanoUsd: onlyAttempt().reservedNanoUsd });
	});

	test("a redirect is never followed", async () => {
		const answer = await rawCall(gateway.url, { body: chatBody({ fault: "redirect" }) });
		expect(answer.status).toBe(307);
		expect(answer.headers.location).toBeUndefined();
		expect(onlyAttempt()).toMatchObject({ outcome: "unresolved", reason: "status_307" });
		expect(provider.callsOf(onlyAttempt().attemptId)).toHaveLength(0);
	});

	test("a status the provider's table bills is charged", async () => {
		const table = simulatedProviderTable(provider.url);
		const billing: ProviderTable = { ...table, providers: table.providers.map((entry) => ({ ...entry, billedStatuses: [400] })) };
		const billingGateway = await startTestGateway({ authority, providerUrl: provider.url, table: billing });
		await rawCall(billingGateway.url, { body: chatBody({ status: 400 }) });
		await billingGateway.close();
		expect(onlyAttempt()).toMatchObject({ outcome: "unresolved", reason: "status_400" });
	});
});

describe("usage that cannot be used", () => {
	test.each(["missing_usage", "negative_usage", "huge_usage", "fractional_usage"])(
		"%s in a plain answer and in a stream is charged at the reservation",
		async (fault) => {
			expect((await rawCall(gateway.url, { body: chatBody({ fault }) })).status).toBe(200);
			expect((await rawCall(gateway.url, { body: chatBody({ fault }, STREAM) })).isWhole).toBe(true);
			expect((await rawCall(gateway.url, { path: "/v1/messages", headers: ANTHROPIC, body: messagesBody({ fault }, STREAM) })).isWhole).toBe(true);
			for (const attempt of authority.attempts) {
				expect(attempt.settledWith?.reported.kind).toBe("unusable");
				expect(attempt.costNanoUsd).toBe(attempt.reservedNanoUsd);
			}
			expect(authority.attempts).toHaveLength(3);
		},
	);

	test("an answer that names another model is settled with the name it gave", async () => {
		await rawCall(gateway.url, { body: chatBody({ answeredModel: "gpt-other" }) });
		expect(onlyAttempt().settledWith?.reported).toMatchObject({ kind: "usable", model: "gpt-other" });
	});
});

const ANTHROPIC = ["x-api-key", "tg_test_0123456789", "content-type", "application/json", "anthropic-version", "2023-06-01"];

describe("answers that break off", () => {
	test.each(["cut_before_headers", "cut_after_headers", "cut_mid_stream"])("%s of a plain answer: 502, charged", async (fault) => {
		const answer = await rawCall(gateway.url, { body: chatBody({ fault }) });
		expect(answer.status).toBe(502);
		expect(JSON.parse(answer.body.toString())).toMatchObject({ error: { code: "provider.cut", type: "server_error" } });
		expect(answer.headers["x-should-retry"]).toBe("false");
		expect(onlyAttempt()).toMatchObject({ outcome: "unresolved", reason: "cut" });
	});

	test.each(["cut_after_headers", "cut_mid_stream"])("%s of a stream: the caller sees that it is not whole, charged", async (fault) => {
		const answer = await rawCall(gateway.url, { body: chatBody({ fault }, STREAM) });
		expect(answer.status).toBe(200);
		expect(answer.isWhole).toBe(false);
		expect(onlyAttempt()).toMatchObject({ outcome: "unresolved", reason: "cut" });
	});

	test.each([
		["/v1/chat/completions", chatBody({ fault: "error_event_mid_stream" }, STREAM)],
		["/v1/messages", messagesBody({ fault: "error_event_mid_stream" }, STREAM)],
	])("an error event after a stream began on %s passes and is charged", async (path, body) => {
		const answer = await rawCall(gateway.url, { path, headers: ANTHROPIC, body });
		expect(answer.body.toString()).toContain('"error"');
		expect(answer.isWhole).toBe(true);
		expect(onlyAttempt()).toMatchObject({ outcome: "unresolved", reason: "stream_error" });
	});

	test.each([
		["a plain answer", {}],
		["a stream", STREAM],
	])("a provider that hangs on %s is given up at maxCallMs, charged", async (_name, changes) => {
		authority.policy = { ...authority.policy, maxCallMs: 50 };
		const answer = await rawCall(gateway.url, { body: chatBody({ fault: "hang" }, changes) });
		expect(answer.status).toBe(504);
		expect(JSON.parse(answer.body.toString())).toMatchObject({ error: { code: "provider.timeout" } });
		expect(onlyAttempt()).toMatchObject({ outcome: "unresolved", reason: "timeout" });
	});

	test("a stream that stalls is cut at maxCallMs, charged", async () => {
		authority.policy = { ...authority.policy, maxCallMs: 50 };
		const answer = await rawCall(gateway.url, { body: chatBody({ fault: "hang_mid_stream" }, STREAM) });
		expect(answer.isWhole).toBe(false);
		expect(onlyAttempt()).toMatchObject({ outcome: "unresolved", reason: "timeout" });
	});

	test("a stream without [DONE] is settled by the usage it carried", async () => {
		const answer = await rawCall(gateway.url, { body: chatBody({ fault: "no_done" }, STREAM) });
		expect(answer.isWhole).toBe(true);
		expect(onlyAttempt()).toMatchObject({ outcome: "settled" });
	});

	test("an answer larger than may be held is given up, charged", async () => {
		const small = await startTestGateway({ authority, providerUrl: provider.url, limits: { answerBytesMax: 100 } });
		const answer = await rawCall(small.url, { body: chatBody({}) });
		await small.close();
		expect(answer.status).toBe(502);
		expect(onlyAttempt()).toMatchObject({ outcome: "unresolved" });
	});
});

describe("nothing sent", () => {
	test("a provider that cannot be reached: 502, released", async () => {
		const unreachable = await startTestGateway({ authority, providerUrl: await closedUrl() });
		const answer = await rawCall(unreachable.url, { body: chatBody({}) });
		await unreachable.close();
		expect(answer.status).toBe(502);
		expect(JSON.parse(answer.body.toString())).toMatchObject({ error: { code: "provider.unreachable" } });
		expect(onlyAttempt()).toMatchObject({ outcome: "released", reason: "unreachable" });
	});

	test("the next deployment of the alias is tried with its own reservation and id", async () => {
		const [openai] = simulatedProviderTable(provider.url).providers;
		if (openai === undefined) throw new Error("no provider");
		const table: ProviderTable = {
			providers: [{ ...openai, name: "dead", baseUrl: `${await closedUrl()}/v1` }, openai],
			aliases: {
				fast: [
					{ provider: "dead", model: "gpt-4o", pricedAsModel: "gpt-4o" },
					{ provider: "openai", model: "gpt-4o", pricedAsModel: "gpt-4o" },
				],
			},
		};
		const twoDeployments = await startTestGateway({ authority, providerUrl: provider.url, table });
		const answer = await rawCall(twoDeployments.url, { body: chatBody({}, { model: "fast" }) });
		await twoDeployments.close();
		expect(answer.status).toBe(200);
		expect(answer.headers["x-tollgate-model"]).toBe("gpt-4o");
		expect(authority.attempts.map((attempt) => [attempt.input.deployment, attempt.input.model, attempt.outcome])).toEqual([
			["dead/gpt-4o", "fast", "released"],
			["openai/gpt-4o", "fast", "settled"],
		]);
		expect(new Set(authority.attempts.map((attempt) => attempt.attemptId)).size).toBe(2);
	});

	test("a sent call is never tried again elsewhere", async () => {
		const [openai] = simulatedProviderTable(provider.url).providers;
		if (openai === undefined) throw new Error("no provider");
		const target = { model: "gpt-4o", pricedAsModel: "gpt-4o" };
		const table: ProviderTable = {
			providers: [openai, { ...openai, name: "second" }],
			aliases: {
				fast: [
					{ ...target, provider: "openai" },
					{ ...target, provider: "second" },
				],
			},
		};
		const twoDeployments = await startTestGateway({ authority, providerUrl: provider.url, table });
		await rawCall(twoDeployments.url, { body: chatBody({ fault: "cut_before_headers" }, { model: "fast" }) });
		await twoDeployments.close();
		expect(onlyAttempt()).toMatchObject({ outcome: "unresolved" });
	});
});

/** An origin nothing listens on. */
async function closedUrl(): Promise<string> {
	const server = createServer();
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	const { port } = server.address() as AddressInfo;
	await new Promise((resolve) => server.close(resolve));
	return `http://127.0.0.1:${port}`;
}
