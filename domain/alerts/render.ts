import { type BudgetDimension, type BudgetUnit, describeSelector, ORGANIZATION_ID, type WindowKind } from "../budget/scope.ts";
import { formatInstant } from "../budget/window.ts";
import { formatUsd } from "../money/wire.ts";
import { type Alert, statusOf } from "./alert.ts";
import { RUNBOOK_FOLDER, runbookOf, type WatchedCondition } from "./kinds.ts";
import { isReportAlert, reportFactsOf, reportTitleOf } from "./render-report.ts";

/**
 * The words of an alert, the same for every channel: one sentence, what is known as label and value, and the page that says what to
 * do. Money is shown in dollars. What a detail lacks is left out; a detail of a newer release is never an error.
 */
export type RenderedAlert = {
	/** One line, below 200 characters for names of ordinary length. */
	readonly title: string;
	readonly facts: readonly { readonly label: string; readonly value: string }[];
	/** Absolute where the origin of the runbooks is known, else a path in the project. */
	readonly runbook: string;
};

/** Below this no channel cuts a value; Slack takes 2,000 in a field. */
const VALUE_LENGTH_MAX = 500;

/** `runbooksUrl`: where docs/runbooks/ can be read, like "https://wiki.example/tollgate/runbooks"; null = nowhere. */
export function renderAlert(alert: Alert, runbooksUrl: string | null): RenderedAlert {
	const kind = alert.ends[0]?.kind ?? alert.kind;
	const facts = [
		{ label: "Team", value: alert.teamId === ORGANIZATION_ID ? "the organisation" : alert.teamId },
		...(isReportAlert(alert) ? reportFactsOf(alert) : [...factsOf(alert), { label: "Since", value: formatInstant(alert.ends[0]?.atMs ?? alert.atMs) }]),
		...(statusOf(alert) === "over" ? [{ label: "Over", value: formatInstant(alert.atMs) }] : []),
	];
	return {
		title: titleOf(alert),
		facts: facts.map(({ label, value }) => ({ label, value: shortened(value, VALUE_LENGTH_MAX) })),
		runbook: `${runbooksUrl ?? RUNBOOK_FOLDER}/${runbookOf(kind)}`,
	};
}

/** Who it is about: "team search", "the organisation". */
function whoOf({ teamId }: Alert): string {
	return teamId === ORGANIZATION_ID ? "the organisation" : `team ${teamId}`;
}

