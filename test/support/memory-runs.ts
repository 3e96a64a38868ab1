import type { BudgetRule, GrantedItem } from "#activities/authority/port.ts";
import type { EnteredRun, RegisterRun, RunAsk, RunErrorCode, RunGovernanceStore, RunHolding, RunStore } from "#activities/runs/port.ts";
import type { Ceiling } from "#domain/agents/ceilings.ts";
import type { RunOrigin, RunRecord, RunTotals } from "#domain/agents/run.ts";
import { type RunBudget, runBudgets } from "#domain/agents/run-budgets.ts";
import { RUN_ID_RULE, runIdProblem } from "#domain/agents/run-ids.ts";
import { checkRunLimits, limitsAbove } from "#domain/agents/run-limits.ts";
import type { FieldProblem } from "#domain/budget/scope.ts";
import { addTotals, chainRun, limitsText, type MemoryBooks, type MemoryRun, NOTHING_TAKEN, recordOf } from "./memory-run.ts";
import { decideInMemory, isHoldLate } from "./memory-run-decisions.ts";

export type MemoryRuns = RunStore &
	Pick<RunGovernanceStore, "decide"> & {
		/** In the order opened. */
		readonly runs: readonly MemoryRun[];
		/** Thrown by the next statements, as PostgreSQL away would. */
		error: Error | undefined;
		/** What opening is refused for, as by a gateway whose epoch was fenced. */
		isFenced: boolean;
		/** Statements so far. */
		roundTrips: number;
		/** As the change log tells the gateways: roots of the trees that changed. */
		onChange: ((rootRunIds: readonly string[]) => void) | undefined;
		/** What registering and raising may ask for at most, in every team. */
		most: readonly Ceiling[];
		/** What a flush would add to the run and to all above it. */
		settle(runId: string, taken: Partial<RunTotals>): void;
		/** What a flush would write of its loop memory; the one with the most exchanges is kept. */
		remember(runId: string, bytes: Uint8Array, exchanges: number): void;
		/** That the run received the answer: what `follows` finds. */
		received(runId: string, answerId: string): void;
	};

/** Milliseconds a paused run is told to wait where nobody has answered a pause yet. */
export const ESTIMATE_MS = 900_000;
const TREE_RUNS_MAX = 20_000;
const WINDOWS_MAX = 32;
const HOUR_MS = 3_600_000;

/** Runs of a deployment in memory, for all its gateways: the refusals are those of migrations/0021. `nowMs` is PostgreSQL's clock. */
export function createMemoryRuns({ nowMs = () => Date.now() }: { readonly nowMs?: () => number } = {}): MemoryRuns {
	const answers = new Map<string, MemoryRun>();
	const books: MemoryBooks = {
		runs: [],
		nowMs,
		most: [],
		revision: 0n,
		changed(roots) {
			books.revision += 1n;
			memory.onChange?.(roots);
		},
	};
	const byId = (runId: string): MemoryRun | undefined => books.runs.find((run) => run.runId === runId);
	const begin = (): void => {
		memory.roundTrips += 1;
		if (memory.error !== undefined) throw memory.error;
	};
	const memory: MemoryRuns = {
		runs: books.runs,
		error: undefined,
		isFenced: false,
		roundTrips: 0,
		onChange: undefined,
		get most() {
			return books.most;
		},
		set most(most) {
			books.most = most;
		},
		async enter(ask) {
			begin();
			if (memory.isFenced) return FENCED;
			return enter(books, ask, ask.named.kind === "follows" ? answers.get(`${ask.teamId} ${ask.named.answerId}`) : undefined);
		},
		async register(ask) {
			begin();
			return memory.isFenced ? FENCED : register(books, ask);
		},
		async hold(holds) {
			begin();
			return holdAll(books, holds);
		},
		async read(numbers) {
			begin();
			return books.runs.filter((run) => numbers.includes(run.number.toString())).map((run) => chainRun(books, run));
		},
		async find(teamId, runId) {
			begin();
			const run = byId(runId);
			return run?.teamId === teamId ? chainRun(books, run) : undefined;
		},
		async finish({ teamId, runId, by }) {
			begin();
			return decideInMemory(books, { runId, teamId, by, reason: "", decision: { kind: "finish" } });
		},
		async decide(input) {
			begin();
			return decideInMemory(books, input);
		},
		settle(runId, taken) {
			for (const run of byId(runId)?.chain ?? []) run.totals = addTotals(run.totals, taken);
		},
		remember(runId, bytes, exchanges) {
			const run = byId(runId);
			if (run !== undefined && exchanges >= (run.memory?.exchanges ?? 0)) run.memory = { bytes, exchanges };
		},
		received(runId, answerId) {
			const run = byId(runId);
			if (run !== undefined) answers.set(`${run.teamId} ${answerId}`, run);
		},
	};
	return memory;
}

