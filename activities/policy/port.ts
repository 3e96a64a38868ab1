import type { ProviderOutline } from "#config/providers.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { PolicyChange } from "#domain/policy/diff-policy.ts";
import type { Policy } from "#domain/policy/policy.ts";
import type { Administration } from "../administration/port.ts";
import type { CurrentPriceBook } from "../pricebooks/port.ts";
import type { PolicyMistake } from "./read-policy-file.ts";

/** What holds now, and the change it rests on: whoever applies a policy says which basis he has seen. */
export type CurrentPolicy = {
	readonly policy: Policy;
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

/** `source`: the file as it was given; `policy`: everything that held afterwards. */
export type StoredPolicy = PolicyRevision & { readonly source: string; readonly policy: Policy; readonly changes: readonly PolicyChange[] };

/** A policy as somebody wrote it. `fileName` is how mistakes name it. */
export type PolicyRequest = { readonly text: string; readonly fileName: string; readonly isPruning: boolean };

/** What would change, entry by entry and for people to read, and the basis it was judged on. */
export type PolicyDiff = { readonly basis: string; readonly changes: readonly PolicyChange[]; readonly text: string };

/** `revision`: the policy that holds, null before the first. `isChanged` false: it held already, and nothing was written. */
export type AppliedPolicy = { readonly revision: string | null; readonly isChanged: boolean };

/** What planning and applying need: beside the database and who asks, what models there are. */
export type PolicyContext = Pick<Administration, "database" | "adminName"> & {
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