/** One sentence without its full stop. */
function titleOf(alert: Alert): string {
	if (isReportAlert(alert)) return reportTitleOf(alert);
	const who = whoOf(alert);
	const text = detailOf(alert);
	const status = statusOf(alert);
	const over = status === "over" ? "Over: " : "";
	switch (alert.kind) {
		case "budget.threshold":
			return `Budget of ${who} (${budgetOf(alert)}) has reached ${amountOf(alert, "amount")}${share(alert, "amount")}${actionOf(text("action"))}`;
		case "budget.stopped":
			return `Budget of ${who} (${budgetOf(alert)}) is spent: ${text("mode") === "observe" ? "it only observes, nothing is refused" : "calls are refused"}`;
		case "budget.overrun":
			return `Budget of ${who} (${budgetOf(alert)}): calls cost ${amountOf(alert, "amount")} more than was reserved; ${text("mode") === "observe" ? "it only observes, nothing is refused" : "calls are refused until somebody sets it again"}`;
		case "budget.withdrawn":
			return `${over}budget of ${who} (${budgetOf(alert)}), ${beforeOf(text("action"))} before, ${endOf(text("reason"))}`;
		case "increase.requested":
		case "increase.decided":
		case "increase.ended":
			return increaseTitleOf(alert, alert.kind);
		case "change.refused":
			return `A change of the budgets of ${who} was refused by PostgreSQL; nothing of it is in force`;
		case "spend.above_expected":
		case "spend.anomaly":
			return spendTitleOf(alert, over);
		case "refusals.burst":
			return status === "over"
				? `Over: calls of ${who} are no longer refused in numbers`
				: `${text("refusals") ?? "Many"} calls of ${who} were refused within 5 minutes`;
		case "charges.unresolved":
			return status === "over"
				? `Over: the charges of gateway ${alert.subject} are resolved`
				: `${text("charges") ?? "Some"} charges of gateway ${alert.subject}, ${amountOf(alert, "amountNanoUsd")}, have no known end`;
		case "price.mismatch":
		case "ledger.quarantine":
		case "authority.lost_commits":
		case "gateway.fenced":
		case "gateway.silent":
			return conditionTitleOf(alert, alert.kind);
		case "velocity.key":
		case "velocity.user": {
			const spender = `${alert.kind === "velocity.key" ? "key" : "user"} ${text("value") ?? alert.subject} of ${who}`;
			return sentence(over, `${spender} ${status === "over" ? "is no longer throttled" : "spends faster than ever and is throttled"}`);
		}
		case "run.paused":
		case "run.stopped":
		case "run.warned":
			return runTitleOf(alert, alert.kind);
		case "batch.failed":
		case "batch.late":
		case "batch.unresolved":
		case "provider.quota":
			return batchTitleOf(alert, alert.kind);
		case "deferred.late":
		case "deferred.undelivered":
			return deferredTitleOf(alert, alert.kind);
		case "statement.waiting":
			return statementTitleOf(alert);
		case "test":
			return `This is a test that ${text("requestedBy") ?? "somebody"} asked for; nothing has happened`;
		default:
			return `${over}${alert.kind} of ${who}`;
	}
}

type IncreaseAlert = "increase.requested" | "increase.decided" | "increase.ended";

function increaseTitleOf(alert: Alert, kind: IncreaseAlert): string {
	const who = whoOf(alert);
	const text = detailOf(alert);
	switch (kind) {
		case "increase.requested":
			if (text("kind") === "line" && (text("requestedBy") ?? "tollgate") !== "tollgate")
				return `${text("requestedBy")} asks for ${who} to spend beyond ${amountOf(alert, "askedAmount")}${share(alert, "askedAmount")}${asBudget(alert)}`;
			if (text("kind") === "line")
				return `Budget of ${who}${asBudget(alert)} has reached ${amountOf(alert, "askedAmount")}${share(alert, "askedAmount")}: approval is needed to spend more`;
			return `${text("requestedBy") ?? "somebody"} asks for ${amountOf(alert, "askedAmount")} more for ${who}${asBudget(alert)}`;
		case "increase.decided":
			if (text("kind") === "line")
				return `The request of ${who}${asBudget(alert)} to spend beyond ${amountOf(alert, "askedAmount")} is ${text("status") ?? "decided"}${by(text("decidedBy"))}`;
			return `The request for ${amountOf(alert, "askedAmount")} more for ${who}${asBudget(alert)} is ${text("status") ?? "decided"}${by(text("decidedBy"))}`;
		case "increase.ended":
			return text("endedBy") === undefined
				? `The increase of ${who}${asBudget(alert)} has ended; the limit is as before`
				: `The increase of ${who}${asBudget(alert)} was ended before its date${by(text("endedBy"))}; the limit is as before`;
	}
}

type BatchAlert = "batch.failed" | "batch.late" | "batch.unresolved" | "provider.quota";

function batchTitleOf(alert: Alert, kind: BatchAlert): string {
	const text = detailOf(alert);
	const batch = `batch ${text("batchId") ?? alert.subject} of ${whoOf(alert)}`;
	switch (kind) {
		case "batch.failed":
			return sentence("", `${batch} has failed: the provider took none of it`);
		case "batch.late":
			return sentence("", `${batch} is late: ${text("open") ?? "some"} of its items have not ended`);
		case "batch.unresolved":
			return `${text("items") ?? "Some"} items of ${batch} are charged at their bounds: nobody knows what they cost`;
		case "provider.quota": {
			const account = `account ${text("account") ?? "of the provider"}`;
			return statusOf(alert) === "over"
				? `Over: ${batch} waits no longer for the money of ${account}`
				: `No part of ${batch} is taken: ${account} has no credit left, or has reached a spend limit`;
		}
	}
}

