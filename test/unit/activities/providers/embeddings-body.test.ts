import { describe, expect, it } from "vitest";
import { parseEmbeddingsBody, WHOLE_PARSE_MAX_BYTES } from "#activities/providers/embeddings-body.ts";
import { readAnswer } from "#activities/providers/reported-usage.ts";
import { NO_USAGE } from "#domain/usage/usage.ts";

const MANY = Array.from({ length: 20 }, (_, index) => ({ object: "embedding", index, embedding: Array.from({ length: 1536 }, () => -0.123456) }));
const USABLE = { kind: "usable", usage: { ...NO_USAGE, inputTokens: 8 }, model: "text-embedding-3-small", serviceTier: undefined };

describe("large embeddings answer", () => {
	it.each([
		["usage last", { object: "list", data: MANY, model: "text-embedding-3-small", usage: { prompt_tokens: 8, total_tokens: 8 } }, undefined],
		["usage first, spaced out", { usage: { prompt_tokens: 8, total_tokens: 8 }, model: "text-embedding-3-small", data: MANY }, 2],
		[
			"nested details",
			{ data: MANY, model: "text-embedding-3-small", usage: { prompt_tokens_details: { text_tokens: 8 }, prompt_tokens: 8, total_tokens: 8 } },
			undefined,
		],
		["base64", { data: [{ embedding: "AAAA".repeat(20_000) }], model: "text-embedding-3-small", usage: { prompt_tokens: 8, total_tokens: 8 } }, undefined],
	])("gives the usage that a whole parse gives: %s", (_name, answer, indent) => {
		const body = Buffer.from(JSON.stringify(answer, null, indent));
		expect(body.length).toBeGreaterThan(WHOLE_PARSE_MAX_BYTES);
		expect(readAnswer("embeddings", body).reported).toEqual(USABLE);
		expect(parseEmbeddingsBody(body)).not.toHaveProperty("data");
	});

	it("is unusable without usage, with wrong usage and when it is cut", () => {
		const body = JSON.stringify({ data: MANY, model: "m", usage: { prompt_tokens: -8 } });
		expect(readAnswer("embeddings", Buffer.from(body)).reported).toEqual({ kind: "unusable", reason: "usage.prompt_tokens is negative" });
		expect(readAnswer("embeddings", Buffer.from(JSON.stringify({ data: MANY }))).reported).toEqual({ kind: "unusable", reason: "usage is missing" });
		expect(readAnswer("embeddings", Buffer.from(body.slice(0, -30))).reported).toEqual({ kind: "unusable", reason: "the answer is not JSON" });
	});
});
