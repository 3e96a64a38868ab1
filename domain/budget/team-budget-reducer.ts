import { assert } from "../assert.ts";
import { mergeChainHeads } from "./chain-heads.ts";
import { type Increase, raisedAmount } from "./increases.ts";
import { followLines } from "./line-requests.ts";
import { nextRevision } from "./policy-revision.ts";
import type { BudgetDefinition } from "./scope.ts";
import { selectorKey } from "./scope.ts";
import { changeIncrease, leaveBudgets, passIncreaseTime, takeHeldIncreases, takeRefused, takeWritten } from "./team-budget-increases.ts";
import { type NewEffect, type Reduced, refuseEffect, waitingKeys, withEffects, withoutEffect } from "./team-budget-outbox.ts";
import {
	type BudgetEffect,
	type BudgetState,
	emptyWindow,
	type HeldFreeze,
	type TeamBudgetState,
	THRESHOLD_WORDS,
	type TotalsReport,
	type WindowReport,
	type WindowState,
} from "./team-budget-state.ts";
import { decideThresholds, type ThresholdTransition } from "./thresholds.ts";
import { windowInForce } from "./window.ts";

/**
 * Every decision of a team's workflow: `(state, event) → { state, effects }`. Effects are also appended to the
 * state's outbox, which is where the workflow takes them from; nothing is done here. A lost, doubled or
 * reordered report does no harm: totals are absolute and versioned, and each threshold fires once per line.
 */
export type TeamBudgetEvent =
	| {
			/** What PostgreSQL holds: read once at the beginning of a team's workflow, and again after it refused a change or a policy document changed it. */
			readonly kind: "loaded" | "reread";
			readonly revision: number;
			readonly isFrozen: boolean;
			readonly freezeReason?: string | null;
			readonly freezeSeq?: number;
			readonly documentRevision?: number;
			readonly budgets: readonly BudgetDefinition[];
			readonly windows: readonly WindowReport[];
			/** Open increases; absent where an older activity read. */
			readonly increases?: readonly Increase[];
	  }
	| {
			readonly kind: "policyApplied";
			readonly mode: "replace" | "patch";
			readonly set: readonly BudgetDefinition[];
			readonly removeKeys: readonly string[];
			readonly requestedBy: string;
			/** Write what is named also where nothing differs: PostgreSQL shows an overrun that this state may not know yet. */
			readonly clearsOverruns?: boolean;
	  }
	| {
			readonly kind: "freezeChanged";
			readonly isFrozen: boolean;
			readonly reason: string;
			readonly requestedBy: string;
			/** Number of the decision in PostgreSQL, where it is in force already; absent = it is to be written. */
			readonly heldSeq?: number;
	  }
	| {
			/** A person asked for an increase or decided about one (increases.ts): the increase as it is then. */
			readonly kind: "increaseChanged";
			readonly increase: Increase;
	  }
	| { readonly kind: "totalsReported"; readonly report: TotalsReport }
	| { readonly kind: "timePassed"; readonly nowMs: number }
	| { readonly kind: "effectDone"; readonly id: number; readonly heldRevision: number | null; readonly freeze?: HeldFreeze }
	| { readonly kind: "effectRefused"; readonly id: number; readonly problem: string };

type HeldEvent = Extract<TeamBudgetEvent, { kind: "loaded" | "reread" }>;

const LAST_REFUSALS_KEPT = 5;
/** Late settles come within maxCallMs plus a minute; after this a closed window is forgotten, to keep the state small. */
const PREVIOUS_WINDOW_KEPT_MS = 3_600_000;

export function reduceTeamBudget(state: TeamBudgetState, event: TeamBudgetEvent): Reduced {
	switch (event.kind) {
		case "loaded":
			return load(state, event);
		case "reread":
			return reread(state, event);
		case "policyApplied":
			return applyPolicy(state, event);
		case "freezeChanged":
			return changeFreeze(state, event);
		case "increaseChanged":
			return rejudge(changeIncrease(state, event.increase), [event.increase.key]);
		case "totalsReported":
			return takeReport(state, event.report);
		case "timePassed":
			return passTime(state, event.nowMs);
		case "effectDone":
			return takeWritten(
				{
					...takeFreeze(withoutEffect(state, event.id), event.freeze),
					heldRevision: Math.max(state.heldRevision, event.heldRevision ?? 0),
					// A fence that stood higher (another life of this workflow wrote it) is adopted; see revisionFenced.
					revision: Math.max(state.revision, event.heldRevision ?? 0),
				},
				effectOf(state, event.id),
			);
		case "effectRefused":
			return refuse(state, event.id, event.problem);
	}
}

