import fc from "fast-check";
import type pg from "pg";
import { expect, test } from "vitest";
import { inOrder } from "#domain/policy/merge-policy.ts";
import { EMPTY_TEAM, type Policy, type TeamEntry } from "#domain/policy/policy.ts";
import { withClient } from "#test/support/authority-rows.ts";
import { anyPolicy } from "#test/support/policies.ts";
import { readCurrentPolicy } from "#test/support/policy.ts";
import { createTestDatabase } from "#test/support/postgres.ts";

/** Whatever policy is applied over whatever held before: what PostgreSQL says then is that policy, and applying it again is nothing. */
const KEYS = new Map([
	["search", "key_0123456789abcdef"],
	["ads", "key_fedcba9876543210"],
]);
const INSERT_KEY = "INSERT INTO tollgate.virtual_key (id, secret_hash, derive_public_key, team_id, created_by) VALUES ($1, sha256($2), '', $3, 'test')";
const TEAMS = ["search", "ads", "ops.eu", "constructor", "0-team"];

/** The policy as it can be over what holds: keys are those there are, routes lead to channels, and no team ends before the last step. */
function fitting(policy: Policy, current: Policy, keepsTeams: boolean): Policy {
	const alerts = (scope: Pick<TeamEntry, "alerts">) => scope.alerts.filter(({ channel }) => Object.hasOwn(policy.channels, channel));
	const approvers = (scope: Pick<TeamEntry, "approvers">) => [...scope.approvers].sort();
	const teams = Object.entries({ ...(keepsTeams ? current.teams : {}), ...policy.teams }).flatMap(([id, team]): [string, TeamEntry][] => {
		const known = Object.hasOwn(current.teams, id) ? current.teams[id] : undefined;
		if (known === undefined) return [];
		const keys = Object.fromEntries(
			Object.entries(known.keys).map(([keyId, attributes]) => [keyId, (Object.hasOwn(team.keys, keyId) && team.keys[keyId]) || attributes]),
		);
		return [[id, { ...team, keys, alerts: alerts(team), approvers: approvers(team) }]];
	});
	const { organization } = policy;
	return inOrder({
		...policy,
		organization: { ...organization, alerts: alerts(organization), approvers: approvers(organization) },
		teams: Object.fromEntries(teams),
	});
}

async function apply(client: pg.Client, next: Policy): Promise<string | null> {
	const { basis } = await readCurrentPolicy(client);
	const { rows } = await client.query<{ revision: string | null }>("SELECT tollgate.apply_policy_document('ada', $1, $2, '[]', '') AS revision", [
		basis,
		JSON.stringify(next),
	]);
	return rows[0]?.revision ?? null;
}

test("what is applied is what holds", async () => {
	await fc.assert(
		fc.asyncProperty(fc.array(anyPolicy, { minLength: 1, maxLength: 4 }), async (policies) => {
			const database = await createTestDatabase();
			try {
				await withClient(database.url, async (client) => {
					await apply(client, inOrder({ ...(await readCurrentPolicy(client)).policy, teams: Object.fromEntries(TEAMS.map((id) => [id, EMPTY_TEAM])) }));
					for (const [team, id] of KEYS) await client.query(INSERT_KEY, [id, Buffer.from(id), team]);
					for (const [index, policy] of policies.entries()) {
						const { policy: current } = await readCurrentPolicy(client);
						const next = fitting(policy, current, index < policies.length - 1);
						const revision = await apply(client, next);
						expect((await readCurrentPolicy(client)).policy).toEqual(next);
						const count = async () => (await client.query("SELECT count(*) FROM tollgate.change")).rows[0].count;
						const before = await count();
						expect([await apply(client, next), await count()]).toEqual([revision, before]);
					}
				});
			} finally {
				await database.close();
			}
		}),
		{ numRuns: 20 },
	);
}, 120_000);
