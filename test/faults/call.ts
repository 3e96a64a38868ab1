import type { Random } from "./random.ts";

/** One planned call of the workload. Its prompt steers the simulated provider. */
export type PlannedCall = {
	readonly teamId: string;
	readonly key: string;
	readonly isStream: boolean;
	/** Default MODEL. */
	readonly model?: string;
	readonly outputTokens: number;
	readonly maxTokens: number;
	readonly directive: Readonly<Record<string, unknown>>;
	readonly headers?: Readonly<Record<string, string>>;
	/** Text that makes the prompt long. */
	readonly padding?: string;
};

/** How one call ended for its caller. */
export type CallRecord = {
	readonly teamId: string;
	/** The HTTP status; 0 where the connection or the stream broke. */
	readonly status: number;
	/** The gateway's error code. */
	readonly code: string | null;
	readonly requestId: string | null;
	readonly gateway: number;
	readonly phase: string;
	/** On performance.now(). */
	readonly startedAtMs: number;
	readonly endedAtMs: number;
	readonly text: string;
};

export const MODEL = "gpt-4o";
/** Nano-USD per token of MODEL in config/prices, for the size of limits only; the checker has its own. */
const INPUT_NANO_USD = 2_500n;
const OUTPUT_NANO_USD = 10_000n;
const CALL_TIMEOUT_MS = 60_000;

export function bodyOf(call: PlannedCall): string {
	const content = `${call.padding ?? ""}Say something about tolls. [[simulate:${JSON.stringify({ ...call.directive, outputTokens: call.outputTokens })}]]`;
	return JSON.stringify({
		model: call.model ?? MODEL,
		max_tokens: call.maxTokens,
		messages: [{ role: "user", content }],
		...(call.isStream && { stream: true }),
	});
}

/** About what the call will cost: one token per four bytes of input. */
export function expectedCostNanoUsd(call: PlannedCall): bigint {
	return BigInt(Math.ceil(bodyOf(call).length / 4)) * INPUT_NANO_USD + BigInt(call.outputTokens) * OUTPUT_NANO_USD;
}

/** No less than what the gateway holds for the call: every byte a token, and the whole cap. */
export function largestHoldNanoUsd(call: PlannedCall): bigint {
	return BigInt(bodyOf(call).length + 100) * INPUT_NANO_USD + BigInt(call.maxTokens) * OUTPUT_NANO_USD;
}

export function planCall(team: { readonly teamId: string; readonly key: string }, random: Random): PlannedCall {
	const outputTokens = random.integer(5, 60);
	return {
		teamId: team.teamId,
		key: team.key,
		isStream: random.share() < 0.4,
		outputTokens,
		maxTokens: outputTokens + random.integer(0, 20),
		directive: { latencyMs: random.integer(0, 30) },
	};
}

/** Sends the call. Never rejects for what a gateway or a connection does. */
export async function send(call: PlannedCall, to: { readonly url: string; readonly gateway: number; readonly phase: string }): Promise<CallRecord> {
	const { gateway, phase } = to;
	const record = { teamId: call.teamId, gateway, phase, startedAtMs: performance.now() };
	const end = () => ({ ...record, endedAtMs: performance.now() });
	try {
		const response = await fetch(`${to.url}/v1/chat/completions`, {
			method: "POST",
			headers: { authorization: `Bearer ${call.key}`, "content-type": "application/json", ...call.headers },
			body: bodyOf(call),
			signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
		});
		const requestId = response.headers.get("x-tollgate-request-id");
		const text = await response.text();
		const isBroken = response.status === 200 && call.isStream && !text.trimEnd().endsWith("data: [DONE]");
		return { ...end(), status: isBroken ? 0 : response.status, code: codeOf(response.status, text), requestId, text };
	} catch (error) {
		return { ...end(), status: 0, code: null, requestId: null, text: describe(error) };
	}
}

function describe(error: unknown): string {
	const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : "";
	return `${String(error)}${cause}`;
}

function codeOf(status: number, text: string): string | null {
	if (status < 400) return null;
	const { error } = JSON.parse(text) as { error?: { code?: string } };
	return error?.code ?? null;
}