/** Budgets an effect writes, as they are defined now; a budget removed meanwhile is left to its own effect. */
export function definitionsOf(state: TeamBudgetState, keys: readonly string[]): BudgetDefinition[] {
	return state.budgets.filter(({ key }) => keys.includes(key)).map(({ definition }) => definition);
}

/** When the next window ends, or null when none does: with the ends of increases, the one thing the workflow has a timer for. */
export function nextWindowEndMs(state: TeamBudgetState): number | null {
	const ends = state.budgets.flatMap(({ window }) => (window === null || window.endsAtMs === null ? [] : [window.endsAtMs]));
	return ends.length === 0 ? null : Math.min(...ends);
}

function load(state: TeamBudgetState, event: HeldEvent): Reduced {
	assert(!state.isLoaded, "a team budget is loaded once");
	const budgets = sorted(event.budgets.map((definition) => ({ key: selectorKey(definition), definition, window: null, previous: null })));
	const loaded: TeamBudgetState = {
		...state,
		isLoaded: true,
		revision: event.revision,
		heldRevision: event.revision,
		documentRevision: event.documentRevision ?? 0,
		...freezeOf(event),
		budgets,
		increases: event.increases ?? [],
	};
	return takeReport(loaded, { windows: event.windows, lastRefusals: [] });
}

/** PostgreSQL's rows go over the state, except where a change of ours still waits to be written; totals stay. */
function reread(state: TeamBudgetState, event: HeldEvent): Reduced {
	const waiting = waitingKeys(state);
	const known = new Map(state.budgets.map((budget) => [budget.key, budget]));
	const held = event.budgets
		.map((definition) => ({ window: null, previous: null, ...known.get(selectorKey(definition)), key: selectorKey(definition), definition }))
		.filter(({ key }) => !waiting.has(key));
	const isFreezeKnown = isFreezeWaiting(state) || (event.freezeSeq ?? 0) < state.freezeSeq;
	const current: TeamBudgetState = {
		...state,
		...(isFreezeKnown ? {} : freezeOf(event)),
		mustReread: false,
		increases: takeHeldIncreases(state, event.increases),
		revision: Math.max(state.revision, event.revision),
		heldRevision: Math.max(state.heldRevision, event.revision),
		documentRevision: Math.max(state.documentRevision, event.documentRevision ?? 0),
		budgets: sorted([...held, ...state.budgets.filter(({ key }) => waiting.has(key))]),
	};
	return takeReport(current, { windows: event.windows, lastRefusals: [] });
}

function freezeOf({ isFrozen, freezeReason, freezeSeq }: HeldEvent): Pick<TeamBudgetState, "isFrozen" | "freezeReason" | "freezeSeq"> {
	return { isFrozen, freezeReason: isFrozen ? (freezeReason ?? "frozen before this workflow began") : null, freezeSeq: freezeSeq ?? 0 };
}

/** What PostgreSQL holds goes over the state where it is newer, unless a decision of our own is still to be written. */
function takeFreeze(state: TeamBudgetState, freeze: HeldFreeze | undefined): TeamBudgetState {
	if (freeze === undefined || freeze.seq <= state.freezeSeq || isFreezeWaiting(state)) return state;
	return { ...state, isFrozen: freeze.isFrozen, freezeReason: freeze.isFrozen ? (freeze.reason ?? "") : null, freezeSeq: freeze.seq };
}

function isFreezeWaiting(state: TeamBudgetState): boolean {
	return state.outbox.some(({ kind }) => kind === "setFrozen");
}

function applyPolicy(state: TeamBudgetState, event: Extract<TeamBudgetEvent, { kind: "policyApplied" }>): Reduced {
	const wanted = new Map(event.set.map((definition) => [selectorKey(definition), definition]));
	const setKeys = [...wanted]
		.filter(([key, definition]) => {
			const known = state.budgets.find((budget) => budget.key === key);
			// Setting a budget again is how a person clears its overrun: only a write does that.
			const isOverrun = (known?.window?.overrun ?? "0") !== "0";
			return !isSameDefinition(known?.definition, definition) || isOverrun || event.clearsOverruns === true;
		})
		.map(([key]) => key);
	const removeKeys = state.budgets.map(({ key }) => key).filter((key) => !wanted.has(key) && (event.mode === "replace" || event.removeKeys.includes(key)));
	// Asking for what already is changes nothing: a repeated update returns the same revision. Clearing an overrun twice clears it once.
	if (setKeys.length === 0 && removeKeys.length === 0) return unchangedEffects(state);
	const kept = state.budgets.filter(({ key }) => !removeKeys.includes(key));
	const changed = kept.map((budget) => ({ ...budget, definition: wanted.get(budget.key) ?? budget.definition }));
	const added = [...wanted]
		.filter(([key]) => !kept.some((budget) => budget.key === key))
		.map(([key, definition]) => ({ key, definition, window: null, previous: null }));
	const revision = nextRevision(state.revision);
	const increases = leaveBudgets(state.increases, removeKeys);
	const written = withEffects({ ...state, revision, budgets: sorted([...changed, ...added]), increases }, [
		{ kind: "writeBudgets", revision, requestedBy: event.requestedBy, setKeys, removeKeys },
	]);
	// A changed limit moves the lines under totals that are already known.
	return rejudge(written, setKeys);
}

