import { describe, expect, test } from "vitest";
import { findLeaks } from "#test/support/canaries.ts";
import { PROVIDER_KEY_CANARY } from "#test/support/gateway-server.ts";
import { chatBody, JSON_HEADERS, rawCall } from "#test/support/raw-call.ts";
import { startScriptedProvider } from "#test/support/scripted-provider.ts";
import { useTelemetryStand } from "#test/support/telemetry-stand.ts";

/** A span goes on with the trace and the run of its caller, and has nobody's key in it. */

const RUN = "run-7";
const TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT_ID = "00f067aa0ba902b7";

const stand = useTelemetryStand();

describe("the trace of the caller", () => {
	const parent = (flags: string) => ["traceparent", `00-${TRACE_ID}-${PARENT_ID}-${flags}`, "tracestate", "vendor=1"];

	test("goes on: the span is a child of his", async () => {
		await rawCall(stand.gateway.url, { body: chatBody({}), headers: [...JSON_HEADERS, ...parent("01")] });
		expect(await stand.onlySpan()).toMatchObject({ traceId: TRACE_ID, parentSpanId: PARENT_ID, traceState: "vendor=1" });
	});

	test("that is not sampled makes no span", async () => {
		await rawCall(stand.gateway.url, { body: chatBody({}), headers: [...JSON_HEADERS, ...parent("00")] });
		await rawCall(stand.gateway.url, { body: chatBody({}), headers: [...JSON_HEADERS, ...parent("01")] });
		await stand.onlySpan();
		expect((await rawCall(stand.gateway.url, { method: "GET", path: "/metrics" })).body.toString()).toContain("tollgate_spans_unsampled_total 1");
	});

	test("that is not sampled makes one where the sampler does not ask the parent", async () => {
		await stand.start({ sampler: { parentBased: false, share: 1 } });
		await rawCall(stand.gateway.url, { body: chatBody({}), headers: [...JSON_HEADERS, ...parent("00")] });
		expect(await stand.onlySpan()).toMatchObject({ traceId: TRACE_ID, parentSpanId: PARENT_ID });
	});

	test("that cannot be read is as if there were none", async () => {
		await rawCall(stand.gateway.url, { body: chatBody({}), headers: [...JSON_HEADERS, "traceparent", "00-nonsense"] });
		expect((await stand.onlySpan()).parentSpanId).toBe("");
	});

	test("a named run is the conversation", async () => {
		await rawCall(stand.gateway.url, { body: chatBody({}), headers: [...JSON_HEADERS, "x-tollgate-run", RUN, "x-tollgate-agent", "planner"] });
		expect((await stand.onlySpan()).attributes).toMatchObject({
			"gen_ai.conversation.id": RUN,
			"gen_ai.agent.name": "planner",
			"langfuse.session.id": RUN,
			"langsmith.metadata.thread_id": RUN,
			"tollgate.run.id": RUN,
		});
	});
});

describe("no key of anybody", () => {
	const OWN_KEY = `tg-${"V1rtualKeyCanary".repeat(3)}`;
	const canaries = [
		{ name: "the provider's key", secret: PROVIDER_KEY_CANARY },
		{ name: "a virtual key", secret: OWN_KEY },
	];

	test.each([undefined, 4_096])("whoever repeats it, with content of %s bytes", async (contentBytesMax) => {
		const echo = JSON.stringify({
			id: PROVIDER_KEY_CANARY,
			model: PROVIDER_KEY_CANARY,
			choices: [{ index: 0, finish_reason: PROVIDER_KEY_CANARY, message: { role: "assistant", content: `${OWN_KEY} ${PROVIDER_KEY_CANARY}` } }],
			usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
		});
		const delta = (content: string) => `data: ${JSON.stringify({ id: "x", choices: [{ index: 0, delta: { content } }] })}\n\n`;
		const error = JSON.stringify({ error: { message: `bad key ${PROVIDER_KEY_CANARY}`, code: PROVIDER_KEY_CANARY } });
		const scripted = await startScriptedProvider(({ body, response }) => {
			const text = body.toString();
			if (text.includes("as stream")) {
				response.writeHead(200, { "content-type": "text/event-stream" });
				// In two events, so that no search of the bytes finds it.
				response.end(`${delta(PROVIDER_KEY_CANARY.slice(0, 9))}${delta(PROVIDER_KEY_CANARY.slice(9))}data: [DONE]\n\n`);
			} else if (text.includes("as error")) response.writeHead(401, { "content-type": "application/json" }).end(error);
			else response.writeHead(200, { "content-type": "application/json" }).end(echo);
		});
		try {
			await stand.start({ contentBytesMax }, scripted.url);
			const said = `${OWN_KEY} ${PROVIDER_KEY_CANARY} ${"y".repeat(3_700)} ${OWN_KEY} ${PROVIDER_KEY_CANARY}`;
			const headers = [...JSON_HEADERS, "x-tollgate-run", OWN_KEY, "x-tollgate-agent", PROVIDER_KEY_CANARY];
			for (const how of ["plain", "as stream", "as error"]) {
				const messages = [{ role: "user", content: `${how} ${said}`, name: OWN_KEY }];
				await rawCall(stand.gateway.url, { headers, body: chatBody({}, { messages, stream: how === "as stream", stop: [OWN_KEY] }) });
			}
			await rawCall(stand.gateway.url, { body: chatBody({}, { model: OWN_KEY }) });
			await stand.receiver.whenSpans(4);
			const sources = stand.receiver.bodies.map((body, index) => ({ name: `message ${index}`, content: body.toString("latin1") }));
			expect(findLeaks(canaries, sources)).toEqual([]);
			expect(stand.receiver.bodies.some((body) => body.includes("[redacted]"))).toBe(true);
		} finally {
			await scripted.close();
		}
	});
});
