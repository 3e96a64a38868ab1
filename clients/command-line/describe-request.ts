import { describeMeasured, readLimitName } from "#domain/limits/limit-name.ts";
import { shellWord } from "#domain/shell-word.ts";
import { amount, cell } from "./output.ts";

/** Rows of the books as the administration says them; a newer one may say more. */
type Fields = Readonly<Record<string, unknown>>;

type Explained = {
	readonly requestId: string;
	readonly attempts: readonly Fields[];
	readonly refusals: readonly Fields[];
	readonly archivedMonths: readonly { readonly month: string; readonly file: string }[];
};

/** What one request cost and why, or why it was refused, for a person. */
export function describeRequest(explained: Explained): string {
	const blocks = [...explained.attempts.map(describeAttempt), ...explained.refusals.map(describeRefusal)];
	const elsewhere = explained.archivedMonths.map(
		({ month, file }) =>
			`${month} is archived; further attempts may be there: npx tollgate ledger explain ${shellWord(file)} ${shellWord(explained.requestId)}`,
	);
	return [`Request ${explained.requestId}`, ...blocks, ...elsewhere].join("\n\n");
}

function describeAttempt(attempt: Fields): string {
	const field = (name: string) => cell(attempt[name] as string | number | null);
	const price = attempt["price"] as { lines: Fields[]; priceVersion: number } | null;
	const lines =
		price?.lines.map(
			(line) =>
				`    ${cell((line["tokenClass"] ?? line["tool"]) as string)}: ${line["quantity"]} at ${line["nanoUsdPerMillion"] ?? line["nanoUsdPerCall"]} = ${line["nanoUsd"]} nano-USD`,
		) ?? [];
	const by = attempt["degradedBy"] as Fields | null | undefined;
	return [
		`Attempt ${field("attemptId")} at ${field("at")}: ${field("outcome")}${attempt["reason"] ? ` (${field("reason")})` : ""}, ${amount(field("costNanoUsd"))} of ${amount(field("reservedNanoUsd"))} reserved`,
		`  ${field("model")} at ${field("provider")}, answered by ${field("answeredModel")}, tier ${field("serviceTier")}, status ${field("httpStatus")}, price version ${field("priceVersion")}`,
		...(by ? [describeLine(by, field("askedModel"))] : []),
		`  team ${field("teamId")}, feature ${field("feature")}, user ${field("userId")}, environment ${field("environment")}, key ${field("keyId")}`,
		...(lines.length > 0 ? ["  how the cost was made:", ...lines] : []),
		...(attempt["budgets"] as Fields[]).map((budget) => `  held in: ${budget["name"]} (from ${cell(budget["windowStartsAt"] as string | null)})`),
		...(attempt["entries"] as Fields[]).map(
			(entry) => `  entry ${entry["entryKey"]}: ${entry["kind"]} ${amount(String(entry["amountNanoUsd"]))} at ${entry["at"]}`,
		),
	].join("\n");
}

function describeLine(by: Fields, askedModel: string): string {
	const inUnit = (name: string) => amount(String(by[name]), String(by["unit"]));
	const grounds = `granted ${inUnit("granted")}, own idle ${inUnit("idle")}, needed ${inUnit("need")}`;
	return `  in place of ${askedModel}: beyond the line at ${inUnit("lineAmount")} of budget ${cell(by["budget"] as string | null)} (${grounds})`;
}

function describeRefusal(refusal: Fields): string {
	return (refusal["limitName"] ?? null) === null ? describeBudgetRefusal(refusal) : describeLimitRefusal(refusal, String(refusal["limitName"]));
}

function describeBudgetRefusal(refusal: Fields): string {
	const field = (name: string) => cell(refusal[name] as string | number | null);
	const inUnit = (name: string) => ((refusal[name] ?? null) === null ? "-" : amount(field(name), field("unit")));
	const isObserved = refusal["isObserved"] === true;
	return [
		`${isObserved ? "Let pass, as the budget is only observed; would have been refused" : "Refused"} ${field("refusalId")} at ${field("at")}: ${field("code")} by ${field("budget")} after ${field("waitedMs")} ms`,
		`  limit ${inUnit("limitAmount")}, granted ${inUnit("grantedAmount")}, own idle ${inUnit("idleAmount")}, needed ${inUnit("needAmount")}`,
	].join("\n");
}

/** A limit that a newer gateway named in another way is shown as it calls itself. */
function describeLimitRefusal(refusal: Fields, name: string): string {
	const field = (key: string) => cell(refusal[key] as string | number | null);
	const limit = readLimitName(name);
	const inUnit = (key: string) => ((refusal[key] ?? null) === null ? "-" : limit?.measure === "cost_nano_usd" ? amount(field(key)) : field(key));
	const what = limit === undefined ? name : `the ${limit.mark ?? "limit"} of ${describeMeasured(limit.measure, limit.limit)}, by ${limit.dimension}`;
	const unrecorded = Number(refusal["unrecordedBefore"] ?? 0);
	const place = (refusal["line"] ?? null) === null ? "" : `, for request ${field("line")} of it`;
	const taken = (refusal["stoodAtAmount"] ?? null) === null ? "" : `${inUnit("stoodAtAmount")} taken, `;
	return [
		`Refused ${field("refusalId")} at ${field("at")}: ${field("code")} by ${what}${place}, after ${field("waitedMs")} ms`,
		`  ${taken}needed ${inUnit("needAmount")}; nothing was sent or charged`,
		...(unrecorded > 0 ? [`  and ${unrecorded} more calls that it refused before, too many for a row each`] : []),
	].join("\n");
}