function statementTitleOf(alert: Alert): string {
	const text = detailOf(alert);
	if (statusOf(alert) === "over") return `Over: the statements of ${text("month")} are ${text("status") ?? "decided"}${by(text("by"))}`;
	return `The statements of ${text("month") ?? alert.subject}, ${amountOf(alert, "amountNanoUsd")} of ${text("teams") ?? "all"} teams, wait for approval`;
}

function deferredTitleOf(alert: Alert, kind: "deferred.late" | "deferred.undelivered"): string {
	const text = detailOf(alert);
	const who = whoOf(alert);
	if (kind === "deferred.undelivered") return `Channel ${text("channel") ?? "of a webhook"} did not take what it was told of ended items of ${who}`;
	if (statusOf(alert) === "over") return `Over: no item of ${who} was late for an hour`;
	return `${text("items") ?? "Some"} items of ${who} are past their deadlines, ${text("open") ?? "some"} of them without an answer`;
}

/** What a watch found for the whole organisation, and that it is not so any more. */
function conditionTitleOf(alert: Alert, kind: WatchedCondition): string {
	const text = detailOf(alert);
	const isOver = statusOf(alert) === "over";
	const count = (name: string) => (text(name) === undefined ? "Some" : countOf(Number(text(name))));
	switch (kind) {
		case "price.mismatch":
			return isOver
				? `Over: no answer of ${alert.subject} was without its price for a day`
				: `${count("calls")} calls of ${alert.subject} were answered as something the price book does not know; they cost the dearest that was reserved for`;
		case "ledger.quarantine":
			return isOver
				? `Over: no row of gateway ${alert.subject} was set aside for a day`
				: `${count("rows")} rows of gateway ${alert.subject} were refused by the ledger and stand in quarantine`;
		case "authority.lost_commits":
			return isOver
				? "Over: PostgreSQL has forgotten nothing more for an hour"
				: `PostgreSQL has forgotten commits: what gateways ${text("gateways") ?? "of this system"} were granted was presented again`;
		case "gateway.fenced":
			return isOver
				? `Over: no second process has called itself gateway ${alert.subject} for an hour`
				: `Gateway ${alert.subject} went on under its name although another process has taken it, and was stopped`;
		case "gateway.silent":
			return isOver
				? `Over: gateway ${alert.subject} is no longer silent while it holds money`
				: `Gateway ${alert.subject} is not heard of and holds ${amountOf(alert, "amountNanoUsd")}`;
	}
}

/** What happened to an agent run; where a ceiling of one above it holds it, of that one: it may hold many. */
function runTitleOf(alert: Alert, kind: "run.paused" | "run.stopped" | "run.warned"): string {
	const text = detailOf(alert);
	const guard = text("guard") ?? "a guard";
	const run = `run ${text("ofRunId") ?? text("runId") ?? alert.subject.replace("run/", "")} of ${whoOf(alert)}`;
	const agents = (text("ofRunId") ?? text("runId")) === text("runId") ? "Agent" : "Agents below";
	if (statusOf(alert) === "over") return `Over: agents of ${run} are no longer ${kind === "run.paused" ? "paused" : "stopped"}`;
	if (kind === "run.warned") return `Agent run ${text("runId") ?? ""} of ${whoOf(alert)} is warned by ${guard}`;
	if (guard === "person") return `Agent ${run} was stopped by ${text("by") ?? "a person"}`;
	if (text("reminder") !== undefined) return `${agents} ${run}: paused by ${guard}, and nobody has answered yet`;
	return `${agents} ${run}: ${kind === "run.paused" ? "paused" : "stopped"} by ${guard}`;
}

