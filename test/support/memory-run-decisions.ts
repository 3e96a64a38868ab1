import type { RunDecisionResult } from "#activities/runs/port.ts";
import type { Ceiling, CeilingKind } from "#domain/agents/ceilings.ts";
import type { RunDecision } from "#domain/agents/run-decision.ts";
import { checkRunLimits, limitsAbove } from "#domain/agents/run-limits.ts";
import type { FieldProblem } from "#domain/budget/scope.ts";
import type { ErrorCode } from "#domain/errors/codes.ts";
import { type MemoryBooks, type MemoryRun, pausedMsOf, recordOf } from "./memory-run.ts";

/** What people, and time, decide: the same results as `tollgate.decide_run` of migrations/0023. */
export function decideInMemory(books: MemoryBooks, input: RunDecision): RunDecisionResult {
	const run = books.runs.find(({ runId, teamId }) => runId === input.runId && (input.teamId ?? teamId) === teamId);
	if (run === undefined) return refuse("run.unknown", "runId", `there is no run ${input.runId}`);
	if (input.knownVersion !== undefined && input.knownVersion !== run.version.toString())
		return refuse("admin.conflict", "knownVersion", `is not the version of the run, which is ${run.version}`);
	if (input.decision.kind === "finish") return finish(books, run);
	if (run.state === "finished") return refuse("run.finished", "runId", `the run ${run.runId} has ended`);
	switch (input.decision.kind) {
		case "stop":
			return stop(books, run, input);
		case "expire":
			return expire(books, run);
		case "resume":
			return resume(books, run);
		case "raise":
			return raise(books, run, { limits: input.decision.limits, resumes: false });
		case "approve":
			return raise(books, run, { limits: input.decision.limits, resumes: true });
	}
}

function refuse(code: ErrorCode, field: string, problem: string): RunDecisionResult {
	return { kind: "refused", code, problems: [{ field, problem }] };
}

/** `isChanged` false: it stands already, and nobody is told. */
function decided(books: MemoryBooks, run: MemoryRun, isChanged: boolean): RunDecisionResult {
	if (isChanged) books.changed([run.chain[0]?.runId ?? run.runId]);
	return { kind: "decided", run: recordOf(run, books.nowMs()), revision: books.revision };
}

function finish(books: MemoryBooks, run: MemoryRun): RunDecisionResult {
	const ending = books.runs.filter((below) => below.chain.includes(run) && below.state !== "finished");
	for (const below of ending) letGo(books, below, "finished");
	return decided(books, run, ending.length > 0);
}

function stop(books: MemoryBooks, run: MemoryRun, { by, reason }: RunDecision): RunDecisionResult {
	if (run.state === "stopped") return decided(books, run, false);
	run.state = "stopped";
	run.hold = { state: "stopped", guard: "person", evidence: reason, measured: "0", threshold: "0", ofRunId: run.runId, pauseId: null, askAgainMs: null, by };
	run.heldBy = run.number;
	run.heldAtMs ??= books.nowMs();
	run.version += 1n;
	return decided(books, run, true);
}

function expire(books: MemoryBooks, run: MemoryRun): RunDecisionResult {
	if (run.state !== "paused" || run.hold === null) return decided(books, run, false);
	run.state = "stopped";
	run.hold = { ...run.hold, state: "stopped", askAgainMs: null };
	run.version += 1n;
	return decided(books, run, true);
}

function resume(books: MemoryBooks, run: MemoryRun): RunDecisionResult {
	const above = run.chain.find((other) => other !== run && other.hold !== null);
	if (above !== undefined) return refuse("admin.conflict", "runId", `the run ${above.runId} above it is ${above.state}: resume that one`);
	if (run.state === "running") return decided(books, run, false);
	const problems = standingCeilings(books, run, run.limits);
	if (problems.length > 0) return { kind: "refused", code: "admin.conflict", problems };
	letGo(books, run, "running");
	run.forgiven += 1;
	return decided(books, run, true);
}

