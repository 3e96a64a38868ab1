import { applyPolicyFile, diffPolicyFile } from "#activities/policy/apply-policy.ts";
import { createPolicyThread } from "#activities/policy/policy-thread.ts";
import type { AppliedPolicy, PolicyContext, PolicyDiff } from "#activities/policy/port.ts";
import * as stored from "#activities/policy/read-policy.ts";
import { DEFAULT_PROVIDER_OUTLINE } from "#config/providers.ts";
import type { PolicyChange } from "#domain/policy/diff-policy.ts";
import { inOrder } from "#domain/policy/merge-policy.ts";
import type { Policy } from "#domain/policy/policy.ts";
import { testPriceBook } from "./gateway-price-book.ts";
import { POLICY_WORKER } from "./kept-places.ts";

/** Ends by itself when it is idle. */
const policyThread = createPolicyThread({ worker: POLICY_WORKER });

/** Policies over a database: providers without a file, and the models of the test price book. */
export function policyContext(database: PolicyContext["database"], adminName = "ada"): PolicyContext {
	return {
		database,
		adminName,
		policyThread,
		providers: DEFAULT_PROVIDER_OUTLINE,
		readPrices: async () => ({ book: testPriceBook(), msUntilNextPrice: undefined }),
	};
}

export type PolicyOptions = { readonly isPruning?: boolean; readonly basis?: string };

const request = (text: string, { isPruning = false }: PolicyOptions) => ({ text, fileName: "policy.yaml", isPruning });

export async function diffPolicy(context: PolicyContext, text: string, options: PolicyOptions = {}): Promise<PolicyDiff> {
	const { changesJson, ...diff } = await diffPolicyFile(context, request(text, options));
	return { ...diff, changes: JSON.parse(changesJson) as PolicyChange[] };
}

/** What holds now, in its one order. */
export async function readCurrentPolicy(database: PolicyContext["database"]): Promise<{ readonly policy: Policy; readonly basis: string }> {
	const { policyJson, basis } = await stored.readCurrentPolicy(database);
	return { policy: inOrder(JSON.parse(policyJson) as Policy), basis };
}

/** What held since a revision. */
export async function readPolicyRevision(database: PolicyContext["database"], revision: string) {
	const { policyJson, ...rest } = await stored.readPolicyRevision(database, revision);
	return { ...rest, policy: inOrder(JSON.parse(policyJson) as Policy) };
}

/** Looks at what the text would change and applies exactly that, or what `basis` says. */
export async function applyPolicy(context: PolicyContext, text: string, options: PolicyOptions = {}): Promise<AppliedPolicy> {
	const basis = options.basis ?? (await diffPolicy(context, text, options)).basis;
	return applyPolicyFile(context, { ...request(text, options), basis });
}
