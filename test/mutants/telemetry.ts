import type { Mutant } from "./mutant.ts";

/** Rules of the spans: nothing secret, nothing that was said unasked, bounded, and the ledger's amounts. */
const SPANS = "test/gateway/telemetry-spans.test.ts";
const CALLERS = "test/gateway/telemetry-callers.test.ts";
const RECEIVERS = "test/gateway/telemetry-receivers.test.ts";

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
		file: "activities/telemetry/call-spans.ts",
		from: "this.waiting >= queueMax",
		to: "this.waiting > queueMax * 10",
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
];
