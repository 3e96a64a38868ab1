import type { CeilingKind, CeilingVerdict } from "#domain/agents/ceilings.ts";
import type { RunGuardName } from "#domain/agents/run.ts";
import type { RunHold } from "#domain/agents/run-hold.ts";
import type { GuardVerdict } from "#domain/agents/verdict.ts";
import type { ErrorCode } from "#domain/errors/codes.ts";
import { formatUsd } from "#domain/money/wire.ts";
import { shellWord } from "#domain/shell-word.ts";
import type { BudgetRule } from "../authority/port.ts";
import type { Refusal } from "../request/port.ts";
import type { EnteredRun } from "./port.ts";
import type { RunNode } from "./run-node.ts";

/** What callers of a run are told, each in one sentence or two: many clients show nothing but the message. */

const NO_BUDGET = { budget: null, unit: null, limitAmount: null, leftAmount: null, resetsAt: null, heldAmount: null, heldUntil: null } as const;
/** Where no pause of the team was answered yet. */
export const ASK_AGAIN_MS = 900_000;
const RETRY_AFTER_SECONDS = 2;

function refusalOf(code: ErrorCode, message: string, more: Partial<Refusal> = {}): Refusal {
	return { code, message, ...NO_BUDGET, howToAsk: "", retryAfterSeconds: null, ...more };
}

/** `held` stands still, and with it `runId`, which is itself or stands below it. */
export function heldRefusal(held: RunNode, runId: string): Refusal {
	const { record } = held;
	const { hold } = record;
	if (record.state === "finished" || hold === null)
		return refusalOf(
			"run.finished",
			`The run ${runId} has ended${held.runId === runId ? "" : ` with ${held.runId}, which stands above it`}; its id is never used again.`,
			{
				field: "x-tollgate-run",
				howToAsk: "Use another id for another run, one that is nobody else's, like a UUID.",
			},
		);
	const howToAsk = howToGoOn(held.runId, hold);
	const who = held.runId === runId ? `The run ${runId} is ${hold.state}` : `The run ${runId} stands below ${held.runId}, which is ${hold.state}`;
	const tool = hold.tool === undefined ? "" : ` of ${hold.tool}`;
	const by = hold.guard === "person" ? hold.by : `${hold.guard}${tool}`;
	return refusalOf(hold.state === "paused" ? "run.paused" : "run.stopped", `${who} by ${by}: ${hold.evidence}. ${goOn(howToAsk)}${askAgain(hold)}`, {
		howToAsk,
		run: { runId: held.runId, version: record.version, hold },
	});
}

/** The command that a person can paste; WHY and amounts are for him to fill in. */
function howToGoOn(runId: string, { guard, ofRunId }: RunHold): string {
	const raise = RAISED_BY[guard];
	return raise === undefined
		? `npx tollgate run resume ${shellWord(runId)} --reason WHY`
		: `npx tollgate run raise ${shellWord(ofRunId)} ${raise} --reason WHY`;
}

function goOn(command: string): string {
	return `A person lets it go on with: ${command}.`;
}

const RAISED_BY: Partial<Record<RunGuardName, string>> = {
	"ceiling.costNanoUsd": "--usd USD",
	"ceiling.steps": "--steps N",
	"ceiling.inputTokens": "--input-tokens N",
	"ceiling.outputTokens": "--output-tokens N",
};

function askAgain({ askAgainMs }: RunHold): string {
	if (askAgainMs === null) return "";
	const minutes = Math.max(1, Math.round(askAgainMs / 60_000));
	return ` Ask again in about ${minutes === 1 ? "a minute" : `${minutes} minutes`}.`;
}

