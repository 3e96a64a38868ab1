import { assert } from "#domain/assert.ts";
import type { KnownRecord, UnknownReason } from "#domain/idempotency/decide.ts";
import type { GatewayEpoch, SqlConnection } from "../ledger/settle-chunk.ts";
import type { AnswerCipher } from "./answer-cipher.ts";
import type { Beginning, Ending, IdempotencyStore, IdempotentRequest, StoredAnswer } from "./port.ts";
import { decodeStoredAnswer, encodeStoredAnswer } from "./stored-answer.ts";

/** Records over migrations/0006: one function call in one statement each. */

const BEGIN = "SELECT * FROM tollgate.begin_idempotency($1, $2, $3, $4, $5, $6, $7, $8)";
const FINISH = "SELECT tollgate.finish_idempotency($1, $2, $3, $4, $5, $6, $7, $8)";
const SWEEP = "SELECT tollgate.sweep_idempotency($1) AS removed";
const SWEEP_ROWS_MAX = 10_000;

type BeginRow = {
	verdict: "new" | KnownRecord["state"];
	same_request: boolean;
	ours: boolean;
	live: boolean;
	holder_request_id: string;
	why: UnknownReason | null;
	sealed: Buffer | null;
};

export type IdempotencyConnections = {
	/** A call waits for `begin`. */
	readonly asking: SqlConnection;
	/** Stored answers are up to 1 MiB: they must not stand before somebody's grant. */
	readonly storing: SqlConnection;
};

export function createPostgresIdempotencyStore(connections: IdempotencyConnections, gateway: GatewayEpoch, cipher: AnswerCipher): IdempotencyStore {
	const epoch = gateway.epoch.toString();
	return {
		async begin(request, inFlightMs) {
			const { keyId, keyHash, requestHash, endpoint, requestId } = request;
			const values = [keyId, keyHash, requestHash, endpoint, requestId, gateway.gatewayId, epoch, inFlightMs];
			const row = (await connections.asking.query<BeginRow>("begin_idempotency", BEGIN, values))[0];
			assert(row !== undefined, "tollgate.begin_idempotency returns a row");
			return toBeginning(row, request, cipher);
		},
		async finish(request, ending) {
			await connections.storing.query("finish_idempotency", FINISH, [
				request.keyId,
				request.keyHash,
				request.requestId,
				...finishValues(request, ending, cipher),
			]);
		},
	};
}

/** Deletes records past their 24 h; safe in several workers at once. Returns how many went. */
export async function sweepIdempotencyRecords(sql: SqlConnection): Promise<number> {
	const rows = await sql.query<{ removed: string }>("sweep_idempotency", SWEEP, [SWEEP_ROWS_MAX]);
	return Number(rows[0]?.removed ?? 0);
}

function toBeginning(row: BeginRow, request: IdempotentRequest, cipher: AnswerCipher): Beginning {
	if (row.verdict === "new") return { kind: "new" };
	return {
		kind: "known",
		record: { state: row.verdict, isSameRequest: row.same_request, isHolderLive: row.live, reason: row.why },
		isOurs: row.ours,
		holderRequestId: row.holder_request_id,
		answer: row.sealed === null ? undefined : open(row.sealed, request, cipher),
	};
}

function open(sealed: Buffer, request: IdempotentRequest, cipher: AnswerCipher): StoredAnswer | undefined {
	const plain = cipher.unseal(sealed, recordName(request));
	return plain && decodeStoredAnswer(plain);
}

function finishValues(request: IdempotentRequest, ending: Ending, cipher: AnswerCipher): readonly unknown[] {
	switch (ending.kind) {
		case "removed":
			return ["removed", null, null, null, null];
		case "unknown":
			return ["unknown", ending.attemptId, null, ending.reason, null];
		case "answered":
			return ["answered", ending.attemptId, ending.answer.status, null, cipher.seal(encodeStoredAnswer(ending.answer), recordName(request))];
	}
}

function recordName({ keyId, keyHash, requestHash }: IdempotentRequest): string {
	return `${keyId}/${keyHash.toString("hex")}/${requestHash.toString("hex")}`;
}
