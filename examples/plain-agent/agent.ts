import type OpenAI from "openai";
import { type AgentRun, CostControl, readRunHold } from "../../clients/index.ts";
import { FIND_ORDER, findOrder, TASK } from "./orders.ts";

/**
 * An agent loop with the official OpenAI client, as a run with ceilings of its own. It asks the same question until somebody stops it: not the
 * agent, which has no such rule, but the gateway. GATEWAY_URL and TOLLGATE_KEY say where and as whom; WAIT_MS how long a pause is waited for
 * (default 0: it ends); SYSTEM_PROMPT what the model is told beforehand.
 */

const { GATEWAY_URL = "http://127.0.0.1:4000", TOLLGATE_KEY = "", WAIT_MS = "0", SYSTEM_PROMPT = "You are careful." } = process.env;
const STEPS_MOST = 40;

const costControl = new CostControl({ baseUrl: GATEWAY_URL, key: TOLLGATE_KEY });
const run = await costControl.agentRun({ limits: { costUsd: "0.20", steps: STEPS_MOST, toolCalls: { "*": 30 } } });
console.log(`run ${run.id}`);
try {
	console.log(await work(run));
	await run.finish();
} catch (error) {
	const hold = readRunHold(error);
	if (hold === undefined) throw error;
	console.log(`${hold.state} by ${hold.guard}: ${hold.evidence}`);
	console.log(`  a person lets it go on with: ${hold.howToAsk}`);
	process.exitCode = 1;
}

async function work(of: AgentRun): Promise<string> {
	const openai = of.openai();
	const { name, description, schema: parameters } = FIND_ORDER;
	const messages: OpenAI.ChatCompletionMessageParam[] = [
		{ role: "system", content: SYSTEM_PROMPT },
		{ role: "user", content: TASK },
	];
	for (let step = 1; ; step += 1) {
		const request = {
			model: "gpt-4o",
			max_completion_tokens: 300,
			tools: [{ type: "function" as const, function: { name, description, parameters } }],
			messages,
		};
		const { choices } = await whileWaiting(of, () => openai.chat.completions.create(request));
		const message = choices[0]?.message;
		if (message === undefined) throw new Error("an answer without a choice");
		messages.push(message);
		if (message.tool_calls === undefined) return message.content ?? "";
		for (const call of message.tool_calls) {
			if (call.type !== "function") continue;
			const content = await of.step(call.function.name, JSON.parse(call.function.arguments) as unknown, findOrder);
			messages.push({ role: "tool", tool_call_id: call.id, content });
			console.log(`step ${step}: ${call.function.name} says ${content}`);
		}
	}
}

/** The call; where the run is paused, once more after a person let it go on. Everything said so far is kept. */
async function whileWaiting<Answer>(of: AgentRun, call: () => Promise<Answer>): Promise<Answer> {
	try {
		return await call();
	} catch (error) {
		const hold = readRunHold(error);
		if (hold?.state !== "paused" || Number(WAIT_MS) === 0) throw error;
		console.log(`paused by ${hold.guard}: ${hold.evidence}; waiting`);
		await of.whenResumed({ timeoutMs: Number(WAIT_MS) });
		console.log("goes on");
		return call();
	}
}
