import Anthropic from "@anthropic-ai/sdk";
import { reportRefusal, reportTurn } from "./report.ts";
import { getWeather, TASK, WEATHER_TOOL } from "./weather.ts";

/** An agent loop with the official client. ANTHROPIC_BASE_URL and ANTHROPIC_API_KEY, which the client reads itself, point at the gateway. */

const TURNS_MOST = 5;
const client = new Anthropic();

async function runAgent(): Promise<string> {
	const messages: Anthropic.MessageParam[] = [{ role: "user", content: TASK }];
	const { name, description, schema } = WEATHER_TOOL;
	const tools: Anthropic.Tool[] = [{ name, description, input_schema: schema }];
	for (let turn = 1; turn <= TURNS_MOST; turn += 1) {
		const { data, response } = await client.messages.create({ model: "claude-haiku-4-5", max_tokens: 300, tools, messages }).withResponse();
		reportTurn(turn, response.headers);
		messages.push({ role: "assistant", content: data.content });
		if (data.stop_reason !== "tool_use") return data.content.map((block) => (block.type === "text" ? block.text : "")).join("");
		messages.push({ role: "user", content: data.content.filter((block) => block.type === "tool_use").map(answerTool) });
	}
	throw new Error(`no answer after ${TURNS_MOST} turns`);
}

function answerTool(block: Anthropic.ToolUseBlock): Anthropic.ToolResultBlockParam {
	return { type: "tool_result", tool_use_id: block.id, content: getWeather(block.input) };
}

try {
	console.log(await runAgent());
} catch (error) {
	if (!(error instanceof Anthropic.APIError && reportRefusal(error))) throw error;
	process.exitCode = 1;
}
