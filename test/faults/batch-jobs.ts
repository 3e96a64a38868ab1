import path from "node:path";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI, { toFile } from "openai";
import { Registry } from "prom-client";
import { expect } from "vitest";
import { openBlobStore } from "#activities/blobs/open-blob-store.ts";
import { defaultProviderTable, withSimulatedProvider } from "#config/providers.ts";
import { startTestTemporal, testWorkflowBundle } from "#test/support/temporal.ts";
import { until } from "#test/support/until.ts";
import { startBatchesRole } from "../../workers/batches.ts";
import type { Fault, FaultRun } from "./fault.ts";
import { expectEnds } from "./load.ts";
import { type FaultStand, LEASE_MS } from "./stand.ts";

/** Batch jobs whose provider ends early, answers in part, twice, or for others; beside calls, which spend from other budgets of the same authority. */

const ITEMS = 24;
const HOUR_MS = 3_600_000;
const ENDS_WITHIN_MS = 120_000;
/** What the workflow waits for passes so much faster here. */
const PACE_PERMILLE = 5;

/** What the provider makes of a batch, as the simulator's plan says it. */
const FATES = {
	garbled: { turnaroundMs: HOUR_MS, unordered: true, duplicateShare: 0.4, missingShare: 0.2, unknownLines: 3, unreadableLines: 2, failShare: 0.2 },
	truncated: { turnaroundMs: HOUR_MS, truncateTo: 0.5, truncatedReads: 1, duplicateShare: 0.2 },
	gone: { turnaroundMs: HOUR_MS, resultsGone: true },
	expired: { turnaroundMs: 40 * HOUR_MS },
	cancelled: { turnaroundMs: 40 * HOUR_MS },
} as const;
type Fate = keyof typeof FATES;

/** A caller's side of one protocol. */
type Caller = {
	create(fate: Fate): Promise<string>;
	cancel(batchId: string): Promise<unknown>;
	/** `custom_id` of every line it is given, in any order. */
	results(batchId: string): Promise<string[]>;
};

const customIds = Array.from({ length: ITEMS }, (_, index) => `item-${index + 1}`);
const textOf = (fate: Fate, index: number): string =>
	`${index} ${fate} ${index === 0 ? `[[simulate-batch:${JSON.stringify({ validationMs: 0, ...FATES[fate] })}]]` : ""}`;

function openAiCaller(url: string, apiKey: string): Caller {
	const client = new OpenAI({ apiKey, baseURL: `${url}/v1`, maxRetries: 0 });
	return {
		async create(fate) {
			const lines = customIds.map((custom_id, index) => {
				const body = { model: "gpt-4o", max_tokens: 20, messages: [{ role: "user", content: textOf(fate, index) }] };
				return JSON.stringify({ custom_id, method: "POST", url: "/v1/chat/completions", body });
			});
			const file = await client.files.create({ file: await toFile(Buffer.from(lines.join("\n")), "items.jsonl"), purpose: "batch" });
			return (await client.batches.create({ input_file_id: file.id, endpoint: "/v1/chat/completions", completion_window: "24h" })).id;
		},
		cancel: (batchId) => client.batches.cancel(batchId),
		async results(batchId) {
			const { output_file_id, error_file_id } = await client.batches.retrieve(batchId);
			const files = [output_file_id, error_file_id].filter((id) => typeof id === "string");
			const texts = await Promise.all(files.map(async (id) => (await client.files.content(id)).text()));
			const lines = texts.flatMap((text) => text.split("\n").filter(Boolean));
			return lines.map((line) => (JSON.parse(line) as { custom_id: string }).custom_id);
		},
	};
}

function anthropicCaller(url: string, apiKey: string): Caller {
	const { batches } = new Anthropic({ apiKey, baseURL: url, maxRetries: 0 }).messages;
	return {
		async create(fate) {
			const requests = customIds.map((custom_id, index) => ({
				custom_id,
				params: { model: "claude-sonnet-4-5", max_tokens: 20, messages: [{ role: "user" as const, content: textOf(fate, index) }] },
			}));
			return (await batches.create({ requests })).id;
		},
		cancel: (batchId) => batches.cancel(batchId),
		async results(batchId) {
			const ids: string[] = [];
			for await (const { custom_id } of await batches.results(batchId)) ids.push(custom_id);
			return ids;
		},
	};
}

/** The worker's part in batches, in this process, on the payloads of the gateways. */
async function startRole(run: FaultRun, stand: FaultStand): Promise<void> {
	const temporal = await startTestTemporal();
	run.defer(() => temporal.close());
	const nowhere = { openaiBaseUrl: "https://unused.example/v1", openaiKey: undefined, anthropicBaseUrl: "https://unused.example", anthropicKey: undefined };
	const role = startBatchesRole({
		...{ databaseUrl: stand.base.database.url, temporalAddress: temporal.address, temporalNamespace: "default", workflowBundle: await testWorkflowBundle() },
		providers: withSimulatedProvider(defaultProviderTable(nowhere), stand.base.provider.url).providers,
		blobs: await openBlobStore({ place: { kind: "folder", folder: path.join(stand.base.home, "blobs") }, keys: new Map() }),
		retention: { keptDays: 30, keptDaysByPurpose: {} },
		log: { info: () => undefined, warn: () => undefined, error: () => undefined },
		metrics: new Registry(),
		pacePermille: PACE_PERMILLE,
	});
	run.defer(() => role.stop());
	await role.polls;
}

type Job = { readonly id: string; readonly fate: Fate; readonly caller: Caller };

