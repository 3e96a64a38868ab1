import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { verifyLedger } from "#activities/verification/verify.ts";
import { observeExchange } from "#domain/agents/loop-detector.ts";
import { createLoopMemory } from "#domain/agents/loop-memory.ts";
import { CONVERSATION_ENDPOINTS, Conversation, type ConversationEndpoint } from "#test/agents/conversation.ts";
import type { CorpusEvent } from "#test/agents/corpus-run.ts";
import { streamedAnswer, wholeAnswer } from "#test/agents/model-answer.ts";
import { openCuttableProxy } from "#test/support/cuttable-proxy.ts";
import { type GatewayProcess, type GatewayStand, openGatewayStand } from "#test/support/gateway-process.ts";
import { type ScriptedProvider, startScriptedProvider } from "#test/support/scripted-provider.ts";

/** Agent runs from header to refusal, over gateways as the processes they are and real PostgreSQL. */

/** What the looping agent does in every step, and what its tool brings back. */
const EVENT: CorpusEvent = {
	tool: "search",
	args: { query: "toll roads" },
	observation: "Nothing was found for toll roads.",
	isError: false,
	costNanoUsd: "0",
	tokens: 70,
};
const MODELS: Readonly<Record<ConversationEndpoint, string>> = { "chat.completions": "gpt-4o", responses: "gpt-4o", messages: "claude-sonnet-4-5" };
const PATHS: Readonly<Record<ConversationEndpoint, string>> = {
	"chat.completions": "/v1/chat/completions",
	responses: "/v1/responses",
	messages: "/v1/messages",
};
const CAPS: Readonly<Record<ConversationEndpoint, string>> = { "chat.completions": "max_tokens", responses: "max_output_tokens", messages: "max_tokens" };
const STEPS_MAX = 30;

let stand: GatewayStand;
let provider: ScriptedProvider;
let gateways: readonly GatewayProcess[];
let key: string;

beforeAll(async () => {
	provider = await startScriptedProvider(({ request, body, response }) => {
		const endpoint = CONVERSATION_ENDPOINTS.find((name) => request.url?.endsWith(PATHS[name].slice(3))) ?? "messages";
		const text = body.toString();
		const step = (text.match(/"call_\d+"/g)?.length ?? 0) / 2 + 1; // a call and its result name it
		const answer = { endpoint, model: MODELS[endpoint], step, event: EVENT, inputTokens: 50, outputTokens: 20 };
		const isStream = text.includes('"stream":true');
		response.writeHead(200, { "content-type": isStream ? "text/event-stream" : "application/json" });
		response.end(isStream ? streamedAnswer(answer) : JSON.stringify(wholeAnswer(answer)));
	});
	stand = await openGatewayStand({ windowKind: "lifetime" });
	gateways = await Promise.all(["g1", "g2", "g3"].map((id) => start(id)));
	({ key } = await stand.team(100_000_000_000n));
}, 60_000);
afterAll(async () => {
	await stand?.close();
	await provider?.close();
});

function start(gatewayId: string, environment: Record<string, string> = {}): Promise<GatewayProcess> {
	return stand.start(gatewayId, { TOLLGATE_SIMULATED_PROVIDER_URL: provider.url, ...environment });
}

/** Exchanges after which the detector stops such a run. */
function stopAfter(): number {
	const memory = createLoopMemory();
	const exchange = {
		agent: "",
		tool: EVENT.tool,
		argsText: JSON.stringify(EVENT.args),
		observation: EVENT.observation ?? "",
		isError: false,
		costNanoUsd: 0n,
		tokens: 0,
	};
	for (let at = 1; at < STEPS_MAX; at += 1) if (observeExchange(memory, exchange).some(({ severity }) => severity === "stop")) return at;
	return expect.fail("the detector lets it go on");
}

type Answer = { readonly status: number; readonly headers: Headers; readonly error: Readonly<Record<string, unknown>> };

class LoopingAgent {
	readonly runId = `loop-${randomUUID()}`;
	readonly conversation: Conversation;
	steps = 0;
	private readonly endpoint: ConversationEndpoint;
	private readonly isStreamed: boolean;

	constructor(endpoint: ConversationEndpoint = "chat.completions", isStreamed = false) {
		this.endpoint = endpoint;
		this.isStreamed = isStreamed;
		this.conversation = new Conversation(endpoint, "Find toll roads.");
	}

	/** One call of the model; where it is answered, its tool has been called. */
	async step({ url }: GatewayProcess): Promise<Answer> {
		const { endpoint, isStreamed } = this;
		const response = await fetch(`${url}${PATHS[endpoint]}`, {
			method: "POST",
			headers: { authorization: `Bearer ${key}`, "content-type": "application/json", "anthropic-version": "2023-06-01", "x-tollgate-run": this.runId },
			body: JSON.stringify({ model: MODELS[endpoint], [CAPS[endpoint]]: 64, ...(isStreamed && { stream: true }), ...this.conversation.body }),
		});
		const text = await response.text();
		if (response.ok) {
			this.steps += 1;
			this.conversation.add(EVENT);
			return { status: response.status, headers: response.headers, error: {} };
		}
		return { status: response.status, headers: response.headers, error: (JSON.parse(text) as { error: Answer["error"] }).error };
	}

