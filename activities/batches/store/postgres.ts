import type { SqlConnection } from "#activities/ledger/settle-chunk.ts";
import { isFinalBatch, mayMove, mayMovePart } from "#domain/batching/batch-moves.ts";
import type { PartRecord } from "#domain/batching/batch-part.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { BatchRecord, BatchStore, BookedTry, FileRecord, ItemToSend } from "../port.ts";
import { askBatches, listBatches } from "./ask-batches.ts";
import { bookItems } from "./book-items.ts";
import { holdBatch } from "./hold-batch.ts";

const FILE = "SELECT tollgate.batch_file_record(f) AS reply FROM tollgate.batch_file f";
const BATCH = "SELECT tollgate.batch_record(b) AS reply FROM tollgate.batch b";
const PART = "SELECT tollgate.batch_part_record(b.id, p) AS reply FROM tollgate.batch_part p JOIN tollgate.batch b ON b.number = p.batch_number";

const CREATE_FILE = "SELECT tollgate.create_batch_file($1) AS reply";
const READ_FILE = `${FILE} WHERE f.id = $1 AND f.team_id = $2`;
const LIST_FILES = `${FILE} WHERE f.team_id = $1
	AND ($2::text IS NULL OR (f.created_at, f.id) < (SELECT x.created_at, x.id FROM tollgate.batch_file x WHERE x.id = $2 AND x.team_id = $1))
	ORDER BY f.created_at DESC, f.id DESC LIMIT $3`;
const DELETE_FILE = "SELECT tollgate.delete_batch_file($1, $2) AS reply";

const BEGIN = "SELECT tollgate.begin_batch($1) AS reply";
const ADD_ITEMS =
	"SELECT tollgate.add_batch_items($1, $2::integer[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::integer[], $8::bigint[], $9::text[])::text AS reply";
const ABANDON = "SELECT tollgate.abandon_batch($1) AS reply";
const READ = `${BATCH} WHERE b.id = $1 AND ($2::text IS NULL OR (b.team_id = $2 AND b.forgotten_at IS NULL AND b.origin = 'caller'))`;
const LIST = `${BATCH} WHERE ($1::text IS NULL OR (b.team_id = $1 AND b.forgotten_at IS NULL AND b.origin = 'caller')) AND ($3::text[] IS NULL OR b.state = ANY ($3)) AND ($4::text IS NULL OR b.protocol = $4)
	AND (b.held_at IS NOT NULL OR (b.origin = 'collected' AND b.items > 0)) AND ($2::text IS NULL OR b.number < (SELECT x.number FROM tollgate.batch x WHERE x.id = $2))
	ORDER BY b.number DESC LIMIT $5`;
const FORGET = "SELECT tollgate.forget_batch($1, $2) AS reply";
const ASK_CANCEL = "SELECT tollgate.ask_batch_cancel($1, $2) AS reply";
const MOVE = "SELECT tollgate.move_batch($1, $2, $3, $4) AS reply";
const TO_TELL = `${BATCH} WHERE b.state = 'held' OR (b.state = 'running' AND b.cancel_asked_at IS NOT NULL) ORDER BY b.number LIMIT $1`;

const item = (tryNumber: string): string => `SELECT jsonb_build_object('n', i.n, 'customId', i.custom_id, 'boundNanoUsd', i.bound_nano_usd::text,
	'boundTokens', i.bound_tokens, 'boundInputTokens', i.bound_input_tokens, 'embeddingInputs', i.embedding_inputs, 'bytes', i.bytes, 'tiers', i.tiers, 'tryNumber', ${tryNumber})
	|| CASE WHEN i.attribution IS NULL THEN '{}' ELSE jsonb_build_object('bodyBlobKey', i.body_blob_key, 'deadlineMs', tollgate.to_ms(i.deadline), 'mayGoRealTime', i.may_go_real_time) END AS reply
	FROM tollgate.batch_item i WHERE i.batch_number = (SELECT b.number FROM tollgate.batch b WHERE b.id = $1) AND i.outcome IS NULL`;
const TO_SEND = `${item("i.try + 1")} AND i.part IS NULL AND i.n > $2 ORDER BY i.n LIMIT $3`;
const OF_PART = `${item("i.try")} AND i.part = $2 AND i.n > $3 ORDER BY i.n LIMIT $4`;
const ENDINGS = `SELECT json_build_object('n', i.n, 'tryNumber', i.outcome_try, 'outcome', i.outcome) AS reply FROM tollgate.batch_item i
	WHERE i.batch_number = (SELECT b.number FROM tollgate.batch b WHERE b.id = $1) AND i.outcome IS NOT NULL AND i.n > $2 ORDER BY i.n LIMIT $3`;
