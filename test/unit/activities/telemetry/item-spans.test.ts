import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import { TracerProvider } from "@opentelemetry/sdk-trace";
import { expect, test } from "vitest";
import type { BatchRecord, BookedTry, ItemBooking } from "#activities/batches/port.ts";
import { createAnswerReader } from "#activities/telemetry/item-answer.ts";
import { ItemSpans } from "#activities/telemetry/item-spans.ts";
import { FinishedSpans, SpanQueue } from "#activities/telemetry/span-queue.ts";
import { until } from "#test/support/until.ts";

/** Items of batches as spans, over a receiver that does as it is told. */

type Message = { readonly spans: readonly ReadableSpan[]; take(): void; refuse(): void };

function open({ queueMax = 100, batchMax = 2 } = {}) {
	const messages: Message[] = [];
	const finished = new FinishedSpans();
	const queue = new SpanQueue({
		tracer: new TracerProvider({ spanProcessors: [finished] }).getTracer("test"),
		finished,
		send: (spans) => new Promise((resolve, reject) => messages.push({ spans, take: resolve, refuse: () => reject(new Error("no")) })),
		contentBytesMax: undefined,
		queueMax,
		batchMax,
		delayMs: 1,
		onProblem: () => undefined,
		onRecovered: () => undefined,
	});
	const items = new ItemSpans(queue, { contentBytesMax: 1_024, serverOf: () => ({ model: "gpt-test", origin: "https://provider.example" }) });
	return { items, messages };
}

const RECORD = { batchId: "batch_a", traceContext: { traceparent: `00-${"c".repeat(32)}-${"d".repeat(16)}-01` } } as BatchRecord;
const ANSWERED = { id: "chatcmpl-1", finishReasons: ["stop"], errorCode: undefined, output: undefined };

function tried(n: number, change: Partial<ItemBooking> = {}, rest: Partial<BookedTry> = {}): BookedTry {
	const booking = { n, tryNumber: 1, outcome: "succeeded", costNanoUsd: 100n, httpStatus: 200, answer: ANSWERED, ...change } as ItemBooking;
	const reservation = { attemptId: `batch1-1-${n}`, requestId: `batch_a/${n}`, endpoint: "chat.completions", provider: "openai", teamId: "demo", keyId: "k" };
	const held = { ...reservation, feature: null, userId: null, environment: null, reservedAtMs: Date.now() - 1_000, reservedNanoUsd: "200", priceVersion: 7 };
	const outcome = { outcome: "settled", reason: null, costNanoUsd: "100", usage: null, httpStatus: 200 };
	return { batch: RECORD, booking, reservation: held, outcome, isDuplicate: false, traceContext: null, ...rest } as BookedTry;
}

const spansOf = (messages: readonly Message[]): ReadableSpan[] => messages.flatMap(({ spans }) => [...spans]);

test("a receiver that takes spans slower than a batch brings them is waited for, and loses none", async () => {
	const { items, messages } = open({ queueMax: 4, batchMax: 1 });
	let isBooked = false;
	const booked = items.booked(Array.from({ length: 12 }, (_, index) => tried(index + 1))).then(() => {
		isBooked = true;
	});
	await until("four messages", () => messages.length === 4);
	expect(isBooked).toBe(false);
	const taken = new Set<Message>();
	await until("all are taken", () => {
		for (const message of messages) if (!taken.has(message)) taken.add(message.take() ?? message);
		return spansOf(messages).length === 12;
	});
	await booked;
	for (const message of messages) message.take();
	await until("none waits", () => items.waiting === 0);
	expect(items.counters).toMatchObject({ exported: 12, lost: { queue_full: 0 } });
});

test("one that takes none is not waited for: what is beyond the queue is lost, and counted", async () => {
	const { items, messages } = open({ queueMax: 2, batchMax: 1 });
	await items.booked([tried(1)]);
	(await until("a message", () => messages[0])).refuse();
	await until("the loss", () => items.counters.lost.export_failed === 1);
	const startedAtMs = performance.now();
	await items.booked(Array.from({ length: 6 }, (_, index) => tried(index + 1)));
	expect(performance.now() - startedAtMs).toBeLessThan(1_000);
	expect(items.counters.lost.queue_full).toBe(4);
});

test("one that hangs is waited for two seconds for each booking, and no longer", async () => {
	const { items } = open({ queueMax: 1, batchMax: 1 });
	const startedAtMs = performance.now();
	await items.booked([tried(1), tried(2), tried(3)]);
	const tookMs = performance.now() - startedAtMs;
	expect(tookMs).toBeGreaterThan(1_500);
	expect(tookMs).toBeLessThan(6_000);
	expect(items.counters.lost.queue_full).toBe(2);
});

