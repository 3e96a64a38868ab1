import { appendFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { AgentTool, ToolDefinition } from "tollgate/durable-agent";

/** What the agent can do: look a part up, which may happen twice, and order it, which may not. */

export const TOOL_DEFINITIONS: readonly ToolDefinition[] = [
	{
		name: "find_part",
		description: "Looks up a spare part in the catalogue.",
		parameters: { type: "object", properties: { name: { type: "string", enum: ["pump"] } }, required: ["name"] },
		isIdempotent: true,
	},
	{
		name: "order_part",
		description: "Orders a spare part by its number.",
		parameters: { type: "object", properties: { number: { type: "string", enum: ["P-17"] } }, required: ["number"] },
	},
];

const LOOK_UP_MS = 1_000;

/** `folder`: where orders.jsonl is, which stands for the shop. */
export function createTools(folder: string): Readonly<Record<string, AgentTool>> {
	return {
		async find_part(args, { signal }) {
			console.log(`find_part ${JSON.stringify(args)}`);
			await delay(LOOK_UP_MS, undefined, { signal });
			return `The pump is part P-17. ${thenCall('"order_part"')}`;
		},
		order_part(args, { idempotencyKey }) {
			console.log(`order_part ${JSON.stringify(args)}`);
			appendFileSync(path.join(folder, "orders.jsonl"), `${JSON.stringify({ args, idempotencyKey })}\n`);
			return `Ordered. ${thenCall("false")}`;
		},
	};
}

/** The simulated provider, which thinks nothing, does what such a mark says. A real model needs none. */
function thenCall(tool: string): string {
	return `[[simulate:{"toolCall":${tool}}]]`;
}
