import type { Queryable } from "#activities/keys/port.ts";
import type { RunFilter, RunListItem } from "#activities/runs/port.ts";
import type { Ceiling } from "#domain/agents/ceilings.ts";
import type { RunState } from "#domain/agents/run.ts";
import type { RunDecision } from "#domain/agents/run-decision.ts";
import { pauseEndsAtMs } from "#domain/agents/run-governance.ts";
import { checkRunLimits, writeRunLimits } from "#domain/agents/run-limits.ts";
import type { RunSnapshot } from "#domain/agents/run-snapshot.ts";
import type { FieldProblem } from "#domain/budget/scope.ts";
import { formatInstant } from "#domain/budget/window.ts";
import type { ErrorCode } from "#domain/errors/codes.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { formatUsd } from "#domain/money/wire.ts";
import { storableTextProblem } from "#domain/text/storable-text.ts";
import { type AskPostgres, createPostgresRunGovernance } from "../agent-runs/postgres.ts";
import { waitUntilInForce } from "./in-force.ts";
import type { Administration, WorkflowLink, WorkflowLinks } from "./port.ts";

/** What a person decides about a run, in the name of the admin key. */
export type RunDecisionSetting = {
	readonly kind: "resume" | "stop" | "raise" | "approve" | "finish";
	/** New totals; of raise and approve. */
	readonly limits?: Readonly<Record<string, unknown>> | undefined;
	readonly reason: string;
	readonly knownVersion?: string | undefined;
};

/** Times ISO 8601. */
export type RunListView = Omit<RunListItem, "openedAtMs"> & { readonly openedAt: string };

const REASON_LENGTH_MAX = 200;

/** Newest first; `before`: the number of the last one seen. */
export async function listRuns(
	database: Queryable,
	filter: { readonly teamId?: string | undefined; readonly state?: RunState | undefined; readonly limit: number; readonly before?: string | undefined },
): Promise<RunListView[]> {
	const { teamId, state, before, limit } = filter;
	const asked: RunFilter = { limit, ...(teamId !== undefined && { teamId }), ...(state !== undefined && { state }), ...(before !== undefined && { before }) };
	const found = await createPostgresRunGovernance(askOver(database)).list(asked);
	return found.map(({ openedAtMs, ...item }) => ({ ...item, openedAt: formatInstant(openedAtMs) }));
}

/** @throws CostControlError "run.unknown". */
export async function readRun({ database, workflows }: RunAdministration, runId: string): Promise<RunDetail> {
	const snapshot = await createPostgresRunGovernance(askOver(database)).snapshot(runId);
	if (snapshot === undefined) throw unknownRun(runId);
	const { rows } = await database.query<{ has: boolean }>(HAS_WORKFLOW, [runId]);
	return { ...toView(snapshot), workflow: rows[0]?.has === true ? workflows.ofRun(runId) : null };
}

// A run has none before somebody was told of it, and a run that ended before that never gets one (runs_to_tell in 0022).
const HAS_WORKFLOW = "SELECT is_governed AND told_version > 0 AS has FROM tollgate.run WHERE id = $1";

export type RunAdministration = Pick<Administration, "database"> & { readonly workflows: WorkflowLinks };
export type RunDetail = ReturnType<typeof toView> & { readonly workflow: WorkflowLink | null };

/**
 * Decides about a run through the same function as its workflow, so that it works with Temporal away; the workflow hears of it. Resolves when
 * live gateways act on it.
 * @throws CostControlError "run.unknown"; "run.finished"; "run.invalid" naming each field; "admin.conflict" where a ceiling still holds, or
 *   where the run has another version than the one that was looked at.
 */
export async function decideRun(administration: Administration & RunAdministration, runId: string, setting: RunDecisionSetting): Promise<RunDetail> {
	const { database, adminName } = administration;
	const problem = storableTextProblem(setting.reason, { minLength: 1, maxLength: REASON_LENGTH_MAX });
	if (problem !== undefined) throw refusal("admin.invalid", [{ field: "reason", problem }]);
	const store = createPostgresRunGovernance(askOver(database));
	const { reason, knownVersion } = setting;
	const result = await store.decide({ runId, by: adminName, reason, decision: decisionOf(setting), ...(knownVersion !== undefined && { knownVersion }) });
	if (result.kind === "refused") throw result.code === "run.unknown" ? unknownRun(runId) : refusal(result.code, result.problems);
	await waitUntilInForce(database);
	return readRun(administration, runId);
}

function decisionOf({ kind, limits }: RunDecisionSetting): RunDecision["decision"] {
	if (kind !== "raise" && kind !== "approve") return { kind };
	const checked = checkRunLimits(limits);
	const problems = checked.kind === "invalid" ? checked.problems : noCeiling(checked.value);
	if (problems.length > 0 || checked.kind === "invalid") throw refusal("run.invalid", problems);
	return { kind, limits: writeRunLimits(checked.value) };
}

function noCeiling(limits: readonly Ceiling[]): readonly FieldProblem[] {
	return limits.length > 0 ? [] : [{ field: "limits", problem: "must name at least one ceiling" }];
}

function refusal(code: ErrorCode, problems: readonly FieldProblem[]): CostControlError {
	const message = problems.map(({ field, problem }) => `${field}: ${inDollars(field, problem)}`).join("; ");
	return new CostControlError(code, message, { details: { field: problems[0]?.field ?? null } });
}

/** What PostgreSQL says of an amount ends with it. */
function inDollars(field: string, problem: string): string {
	if (!field.startsWith("limits.costNanoUsd")) return problem;
	return problem.replace(/\d{1,30}$/, (amount) => `${formatUsd(BigInt(amount))} USD`);
}

function unknownRun(runId: string): CostControlError {
	return new CostControlError("run.unknown", `There is no run ${JSON.stringify(runId.slice(0, 128))}. All of them: npx tollgate run list`, {
		details: { field: "runId" },
	});
}

function toView(snapshot: RunSnapshot) {
	const { run, totals, ceilings, steps, events, rootRunId, parentRunId, openedAtMs, heldAtMs = null } = snapshot;
	const { runId, teamId, keyId, origin, state, hold, version, children, forgiven, pausedMs, limits } = run;
	return {
		...{ runId, teamId, keyId, origin, state, hold, version, rootRunId, parentRunId, children, forgiven, pausedMs },
		heldAt: heldAtMs === null ? null : formatInstant(heldAtMs),
		endsAt: state === "paused" ? formatInstant(pauseEndsAtMs(snapshot)) : null,
		openedAt: formatInstant(openedAtMs),
		limits: { ...limits },
		totals: { ...totals, toolCalls: { ...totals.toolCalls } },
		ceilings: [...ceilings],
		steps: steps.map(({ atMs, ...step }) => ({ at: formatInstant(atMs), ...step })),
		events: events.map(({ atMs, kind, detail }) => ({ at: formatInstant(atMs), kind, detail: { ...detail } })),
	};
}

function askOver(database: Queryable): AskPostgres {
	return async (_name, statement, values) => (await database.query(statement, [...values])).rows as never;
}
