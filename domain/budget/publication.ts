/**
 * Which teams are told their totals now (money-path §9): a total moved 1 % of its limit or crossed a line,
 * a window is new, calls were refused, or 30 s went by with anything unsaid. Crossings and freezes that a person
 * put straight into PostgreSQL go first, in the order in which they were seen, then policy documents, then whoever has waited longest; never more than one signal per team and second.
 */
export type PublishedWindow = {
	readonly windowId: string;
	readonly limitAmount: bigint;
	/** Amounts at which something is to be told, the limit among them, in any order. */
	readonly lines: readonly bigint[];
	/** Up to here spend was approved. */
	readonly approved: bigint;
	readonly granted: bigint;
	readonly posted: bigint;
	readonly version: number;
	readonly refusals: number;
	/** Where spend stopped when the newest of them was refused. */
	readonly refusedAtStop?: string;
	/** Calls that an observed budget would have refused. */
	readonly observedRefusals: number;
};

/** `freezeSeq`: number of the newest decision to freeze or unfreeze the team. `hasUntoldPolicy`: a policy document changed its budgets, and its workflow was not told. */
export type TeamTotals = {
	readonly teamId: string;
	readonly windows: readonly PublishedWindow[];
	readonly freezeSeq: number;
	/** Default false. */
	readonly hasUntoldPolicy?: boolean;
};

/** What the team's workflow accepted last, and when (monotonic milliseconds). */
export type AcceptedTotals = { readonly atMs: number; readonly windows: ReadonlyMap<string, PublishedWindow>; readonly freezeSeq: number };

export type PublicationInput = {
	readonly teams: readonly TeamTotals[];
	readonly accepted: ReadonlyMap<string, AcceptedTotals>;
	/** When the crossings that are not told yet were first seen, by team; default: now. */
	readonly seenAtMs?: ReadonlyMap<string, number>;
	readonly nowMs: number;
};

/** `isCrossing`: somebody may have to know at once. */
export type Publication = { readonly teamId: string; readonly isCrossing: boolean };

/** Refusals of one window are counted up to here: one decides a threshold, the rest is for people to read. */
export const REFUSALS_COUNTED_MAX = 1_000;
export const TEAM_INTERVAL_MS = 1_000;
export const QUIET_INTERVAL_MS = 30_000;

type Urgency = "crossing" | "moved" | "stale" | "none";

/** In the order in which they are to be signalled. */
export function planPublications({ teams, accepted, seenAtMs, nowMs }: PublicationInput): Publication[] {
	const due = teams.flatMap(({ teamId, windows, freezeSeq, hasUntoldPolicy = false }) => {
		const known = accepted.get(teamId);
		const ageMs = known === undefined ? Number.POSITIVE_INFINITY : nowMs - known.atMs;
		if (ageMs < TEAM_INTERVAL_MS) return [];
		const isFreezeNews = known !== undefined && known.freezeSeq !== freezeSeq;
		const urgency = isFreezeNews ? "crossing" : urgencyOf(windows, known, ageMs);
		const place = urgency === "crossing" ? 0 : hasUntoldPolicy ? 1 : 2;
		// Of crossings the one seen first: by age one whose team was told lately would wait behind all that come after it.
		const waitedMs = place === 0 ? nowMs - (seenAtMs?.get(teamId) ?? nowMs) : ageMs;
		return urgency === "none" && !hasUntoldPolicy ? [] : [{ teamId, place, waitedMs }];
	});
	due.sort((left, right) => left.place - right.place || (left.waitedMs === right.waitedMs ? 0 : right.waitedMs > left.waitedMs ? 1 : -1));
	return due.map(({ teamId, place }) => ({ teamId, isCrossing: place === 0 }));
}

function urgencyOf(windows: readonly PublishedWindow[], known: AcceptedTotals | undefined, ageMs: number): Urgency {
	let urgency: Urgency = "none";
	for (const window of windows) {
		const before = known?.windows.get(window.windowId);
		if (hasCrossed(window, before)) return "crossing";
		if (hasMoved(window, before)) urgency = "moved";
		else if (urgency === "none" && ageMs >= QUIET_INTERVAL_MS && window.version > (before?.version ?? 0)) urgency = "stale";
	}
	return urgency;
}

function hasCrossed(window: PublishedWindow, before: PublishedWindow | undefined): boolean {
	const postedBefore = before?.posted ?? 0n;
	const crosses = (line: bigint): boolean => window.posted >= line && postedBefore < line;
	const isApproved = before !== undefined && window.approved > before.approved;
	// The first refusal, or the first one at another stop, decides whether the window is stopped.
	const isRefusedAnew = window.refusals > 0 && ((before?.refusals ?? 0) === 0 || window.refusedAtStop !== before?.refusedAtStop);
	return isApproved || window.lines.some(crosses) || isRefusedAnew;
}

function hasMoved(window: PublishedWindow, before: PublishedWindow | undefined): boolean {
	if (before === undefined) return true;
	if (window.refusals > before.refusals || window.observedRefusals > before.observedRefusals) return true;
	if (window.version <= before.version) return false;
	const onePercent = window.limitAmount / 100n;
	return distance(window.posted, before.posted) > onePercent || distance(window.granted, before.granted) > onePercent;
}

function distance(left: bigint, right: bigint): bigint {
	return left > right ? left - right : right - left;
}