function letGo(books: MemoryBooks, run: MemoryRun, state: "running" | "finished"): void {
	run.pausedMs = pausedMsOf(run, books.nowMs());
	Object.assign(run, { state, hold: null, heldBy: undefined, heldAtMs: undefined, version: run.version + 1n });
}

function raise(books: MemoryBooks, run: MemoryRun, { limits, resumes }: { readonly limits: unknown; readonly resumes: boolean }): RunDecisionResult {
	const asked = checkRunLimits(limits);
	if (asked.kind === "invalid") return { kind: "refused", code: "run.invalid", problems: asked.problems };
	if (asked.value.length === 0 && !resumes) return refuse("run.invalid", "limits", "must name what to raise");
	const problems = raiseProblems(books, run, asked.value);
	if (problems.length > 0) return { kind: "refused", code: "run.invalid", problems };
	const raised = run.limits.map((stated) => raisedCeiling(stated, asked.value));
	if (resumes && run.state !== "running") {
		const above = run.chain.find((other) => other !== run && other.hold !== null);
		if (above !== undefined) return refuse("admin.conflict", "runId", `the run ${above.runId} above it is ${above.state}: resume that one`);
		const standing = standingCeilings(books, run, raised);
		if (standing.length > 0) return { kind: "refused", code: "admin.conflict", problems: standing };
	}
	const isRaised = asked.value.length > 0;
	run.limits = raised;
	let isChanged = isRaised;
	for (const below of books.runs) {
		if (below.heldBy !== run.number || below.hold === null || !below.hold.guard.startsWith("ceiling.") || holdStands(below)) continue;
		if (below === run && resumes) continue;
		letGo(books, below, "running");
		isChanged = true;
	}
	if (resumes && run.state !== "running") {
		letGo(books, run, "running");
		run.forgiven += 1;
		isChanged = true;
	}
	if (isRaised) run.version += 1n;
	return decided(books, run, isChanged);
}

function raisedCeiling(stated: Ceiling, asked: readonly Ceiling[]): Ceiling {
	const raise = asked.find((other) => isSame(other, stated));
	return {
		...stated,
		...(stated.soft && { soft: { ...stated.soft, at: raise?.soft?.at ?? stated.soft.at } }),
		...(stated.hard && { hard: { ...stated.hard, at: raise?.hard?.at ?? stated.hard.at } }),
	};
}

function isSame(one: Ceiling, other: Ceiling): boolean {
	return one.kind === other.kind && one.tool === other.tool;
}

function fieldOf({ kind, tool }: Ceiling): string {
	return tool === undefined ? `limits.${kind}` : `limits.${kind}.${tool}`;
}

function raiseProblems(books: MemoryBooks, run: MemoryRun, asked: readonly Ceiling[]): readonly FieldProblem[] {
	const problems = asked.flatMap((raise): readonly FieldProblem[] => {
		const stated = run.limits.find((other) => isSame(other, raise));
		const above = run.chain.findLast((other) => other !== run && other.limits.some((limit) => isSame(limit, raise)));
		const where = above === undefined ? "" : `; ${above.runId} above it does`;
		return (["soft", "hard"] as const).flatMap((line) => {
			const at = raise[line]?.at;
			const before = stated?.[line]?.at;
			const field = `${fieldOf(raise)}.${line}.at`;
			if (at === undefined) return [];
			if (before === undefined) return [{ field, problem: `cannot be raised: the run states none${where}` }];
			return at < before ? [{ field, problem: `must not be below what it is now, ${before}` }] : [];
		});
	});
	if (problems.length > 0) return problems;
	const raised = run.limits.map((stated) => raisedCeiling(stated, asked)).filter((limit) => asked.some((other) => isSame(other, limit)));
	return [
		...raised.flatMap((limit) =>
			limit.soft !== undefined && limit.hard !== undefined && limit.soft.at >= limit.hard.at
				? [{ field: `${fieldOf(limit)}.soft.at`, problem: `must be below the hard ceiling, which is ${limit.hard.at}` }]
				: [],
		),
		...run.chain.slice(0, -1).flatMap((other) => limitsAbove(raised, other.limits, { whose: `that of ${other.runId},` })),
		...limitsAbove(raised, books.most, { whose: "the team's" }),
	];
}

