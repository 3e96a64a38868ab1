import type { Random } from "#test/faults/random.ts";
import { Conversation, type ConversationEndpoint } from "./conversation.ts";
import { usageOf } from "./corpus-prices.ts";
import type { RunEnd } from "./judge-runs.ts";
import { type PlayedRun, taskMark } from "./model-provider.ts";

/** One run as its agent drives it: over HTTP, through any of the gateways, with nothing of Tollgate but headers. It reads no label. */
export type Agent = PlayedRun & {
	readonly index: number;
	readonly endpoint: ConversationEndpoint;
	readonly isStreamed: boolean;
	readonly key: string;
	readonly gatewayUrls: readonly string[];
	readonly random: Random;
};

export type Driven = { readonly end: RunEnd; readonly calls: number };

/** A run that costs less goes by its header alone and has its team's default ceilings; a dearer one is registered with a higher one. */
const DEFAULT_CEILING_USED_MOST = 15_000_000_000n;
const CEILING_NANO_USD = "900000000000000000";
const CALL_TIMEOUT_MS = 30_000;

/** Plays the run to its end or until it is refused. @throws where the gateway answers anything but an answer or a refusal of the run. */
export async function driveRun(agent: Agent): Promise<Driven> {
	const { run, model, index, endpoint } = agent;
	if (run.events.reduce((sum, { costNanoUsd }) => sum + BigInt(costNanoUsd), 0n) > DEFAULT_CEILING_USED_MOST) await register(agent);
	const most = Math.max(...run.events.map((event) => usageOf(event, model).inputTokens));
	const conversation = new Conversation(endpoint, `${taskMark(index)} Do what the task asks, step by step. ${".".repeat(Math.min(most, 1_000_000))}`);
	for (const [step, event] of run.events.entries()) {
		const refused = await callModel(agent, conversation, usageOf(event, model).outputTokens);
		if (refused !== undefined) return { end: { atStep: step, guard: refused }, calls: step };
		conversation.add(event);
	}
	const refused = await callModel(agent, conversation, 1);
	return { end: refused === undefined ? undefined : { atStep: run.events.length, guard: refused }, calls: run.events.length + 1 };
}

async function register(agent: Agent): Promise<void> {
	const answer = await post(agent, "/v1/runs", { runId: runIdOf(agent), limits: { costNanoUsd: CEILING_NANO_USD } });
	if (!answer.ok) throw new Error(`the run ${agent.run.runId} could not be registered: ${answer.status} ${await answer.text()}`);
	await answer.arrayBuffer();
}

/** undefined: answered; else the guard that stopped the run. */
async function callModel(agent: Agent, conversation: Conversation, outputTokens: number): Promise<string | undefined> {
	const { endpoint, model, isStreamed } = agent;
	const body = { model: model.name, ...PATHS[endpoint].cap(outputTokens), ...(isStreamed && { stream: true }), ...conversation.body };
	const answer = await post(agent, PATHS[endpoint].path, body);
	const text = await answer.text();
	if (answer.ok) return undefined;
	const guard = answer.status === 402 ? guardOf(text) : undefined;
	if (guard === undefined) throw new Error(`run ${agent.run.runId}: the gateway answered ${answer.status} ${text.slice(0, 1_000)}`);
	return guard;
}

const PATHS: Readonly<Record<ConversationEndpoint, { readonly path: string; readonly cap: (tokens: number) => Readonly<Record<string, number>> }>> = {
	"chat.completions": { path: "/v1/chat/completions", cap: (tokens) => ({ max_completion_tokens: tokens }) },
	messages: { path: "/v1/messages", cap: (tokens) => ({ max_tokens: tokens }) },
	responses: { path: "/v1/responses", cap: (tokens) => ({ max_output_tokens: Math.max(16, tokens) }) },
};

function post(agent: Agent, path: string, body: unknown): Promise<Response> {
	return fetch(`${agent.random.pick(agent.gatewayUrls)}${path}`, {
		method: "POST",
		headers: {
			authorization: `Bearer ${agent.key}`,
			"content-type": "application/json",
			"anthropic-version": "2023-06-01",
			...(path !== "/v1/runs" && { "x-tollgate-run": runIdOf(agent) }),
		},
		body: JSON.stringify(body),
		signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
	});
}

/** Ids of a corpus may hold characters that ids of runs may not. */
function runIdOf({ index }: Agent): string {
	return `check-${index}`;
}

/** Of a refusal of the run, in either protocol. */
function guardOf(text: string): string | undefined {
	const { error } = JSON.parse(text) as { error?: { type?: string; guard?: string } };
	return error?.type === "run_paused" || error?.type === "run_stopped" ? error.guard : undefined;
}
