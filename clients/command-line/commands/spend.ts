import type { Command } from "commander";
import { shellWord } from "#domain/shell-word.ts";
import type { RequestExplanation } from "../../administration-client.ts";
import { addCommand } from "../command.ts";
import { amount, cell, type Terminal, table } from "../output.ts";
import { oneOf, time } from "../values.ts";

const DIMENSIONS = ["team", "model", "feature", "user", "key", "environment", "provider", "day"];

type SpendOptions = { by?: string; team?: string; from?: string; to?: string };

/** What was spent, and why. */
export function addSpendCommands(program: Command, terminal: Terminal): void {
	addCommand<SpendOptions>(program, terminal, {
		usage: "spend",
		summary: "what was spent, by one dimension",
		example: "npx tollgate spend --by model --from 2026-11-01",
		options: {
			"!--by <DIMENSION>": ["team, model, feature, user, key, environment, provider or day", oneOf(DIMENSIONS)],
			"--team <TEAM>": "of one team",
			"--from <TIME>": ["default start of this month, UTC", time],
			"--to <TIME>": ["default now", time],
		},
		run: async ({ system, print, options }) => {
			const report = await system().spend({ by: options.by ?? "", teamId: options.team, from: options.from, to: options.to });
			const rows = report.rows.map((row) => [
				row.name === undefined ? cell(row.group) : `${cell(row.group)} (${row.name})`,
				String(row.calls),
				row.inputTokens,
				row.outputTokens,
				amount(row.costNanoUsd),
				amount(row.unresolvedNanoUsd),
			]);
			print(
				report,
				`${table([report.by.toUpperCase(), "CALLS", "INPUT TOKENS", "OUTPUT TOKENS", "COST", "OF IT UNRESOLVED"], rows)}\ntotal ${amount(report.totalNanoUsd)}`,
			);
		},
	});
	addCommand(program, terminal, {
		usage: "explain <REQUEST_ID>",
		summary: "what one request cost and why, or why it was refused",
		example: "npx tollgate explain req_0123456789",
		run: async ({ system, print, arguments: [requestId = ""] }) => {
			const explained = await system().explain(requestId);
			print(explained, describeRequest(explained));
		},
	});
}

type Fields = Readonly<Record<string, unknown>>;

function describeRequest(explained: RequestExplanation): string {
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
	return [
		`Attempt ${field("attemptId")} at ${field("at")}: ${field("outcome")}${attempt["reason"] ? ` (${field("reason")})` : ""}, ${amount(field("costNanoUsd"))} of ${amount(field("reservedNanoUsd"))} reserved`,
		`  ${field("model")} at ${field("provider")}, answered by ${field("answeredModel")}, tier ${field("serviceTier")}, status ${field("httpStatus")}, price version ${field("priceVersion")}`,
		`  team ${field("teamId")}, feature ${field("feature")}, user ${field("userId")}, environment ${field("environment")}, key ${field("keyId")}`,
		...(lines.length > 0 ? ["  how the cost was made:", ...lines] : []),
		...(attempt["budgets"] as Fields[]).map((budget) => `  held in: ${budget["name"]} (from ${cell(budget["windowStartsAt"] as string | null)})`),
		...(attempt["entries"] as Fields[]).map(
			(entry) => `  entry ${entry["entryKey"]}: ${entry["kind"]} ${amount(String(entry["amountNanoUsd"]))} at ${entry["at"]}`,
		),
	].join("\n");
}

function describeRefusal(refusal: Fields): string {
	const field = (name: string) => cell(refusal[name] as string | number | null);
	const inUnit = (name: string) => ((refusal[name] ?? null) === null ? "-" : amount(field(name), field("unit")));
	const isObserved = refusal["isObserved"] === true;
	return [
		`${isObserved ? "Let pass, as the budget is only observed; would have been refused" : "Refused"} ${field("refusalId")} at ${field("at")}: ${field("code")} by ${field("budget")} after ${field("waitedMs")} ms`,
		`  limit ${inUnit("limitAmount")}, granted ${inUnit("grantedAmount")}, own idle ${inUnit("idleAmount")}, needed ${inUnit("needAmount")}`,
	].join("\n");
}
