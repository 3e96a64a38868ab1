import type { BlobSweepDependencies } from "#activities/blobs/activities.ts";
import type { SqlConnection } from "#activities/ledger/settle-chunk.ts";
import { deferredOfBody } from "#domain/blobs/blob-key.ts";

const NEEDED = `SELECT body_blob_key AS key FROM tollgate.batch_item WHERE custom_id = ANY ($1) AND attribution IS NOT NULL AND answered_at IS NULL`;

/** Bodies of requests that were accepted and are still to be answered: not those that nobody accepted, nor others that came under the same id. */
export function createNeededBodies(sql: SqlConnection): BlobSweepDependencies["neededBodies"] {
	return async (keys) => {
		const rows = await sql.query<{ key: string }>("needed_bodies", NEEDED, [keys.flatMap((key) => deferredOfBody(key) ?? [])]);
		return new Set(rows.map(({ key }) => key));
	};
}
