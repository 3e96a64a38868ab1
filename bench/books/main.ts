import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Command } from "commander";
import pg from "pg";
import { startEmbeddedPostgres } from "#activities/database/embedded-postgres.ts";
import { migrateDatabase } from "#activities/database/migrate.ts";
import { findFreePort } from "#activities/process/free-port.ts";
import { countSpend } from "#activities/spend/count-spend.ts";
import { SPEND_CONNECTION_OPTIONS } from "#activities/spend/planning.ts";
import { readSpend } from "#activities/spend/read-spend.ts";
import { recountSpend } from "#activities/spend/recount-spend.ts";
import { forkMeasured } from "../machine/fork-measured.ts";
import { textTable } from "../output/text-table.ts";
import { generateLedger } from "./generate-ledger.ts";
import type { JudgedSums } from "./judge-child.ts";
import { spendQuestions } from "./questions.ts";

/**
 * `npm run bench:books`: fills a ledger, counts it into the sums of spend, and asks them. Exit 1 where an answer takes longer than 300 ms, or fewer than
 * 5,000 calls a second are counted, or where holding the sums to the entries finds one wrong or takes 300 MB. The figures are of this machine, with everything on it.
 */
const ANSWER_MS_MAX = 300;
const COUNTED_PER_SECOND_MIN = 5_000;
const VERIFY_MEGABYTES_MAX = 300;
const TIMES = 5;

type Options = { readonly attempts: number; readonly days: number; readonly seed: number };

const whole = (text: string): number => Number.parseInt(text, 10);

const command = new Command("bench:books")
	.description("How fast spend is answered, and counted, over a large ledger")
	.option("--attempts <number>", "calls in the ledger", whole, 5_000_000)
	.option("--days <number>", "that they are spread over", whole, 400)
	.option("--seed <number>", "of the ledger", whole, 1)
	.action(async (options: Options) => {
		const folder = mkdtempSync(path.join(tmpdir(), "tollgate-bench-books-"));
		const postgres = await startEmbeddedPostgres({ folder, port: await findFreePort(), logFile: path.join(folder, "postgres.log"), isDurable: false });
		try {
			await migrateDatabase(postgres.url);
			const client = new pg.Client({ connectionString: postgres.url, application_name: "tollgate bench books", options: SPEND_CONNECTION_OPTIONS });
			await client.connect();
			const isFast = await measure(client, postgres.url, options);
			await client.end();
			process.exitCode = isFast ? 0 : 1;
		} finally {
			await postgres.stop();
			rmSync(folder, { recursive: true, force: true });
		}
	});

async function measure(client: pg.Client, url: string, options: Options): Promise<boolean> {
	const say = (text: string): void => void process.stdout.write(`${text}\n`);
	const calls = await generateLedger(client, options, (day, count) => {
		if (day % 50 === 0) say(`day ${day} of ${options.days}: ${count} calls`);
	});
	const startedAtMs = performance.now();
	await countSpend(client);
	const perSecond = (calls / (performance.now() - startedAtMs)) * 1000;
	const { rows } = await client.query<{ name: string; rows: string; size: string }>(`
		SELECT relname AS name, n_live_tup::text AS rows, pg_size_pretty(pg_total_relation_size(relid)) AS size FROM pg_stat_user_tables
		WHERE relname LIKE 'spend\\_%' AND n_live_tup > 0 ORDER BY pg_total_relation_size(relid) DESC`);
	await client.query("VACUUM ANALYZE");
	const answers: { readonly name: string; readonly rows: number; readonly medianMs: number; readonly highestMs: number }[] = [];
	for (const { name, question } of spendQuestions(Date.now(), options.days)) {
		const times: number[] = [];
		let count = 0;
		for (let time = 0; time < TIMES; time++) {
			const askedAtMs = performance.now();
			count = (await readSpend(client, question)).rows.length;
			times.push(performance.now() - askedAtMs);
		}
		times.sort((left, right) => left - right);
		answers.push({ name, rows: count, medianMs: times[Math.floor(TIMES / 2)] ?? 0, highestMs: times.at(-1) ?? 0 });
	}
	say(
		textTable(
			["sums", "rows", "size"],
			rows.map(({ name, rows: count, size }) => [name, count, size]),
		).join("\n"),
	);
	say("");
	say(
		textTable(
			["question", "rows", "median ms", "highest ms"],
			answers.map(({ name, rows: count, medianMs, highestMs }) => [name, String(count), medianMs.toFixed(0), highestMs.toFixed(0)]),
		).join("\n"),
	);
	const { wrong, elapsedMs, peakMegabytes } = await forkMeasured<JudgedSums>(new URL("./judge-child.ts", import.meta.url), [url]);
	const judged = `${(elapsedMs / 1000).toFixed(0)} s, ${peakMegabytes.toFixed(0)} MB at most`;
	say(`\nevery sum held to the entries as verify does: ${wrong === 0 ? "in order" : `${wrong} WRONG`}, ${judged}`);
	const { day, seconds } = await recountDearestDay(client);
	say(`${day}, the day with most calls, counted anew: ${seconds.toFixed(1)} s`);
	const slowest = answers.reduce((most, { medianMs }) => Math.max(most, medianMs), 0);
	const ok = slowest <= ANSWER_MS_MAX && perSecond >= COUNTED_PER_SECOND_MIN && wrong === 0 && peakMegabytes < VERIFY_MEGABYTES_MAX;
	const rounded = { countedPerSecond: Math.round(perSecond), slowestMedianMs: Math.round(slowest), verifyPeakMegabytes: Math.round(peakMegabytes) };
	say("");
	say(JSON.stringify({ ok, seed: options.seed, calls, days: options.days, ...rounded }));
	return ok;
}

async function recountDearestDay(client: pg.Client): Promise<{ readonly day: string; readonly seconds: number }> {
	const { rows } = await client.query<{ day: string }>(
		"SELECT to_char(starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day FROM tollgate.spend_utc_day GROUP BY starts_at ORDER BY sum(calls) DESC LIMIT 1",
	);
	const day = rows[0]?.day ?? "";
	const startedAtMs = performance.now();
	await recountSpend(client, day);
	return { day, seconds: (performance.now() - startedAtMs) / 1000 };
}

command.parseAsync().then(undefined, (error: unknown) => {
	process.stderr.write(`bench:books: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
	process.exitCode = 2;
});