/** A day of a team or feature that cost more than it should have. */
function spendTitleOf(alert: Alert, over: string): string {
	const text = detailOf(alert);
	if (alert.kind === "spend.above_expected") {
		const amounts = `${amountOf(alert, "spent")} today, more than twice the expected ${amountOf(alert, "expected")}`;
		return sentence(over, `${whoOf(alert)} has spent ${amounts}${causeOf(alert)}`);
	}
	const feature = text("feature");
	const what = feature === undefined ? "" : feature === "" ? ", what no feature is named for," : `, feature ${feature},`;
	const day = `${text("day") ?? "a day"}: ${amountOf(alert, "spent")} instead of ${amountOf(alert, "expected")}`;
	const shape = text("shape") === "drift" ? `for ${text("lasting") ?? "some"} days more than it used to, on ${day}` : `more than it should have on ${day}`;
	return sentence("", `${whoOf(alert)}${what} has spent ${shape}${causeOf(alert)}`);
}

const MOVED: Readonly<Record<string, string>> = { volume: "more calls", mix: "other models", tokensPerCall: "more tokens a call", price: "dearer tokens" };

/** ", most of it by feature chat, model large (more calls)"; nothing where no cause is known. */
function causeOf(alert: Alert): string {
	const text = detailOf(alert);
	const named = ["Feature", "Model", "Key"].flatMap((name) => {
		const value = text(`cause${name}`);
		return value === undefined ? [] : [`${name.toLowerCase()} ${value === "" ? "(none)" : value}`];
	});
	const moved = MOVED[text("causeMovement") ?? ""];
	if (moved === undefined) return "";
	return named.length === 0 ? ` (${moved})` : `, most of it by ${named.join(", ")} (${moved})`;
}

/** Watches count to a thousand. */
function countOf(count: number): string {
	return count >= 1_000 ? "1000 and more" : String(count);
}

/** Begins with a capital, unless it says what is over. */
function sentence(over: string, text: string): string {
	return over === "" ? `${text.slice(0, 1).toUpperCase()}${text.slice(1)}` : `${over}${text}`;
}

/** What is known beside the sentence, in words people use. A fact whose value is absent is left out. */
function factsOf(alert: Alert): { label: string; value: string }[] {
	const text = detailOf(alert);
	const money = (label: string, name: string) => ({ label, value: text(name) === undefined ? undefined : amountOf(alert, name) });
	const instant = (label: string, name: string) => ({ label, value: instantOf(text(name)) });
	const facts = [
		{ label: "Budget", value: alert.detail["budget"] === undefined ? undefined : budgetOf(alert) },
		money("Spent", "posted"),
		money("Limit", "limitAmount"),
		money("Amount", "amountNanoUsd"),
		money("Cost", "costNanoUsd"),
		money("Usually", "usualNanoUsd"),
		{ label: "Within minutes", value: text("minutes") },
		{ label: "Calls a minute", value: text("requestsPerMinute") },
		{ label: "Expected by", value: text("expectedFrom") },
		money("Excess of the cause", "causeExcess"),
		money("Asked for", "askedAmount"),
		money("Granted", "grantedAmount"),
		instant("Until", "untilMs"),
		instant("Expires", "expiresAtMs"),
		instant("Window since", "windowStartsAtMs"),
		instant("Ends", "endsAtMs"),
		{ label: "Accounts", value: text("accounts") },
		{ label: "Usually refused in an hour", value: text("usualPerHour") },
		{ label: "Run", value: text("runId") },
		{ label: "Seen", value: text("evidence") },
		{ label: "Tool", value: text("tool") },
		{ label: "Measured", value: text("measured") },
		{ label: "Line", value: text("threshold") },
		{ label: "Pause", value: text("pauseId") },
		{ label: "Held by", value: alert.kind.startsWith("run.") ? text("by") : undefined },
		instant("Paused since", "sinceMs"),
		{ label: "Answered as", value: text("answeredModel") },
		{ label: "Gateways", value: text("gateways") },
		{ label: "Epoch", value: text("epochs") ?? text("epoch") },
		instant("Last heard of", "lastHeardAtMs"),
		{ label: "Windows", value: text("windows") },
		{ label: "Not booked", value: text("notBooked") === "0" ? undefined : text("notBooked") },
		{ label: "Attempt", value: text("attemptId") },
		{ label: "Asked by", value: text("requestedBy") },
		{ label: "Reason", value: alert.kind === "budget.withdrawn" ? undefined : text("reason") },
		{ label: "Decided because", value: text("decisionReason") },
		{ label: "Ended because", value: text("endReason") },
		{ label: "Problem", value: text("problem") },
		{ label: "Request", value: text("increase") },
	];
	return facts.flatMap(({ label, value }) => (value === undefined || value === "" ? [] : [{ label, value }]));
}