type Refused = Extract<EnteredRun, { kind: "refused" }>;
/** What the fields are called by whoever asks: headers of a call, fields of a registration. */
type Names = { readonly run: string; readonly parent: string };
const HEADERS: Names = { run: "x-tollgate-run", parent: "x-tollgate-parent-run" };
const FIELDS: Names = { run: "runId", parent: "parentRunId" };
const FENCED: Refused = { kind: "refused", code: "gateway.fenced", field: "", message: "this gateway was replaced by a later start of its own" };

function refuse(code: RunErrorCode, field: string, message: string, more: Partial<Refused> = {}): Refused {
	return { kind: "refused", code, field, message, ...more };
}

function enter(books: MemoryBooks, ask: RunAsk, followed: MemoryRun | undefined): EnteredRun {
	const { named } = ask;
	if (named.kind === "header") {
		const refused = badIds(HEADERS, named.runId, named.parentRunId);
		if (refused !== undefined) return refused;
		const found = books.runs.find((run) => run.runId === named.runId);
		if (found !== undefined) return refuseFound(books, found, { ...ask, ...named }, HEADERS) ?? entered(books, found);
		return open(books, { ...ask, ...named, origin: "header", limits: [] }, HEADERS);
	}
	const prefix = named.kind === "begins_with" ? named.prefix : `answer ${named.answerId}`;
	const newest = books.runs.findLast((run) => run.keyId === ask.keyId && run.prefix === prefix);
	const isNew = named.kind === "begins_with" && named.isFirstCall;
	const joined = followed ?? (newest !== undefined && joins(newest, isNew) ? newest : undefined);
	if (joined !== undefined) return refuseFound(books, joined, { ...ask, parentRunId: null }, HEADERS) ?? entered(books, joined);
	return open(books, { ...ask, runId: `imp_${books.runs.length + 1}`, parentRunId: null, origin: "implicit", limits: [], prefix }, HEADERS);
}

/** A conversation that begins is a new run, unless the one before has taken one step only or is held. */
function joins(run: MemoryRun, isFirstCall: boolean): boolean {
	return run.state !== "finished" && (!isFirstCall || run.state !== "running" || run.totals.steps <= 1);
}

function register(books: MemoryBooks, ask: RegisterRun): EnteredRun {
	const refused = badIds(FIELDS, ask.runId, ask.parentRunId);
	if (refused !== undefined) return refused;
	const limits = checkRunLimits(ask.limits);
	if (limits.kind === "invalid") return invalid(limits.problems);
	const found = books.runs.find((run) => run.runId === ask.runId);
	if (found === undefined) return open(books, { ...ask, otherWindows: 0, wants: undefined, origin: "registered", limits: limits.value }, FIELDS);
	const differs = refuseFound(books, found, ask, FIELDS);
	if (differs !== undefined) return differs;
	if (limits.value.length > 0 && ![found.opened, limitsText(found.limits)].includes(limitsText(limits.value)))
		return invalid([{ field: "limits", problem: "are not those of the run, which goes on already; leave them out, or ask for more with run raise" }]);
	return entered(books, found);
}

function badIds(names: Names, runId: string, parentRunId: string | null): Refused | undefined {
	if (runIdProblem(runId) !== undefined) return refuse("run.invalid", names.run, `${names.run} ${RUN_ID_RULE}`);
	if (parentRunId !== null && runIdProblem(parentRunId) !== undefined) return refuse("run.invalid", names.parent, `${names.parent} ${RUN_ID_RULE}`);
	return undefined;
}

function invalid(problems: readonly FieldProblem[]): Refused {
	const text = problems.map(({ field, problem }) => `${field} ${problem}`).join("; ");
	return refuse("run.invalid", problems[0]?.field ?? "limits", text, { problems });
}

function refuseFound(
	books: MemoryBooks,
	found: MemoryRun,
	{ teamId, parentRunId }: { readonly teamId: string; readonly parentRunId: string | null },
	names: Names,
): Refused | undefined {
	if (found.teamId !== teamId)
		return refuse("run.other_team", names.run, "the id is taken by a run of another team: use one that is nobody else's, like a UUID");
	if (found.state === "finished") return refuse("run.finished", names.run, `the run ${found.runId} has ended; its id is never used again`);
	if (parentRunId === null || parentRunId === found.chain.at(-2)?.runId) return undefined;
	const isBelow = books.runs.some((run) => run.runId === parentRunId && run.chain.includes(found));
	if (isBelow) return refuse("run.cycle", names.parent, `the run ${parentRunId} is ${parentRunId === found.runId ? "the run itself" : "below it"}`);
	return refuse(
		"run.parent_differs",
		names.parent,
		`the run ${found.runId} has ${found.chain.length > 1 ? "another parent" : "no parent"}, and parents never change`,
	);
}