const WRITE_PART = "SELECT tollgate.write_batch_part($1, $2::integer[]) AS reply";
const READ_PART = `${PART} WHERE b.id = $1 AND p.part = $2`;
const MOVE_PART = "SELECT tollgate.move_batch_part($1, $2, $3, $4, $5) AS reply";
const PARTS = `${PART} WHERE b.id = $1 ORDER BY p.part`;
/** No provider keeps results for longer. */
const KNOWN = `SELECT json_build_object('id', provider_batch_id, 'isCertain', bool_or(is_certain)) AS reply FROM tollgate.batch_part
	WHERE provider = $1 AND provider_batch_id IS NOT NULL AND created_at > statement_timestamp() - interval '31 days' GROUP BY provider_batch_id`;
const HEDGE = `SELECT json_build_object(
	'byMs', (SELECT tollgate.to_ms(min(w.deadline - (w.place - 1) * $2 * interval '1 millisecond'))
		FROM (SELECT deadline, row_number() OVER (ORDER BY deadline) AS place FROM tollgate.waiting_in_batches($1)) w),
	'parts', (SELECT coalesce(json_agg(json_build_object('part', p.part, 'items', p.items, 'waiting', (
			SELECT count(*) FROM tollgate.batch_item i WHERE i.batch_number = p.batch_number AND i.part = p.part AND i.outcome IS NULL)) ORDER BY p.part), '[]')
		FROM tollgate.batch_part p JOIN tollgate.batch b ON b.number = p.batch_number WHERE b.id = $1 AND p.lane = 'batch' AND p.state = 'running')) AS reply`;
const RELEASE = "SELECT tollgate.release_batch_items($1, $2, $3) AS reply";
const CLOSE = "SELECT tollgate.close_batch_hold($1)::text AS reply";

type WireItem = Omit<ItemToSend, "boundNanoUsd"> & { readonly boundNanoUsd: string };

const parseItem = ({ boundNanoUsd, ...rest }: WireItem): ItemToSend => ({ ...rest, boundNanoUsd: BigInt(boundNanoUsd) });

/** Batches over migrations/0024 and 0025, whose functions lock, judge and write in one statement each. `onBooked` is waited for. */
export function createPostgresBatchStore(sql: SqlConnection, onBooked?: (tries: readonly BookedTry[]) => Promise<void>): BatchStore {
	const ask = <Reply>(name: string, text: string, values: readonly unknown[]): Promise<Reply> => askBatches(sql, name, text, values);
	const list = <Reply>(name: string, text: string, values: readonly unknown[]): Promise<readonly Reply[]> => listBatches(sql, name, text, values);
	return {
		...filesOf(sql),
		...partsOf(sql),
		async begin(batch) {
			const record = await ask<BatchRecord | null>("begin_batch", BEGIN, [JSON.stringify(batch)]);
			if (record === null) throw missingFile(batch.inputFileId);
			return record;
		},
		async addItems(batchId, items) {
			const [numbers, customIds] = [items.map(({ n }) => n), items.map(({ customId }) => customId)];
			const [nanoUsd, tokens] = [items.map(({ boundNanoUsd }) => boundNanoUsd.toString()), items.map(({ boundTokens }) => boundTokens)];
			const [inputTokens, bytes, tiers] = [items.map((each) => each.boundInputTokens), items.map((each) => each.bytes), items.map((each) => each.tiers.join())];
			const embeddingInputs = items.map((each) => each.embeddingInputs ?? 1);
			await ask("add_batch_items", ADD_ITEMS, [batchId, numbers, customIds, nanoUsd, tokens, inputTokens, embeddingInputs, bytes, tiers]);
		},
		hold: (batchId, wait) => holdBatch(sql, batchId, wait),
		async abandon(batchId) {
			await ask<boolean>("abandon_batch", ABANDON, [batchId]);
		},
		read: async (batchId, teamId) => (await list<BatchRecord>("read_batch", READ, [batchId, teamId ?? null]))[0],
		list: (teamId, { after, limit, states, protocol }) => list("list_batches", LIST, [teamId, after, states ?? null, protocol ?? null, limit]),
		askCancel: (batchId, by) => ask("ask_batch_cancel", ASK_CANCEL, [batchId, by]),
		forget: (teamId, batchId) => ask("forget_batch", FORGET, [teamId, batchId]),
		async move(batchId, to, detail) {
			for (;;) {
				const [batch] = await list<BatchRecord>("read_batch", READ, [batchId, null]);
				if (batch === undefined) throw new CostControlError("batch.missing", `there is no batch ${batchId}`);
				if (!mayMove(batch.state, to))
					throw new CostControlError(
						isFinalBatch(batch.state) ? "batch.ended" : "internal.invariant",
						`batch ${batchId} is ${batch.state}: it does not become ${to}`,
					);
				// Where it moved meanwhile, it is looked at again.
				const moved = await ask<BatchRecord | null>("move_batch", MOVE, [batchId, batch.state, to, JSON.stringify(detail)]);
				if (moved !== null) return moved;
			}
		},
		async book(batchId, bookings) {
			const tries = await bookItems(sql, batchId, bookings);
			await onBooked?.(tries);
			return tries.map(({ booking }) => booking.n);
		},
		async closeHold(batchId) {
			await ask("close_batch_hold", CLOSE, [batchId]);
		},
		toTell: (most) => list("batches_to_tell", TO_TELL, [most]),
	};
}

