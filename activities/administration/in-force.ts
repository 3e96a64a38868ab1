import type { Queryable } from "#activities/keys/port.ts";
import { DOCUMENT_REVISION_STEP } from "#domain/budget/policy-revision.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

const POLL_MS = 20;
const HELD_TIMEOUT_MS = 10_000;
/** A live gateway acts on a change within 1 s (money-path §3); one that died is waited for no more after 3 s. */
const IN_FORCE_TIMEOUT_MS = 4_000;

/**
 * A revision between what the workflow wrote last and a policy document is a change it decided before it heard of the document: it
 * is written under a later one. Multiples of the step are the documents' own.
 */
const IS_HELD = `
	SELECT coalesce(bool_or(revision >= $2 AND ($2 <= written_revision OR $2 > document_revision OR $2 % ${DOCUMENT_REVISION_STEP} = 0)), false) AS "isHeld"
	FROM tollgate.team_governance WHERE team_id = $1`;
const NEWEST_CHANGE = "SELECT max(revision) AS revision FROM tollgate.change";
const GATEWAYS_BEHIND = "SELECT tollgate.gateways_behind($1) AS behind";

/**
 * Resolves when PostgreSQL holds a policy revision of the team.
 * @throws CostControlError "governance.unreachable" after 10 s: accepted by the workflow, not yet in force.
 */
export async function waitUntilHeld(database: Queryable, teamId: string, revision: number): Promise<void> {
	if (!(await poll(HELD_TIMEOUT_MS, () => isHeld(database, teamId, revision))))
		throw new CostControlError(
			"governance.unreachable",
			`The change was accepted as revision ${revision} and will be carried out, but PostgreSQL does not hold it yet. Look again with: npx tollgate budget show --team ${teamId}`,
		);
}

/** Whether PostgreSQL holds what the team's workflow answered with this revision. */
export async function isHeld(database: Queryable, teamId: string, revision: number): Promise<boolean> {
	return (await database.query<{ isHeld: boolean }>(IS_HELD, [teamId, revision])).rows[0]?.isHeld === true;
}

/** Waits until every live gateway acts on all changes made so far; false when one that still reports has not within 4 s. */
export async function waitUntilInForce(database: Queryable): Promise<boolean> {
	const revision = (await database.query<{ revision: string }>(NEWEST_CHANGE)).rows[0]?.revision;
	return poll(IN_FORCE_TIMEOUT_MS, async () => (await database.query<{ behind: string }>(GATEWAYS_BEHIND, [revision])).rows[0]?.behind === "0");
}

async function poll(timeoutMs: number, isDone: () => Promise<boolean>): Promise<boolean> {
	const deadline = performance.now() + timeoutMs;
	for (;;) {
		if (await isDone()) return true;
		if (performance.now() >= deadline) return false;
		await new Promise((resolve) => setTimeout(resolve, POLL_MS));
	}
}
