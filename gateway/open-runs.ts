import { randomBytes } from "node:crypto";
import type { LedgerWriter } from "#activities/ledger/record.ts";
import type { GatewayEpoch, SqlConnection } from "#activities/ledger/settle-chunk.ts";
import type { RunLeases } from "#activities/request/run-leases.ts";
import { CallRuns } from "#activities/request/run-step.ts";
import type { RunGuard } from "#activities/runs/guard-port.ts";
import type { RegisterRun, RunFlushes, RunStore } from "#activities/runs/port.ts";
import { createPostgresRunStore } from "#activities/runs/postgres.ts";
import { openRunGuard } from "#activities/runs/run-guard.ts";
import { runBudgets } from "#domain/agents/run-budgets.ts";
import { writeRunLimits } from "#domain/agents/run-limits.ts";
import type { RunPolicy } from "#domain/agents/run-policy.ts";

/** The agent runs of one gateway epoch. */
export type OpenedRuns = {
	readonly guard: RunGuard;
	readonly store: RunStore;
	/** As the pipeline and the lease keeper use the guard. */
	readonly calls: CallRuns;
	/** What rides with the flushes of the ledger. */
	readonly flushes: RunFlushes;
	/** How a run of the team is opened that nobody is above of. */
	openingOf(teamId: string): RunOpening;
};

type RunOpening = Pick<RegisterRun, "defaults" | "budgets" | "newRunsPerHour" | "onLoop">;

export type OpenRunsOptions = GatewayEpoch & {
	/** The connection calls wait on. */
	readonly sql: SqlConnection;
	readonly leases: RunLeases;
	/** What holds for the runs of a team. */
	readonly policyOf: (teamId: string) => RunPolicy;
	/** Asked for once the first step has ended. */
	readonly writer: () => CountedWriter;
	readonly onError: (error: unknown) => void;
};

export function openRuns({ sql, gatewayId, epoch, leases, policyOf, writer, onError }: OpenRunsOptions): OpenedRuns {
	const store = leases.over(createPostgresRunStore(sql, { gatewayId, epoch }));
	const { guard, flushes } = openRunGuard({
		store,
		gatewayId,
		policyOf,
		adoptLeases: () => undefined, // the store brought them to the book
		forgetResting: (budgetIds) => leases.forgetResting(budgetIds),
		writer: {
			get enqueuedRows() {
				return writer().enqueuedRows;
			},
			get pendingRows() {
				return writer().pendingRows;
			},
			noteRuns: () => writer().noteRuns?.(),
		},
		onRevision: (revision) => leases.onRevision(revision),
		onError,
		nowMs: () => performance.now(),
		wallClockMs: () => Date.now(),
		randomBytes,
	});
	return { guard, store, flushes, calls: new CallRuns(guard), openingOf: (teamId) => openingOf(policyOf(teamId)) };
}

function openingOf({ limits, newRunsPerHour, onLoop }: RunPolicy): RunOpening {
	return { defaults: writeRunLimits(limits), budgets: runBudgets(limits), newRunsPerHour, onLoop };
}

export type CountedWriter = LedgerWriter & {
	/** Rows it was given since the start. */
	readonly enqueuedRows: number;
};

/** The same writer, with its rows counted. */
export function countRows(writer: LedgerWriter): CountedWriter {
	let enqueuedRows = 0;
	return {
		enqueueAttempt(row) {
			enqueuedRows += 1;
			writer.enqueueAttempt(row);
		},
		enqueueRefusal(record) {
			enqueuedRows += 1;
			writer.enqueueRefusal(record);
		},
		noteRuns: () => writer.noteRuns?.(),
		flush: (deadlineMs) => writer.flush(deadlineMs),
		get pendingRows() {
			return writer.pendingRows;
		},
		get enqueuedRows() {
			return enqueuedRows;
		},
		close: (deadlineMs) => writer.close(deadlineMs),
	};
}