function filesOf(sql: SqlConnection): Pick<BatchStore, "createFile" | "readFile" | "listFiles" | "deleteFile"> {
	return {
		createFile: (file) => askBatches(sql, "create_batch_file", CREATE_FILE, [JSON.stringify(file)]),
		readFile: async (teamId, fileId) => (await listBatches<FileRecord>(sql, "read_batch_file", READ_FILE, [fileId, teamId]))[0],
		listFiles: (teamId, { after, limit }) => listBatches(sql, "list_batch_files", LIST_FILES, [teamId, after, limit]),
		async deleteFile(teamId, fileId) {
			const verdict = await askBatches<"deleted" | "missing" | "in_use">(sql, "delete_batch_file", DELETE_FILE, [teamId, fileId]);
			if (verdict === "in_use") throw new CostControlError("file.in_use", `file ${fileId} is the input of a batch that has not ended`);
			return verdict === "deleted";
		},
	};
}

function partsOf(
	sql: SqlConnection,
): Pick<BatchStore, "itemsToSend" | "itemsOfPart" | "endings" | "writePart" | "movePart" | "parts" | "knownProviderBatches" | "releaseItems" | "readHedge"> {
	return {
		itemsToSend: async (batchId, after, most) => (await listBatches<WireItem>(sql, "items_to_send", TO_SEND, [batchId, after, most])).map(parseItem),
		itemsOfPart: async ({ batchId, part }, after, most) =>
			(await listBatches<WireItem>(sql, "items_of_part", OF_PART, [batchId, part, after, most])).map(parseItem),
		endings: (batchId, after, most) => listBatches(sql, "batch_endings", ENDINGS, [batchId, after, most]),
		writePart: (part, numbers) => askBatches(sql, "write_batch_part", WRITE_PART, [JSON.stringify(part), numbers]),
		async movePart({ batchId, part: number }, to, { providerFileId, status, isCertain }) {
			const detail = JSON.stringify({ providerFileId, providerBatchId: status?.providerBatchId, isCertain });
			for (;;) {
				const [part] = await listBatches<PartRecord>(sql, "read_batch_part", READ_PART, [batchId, number]);
				if (part === undefined) throw new CostControlError("batch.missing", `batch ${batchId} has no part ${number}`);
				if (!mayMovePart(part.state, to))
					throw new CostControlError("internal.invariant", `part ${number} of batch ${batchId} is ${part.state}: it does not become ${to}`);
				const moved = await askBatches<PartRecord | null>(sql, "move_batch_part", MOVE_PART, [batchId, number, part.state, to, detail]);
				if (moved !== null) return moved;
			}
		},
		parts: (batchId) => listBatches(sql, "batch_parts", PARTS, [batchId]),
		async knownProviderBatches(provider) {
			const known = await listBatches<{ id: string; isCertain: boolean }>(sql, "known_provider_batches", KNOWN, [provider]);
			return new Map(known.map(({ id, isCertain }) => [id, { isCertain }]));
		},
		readHedge: (batchId, spacingMs) => askBatches(sql, "read_hedge", HEDGE, [batchId, spacingMs]),
		releaseItems: ({ batchId, part }, as) => askBatches(sql, "release_batch_items", RELEASE, [batchId, part, as]),
	};
}

function missingFile(fileId: string | null): CostControlError {
	return new CostControlError("file.missing", `there is no file ${fileId}`);
}
