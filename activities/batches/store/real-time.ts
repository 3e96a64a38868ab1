import type { SqlConnection } from "#activities/ledger/settle-chunk.ts";
import type { Lane } from "#domain/batching/deferred.ts";
import type { RealTimeItem, RealTimeStore } from "../real-time-port.ts";
import { askBatches, listBatches } from "./ask-batches.ts";

const OF_BATCH = "i.batch_number = (SELECT b.number FROM tollgate.batch b WHERE b.id = $1) AND i.outcome IS NULL";

const CLAIM = "SELECT tollgate.claim_part($1, $2, $3, $4)::text AS reply";
const ITEMS = `SELECT json_build_object('n', i.n, 'tryNumber', i.try, 'customId', i.custom_id, 'boundNanoUsd', i.bound_nano_usd::text, 'bodyBlobKey', i.body_blob_key,
	'deadlineMs', tollgate.to_ms(i.deadline), 'isSent', i.sent_try IS NOT DISTINCT FROM i.try, 'isSecondHeld', i.is_second_held) AS reply
	FROM tollgate.batch_item i WHERE ${OF_BATCH} AND i.part = $2 AND i.n > $3 ORDER BY i.n LIMIT $4`;
const MARK = "SELECT tollgate.mark_sent($1, $2, $3, $4::integer[]) AS reply";
const UNMARK = "SELECT tollgate.unmark_sent($1, $2, $3::integer[])::text AS reply";
const FREE = "SELECT tollgate.free_items($1, $2, $3::integer[], $4::integer[])::text AS reply";
const WAITING = "SELECT json_build_object('n', w.n, 'part', w.part, 'deadlineMs', tollgate.to_ms(w.deadline)) AS reply FROM tollgate.waiting_in_batches($1) w";
const LANES = `SELECT json_build_array(i.n, i.lane) AS reply FROM tollgate.batch_item i WHERE ${OF_BATCH} AND i.part IS NULL AND i.try > 0 AND i.lane IS NOT NULL`;

type WireItem = Omit<RealTimeItem, "boundNanoUsd"> & { readonly boundNanoUsd: string };

/** Items in real time over migrations/0028. */
export function createRealTimeStore(sql: SqlConnection): RealTimeStore {
	return {
		claimPart: async ({ batchId, part }, caller, forMs) => Number(await askBatches<string>(sql, "claim_part", CLAIM, [batchId, part, caller, forMs])),
		itemsInRealTime: async ({ batchId, part }, after, most) =>
			(await listBatches<WireItem>(sql, "items_in_real_time", ITEMS, [batchId, part, after, most])).map(({ boundNanoUsd, ...rest }) => ({
				...rest,
				boundNanoUsd: BigInt(boundNanoUsd),
			})),
		markSent: ({ batchId, part }, caller, numbers) => askBatches(sql, "mark_sent", MARK, [batchId, part, caller, numbers]),
		async unmarkSent({ batchId, part }, numbers) {
			await askBatches(sql, "unmark_sent", UNMARK, [batchId, part, numbers]);
		},
		async freeItems({ batchId, part }, tries) {
			await askBatches(sql, "free_items", FREE, [batchId, part, tries.map(({ n }) => n), tries.map(({ tryNumber }) => tryNumber)]);
		},
		waitingInBatches: (batchId) => listBatches(sql, "waiting_in_batches", WAITING, [batchId]),
		lanesOfWaiting: async (batchId) => new Map(await listBatches<[number, Lane]>(sql, "lanes_of_waiting", LANES, [batchId])),
	};
}