test("what no provider answered, and nobody pays for, is no span; what may have run is one, at its bound", async () => {
	const { items, messages } = open({ batchMax: 10 });
	const notCalled = { outcome: "expired", costNanoUsd: null, httpStatus: null, answer: undefined } as const;
	const lost = { outcome: "errored", isLost: true, costNanoUsd: 200n, httpStatus: null, answer: undefined, unresolvedReason: "gone" } as const;
	const unresolved = { outcome: "unresolved", reason: "gone", costNanoUsd: "200", usage: null, httpStatus: null } as BookedTry["outcome"];
	const refused = { outcome: "errored", costNanoUsd: null, httpStatus: 429, answer: { ...ANSWERED, finishReasons: [], errorCode: "rate_limit" } } as const;
	await items.booked([tried(1, notCalled, { outcome: null }), tried(2, lost, { outcome: unresolved }), tried(3, refused, { outcome: null })]);
	await until("a message", () => messages[0]);
	expect(spansOf(messages).map(({ attributes, status }) => [attributes["tollgate.batch.item"], attributes["tollgate.cost.nano_usd"], status.message])).toEqual([
		[2, "200", "lost"],
		[3, "0", "rate_limit"],
	]);
	expect(spansOf(messages).map(({ attributes }) => attributes["tollgate.outcome"])).toEqual(["unresolved", "released"]);
});

test("a row that the ledger set aside is said to be unbooked, and a second payment to be one", async () => {
	const { items, messages } = open({ batchMax: 10 });
	await items.booked([tried(1, {}, { outcome: null }), tried(2, {}, { isDuplicate: true })]);
	await until("a message", () => messages[0]);
	expect(spansOf(messages).map(({ attributes }) => attributes["tollgate.outcome"])).toEqual(["unbooked", "settled"]);
	expect(spansOf(messages).map(({ attributes }) => attributes["tollgate.batch.duplicate"])).toEqual([undefined, true]);
});

test("it is a child of the call that handed it in, or of the one that made its batch, and lasts from hold to booking", async () => {
	const { items, messages } = open({ batchMax: 10 });
	const own = { traceparent: `00-${"e".repeat(32)}-${"f".repeat(16)}-01` };
	await items.booked([tried(1, {}, { traceContext: own }), tried(2)]);
	await until("a message", () => messages[0]);
	const spans = spansOf(messages);
	expect(spans.map((span) => span.spanContext().traceId)).toEqual(["e".repeat(32), "c".repeat(32)]);
	expect(spans.map((span) => span.parentSpanContext?.spanId)).toEqual(["f".repeat(16), "d".repeat(16)]);
	for (const { duration } of spans) expect(duration[0]).toBeGreaterThanOrEqual(1);
});

test("an answer is read once it is priced: what was said is bounded and without keys, and not read where it is huge", () => {
	const read = createAnswerReader(1_024);
	const key = `tg-${"k".repeat(40)}`;
	const answer = (content: string) => ({ id: "chatcmpl-1", choices: [{ finish_reason: "stop", message: { role: "assistant", content } }] });
	const of = (body: object) => read("chat.completions", { kind: "succeeded", httpStatus: 200, requestId: null, body: JSON.stringify(body) });
	expect(of(answer("hello"))).toMatchObject({ id: "chatcmpl-1", finishReasons: ["stop"], output: { isCut: false } });
	expect(of(answer(`say ${key}`)).output?.json).not.toContain(key);
	const long = of(answer("x".repeat(5_000))).output;
	expect(long?.isCut).toBe(true);
	expect(Buffer.byteLength(long?.json ?? "")).toBeLessThanOrEqual(1_024);
	expect(of(answer("x".repeat(2_000_000)))).toEqual({ id: undefined, finishReasons: [], errorCode: undefined, output: undefined });
	const error = JSON.stringify({ error: { code: "model_not_found", message: "secret text" } });
	expect(read("chat.completions", { kind: "errored", httpStatus: 404, requestId: null, body: error })).toMatchObject({ errorCode: "model_not_found" });
	const silent = createAnswerReader(undefined);
	expect(silent("chat.completions", { kind: "succeeded", httpStatus: 200, requestId: null, body: JSON.stringify(answer("hello")) }).output).toBeUndefined();
});
