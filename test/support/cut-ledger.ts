import { Client, Connection as TemporalConnection } from "@temporalio/client";
import pg from "pg";
import { GovernanceClient } from "#clients/governance-client.ts";

/** What somebody with the database's password could do to a running system. */
type Endpoints = { readonly databaseUrl: string; readonly temporalAddress: string };

export async function onDatabase<Result>({ databaseUrl }: Pick<Endpoints, "databaseUrl">, work: (database: pg.Client) => Promise<Result>): Promise<Result> {
	const database = new pg.Client({ connectionString: databaseUrl });
	await database.connect();
	try {
		return await work(database);
	} finally {
		await database.end();
	}
}

/** As somebody with the database's password would. False where the last chunk of no gateway is known to the team's workflow yet. */
export async function cutLastChunk({ databaseUrl, temporalAddress }: Endpoints, team: string): Promise<boolean> {
	const connection = await TemporalConnection.connect({ address: temporalAddress });
	try {
		const { chainHeads } = await new GovernanceClient({ connection, client: new Client({ connection }) }).status(team);
		return await onDatabase({ databaseUrl }, (database) => cutOneOf(database, chainHeads));
	} finally {
		await connection.close();
	}
}

async function cutOneOf(
	database: pg.Client,
	heads: readonly { readonly gatewayId: string; readonly epoch: string; readonly chunkSeq: string }[],
): Promise<boolean> {
	const isLast = "NOT EXISTS (SELECT 1 FROM tollgate.chunk n WHERE n.gateway_id = $1 AND n.epoch = $2 AND n.chunk_seq > $3)";
	for (const { gatewayId, epoch, chunkSeq } of heads) {
		const place = [gatewayId, epoch, chunkSeq];
		const { rowCount } = await database.query(`DELETE FROM tollgate.chunk WHERE gateway_id = $1 AND epoch = $2 AND chunk_seq = $3 AND ${isLast}`, place);
		if (!rowCount) continue;
		await database.query("DELETE FROM tollgate.chain_anchor WHERE gateway_id = $1 AND epoch = $2 AND chunk_seq >= $3", place);
		return true;
	}
	return false;
}
