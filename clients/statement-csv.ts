import { stringify } from "csv-stringify/sync";
import type { z } from "zod";
import { formatUsd } from "#domain/money/wire.ts";
import { csvText } from "./csv-text.ts";
import type { StatementLine } from "./statement-contract.ts";

const COLUMNS = [
	"month",
	"team",
	"line",
	"kind",
	"feature",
	"user",
	"model",
	"provider",
	"ofMonth",
	"pool",
	"calls",
	"inputTokens",
	"outputTokens",
	"amountNanoUsd",
	"amountUsd",
];

/** Lines of statements as CSV (RFC 4180); the names of the columns stand over the first page. */
export function statementLinesToCsv(month: string, lines: readonly z.output<typeof StatementLine>[], { header }: { readonly header: boolean }): string {
	const records = lines.map(({ teamId, feature, user, model, provider, pool, ...rest }) => ({
		...{
			month,
			...rest,
			team: csvText(teamId),
			feature: csvText(feature),
			user: csvText(user),
			model: csvText(model),
			provider: csvText(provider),
			pool: csvText(pool),
		},
		amountUsd: formatUsd(BigInt(rest.amountNanoUsd)),
	}));
	return stringify(records, { header, columns: COLUMNS });
}
