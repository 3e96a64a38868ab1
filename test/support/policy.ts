import { applyPolicyFile, diffPolicyFile } from "#activities/policy/apply-policy.ts";
import type { AppliedPolicy, PolicyContext, PolicyDiff } from "#activities/policy/port.ts";
import { DEFAULT_PROVIDER_OUTLINE } from "#config/providers.ts";
import { testPriceBook } from "./gateway-price-book.ts";

/** Policies over a database: providers without a file, and the models of the test price book. */
export function policyContext(database: PolicyContext["database"], adminName = "ada"): PolicyContext {
	return { database, adminName, providers: DEFAULT_PROVIDER_OUTLINE, readPrices: async () => ({ book: testPriceBook(), msUntilNextPrice: undefined }) };
}

export type PolicyOptions = { readonly isPruning?: boolean; readonly basis?: string };

const request = (text: string, { isPruning = false }: PolicyOptions) => ({ text, fileName: "policy.yaml", isPruning });

export function diffPolicy(context: PolicyContext, text: string, options: PolicyOptions = {}): Promise<PolicyDiff> {
	return diffPolicyFile(context, request(text, options));
}

/** Looks at what the text would change and applies exactly that, or what `basis` says. */
export async function applyPolicy(context: PolicyContext, text: string, options: PolicyOptions = {}): Promise<AppliedPolicy> {
	const basis = options.basis ?? (await diffPolicy(context, text, options)).basis;
	return applyPolicyFile(context, { ...request(text, options), basis });
}
