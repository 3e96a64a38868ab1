import { Broken } from "#test/govern/broken.ts";
import { FINAL, type SeenDeferred, seenOf } from "./deferred-caller.ts";
import { ManyItemsStand } from "./many-items-stand.ts";
import { becomes, expectSame, refuseAboveLimits, Stages, textOf, textsOf } from "./stages.ts";

/**
 * Very many items that are handed in alone, from the first request to the last answer: `npm run check:batch -- --items N --deferred`. Nothing is
 * stood in for but the provider, whose clock is moved; the jobs are told to look at once, as `batch retry` does.
 */
export type ManyDeferredInput = { readonly items: number; readonly seed: number; onProgress(line: string): void };

/** `flush`: the collectors wait until no more come. The others are as in many-items.ts. */
type Stage = "handIn" | "flush" | "submit" | "provider" | "collect" | "read";

const MODEL = "gpt-4o";
/** Longer than any batch is taken to need: with less, items go in real time while nothing is known of the provider. */
const DEADLINE = "3d";
const TURNAROUND_MS = 1_800_000;
const CONNECTIONS = 32;
const ACCEPTED = [200, 202];

type Run = ManyDeferredInput & { readonly system: ManyItemsStand; readonly texts: readonly string[] };

export async function measureManyDeferred(input: ManyDeferredInput): Promise<Record<string, unknown>> {
	const { items, seed, onProgress } = input;
	const system = await ManyItemsStand.open();
	try {
		await system.stand.provider.control("batches/plan", { plan: { turnaroundMs: TURNAROUND_MS, unordered: true } });
		const idle = system.peaks();
		const seen = await measure({ ...input, system, texts: textsOf(seed) });
		const { report, findings } = await system.stand.verify();
		if (!report.ok) throw new Broken(`verify: ${findings.slice(0, 5).join("; ")}`);
		const figures = { items, idleMegabytes: idle, deferred: seen, verifiedEntries: report.entries };
		onProgress(JSON.stringify(figures));
		refuseAboveLimits({ ...seen, megabytes: { start: idle, ...seen.megabytes } });
		return figures;
	} finally {
		await system.close();
	}
}

async function measure(run: Run) {
	const { system, items } = run;
	const stages = new Stages<Stage>("deferred", run);
	const ids = await stages.measure("handIn", () => handIn(run));
	expectSame("ids of items", new Set(ids).size, items);
	await stages.measure("flush", () => becomes("no item is collected any more", async () => (await tally(system)).collecting === 0));
	await stages.measure("submit", () => becomes("the provider has all", async () => (await tally(system)).carried === items));
	await stages.measure("provider", () => system.stand.provider.control("batches/clock", { advanceMs: 2 * TURNAROUND_MS }));
	await stages.measure("collect", async () => {
		const { batches } = await system.row<{ batches: string[] }>("SELECT array_agg(id) AS batches FROM tollgate.batch WHERE origin = 'collected'", []);
		for (const batch of batches) await system.admin.batches.retry(batch);
		await becomes("all are answered", async () => (await tally(system)).answered === items);
	});
	await stages.measure("read", () => readAll(run, ids));
	return { items, ...stages.figures(), itemsPerSecond: Math.round(items / (stages.seconds.handIn ?? 0)), ...(await books(run)) };
}

type Tally = { collecting: number; carried: number; answered: number };

const TALLY = `
	SELECT (count(*) FILTER (WHERE b.state = 'collecting'))::int AS collecting, (count(*) FILTER (WHERE p.state = 'running'))::int AS carried,
	       (count(*) FILTER (WHERE i.answered_at IS NOT NULL))::int AS answered
	FROM tollgate.batch_item i JOIN tollgate.batch b ON b.number = i.batch_number
	LEFT JOIN tollgate.batch_part p ON p.batch_number = i.batch_number AND p.part = i.part`;

const tally = (system: ManyItemsStand): Promise<Tally> => system.row<Tally>(TALLY, []);

async function handIn({ system, items, texts, onProgress }: Run): Promise<string[]> {
	const ids: string[] = [];
	await eachOf(items, async (n) => {
		const body = JSON.stringify({ model: MODEL, max_tokens: 100, messages: [{ role: "user", content: textOf(n, texts) }] });
		const headers = { authorization: `Bearer ${system.key}`, "content-type": "application/json", "x-tollgate-deadline": DEADLINE };
		const response = await fetch(`${system.gatewayUrl}/v1/deferred/chat/completions`, { method: "POST", headers, body });
		const text = await response.text();
		if (!ACCEPTED.includes(response.status)) throw new Broken(`item ${n} was answered ${response.status}: ${text}`);
		ids[n - 1] = seenOf(text).id;
		if (n % 5_000 === 0) onProgress(`${n} of ${items} handed in`);
	});
	return ids;
}

/** Each has an answer of its own, that ended it. */
async function readAll({ system, items }: Run, ids: readonly string[]): Promise<void> {
	const answers = new Set<string>();
	await eachOf(items, async (n) => {
		const response = await fetch(`${system.gatewayUrl}/v1/deferred/${ids[n - 1] ?? ""}`, { headers: { authorization: `Bearer ${system.key}` } });
		const text = await response.text();
		if (response.status !== 200) throw new Broken(`item ${n} is read as ${response.status}: ${text}`);
		const { status, answer }: SeenDeferred = seenOf(text);
		if (!FINAL.includes(status) || answer?.statusCode !== 200) throw new Broken(`item ${n} is ${status}: ${text}`);
		answers.add(answer.id ?? "");
	});
	expectSame("answers", answers.size, items);
}

/** Numbers from 1, so many at a time. */
async function eachOf(count: number, work: (n: number) => Promise<void>): Promise<void> {
	let next = 1;
	const connection = async (): Promise<void> => {
		while (next <= count) {
			const n = next;
			next += 1;
			await work(n);
		}
	};
	await Promise.all(Array.from({ length: CONNECTIONS }, connection));
}

type Books = { batches: number; parts: number; entries: number; held: string; settled: string };

const BOOKS = `
	SELECT count(*)::int AS batches, sum(b.settled_nano_usd)::text AS settled,
	       (SELECT count(*)::int FROM tollgate.batch_part) AS parts,
	       (SELECT count(*)::int FROM tollgate.entry e WHERE e.gateway_id ~ '^batch[0-9]+$') AS entries,
	       (SELECT coalesce(sum(l.granted - l.returned - l.posted), 0)::text FROM tollgate.lease l WHERE l.gateway_id ~ '^batch[0-9]+$') AS held
	FROM tollgate.batch b WHERE b.origin = 'collected'`;

async function books({ system, items }: Run) {
	await becomes("nothing is held", async () => (await system.row<Books>(BOOKS, [])).held === "0");
	const { batches, parts, entries, settled } = await system.row<Books>(BOOKS, []);
	expectSame("the books", { entries, billed: system.stand.provider.calls().length }, { entries: items, billed: items });
	const { events, messages, runs } = await system.histories(/^batch-(job|collector)\//);
	const eventsPerItem = Math.round((events / items) * 1e5) / 1e5;
	return {
		batches,
		parts,
		historyEvents: events,
		eventsPerItem,
		workflowMessages: messages,
		workflowRuns: runs,
		ledgerEntries: entries,
		settledNanoUsd: settled,
	};
}
