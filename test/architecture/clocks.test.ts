import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { listProjectFiles, PROJECT_FOLDER } from "#test/support/project-files.ts";

/**
 * Only PostgreSQL's clock counts for money (money-path §4): the process has a monotonic clock for how long something
 * still holds, and its wall clock, which a person may set, only for what people read. Every use is listed with its reason.
 */
const MONEY = /^(activities\/(request|authority|ledger|keys|idempotency)|domain|gateway)\//;
const WALL_CLOCK = /\bDate\.now\b|\bnew Date\(|\bDate\.parse\b|\bDate\(\)|process\.hrtime\(\)/;
const ALLOWED: Readonly<Record<string, string>> = {
	"activities/request/request-authority.ts: wallClockMs: () => Date.now(),":
		"the time people read beside an attempt or a refusal; windows, leases and prices do not ask for it",
	"gateway/open-runs.ts: wallClockMs: () => Date.now(),":
		"how long ago a run had its last exchange, which another gateway reads in its loop memory; ceilings of time go by PostgreSQL's clock",
	"gateway/main.ts: batches: { store: opened.batches, deferred: opened.deferred, blobs: await openBlobStore(settings.blobs), wallClockMs: () => Date.now() },":
		"until when a file of a batch is kept, and which instant a span of a deadline means: times in which a clock that is off by seconds matters to nobody, and no money goes by them",
	"gateway/batches/render-anthropic.ts: return new Date(atMs).toISOString();": "writes PostgreSQL's time in the protocol's words",
	"gateway/deferred/render-item.ts: return atMs === null ? null : new Date(atMs).toISOString();": "writes PostgreSQL's time as its callers read it",
	"domain/chargeback/month.ts: const before = new Date(Date.UTC(year, number - 2, 1));": "counts months; no clock is asked",
	"domain/chargeback/month.ts: const middle = new Date(startsAtMs + 14 * DAY_MS);": "says in which month an instant is; no clock is asked",
	"domain/focus/charge.ts: const startsAtMs = Date.parse(`${day}T00:00:00Z`);": "reads the day that was asked for; no clock is asked",
	"domain/focus/charge.ts: return `${new Date(epochMs).toISOString().slice(0, 19)}Z`;": "writes an instant as FOCUS has it; no clock is asked",
	'domain/focus/judge.ts: return typeof value === "string" && INSTANT.test(value) && !Number.isNaN(Date.parse(value))':
		"judges an instant of a file; no clock is asked",
	"domain/focus/judge.ts: return value instanceof Date ? value.getTime() : Date.parse(String(value));": "compares instants of a file; no clock is asked",
	"domain/spend/spans.ts: const date = new Date(ms);": "says in which month an instant is; no clock is asked",
	"domain/batching/deferred.ts: return INSTANT.test(text) ? Date.parse(text) : Number.NaN;": "reads an instant that a caller wrote; no clock is asked",
};
/** Where that one reading goes: two fields of records, and how long files of batches are kept; nothing else that is compared. */
const READINGS = /\bwallClockMs\b/;
const ALLOWED_READINGS = [
	/^readonly wallClockMs: \(\) => number;$/,
	/^wallClockMs: \(\) => Date\.now\(\),$/,
	/^const \{[^}]*\bwallClockMs\b[^}]*\} = this\.dependencies;$/,
	/\breservedAtMs: wallClockMs\(\)/,
	/\brefusedAtMs: wallClockMs\(\)/,
	// Files of batches, and deadlines of items.
	/^const rules = \{ [^}]*\bnowMs: batches\.wallClockMs\(\), [^}]*\};$/,
	/^const expiresAtMs = batches\.wallClockMs\(\) \+ /,
	/^batches: \{ store: [^}]*wallClockMs: \(\) => Date\.now\(\) \},$/,
	/^function isKept\(\{ expiresAtMs \}: FileRecord, \{ wallClockMs \}: BatchRoutes\): boolean \{$/,
	/^return expiresAtMs === null \|\| expiresAtMs > wallClockMs\(\);$/,
];

function linesWith(pattern: RegExp, text: string): string[] {
	return text
		.split("\n")
		.map((line) => line.trim())
		.filter((line) => pattern.test(line));
}

const files = listProjectFiles([".ts"]).filter((file) => MONEY.test(file));
const read = (file: string): string => readFileSync(path.join(PROJECT_FOLDER, file), "utf8");

test("the wall clock is read where the list says, and nowhere else near money", () => {
	expect(files.length).toBeGreaterThan(100);
	expect(files.flatMap((file) => linesWith(WALL_CLOCK, read(file)).map((line) => `${file}: ${line}`)).sort()).toEqual(Object.keys(ALLOWED).sort());
});

test("its readings are only written down", () => {
	const readings = files.flatMap((file) => linesWith(READINGS, read(file)));
	expect(readings.length).toBeGreaterThan(3);
	expect(readings.filter((line) => !ALLOWED_READINGS.some((allowed) => allowed.test(line)))).toEqual([]);
});

test("a reading that is compared would be seen", () => {
	const text = "if (wallClockMs() > lease.endsAtMs) return;\nconst due = Date.now() + 5;\nconst day = new Date(at);";
	expect(linesWith(WALL_CLOCK, text)).toHaveLength(2);
	expect(linesWith(READINGS, text).some((line) => ALLOWED_READINGS.some((allowed) => allowed.test(line)))).toBe(false);
});
