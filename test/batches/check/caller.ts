import Anthropic from "@anthropic-ai/sdk";
import OpenAI, { toFile } from "openai";
import { UnreachableError } from "#clients/errors.ts";
import type { Random } from "#test/faults/random.ts";
import { Broken } from "#test/govern/broken.ts";
import { insist } from "#test/govern/insist.ts";
import type { BatchOrder } from "./scenario.ts";

/** A team's batch code, with the official clients and without their retries: what is not answered is asked again, of any gateway. */

export type Protocol = BatchOrder["protocol"];
/** The text of an item, under the caller's id for it. */
export type Item = { readonly customId: string; readonly text: string };

/** What a line says became of its item. `lost`: the provider gave no result. */
export type DeliveredAs = "succeeded" | "errored" | "expired" | "cancelled" | "lost";
export type Delivered = { readonly customId: string; readonly as: DeliveredAs };

/** A batch as its caller sees it; `counts` are those of its record, of lines that succeeded and of the others. */
export type SeenBatch = {
	readonly batchId: string;
	readonly hasEnded: boolean;
	/** The provider took none of it. */
	readonly hasFailed: boolean;
	readonly counts: { readonly succeeded: number; readonly others: number };
	readonly fileIds: readonly (string | null | undefined)[];
	readonly hasResults: boolean;
};

const OPENAI_ENDED = ["completed", "failed", "expired", "cancelled"];
const MODELS: Readonly<Record<Protocol, string>> = { openai: "gpt-4o", anthropic: "claude-haiku-4-5" };
const MAX_TOKENS = 20;

/** Refused for its budget: 402. */
export class Refused extends Error {
	override readonly name = "Refused";
}

export abstract class Caller {
	private readonly urls: readonly string[];
	private readonly random: Random;

	constructor(urls: readonly string[], random: Random) {
		this.urls = urls;
		this.random = random;
	}

	/** Throws Refused. An answer that is lost may leave a batch behind, of which only `list` knows. */
	abstract create(items: readonly Item[]): Promise<string>;
	abstract cancel(batchId: string): Promise<void>;
	/** All of the team. */
	abstract list(): Promise<SeenBatch[]>;
	/** Everything that came back of it, in no order. */
	abstract download(batch: SeenBatch): Promise<Delivered[]>;

	protected ask<Answer>(what: string, ask: (url: string) => Promise<Answer>): Promise<Answer> {
		return insist(what, async () => {
			const url = this.random.pick(this.urls);
			try {
				return await ask(url);
			} catch (error) {
				throw understood(error, what, url);
			}
		});
	}
}

/** Refused and Broken as they are; what may be asked again as UnreachableError. */
function understood(error: unknown, what: string, url: string): unknown {
	const { status } = error as { status?: unknown };
	if (status === 402) return new Refused(String(error));
	if (status === 429 || status === 502 || status === 503 || status === 504) return new UnreachableError(url, error);
	if (typeof status === "number") return new Broken(`a caller wanted ${what} and was answered ${status}: ${String(error)}`);
	const isCut = error instanceof OpenAI.APIConnectionError || error instanceof Anthropic.APIConnectionError || error instanceof TypeError;
	const { code, cause } = error as { code?: unknown; cause?: { code?: unknown } };
	return isCut || typeof (code ?? cause?.code) === "string" ? new UnreachableError(url, error) : error;
}

type OpenAiLine = { readonly custom_id: string; readonly error: { readonly code: string } | null; readonly response: { readonly status_code: number } | null };
const OPENAI_CODES: Readonly<Record<string, DeliveredAs>> = { batch_expired: "expired", batch_cancelled: "cancelled", batch_result_lost: "lost" };

class OpenAiCaller extends Caller {
	private readonly key: string;

	constructor(key: string, urls: readonly string[], random: Random) {
		super(urls, random);
		this.key = key;
	}

	async create(items: readonly Item[]): Promise<string> {
		const lines = items.map(({ customId, text }) => {
			const body = { model: MODELS.openai, max_tokens: MAX_TOKENS, messages: [{ role: "user", content: text }] };
			return `${JSON.stringify({ custom_id: customId, method: "POST", url: "/v1/chat/completions", body })}\n`;
		});
		const file = await this.ask("a file", async (url) =>
			this.client(url).files.create({ file: await toFile(Buffer.from(lines.join("")), "requests.jsonl"), purpose: "batch" }),
		);
		const given = { input_file_id: file.id, endpoint: "/v1/chat/completions", completion_window: "24h" } as const;
		return (await this.ask("a batch", (url) => this.client(url).batches.create(given))).id;
	}

