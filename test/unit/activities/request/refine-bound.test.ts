import { expect, test, vi } from "vitest";
import type { Deployment } from "#activities/providers/port.ts";
import type { Left } from "#activities/request/port.ts";
import { canCountExactly, refineBound } from "#activities/request/refine-bound.ts";
import { type BoundOptions, boundRequest } from "#domain/bound/bound-request.ts";
import type { Endpoint } from "#domain/bound/request.ts";
import type { PriceLine } from "#domain/pricing/price-book.ts";
import { boundLine } from "#test/support/bound-lines.ts";
import { inspected } from "#test/support/inspect.ts";

const OPTIONS: BoundOptions = { clampFloorTokens: 256, clampFloorReasoningTokens: 4_096 };
const LINE: PriceLine = boundLine(
	{ provider: "openai", model: "gpt-4o", protocol: "openai", inputNanoUsd: 1_000_000n, outputNanoUsd: 1_000_000n },
	{ encoding: "o200k_base" },
);
const REQUEST = inspected("chat.completions", { model: "gpt-4o", max_tokens: 100, messages: [{ role: "user", content: "hello ".repeat(500) }] });

async function refined(saved: number | undefined, left: Left | undefined): Promise<{ bound: number | undefined; counted: number }> {
	const countSaved = vi.fn(async () => saved);
	const byBytes = boundRequest(REQUEST, LINE, OPTIONS);
	if (byBytes.kind === "unbounded") throw new Error(byBytes.problem.message);
	const exact = await refineBound({ request: REQUEST, line: LINE, options: OPTIONS, bound: byBytes.bound, left, exactTokens: { countSaved } });
	return { bound: exact === undefined ? undefined : byBytes.bound.inputTokens - exact.inputTokens, counted: countSaved.mock.calls.length };
}

test("takes off what counting saved", async () => {
	expect(await refined(1_500, { unit: "nano_usd", amount: 10_000n })).toEqual({ bound: 1_500, counted: 1 });
	expect(await refined(1_500, undefined)).toEqual({ bound: 1_500, counted: 1 });
});

test("is none where nothing was saved, or could not be told in time", async () => {
	for (const saved of [0, undefined]) expect(await refined(saved, undefined)).toEqual({ bound: undefined, counted: 1 });
});

test("does not count a call that would be too dear without any text", async () => {
	for (const unit of ["nano_usd", "tokens"] as const) {
		expect(await refined(1_500, { unit, amount: 111n })).toEqual({ bound: undefined, counted: 0 });
		expect(await refined(1_500, { unit, amount: 112n })).toEqual({ bound: 1_500, counted: 1 });
	}
});

test("is not counted where no shorter text helps: a ceiling on output tokens or steps", async () => {
	for (const unit of ["output_tokens", "steps"] as const) expect(await refined(1_500, { unit, amount: 1_000_000n })).toEqual({ bound: undefined, counted: 0 });
	expect(await refined(1_500, { unit: "input_tokens", amount: 11n })).toEqual({ bound: undefined, counted: 0 });
	expect(await refined(1_500, { unit: "input_tokens", amount: 12n })).toEqual({ bound: 1_500, counted: 1 });
});

test("only chat and responses of a known encoding, up to 256 KB", () => {
	const can = (
		line: Partial<PriceLine>,
		hasKnownEncoding = true,
		request: { endpoint: Endpoint; bytes: number } = { endpoint: "chat.completions", bytes: 100 },
	): boolean =>
		canCountExactly(
			{ ...REQUEST, endpoint: request.endpoint, body: Buffer.alloc(request.bytes) },
			{ deployment: { hasKnownEncoding } as Deployment, line: { ...LINE, ...line } },
		);
	expect(can({})).toBe(true);
	expect(can({}, true, { endpoint: "responses", bytes: 262_144 })).toBe(true);
	expect(can({ encoding: undefined })).toBe(false);
	expect(can({}, false)).toBe(false);
	expect(can({}, true, { endpoint: "responses", bytes: 262_145 })).toBe(false);
	expect(can({}, true, { endpoint: "embeddings", bytes: 100 })).toBe(false);
});
