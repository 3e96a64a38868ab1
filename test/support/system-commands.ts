import { expect } from "vitest";
import { type System, tollgate } from "./system.ts";

/** `tollgate … --json` that has to succeed: exit code 0, one line of JSON and nothing else on stdout. */
export async function tollgateJson<Result = Record<string, unknown>>(
	system: System,
	args: readonly string[],
	environment: Record<string, string> = {},
): Promise<Result> {
	const result = await tollgate(system, [...args, "--json"], environment);
	expect(result.exitCode, `tollgate ${args.join(" ")}: ${result.stderr}`).toBe(0);
	const lines = result.stdout.trimEnd().split("\n");
	expect(lines).toHaveLength(1);
	return JSON.parse(lines[0] ?? "") as Result;
}

/** A command that has to be refused: its exit code and what it says on stderr. */
export async function tollgateRefused(system: System, args: readonly string[]): Promise<{ readonly exitCode: number | null; readonly message: string }> {
	const result = await tollgate(system, args);
	expect(result.exitCode, result.stdout).not.toBe(0);
	return { exitCode: result.exitCode, message: result.stderr };
}

export type ChatAnswer = {
	readonly status: number;
	readonly headers: Headers;
	readonly costNanoUsd: bigint;
	readonly requestId: string;
	/** Of a refusal or an error; empty strings otherwise. */
	readonly error: { readonly code: string; readonly message: string; readonly budget: string };
};

export type ChatOptions = {
	readonly model?: string;
	readonly maxTokens?: number;
	readonly headers?: Record<string, string>;
	/** Directives of the simulated provider. */
	readonly simulate?: Record<string, unknown>;
};

/** One chat call over a connection of its own, so that the kernel picks any of the gateways. */
export async function chat(
	system: System,
	key: string,
	{ model = "gpt-4o-mini", maxTokens = 20, headers = {}, simulate }: ChatOptions = {},
): Promise<ChatAnswer> {
	const content = simulate === undefined ? "Say something." : `Say something. [[simulate:${JSON.stringify(simulate)}]]`;
	const response = await fetch(`${system.endpoints().gateway}/v1/chat/completions`, {
		method: "POST",
		headers: { authorization: `Bearer ${key}`, "content-type": "application/json", connection: "close", ...headers },
		body: JSON.stringify({ model, max_tokens: maxTokens, messages: [{ role: "user", content }] }),
	});
	const { error } = (await response.json()) as { error?: Record<string, string> };
	return {
		status: response.status,
		headers: response.headers,
		costNanoUsd: BigInt(response.headers.get("x-tollgate-cost-nano-usd") ?? "0"),
		requestId: response.headers.get("x-tollgate-request-id") ?? "",
		error: { code: error?.["code"] ?? "", message: error?.["message"] ?? "", budget: error?.["budget"] ?? "" },
	};
}
