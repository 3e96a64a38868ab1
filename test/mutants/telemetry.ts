import type { Mutant } from "./mutant.ts";

/** Rules of the spans: nothing secret, nothing that was said unasked, bounded, and the ledger's amounts. */
const SPANS = "test/gateway/telemetry-spans.test.ts";
const CALLERS = "test/gateway/telemetry-callers.test.ts";
const RECEIVERS = "test/gateway/telemetry-receivers.test.ts";
const ITEMS = "test/unit/activities/telemetry/item-spans.test.ts";
const BOOKED = "test/integration/activities/batches/book.test.ts";

export const TELEMETRY_MUTANTS: readonly Mutant[] = [
	{
		rule: "spans: what was said is sent only where that is asked for",
		file: "config/telemetry.ts",
		from: "return isWanted ? ",
		to: "return isWanted || values.OTEL_SDK_DISABLED === undefined ? ",
		test: "test/unit/config/telemetry.test.ts",
		titles: ["an endpoint is enough: what is not set has its default, and content is off"],
	},
	{
		rule: "spans: the provider's key is taken out of texts that a caller made up",
		file: "activities/telemetry/describe-call.ts",
		from: 'return answer === undefined ? own : answer.redaction.body(Buffer.from(own)).toString("utf8");',
		to: "return own;",
		test: CALLERS,
		titles: ["whoever repeats it, with content of undefined bytes", "whoever repeats it, with content of 4096 bytes"],
	},
	{
		rule: "spans: keys of Tollgate are taken out",
		file: "activities/telemetry/own-secrets.ts",
		from: "text.replaceAll(OUR_KEYS, MARK)",
		to: "text.replaceAll(OUR_KEYS, (key) => key)",
		test: CALLERS,
		titles: ["whoever repeats it, with content of undefined bytes", "whoever repeats it, with content of 4096 bytes"],
	},
	{
		rule: "spans: a key is taken out before a text is cut",
		file: "activities/telemetry/message-parts.ts",
		from: '(typeof value === "string" ? clean(value) : value)',
		to: "value",
		test: "test/unit/activities/telemetry/message-parts.test.ts",
		titles: ["a key is taken out before a text is cut, so that no half of it stays"],
	},
	{
		rule: "spans: what waits for the receiver is bounded",
		file: "activities/telemetry/span-queue.ts",
		from: "this.waiting >= this.#options.queueMax",
		to: "this.waiting > this.#options.queueMax * 10",
		test: RECEIVERS,
		titles: ["that hangs: what waits is bounded, the rest is lost and counted, and what waited leaves when it wakes"],
		redBy: "for the loss",
	},
	{
		rule: "spans: a gateway that ends waits for no receiver for long",
		file: "gateway/gateway.ts",
		from: "Math.min(SPANS_LEAVE_MS, ",
		to: "Math.max(SPANS_LEAVE_MS, ",
		test: RECEIVERS,
		titles: ["a gateway that ends sends what waits, and waits for nobody who hangs"],
	},
	{
		rule: "spans: the cost is what was booked",
		file: "activities/telemetry/call-trace.ts",
		from: "this.costNanoUsd = booked.costNanoUsd;",
		to: "this.costNanoUsd = this.reservedNanoUsd;",
		test: SPANS,
		titles: ["chat completions: the conventions' attributes, the cost, whose it is, and nothing of what was said"],
	},
	{
		rule: "spans: a trace that its caller does not sample has none of ours",
		file: "activities/telemetry/otlp.ts",
		from: "return parentBased ? new ParentBasedSampler({ root }) : root;",
		to: "return root;",
		test: CALLERS,
		titles: ["that is not sampled makes no span"],
	},
	{
		rule: "spans of items: a receiver that takes spans is waited for",
		file: "activities/telemetry/item-spans.ts",
		from: "this.#queue.isFull && !this.#queue.isFailing && leftMs > 0",
		to: "leftMs > 0 && leftMs < 0",
		test: ITEMS,
		titles: ["a receiver that takes spans slower than a batch brings them is waited for, and loses none"],
	},
	{
		rule: "spans of items: a receiver that takes none is not waited for",
		file: "activities/telemetry/item-spans.ts",
		from: " && !this.#queue.isFailing",
		to: "",
		test: ITEMS,
		titles: ["one that takes none is not waited for: what is beyond the queue is lost, and counted"],
	},
	{
		rule: "spans of items: a receiver that hangs is waited for, but not for long",
		file: "activities/telemetry/item-spans.ts",
		from: "ROOM_WITHIN_MS = 2_000",
		to: "ROOM_WITHIN_MS = 8_000",
		test: ITEMS,
		titles: ["one that hangs is waited for two seconds for each booking, and no longer"],
	},
	{
		rule: "spans of items: what no provider was asked for is none",
		file: "activities/telemetry/item-spans.ts",
		from: "if (!wasCalled(tried)) continue;",
		to: "",
		test: ITEMS,
		titles: ["what no provider answered, and nobody pays for, is no span; what may have run is one, at its bound"],
	},
	{
		rule: "spans of items: keys of Tollgate are taken out of what was answered",
		file: "activities/telemetry/item-answer.ts",
		from: "clean: withoutOwnKeys",
		to: "clean: (text) => text",
		test: ITEMS,
		titles: ["an answer is read once it is priced: what was said is bounded and without keys, and not read where it is huge"],
	},
	{
		rule: "spans of items: of what is booked again nobody is told again",
		file: "activities/batches/store/book-items.ts",
		from: 'if (decision === "ignored") continue;',
		to: 'if (decision === "ignored") {\n\t\t\tplan.fresh.push({ batch: books.record, booking, reservation: undefined as never, outcome: null, isDuplicate: false, traceContext: null });\n\t\t\tcontinue;\n\t\t}',
		test: BOOKED,
		titles: ["whoever is told of what was booked hears of each try once, however often and by how many it is booked"],
	},
	{
		rule: "spans of items: a trace that is not well-formed is not kept",
		file: "gateway/trace-context.ts",
		from: "if (!TRACEPARENT.test(traceparent)) return null;",
		to: "",
		test: "test/gateway/deferred.test.ts",
		titles: ["keeps the trace of its caller where that is well-formed, and as much of its state as everybody passes on"],
	},
];
