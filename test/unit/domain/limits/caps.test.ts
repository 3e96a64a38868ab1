import { describe, expect, test } from "vitest";
import type { Bound } from "#domain/bound/request.ts";
import { applyCaps, capsFor, compileCaps, withLoweredOutput } from "#domain/limits/caps.ts";
import type { CallCap } from "#domain/limits/team-limits.ts";

/** 1,000 tokens in, 2,000 out at most, one nano-dollar a token. */
function boundOf({ floor, output = 2_000 }: { floor?: number; output?: number } = {}): Bound {
	const at = (tokens: number) => ({ nanoUsd: BigInt(1_000 + tokens), tokens: 1_000 + tokens });
	return {
		inputTokens: 1_000,
		outputTokens: output,
		...at(output),
		reach: { tiers: ["standard"], tokenPermille: 1_000 },
		clampFloorTokens: floor,
		at,
		clampTo({ nanoUsd, tokens }) {
			const cap = Math.min(output, nanoUsd === undefined ? output : Number(nanoUsd) - 1_000, tokens === undefined ? output : tokens - 1_000);
			return cap >= (floor ?? output) ? cap : undefined;
		},
	};
}

const apply = (bound: Bound, caps: readonly CallCap[], feature: string | null = "search") => {
	const compiled = compileCaps(caps);
	return applyCaps(bound, "search", compiled && capsFor(compiled, feature));
};

describe("caps of a call", () => {
	test("a call within its caps is left alone", () => {
		expect(apply(boundOf(), [])).toEqual({ kind: "within" });
		expect(apply(boundOf(), [{ feature: null, inputTokens: 1_000, outputTokens: 2_000, costNanoUsd: "3000" }])).toEqual({ kind: "within" });
	});

	test("an output above the cap is lowered to it", () => {
		expect(apply(boundOf({ floor: 256 }), [{ feature: null, outputTokens: 500 }])).toEqual({ kind: "lowered", outputTokens: 500 });
	});

	test("a cost above the cap lowers the output first", () => {
		expect(apply(boundOf({ floor: 256 }), [{ feature: null, costNanoUsd: "1400" }])).toEqual({ kind: "lowered", outputTokens: 400 });
		expect(apply(boundOf({ floor: 256 }), [{ feature: null, costNanoUsd: "1200" }])).toMatchObject({ kind: "exceeded" });
	});

	test("below the floor nothing is lowered: the call is refused and says by which cap", () => {
		expect(apply(boundOf({ floor: 256 }), [{ feature: "search", outputTokens: 255 }])).toEqual({
			kind: "exceeded",
			problem: {
				code: "limit.cap",
				message:
					"The cap of 255 output tokens for feature search would be passed: this call can take 2000. Nothing was sent and nothing is charged. Send less, or set a lower output cap; an operator changes the cap under teams.search of the policy file, where one declares it, or else with: npx tollgate team set search --limits JSON",
				limit: "output_tokens; dimension=feature; limit=255; cap",
				evidence: {
					limit: "output_tokens; dimension=feature; limit=255; cap",
					...{ limitAmount: 255n, stoodAt: null, need: 2_000n, waitedMs: 0, isRemembered: false },
				},
			},
		});
	});

	test("where no cap can be enforced, or the caller set his own, a larger call is refused", () => {
		expect(apply(boundOf(), [{ feature: null, outputTokens: 1_999 }])).toMatchObject({ kind: "exceeded" });
		expect(apply(boundOf({ output: 300 }), [{ feature: null, outputTokens: 500 }])).toEqual({ kind: "within" });
	});

	test("input above its cap is refused", () => {
		const verdict = apply(boundOf({ floor: 256 }), [{ feature: null, inputTokens: 999 }]);
		expect(verdict).toMatchObject({ kind: "exceeded", problem: { message: expect.stringContaining("999 input tokens for every call of the team") } });
	});

	test("the strictest that matches holds, whatever their order", () => {
		const caps: CallCap[] = [
			{ feature: "search", outputTokens: 900 },
			{ feature: null, outputTokens: 700 },
			{ feature: "chat", outputTokens: 300 },
		];
		for (const order of [caps, caps.toReversed()]) {
			expect(apply(boundOf({ floor: 256 }), order, "search")).toEqual({ kind: "lowered", outputTokens: 700 });
			expect(apply(boundOf({ floor: 256 }), order, "chat")).toEqual({ kind: "lowered", outputTokens: 300 });
			expect(apply(boundOf({ floor: 256 }), order, null)).toEqual({ kind: "lowered", outputTokens: 700 });
		}
		expect(apply(boundOf({ floor: 256 }), [{ feature: "chat", outputTokens: 300 }], "search")).toEqual({ kind: "within" });
	});

	test("a call larger than a minute of tokens is lowered to what can ever be admitted", () => {
		const atOnce = { value: 1_600, holder: "one call", name: "tokens; dimension=team; limit=1600" };
		expect(applyCaps(boundOf({ floor: 256 }), "search", undefined, atOnce)).toEqual({ kind: "lowered", outputTokens: 600 });
		expect(applyCaps(boundOf(), "search", undefined, atOnce)).toMatchObject({ kind: "exceeded" });
	});

	test("a lowered bound reserves for the lower output and can be lowered further, never raised", () => {
		const lowered = withLoweredOutput(boundOf({ floor: 256 }), 500);
		expect(lowered).toMatchObject({ inputTokens: 1_000, outputTokens: 500, nanoUsd: 1_500n, tokens: 1_500, clampFloorTokens: 256 });
		expect(lowered.clampTo({ nanoUsd: 1_300n, tokens: undefined })).toBe(300);
		expect(lowered.clampTo({ nanoUsd: undefined, tokens: undefined })).toBe(500);
		expect(withLoweredOutput(boundOf({ floor: 256 }), 100).clampFloorTokens).toBe(100);
	});
});
