import type { Queryable } from "#activities/keys/port.ts";
import type { Span } from "#domain/reports/report-period.ts";

/** One of some lanes, each of which holds other teams than the others. */
export type TeamPage = { readonly lane: number; readonly lanes: number; readonly after: string; readonly limit: number };

/** Teams of which something was booked in a time, by id. */
export async function readSpendingTeams(database: Queryable, { fromMs, toMs }: Span, { lane, lanes, after, limit }: TeamPage): Promise<readonly string[]> {
	const { rows } = await database.query<{ readonly id: string }>(
		`SELECT t.id FROM tollgate.team t
		 WHERE t.id > $3 AND (hashtext(t.id) & 2147483647) % $4 = $5 AND EXISTS (
			SELECT 1 FROM tollgate.spend_slice s JOIN tollgate.spend_hour h ON h.slice_id = s.id AND h.starts_at >= $1 AND h.starts_at < $2
			WHERE s.debit_account = 'team/' || t.id)
		 ORDER BY t.id LIMIT $6`,
		[new Date(fromMs).toISOString(), new Date(toMs).toISOString(), after, lanes, lane, limit],
	);
	return rows.map(({ id }) => id);
}