	/** Steps until it is refused, at the gateway that `pick` names for each. */
	async go(pick: (step: number) => GatewayProcess): Promise<Answer> {
		for (let step = 0; step < STEPS_MAX; step += 1) {
			const answer = await this.step(pick(step));
			if (answer.status !== 200) return answer;
		}
		return expect.fail("nobody stops the loop");
	}
}

function gateway(at: number): GatewayProcess {
	return gateways[at % gateways.length] ?? expect.fail("no gateway");
}

describe("a loop", () => {
	test.each(CONVERSATION_ENDPOINTS.flatMap((endpoint) => [false, true].map((isStreamed) => [endpoint, isStreamed] as const)))(
		"%s, streamed %s: is warned of, and held at the step that the detector says, with its evidence",
		async (endpoint, isStreamed) => {
			const agent = new LoopingAgent(endpoint, isStreamed);
			const warnings: (string | null)[] = [];
			for (;;) {
				const answer = await agent.step(gateway(0));
				warnings.push(answer.headers.get("x-tollgate-run-warning"));
				if (answer.status === 200) continue;
				expect(answer).toMatchObject({
					status: 402,
					error: { code: "run.paused", type: "run_paused", guard: "loop.repetition", run: agent.runId, ofRun: agent.runId },
				});
				expect(answer.error["evidence"]).toContain("search(");
				expect(answer.error["pauseId"]).toMatch(/^pau_[0-9a-f]{16}$/);
				break;
			}
			expect(agent.steps).toBe(stopAfter());
			expect(warnings).toContain("loop.repetition");
			const sent = provider.received.length;
			expect((await agent.step(gateway(0))).error["code"]).toBe("run.paused");
			expect(provider.received).toHaveLength(sent);
		},
		60_000,
	);

	test("that goes round the gateways is held at the same step, or one later", async () => {
		const agent = new LoopingAgent();
		expect((await agent.go(gateway)).error["code"]).toBe("run.paused");
		expect([stopAfter(), stopAfter() + 1]).toContain(agent.steps);
	}, 60_000);

	test("is held at every other gateway within a moment", async () => {
		const agent = new LoopingAgent();
		await agent.go(() => gateway(0));
		for (const other of [1, 2]) await expect.poll(async () => (await agent.step(gateway(other))).error["code"], { timeout: 5_000 }).toBe("run.paused");
	}, 60_000);

	test("whose gateway is killed between two steps goes on where it was, at another", async () => {
		const doomed = await start("doomed");
		const agent = new LoopingAgent();
		for (let step = 0; step < 4; step += 1) expect((await agent.step(doomed)).status).toBe(200);
		await doomed.end("SIGKILL");
		expect((await agent.go(() => gateway(1))).error["code"]).toBe("run.paused");
		expect([stopAfter(), stopAfter() + 1]).toContain(agent.steps);
	}, 60_000);
});

test("first sight of a run is one round trip, and every further step none", async () => {
	const roundTrips = async (): Promise<number> => {
		const text = await (await fetch(`${gateway(2).url}/metrics`)).text();
		return Number(/^tollgate_sql_round_trips_before_send_total (\d+)/m.exec(text)?.[1]);
	};
	await new LoopingAgent().step(gateway(2)); // the key and the team's lease are known
	const agent = new LoopingAgent();
	const before = await roundTrips();
	await agent.step(gateway(2));
	expect((await roundTrips()) - before).toBe(1);
	for (let step = 0; step < 4; step += 1) await agent.step(gateway(2));
	expect((await roundTrips()) - before).toBe(1);
}, 60_000);

test("while PostgreSQL is away a known run goes on and is held, a new one is not begun; then the others are told", async () => {
	const address = new URL(stand.database.url);
	const proxy = await openCuttableProxy(Number(address.port));
	address.port = String(proxy.port);
	const cutOff = await start("cut_off", { DATABASE_URL: address.href });
	const agent = new LoopingAgent();
	for (let step = 0; step < 3; step += 1) expect((await agent.step(cutOff)).status).toBe(200);
	await proxy.cut();
	const held = await agent.go(() => cutOff);
	expect(held.error["code"]).toBe("run.paused");
	expect(agent.steps).toBe(stopAfter());
	expect(await new LoopingAgent().step(cutOff)).toMatchObject({ status: 503, error: { code: "authority.unreachable" } });
	expect((await agent.step(cutOff)).error["code"]).toBe("run.paused");
	await proxy.restore();
	await expect.poll(async () => (await agent.step(gateway(1))).error["code"], { timeout: 20_000 }).toBe("run.paused");
	await cutOff.end();
	await proxy.close();
}, 90_000);

test("every step is in the books, with its run and its tools, and verify finds nothing", async () => {
	const { findings } = await verifyLedger({ databaseUrl: stand.database.url });
	expect(findings).toEqual([]);
});
