import type { SqlConnection } from "#activities/ledger/settle-chunk.ts";
import { hourOfWeek, type TurnaroundEstimate, TurnaroundHistory } from "#domain/batching/turnaround.ts";
import type { Turnarounds } from "../turnarounds.ts";
import { askBatches } from "./ask-batches.ts";

const TURNAROUNDS = "SELECT tollgate.batch_turnarounds($1, $2, $3) AS reply";
const KEPT_MS = 60_000;
/** Of deployments and endpoints; beyond it the one that was read first is forgotten. */
const KEPT_MAX = 100;

/** As `tollgate.batch_turnarounds` says it, in milliseconds since 1970 on PostgreSQL's clock. */
type WireTurnarounds = {
	readonly nowMs: number;
	readonly ended: readonly (readonly [submittedAtMs: number, endedAtMs: number, isCancelled: boolean])[];
	readonly running: readonly number[];
};

type Read = { readonly history: TurnaroundHistory; readonly nowMs: number; readonly byHour: Map<number, TurnaroundEstimate> };
type Kept = { readonly untilMs: number; readonly read: Promise<Read> };

/** Turnarounds of the batches in PostgreSQL (migrations/0026). `now`: monotonic milliseconds. */
export function createPostgresTurnarounds(sql: SqlConnection, now: () => number): Turnarounds {
	const kept = new Map<string, Kept>();
	return {
		async estimate({ provider, deployment, endpoint }, submitAtMs) {
			const name = JSON.stringify([provider, deployment, endpoint]);
			let found = kept.get(name);
			if (found === undefined || now() >= found.untilMs) {
				const read = askBatches<WireTurnarounds>(sql, "batch_turnarounds", TURNAROUNDS, [provider, deployment, endpoint]).then(parse);
				found = { untilMs: now() + KEPT_MS, read };
				keep(kept, name, found);
				// What failed is asked again by whoever comes next.
				read.catch(() => kept.delete(name));
			}
			const { history, nowMs, byHour } = await found.read;
			const hour = hourOfWeek(submitAtMs);
			const estimate = byHour.get(hour) ?? history.estimate({ submitAtMs, nowMs });
			byHour.set(hour, estimate);
			return estimate;
		},
	};
}

function keep(kept: Map<string, Kept>, name: string, found: Kept): void {
	kept.delete(name);
	kept.set(name, found);
	const [first] = kept.keys();
	if (kept.size > KEPT_MAX && first !== undefined) kept.delete(first);
}

function parse({ nowMs, ended, running }: WireTurnarounds): Read {
	const history = new TurnaroundHistory();
	ended.forEach(([submittedAtMs, atMs, isCancelled], index) => {
		history.noteSubmitted(`ended ${index}`, submittedAtMs);
		history.noteEnded(`ended ${index}`, { atMs, isCancelled });
	});
	for (const [index, submittedAtMs] of running.entries()) history.noteSubmitted(`running ${index}`, submittedAtMs);
	return { history, nowMs, byHour: new Map() };
}
