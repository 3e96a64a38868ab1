import { type SqlConnection, sqlState } from "#activities/ledger/settle-chunk.ts";
import { assert } from "#domain/assert.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

/** One function of migrations/0024 or 0025, which answers one row. */
export async function askBatches<Reply>(sql: SqlConnection, name: string, text: string, values: readonly unknown[]): Promise<Reply> {
	const [reply, ...others] = await listBatches<Reply>(sql, name, text, values);
	assert(reply !== undefined && others.length === 0, `tollgate.${name} answers one row`);
	return reply;
}

/** The same for what answers any number of rows, each in a column `reply`. */
export async function listBatches<Reply>(sql: SqlConnection, name: string, text: string, values: readonly unknown[]): Promise<readonly Reply[]> {
	try {
		return (await sql.query<{ reply: Reply }>(name, text, values)).map(({ reply }) => reply);
	} catch (error) {
		throw toBatchError(error);
	}
}

/** What the functions refuse: a batch or part that is not there (no_data_found), a step out of its order (object_not_in_prerequisite_state). */
function toBatchError(error: unknown): unknown {
	const message = error instanceof Error ? error.message : String(error);
	switch (sqlState(error)) {
		case "P0002":
			return new CostControlError("batch.missing", message, { cause: error });
		case "55000":
			return new CostControlError("internal.invariant", message, { cause: error });
		default:
			return error;
	}
}
