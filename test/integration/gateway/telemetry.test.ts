import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { withClient } from "#test/support/authority-rows.ts";
import { chat, type GatewayProcess, type GatewayStand, openGatewayStand } from "#test/support/gateway-process.ts";
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from "#test/support/otlp-receiver.ts";
import { until } from "#test/support/until.ts";

/** Spans of gateways as the processes they are, over official clients and a real ledger: they say what the books say. */

let stand: GatewayStand;
let receiver: OtlpReceiver;
let gateway: GatewayProcess | undefined;

beforeAll(async () => {
	[stand, receiver] = await Promise.all([openGatewayStand(), startOtlpReceiver()]);
}, 60_000);
afterAll(async () => {
	await stand?.close();
	await receiver?.close();
});
afterEach(async () => {
	await gateway?.end();
	receiver.behave("take");
	receiver.spans.length = 0;
});

async function start(environment: Record<string, string> = {}): Promise<GatewayProcess> {
	gateway = await stand.start("g1", {
		OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
		OTEL_EXPORTER_OTLP_COMPRESSION: "gzip",
		OTEL_SERVICE_NAME: "tollgate-test",
		OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test%20bed",
		OTEL_BSP_SCHEDULE_DELAY: "50",
		...environment,
	});
	return gateway;
}

/** Cost by attempt, as the ledger has it. */
async function ledgerOf(teamId: string): Promise<Map<string, string>> {
	return withClient(stand.database.url, async (client) => {
		const { rows } = await client.query<{ attempt_id: string; amount: string }>(
			"SELECT attempt_id, sum(amount_nano_usd)::text AS amount FROM tollgate.entry WHERE debit_account = $1 AND attempt_id IS NOT NULL GROUP BY attempt_id",
			[`team/${teamId}`],
		);
		return new Map(rows.map((row) => [row.attempt_id, row.amount]));
	});
}

async function metric(line: string): Promise<number> {
	const text = await (await fetch(`${gateway?.url}/metrics`)).text();
	const found = text.split("\n").find((one) => one.startsWith(`${line} `));
	return Number(found?.slice(line.length + 1) ?? Number.NaN);
}

