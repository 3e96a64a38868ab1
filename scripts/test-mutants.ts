import { readFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { applyEdit, type Mutant } from "#test/mutants/mutant.ts";
import { MUTANTS } from "#test/mutants/table.ts";
import { makeRunFolder, removeRunFolder } from "#test/support/global-setup.ts";
import { ensureTestServer } from "#test/support/postgres.ts";
import { PROJECT_FOLDER } from "#test/support/project-files.ts";
import { runTests, type TestRunResults } from "./mutants/run-tests.ts";
import { SourceCopy } from "./mutants/source-copy.ts";
import { findNotGreen, judgeMutant, type Verdict } from "./mutants/verdict.ts";

// `npm run test:mutants`: takes each rule of the table out of a copy of the source and runs the test that must notice.
// `--only TEXT` picks the rules that contain it (may be repeated), `--list` prints them. Exit code 1: a mutant survived;
// 2: something could not be run, an edit that no longer fits the source included.

/** More than there are cores: a good part of a test is waiting. */
const AT_ONCE = 3;
const TIMEOUT_MS = 150_000;
const BASELINE_TIMEOUT_MS = 600_000;

type Outcome = { readonly mutant: Mutant; readonly verdict: Verdict; readonly seconds: number };

const { values } = parseArgs({ options: { only: { type: "string", multiple: true }, list: { type: "boolean" } } });
const chosen = MUTANTS.filter(({ rule }) => values.only?.some((text) => rule.includes(text)) ?? true);
if (values.list) for (const { rule, file } of chosen) process.stdout.write(`${rule} (${file})\n`);
else process.exitCode = await testMutants(chosen).catch(sayWhyNot);

async function testMutants(mutants: readonly Mutant[]): Promise<number> {
	const misfits = await findMisfits(MUTANTS);
	for (const misfit of misfits) process.stdout.write(`the table no longer fits the source: ${misfit}\n`);
	if (misfits.length > 0) return 2;
	if (mutants.length === 0) {
		process.stdout.write("no rule is called so; --list prints them\n");
		return 2;
	}
	const interrupt = new AbortController();
	for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => interrupt.abort());
	const startedAt = performance.now();
	const runFolder = await makeRunFolder();
	try {
		await ensureTestServer(runFolder);
		const copies = await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => SourceCopy.make(PROJECT_FOLDER, path.join(runFolder, `source-${index}`))));
		if (!(await isBaselineGreen(copies, mutants, { runFolder, signal: interrupt.signal }))) return 2;
		const outcomes = await runAll(copies, mutants, { runFolder, signal: interrupt.signal });
		return conclude(outcomes, mutants.length, startedAt);
	} finally {
		await removeRunFolder(runFolder);
	}
}

/** No git, no PostgreSQL: nothing was shown to survive. */
function sayWhyNot(error: unknown): number {
	process.stderr.write(`the mutants could not be run: ${error instanceof Error ? error.message : String(error)}\n`);
	return 2;
}

/** Edits without exactly one place in the source as it is. */
async function findMisfits(mutants: readonly Mutant[]): Promise<string[]> {
	const misfits: string[] = [];
	for (const mutant of mutants) {
		try {
			applyEdit(await readFile(path.join(PROJECT_FOLDER, mutant.file), "utf8"), mutant);
		} catch (error) {
			misfits.push(`${mutant.rule} (${mutant.file}): ${(error as Error).message}`);
		}
	}
	return misfits;
}

type Stand = { readonly runFolder: string; readonly signal: AbortSignal };

/** Every named test passes on the source as it is: only then does a failure say anything of a mutant. */
async function isBaselineGreen(copies: readonly SourceCopy[], mutants: readonly Mutant[], stand: Stand): Promise<boolean> {
	const titles = new Map<string, Set<string>>();
	for (const mutant of mutants) titles.set(mutant.test, new Set([...(titles.get(mutant.test) ?? []), ...mutant.titles]));
	process.stdout.write(`${titles.size} test files on the source as it is\n`);
	const { byFile, log } = await runTests({
		...stand,
		sourceFolder: copies[0]?.folder ?? "",
		name: "baseline",
		files: [...titles.keys()],
		titles: [...new Set([...titles.values()].flatMap((each) => [...each]))],
		workers: AT_ONCE,
		timeoutMs: BASELINE_TIMEOUT_MS,
	});
	const notGreen = [...titles].flatMap(([file, each]) => findNotGreen([...each], byFile?.get(file)).map((title) => `${file}: ${title}`));
	for (const each of notGreen) process.stdout.write(`not green on the source as it is: ${each}\n`);
	if (notGreen.length > 0) process.stdout.write(`${await readFile(log, "utf8")}\n`);
	return notGreen.length === 0;
}

/** A few at a time, each in its own copy. */
async function runAll(copies: readonly SourceCopy[], mutants: readonly Mutant[], stand: Stand): Promise<Outcome[]> {
	const waiting = [...mutants.entries()];
	const outcomes: Outcome[] = [];
	await Promise.all(
		copies.map(async (copy) => {
			for (let next = waiting.shift(); next !== undefined && !stand.signal.aborted; next = waiting.shift()) {
				const [index, mutant] = next;
				const outcome = await runOne(copy, mutant, { ...stand, name: `mutant-${index}` });
				outcomes.push(outcome);
				process.stdout.write(`${line(outcome)}\n`);
			}
		}),
	);
	return outcomes;
}

async function runOne(copy: SourceCopy, mutant: Mutant, stand: Stand & { readonly name: string }): Promise<Outcome> {
	const startedAt = performance.now();
	const run = () => runTests({ ...stand, sourceFolder: copy.folder, files: [mutant.test], titles: mutant.titles, workers: 1, timeoutMs: TIMEOUT_MS });
	const results = await copy.withMutant(mutant, run);
	return { mutant, verdict: await judge(mutant, results), seconds: (performance.now() - startedAt) / 1_000 };
}

async function judge(mutant: Mutant, { byFile, isTooLong, log }: TestRunResults): Promise<Verdict> {
	if (isTooLong) return { kind: "broken", why: `took longer than ${TIMEOUT_MS / 1_000} s` };
	const verdict = judgeMutant(mutant, byFile?.get(mutant.test));
	if (byFile !== undefined || verdict.kind !== "broken") return verdict;
	return { kind: "broken", why: (await readFile(log, "utf8")).slice(-2_000) };
}

function line({ mutant, verdict, seconds }: Outcome): string {
	const word = { red: "red     ", survived: "SURVIVED", broken: "BROKEN  " }[verdict.kind];
	const why = verdict.kind === "broken" ? ` | ${verdict.why}` : "";
	return `${word} ${seconds.toFixed(1).padStart(5)} s | ${mutant.rule} | ${mutant.file} | ${mutant.test}: ${verdict.kind === "red" ? verdict.by : mutant.titles.join("; ")}${why}`;
}

function conclude(outcomes: readonly Outcome[], asked: number, startedAt: number): number {
	const count = (kind: Verdict["kind"]): number => outcomes.filter(({ verdict }) => verdict.kind === kind).length;
	const broken = count("broken") + asked - outcomes.length;
	const seconds = Math.round((performance.now() - startedAt) / 1_000);
	process.stdout.write(`${count("red")} red, ${count("survived")} survived, ${broken} could not be run, in ${seconds} s\n`);
	if (count("survived") > 0) return 1;
	return broken > 0 ? 2 : 0;
}
