import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";

// `npm run test:faults`: the whole fault table (docs/faults.md). `-- --seeds N` runs each fault with seeds 1 to N, `--seed S` with
// that one alone, `--only F7,F9` some of them. One line per fault at the end; exit code 1 when an invariant broke.

type Line = {
	readonly id: string;
	readonly name: string;
	readonly seed: number;
	readonly seconds: number;
	readonly problem?: string;
	readonly result?: { readonly counts: Counts | null; readonly recoveryMs: number | null; readonly note?: string };
};
type Counts = Readonly<Record<(typeof COLUMNS)[number][0], number | string>>;

const COLUMNS = [
	["calls", "calls"],
	["admitted", "admitted"],
	["refused", "refused"],
	["overspendNanoUsd", "overspend"],
	["falseRefusals", "false ref."],
	["duplicated", "dupl."],
	["lost", "lost"],
	["estimated", "estim."],
	["unresolved", "unres."],
] as const;
const SEEDS_MOST = 10_000;

const { values } = parseArgs({ options: { seeds: { type: "string", default: "1" }, seed: { type: "string" }, only: { type: "string" } } });
const folder = mkdtempSync(path.join(tmpdir(), "tollgate-faults-"));
try {
	process.exitCode = await runFaults(readSeeds(), values.only);
} finally {
	rmSync(folder, { recursive: true, force: true });
}

function readSeeds(): number[] {
	if (values.seed !== undefined) return [wholeNumber("--seed", values.seed)];
	return Array.from({ length: wholeNumber("--seeds", values.seeds) }, (_, index) => index + 1);
}

function wholeNumber(option: string, text: string): number {
	const number = Number(text);
	if (!Number.isInteger(number) || number < 1 || number > SEEDS_MOST) throw new Error(`${option} is a whole number from 1 to ${SEEDS_MOST}, not ${text}`);
	return number;
}

async function runFaults(seeds: readonly number[], only: string | undefined): Promise<number> {
	const resultsFile = path.join(folder, "results.jsonl");
	const startedAtMs = performance.now();
	const child = spawn(process.execPath, [path.join(import.meta.dirname, "test.ts"), "test/faults/faults.test.ts"], {
		cwd: path.join(import.meta.dirname, ".."),
		env: { ...process.env, TOLLGATE_TEST_FAULTS: only ?? "all", TOLLGATE_TEST_FAULT_SEEDS: seeds.join(","), TOLLGATE_TEST_FAULT_RESULTS: resultsFile },
		stdio: "inherit",
	});
	process.on("SIGINT", () => undefined); // a Ctrl-C reaches the tests by themselves; the table is printed all the same
	const [code] = (await once(child, "exit")) as [number | null];
	const lines = existsSync(resultsFile) ? readLines(resultsFile) : [];
	printTable(lines);
	const seconds = Math.round((performance.now() - startedAtMs) / 1_000);
	const broken = lines.filter(({ problem }) => problem !== undefined);
	process.stdout.write(`${lines.length} runs of ${new Set(lines.map(({ id }) => id)).size} faults in ${seconds} s, ${broken.length} broken\n`);
	for (const { id, seed } of broken) process.stdout.write(`again: npm run test:faults -- --only ${id} --seed ${seed}\n`);
	return code === 0 && broken.length === 0 && lines.length > 0 ? 0 : 1;
}

function readLines(file: string): Line[] {
	return readFileSync(file, "utf8")
		.split("\n")
		.filter(Boolean)
		.map((line) => JSON.parse(line) as Line);
}

/** One line per fault: sums over its seeds, the longest recovery, and what broke. */
function printTable(lines: readonly Line[]): void {
	const heads = ["fault", ...COLUMNS.map(([, head]) => head), "recovery ms", "seconds", "result"];
	const rows = [...Map.groupBy(lines, ({ id }) => id).values()].map(rowOf);
	const widths = heads.map((head, column) => Math.max(head.length, ...rows.map((row) => row[column]?.length ?? 0)));
	for (const row of [heads, ...rows])
		process.stdout.write(`${row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join("  ")}\n`);
}

function rowOf(lines: readonly Line[]): string[] {
	const [first] = lines;
	if (first === undefined) return [];
	const counts = lines.flatMap(({ result }) => (result?.counts ? [result.counts] : []));
	const sums = COLUMNS.map(([name]) => (counts.length === 0 ? "-" : counts.reduce((sum, count) => sum + BigInt(count[name]), 0n).toString()));
	const recoveries = lines.flatMap(({ result }) => (typeof result?.recoveryMs === "number" ? [result.recoveryMs] : []));
	const seconds = lines.reduce((sum, line) => sum + line.seconds, 0);
	return [first.id, ...sums, recoveries.length === 0 ? "-" : String(Math.max(...recoveries)), seconds.toFixed(1), `${verdictOf(lines)}  ${first.name}`];
}

function verdictOf(lines: readonly Line[]): string {
	const broken = lines.filter(({ problem }) => problem !== undefined);
	if (broken.length > 0) return `BROKEN with seed ${broken.map(({ seed }) => seed).join(", ")}: ${broken[0]?.problem?.split("\n")[0] ?? ""}`;
	const notes = new Set(lines.flatMap(({ result }) => (result?.note === undefined ? [] : [result.note])));
	return notes.size === 0 ? "held" : `held (${[...notes].join("; ")})`;
}
