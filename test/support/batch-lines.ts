import type { LineProblem } from "#domain/batching/line-problem.ts";

/** Requests of batches, and bytes as they arrive. */
const HELLO = [{ role: "user", content: "hello" }];

export const chatBody = (more: object = {}): object => ({ model: "gpt-4o", max_tokens: 100, messages: HELLO, ...more });
export const messageBody = (more: object = {}): object => ({ model: "claude", max_tokens: 100, messages: HELLO, ...more });

export function openAiLine(customId: unknown, more: object = {}, body: unknown = chatBody()): string {
	return JSON.stringify({ custom_id: customId, method: "POST", url: "/v1/chat/completions", body, ...more });
}

export function anthropicRequest(customId: unknown, params: unknown = messageBody(), more: object = {}): string {
	return JSON.stringify({ custom_id: customId, params, ...more });
}

/** Bytes in pieces of this many, the last one shorter. */
export async function* inPieces(text: string | Buffer, pieceBytes = 7): AsyncGenerator<Uint8Array> {
	const bytes = Buffer.from(text as string);
	for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

export async function textOf(source: AsyncIterable<Uint8Array>): Promise<string> {
	const pieces: Uint8Array[] = [];
	for await (const piece of source) pieces.push(piece);
	return Buffer.concat(pieces).toString("utf8");
}

/** "3 body.model" */
export function placesOf(problems: { readonly listed: readonly LineProblem[] }): string[] {
	return problems.listed.map(({ line, field }) => `${line} ${field}`);
}
