import { diffPolicy, type PolicyChange } from "#domain/policy/diff-policy.ts";
import { mergePolicy } from "#domain/policy/merge-policy.ts";
import type { Policy } from "#domain/policy/policy.ts";
import { renderChanges } from "#domain/policy/render-changes.ts";
import { waitUntilInForce } from "../administration/in-force.ts";
import { type AppliedPolicy, type PolicyContext, type PolicyDiff, type PolicyRequest, RefusedPolicy } from "./port.ts";
import { readCurrentPolicy } from "./read-policy.ts";
import { readPolicyFile, renderMistakes } from "./read-policy-file.ts";
import { readPolicyWorld } from "./read-world.ts";

type PlannedPolicy = { readonly basis: string; readonly next: Policy; readonly changes: readonly PolicyChange[] };

/** What a file would change. @throws RefusedPolicy "admin.invalid" with every mistake. */
export async function diffPolicyFile(context: PolicyContext, request: PolicyRequest): Promise<PolicyDiff> {
	return toDiff(await plan(context, request));
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
	if (planned.changes.length > 0 && planned.basis !== request.basis) throw stale(request.basis, toDiff(planned));
	const held = await newestRevision(context);
	if (planned.changes.length === 0) return { revision: held, isChanged: false };
	const values = [context.adminName, request.basis, JSON.stringify(planned.next), JSON.stringify(planned.changes), request.text];
	const revision = await context.database
		.query<{ revision: string | null }>(APPLY, values)
		.then(({ rows }) => rows[0]?.revision ?? null)
		.catch(async (error: unknown) => {
			if ((error as { code?: unknown }).code !== STALE) throw error;
			throw stale(request.basis, toDiff(await plan(context, request)));
		});
	await waitUntilInForce(context.database);
	return { revision, isChanged: revision !== held };
}

async function plan({ database, providers, readPrices }: PolicyContext, { text, fileName, isPruning }: PolicyRequest): Promise<PlannedPolicy> {
	const { policy, basis } = await readCurrentPolicy(database);
	const current = withSortedApprovers(policy);
	const world = await readPolicyWorld(database, { current, providers, book: (await readPrices()).book });
	const read = readPolicyFile(text, { fileName, world, isPruning });
	if (read.kind === "refused") throw new RefusedPolicy("admin.invalid", renderMistakes(read.mistakes), { mistakes: read.mistakes });
	const next = withSortedApprovers(mergePolicy(current, read.file, { isPruning }));
	return { basis, next, changes: diffPolicy(current, next) };
}

/** Who may decide is a set: its order says nothing. */
function withSortedApprovers(policy: Policy): Policy {
	const sorted = <Scope extends { readonly approvers: readonly string[] }>(scope: Scope): Scope => ({ ...scope, approvers: [...scope.approvers].sort() });
	const teams = Object.entries(policy.teams).map(([id, team]) => [id, sorted(team)]);
	return { ...policy, organization: sorted(policy.organization), teams: Object.fromEntries(teams) };
}

function toDiff({ basis, changes }: PlannedPolicy): PolicyDiff {
	return { basis, changes, text: renderChanges(changes) };
}

function stale(basis: string, diff: PolicyDiff): RefusedPolicy {
	const message = `Something was changed since ${basis}, on which this policy was looked at. Nothing was applied; what it would change now rests on ${diff.basis}.`;
	return new RefusedPolicy("admin.conflict", message, { diff });
}

const NEWEST = "SELECT max(revision)::text AS revision FROM tollgate.policy_revision";

async function newestRevision({ database }: PolicyContext): Promise<string | null> {
	return (await database.query<{ revision: string | null }>(NEWEST)).rows[0]?.revision ?? null;
}