type Opening = Omit<RegisterRun, "limits"> & {
	readonly limits: readonly Ceiling[];
	readonly origin: RunOrigin;
	readonly prefix?: string;
	readonly otherWindows: number;
	readonly wants: readonly string[] | undefined;
};

function open(books: MemoryBooks, ask: Opening, names: Names): EnteredRun {
	if (ask.parentRunId === ask.runId) return refuse("run.cycle", names.parent, `the run ${ask.runId} is the run itself`);
	const parent = ask.parentRunId === null ? undefined : books.runs.find((run) => run.runId === ask.parentRunId);
	const refused = parent === undefined ? refuseRoot(books, ask, names) : (refuseParent(parent, ask, names) ?? refuseChild(books, parent, names));
	if (refused !== undefined) return refused;
	const above = parent?.chain ?? [];
	const problems = [
		...above.toReversed().flatMap((run) => limitsAbove(ask.limits, run.limits, { whose: `that of the run ${run.runId} above it,` })),
		...limitsAbove(beyond(ask.limits, defaultsOf(ask)), books.most, { whose: "the team's" }),
	];
	if (problems.length > 0) return invalid(problems);
	const isByDefault = parent === undefined && ask.limits.length === 0;
	const budgets = isByDefault ? ask.budgets : runBudgets(ask.limits);
	const windows = ask.otherWindows + above.reduce((sum, run) => sum + run.budgets.length, budgets.length);
	if (windows > WINDOWS_MAX) return refuse("budget.too_many_windows", names.run, `the run would meet ${windows} windows, at most ${WINDOWS_MAX} are allowed`);
	const run = insert(books, ask, { above, budgets, limits: isByDefault ? defaultsOf(ask) : ask.limits });
	const wants = ask.wants ?? [];
	return entered(
		books,
		run,
		ask.wants === undefined ? [] : budgets.map((budget, place) => leaseOf(run.budgets[place]?.budgetId ?? "", budget, wants[place] ?? "0")),
	);
}

function refuseRoot({ runs, nowMs }: MemoryBooks, { keyId, parentRunId, newRunsPerHour }: Opening, names: Names): Refused | undefined {
	if (parentRunId !== null) return refuse("run.unknown_parent", names.parent, `there is no run ${parentRunId}: a parent is opened before its children`);
	const recent = runs.filter((run) => run.chain.length === 1 && run.keyId === keyId && run.openedAtMs > nowMs() - HOUR_MS);
	if (recent.length < newRunsPerHour) return undefined;
	const retryAfterSeconds = Math.max(1, Math.ceil(((recent[0]?.openedAtMs ?? nowMs()) + HOUR_MS - nowMs()) / 1_000));
	return refuse("run.too_many", names.run, `the key has begun ${recent.length} runs within an hour, at most ${newRunsPerHour} are allowed`, {
		retryAfterSeconds,
	});
}

function refuseParent(parent: MemoryRun, { teamId }: Opening, names: Names): Refused | undefined {
	if (parent.teamId !== teamId) return refuse("run.other_team", names.parent, "the parent is a run of another team");
	const ended = parent.state === "finished";
	if (ended) return refuse("run.finished", names.parent, `the run ${parent.runId} has ended`);
	const held = parent.chain.find((run) => run.hold !== null);
	if (held?.hold == null) return undefined;
	const run = { runId: held.runId, version: held.version.toString(), hold: held.hold };
	return refuse(held.state === "paused" ? "run.paused" : "run.stopped", names.parent, `the run ${held.runId} is ${held.state}`, { run });
}

function refuseChild({ runs }: MemoryBooks, parent: MemoryRun, names: Names): Refused | undefined {
	const says = (text: string): Refused => refuse("run.ceiling", names.parent, text);
	for (const [level, above] of parent.chain.entries()) {
		const depth = hardOf(above.limits, "depth");
		if (depth !== undefined && BigInt(parent.chain.length - level) > depth) return says(`the tree below ${above.runId} may be ${depth} levels deep`);
		const width = hardOf(above.limits, "width");
		if (width !== undefined && BigInt(parent.children) >= width)
			return says(`the run ${parent.runId} has begun ${parent.children} child runs, at most ${width} are allowed`);
	}
	if (runs.filter((run) => run.chain[0] === parent.chain[0]).length < TREE_RUNS_MAX) return undefined;
	return says(`the tree of ${parent.chain[0]?.runId} has ${TREE_RUNS_MAX} runs, which is the most`);
}

function hardOf(limits: readonly Ceiling[], kind: Ceiling["kind"]): bigint | undefined {
	return limits.find((ceiling) => ceiling.kind === kind)?.hard?.at;
}