	async cancel(batchId: string): Promise<void> {
		await this.ask("a cancellation", (url) => unlessEnded(this.client(url).batches.cancel(batchId)));
	}

	list(): Promise<SeenBatch[]> {
		return this.ask("the batches", async (url) => {
			const seen: SeenBatch[] = [];
			for await (const batch of this.client(url).batches.list({ limit: 100 })) {
				const { id, status, request_counts: counts, output_file_id, error_file_id } = batch;
				seen.push({
					batchId: id,
					hasEnded: OPENAI_ENDED.includes(status),
					hasFailed: status === "failed",
					counts: { succeeded: counts?.completed ?? 0, others: counts?.failed ?? 0 },
					fileIds: [output_file_id, error_file_id],
					hasResults: Boolean(output_file_id ?? error_file_id),
				});
			}
			return seen;
		});
	}

	async download({ fileIds }: SeenBatch): Promise<Delivered[]> {
		const delivered: Delivered[] = [];
		for (const fileId of fileIds) {
			if (!fileId) continue;
			const text = await this.ask("results", async (url) => (await this.client(url).files.content(fileId)).text());
			for (const line of text.split("\n").filter((each) => each !== "")) {
				const { custom_id, error, response } = JSON.parse(line) as OpenAiLine;
				const as = error === null ? (response?.status_code === 200 ? "succeeded" : "errored") : (OPENAI_CODES[error.code] ?? "errored");
				delivered.push({ customId: custom_id, as });
			}
		}
		return delivered;
	}

	private client(url: string): OpenAI {
		return new OpenAI({ apiKey: this.key, baseURL: `${url}/v1`, maxRetries: 0, logLevel: "off" });
	}
}

const LOST_TEXT = "The provider gave no result";

class AnthropicCaller extends Caller {
	private readonly key: string;

	constructor(key: string, urls: readonly string[], random: Random) {
		super(urls, random);
		this.key = key;
	}

	async create(items: readonly Item[]): Promise<string> {
		const requests = items.map(({ customId, text }) => ({
			custom_id: customId,
			params: { model: MODELS.anthropic, max_tokens: MAX_TOKENS, messages: [{ role: "user" as const, content: text }] },
		}));
		return (await this.ask("a batch", (url) => this.client(url).create({ requests }))).id;
	}

	async cancel(batchId: string): Promise<void> {
		await this.ask("a cancellation", (url) => unlessEnded(this.client(url).cancel(batchId)));
	}

	list(): Promise<SeenBatch[]> {
		return this.ask("the batches", async (url) => {
			const seen: SeenBatch[] = [];
			for await (const { id, processing_status, request_counts: counts, results_url } of this.client(url).list({ limit: 100 })) {
				seen.push({
					batchId: id,
					hasEnded: processing_status === "ended",
					hasFailed: processing_status === "ended" && results_url === null,
					counts: { succeeded: counts.succeeded, others: counts.errored + counts.expired + counts.canceled },
					fileIds: [],
					hasResults: results_url !== null,
				});
			}
			return seen;
		});
	}

	async download({ batchId, hasResults }: SeenBatch): Promise<Delivered[]> {
		if (!hasResults) return [];
		return this.ask("results", async (url) => {
			const delivered: Delivered[] = [];
			for await (const { custom_id, result } of await this.client(url).results(batchId)) {
				const isLost = result.type === "errored" && JSON.stringify(result).includes(LOST_TEXT);
				delivered.push({ customId: custom_id, as: isLost ? "lost" : result.type === "canceled" ? "cancelled" : result.type });
			}
			return delivered;
		});
	}

	private client(url: string): Anthropic.Messages.Batches {
		return new Anthropic({ apiKey: this.key, baseURL: url, maxRetries: 0, logLevel: "off" }).messages.batches;
	}
}

export function openCaller(protocol: Protocol, given: { readonly key: string; readonly urls: readonly string[]; readonly random: Random }): Caller {
	const { key, urls, random } = given;
	return protocol === "openai" ? new OpenAiCaller(key, urls, random) : new AnthropicCaller(key, urls, random);
}

/** What has ended is not cancelled: 409, which is an answer. */
async function unlessEnded(cancelling: Promise<unknown>): Promise<void> {
	try {
		await cancelling;
	} catch (error) {
		if ((error as { status?: unknown }).status !== 409) throw error;
	}
}
