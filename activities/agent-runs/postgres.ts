import type { QueryResultRow } from "pg";
import type { RunDecisionResult, RunFilter, RunGovernanceStore, RunListItem } from "#activities/runs/port.ts";
import type { RunRecord, RunTotals } from "#domain/agents/run.ts";
import type { RunDecision } from "#domain/agents/run-decision.ts";
import type { RunEventRow, RunSnapshot, RunStepRow } from "#domain/agents/run-snapshot.ts";
import { standingCeilings } from "#domain/agents/run-standing.ts";
import type { FieldProblem } from "#domain/budget/scope.ts";
import type { ErrorCode } from "#domain/errors/codes.ts";
import type { DueRun, RunDecisionStore, UntoldRuns } from "./port.ts";

const TRY_LOCK = "SELECT pg_try_advisory_lock($1) AS is_held";
/** Held by the session: whoever loses the connection loses the role. */
const STARTER_LOCK_ID = "718204023";
const DECIDE = "SELECT tollgate.decide_run($1) AS result";
const SNAPSHOT = "SELECT tollgate.run_snapshot($1) AS picture";
const LIST = "SELECT tollgate.list_runs($1) AS item";
const REMIND = "SELECT tollgate.remind_run($1, $2) AS is_new";
const DUE = "SELECT tollgate.runs_to_tell($1, $2, $3::bigint[], $4::bigint[]) AS run";
const MOVED = "SELECT tollgate.runs_moved($1)::text AS number";
const TOLD = "SELECT tollgate.run_told($1::bigint[], $2::bigint[], $3::bigint[])";
const ALERT = "SELECT tollgate.alert_runs() AS made";

/** One statement: a connection of a worker, or the pool of the administration. */
export type AskPostgres = <Row extends QueryResultRow>(name: string, text: string, values: readonly unknown[]) => Promise<readonly Row[]>;

/** As `tollgate.run_picture` answers. */
type Picture = Pick<RunSnapshot, "rootRunId" | "parentRunId" | "openedAtMs" | "heldAtMs" | "pauseHours"> & {
	readonly chain: readonly { readonly run: RunRecord; readonly totals: RunTotals }[];
	readonly steps: readonly RunStepRow[];
	readonly events: readonly RunEventRow[];
};

type HeldDecision =
	| { readonly kind: "decided"; readonly run: RunRecord; readonly revision: string }
	| { readonly kind: "refused"; readonly code: ErrorCode; readonly problems: readonly FieldProblem[] };

/** Runs as people see and decide them. */
export function createPostgresRunGovernance(ask: AskPostgres): RunGovernanceStore & RunDecisionStore {
	return {
		async decide(input: RunDecision): Promise<RunDecisionResult> {
			const [row] = await ask<{ result: HeldDecision }>("decide_run", DECIDE, [JSON.stringify(input)]);
			if (row === undefined) throw new TypeError("decide_run answers one row");
			return row.result.kind === "decided" ? { ...row.result, revision: BigInt(row.result.revision) } : row.result;
		},
		async snapshot(runId: string) {
			const [row] = await ask<{ picture: Picture | null }>("run_snapshot", SNAPSHOT, [runId]);
			return row?.picture == null ? undefined : toSnapshot(row.picture);
		},
		async list(filter: RunFilter) {
			return (await ask<{ item: RunListItem }>("list_runs", LIST, [JSON.stringify(filter)])).map(({ item }) => item);
		},
		async remind({ runId, reminder }) {
			return (await ask<{ is_new: boolean }>("remind_run", REMIND, [runId, reminder]))[0]?.is_new === true;
		},
	};
}

export function createPostgresUntoldRuns(ask: AskPostgres): UntoldRuns {
	return {
		async tryLock() {
			return (await ask<{ is_held: boolean }>("run_starter_lock", TRY_LOCK, [STARTER_LOCK_ID]))[0]?.is_held === true;
		},
		async due({ limit, starts, except, moved }) {
			type Row = Omit<DueRun, "snapshot" | "untoldEvents"> & { readonly untold: readonly string[]; readonly picture: Picture };
			const rows = await ask<{ run: Row }>("runs_to_tell", DUE, [limit, starts, except, moved]);
			return rows.map(({ run: { untold, picture, ...run } }) => ({ ...run, untoldEvents: untold, snapshot: toSnapshot(picture) }));
		},
		async movedWithin(ms) {
			return (await ask<{ number: string }>("runs_moved", MOVED, [Math.ceil(ms)])).map(({ number }) => number);
		},
		async recordTold(runs) {
			await ask("run_told", TOLD, [runs.map(({ number }) => number), runs.map(({ version }) => version), runs.flatMap(({ untoldEvents }) => untoldEvents)]);
		},
	};
}

/** Makes the alerts of what happened to runs, and ends those that are over. Returns how many. */
export async function alertRuns(ask: AskPostgres): Promise<number> {
	return Number((await ask<{ made: string }>("alert_runs", ALERT, []))[0]?.made ?? 0);
}

function toSnapshot({ chain, ...rest }: Picture): RunSnapshot {
	const own = chain.at(-1);
	if (own === undefined) throw new TypeError("a run's chain ends with itself");
	return { ...rest, run: own.run, totals: own.totals, ceilings: standingCeilings(chain) };
}
