import { Broken } from "#test/govern/broken.ts";
import { until } from "#test/support/until.ts";
import { type DeferredEntry, type DeferredJudged, type DeferredRow, judgeDeferred } from "./judge-deferred.ts";
import { type BatchRow, type EntryRow, judgeBooked, judgeDelivered } from "./judge-items.ts";
import { judgeWebhooks, type UndeliveredRow, type WebhookRow, type WebhooksJudged } from "./judge-webhooks.ts";
import type { Run } from "./run.ts";
import type { DeferredRun } from "./run-deferred.ts";
import type { BatchSystem } from "./system.ts";

/**
 * Judges by what the callers downloaded, what receivers were told, the provider's log, the ledger, the rows of refusals and the leases alone: nothing that
 * a batch says of itself is believed.
 */
export type Judged = {
	readonly items: number;
	readonly delivered: number;
	/** Of items of batches: tries that the provider billed as calls. */
	readonly realTime: number;
	/** Lines of the provider's log. */
	readonly billed: number;
	/** Charged at their bound, since nobody knows what became of them. */
	readonly unresolved: number;
	/** Billed beside what their items cost already. */
	readonly doubles: number;
	readonly overspendNanoUsd: string;
	readonly overrunNanoUsd: string;
	/** Of items handed in alone; what is above counts theirs too, but for `items` and `delivered`. */
	readonly deferred: DeferredJudged;
	/** Of those that named a channel which is told of their end. */
	readonly webhooks: WebhooksJudged;
};

/** What the callers of batches, and those of single items, have seen. */
export type Seen = { readonly runs: readonly Run[]; readonly deferred: readonly DeferredRun[] };

const BATCHES = "SELECT id, number::text, team_id, items FROM tollgate.batch WHERE held_at IS NOT NULL AND origin = 'caller'";
/** Of everything that batches sent, in either lane. */
export const ENTRIES = `
	SELECT e.attempt_id, a.request_id, a.outcome, a.service_tier, starts_with(coalesce(a.reason, ''), 'duplicate') AS is_double, a.cost_nano_usd::text, count(*)::text AS entries
	FROM tollgate.entry e JOIN tollgate.attempt a ON a.attempt_id = e.attempt_id
	WHERE e.gateway_id ~ '^batch[0-9]+$' GROUP BY 1, 2, 3, 4, 5, 6`;
/** Items that were handed in alone. */
export const DEFERRED = `
	SELECT i.custom_id AS id, i.team_id, i.lane, i.may_go_real_time, tollgate.to_ms(i.held_at)::float8 AS accepted_at_ms,
	       tollgate.to_ms(i.deadline)::float8 AS deadline_ms, tollgate.to_ms(i.answered_at)::float8 AS answered_at_ms, p.lane AS part_lane,
	       tollgate.to_ms(p.created_at)::float8 AS written_at_ms, tollgate.to_ms(p.submit_began_at)::float8 AS sent_at_ms
	FROM tollgate.batch_item i LEFT JOIN tollgate.batch_part p ON p.batch_number = i.batch_number AND p.part = i.part WHERE i.attribution IS NOT NULL`;
/** What batches hold by their leases, whoever says that they have ended. */
const HELD = `
	SELECT l.gateway_id, sum(l.granted - l.returned - l.posted)::text AS held FROM tollgate.lease l
	WHERE l.gateway_id ~ '^batch[0-9]+$' GROUP BY 1 HAVING sum(l.granted - l.returned - l.posted) <> 0`;
/** One that collects and has nothing open never began. */
const UNFINISHED = `
	SELECT id, state FROM tollgate.batch
	WHERE state NOT IN ('completed', 'expired', 'cancelled', 'failed') AND (state <> 'collecting' OR (origin = 'collected' AND open_items > 0))`;
const WEBHOOKS = "SELECT deferred_id, team_id, channel, state FROM tollgate.deferred_webhook";
const UNTOLD = "SELECT deferred_id, channel, attempts, last_error FROM tollgate.deferred_webhook WHERE state = 'waiting' LIMIT 5";
const UNDELIVERED = "SELECT team_id, detail ->> 'channel' AS channel FROM tollgate.alert WHERE kind = 'deferred.undelivered'";
const REFUSALS = "SELECT team_id, count(*)::integer AS refusals FROM tollgate.refusal WHERE NOT is_observed GROUP BY 1";

