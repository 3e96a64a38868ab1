import { createReadStream } from "node:fs";
import { stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { Broken } from "#test/govern/broken.ts";
import { ManyItemsStand, type Peaks } from "./many-items-stand.ts";
import { becomes, expectSame, refuseAboveLimits, STAGE_MS_MAX, Stages, textOf, textsOf } from "./stages.ts";

/**
 * One batch of each protocol as large as OpenAI takes them, from the caller's file to the caller's results: `npm run check:batch -- --items N`.
 * Nothing is stood in for but the provider, whose clock is moved; the job is told to look at once, as `batch retry` does.
 */
export type ManyItemsInput = {
	readonly items: number;
	readonly seed: number;
	/** For the file that is handed in. */
	readonly folder: string;
	onProgress(line: string): void;
};

/** `handIn`: the worker writes and uploads the part and creates the batch. `provider`: is not ours. `collect`: results are read, booked and joined. */
const STAGES = ["upload", "create", "handIn", "provider", "collect", "download"] as const;
type Stage = (typeof STAGES)[number];

type Seen = {
	readonly items: number;
	readonly inputBytes: number;
	readonly outputBytes: number;
	readonly seconds: Partial<Record<Stage, number>>;
	/** Resident memory at its most, by stage. */
	readonly megabytes: Partial<Record<Stage, Peaks>>;
	readonly parts: number;
	readonly historyEvents: number;
	readonly eventsPerItem: number;
	readonly workflowMessages: number;
	readonly workflowRuns: number;
	readonly ledgerEntries: number;
	readonly settledNanoUsd: string;
};

const MODELS = { openai: "gpt-4o", anthropic: "claude-sonnet-4-5" } as const;
const TURNAROUND_MS = 1_800_000;
export async function measureManyItems({ items, seed, folder, onProgress }: ManyItemsInput): Promise<Record<string, unknown>> {
	const system = await ManyItemsStand.open();
	try {
		await system.stand.provider.control("batches/plan", { plan: { turnaroundMs: TURNAROUND_MS, unordered: true } });
		const texts = textsOf(seed);
		const idle = system.peaks();
		const run = { system, items, texts, folder, onProgress };
		const openai = await measureOpenAi(run);
		const anthropic = await measureAnthropic(run);
		const { report, findings } = await system.stand.verify();
		if (!report.ok) throw new Broken(`verify: ${findings.slice(0, 5).join("; ")}`);
		const figures = { items, idleMegabytes: idle, openai, anthropic, verifiedEntries: report.entries };
		onProgress(JSON.stringify(figures));
		for (const seen of [openai, anthropic]) refuseAboveLimits({ ...seen, megabytes: { start: idle, ...seen.megabytes } });
		return figures;
	} finally {
		await system.close();
	}
}

type Run = {
	readonly system: ManyItemsStand;
	readonly items: number;
	readonly texts: readonly string[];
	readonly folder: string;
	onProgress(line: string): void;
};

async function measureOpenAi(run: Run): Promise<Seen> {
	const { system, items, texts, folder } = run;
	const stages = new BatchStages("openai", run);
	const file = path.join(folder, "requests.jsonl");
	await writeFile(file, openAiLines(items, texts));
	const client = new OpenAI({ apiKey: system.key, baseURL: `${system.gatewayUrl}/v1`, maxRetries: 0, timeout: STAGE_MS_MAX });
	const uploaded = await stages.measure("upload", () => client.files.create({ file: createReadStream(file), purpose: "batch" }));
	const { id } = await stages.measure("create", () =>
		client.batches.create({ input_file_id: uploaded.id, endpoint: "/v1/chat/completions", completion_window: "24h" }),
	);
	await driveToEnd(stages, id, run);
	const batch = await client.batches.retrieve(id);
	expectSame("OpenAI's batch", [batch.status, batch.request_counts?.completed], ["completed", items]);
	const outputBytes = await stages.measure("download", async () => {
		const { body } = await client.files.content(batch.output_file_id ?? "");
		if (body === null) throw new Broken("the output file has no content");
		return drain(linesOf(body), items);
	});
	return stages.finish(id, { inputBytes: (await stat(file)).size, outputBytes });
}

async function measureAnthropic(run: Run): Promise<Seen> {
	const { system, items, texts } = run;
	const stages = new BatchStages("anthropic", run);
	const client = new Anthropic({ apiKey: system.key, baseURL: system.gatewayUrl, maxRetries: 0, timeout: STAGE_MS_MAX });
	const requests = Array.from({ length: items }, (_, index) => ({
		custom_id: customId(index + 1),
		params: { model: MODELS.anthropic, max_tokens: 100, messages: [{ role: "user" as const, content: textOf(index + 1, texts) }] },
	}));
	const inputBytes = requests.reduce((bytes, request) => bytes + JSON.stringify(request).length + 1, 0);
	const { id } = await stages.measure("create", () => client.messages.batches.create({ requests }));
	await driveToEnd(stages, id, run);
	const batch = await client.messages.batches.retrieve(id);
	expectSame("Anthropic's batch", [batch.processing_status, batch.request_counts.succeeded], ["ended", items]);
	const outputBytes = await stages.measure("download", async () => drain(await client.messages.batches.results(id), items));
	return stages.finish(id, { inputBytes, outputBytes });
}

async function driveToEnd(stages: BatchStages, batchId: string, { system }: Run): Promise<void> {
	const stateIs = (text: string, wanted: readonly string[]) => async (): Promise<boolean> => {
		const { states } = await system.row<{ states: string[] }>(text, [batchId]);
		return states.length > 0 && states.every((state) => wanted.includes(state));
	};
	const parts =
		"SELECT coalesce(array_agg(p.state), '{}') AS states FROM tollgate.batch b JOIN tollgate.batch_part p ON p.batch_number = b.number WHERE b.id = $1";
	await stages.measure("handIn", () => becomes("the provider has it", stateIs(parts, ["running"])));
	await stages.measure("provider", () => system.stand.provider.control("batches/clock", { advanceMs: 2 * TURNAROUND_MS }));
	await stages.measure("collect", async () => {
		await system.admin.batches.retry(batchId);
		await becomes("it has ended", stateIs("SELECT ARRAY[state] AS states FROM tollgate.batch WHERE id = $1", ["completed", "failed", "expired", "cancelled"]));
	});
}

/** Its stages, and what must hold at the end. */
class BatchStages extends Stages<Stage> {
	private readonly run: Run;

	constructor(protocol: string, run: Run) {
		super(protocol, run);
		this.run = run;
	}

	async finish(batchId: string, bytes: { readonly inputBytes: number; readonly outputBytes: number }): Promise<Seen> {
		const { system, items } = this.run;
		const batch = await system.row<BatchRow>(BATCH, [batchId]);
		const billed = system.stand.provider.calls().filter(({ attemptId }) => attemptId?.startsWith(`${batch.holder}-1-`) === true).length;
		const { entries, attempts } = batch;
		expectSame(
			`the books of ${batchId}`,
			{ entries, attempts, billed, held: [batch.held, batch.lease_held] },
			{ entries: items, attempts: items, billed: items, held: ["0", "0"] },
		);
		const { events, messages, runs } = await system.history(batchId);
		const eventsPerItem = Math.round((events / items) * 1e5) / 1e5;
		return {
			...{ items, ...bytes, seconds: this.seconds, megabytes: this.megabytes, parts: batch.parts, historyEvents: events, eventsPerItem },
			...{ workflowMessages: messages, workflowRuns: runs, ledgerEntries: entries, settledNanoUsd: batch.settled },
		};
	}
}

type BatchRow = { holder: string; parts: number; entries: number; attempts: number; held: string; lease_held: string; settled: string };

const BATCH = `
	SELECT tollgate.batch_holder(b.number) AS holder, b.held_nano_usd::text AS held, b.settled_nano_usd::text AS settled,
	       (SELECT count(*)::int FROM tollgate.batch_part p WHERE p.batch_number = b.number) AS parts,
	       (SELECT count(*)::int FROM tollgate.attempt a WHERE a.gateway_id = tollgate.batch_holder(b.number)) AS attempts,
	       (SELECT count(*)::int FROM tollgate.entry e JOIN tollgate.attempt a USING (attempt_id) WHERE a.gateway_id = tollgate.batch_holder(b.number)) AS entries,
	       (SELECT coalesce(sum(l.granted - l.returned - l.posted), 0)::text FROM tollgate.lease l WHERE l.gateway_id = tollgate.batch_holder(b.number)) AS lease_held
	FROM tollgate.batch b WHERE b.id = $1`;

type Result = { readonly custom_id: string };

/** Resolves with the bytes of results, each of which came once. */
async function drain(results: AsyncIterable<Result>, items: number): Promise<number> {
	const wanted = new Set(Array.from({ length: items }, (_, index) => customId(index + 1)));
	let bytes = 0;
	for await (const result of results) {
		if (!wanted.delete(result.custom_id)) throw new Broken(`a result of ${result.custom_id} came that is not to come, or came before`);
		bytes += JSON.stringify(result).length + 1;
	}
	if (wanted.size > 0) throw new Broken(`${wanted.size} items have no result`);
	return bytes;
}

async function* linesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Result> {
	for await (const line of createInterface({ input: Readable.fromWeb(body as never) })) yield JSON.parse(line) as Result;
}

const customId = (n: number): string => `request-${n}`;

function* openAiLines(items: number, texts: readonly string[]): Generator<string> {
	for (let n = 1; n <= items; n += 1) {
		const body = { model: MODELS.openai, max_tokens: 100, messages: [{ role: "user", content: textOf(n, texts) }] };
		yield `${JSON.stringify({ custom_id: customId(n), method: "POST", url: "/v1/chat/completions", body })}\n`;
	}
}
