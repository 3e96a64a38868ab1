import type { DeferredRecord, DeferredStore, DeferredSums } from "#activities/batches/deferred-port.ts";
import { createPostgresDeferredStore } from "#activities/batches/store/deferred.ts";
import type { Queryable } from "#activities/keys/port.ts";
import type { DeferredStatus } from "#domain/batching/deferred.ts";
import { formatInstant } from "#domain/budget/window.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

/** Items handed in alone, for operators: what PostgreSQL holds of them. */
export type DeferredFilter = {
	readonly teamId: string;
	readonly status?: DeferredStatus | undefined;
	readonly limit: number;
	/** Id of the last one seen. */
	readonly after?: string | undefined;
};

/** Newest first. */
export async function listDeferred(database: Queryable, { teamId, status, limit, after }: DeferredFilter): Promise<DeferredView[]> {
	const page = { after: after ?? null, limit, ...(status !== undefined && { status }) };
	return (await storeOver(database).listDeferred(teamId, page)).map(viewOf);
}

/** @throws CostControlError "deferred.missing". */
export async function readDeferred(database: Queryable, deferredId: string): Promise<DeferredView> {
	return viewOf(await known(database, deferredId, (store, teamId) => store.readDeferred(teamId, deferredId)));
}

/** Ends it at once where no part carries it; else it ends as its part does. @throws CostControlError "deferred.missing". */
export async function cancelDeferred(database: Queryable, deferredId: string): Promise<DeferredView> {
	return viewOf(await known(database, deferredId, (store, teamId) => store.cancelDeferred(teamId, deferredId)));
}

const DAY_MS = 86_400_000;
const NOW = "SELECT tollgate.to_ms(clock_timestamp())::float8 AS now_ms";

/** What was answered in the last `days`, by team and lane: what it cost, what real time would have cost, and what came late. */
export async function reportDeferred(database: Queryable, of: { readonly teamId?: string | undefined; readonly days: number }) {
	const untilMs = (await database.query<{ now_ms: number }>(NOW, [])).rows[0]?.now_ms ?? 0;
	const sinceMs = untilMs - of.days * DAY_MS;
	const lanes = (await storeOver(database).sums(of.teamId ?? null, { sinceMs, untilMs })).map(laneOf);
	return { since: formatInstant(sinceMs), until: formatInstant(untilMs), lanes, total: totalOf(lanes) };
}

function laneOf({ costNanoUsd, realTimeNanoUsd, ...sums }: DeferredSums) {
	return { ...sums, costNanoUsd, realTimeNanoUsd, savedNanoUsd: (BigInt(realTimeNanoUsd) - BigInt(costNanoUsd)).toString() };
}

type LaneReport = ReturnType<typeof laneOf>;

function totalOf(lanes: readonly LaneReport[]) {
	const sum = (of: (lane: LaneReport) => string): string => lanes.reduce((so, lane) => so + BigInt(of(lane)), 0n).toString();
	return {
		items: lanes.reduce((so, { items }) => so + items, 0),
		costNanoUsd: sum((lane) => lane.costNanoUsd),
		realTimeNanoUsd: sum((lane) => lane.realTimeNanoUsd),
		savedNanoUsd: sum((lane) => lane.savedNanoUsd),
		lateItems: lanes.reduce((so, { lateItems }) => so + lateItems, 0),
		lateMsMax: lanes.reduce((most, { lateMsMax }) => Math.max(most, lateMsMax), 0),
	};
}

const TEAM_OF = "SELECT team_id FROM tollgate.batch_item WHERE custom_id = $1 AND attribution IS NOT NULL";

async function known(
	database: Queryable,
	deferredId: string,
	ask: (store: DeferredStore, teamId: string) => Promise<DeferredRecord | undefined>,
): Promise<DeferredRecord> {
	const [row] = (await database.query<{ team_id: string }>(TEAM_OF, [deferredId])).rows;
	const record = row && (await ask(storeOver(database), row.team_id));
	if (record === undefined)
		throw new CostControlError(
			"deferred.missing",
			`There is no item ${JSON.stringify(deferredId.slice(0, 128))}. Those of a team: npx tollgate deferred list --team TEAM`,
			{ details: { field: "deferredId" } },
		);
	return record;
}

function viewOf(record: DeferredRecord) {
	const { deferredId, teamId, keyId, batchId, status, lane, endpoint, model, isLate, heldNanoUsd, costNanoUsd, httpStatus } = record;
	return {
		...{ deferredId, teamId, keyId, batchId, status, lane, endpoint, model, isLate, heldNanoUsd, costNanoUsd, httpStatus },
		acceptedAt: formatInstant(record.acceptedAtMs),
		deadline: instantOf(record.deadlineMs),
		answeredAt: instantOf(record.answeredAtMs),
	};
}
export type DeferredView = ReturnType<typeof viewOf>;

function instantOf(ms: number | null): string | null {
	return ms === null ? null : formatInstant(ms);
}

function storeOver(database: Queryable): DeferredStore {
	return createPostgresDeferredStore({ query: async (_name, statement, values) => (await database.query(statement, [...values])).rows as never });
}
