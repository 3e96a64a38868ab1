import type { ChainRun } from "#activities/runs/port.ts";
import type { Run, RunStanding } from "#clients/run-contract.ts";
import type { RunRecord } from "#domain/agents/run.ts";

/** How a run stands, for whoever waits: of the record alone, so that a thousand who are woken at once cost no statement. */
export function runStanding({ runId, teamId, state, hold, version }: RunRecord): RunStanding {
	return { runId, teamId, state, hold, version };
}

/** A run as its team sees it, without the numbers it has inside. */
export function runAnswer({ run, totals }: ChainRun, parentRunId: string | null): Run {
	const { origin, limits, openedMsAgo, pausedMs, children } = run;
	return { ...runStanding(run), parentRunId, origin, limits, openedMsAgo, pausedMs, children, totals };
}
