import { randomBytes } from "node:crypto";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI, { toFile } from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { withClient } from "#test/support/authority-rows.ts";
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from "#test/support/otlp-receiver.ts";
import { preloading } from "#test/support/preload.ts";
import { type System, startSystem } from "#test/support/system.ts";
import { until } from "#test/support/until.ts";

/** Items of batches and items that were handed in alone as spans, through the whole system, whose provider's day is less than a minute. */
let system: System;
let receiver: OtlpReceiver;

const PACE = 1_800;
const WITHIN_MS = 60_000;

beforeAll(async () => {
	receiver = await startOtlpReceiver();
	system = await startSystem({
		OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
		OTEL_BSP_SCHEDULE_DELAY: "50",
		OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: "true",
		NODE_OPTIONS: preloading("quick-batches.mjs"),
	});
	await control("clock", { pace: PACE });
	await control("plan", { plan: { turnaroundMs: 3_600_000 } });
}, 120_000);
afterAll(async () => {
	await system?.close();
	await receiver?.close();
});

async function control(what: string, body: object): Promise<void> {
	const url = `${system.endpoints().simulatedProvider?.url}/simulator/batches/${what}`;
	const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
	expect(answer.status, await answer.text()).toBe(200);
}

function newTrace(): { readonly traceId: string; readonly spanId: string; readonly headers: Record<string, string> } {
	const [traceId, spanId] = [randomBytes(16).toString("hex"), randomBytes(8).toString("hex")];
	return { traceId, spanId, headers: { traceparent: `00-${traceId}-${spanId}-01`, tracestate: "vendor=1" } };
}

/** Cost by attempt of a batch's holder, or of a request, as the ledger has it. */
async function ledgerOf(requestIds: string): Promise<Map<string, string>> {
	return withClient(system.endpoints().databaseUrl, async (client) => {
		const { rows } = await client.query<{ attempt_id: string; amount: string }>(
			`SELECT e.attempt_id, sum(e.amount_nano_usd)::text AS amount FROM tollgate.entry e JOIN tollgate.attempt a USING (attempt_id)
			WHERE a.request_id LIKE $1 GROUP BY e.attempt_id`,
			[requestIds],
		);
		return new Map(rows.map((row) => [row.attempt_id, row.amount]));
	});
}

function amountsOf(spans: readonly ReceivedSpan[]): Map<string, string> {
	return new Map(spans.map(({ attributes }) => [String(attributes["tollgate.attempt.id"]), String(attributes["tollgate.cost.nano_usd"])]));
}

const spansOf = (traceId: string): ReceivedSpan[] => receiver.spans.filter((span) => span.traceId === traceId);

test("each item of a caller's batch is one span of his trace, at what the ledger says; what the provider refused says so", async () => {
	const { gateway, demoKey } = system.endpoints();
	const openai = new OpenAI({ apiKey: demoKey, baseURL: `${gateway}/v1`, maxRetries: 0 });
	const trace = newTrace();
	const contents = ["one", "two", "three", '[[simulate:{"status":400}]] four'];
	const lines = contents.map((content, index) =>
		JSON.stringify({
			custom_id: `c-${index + 1}`,
			method: "POST",
			url: "/v1/chat/completions",
			body: { model: "gpt-4o", max_tokens: 20, messages: [{ role: "user", content }] },
		}),
	);
	const file = await openai.files.create({ file: await toFile(Buffer.from(lines.join("\n")), "in.jsonl"), purpose: "batch" });
	const asked = { input_file_id: file.id, endpoint: "/v1/chat/completions", completion_window: "24h" } as const;
	const { id } = await openai.batches.create(asked, { headers: trace.headers });
	await until("the batch", async () => (await openai.batches.retrieve(id)).status === "completed", WITHIN_MS);
	const spans = await until("a span of each item", () => spansOf(trace.traceId).length === contents.length && spansOf(trace.traceId), WITHIN_MS);
	const billed = spans.filter(({ status }) => status.code !== 2);
	expect(billed).toHaveLength(3);
	expect(amountsOf(billed)).toEqual(await ledgerOf(`${id}/%`));
	for (const span of billed) {
		expect(span).toMatchObject({ name: "chat gpt-4o", kind: 3, parentSpanId: trace.spanId, traceState: "vendor=1" });
		expect(span.attributes).toMatchObject({
			"tollgate.team": "demo",
			"tollgate.batch.id": id,
			"tollgate.batch.lane": "batch",
			"tollgate.outcome": "settled",
			"gen_ai.response.finish_reasons": ["length"],
		});
		expect(BigInt(String(span.attributes["tollgate.cost.nano_usd"]))).toBeGreaterThan(0n);
		expect(JSON.parse(String(span.attributes["gen_ai.output.messages"]))).toMatchObject([{ role: "assistant" }]);
		expect(span.endNano).toBeGreaterThan(span.startNano);
		expect(span.resource).toMatchObject({ "service.name": "tollgate", "tollgate.worker": "batches" });
	}
	const [refused] = spans.filter(({ status }) => status.code === 2);
	expect(refused?.attributes).toMatchObject({ "tollgate.cost.nano_usd": "0", "tollgate.outcome": "released", "tollgate.provider.status": 400 });
	expect(spans.map(({ attributes }) => attributes["tollgate.batch.item"]).sort()).toEqual([1, 2, 3, 4]);
});