function changeFreeze(state: TeamBudgetState, event: Extract<TeamBudgetEvent, { kind: "freezeChanged" }>): Reduced {
	const { isFrozen, reason, heldSeq: seq } = event;
	// A person decided in PostgreSQL: what waited to be written before that is outdated.
	if (seq !== undefined)
		return unchangedEffects(takeFreeze({ ...state, outbox: state.outbox.filter(({ kind }) => kind !== "setFrozen") }, { isFrozen, reason, seq }));
	if (state.isFrozen === isFrozen) return unchangedEffects(state);
	const revision = nextRevision(state.revision);
	const changed = { ...state, revision, isFrozen, freezeReason: isFrozen ? reason : null };
	return withEffects(changed, [{ kind: "setFrozen", revision, requestedBy: event.requestedBy, isFrozen, reason, knownSeq: state.freezeSeq }]);
}

function takeReport(state: TeamBudgetState, report: TotalsReport): Reduced {
	const lastRefusals = report.lastRefusals.length > 0 ? report.lastRefusals.slice(-LAST_REFUSALS_KEPT) : state.lastRefusals;
	const chainHeads = mergeChainHeads(state.chainHeads, report.chainHeads ?? []);
	// The rows are read again, and this state takes up the document when that is done.
	const mustReread = state.mustReread || (report.documentRevision ?? 0) > state.documentRevision;
	const oldestFirst = [...report.windows].sort((left, right) => left.startsAtMs - right.startsAtMs);
	return oldestFirst.reduce<Reduced>(
		(reduced, window) =>
			append(reduced, (current) =>
				judgeThresholds(
					replaceBudget(current, window.key, (budget) => placeReport(budget, window)),
					window.key,
				),
			),
		unchangedEffects(takeFreeze({ ...state, lastRefusals, chainHeads, mustReread }, report.freeze)),
	);
}

/** The report goes to the current window, to the previous one, or opens a new one; older windows are closed. */
function placeReport(budget: BudgetState, report: WindowReport): BudgetState {
	const { window, previous } = budget;
	if (window === null || report.startsAtMs > window.startsAtMs) {
		return { ...budget, previous: window ?? previous, window: mergeReport(emptyWindow(report.startsAtMs, report.endsAtMs), report) };
	}
	if (report.startsAtMs === window.startsAtMs) return { ...budget, window: mergeReport(window, report) };
	if (previous === null || report.startsAtMs > previous.startsAtMs) {
		return { ...budget, previous: mergeReport(emptyWindow(report.startsAtMs, report.endsAtMs), report) };
	}
	return report.startsAtMs === previous.startsAtMs ? { ...budget, previous: mergeReport(previous, report) } : budget;
}

function mergeReport(known: WindowState, report: WindowReport): WindowState {
	const refusedAtStop = report.refusals >= known.refusals ? (report.refusedAtStop ?? known.refusedAtStop) : known.refusedAtStop;
	const counts = {
		...(refusedAtStop !== undefined && { refusedAtStop }),
		refusals: Math.max(known.refusals, report.refusals),
		observedRefusals: Math.max(known.observedRefusals, report.observedRefusals ?? 0),
		// An approval is only ever added to in one window.
		approved: greater(known.approved, report.approved ?? "0"),
	};
	if (report.version < known.version) return { ...known, ...counts };
	const { granted, posted, overrun, leases, version, endsAtMs } = report;
	return { ...known, endsAtMs, granted, posted, overrun, leases, version, ...counts };
}

