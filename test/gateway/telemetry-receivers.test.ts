import { describe, expect, test } from "vitest";
import { chatBody, rawCall } from "#test/support/raw-call.ts";
import { useTelemetryStand } from "#test/support/telemetry-stand.ts";
import { until } from "#test/support/until.ts";

/** A receiver that is slow, away or refuses costs spans, never calls. */

const stand = useTelemetryStand();

describe("a receiver that does not take them", () => {
	const metrics = async () => (await rawCall(stand.gateway.url, { method: "GET", path: "/metrics" })).body.toString();

	test("that is away: calls are answered, losses are counted and told once, and it is heard of again", async () => {
		const problems: string[] = [];
		const recovered: boolean[] = [];
		await stand.start({ timeoutMs: 100, onProblem: (problem) => void problems.push(problem), onRecovered: () => void recovered.push(true) });
		stand.receiver.behave(500);
		for (let count = 0; count < 3; count++) expect((await rawCall(stand.gateway.url, { body: chatBody({}) })).status).toBe(200);
		await until("the loss", async () => (await metrics()).includes('tollgate_spans_lost_total{reason="export_failed"} 3'));
		stand.receiver.behave("take");
		expect((await rawCall(stand.gateway.url, { body: chatBody({}) })).status).toBe(200);
		await stand.onlySpan();
		await until("the count", async () => (await metrics()).includes("tollgate_spans_exported_total 1"));
		expect(problems).toHaveLength(1);
		expect(recovered).toHaveLength(1);
	});

	test("that hangs: what waits is bounded, the rest is lost and counted, and what waited leaves when it wakes", async () => {
		await stand.start({ queueMax: 5, batchMax: 1, timeoutMs: 20_000 });
		stand.receiver.behave("hang");
		for (let count = 0; count < 8; count++) expect((await rawCall(stand.gateway.url, { body: chatBody({}) })).status).toBe(200);
		await until("the loss", async () => (await metrics()).includes('tollgate_spans_lost_total{reason="queue_full"} 3'));
		expect(await metrics()).toContain("tollgate_spans_waiting 5");
		stand.receiver.behave("take");
		await stand.receiver.whenSpans(5);
		await until("none waits", async () => (await metrics()).includes("tollgate_spans_waiting 0"));
		expect(stand.receiver.spans).toHaveLength(5);
	});

	test("a gateway that ends sends what waits, and waits for nobody who hangs", async () => {
		await stand.start({ delayMs: 60_000 });
		await rawCall(stand.gateway.url, { body: chatBody({}) });
		expect(stand.receiver.spans).toHaveLength(0);
		await stand.gateway.close();
		expect(stand.receiver.spans).toHaveLength(1);
		await stand.start({ timeoutMs: 60_000 });
		stand.receiver.behave("hang");
		await rawCall(stand.gateway.url, { body: chatBody({}) });
		const startedAtMs = performance.now();
		await stand.gateway.close();
		expect(performance.now() - startedAtMs).toBeLessThan(4_000);
	});
});