test("every call of a workload is one span, whose cost is the ledger's to the nano-dollar", async () => {
	const { url } = await start();
	const { teamId, key } = await stand.team(1_000_000_000n);
	const openai = new OpenAI({ apiKey: key, baseURL: `${url}/v1`, maxRetries: 0 });
	const anthropic = new Anthropic({ apiKey: key, baseURL: url, maxRetries: 0 });
	const user = (content: string) => [{ role: "user" as const, content }];
	const simulate = (directive: unknown) => user(`[[simulate:${JSON.stringify(directive)}]] hello`);
	const read = async (stream: Promise<AsyncIterable<unknown>>): Promise<void> => {
		let events = 0;
		for await (const _event of await stream) events += 1;
		expect(events).toBeGreaterThan(0);
	};
	const requestIds: string[] = [];
	const workload: (() => Promise<unknown>)[] = Array.from({ length: 10 }, (_, index) => [
		() => openai.chat.completions.create({ model: "gpt-4o", max_tokens: 10 + index, messages: user(`hello ${index}`) }),
		() => read(openai.chat.completions.create({ model: "gpt-4o-mini", max_tokens: 10 + index, stream: true, messages: user("hello") })),
		() => openai.responses.create({ model: "gpt-4o", max_output_tokens: 20 + index, input: "hello" }),
		() => read(openai.responses.create({ model: "gpt-4o", max_output_tokens: 20 + index, stream: true, input: "hello" })),
		() => openai.embeddings.create({ model: "text-embedding-3-small", input: `hello ${index}` }),
		() => anthropic.messages.create({ model: "claude-sonnet-4-5", max_tokens: 10 + index, messages: user("hello") }),
		() => read(anthropic.messages.create({ model: "claude-sonnet-4-5", max_tokens: 10 + index, stream: true, messages: user("hello") })),
		// Charged at its reservation, released, refused by the budget, and refused for what it asks.
		() => expect(openai.chat.completions.create({ model: "gpt-4o", max_tokens: 10, messages: simulate({ fault: "missing_usage" }) })).resolves.toBeDefined(),
		() => expect(openai.chat.completions.create({ model: "gpt-4o", max_tokens: 10, messages: simulate({ status: 429 }) })).rejects.toThrow(),
		() => expect(openai.chat.completions.create({ model: "gpt-4o", max_tokens: 10, n: 100_000, messages: user("hello") })).rejects.toThrow(),
		() => expect(openai.chat.completions.create({ model: "no-such-model", messages: user("hello") })).rejects.toThrow(),
	]).flat();
	for (let first = 0; first < workload.length; first += 8) await Promise.all(workload.slice(first, first + 8).map((call) => call()));
	await receiver.whenSpans(workload.length);
	await gateway?.end();
	const spans = receiver.spans;
	expect(spans).toHaveLength(workload.length);
	for (const span of spans) requestIds.push(String(span.attributes["tollgate.request.id"]));
	expect(new Set(requestIds).size).toBe(workload.length);
	expect(new Set(spans.map((span) => span.spanId)).size).toBe(workload.length);
	const ledger = await ledgerOf(teamId);
	expect(ledger.size).toBe(80);
	const costOf = (span: ReceivedSpan): string => String(span.attributes["tollgate.cost.nano_usd"]);
	const paid = spans.filter((span) => costOf(span) !== "0");
	expect(new Map(paid.map((span) => [span.attributes["tollgate.attempt.id"], costOf(span)]))).toEqual(ledger);
	for (const span of spans) expect(Math.round(Number(span.attributes["gen_ai.usage.cost"]) * 1e9)).toBe(Number(costOf(span)));
	expect(spans.filter((span) => span.status.code === 2)).toHaveLength(30);
	expect(spans[0]?.resource).toMatchObject({ "service.name": "tollgate-test", "deployment.environment.name": "test bed", "tollgate.gateway": "g1" });
	expect((await stand.verify()).findings).toEqual([]);
}, 120_000);

test("without a receiver nothing is sent, and its metrics are 0", async () => {
	const { url } = await start({ OTEL_EXPORTER_OTLP_ENDPOINT: "" });
	const { key } = await stand.team(1_000_000_000n);
	expect((await chat({ url }, key)).status).toBe(200);
	expect(await metric("tollgate_spans_waiting")).toBe(0);
	expect(await metric("tollgate_spans_exported_total")).toBe(0);
});

test("a receiver that is down, then slow, then back: calls are answered all the while, losses are counted, every span is one or the other", async () => {
	const { url } = await start({ OTEL_BSP_MAX_QUEUE_SIZE: "20", OTEL_EXPORTER_OTLP_TIMEOUT: "1000" });
	const { key } = await stand.team(1_000_000_000n);
	const calls = async (count: number) => {
		for (let index = 0; index < count; index++) expect((await chat({ url }, key)).status).toBe(200);
	};
	receiver.behave(503);
	await calls(10);
	await until("losses", async () => (await metric('tollgate_spans_lost_total{reason="export_failed"}')) === 10);
	receiver.behave("hang");
	const startedAtMs = performance.now();
	await calls(40);
	// Nothing of a receiver's second is in them.
	expect((performance.now() - startedAtMs) / 40).toBeLessThan(500);
	await until("the receiver to be given up", async () => (await metric("tollgate_spans_waiting")) === 0);
	receiver.behave("take");
	receiver.spans.length = 0;
	await calls(5);
	await receiver.whenSpans(5);
	await until("the counts", async () => (await metric("tollgate_spans_waiting")) === 0);
	const lost = await Promise.all(["export_failed", "queue_full"].map((reason) => metric(`tollgate_spans_lost_total{reason="${reason}"}`)));
	expect(lost.reduce((sum, count) => sum + count, await metric("tollgate_spans_exported_total"))).toBe(55);
	expect(lost[1]).toBeGreaterThan(0);
	expect(gateway?.log().match(/spans are lost/g)).toHaveLength(1);
	expect(gateway?.log()).toContain("spans are taken again");
}, 120_000);
