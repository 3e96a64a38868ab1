/** What a finding accuses. Every finding makes the report not ok. */
export type FindingKind =
	| "overspend"
	| "false_refusal"
	| "duplicated"
	| "lost"
	| "pending_past_time"
	/** A chunk, its hash, its place or its anchor is not what was written. */
	| "chain"
	/** A counter on a lease, window or part of a run is not the sum of its entries. */
	| "counter"
	/** An entry and its attempt, account or key disagree. */
	| "entry"
	/** The history of a window does not replay to the window. */
	| "history"
	/** A call was served by another model than asked for, and no line of a budget says so. */
	| "degraded"
	/** A call of an agent run was not held in all of its ceilings, a tree took more than it may, or a held run went on. */
	| "run"
	/** A batch and its items, its money or its entries disagree. */
	| "batch"
	/** The provider's call costs something else than what was booked. */
	| "cost"
	/** Booked as answered by the provider, but the provider's log holds no such call. */
	| "unbilled";

/** One broken promise; `row` names the offending row, e.g. `attempt g1-1-7` or `window_event 4/12`. */
export type Finding = { readonly kind: FindingKind; readonly row: string; readonly message: string };

/** The one line of `tollgate verify --json`. Amounts are decimal strings of nano-USD, the rest are counts. */
export type VerificationReport = {
	readonly ok: boolean;
	/** Billed lines of the provider log; without a log, attempts in the ledger. */
	readonly calls: number;
	readonly entries: number;
	readonly overspendNanoUsd: string;
	readonly overrunNanoUsd: string;
	readonly falseRefusals: number;
	/** Attempts charged twice, or sent twice under one attempt id. */
	readonly duplicated: number;
	/** Billed calls that nothing in the ledger pays for. */
	readonly lost: number;
	/** Attempts charged at an estimate and not yet resolved. */
	readonly estimated: number;
	/** Attempts charged at their reservation, and lumps, not yet resolved. */
	readonly unresolved: number;
	/** Leases that hold money nobody can settle any more. */
	readonly pendingPastTime: number;
};

export type Verification = {
	readonly report: VerificationReport;
	/** The first thousand findings, in the order found. */
	readonly findings: readonly Finding[];
	readonly findingsOmitted: number;
	/** What the reader should know and what is no fault, e.g. a gateway that did not answer the flush, calls still open. */
	readonly notes: readonly string[];
};

const FINDINGS_KEPT = 1_000;

/** Collects findings in bounded memory: a ledger with a million faults must not take the checker down. */
export class Findings {
	readonly kept: Finding[] = [];
	readonly notes: string[] = [];
	readonly #counts = new Map<FindingKind, number>();
	#total = 0;

	add(kind: FindingKind, row: string, message: string): void {
		this.#total += 1;
		this.#counts.set(kind, this.count(kind) + 1);
		if (this.kept.length < FINDINGS_KEPT) this.kept.push({ kind, row, message });
	}

	note(message: string): void {
		this.notes.push(message);
	}

	count(kind: FindingKind): number {
		return this.#counts.get(kind) ?? 0;
	}

	get total(): number {
		return this.#total;
	}
}
