import type { Queryable } from "#activities/keys/port.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

const POLL_MS = 20;
const HELD_TIMEOUT_MS = 10_000;
/** A live gateway acts on a change within 1 s (money-path §3); one that died is waited for no more after 3 s. */
const IN_FORCE_TIMEOUT_MS = 4_000;

const HELD_REVISION = "SELECT coalesce(max(revision), 0) AS revision FROM tollgate.team_governance WHERE team_id = $1";
const NEWEST_CHANGE = "SELECT max(revision) AS revision FROM tollgate.change";
const GATEWAYS_BEHIND = "SELECT tollgate.gateways_behind($1) AS behind";

/**
 * Resolves when PostgreSQL holds a policy revision of the team.
 * @throws CostControlError "governance.unreachable" after 10 s: accepted by the workflow, not yet in force.
 */
export async function waitUntilHeld(database: Queryable, teamId: string, revision: number): Promise<void> {
	const isHeld = await poll(
		HELD_TIMEOUT_MS,
		async () => Number((await database.query<{ revision: string }>(HELD_REVISION, [teamId])).rows[0]?.revision) >= revision,
	);
	if (!isHeld)
		throw new CostControlError(
			"governance.unreachable",
			`The change was accepted as revision ${revision} and will be carried out, but PostgreSQL does not hold it yet. Look again with: npx tollgate budget show --team ${teamId}`,
		);
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
