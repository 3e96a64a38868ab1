import { readFileSync } from "node:fs";
import { checkAgents } from "./check.ts";
import { readCorpus, renderProblems } from "./corpus-file.ts";
import type { CorpusRun } from "./corpus-run.ts";
import { generateCorpus } from "./generate-corpus.ts";
import { renderJudgement } from "./judge-runs.ts";

// The process of `npm run check:agents`, in the environment of a test run. Arguments: seed, variants, gateways, corpus file ("" = generated).
const [seed, variants, gateways, corpusFile = ""] = process.argv.slice(2);
const startedAtMs = performance.now();
const end = (result: Record<string, unknown>, exitCode: 0 | 1 | 2): never => {
	const seconds = Math.round((performance.now() - startedAtMs) / 1_000);
	process.stdout.write(`${JSON.stringify({ ok: exitCode === 0, seed: Number(seed), ...result, seconds })}\n`);
	process.exit(exitCode);
};

function corpus(): readonly CorpusRun[] {
	if (corpusFile === "") return generateCorpus({ seed: Number(seed), variants: Number(variants) });
	const read = readCorpus(readFileSync(corpusFile, "utf8"));
	if (read.kind === "read") return read.runs;
	throw new Error(`${corpusFile} is no corpus:\n${renderProblems(read.problems)}`);
}

process.on("SIGTERM", () => process.exit(2));
try {
	const onProgress = (line: string): void => void process.stderr.write(`${line}\n`);
	const { judgement, calls, findings } = await checkAgents({ seed: Number(seed), runs: corpus(), gateways: Number(gateways), onProgress });
	process.stdout.write(renderJudgement(judgement));
	for (const finding of findings) process.stdout.write(`books: ${JSON.stringify(finding)}\n`);
	const { loops, legitimate, missed, late, falseStops, falseStopShareMax, wrong } = judgement;
	const counts = {
		variants: corpusFile === "" ? Number(variants) : null,
		gateways: Number(gateways),
		loops,
		missed,
		late,
		legitimate,
		falseStops,
		falseStopShareMax,
	};
	const isRight = missed + late + falseStops + findings.length === 0;
	end({ ...counts, wrong, calls, booksInOrder: findings.length === 0 }, isRight ? 0 : 1);
} catch (error) {
	process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
	end({ couldNotRun: error instanceof Error ? error.message : String(error) }, 2);
}
