import type Anthropic from "@anthropic-ai/sdk";
import { type AgentRun, CostControl, readRunHold } from "../../clients/index.ts";
import { FIND_ORDER, findOrder, TASK } from "./orders.ts";

/** The same with Anthropic's official client. GATEWAY_URL and TOLLGATE_KEY say where and as whom; SYSTEM_PROMPT what the model is told beforehand. */

const { GATEWAY_URL = "http://127.0.0.1:4000", TOLLGATE_KEY = "", SYSTEM_PROMPT = "You are careful." } = process.env;

const run = await new CostControl({ baseUrl: GATEWAY_URL, key: TOLLGATE_KEY }).agentRun({ limits: { costUsd: "0.20", steps: 40 } });
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
	const anthropic = of.anthropic();
	const { name, description, schema } = FIND_ORDER;
	const tools: Anthropic.Tool[] = [{ name, description, input_schema: schema }];
	const messages: Anthropic.MessageParam[] = [{ role: "user", content: TASK }];
	for (let step = 1; ; step += 1) {
		const { content, stop_reason: reason } = await anthropic.messages.create({
			model: "claude-haiku-4-5",
			max_tokens: 300,
			system: SYSTEM_PROMPT,
			tools,
			messages,
		});
		messages.push({ role: "assistant", content });
		if (reason !== "tool_use") return content.map((block) => (block.type === "text" ? block.text : "")).join("");
		const results: Anthropic.ToolResultBlockParam[] = [];
		for (const block of content) {
			if (block.type !== "tool_use") continue;
			const said = await of.step(block.name, block.input, findOrder);
			results.push({ type: "tool_result", tool_use_id: block.id, content: said });
			console.log(`step ${step}: ${block.name} says ${said}`);
		}
		messages.push({ role: "user", content: results });
	}
}
