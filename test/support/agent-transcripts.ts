import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { folderTranscripts, type TranscriptStore } from "#clients/transcripts.ts";
import type { DurableAgentInput, ToolDefinition } from "#workflows/durable-agent/messages.ts";

/** A TranscriptStore in memory that counts what was written. */
export class MemoryTranscripts implements TranscriptStore {
	readonly texts = new Map<string, string>();
	/** Writes of a text that another one stands in the way of. */
	readonly lateWrites: string[] = [];

	async read(key: string): Promise<string | undefined> {
		return this.texts.get(key);
	}
	async write(key: string, text: string): Promise<void> {
		if (!this.texts.has(key)) this.texts.set(key, text);
		else if (this.texts.get(key) !== text) this.lateWrites.push(key);
	}
}

export const SEARCH_TOOL: ToolDefinition = {
	name: "search",
	description: "Finds things.",
	parameters: { type: "object", properties: { query: { type: "string" } }, required: ["query"] },
};

export function agentInput(runId: string, more: Partial<DurableAgentInput> = {}): DurableAgentInput {
	const prompt = { system: "Be brief.", user: "find it" };
	return { runId, prompt, model: "gpt-4o", tools: [SEARCH_TOOL], heartbeatTimeoutMs: 2_000, toolTimeoutMs: 20_000, modelTimeoutMs: 20_000, ...more };
}

/** A folder of transcripts that `close` removes. */
export function temporaryTranscripts(): { readonly folder: string; readonly store: TranscriptStore; close(): void } {
	const folder = mkdtempSync(path.join(tmpdir(), "tollgate-transcripts-"));
	return { folder, store: folderTranscripts(folder), close: () => rmSync(folder, { recursive: true, force: true }) };
}