/** A run that could not be entered, for what the store says of it. */
export function enteringRefusal({ code, field, message, retryAfterSeconds, run }: Extract<EnteredRun, { kind: "refused" }>): Refusal {
	if (code === "gateway.fenced")
		return refusalOf(code, "This gateway was replaced by a later start of its own; try again.", { retryAfterSeconds: RETRY_AFTER_SECONDS });
	// A field's name stays as it is written.
	const begin = field !== "" && message.startsWith(field) ? message.charAt(0) : message.charAt(0).toUpperCase();
	const sentence = `${begin}${message.slice(1)}${message.endsWith(".") ? "" : "."}`;
	const howToAsk = run === undefined ? "" : howToGoOn(run.runId, run.hold);
	return refusalOf(code, howToAsk === "" ? sentence : `${sentence} ${goOn(howToAsk)}`, {
		...(field !== "" && { field }),
		...(run && { run }),
		howToAsk,
		retryAfterSeconds: retryAfterSeconds ?? null,
	});
}

/** Whether it may go on cannot be known. */
export function unreachableRefusal(): Refusal {
	return refusalOf("authority.unreachable", "The budget authority cannot be reached, so no run can be opened or taken up again. Try again shortly.", {
		howToAsk: "Try again; an operator sees the cause under /readyz.",
		retryAfterSeconds: RETRY_AFTER_SECONDS,
	});
}

/** What a hold is made of beside the guard's own words. */
export type HoldMaking = { readonly pauseId: string; readonly askAgainMs: number; readonly by: string };

export function loopHold(verdict: GuardVerdict, { runId, record }: RunNode, making: HoldMaking): RunHold {
	const { guard, evidence, measured, threshold } = verdict;
	return holdOf(record.onLoop, { guard, evidence, measured: String(measured), threshold: String(threshold), ofRunId: runId }, making);
}

export function ceilingHold(verdict: CeilingVerdict, ofRun: RunNode, making: HoldMaking): RunHold {
	const { guard, tool, evidence, measured, threshold, severity } = verdict;
	const amounts = { measured: measured.toString(), threshold: threshold.toString() };
	return holdOf(severity === "stop" ? "stop" : "pause", { guard, ...(tool !== undefined && { tool }), evidence, ...amounts, ofRunId: ofRun.runId }, making);
}

const KINDS: Partial<Record<string, CeilingKind>> = { nano_usd: "costNanoUsd", input_tokens: "inputTokens", output_tokens: "outputTokens", steps: "steps" };

/** A budget that `ofRun` states refused a call. */
export function budgetHold(refusal: Refusal, { unit }: BudgetRule, ofRun: RunNode, making: HoldMaking): RunHold {
	const kind = KINDS[unit] ?? "costNanoUsd";
	const hard = ofRun.limits.ceilings.find((ceiling) => ceiling.kind === kind)?.hard;
	const limit = refusal.limitAmount ?? hard?.at ?? 0n;
	const left = refusal.leftAmount ?? 0n;
	const need = refusal.needAmount === undefined ? "" : ` and this call can cost up to ${amountText(unit, refusal.needAmount)}`;
	const evidence = `the run ${ofRun.runId} has ${amountText(unit, left)} left of ${amountText(unit, limit)}${need}`;
	const measured = limit > left ? limit - left : 0n;
	const amounts = { measured: measured.toString(), threshold: limit.toString() };
	return holdOf(hard?.action ?? "pause", { guard: `ceiling.${kind}`, evidence, ...amounts, ofRunId: ofRun.runId }, making);
}

function holdOf(action: "pause" | "stop", said: Omit<RunHold, "state" | "pauseId" | "askAgainMs" | "by">, { pauseId, askAgainMs, by }: HoldMaking): RunHold {
	return { state: action === "pause" ? "paused" : "stopped", ...said, pauseId, askAgainMs: action === "pause" ? askAgainMs : null, by };
}

const UNIT_WORDS: Partial<Record<string, readonly [string, string]>> = {
	input_tokens: ["input token", "input tokens"],
	output_tokens: ["output token", "output tokens"],
	steps: ["step", "steps"],
};

function amountText(unit: string, amount: bigint): string {
	const words = UNIT_WORDS[unit];
	if (words === undefined) return `${formatUsd(amount)} USD`;
	return `${amount} ${amount === 1n ? words[0] : words[1]}`;
}