async function handIn(stand: FaultStand): Promise<Job[]> {
	const [{ url }, { key }] = [stand.gateway(0), stand.ample];
	const callers = [openAiCaller(url, key), anthropicCaller(stand.gateway(1).url, key)];
	const fates = Object.keys(FATES) as Fate[];
	return Promise.all(callers.flatMap((caller) => fates.map(async (fate) => ({ id: await caller.create(fate), fate, caller }))));
}

const pass = (stand: FaultStand, advanceMs: number): Promise<unknown> => stand.base.provider.control("batches/clock", { advanceMs });

/** Hands all in, cancels some when a part of them has run, and lets two days pass at the provider. */
async function runJobs(stand: FaultStand): Promise<Job[]> {
	const jobs = await handIn(stand);
	const running = "SELECT count(*)::int AS count FROM tollgate.batch_part WHERE state = 'running'";
	await until("the provider to have all", async () => (await stand.sql<{ count: number }>(running))[0]?.count === jobs.length, ENDS_WITHIN_MS);
	await pass(stand, 10 * HOUR_MS);
	for (const { id, fate, caller } of jobs) if (fate === "cancelled") await caller.cancel(id);
	await until("the cancellations at the provider", async () => (await cancellingAtProvider(stand)) === 2, ENDS_WITHIN_MS);
	const ended = "SELECT count(*)::int AS count FROM tollgate.batch WHERE state IN ('completed', 'expired', 'cancelled')";
	await until(
		"the end of all",
		async () => {
			await pass(stand, HOUR_MS / 2);
			return (await stand.sql<{ count: number }>(ended))[0]?.count === jobs.length;
		},
		ENDS_WITHIN_MS,
	);
	return jobs;
}

async function cancellingAtProvider(stand: FaultStand): Promise<number> {
	const { batches } = (await stand.base.provider.control("batches")) as { batches: readonly { readonly status: string }[] };
	return batches.filter(({ status }) => /^cancel/.test(status)).length;
}

type Books = { id: string; attempts: string[]; unresolved: number; off_bound: number; held: string; billed_without_cost: number; free_with_cost: number };

/** Of each batch: what stands in the ledger for its holder, and what is wrong between its items and that. */
const BOOKS = `
	SELECT b.id, b.held_nano_usd::text AS held, coalesce(array_agg(a.attempt_id) FILTER (WHERE a.attempt_id IS NOT NULL), '{}') AS attempts,
	       count(*) FILTER (WHERE a.outcome = 'unresolved')::int AS unresolved,
	       count(*) FILTER (WHERE a.outcome = 'unresolved' AND a.cost_nano_usd IS DISTINCT FROM i.bound_nano_usd)::int AS off_bound,
	       count(*) FILTER (WHERE i.cost_nano_usd IS NULL AND a.attempt_id IS NOT NULL)::int AS free_with_cost,
	       count(*) FILTER (WHERE i.cost_nano_usd IS NOT NULL AND a.attempt_id IS NULL)::int AS billed_without_cost
	FROM tollgate.batch b JOIN tollgate.batch_item i ON i.batch_number = b.number
	LEFT JOIN tollgate.attempt a ON a.attempt_id = tollgate.batch_holder(b.number) || '-1-' || i.n
	GROUP BY b.number ORDER BY b.number`;

/** Item by item what the provider billed, by the log that it wrote of it, is what is charged; and whatever is not known to be free is. */
async function expectEachOnce(stand: FaultStand, jobs: readonly Job[]): Promise<number> {
	for (const { id, fate, caller } of jobs) expect((await caller.results(id)).sort(), `results of ${fate} ${id}`).toEqual([...customIds].sort());
	const log = Map.groupBy(stand.base.provider.calls(), ({ attemptId }) => /^(batch\d+)-1-\d+$/.exec(attemptId ?? "")?.[1] ?? "");
	const books = await stand.sql<Books>(BOOKS);
	const fateOf = new Map(jobs.map(({ id, fate }) => [id, fate]));
	for (const { id, attempts, unresolved, ...wrong } of books) {
		const fate = fateOf.get(id);
		const billed = (log.get(attempts[0]?.split("-")[0] ?? "") ?? []).map(({ attemptId }) => attemptId);
		expect(attempts.toSorted(), `billed and charged items of ${fate} ${id}`).toEqual(billed.toSorted());
		expect(wrong, `${fate} ${id}`).toEqual({ held: "0", off_bound: 0, free_with_cost: 0, billed_without_cost: 0 });
		if (fate === "expired" || fate === "cancelled") expect(attempts.length, `${fate} ${id}`).toBeLessThan(ITEMS);
		expect(attempts.length, `${fate} ${id}`).toBeGreaterThan(0);
		if (fate === "gone") expect(unresolved).toBe(ITEMS);
		else if (fate !== "garbled") expect(unresolved).toBe(0);
	}
	return books.reduce((sum, { unresolved }) => sum + unresolved, 0);
}

export const BATCH_JOB_FAULTS: readonly Fault[] = [
	{
		id: "F36",
		name: "batch jobs: results in part, twice, of nobody, gone; expired; cancelled after they were handed in",
		async run(run) {
			const stand = await run.open({ gateways: 2 });
			await startRole(run, stand);
			const load = await stand.load(run.random, { calls: 100, teams: 20 });
			await load.beginFault(2 * LEASE_MS);
			const jobs = await runJobs(stand);
			load.healed();
			await load.finish();
			expectEnds(load.records, []);
			const unresolved = await expectEachOnce(stand, jobs);
			// What stays charged without a result is brought to what the provider's log proves, and nothing else is.
			const counts = await stand.finish(load.records, { shouldResolve: true });
			expect(counts.unresolved).toBe(0);
			return { counts, recoveryMs: null, note: `${jobs.length} jobs, ${unresolved} items charged at their bound until the log told` };
		},
	},
];