const QUIET_WITHIN_MS = 120_000;

/** All runs so far. Rejects with Broken where an item, an entry or held money is not as it must be; `onLate` hears of each late item and why. */
export async function judge(system: BatchSystem, seen: Seen, onLate: (line: string) => void): Promise<Judged> {
	const { runs, deferred } = seen;
	await quiet(system);
	const batches = await system.sql<BatchRow>(BATCHES);
	await judgeRefusals(system, seen);
	const delivered = runs.reduce((sum, run) => sum + judgeDelivered(run), 0);
	const entries = await system.sql<EntryRow & DeferredEntry>(ENTRIES);
	const log = system.stand.provider.calls();
	const realTime = judgeBooked({ batches, runs, entries, logged: log, outages: system.outages });
	const judged = judgeDeferred({ runs: deferred, rows: await system.sql<DeferredRow>(DEFERRED), entries, logged: log, outages: system.outages }, onLate);
	const webhooks = await judgeTold(system, deferred);
	const { report, findings } = await system.stand.verify();
	const complaints = findings.slice(0, 5).map(({ kind, row, message }) => `${kind}: ${row} ${message}`);
	if (!report.ok || report.overspendNanoUsd !== "0") throw new Broken(`verify: ${JSON.stringify(report)} ${complaints.join("; ")}`);
	return {
		items: batches.reduce((sum, { items }) => sum + items, 0),
		delivered,
		realTime,
		billed: log.length,
		unresolved: entries.filter(({ outcome }) => outcome === "unresolved").length,
		doubles: entries.filter(({ is_double }) => is_double).length,
		overspendNanoUsd: report.overspendNanoUsd,
		overrunNanoUsd: report.overrunNanoUsd,
		deferred: judged,
		webhooks,
	};
}

/** Waits until nothing is unfinished, nothing is held and nothing is to be told; what stays so is broken. */
export async function quiet(system: BatchSystem): Promise<void> {
	let left: readonly string[] = [];
	try {
		await until(
			"the end of all batches",
			async () => {
				const unfinished = (await system.sql<{ id: string; state: string }>(UNFINISHED)).map(({ id, state }) => `${id} is ${state}`);
				const held = (await system.sql<{ gateway_id: string; held: string }>(HELD)).map((row) => `${row.gateway_id} holds ${row.held}`);
				const untold = (await system.sql<UntoldRow>(UNTOLD)).map(sayUntold);
				left = [...unfinished, ...held, ...untold];
				return left.length === 0;
			},
			QUIET_WITHIN_MS,
		);
	} catch (error) {
		if (left.length === 0) throw error;
		throw new Broken(`after the end: ${left.join("; ")}`);
	}
}

type UntoldRow = { deferred_id: string; channel: string; attempts: number; last_error: string | null };

function sayUntold({ deferred_id: id, channel, attempts, last_error: said }: UntoldRow): string {
	return `${channel} has not been told of ${id} in ${attempts} tries${said === null ? "" : ` (${said})`}`;
}

async function judgeTold(system: BatchSystem, runs: readonly DeferredRun[]): Promise<WebhooksJudged> {
	const [rows, undelivered] = [await system.sql<WebhookRow>(WEBHOOKS), await system.sql<UndeliveredRow>(UNDELIVERED)];
	return judgeWebhooks({ runs, deliveries: system.webhooks.deliveries, rows, undelivered, outages: system.outages });
}

/** Who was answered 402 has a row that says why, and who was not, none: more rows may stand for answers that were lost. */
async function judgeRefusals(system: BatchSystem, { runs, deferred }: Seen): Promise<void> {
	const rows = new Map((await system.sql<{ team_id: string; refusals: number }>(REFUSALS)).map((row) => [row.team_id, row.refusals]));
	const refusedTimes = [...runs, ...deferred.map(({ teamId, refused }) => ({ teamId, refusals: refused.length }))];
	for (const { teamId, refusals } of refusedTimes) {
		if ((rows.get(teamId) ?? 0) < refusals) throw new Broken(`${teamId} was refused ${refusals} times, of which ${rows.get(teamId) ?? 0} have a row`);
	}
}
