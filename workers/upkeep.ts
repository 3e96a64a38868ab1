import type { Logger } from "pino";
import { Counter, Gauge, type Registry } from "prom-client";
import { sweepBatches } from "#activities/batches/store/sweep.ts";
import { sweepIdempotencyRecords } from "#activities/idempotency/postgres.ts";
import { lowerDueWindows } from "#activities/increases/postgres.ts";
import type { SqlConnection } from "#activities/ledger/settle-chunk.ts";
import { sweepSilentEpochs } from "#activities/ledger/sweep.ts";
import { anchorChains, ensurePartitions } from "#activities/ledger/upkeep.ts";
import { DEFAULT_TEAM_POLICY } from "#domain/budget/team-policy.ts";
import { exposeDeferredTotals } from "./deferred-totals.ts";
import { repeat } from "./shared/repeat.ts";

const SWEEP_EVERY_MS = 10_000;
const ANCHOR_EVERY_MS = 60_000;
const PARTITIONS_EVERY_MS = 3_600_000;
const EXPIRY_EVERY_MS = 60_000;
const TOTALS_EVERY_MS = 15_000;
/** A grant looks at the clock itself; this is for what gateways hold without asking. */
const RAISES_EVERY_MS = 1_000;

/** What PostgreSQL needs done by a clock, in one worker or several: partitions ahead, chain anchors, leases nobody adopts, raises that are over, stored answers past their time, batches begun and left. Returns how to stop. */
export function startUpkeep(
	sql: SqlConnection,
	{ log, metrics }: { readonly log: Pick<Logger, "info" | "warn" | "error">; readonly metrics: Registry },
): () => Promise<void> {
	const silent = new Gauge({
		name: "tollgate_silent_gateway_epochs",
		help: "Gateway epochs that are not heard of while money is pending on their leases.",
		registers: [metrics],
	});
	const ended = new Counter({
		name: "tollgate_swept_gateway_epochs_total",
		help: "Gateway epochs that were ended because nobody adopted them.",
		registers: [metrics],
	});
	const reported = new Set<string>();
	const sweep = async (): Promise<void> => {
		const report = await sweepSilentEpochs(sql, DEFAULT_TEAM_POLICY.maxCallMs);
		silent.set(report.waiting.length);
		ended.inc(report.ended.length);
		for (const { gatewayId, epoch, silentMs } of report.waiting) {
			const name = `${gatewayId}-${epoch}`;
			if (!reported.has(name))
				log.warn({ gatewayId, epoch: String(epoch), silentMs }, "a gateway that holds money is not heard of; its lease waits for its journal");
			reported.add(name);
		}
		for (const { gatewayId, epoch } of report.ended) log.warn({ gatewayId, epoch: String(epoch) }, "the lease of a gateway nobody adopted was ended");
	};
	const stops = [
		repeat({ name: "partitions", everyMs: PARTITIONS_EVERY_MS, work: async () => void (await ensurePartitions(sql)) }, log),
		repeat({ name: "anchors", everyMs: ANCHOR_EVERY_MS, work: async () => void (await anchorChains(sql)) }, log),
		repeat({ name: "sweep", everyMs: SWEEP_EVERY_MS, work: sweep }, log),
		repeat({ name: "raises that are over", everyMs: RAISES_EVERY_MS, work: async () => void (await lowerDueWindows(sql)) }, log),
		repeat({ name: "idempotency expiry", everyMs: EXPIRY_EVERY_MS, work: async () => void (await sweepIdempotencyRecords(sql)) }, log),
		repeat({ name: "sums of ended items", everyMs: TOTALS_EVERY_MS, work: exposeDeferredTotals(sql, metrics) }, log),
		repeat({ name: "batches begun and left", everyMs: EXPIRY_EVERY_MS, work: async () => void (await sweepBatches(sql)) }, log),
	];
	return async () => {
		await Promise.all(stops.map((stop) => stop()));
	};
}
