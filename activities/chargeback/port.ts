import type { ChargebackRules } from "#domain/chargeback/rules.ts";

/** What the workflow of a month asks of PostgreSQL. Each step may be cut at any point and be done again. Months are written like "2026-10". */
export type BegunDraft =
	| { readonly outcome: "begun"; readonly draft: number; readonly needsApproval: boolean; readonly remindAfterHours: number }
	| { readonly outcome: "closed" }
	/** `endsAt` in ISO 8601: an hour later the month can be stated. */
	| { readonly outcome: "unfinished"; readonly endsAt: string };

export type DraftInput = { readonly month: string; readonly draft: number };
/** `run` is the workflow run's: begun again for it, it is the same draft. */
export type BeginDraftInput = { readonly month: string; readonly run: string; readonly by: string };
/** `by` null: the rules ask for nobody. */
export type DecideMonthInput = DraftInput & { readonly isClosed: boolean; readonly by: string | null; readonly reason: string | null };
/** `superseded`: another draft is shown meanwhile, or the month was decided otherwise. */
export type DecidedMonth = { readonly outcome: "done" | "already" | "superseded" };
export type RemindInput = DraftInput & { readonly reminder: number };

/** The rules in force. */
export type RulesInForce = {
	/** "0": nobody ever set any. */
	readonly revision: string;
	readonly rules: ChargebackRules;
	/** ISO 8601. */
	readonly setAt: string | null;
	readonly setBy: string | null;
};
