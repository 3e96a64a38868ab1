import type { PolicyChange } from "#domain/policy/diff-policy.ts";
import { waitUntilInForce } from "../administration/in-force.ts";
import type { PlanAnswer } from "./policy-work.ts";
import { type AppliedPolicy, type PlannedDiff, type PolicyContext, type PolicyRequest, RefusedPolicy } from "./port.ts";
import { readCurrentPolicy } from "./read-policy.ts";
import { readPolicyFacts } from "./read-world.ts";

type PlannedPolicy = Extract<PlanAnswer, { kind: "planned" }> & { readonly basis: string };

/** What a file would change. @throws RefusedPolicy "admin.invalid" with every mistake. */
export async function diffPolicyFile(context: PolicyContext, request: PolicyRequest): Promise<PlannedDiff> {
	const { basis, changesJson, text } = await plan(context, request);
	return { basis, changesJson, text };
}

const APPLY = "SELECT tollgate.apply_policy_document($1, $2, $3, $4, $5) AS revision";
/** Raised by apply_policy_document: somebody changed what the policy says after the basis. */
const STALE = "TG409";

/**
 * Puts a file in force whole, exactly as its diff on `basis` said, or not at all. Resolves when live gateways act on it; needs no
 * Temporal: the teams' workflows take it up later. What holds already is not written again.
 * @throws RefusedPolicy "admin.invalid" with every mistake, "admin.conflict" with the new diff when something changed since the basis.
 */
export async function applyPolicyFile(context: PolicyContext, request: PolicyRequest & { readonly basis: string }): Promise<AppliedPolicy> {
	const planned = await plan(context, request);
	if (planned.changeCount > 0 && planned.basis !== request.basis) throw stale(request.basis, planned);
	const held = await newestRevision(context);
	if (planned.changeCount === 0) return { revision: held, isChanged: false };
	const values = [context.adminName, request.basis, planned.nextJson, planned.changesJson, request.text];
	const revision = await context.database
		.query<{ revision: string | null }>(APPLY, values)
		.then(({ rows }) => rows[0]?.revision ?? null)
		.catch(async (error: unknown) => {
			if ((error as { code?: unknown }).code !== STALE) throw error;
			throw stale(request.basis, await plan(context, request));
		});
	await waitUntilInForce(context.database);
	return { revision, isChanged: revision !== held };
}

async function plan({ database, providers, readPrices, policyThread }: PolicyContext, request: PolicyRequest): Promise<PlannedPolicy> {
	const { policyJson, basis } = await readCurrentPolicy(database);
	const facts = await readPolicyFacts(database, { providers, book: (await readPrices()).book });
	const planned = await policyThread.ask({ kind: "plan", currentJson: policyJson, facts, request });
	if (planned.kind === "refused") throw new RefusedPolicy("admin.invalid", planned.text, { mistakes: planned.mistakes });
	return { ...planned, basis };
}

function stale(basis: string, planned: PlannedPolicy): RefusedPolicy {
	const diff = { basis: planned.basis, changes: JSON.parse(planned.changesJson) as PolicyChange[], text: planned.text };
	const message = `Something was changed since ${basis}, on which this policy was looked at. Nothing was applied; what it would change now rests on ${diff.basis}.`;
	return new RefusedPolicy("admin.conflict", message, { diff });
}

const NEWEST = "SELECT max(revision)::text AS revision FROM tollgate.policy_revision";

async function newestRevision({ database }: PolicyContext): Promise<string | null> {
	return (await database.query<{ revision: string | null }>(NEWEST)).rows[0]?.revision ?? null;
}
