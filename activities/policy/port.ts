import type { ProviderOutline } from "#config/providers.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { PolicyChange } from "#domain/policy/diff-policy.ts";
import type { Administration } from "../administration/port.ts";
import type { CurrentPriceBook } from "../pricebooks/port.ts";
import type { PolicyThread } from "./policy-thread.ts";
import type { PolicyMistake } from "./read-policy-file.ts";

/**
 * What holds now, and the change it rests on: whoever applies a policy says which basis he has seen. As PostgreSQL wrote it: a
 * `Policy` in no certain order, as JSON that may be large.
 */
export type CurrentPolicy = {
	readonly policyJson: string;
	/** Position in the change log, as a decimal string. */
	readonly basis: string;
};

/** One applied policy. Times are ISO 8601, UTC. */
export type PolicyRevision = {
	/** Of the change that put it in force, as a decimal string. */
	readonly revision: string;
	/** The policy revision before it; null for the first. */
	readonly parent: string | null;
	readonly at: string;
	readonly adminName: string;
	/** How many things it changed. */
	readonly changeCount: number;
};

/** `source`: the file as it was given; a `Policy`, everything that held afterwards, and the list of its `PolicyChange`s as JSON. */
export type StoredPolicy = PolicyRevision & { readonly source: string; readonly policyJson: string; readonly changesJson: string };

/** A policy as somebody wrote it. `fileName` is how mistakes name it. */
export type PolicyRequest = { readonly text: string; readonly fileName: string; readonly isPruning: boolean };

/** What a file would change, the list of `PolicyChange`s as JSON and for people to read, and the basis it was judged on. */
export type PlannedDiff = { readonly basis: string; readonly changesJson: string; readonly text: string };

/** The same taken apart, for somebody who was not to look at it but to apply it. */
export type PolicyDiff = { readonly basis: string; readonly changes: readonly PolicyChange[]; readonly text: string };

/** `revision`: the policy that holds, null before the first. `isChanged` false: it held already, and nothing was written. */
export type AppliedPolicy = { readonly revision: string | null; readonly isChanged: boolean };

/** What planning and applying need: beside the database and who asks, what models there are, and the thread that reads. */
export type PolicyContext = Pick<Administration, "database" | "adminName"> & {
	readonly policyThread: PolicyThread;
	readonly providers: ProviderOutline;
	readPrices(): Promise<CurrentPriceBook>;
};

/** A file that cannot be applied for what it says (`mistakes`, every one), or for what changed meanwhile (`diff`, the new one). */
export class RefusedPolicy extends CostControlError {
	readonly mistakes: readonly PolicyMistake[] | undefined;
	readonly diff: PolicyDiff | undefined;

	constructor(code: "admin.invalid" | "admin.conflict", message: string, found: { readonly mistakes?: readonly PolicyMistake[]; readonly diff?: PolicyDiff }) {
		super(code, message, { details: { field: found.mistakes === undefined ? "basis" : "file" } });
		this.mistakes = found.mistakes;
		this.diff = found.diff;
	}
}