/** Numbers and texts of a detail; anything else is as if it were absent. */
function detailOf(alert: Alert): (name: string) => string | undefined {
	return (name) => {
		const value = alert.detail[name];
		return typeof value === "string" || typeof value === "number" ? String(value) : undefined;
	};
}

/** "team, day"; the key as it is where it is none of ours. */
function budgetOf(alert: Alert): string {
	const key = typeof alert.detail["budget"] === "string" ? alert.detail["budget"] : alert.subject;
	const [dimension, dimensionValue, unit, windowKind, ...rest] = key.split("|");
	if (windowKind === undefined || rest.length > 0) return key;
	return describeSelector({
		dimension: dimension as BudgetDimension,
		dimensionValue: dimensionValue ?? "",
		unit: unit as BudgetUnit,
		windowKind: windowKind as WindowKind,
	});
}

function asBudget(alert: Alert): string {
	return alert.subject === "" ? "" : ` (${budgetOf(alert)})`;
}

/** "$0.25", or "1000 tokens" for a budget in tokens; the text as it is where it is no amount. */
function amountOf(alert: Alert, name: string): string {
	const value = detailOf(alert)(name);
	if (value === undefined) return "an amount";
	if (!/^-?\d{1,30}$/.test(value)) return value;
	return alert.subject.split("|")[2] === "tokens" ? `${value} tokens` : dollars(BigInt(value));
}

function instantOf(epochMs: string | undefined): string | undefined {
	return epochMs !== undefined && /^\d{1,15}$/.test(epochMs) ? formatInstant(Number(epochMs)) : epochMs;
}

/** Dollars with a sign people know: "$12.50", "-$0.25". */
export function dollars(nanoUsd: bigint): string {
	return nanoUsd < 0n ? `-$${formatUsd(-nanoUsd)}` : `$${formatUsd(nanoUsd)}`;
}

/** ", 80 % of its limit": whole percents, rounded down. */
function share(alert: Alert, name: string): string {
	const [amount, limit] = [detailOf(alert)(name), detailOf(alert)("limitAmount")];
	if (amount === undefined || limit === undefined || !/^\d{1,30}$/.test(amount) || !/^[1-9]\d{0,29}$/.test(limit)) return "";
	return `, ${(BigInt(amount) * 100n) / BigInt(limit)} % of its limit`;
}

function actionOf(action: string | undefined): string {
	if (action === "degrade") return ": calls are served by cheaper models";
	return action === "needApproval" ? ": calls wait for an approval" : "";
}

function beforeOf(action: string | undefined): string {
	if (action === "overrun") return "overrun";
	return action === "stop" ? "spent" : "warned";
}

function endOf(reason: string | undefined): string {
	if (reason === "over") return "begins a new window";
	if (reason === "cleared") return "was set again";
	return reason === "gone" ? "is no more" : "has room again";
}

function by(name: string | undefined): string {
	return name === undefined ? "" : ` by ${name}`;
}

export function shortened(text: string, lengthMax: number): string {
	if (text.length <= lengthMax) return text;
	// Half of a surrogate pair is no text.
	return `${text.slice(0, lengthMax - 1).replace(/[\uD800-\uDBFF]$/, "")}…`;
}