type Stated = { readonly above: readonly MemoryRun[]; readonly budgets: readonly RunBudget[]; readonly limits: readonly Ceiling[] };

function insert({ runs, nowMs }: MemoryBooks, ask: Opening, { above, budgets, limits }: Stated): MemoryRun {
	const number = BigInt(runs.length + 1);
	const chain: MemoryRun[] = [...above];
	const run: MemoryRun = {
		...{ number, runId: ask.runId, teamId: ask.teamId, keyId: ask.keyId, origin: ask.origin, prefix: ask.prefix, chain, onLoop: ask.onLoop },
		...{ opened: limitsText(limits), openedAtMs: nowMs(), limits, budgets: budgets.map((budget, place) => ruleOf(budget, ask, { number, place })) },
		...{ state: "running", hold: null, heldBy: undefined, heldAtMs: undefined, pausedMs: 0, version: 1n, forgiven: 0, children: 0 },
		...{ totals: NOTHING_TAKEN, memory: undefined },
	};
	chain.push(run);
	const parent = above.at(-1);
	if (parent !== undefined) parent.children += 1;
	runs.push(run);
	return run;
}

function ruleOf(
	{ unit, thresholds }: RunBudget,
	{ teamId, runId }: Pick<Opening, "teamId" | "runId">,
	{ number, place }: { readonly number: bigint; readonly place: number },
): BudgetRule {
	const degrade = thresholds.flatMap((line) => (line.action === "degrade" ? [{ at: line.at, degradeTo: line.degradeTo }] : []));
	const selector = { dimension: "run", dimensionValue: number.toString(), name: runId, unit, windowKind: "lifetime" } as const;
	return { budgetId: (1_000n + number * 4n + BigInt(place)).toString(), teamId, ...selector, degrade: degrade.length > 0 ? degrade : null };
}

/** As much as is wanted below the limit and the line that degrades. */
function leaseOf(budgetId: string, { limitAmount, thresholds }: RunBudget, want: string): GrantedItem {
	const limit = BigInt(limitAmount);
	const lines = thresholds.flatMap(({ at }) => ("amount" in at ? [BigInt(at.amount)] : []));
	const granted = [limit, ...lines].reduce((least, line) => (line < least ? line : least), BigInt(want));
	return {
		...{ budgetId, windowId: `9${budgetId}`, seq: "2", limit, stop: limit, granted },
		...{ isFrozen: false, isOverrun: false, isObserved: false, needsApproval: false },
		...{ leaseGranted: granted, leaseReturned: 0n, leasePosted: 0n, leaseOverrun: 0n, endsAt: null, endsInMs: null },
		...{ posted: 0n, heldElsewhere: 0n, heldUnreachable: 0n, heldUntil: null, claimId: 0n, leastAnswered: null },
	};
}

function holdAll(books: MemoryBooks, holds: readonly RunHolding[]): readonly RunRecord[] {
	const held = holds.map(({ number, knownVersion, hold }) => {
		const run = books.runs.find((known) => known.number.toString() === number);
		if (run === undefined) throw new Error(`there is no run number ${number}`);
		if (run.state !== "running" || run.version.toString() !== knownVersion || isHoldLate(run, hold)) return { run, isHeld: false };
		run.state = hold.state;
		run.hold = { ...hold, askAgainMs: hold.state === "paused" ? ESTIMATE_MS : null };
		run.heldBy = (run.chain.find((above) => above.runId === hold.ofRunId) ?? run).number;
		run.heldAtMs = books.nowMs();
		run.version += 1n;
		return { run, isHeld: true };
	});
	const roots = new Set(held.flatMap(({ run, isHeld }) => (isHeld ? [run.chain[0]?.runId ?? run.runId] : [])));
	for (const root of roots) books.changed([root]);
	return held.map(({ run }) => recordOf(run, books.nowMs()));
}

function entered(books: MemoryBooks, run: MemoryRun, leases?: readonly GrantedItem[]): EnteredRun {
	const chain = run.chain.map((above) => chainRun(books, above));
	return { kind: "entered", isOpened: leases !== undefined, chain, leases: leases ?? [], memory: run.memory?.bytes, revision: books.revision };
}

/** What is asked for beyond the defaults, which hold whatever the team's budgets are. */
function beyond(limits: readonly Ceiling[], defaults: readonly Ceiling[]): readonly Ceiling[] {
	return limits.filter((limit) => !defaults.some((other) => other.kind === limit.kind && limitsText([other]) === limitsText([limit])));
}

function defaultsOf({ defaults }: Opening): readonly Ceiling[] {
	const limits = checkRunLimits(defaults, "defaults");
	if (limits.kind === "invalid") throw new Error(`the defaults are no limits: ${JSON.stringify(limits.problems)}`);
	return limits.value;
}
