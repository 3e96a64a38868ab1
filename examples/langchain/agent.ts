import { type BaseMessage, HumanMessage, SystemMessage, ToolMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { ChatOpenAI } from "@langchain/openai";
import { z } from "zod";
import { CostControl, readRunHold } from "../../clients/index.ts";

/**
 * An agent of LangChain.js, as a run: base URL, key and headers are all that it takes. It asks the same question until the gateway pauses it.
 * GATEWAY_URL and TOLLGATE_KEY say where and as whom; SYSTEM_PROMPT what the model is told beforehand.
 */

const { GATEWAY_URL = "http://127.0.0.1:4000", TOLLGATE_KEY = "", SYSTEM_PROMPT = "You are careful." } = process.env;

const run = await new CostControl({ baseUrl: GATEWAY_URL, key: TOLLGATE_KEY }).agentRun({ limits: { costUsd: "0.20", steps: 40 } });
console.log(`run ${run.id}`);

const findOrder = tool(
	(input) =>
		run.step("find_order", input, ({ order }) => {
			console.log(`find_order ${order}`);
			return JSON.stringify({ order, state: "being packed" });
		}),
	{ name: "find_order", description: "How an order stands.", schema: z.object({ order: z.string() }) },
);

const model = new ChatOpenAI({
	model: "gpt-4o",
	maxTokens: 300,
	apiKey: TOLLGATE_KEY,
	configuration: { baseURL: `${GATEWAY_URL}/v1`, defaultHeaders: run.headers(), fetch: run.fetch },
}).bindTools([findOrder]);

try {
	console.log(await work());
	await run.finish();
} catch (error) {
	const hold = readRunHold(error);
	if (hold === undefined) throw error;
	console.log(`${hold.state} by ${hold.guard}: ${hold.evidence}`);
	console.log(`  a person lets it go on with: ${hold.howToAsk}`);
	process.exitCode = 1;
}

async function work(): Promise<string> {
	const task = "Find out with find_order whether order A-1007 has left the house, then say so in one sentence.";
	const messages: BaseMessage[] = [new SystemMessage(SYSTEM_PROMPT), new HumanMessage(task)];
	for (;;) {
		const answer = await model.invoke(messages);
		messages.push(answer);
		const calls = answer.tool_calls ?? [];
		if (calls.length === 0) return answer.text;
		for (const { id = "", args } of calls) {
			const content = await findOrder.invoke(args as { order: string });
			messages.push(new ToolMessage({ tool_call_id: id, content }));
		}
	}
}
