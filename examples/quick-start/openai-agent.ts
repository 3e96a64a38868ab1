import OpenAI from "openai";
import { reportRefusal, reportTurn } from "./report.ts";
import { getWeather, TASK, WEATHER_TOOL } from "./weather.ts";

/** An agent loop with the official client. OPENAI_BASE_URL and OPENAI_API_KEY, which the client reads itself, point at the gateway. */

const TURNS_MOST = 5;
const client = new OpenAI();

async function runAgent(): Promise<string> {
	const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: TASK }];
	const { name, description, schema } = WEATHER_TOOL;
	const tools: OpenAI.ChatCompletionTool[] = [{ type: "function", function: { name, description, parameters: schema } }];
	for (let turn = 1; turn <= TURNS_MOST; turn += 1) {
		const { data, response } = await client.chat.completions.create({ model: "gpt-4o", max_completion_tokens: 300, tools, messages }).withResponse();
		reportTurn(turn, response.headers);
		const message = data.choices[0]?.message;
		if (message === undefined) throw new Error("an answer without a choice");
		messages.push(message);
		if (message.tool_calls === undefined) return message.content ?? "";
		for (const call of message.tool_calls) {
			if (call.type === "function") messages.push({ role: "tool", tool_call_id: call.id, content: getWeather(JSON.parse(call.function.arguments)) });
		}
	}
	throw new Error(`no answer after ${TURNS_MOST} turns`);
}

try {
	console.log(await runAgent());
} catch (error) {
	if (!(error instanceof OpenAI.APIError && reportRefusal(error))) throw error;
	process.exitCode = 1;
}
