import pg from "pg";
import { type ChangeMarks, readChangeMarks } from "#activities/administration/change-marks.ts";
import type { Queryable } from "#activities/keys/port.ts";
import { countForReports } from "#activities/reports/count-dear-calls.ts";
import { SPEND_CONNECTION_OPTIONS } from "#activities/spend/planning.ts";
import { ConsoleStand } from "#test/support/console-stand.ts";
import { generateLedger } from "../../../bench/books/generate-ledger.ts";
import { measureConsole } from "../../../scripts/build-console.ts";
import { COUNT_REQUESTS, INTERACTIONS, PAGES, PAINTED, WATCH_CLICK } from "./looks.ts";

// The process of `npm run check:console`, in the environment of a test run. Arguments: calls, days, seed.
const FIRST_PAINT_MS_MAX = 1_500;
const INTERACTION_MS_MAX = 300;
const COMPRESSED_KIBIBYTES_MAX = 350;
const TIMES = 3;
const LOOKS = 25;

const [attempts = 0, days = 0, seed = 0] = process.argv.slice(2).map(Number);
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const median = (times: readonly number[]): number => times.toSorted((left, right) => left - right)[Math.floor(times.length / 2)] ?? 0;

async function fill(databaseUrl: string): Promise<number> {
	const client = new pg.Client({ connectionString: databaseUrl, options: SPEND_CONNECTION_OPTIONS });
	await client.connect();
	try {
		const calls = await generateLedger(client, { attempts, days, seed }, (day, count) => {
			if (day % 50 === 0) say(`day ${day} of ${days}: ${count} calls`);
		});
		await countForReports(client);
		await client.query("RESET synchronous_commit");
		await client.query("VACUUM ANALYZE");
		return calls;
	} finally {
		await client.end();
	}
}

/** What one look of the API's events costs, which is once a second for all who listen. */
async function lookForChanges(database: Queryable): Promise<number> {
	const times: number[] = [];
	let before: ChangeMarks | undefined;
	for (let time = 0; time < LOOKS; time++) {
		const beganAtMs = performance.now();
		before = await readChangeMarks(database, before);
		times.push(performance.now() - beganAtMs);
	}
	say(`\none look of events: ${median(times).toFixed(1)} ms, the first ${(times[0] ?? 0).toFixed(1)} ms`);
	return median(times);
}

const row = (name: string, ...figures: readonly string[]): void => say(`${name.padEnd(28)}${figures.map((figure) => figure.padStart(12)).join("")}`);

async function lookAtPages(stand: ConsoleStand): Promise<number> {
	row("page", "first paint", "complete", "ms");
	let slowest = 0;
	for (const [name, path] of PAGES) {
		const looks: { firstPaintMs: number; completeMs: number }[] = [];
		for (let time = 0; time < TIMES; time++) {
			const page = await stand.visit(path, { prepare: (opened) => opened.addInitScript(COUNT_REQUESTS), isNewBrowser: true });
			looks.push(await page.evaluate(PAINTED));
			await page.context().close();
		}
		const firstPaintMs = median(looks.map((look) => look.firstPaintMs));
		slowest = Math.max(slowest, firstPaintMs);
		row(name, firstPaintMs.toFixed(0), median(looks.map((look) => look.completeMs)).toFixed(0));
	}
	return slowest;
}

async function interact(stand: ConsoleStand): Promise<number> {
	row("\ninteraction", "first", "median", "ms");
	let slowest = 0;
	for (const { name, from, act } of INTERACTIONS) {
		const times: number[] = [];
		for (let time = 0; time < TIMES; time++) {
			const page = await stand.visit(from, { prepare: (opened) => opened.addInitScript(COUNT_REQUESTS), isNewBrowser: true });
			await page.evaluate(PAINTED);
			await page.evaluate(WATCH_CLICK);
			await act(page);
			times.push(await page.evaluate("window.tookMs"));
			await page.context().close();
		}
		slowest = Math.max(slowest, median(times));
		row(name, times[0]?.toFixed(0) ?? "", median(times).toFixed(0));
	}
	return slowest;
}

const stand = await ConsoleStand.open();
try {
	const calls = await fill(stand.administration.databaseUrl);
	const eventsLookMs = Number((await lookForChanges(stand.administration.pool)).toFixed(1));
	const firstPaintMs = Math.round(await lookAtPages(stand));
	const interactionMs = Math.round(await interact(stand));
	const compressedKibibytes = Math.ceil(measureConsole().compressedBytes / 1024);
	const { complaints } = stand;
	const isWithin = firstPaintMs <= FIRST_PAINT_MS_MAX && interactionMs <= INTERACTION_MS_MAX && compressedKibibytes <= COMPRESSED_KIBIBYTES_MAX;
	const ok = isWithin && complaints.length === 0;
	say(`\n${JSON.stringify({ ok, seed, calls, days, firstPaintMs, interactionMs, eventsLookMs, compressedKibibytes, complaints })}`);
	process.exitCode = ok ? 0 : 1;
} catch (error) {
	process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
	process.exitCode = 2;
} finally {
	await stand.close();
}
