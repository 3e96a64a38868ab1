import type pg from "pg";

/** A run as a row, without a call that opened it: a root, or a child of the run whose path is given. Answers its path of numbers. */
export async function insertRun(
	client: pg.Client,
	run: { readonly runId: string; readonly teamId: string; readonly parentPath?: readonly string[] },
): Promise<string[]> {
	const parentPath = run.parentPath ?? [];
	const { rows } = await client.query<{ number: string }>(
		`INSERT INTO tollgate.run (number, id, team_id, key_id, origin, parent_number, root_number, path) OVERRIDING SYSTEM VALUE
		 SELECT n.number, $1, $2, 'key_' || $2, 'registered', $4, coalesce(($3::bigint[])[1], n.number), $3::bigint[] || n.number
		 FROM (SELECT nextval(pg_get_serial_sequence('tollgate.run', 'number')) AS number) n RETURNING number::text`,
		[run.runId, run.teamId, parentPath, parentPath.at(-1) ?? null],
	);
	return [...parentPath, rows[0]?.number ?? ""];
}

/** The ceilings of its whole chain, ascending. */
export async function setRunBudgets(client: pg.Client, runNumber: string, budgetIds: readonly string[]): Promise<void> {
	await client.query("UPDATE tollgate.run SET budget_ids = ARRAY(SELECT id FROM unnest($2::bigint[]) AS id ORDER BY 1) WHERE number = $1", [
		runNumber,
		budgetIds,
	]);
}
