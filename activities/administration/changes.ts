import type { Queryable } from "#activities/keys/port.ts";

/** One administrative change, in commit order. */
export type Change = {
	readonly revision: string;
	readonly at: string;
	readonly kind: string;
	readonly subject: string;
	readonly adminName: string;
	readonly detail: Readonly<Record<string, unknown>>;
};

const CHANGES = `
	SELECT revision, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at, kind, subject, admin_name AS "adminName", detail
	FROM tollgate.change WHERE revision > $1 ORDER BY revision LIMIT $2`;

/** The audit log after a revision ("0" = from the beginning). */
export async function listChanges(database: Queryable, page: { readonly afterRevision: string; readonly limit: number }): Promise<Change[]> {
	return (await database.query<Change>(CHANGES, [page.afterRevision, page.limit])).rows;
}
