import type { SqlConnection } from "#activities/ledger/settle-chunk.ts";
import { DEFERRED_STATUSES, type DeferredStatus } from "#domain/batching/deferred.ts";
import type { AnswerToDeliver, Collector, DeferredRecord, DeferredStore, DeferredSums } from "../deferred-port.ts";
import type { BatchRecord } from "../port.ts";
import { createAccepting } from "./accept-items.ts";
import { askBatches, listBatches } from "./ask-batches.ts";
import { parseRecord, type WireRecord } from "./deferred-record.ts";

const ITEM = "SELECT tollgate.deferred_record(b, i) AS reply FROM tollgate.batch_item i JOIN tollgate.batch b ON b.number = i.batch_number";
const READ = `${ITEM} WHERE i.custom_id = $2 AND i.attribution IS NOT NULL AND i.team_id = $1`;
const ANSWERED =
	"SELECT to_jsonb(custom_id) AS reply FROM tollgate.batch_item WHERE custom_id = ANY ($1) AND attribution IS NOT NULL AND answered_at IS NOT NULL";
const CANCEL = "SELECT tollgate.cancel_deferred($1, $2) AS reply";
const COLLECTING = "SELECT tollgate.collecting_batches($1) AS reply";
const READ_COLLECTOR = "SELECT tollgate.read_collector($1) AS reply";
const FLUSH = "SELECT tollgate.flush_collector($1, $2) AS reply";
const UNANSWERED = "SELECT tollgate.unanswered_items($1, $2, $3) AS reply";
const MARK_ANSWERED = "SELECT tollgate.mark_answered($1, $2)::text AS reply";
const SUMS = "SELECT tollgate.deferred_sums($1, to_timestamp($2::numeric / 1000), to_timestamp($3::numeric / 1000)) AS reply";
const HOLD_MORE = "SELECT tollgate.hold_more($1, $2::integer[], $3) AS reply";

/** As `deferredStatus` says of one (domain/batching/deferred.ts). */
const WITH_STATUS: Readonly<Record<DeferredStatus, string>> = {
	collecting: "i.answered_at IS NULL AND b.state = 'collecting'",
	waiting: "i.answered_at IS NULL AND b.state <> 'collecting' AND i.outcome IS NULL AND i.part IS NULL",
	running: "i.answered_at IS NULL AND b.state <> 'collecting' AND (i.outcome IS NOT NULL OR i.part IS NOT NULL)",
	succeeded: "i.answered_at IS NOT NULL AND i.outcome = 'succeeded'",
	failed: "i.answered_at IS NOT NULL AND i.outcome = 'errored'",
	expired: "i.answered_at IS NOT NULL AND i.outcome = 'expired'",
	cancelled: "i.answered_at IS NOT NULL AND i.outcome = 'cancelled'",
};

const listText = (condition: string): string => `${ITEM} WHERE i.team_id = $1 AND i.attribution IS NOT NULL AND ${condition}
	AND ($2::text IS NULL OR (i.held_at, i.custom_id) < (SELECT x.held_at, x.custom_id FROM tollgate.batch_item x WHERE x.custom_id = $2 AND x.attribution IS NOT NULL AND x.team_id = $1))
	ORDER BY i.held_at DESC, i.custom_id DESC LIMIT $3`;
const LIST = listText("true");
const LIST_WITH = Object.fromEntries(DEFERRED_STATUSES.map((status) => [status, listText(WITH_STATUS[status])])) as Readonly<Record<DeferredStatus, string>>;

/** Items that were handed in alone, over migrations/0026 and 0031. */
export function createPostgresDeferredStore(sql: SqlConnection): DeferredStore {
	const readDeferred = async (teamId: string, deferredId: string): Promise<DeferredRecord | undefined> =>
		(await listBatches<WireRecord>(sql, "read_deferred", READ, [teamId, deferredId])).map(parseRecord)[0];
	return {
		accept: createAccepting(sql),
		readDeferred,
		async listDeferred(teamId, { after, limit, status }) {
			const [name, text] = status === undefined ? ["list_deferred", LIST] : [`list_deferred_${status}`, LIST_WITH[status]];
			return (await listBatches<WireRecord>(sql, name, text, [teamId, after, limit])).map(parseRecord);
		},
		answered: (deferredIds) => listBatches<string>(sql, "answered_deferred", ANSWERED, [deferredIds]),
		async cancelDeferred(teamId, deferredId) {
			await askBatches<boolean>(sql, "cancel_deferred", CANCEL, [teamId, deferredId]);
			return readDeferred(teamId, deferredId);
		},
		collecting: (most) => listBatches<Collector>(sql, "collecting_batches", COLLECTING, [most]),
		readCollector: async (batchId) => (await askBatches<Collector | null>(sql, "read_collector", READ_COLLECTOR, [batchId])) ?? undefined,
		flush: async (batchId, version) => (await askBatches<BatchRecord | null>(sql, "flush_collector", FLUSH, [batchId, version])) ?? undefined,
		unanswered: (batchId, after, most) => listBatches<AnswerToDeliver>(sql, "unanswered_items", UNANSWERED, [batchId, after, most]),
		async markAnswered(batchId, answers) {
			await askBatches(sql, "mark_answered", MARK_ANSWERED, [batchId, JSON.stringify(answers)]);
		},
		sums: (teamId, { sinceMs, untilMs }) => listBatches<DeferredSums>(sql, "deferred_sums", SUMS, [teamId, sinceMs, untilMs]),
		holdMore: (batchId, numbers, { waitIsOver }) => askBatches(sql, "hold_more", HOLD_MORE, [batchId, numbers, waitIsOver]),
	};
}
