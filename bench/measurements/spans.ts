import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { AnswerHeaders, AnswerListener, Deployment, ModelCall } from "#activities/providers/port.ts";
import type { PipelineDependencies } from "#activities/request/pipeline.ts";
import type { AdmissionInput } from "#activities/request/port.ts";
import { CallTrace } from "#activities/telemetry/call-trace.ts";
import { describeCall } from "#activities/telemetry/describe-call.ts";
import { createOtlpTelemetry } from "#activities/telemetry/otlp.ts";
import type { ArrivedCall } from "#activities/telemetry/port.ts";

/**
 * What a call costs a gateway that sends it as a span: on its path, and afterwards (making the span; making, encoding and sending it to a receiver on
 * the loopback, all of it in this process). `node bench/measurements/spans.ts`; figures are medians of rounds, in microseconds of CPU.
 */
const CALLS = 4_000;
const ROUNDS = 7;
const BODY = Buffer.from(JSON.stringify({ model: "gpt-4o", max_tokens: 100, temperature: 0.2, messages: [{ role: "user", content: "x".repeat(200) }] }));
const CALL: ArrivedCall = {
	requestId: "req_bench",
	key: { keyId: "key_1", teamId: "demo", feature: "search", userId: null, environment: "prod", models: null, endpoints: null, mayAssert: [] },
	endpoint: "chat.completions",
	protocol: "openai",
	body: BODY,
	parent: undefined,
};
const ANSWER = Buffer.from(
	JSON.stringify({
		id: "chatcmpl-1",
		model: "gpt-4o",
		choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "y".repeat(500) } }],
	}),
);

function median(values: readonly number[]): number {
	return [...values].sort((left, right) => left - right)[Math.floor(values.length / 2)] ?? 0;
}

async function inRounds(round: () => Promise<number> | number): Promise<string> {
	const taken: number[] = [];
	for (let count = 0; count < ROUNDS; count++) taken.push(await round());
	return ((median(taken) / CALLS) * 1000).toFixed(2);
}

/** CPU of this process, milliseconds. */
function cpuMs(): number {
	const { user, system } = process.cpuUsage();
	return (user + system) / 1000;
}

const TRACE_OPTIONS = { nowMs: () => performance.now(), wallClockMs: () => Date.now(), wholeBytesMax: 1_048_576, headBytesMax: 16_384, tailBytesMax: 65_536 };
const NO_REDACTION = {
	body: (bytes: Buffer) => bytes,
	headers: (headers: AnswerHeaders) => headers,
	stream: () => ({ push: (chunk: Buffer) => chunk, end: () => NO_BYTES }),
};
const NO_BYTES = Buffer.alloc(0);
const BOOKED = { outcome: "settled", costNanoUsd: 1_000n } as const;
const USAGE = { inputTokens: 50, cachedInputTokens: 0, cacheWrite5mTokens: 0, cacheWrite1hTokens: 0, outputTokens: 100, reasoningTokens: 0 };
const LISTENER: AnswerListener = { onSent() {}, onStart() {}, onData() {}, onEnd() {}, onFailure() {} };

/** What a call asks of what its trace stands before, with nothing behind it. */
const BEHIND = {
	authority: {
		admit: () => ({
			kind: "admitted",
			attempt: { attemptId: "g1-1-1", reservedNanoUsd: 2_000n, clampedOutputTokens: undefined, settle: () => BOOKED },
		}),
	},
	transport: {
		send(_call: unknown, listener: AnswerListener) {
			listener.onSent();
			listener.onStart(200, { "content-type": "application/json" });
			listener.onData(ANSWER);
			listener.onEnd();
		},
		redactionFor: () => NO_REDACTION,
	},
	runs: { enter: () => undefined },
} as unknown as PipelineDependencies;
const INPUT = { model: "gpt-4o", provider: "openai", book: { version: 1 } } as AdmissionInput;
const DEPLOYMENT = { name: "openai/gpt-4o", model: "gpt-4o", origin: "https://api.openai.com" } as Deployment;

function serve(trace: CallTrace): void {
	const { authority, transport } = trace.over(BEHIND);
	const admission = authority.admit(INPUT);
	if (admission instanceof Promise || admission.kind !== "admitted") throw new Error("the call was not admitted");
	transport.send({ deployment: DEPLOYMENT } as ModelCall, LISTENER);
	const reported = { kind: "usable", usage: USAGE, model: "gpt-4o", serviceTier: "default" } as const;
	admission.attempt.settle({ reported, providerRequestId: "req_1", httpStatus: 200, durationMs: 1 });
	trace.end({ status: 200, hasCallerLeft: false });
}

function onPath(): number {
	const ended: CallTrace[] = [];
	const options = { ...TRACE_OPTIONS, onEnd: (trace: CallTrace) => void ended.push(trace) };
	const startedAtMs = cpuMs();
	for (let count = 0; count < CALLS; count++) serve(new CallTrace(CALL, options));
	return cpuMs() - startedAtMs;
}

function described(): number {
	const trace = new CallTrace(CALL, { ...TRACE_OPTIONS, onEnd: () => undefined });
	serve(trace);
	const startedAtMs = cpuMs();
	for (let count = 0; count < CALLS; count++) describeCall(trace, { contentBytesMax: undefined });
	return cpuMs() - startedAtMs;
}

async function sent(url: string): Promise<number> {
	const telemetry = createOtlpTelemetry({
		url,
		headers: {},
		timeoutMs: 10_000,
		compression: "none",
		resource: { "service.name": "bench" },
		sampler: { parentBased: true, share: 1 },
		contentBytesMax: undefined,
		queueMax: CALLS,
		batchMax: 64,
		delayMs: 1_000,
		onProblem: (problem) => {
			throw new Error(problem);
		},
		onRecovered: () => undefined,
	});
	const startedAtMs = cpuMs();
	for (let count = 0; count < CALLS; count++) serve(telemetry.begin(CALL));
	await telemetry.close(60_000);
	if (telemetry.counters.exported !== CALLS) throw new Error(`${telemetry.counters.exported} of ${CALLS} spans arrived`);
	return cpuMs() - startedAtMs;
}

const server = createServer((request, response) => request.resume().on("end", () => response.end()));
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`;
process.stdout.write(`on the path of a call, what its trace keeps: ${await inRounds(onPath)} µs\n`);
process.stdout.write(`afterwards, body read and attributes made: ${await inRounds(described)} µs\n`);
process.stdout.write(`afterwards, all of it, its path, encoding, sending and the receiver included: ${await inRounds(() => sent(url))} µs\n`);
server.close();