/** Ceilings of the run and of those above it that would hold it at once again, each with the amount above which it must be raised. */
function standingCeilings(books: MemoryBooks, run: MemoryRun, limits: readonly Ceiling[]): readonly FieldProblem[] {
	const problems = run.chain.flatMap((other) =>
		(other === run ? limits : other.limits).flatMap((ceiling) => {
			if (ceiling.hard === undefined) return [];
			const taken = takenOf(books, other, ceiling);
			const isOwn = run.heldBy === other.number && run.hold !== null && standsBy(run.hold, ceiling);
			if (!isOwn && (taken === undefined || !isReached(ceiling.kind, taken, ceiling.hard.at))) return [];
			const most = [taken ?? 0n, ceiling.hard.at, isOwn ? BigInt(run.hold?.measured ?? "0") : 0n].reduce((one, two) => (one > two ? one : two));
			return [{ field: `${fieldOf(ceiling)}.hard.at`, problem: `of the run ${other.runId} holds it: raise it above ${most}` }];
		}),
	);
	return problems;
}

const MOST_ALLOWED: readonly CeilingKind[] = ["toolCalls", "depth", "width", "contextGrowthTokens"];
const RESERVED: readonly CeilingKind[] = ["costNanoUsd", "inputTokens", "outputTokens", "steps"];

function isReached(kind: CeilingKind, taken: bigint, at: bigint): boolean {
	return MOST_ALLOWED.includes(kind) ? taken > at : taken >= at;
}

/** undefined: it is not known here. */
function takenOf(books: MemoryBooks, run: MemoryRun, { kind, tool }: Ceiling): bigint | undefined {
	if (kind === "elapsedMs") return BigInt(Math.floor(books.nowMs() - run.openedAtMs - pausedMsOf(run, books.nowMs())));
	if (kind === "depth" || kind === "width" || kind === "contextGrowthTokens") return undefined;
	if (kind !== "toolCalls") return BigInt(run.totals[kind]);
	const calls = Object.entries(run.totals.toolCalls).filter(([name]) => tool === "*" || name === tool);
	return BigInt(Math.max(0, ...calls.map(([, count]) => count)));
}

/** Whether the hold was by this ceiling, and would be again. What is reserved holds before it is reached: the next call did not fit. */
function standsBy(hold: NonNullable<MemoryRun["hold"]>, ceiling: Ceiling): boolean {
	if (ceiling.hard === undefined || !isHoldBy(hold, ceiling)) return false;
	if (RESERVED.includes(ceiling.kind) && ceiling.hard.at <= BigInt(hold.threshold)) return true;
	return isReached(ceiling.kind, BigInt(hold.measured), ceiling.hard.at);
}

/** Whether a gateway held by a ceiling that was raised meanwhile. */
export function isHoldLate({ chain }: MemoryRun, hold: Omit<NonNullable<MemoryRun["hold"]>, "askAgainMs">): boolean {
	const of = chain.find(({ runId }) => runId === hold.ofRunId) ?? chain.at(-1);
	const lines = (of?.limits ?? []).filter((ceiling) => ceiling.hard !== undefined && isHoldBy(hold, ceiling));
	return lines.length > 0 && lines.every(({ hard }) => hard !== undefined && hard.at > BigInt(hold.threshold));
}

function isHoldBy({ guard, tool }: Pick<NonNullable<MemoryRun["hold"]>, "guard" | "tool">, ceiling: Ceiling): boolean {
	return guard === `ceiling.${ceiling.kind}` && (ceiling.kind !== "toolCalls" || ceiling.tool === "*" || ceiling.tool === tool);
}

function holdStands(run: MemoryRun): boolean {
	const of = run.chain.find(({ number }) => number === run.heldBy) ?? run;
	return run.hold !== null && of.limits.some((ceiling) => run.hold !== null && standsBy(run.hold, ceiling));
}
