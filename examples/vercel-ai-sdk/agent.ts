import { createOpenAI } from "@ai-sdk/openai";
import { generateText, stepCountIs, tool } from "ai";
import { z } from "zod";
import { CostControl, readRunHold } from "../../clients/index.ts";

/**
 * An agent of the Vercel AI SDK, as a run: base URL, key and headers are all that it takes. It asks the same question until the gateway pauses it.
 * GATEWAY_URL and TOLLGATE_KEY say where and as whom; SYSTEM_PROMPT what the model is told beforehand.
 */

const { GATEWAY_URL = "http://127.0.0.1:4000", TOLLGATE_KEY = "", SYSTEM_PROMPT = "You are careful." } = process.env;

const run = await new CostControl({ baseUrl: GATEWAY_URL, key: TOLLGATE_KEY }).agentRun({ limits: { costUsd: "0.20", steps: 40 } });
console.log(`run ${run.id}`);
const openai = createOpenAI({ baseURL: `${GATEWAY_URL}/v1`, apiKey: TOLLGATE_KEY, headers: run.headers(), fetch: run.fetch });

const findOrder = tool({
	description: "How an order stands.",
	inputSchema: z.object({ order: z.string() }),
	execute: (input) =>
		run.step("find_order", input, ({ order }) => {
			console.log(`find_order ${order}`);
			return { order, state: "being packed" };
		}),
});

try {
	const { text } = await generateText({
		model: openai("gpt-4o"),
		system: SYSTEM_PROMPT,
		prompt: "Find out with find_order whether order A-1007 has left the house, then say so in one sentence.",
		tools: { find_order: findOrder },
		maxOutputTokens: 300,
		stopWhen: stepCountIs(40),
	});
	console.log(text);
	await run.finish();
} catch (error) {
	const hold = readRunHold(error);
	if (hold === undefined) throw error;
	console.log(`${hold.state} by ${hold.guard}: ${hold.evidence}`);
	console.log(`  a person lets it go on with: ${hold.howToAsk}`);
	process.exitCode = 1;
}
