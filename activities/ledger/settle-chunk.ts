import type { QueryResultRow } from "pg";
import type { Claim } from "../authority/port.ts";
import type { FlushedRun, RunNote } from "../runs/port.ts";
import { stringifyClean } from "./clean-text.ts";
import type { LedgerItem } from "./ledger-row.ts";

/** What the ledger needs of a connection; activities/database/connection.ts is one. */
export type SqlConnection = { query<Row extends QueryResultRow>(name: string, text: string, values: readonly unknown[]): Promise<Row[]> };

/** Answer to a flushed chunk; it carries the same news as a heartbeat. */
export type SettleReply = {
	/** Attempts and refusals that were new. */
	readonly inserted: number;
	readonly refusals: number;
	/** null when nothing was new. */
	readonly chunkSeq: bigint | null;
	readonly hash: string | null;
	/** The epoch is fenced or closed: it may settle, never spend. */
	readonly isFenced: boolean;
	readonly revision: bigint;
	/** Newest request that every gateway flush; 0 = none. */
	readonly flushRequest: bigint;
	/** Open claims of other gateways. */
	readonly claims: readonly Claim[];
	/** Of the runs of the chunk and of its notes, and of all above them. */
	readonly runs: readonly FlushedRun[];
	/** Why none of the chunk's notes was stored; null = all were. */
	readonly notesProblem: string | null;
};

export type GatewayEpoch = { readonly gatewayId: string; readonly epoch: bigint };

type WireReply = {
	readonly inserted: number;
	readonly refusals: number;
	readonly chunkSeq: string | null;
	readonly hash: string | null;
	readonly fenced: boolean;
	readonly revision: string;
	readonly flushRequest: string;
	readonly claims: readonly { readonly id: string; readonly windowIds: readonly string[] }[];
	readonly runs: readonly FlushedRun[];
	readonly notesProblem: string | null;
};

const SETTLE = "SELECT tollgate.settle_chunk($1, $2, $3::json, $4::json, $5::json, $6::json) AS reply";

/** Flushes a chunk in one statement, with what there is to say of runs. Throws as the connection does. */
export function settleChunk(sql: SqlConnection, epoch: GatewayEpoch, items: readonly LedgerItem[], notes: readonly RunNote[] = []): Promise<SettleReply> {
	const attempts = items.filter((item) => item.kind === "attempt").map((item) => item.json);
	const refusals = items.filter((item) => item.kind === "refusal").map((item) => item.json);
	return settle(sql, epoch, [`[${attempts.join()}]`, `[${refusals.join()}]`, "[]", notes.length === 0 ? "[]" : notesJson(notes)]);
}

/** Books a rejected row at its reservation, where that is known, and keeps what it was. */
export function settleQuarantined(
	sql: SqlConnection,
	epoch: GatewayEpoch,
	row: { readonly bookedJson: string | undefined; readonly quarantineJson: string },
): Promise<SettleReply> {
	return settle(sql, epoch, [row.bookedJson === undefined ? "[]" : `[${row.bookedJson}]`, "[]", `[${row.quarantineJson}]`, "[]"]);
}

/** Amounts as decimal strings: those of ceilings are bigints. */
function notesJson(notes: readonly RunNote[]): string {
	return stringifyClean(
		notes.map(({ verdicts, ...note }) => ({
			...note,
			verdicts: verdicts.map((verdict) => ({ ...verdict, measured: String(verdict.measured), threshold: String(verdict.threshold) })),
		})),
	);
}

async function settle(sql: SqlConnection, epoch: GatewayEpoch, lists: readonly string[]): Promise<SettleReply> {
	const rows = await sql.query<{ reply: WireReply }>("settle_chunk", SETTLE, [epoch.gatewayId, epoch.epoch.toString(), ...lists]);
	const reply = rows[0]?.reply;
	if (!reply) throw new Error("tollgate.settle_chunk returned no row");
	return {
		inserted: reply.inserted,
		refusals: reply.refusals,
		chunkSeq: reply.chunkSeq === null ? null : BigInt(reply.chunkSeq),
		hash: reply.hash,
		isFenced: reply.fenced,
		revision: BigInt(reply.revision),
		flushRequest: BigInt(reply.flushRequest),
		claims: reply.claims.map((claim) => ({ id: BigInt(claim.id), windowIds: claim.windowIds })),
		runs: reply.runs,
		notesProblem: reply.notesProblem,
	};
}

/** The five characters PostgreSQL gives a kind of error, also where the connection wrapped it. */
export function sqlState(error: unknown): string | undefined {
	for (let current: unknown = error; current instanceof Error; current = current.cause) {
		const code = (current as { code?: unknown }).code;
		if (typeof code === "string" && /^[0-9A-Z]{5}$/.test(code)) return code;
	}
	return undefined;
}

/** The data is at fault (22 data exception, 23 integrity, 54 too large for an index): trying again cannot help. */
export function isRejectedData(error: unknown): boolean {
	return ["22", "23", "54"].includes(sqlState(error)?.slice(0, 2) ?? "");
}

/** The statement ran longer than it may (57014): a smaller chunk can help. */
export function isTooSlow(error: unknown): boolean {
	return sqlState(error) === "57014";
}
