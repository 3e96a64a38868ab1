import OpenAI, { toFile } from "openai";
import { afterAll, beforeAll } from "vitest";
import { type SimulatedProvider, startSimulatedProvider } from "./simulated-provider.ts";

/** Files and batches of a simulated provider through the official OpenAI client: what tests hand in, and what they read back. */

export const HOUR_MS = 3_600_000;

export type BatchLine = { readonly customId: string; readonly content?: string; readonly body?: object; readonly url?: string };

export type ResultLine = {
	readonly id: string;
	readonly custom_id: string;
	readonly response: { readonly status_code: number; readonly request_id: string; readonly body: Record<string, unknown> } | null;
	readonly error: { readonly code: string } | null;
};

export function clientOf({ url }: SimulatedProvider): OpenAI {
	return new OpenAI({ apiKey: "any", baseURL: `${url}/v1`, maxRetries: 0 });
}

export function lineOf({ customId, content = "Hello", body, url = "/v1/chat/completions" }: BatchLine): string {
	const chat = { model: "gpt-4o", max_tokens: 5, messages: [{ role: "user", content }] };
	return JSON.stringify({ custom_id: customId, method: "POST", url, body: body ?? chat });
}

export const marked = (directive: object): string => `[[simulate:${JSON.stringify(directive)}]]`;

export const named = (prefix: string, count: number): BatchLine[] => Array.from({ length: count }, (_, index) => ({ customId: `${prefix}-${index + 1}` }));

/** One provider for the tests of a file, started before and ended after them; every function takes another one instead. */
export function simulatedBatches() {
	let started: { readonly provider: SimulatedProvider; readonly openai: OpenAI } | undefined;
	const own = () => {
		if (started === undefined) throw new Error("the provider runs only while the tests do");
		return started;
	};
	beforeAll(async () => {
		const provider = await startSimulatedProvider();
		started = { provider, openai: clientOf(provider) };
	});
	afterAll(() => started?.provider.close());

	const upload = async (lines: readonly string[], client = own().openai): Promise<string> => {
		const file = await client.files.create({ file: await toFile(Buffer.from(`${lines.join("\n")}\n`), "items.jsonl"), purpose: "batch" });
		return file.id;
	};
	const textOf = async (fileId: string | null | undefined, client = own().openai): Promise<string> =>
		fileId ? (await client.files.content(fileId)).text() : "";
	return {
		get provider() {
			return own().provider;
		},
		get openai() {
			return own().openai;
		},
		upload,
		textOf,
		async submit(items: readonly BatchLine[], plan: object = {}, client = own().openai): Promise<OpenAI.Batch> {
			const input_file_id = await upload(items.map(lineOf), client);
			const metadata = { simulate: JSON.stringify({ turnaroundMs: HOUR_MS, ...plan }) };
			return client.batches.create({ input_file_id, endpoint: "/v1/chat/completions", completion_window: "24h", metadata });
		},
		pass: (ms: number, of = own().provider): Promise<Record<string, unknown>> => of.control("batches/clock", { advanceMs: ms }),
		async linesOf(fileId: string | null | undefined, client = own().openai): Promise<ResultLine[]> {
			return (await textOf(fileId, client))
				.split("\n")
				.filter((line) => line !== "")
				.map((line) => JSON.parse(line) as ResultLine);
		},
		billed: (prefix: string, of = own().provider) => of.calls().filter(({ attemptId }) => attemptId?.startsWith(`${prefix}-`) === true),
	};
}
