import type { Queryable } from "#activities/keys/port.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

/** The readable name of a user whom ledger, keys and budgets know by an id alone. Times are ISO 8601, UTC. */
export type UserName = { readonly userId: string; readonly name: string; readonly namedAt: string; readonly namedBy: string };

// The change log says that a name was given, never which: it is kept for ever.
const NAME = `
	WITH named AS (
		INSERT INTO tollgate.user_name (user_id, name, named_by) VALUES ($1, $2, $3)
		ON CONFLICT (user_id) DO UPDATE SET name = excluded.name, named_at = clock_timestamp(), named_by = excluded.named_by
		RETURNING user_id
	)
	SELECT tollgate.record_change('user', user_id, $3, '{"action": "named"}') FROM named`;

/** Gives a user a readable name, or another one. */
export async function nameUser(database: Queryable, user: { readonly userId: string; readonly name: string }, adminName: string): Promise<void> {
	await database.query(NAME, [user.userId, user.name, adminName]);
}

const ERASE = `
	WITH erased AS (DELETE FROM tollgate.user_name WHERE user_id = $1 RETURNING user_id)
	SELECT tollgate.record_change('user', user_id, $2, '{"action": "erased"}') FROM erased`;

/** Forgets the readable name of a user; what the id spent stays in the books. @throws CostControlError "admin.not_found". */
export async function eraseUser(database: Queryable, userId: string, adminName: string): Promise<void> {
	if ((await database.query(ERASE, [userId, adminName])).rows.length > 0) return;
	throw new CostControlError("admin.not_found", `No readable name of user ${userId} is kept.`);
}

const LIST = `
	SELECT user_id AS "userId", name, named_at AS "namedAt", named_by AS "namedBy" FROM tollgate.user_name
	WHERE $1::text IS NULL OR user_id > $1 ORDER BY user_id LIMIT $2`;

/** One page by id; `afterId` continues after the last id of the page before. */
export async function listUserNames(database: Queryable, page: { readonly afterId?: string | undefined; readonly limit: number }): Promise<UserName[]> {
	const { rows } = await database.query<Omit<UserName, "namedAt"> & { namedAt: Date }>(LIST, [page.afterId ?? null, page.limit]);
	return rows.map((row) => ({ ...row, namedAt: row.namedAt.toISOString() }));
}

const NAMES_OF = 'SELECT user_id AS "userId", name FROM tollgate.user_name WHERE user_id = ANY ($1::text[])';

/** Names by id, of those that have one. */
export async function readUserNames(database: Queryable, userIds: readonly string[]): Promise<ReadonlyMap<string, string>> {
	const { rows } = await database.query<{ userId: string; name: string }>(NAMES_OF, [userIds]);
	return new Map(rows.map(({ userId, name }) => [userId, name]));
}