test("so are those of a message batch, and an item that was handed in alone, with a batch and in real time", async () => {
	const { gateway, demoKey } = system.endpoints();
	const anthropic = new Anthropic({ apiKey: demoKey, baseURL: gateway, maxRetries: 0 });
	const [ofBatch, alone, urgent] = [newTrace(), newTrace(), newTrace()];
	const messages = [{ role: "user" as const, content: "hello" }];
	const requests = ["a", "b"].map((name) => ({ custom_id: name, params: { model: "claude-sonnet-4-5", max_tokens: 20, messages } }));
	const { id } = await anthropic.messages.batches.create({ requests }, { headers: ofBatch.headers });
	const handIn = async (headers: Record<string, string>): Promise<string> => {
		const answer = await fetch(`${gateway}/v1/deferred/chat/completions`, {
			method: "POST",
			headers: { authorization: `Bearer ${demoKey}`, "content-type": "application/json", ...headers },
			body: JSON.stringify({ model: "gpt-4o", max_tokens: 20, messages }),
		});
		const body = (await answer.json()) as { id: string };
		expect(answer.status, JSON.stringify(body)).toBe(202);
		return body.id;
	};
	const ids = [await handIn({ ...alone.headers, "x-tollgate-lane": "batch" }), await handIn({ ...urgent.headers, "x-tollgate-deadline": "2s" })];
	const traces = [
		{ trace: ofBatch, requestIds: `${id}/%`, lane: "batch", count: 2 },
		{ trace: alone, requestIds: ids[0] ?? "", lane: "batch", count: 1 },
		{ trace: urgent, requestIds: ids[1] ?? "", lane: "real_time", count: 1 },
	];
	for (const { trace, requestIds, lane, count } of traces) {
		const spans = await until(`spans of ${requestIds}`, () => spansOf(trace.traceId).length === count && spansOf(trace.traceId), WITHIN_MS);
		expect(amountsOf(spans)).toEqual(await ledgerOf(requestIds));
		for (const { parentSpanId, attributes } of spans) {
			expect(parentSpanId).toBe(trace.spanId);
			expect(attributes["tollgate.batch.lane"]).toBe(lane);
			expect(String(attributes["tollgate.request.id"])).toMatch(new RegExp(`^${requestIds.replace("%", "[12]")}$`));
		}
	}
});

test("a receiver that is away holds up no batch, and what it lost is counted", async () => {
	const { gateway, admin, demoKey } = system.endpoints();
	receiver.behave(400);
	const openai = new OpenAI({ apiKey: demoKey, baseURL: `${gateway}/v1`, maxRetries: 0 });
	const body = { model: "text-embedding-3-small", input: "hello" };
	const line = JSON.stringify({ custom_id: "only", method: "POST", url: "/v1/embeddings", body });
	const file = await openai.files.create({ file: await toFile(Buffer.from(line), "in.jsonl"), purpose: "batch" });
	const { id } = await openai.batches.create({ input_file_id: file.id, endpoint: "/v1/embeddings", completion_window: "24h" });
	await until("the batch", async () => (await openai.batches.retrieve(id)).status === "completed", WITHIN_MS);
	expect((await ledgerOf(`${id}/%`)).size).toBe(1);
	const metrics = async () => (await fetch(`${admin}/metrics`)).text();
	await until("the loss", async () => /^tollgate_spans_lost_total\{reason="export_failed"\} 1$/m.test(await metrics()), WITHIN_MS);
	expect(await metrics()).toMatch(/^tollgate_spans_exported_total 8$/m);
	receiver.behave("take");
});
