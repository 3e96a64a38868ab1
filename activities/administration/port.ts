import type { Queryable } from "#activities/keys/port.ts";
import type { DecideIncreaseInput, EndIncreaseInput, RequestIncreaseInput, WithdrawIncreaseInput } from "#domain/budget/increase-input.ts";
import type { BudgetDefinition, BudgetMode, BudgetSelector, BudgetThreshold } from "#domain/budget/scope.ts";
import type { TeamLimits } from "#domain/limits/team-limits.ts";

/** The one writer of limits, as administration sees it: the team's workflow. Each call resolves with the policy revision. */
export type BudgetGovernor = {
	applyPolicy(
		teamId: string,
		input: {
			readonly mode: "replace" | "patch";
			readonly set: readonly BudgetDefinition[];
			readonly remove: readonly BudgetSelector[];
			readonly requestedBy: string;
			/** Write what is named although nothing differs. */
			readonly clearsOverruns?: boolean;
		},
	): Promise<{ readonly revision: number }>;
	/** Tells of a freeze that PostgreSQL holds as its decision `heldSeq`. */
	freeze(teamId: string, input: { readonly reason: string; readonly requestedBy: string; readonly heldSeq: number }): Promise<unknown>;
	unfreeze(teamId: string, input: { readonly requestedBy: string; readonly heldSeq: number }): Promise<unknown>;
	/** The same request while it is pending answers with the same id. */
	requestIncrease(teamId: string, input: RequestIncreaseInput): Promise<IncreaseChange>;
	decideIncrease(teamId: string, input: DecideIncreaseInput): Promise<IncreaseChange>;
	withdrawIncrease(teamId: string, input: WithdrawIncreaseInput): Promise<IncreaseChange>;
	endIncrease(teamId: string, input: EndIncreaseInput): Promise<IncreaseChange>;
};

type IncreaseChange = { readonly revision: number; readonly increase: { readonly id: string } };

/** What every administrative operation needs; `adminName` stands beside each change it makes. */
export type Administration = { readonly database: Queryable; readonly governor: BudgetGovernor; readonly adminName: string };

export type Team = {
	readonly id: string;
	readonly isUnlimited: boolean;
	readonly isFrozen: boolean;
	/** What differs from the defaults of domain/budget/team-policy.ts. */
	readonly policy: Readonly<Record<string, unknown>>;
	/** Caps per call and rates. */
	readonly limits: TeamLimits;
	readonly createdAt: string;
};

/** A team after a freeze or unfreeze, which holds either way. */
export type FrozenTeam = Team & {
	/** False = Temporal does not answer: its UI and the team's workflow learn of it from the totals when it does. */
	readonly isWorkflowTold: boolean;
};

/** A budget as people give it: amounts in dollars, or as decimal strings in the unit of the budget. */
export type BudgetSetting = {
	/** "@organization" for a budget of the organisation. */
	readonly teamId: string;
	/** Default "team" ("organization" for the organisation). */
	readonly dimension?: string | undefined;
	readonly dimensionValue?: string | undefined;
	/** Default "nano_usd". */
	readonly unit?: string | undefined;
	readonly windowKind: string;
	/** This and what follows, left out, stays as it is; a new budget has the defaults of domain/budget/scope.ts. */
	readonly timeZone?: string | undefined;
	readonly weekStart?: number | undefined;
	readonly fiscalYearStart?: number | undefined;
	readonly mode?: string | undefined;
	readonly limitUsd?: string | undefined;
	readonly limitAmount?: string | undefined;
	/** All lines of the budget, ascending, checked by domain/budget/scope.ts; the short forms below add theirs. */
	readonly thresholds?: unknown;
	/** Short form of one stop in the place of all there are; null takes them away. */
	readonly stopUsd?: string | null | undefined;
	readonly stopAmount?: string | null | undefined;
	/** Short form of one notice in the place of all there are, in hundredths of a percent. */
	readonly warnBasisPoints?: number | undefined;
};

/** A budget with its current window; amounts are decimal strings in the budget's unit, times ISO 8601. */
export type BudgetView = BudgetSelector & {
	readonly id: string;
	readonly teamId: string;
	readonly timeZone: string;
	readonly weekStart: number;
	readonly fiscalYearStart: number;
	/** Without increases. */
	readonly limitAmount: string;
	/** What increases in force add to it, and when the first of them ends. */
	readonly raisedAmount: string;
	readonly raisedUntil: string | null;
	readonly mode: BudgetMode;
	readonly thresholds: BudgetThreshold[];
	/** Where spend stops below the limit in the current window: a stop, or an approval that is not given; null = at the limit. */
	readonly stopAmount: string | null;
	/** That line is one that a person may approve. */
	readonly needsApproval: boolean;
	/** Up to here spend was approved in the current window; "0" = nothing was. */
	readonly approvedAmount: string;
	/** Calls of the current window that it would have refused, were it enforced; counted up to 1,000. */
	readonly wouldRefuse: number;
	readonly isFrozen: boolean;
	/** Spent for certain. */
	readonly postedAmount: string;
	/** Leased by gateways, for calls in flight and to come. */
	readonly pendingAmount: string;
	/** Limit or threshold, less posted; 0 when over. What a refusal says while no other call is in flight, part of it leased. */
	readonly leftAmount: string;
	/** A call cost more than it reserved: nothing is spent until the next window, or until a person sets the budget again. */
	readonly isOverrun: boolean;
	readonly overrunAmount: string;
	readonly windowStartsAt: string | null;
	/** null = never (lifetime), or no window opened yet. */
	readonly resetsAt: string | null;
};

/** A workflow, and where it is looked at; null: nobody said where Temporal's web UI is. */
export type WorkflowLink = { readonly id: string; readonly uiUrl: string | null };

/** Of what has one. */
export type WorkflowLinks = {
	/** By its own id. */
	of(workflowId: string): WorkflowLink;
	ofRun(runId: string): WorkflowLink;
	ofBatch(batchId: string): WorkflowLink;
	/** `month` like "2026-10". */
	ofMonth(month: string): WorkflowLink;
};
