import { ActivityFailure } from "@temporalio/common";
import { allHandlersFinished, condition, log, makeContinueAsNewFunc, setHandler } from "@temporalio/workflow";
import { guardHandler } from "../shared/handler-errors.ts";
import { isRunLongEnough, MESSAGES_PER_RUN } from "../shared/lifecycle.ts";
import { isRefused } from "../shared/refused.ts";
import { RunGovernor } from "./governor.ts";
import {
	type AgentRunInput,
	approveMoreUpdate,
	type RunLimitsInput,
	type RunReasonInput,
	raiseRunUpdate,
	resumeRunUpdate,
	runReportedSignal,
	runStatusQuery,
	stopRunUpdate,
} from "./messages.ts";
import { isRunSnapshot, limitsIn, validateLimits, validateReason } from "./validation.ts";

/** After PostgreSQL stayed away for a whole activity; long enough not to fill the history. */
const PAUSE_MS = 30_000;

/**
 * Shows one agent run to people, reminds them of a pause, ends one that nobody answers, and takes their decisions. PostgreSQL holds the run:
 * nothing that a gateway does waits for this workflow, and what is decided without it, it hears of. It ends with the run, or a week after a
 * stop; the next report begins it again.
 */
export async function agentRunWorkflow(input: AgentRunInput): Promise<void> {
	const governor = new RunGovernor(input);
	setHandlers(governor);
	const isLongEnough = (): boolean => isRunLongEnough(governor.messagesHandled, input.messagesPerRun ?? MESSAGES_PER_RUN);
	const mayEnd = (): boolean => allHandlersFinished() && (governor.isOver() || isLongEnough());
	while (!mayEnd()) {
		governor.passTime();
		if (governor.state.outbox.length === 0) await untilSomethingIsDue(governor, mayEnd);
		else if (!(await carryOutOldest(governor))) await condition(isLongEnough, PAUSE_MS);
	}
	if (governor.isOver()) return;
	await makeContinueAsNewFunc<typeof agentRunWorkflow>({ memo: governor.memo() })({ ...input, state: governor.state });
}

async function untilSomethingIsDue(governor: RunGovernor, mayEnd: () => boolean): Promise<void> {
	const dueMs = governor.nextTimeMs();
	const isDue = (): boolean => governor.state.outbox.length > 0 || governor.nextTimeMs() !== dueMs || mayEnd();
	const leftMs = dueMs === null ? 0 : dueMs - Date.now();
	// What is past was taken up already, or waits for an update that is being answered.
	if (leftMs <= 0) await condition(isDue);
	else await condition(isDue, leftMs);
}

/** False: PostgreSQL is away, and the effect keeps its place. */
async function carryOutOldest(governor: RunGovernor): Promise<boolean> {
	const [effect] = governor.state.outbox;
	if (effect === undefined) return true;
	try {
		await governor.carryOut(effect);
		return true;
	} catch (error) {
		if (!(error instanceof ActivityFailure)) throw error;
		const problem = error.cause?.message ?? error.message;
		if (!isRefused(error)) {
			log.warn("a decision about a run waits for PostgreSQL", { kind: effect.kind, error: problem });
			return false;
		}
		log.error("PostgreSQL refused a decision about a run as what it cannot hold; it is given up", { kind: effect.kind, error: problem });
		governor.giveUp(effect, problem);
		return true;
	}
}

function setHandlers(governor: RunGovernor): void {
	const limits = { validator: guardHandler(validateLimits) };
	const reason = { validator: guardHandler(validateReason) };
	setHandler(approveMoreUpdate, (input: RunLimitsInput) => governor.decide(input.by, input.reason, { kind: "approve", limits: limitsIn(input) }), {
		...limits,
		description: 'Raise ceilings and let the run go on: {"limits":{"costNanoUsd":"10000000000"},"by":"YOUR NAME","reason":"…"}. Amounts are new totals.',
	});
	setHandler(raiseRunUpdate, (input: RunLimitsInput) => governor.decide(input.by, input.reason, { kind: "raise", limits: limitsIn(input) }), {
		...limits,
		description: 'Raise ceilings: {"limits":{"steps":500},"by":"YOUR NAME","reason":"…"}. Amounts are new totals; a run that is held stays held.',
	});
	setHandler(resumeRunUpdate, (input: RunReasonInput) => governor.decide(input.by, input.reason, { kind: "resume" }), {
		...reason,
		description: 'Let the run go on, and forgive what repeated so far: {"by":"YOUR NAME","reason":"…"}.',
	});
	setHandler(stopRunUpdate, (input: RunReasonInput) => governor.decide(input.by, input.reason, { kind: "stop" }), {
		...reason,
		description: 'Refuse every further step of the run and of those below it: {"by":"YOUR NAME","reason":"…"}.',
	});
	setHandler(
		runReportedSignal,
		(snapshot) => {
			// An error thrown from a signal handler would wedge the workflow: what is no report is left aside.
			if (isRunSnapshot(snapshot)) governor.takeReport(snapshot);
			else log.warn("a report about a run of an unknown shape was ignored");
		},
		{ description: "The run as PostgreSQL holds it, told by the worker." },
	);
	setHandler(runStatusQuery, () => governor.status(), { description: "The run, its ceilings, its last steps and what happened to it." });
}
