import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { CostControl, CostControlError, readRefusal, UnreachableError } from "#clients/index.ts";

type Seen = { url: string; authorization: string | undefined; apiKey: string | undefined };
let server: Server;
let seen: Seen[];
let answer: { status: number; body: unknown };
let costControl: CostControl;

beforeEach(async () => {
	seen = [];
	server = createServer((request, response) => {
		seen.push({ url: request.url ?? "", authorization: request.headers.authorization, apiKey: request.headers["x-api-key"] as string | undefined });
		request
			.resume()
			.on("end", () => response.writeHead(answer.status, { "content-type": "application/json", "x-should-retry": "false" }).end(JSON.stringify(answer.body)));
	});
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
	costControl = new CostControl({ baseUrl: `${origin}/`, key: "tg-test", adminUrl: origin, adminKey: "tga-test" });
});
afterEach(async () => {
	vi.unstubAllEnvs();
	await new Promise((resolve) => server.close(resolve));
});

const refusal = {
	type: "budget_exceeded",
	code: "budget.exceeded",
	message: "spent",
	budget: "team demo, day",
	limitNanoUsd: "250000000",
	leftNanoUsd: "1",
	resetsAt: "2026-11-24T00:00:00Z",
	howToAsk: "ask",
};

describe("the official clients, unmodified", () => {
	test("OpenAI: base URL and key arrive, a refusal can be read from the error", async () => {
		answer = { status: 402, body: { error: refusal } };
		const error = await new OpenAI(costControl.openai()).chat.completions.create({ model: "m", messages: [] }).catch((thrown: unknown) => thrown);
		expect(seen).toMatchObject([{ url: "/v1/chat/completions", authorization: "Bearer tg-test" }]);
		expect(readRefusal(error)).toEqual({
			code: "budget.exceeded",
			message: "spent",
			budget: "team demo, day",
			limitNanoUsd: "250000000",
			leftNanoUsd: "1",
			resetsAt: "2026-11-24T00:00:00Z",
			howToAsk: "ask",
		});
	});

	test("Anthropic: likewise, whatever token the environment holds", async () => {
		vi.stubEnv("ANTHROPIC_AUTH_TOKEN", "not-for-the-gateway");
		answer = { status: 402, body: { type: "error", error: refusal } };
		const error = await new Anthropic(costControl.anthropic()).messages.create({ model: "m", max_tokens: 1, messages: [] }).catch((thrown: unknown) => thrown);
		expect(seen).toMatchObject([{ url: "/v1/messages", authorization: "Bearer tg-test" }]);
		expect(readRefusal(error)).toMatchObject({ code: "budget.exceeded", budget: "team demo, day" });
	});

	test.each([undefined, null, new Error("x"), { error: { type: "rate_limit_error" } }, { type: "budget_exceeded" }])("%j is no refusal", (error) => {
		expect(readRefusal(error)).toBeUndefined();
	});
});

describe("administration through HTTP", () => {
	test("sends the admin key and returns typed answers", async () => {
		answer = { status: 200, body: { teams: [] } };
		expect(await costControl.administration.teams.list()).toEqual([]);
		expect(seen).toMatchObject([{ url: "/admin/v1/teams", authorization: "Bearer tga-test" }]);
	});

	test("names travel encoded", async () => {
		answer = { status: 404, body: { error: { code: "admin.not_found", message: "no", field: null } } };
		await expect(costControl.administration.teams.read("a/../b?x")).rejects.toMatchObject({ code: "admin.not_found" });
		expect(seen[0]?.url).toBe("/admin/v1/teams/a%2F..%2Fb%3Fx");
	});

	test("a refusal is a CostControlError with its field", async () => {
		answer = { status: 422, body: { error: { code: "admin.invalid", message: "limit: must not be negative", field: "limit" } } };
		const error = await costControl.administration.budgets.set({ teamId: "t", windowKind: "day", limitUsd: "-1" }).catch((thrown: unknown) => thrown);
		expect(error).toBeInstanceOf(CostControlError);
		expect(error).toMatchObject({ code: "admin.invalid", details: { field: "limit" } });
	});

	test("an answer of another shape is an error, never a made-up value", async () => {
		answer = { status: 200, body: { surprise: true } };
		await expect(costControl.administration.teams.list()).rejects.toThrow();
	});

	test("nobody there is told apart from a refusal", async () => {
		const away = new CostControl({ baseUrl: "http://127.0.0.1:1", key: "k", adminUrl: "http://127.0.0.1:1", adminKey: "a" });
		await expect(away.administration.teams.list()).rejects.toBeInstanceOf(UnreachableError);
	});
});

test("each way of construction says what it is not for", () => {
	expect(() => costControl.governance()).toThrow(TypeError);
	expect(() => new CostControl({ baseUrl: "http://h", key: "k" }).administration).toThrow(TypeError);
	expect(() => new CostControl({ temporal: { address: "127.0.0.1:1" } }).openai()).toThrow(TypeError);
});
