import type { RunRecord } from "#domain/agents/run.ts";
import { runBudgets } from "#domain/agents/run-budgets.ts";
import { RUN_ID_RULE, runIdProblem } from "#domain/agents/run-ids.ts";
import { checkRunLimits, writeRunLimits } from "#domain/agents/run-limits.ts";
import { assert } from "#domain/assert.ts";
import type { FieldProblem } from "#domain/budget/scope.ts";
import type { GrantedItem } from "../authority/port.ts";
import { parseItem, type Wire } from "../authority/postgres.ts";
import type { GatewayEpoch, SqlConnection } from "../ledger/settle-chunk.ts";
import type { ChainRun, EnteredRun, RegisterRun, RunAsk, RunDecisionResult, RunStore } from "./port.ts";

const ENTER = "SELECT tollgate.enter_run($1, $2, $3) AS reply";
const REGISTER = "SELECT tollgate.register_run($1, $2, $3) AS reply";
const HOLD = "SELECT tollgate.hold_runs($1, $2, $3) AS reply";
const READ = "SELECT tollgate.run_chain($1::bigint[]) AS reply";
const FIND = "SELECT tollgate.run_chain(ARRAY[number]) AS reply FROM tollgate.run WHERE id = $1 AND team_id = $2";
const DECIDE = "SELECT tollgate.decide_run($1) AS reply";

type Refused = Extract<EnteredRun, { kind: "refused" }>;
type Entered = Extract<EnteredRun, { kind: "entered" }>;
type EnteredWire = Omit<Entered, "leases" | "memory" | "revision"> & {
	readonly leases: readonly Wire<GrantedItem>[];
	/** base64 */
	readonly memory: string | null;
	readonly revision: string;
};
type DecidedWire = Wire<Extract<RunDecisionResult, { kind: "decided" }>> | Extract<RunDecisionResult, { kind: "refused" }>;

const FENCED: Refused = { kind: "refused", code: "gateway.fenced", field: "", message: "this gateway was replaced by a later start of its own" };

/** The runs of PostgreSQL as of one gateway epoch, over migrations/0021 and 0023: one function call in one statement each. */
export function createPostgresRunStore(sql: SqlConnection, { gatewayId, epoch }: GatewayEpoch): RunStore {
	const identity = [gatewayId, epoch.toString()];
	return {
		async enter(ask) {
			const refused = ask.named.kind === "header" ? refuseIds(ask.named, { run: "x-tollgate-run", parent: "x-tollgate-parent-run" }) : undefined;
			return refused ?? toEntered(await only(sql, "enter_run", ENTER, [...identity, JSON.stringify(ask)]));
		},
		async register(ask) {
			const refused = refuseIds(ask, { run: "runId", parent: "parentRunId" });
			if (refused !== undefined) return refused;
			const limits = checkRunLimits(ask.limits);
			if (limits.kind === "invalid") return refuseLimits(limits.problems);
			const stated = { limits: writeRunLimits(limits.value), ownBudgets: runBudgets(limits.value) };
			return toEntered(await only(sql, "register_run", REGISTER, [...identity, JSON.stringify({ ...askOf(ask), ...stated })]));
		},
		async hold(holds) {
			const records: readonly RunRecord[] = await only(sql, "hold_runs", HOLD, [...identity, JSON.stringify(holds)]);
			assert(records.length === holds.length, "tollgate.hold_runs answers for every run");
			return records;
		},
		async read(numbers) {
			return only(sql, "run_chain", READ, [numbers]);
		},
		async find(teamId, runId) {
			const [row] = await sql.query<{ reply: readonly ChainRun[] }>("find_run", FIND, [runId, teamId]);
			return row?.reply[0];
		},
		async finish(input) {
			const decision = { ...input, reason: "", gatewayId, epoch: epoch.toString(), decision: { kind: "finish" } };
			return toResult(await only(sql, "decide_run", DECIDE, [JSON.stringify(decision)]));
		},
	};
}

async function only<Reply>(sql: SqlConnection, name: string, text: string, values: readonly unknown[]): Promise<Reply> {
	const [row] = await sql.query<{ reply: Reply }>(name, text, values);
	assert(row !== undefined, `tollgate.${name} returns a row`);
	return row.reply;
}

function refuseIds(
	{ runId, parentRunId }: { readonly runId: string; readonly parentRunId: string | null },
	names: { readonly run: string; readonly parent: string },
) {
	const field = runIdProblem(runId) !== undefined ? names.run : parentRunId !== null && runIdProblem(parentRunId) !== undefined ? names.parent : undefined;
	return field === undefined ? undefined : ({ kind: "refused", code: "run.invalid", field, message: `${field} ${RUN_ID_RULE}` } as const);
}

function refuseLimits(problems: readonly FieldProblem[]): Refused {
	const message = problems.map(({ field, problem }) => `${field} ${problem}`).join("; ");
	return { kind: "refused", code: "run.invalid", field: problems[0]?.field ?? "limits", message, problems };
}

function askOf({ runId, parentRunId, limits: _, ...rest }: RegisterRun): Omit<RunAsk, "otherWindows" | "wants"> {
	return { ...rest, named: { kind: "header", runId, parentRunId } };
}

function toEntered(reply: EnteredWire | Refused | { readonly fenced: true }): EnteredRun {
	if ("fenced" in reply) return FENCED;
	if (reply.kind === "refused") return reply;
	return {
		...reply,
		leases: reply.leases.map(parseItem),
		memory: reply.memory === null ? undefined : Buffer.from(reply.memory, "base64"),
		revision: BigInt(reply.revision),
	};
}

function toResult(reply: DecidedWire): RunDecisionResult {
	return reply.kind === "refused" ? reply : { ...reply, revision: BigInt(reply.revision) };
}
