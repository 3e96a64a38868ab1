import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { expect } from "vitest";
import type { RawAnswer } from "./raw-call.ts";

/** What a caller of batches is told when he is refused, in either protocol. */
export type Told = { readonly status: number; readonly code: string; readonly line?: number; readonly param?: string | null; readonly message: string };

export async function refusalOf(work: Promise<unknown>): Promise<Told> {
	const error = await work.then(
		() => undefined,
		(thrown: unknown) => thrown,
	);
	if (error === undefined) return { status: 200, code: "not refused", message: "" };
	if (!(error instanceof OpenAI.APIError) && !(error instanceof Anthropic.APIError)) throw error;
	const body = error.error as { readonly error?: Told } & Told;
	return { ...(body.error ?? body), status: error.status as number };
}

export function expectOpenAiError(answer: RawAnswer, status: number, param: string): unknown {
	expect(answer.status).toBe(status);
	const { error } = JSON.parse(answer.body.toString());
	expect(error).toMatchObject({ code: expect.any(String), message: expect.any(String), type: expect.any(String), param });
	expect(answer.headers["x-should-retry"]).toBe("false");
	return error;
}

export function expectAnthropicError(answer: RawAnswer, status: number): unknown {
	expect(answer.status).toBe(status);
	const body = JSON.parse(answer.body.toString());
	expect(body).toMatchObject({ type: "error", error: { code: expect.any(String), message: expect.any(String), type: expect.any(String) } });
	expect(body.request_id).toBe(answer.headers["request-id"]);
	return body.error;
}
