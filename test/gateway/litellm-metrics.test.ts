import { Registry } from "prom-client";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createFakeAuthority, type FakeAuthority } from "#test/support/fake-authority.ts";
import { testPriceBook } from "#test/support/gateway-price-book.ts";
import { startTestGateway, type TestGateway } from "#test/support/gateway-server.ts";
import { readDocumented } from "#test/support/monitoring.ts";
import { chatBody, rawCall } from "#test/support/raw-call.ts";
import { type ScriptedProvider, startScriptedProvider } from "#test/support/scripted-provider.ts";
import { exposeLitellm } from "../../workers/litellm-metrics.ts";

/** The metrics of LiteLLM's proxy, where they are asked for. */
let provider: ScriptedProvider;
let authority: FakeAuthority;
let gateway: TestGateway;

beforeAll(async () => {
	provider = await startScriptedProvider(({ response }) =>
		response.end('{"model":"gpt-4o","usage":{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14,"prompt_tokens_details":{"cached_tokens":4}}}'),
	);
});
afterAll(() => provider.close());
beforeEach(async () => {
	authority = createFakeAuthority(testPriceBook());
	gateway = await startTestGateway({ authority, providerUrl: provider.url, metricsCompat: "litellm" });
	return () => gateway.close();
});

const metricsOf = async ({ url }: TestGateway): Promise<string> => (await fetch(`${url}/metrics`)).text();
const namesIn = (text: string): string[] => [...text.matchAll(/^# TYPE (litellm_\w+) (\w+)$/gm)].map(([, name, type]) => `${name} ${type}`).sort();
const listed = (heading: string): string[] =>
	readDocumented("docs/litellm-metrics.md", heading)
		.map(({ name, type }) => `${name} ${type}`)
		.sort();

test("the page lists exactly what a gateway shows", async () => {
	expect(namesIn(await metricsOf(gateway))).toEqual(listed("Of the gateway"));
});

test("the page lists exactly what a worker shows", async () => {
	const metrics = new Registry();
	exposeLitellm({ query: () => Promise.reject(new Error("not read")) }, { metrics, seriesMax: 10 });
	expect(namesIn(await metrics.metrics())).toEqual(listed("Of the worker"));
	const labels = Object.fromEntries(
		metrics.getMetricsAsArray().map((metric) => [metric.name, [...(metric as unknown as { labelNames: string[] }).labelNames].sort()]),
	);
	expect(labels).toEqual(
		Object.fromEntries(readDocumented("docs/litellm-metrics.md", "Of the worker").map(({ name, labels: documented }) => [name, documented])),
	);
});

test("nothing of it is shown unasked", async () => {
	const plain = await startTestGateway({ authority, providerUrl: provider.url });
	const text = await metricsOf(plain);
	await plain.close();
	expect(text).not.toContain("litellm");
});

test("calls count by status and route, those that failed once more, and only answers have a whole time", async () => {
	await rawCall(gateway.url, { body: chatBody({}) });
	await rawCall(gateway.url, { body: "no json" });
	await rawCall(gateway.url, { method: "GET", path: "/v1/nowhere", headers: [] });
	const text = await metricsOf(gateway);
	for (const line of [
		'litellm_proxy_total_requests_metric_total{route="/v1/chat/completions",status_code="200"} 1',
		'litellm_proxy_total_requests_metric_total{route="/v1/chat/completions",status_code="400"} 1',
		'litellm_proxy_failed_requests_metric_total{route="/v1/chat/completions",exception_status="400"} 1',
		"litellm_request_total_latency_metric_count 1",
		"litellm_llm_api_latency_metric_count 1",
		"litellm_overhead_latency_metric_count 1",
		// The same observations under both names.
		"tollgate_upstream_duration_seconds_count 1",
		"litellm_in_flight_requests 0",
	])
		expect(text).toContain(line);
	expect(text).not.toContain('litellm_proxy_failed_requests_metric_total{route="/v1/chat/completions",exception_status="200"}');
	const sumOf = (name: string): number => Number(text.match(new RegExp(`^${name} (\\S+)$`, "m"))?.[1]);
	expect(sumOf("litellm_request_total_latency_metric_sum")).toBeGreaterThan(sumOf("litellm_llm_api_latency_metric_sum"));
	expect(text).not.toMatch(/demo|key1|tg_test/);
});