function passTime(state: TeamBudgetState, nowMs: number): Reduced {
	const budgets = state.budgets.map((budget) => {
		if (budget.window === null) return budget;
		const inForce = windowInForce(budget.definition, budget.window, nowMs);
		const isPreviousOver = (budget.previous?.endsAtMs ?? nowMs) + PREVIOUS_WINDOW_KEPT_MS <= nowMs;
		if (inForce.startsAtMs === budget.window.startsAtMs) return isPreviousOver ? { ...budget, previous: null } : budget;
		return { ...budget, previous: budget.window, window: emptyWindow(inForce.startsAtMs, inForce.endsAtMs) };
	});
	const passed = passIncreaseTime({ ...state, budgets }, nowMs);
	const judged = rejudge(
		passed,
		passed.effects.flatMap((effect) => (effect.kind === "announceIncrease" ? [effect.increase.key] : [])),
	);
	return append(judged, (current) => followLines(current, nowMs));
}

function refuse(state: TeamBudgetState, id: number, problem: string): Reduced {
	const effect = effectOf(state, id);
	const refused = append(refuseEffect(state, id, problem), (current) => takeRefused(current, effect, current.refusedChange?.problem ?? ""));
	return effect?.kind === "applyIncrease" || effect?.kind === "endIncreaseEarly" ? rejudge(refused, [effect.increase.key]) : refused;
}

function effectOf(state: TeamBudgetState, id: number): BudgetEffect | undefined {
	return state.outbox.find((effect) => effect.id === id);
}

function rejudge(reduced: Reduced, keys: readonly string[]): Reduced {
	return keys.reduce((before, key) => append(before, (current) => judgeThresholds(current, key)), reduced);
}

/** Both windows are judged: a late settle may cross a line of the window it belongs to. */
function judgeThresholds(state: TeamBudgetState, key: string): Reduced {
	const announcements: NewEffect[] = [];
	const judged = replaceBudget(state, key, (budget) => {
		const judge = (window: WindowState | null, raised: bigint): WindowState | null => {
			if (window === null) return null;
			const limitAmount = BigInt(budget.definition.limitAmount) + raised;
			const { thresholds, transitions } = decideThresholds(window.thresholds, {
				limitAmount,
				thresholds: budget.definition.thresholds,
				approvedAmount: BigInt(window.approved),
				postedAmount: BigInt(window.posted),
				refusals: window.refusals,
				refusedAtStop: window.refusedAtStop === undefined ? undefined : BigInt(window.refusedAtStop),
			});
			announcements.push(...transitions.map((transition) => announcementOf({ budget, window, limitAmount }, transition)));
			return raised > 0n || window.raisedAmount !== undefined ? { ...window, thresholds, raisedAmount: raised.toString() } : { ...window, thresholds };
		};
		const previous = judge(budget.previous, BigInt(budget.previous?.raisedAmount ?? "0"));
		return { ...budget, previous, window: judge(budget.window, raisedAmount(state.increases, key)) };
	});
	return withEffects(judged, announcements);
}

type Judged = { readonly budget: BudgetState; readonly window: WindowState; readonly limitAmount: bigint };

function announcementOf({ budget, window, limitAmount }: Judged, { action, transition, amount }: ThresholdTransition): NewEffect {
	return {
		kind: "announce",
		key: budget.key,
		event: `threshold.${THRESHOLD_WORDS[action]}.${transition}`,
		windowStartsAtMs: window.startsAtMs,
		amount,
		posted: window.posted,
		limitAmount: limitAmount.toString(),
	};
}

function replaceBudget(state: TeamBudgetState, key: string, change: (budget: BudgetState) => BudgetState): TeamBudgetState {
	return { ...state, budgets: state.budgets.map((budget) => (budget.key === key ? change(budget) : budget)) };
}

function append(reduced: Reduced, next: (state: TeamBudgetState) => Reduced): Reduced {
	const following = next(reduced.state);
	return { state: following.state, effects: [...reduced.effects, ...following.effects] };
}

function unchangedEffects(state: TeamBudgetState): Reduced {
	return { state, effects: [] };
}

function sorted(budgets: readonly BudgetState[]): BudgetState[] {
	return [...budgets].sort((left, right) => (left.key < right.key ? -1 : left.key > right.key ? 1 : 0));
}

function isSameDefinition(left: BudgetDefinition | undefined, right: BudgetDefinition): boolean {
	return left !== undefined && textOf(left) === textOf(right);
}

/** What a definition says, whatever the order of its properties. */
function textOf(definition: BudgetDefinition): string {
	return JSON.stringify(definition, (_, value: unknown) =>
		typeof value === "object" && value !== null && !Array.isArray(value)
			? Object.fromEntries(Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1)))
			: value,
	);
}

function greater(left: string, right: string): string {
	return BigInt(left) >= BigInt(right) ? left : right;
}
