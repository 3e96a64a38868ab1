import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { ConversationEndpoint } from "./conversation.ts";
import { type CorpusModel, usageOf } from "./corpus-prices.ts";
import type { CorpusRun } from "./corpus-run.ts";
import { type ModelAnswer, streamedAnswer, wholeAnswer } from "./model-answer.ts";

/** A provider whose model plays the runs of a corpus: it calls the tool of the event that comes next in the conversation it is sent. */
export type ModelProvider = { readonly url: string; readonly calls: number; close(): Promise<void> };

export type PlayedRun = { readonly run: CorpusRun; readonly model: CorpusModel };

/** How a task names its run, so that the provider finds it in what the gateway forwards. */
export function taskMark(index: number): string {
	return `[[run:${index}]]`;
}

const ENDPOINTS: readonly (readonly [string, ConversationEndpoint])[] = [
	["/chat/completions", "chat.completions"],
	["/messages", "messages"],
	["/responses", "responses"],
];
/** One per result that the conversation holds. */
const RESULT: Readonly<Record<ConversationEndpoint, RegExp>> = {
	"chat.completions": /"tool_call_id":"call_\d+"/g,
	messages: /"tool_use_id":"call_\d+"/g,
	responses: /"type":"function_call_output"/g,
};

export async function startModelProvider(played: readonly PlayedRun[], latencyMs: number): Promise<ModelProvider> {
	let calls = 0;
	const server = createServer((request, response) => {
		calls += 1;
		void readText(request).then((text) => {
			const answer = answerTo(played, request.url ?? "", text);
			if (latencyMs === 0) send(response, answer);
			else setTimeout(send, latencyMs, response, answer);
		});
	});
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	return {
		url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
		get calls() {
			return calls;
		},
		async close() {
			server.closeAllConnections();
			await new Promise((resolve) => server.close(resolve));
		},
	};
}

type Sent = { readonly status: number; readonly type: string; readonly body: string };

function answerTo(played: readonly PlayedRun[], url: string, text: string): Sent {
	const endpoint = ENDPOINTS.find(([path]) => url.endsWith(path))?.[1];
	const found = played[Number(/\[\[run:(\d+)\]\]/.exec(text)?.[1] ?? -1)];
	if (endpoint === undefined || found === undefined) return { status: 404, type: "application/json", body: '{"error":{"message":"no such run or endpoint"}}' };
	const step = (text.match(RESULT[endpoint])?.length ?? 0) + 1;
	const event = found.run.events[step - 1];
	const usage = event === undefined ? { inputTokens: 1, outputTokens: 1 } : usageOf(event, found.model);
	const answer: ModelAnswer = { endpoint, model: found.model.name, step, event, ...usage };
	return /"stream":true/.test(text)
		? { status: 200, type: "text/event-stream", body: streamedAnswer(answer) }
		: { status: 200, type: "application/json", body: JSON.stringify(wholeAnswer(answer)) };
}

function send(response: ServerResponse, { status, type, body }: Sent): void {
	response.writeHead(status, { "content-type": type }).end(body);
}

async function readText(request: IncomingMessage): Promise<string> {
	const chunks: Buffer[] = [];
	for await (const chunk of request) chunks.push(chunk as Buffer);
	return Buffer.concat(chunks).toString();
}
