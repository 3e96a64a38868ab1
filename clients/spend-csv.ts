import { stringify } from "csv-stringify/sync";
import type { z } from "zod";
import { formatUsd } from "#domain/money/wire.ts";
import type { SpendReport } from "./spend-contract.ts";

/**
 * A spend report as CSV (RFC 4180, with a line of names): period, dimensions in the order asked for, figures. Amounts stand in nano-USD, exact, and in
 * dollars. A name that a spreadsheet would take for a formula has an apostrophe in front.
 */
export function spendToCsv({ by, per, rows }: z.output<typeof SpendReport>): string {
	const columns = [
		...(per === null ? [] : ["startsAt"]),
		...by.flatMap((dimension) => (dimension === "user" ? ["user", "userName"] : [dimension])),
		...["calls", "inputTokens", "outputTokens", "costNanoUsd", "costUsd", "unresolvedNanoUsd"],
	];
	const records = rows.map(({ groups, userName, costNanoUsd, ...figures }) => ({
		...figures,
		...Object.fromEntries(Object.entries({ ...groups, userName }).map(([name, value]) => [name, asCsvText(value)])),
		...{ costNanoUsd, costUsd: formatUsd(BigInt(costNanoUsd)) },
	}));
	return stringify(records, { header: true, columns });
}

/** A name that no spreadsheet takes for a formula. Not for amounts: a correction may be negative. */
export function asCsvText(name: string | null | undefined): string | null | undefined {
	return name !== null && name !== undefined && /^[=+\-@\t\r]/.test(name) ? `'${name}` : name;
}
