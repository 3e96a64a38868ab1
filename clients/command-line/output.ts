import { formatUsd } from "#domain/money/wire.ts";

/** Where a command writes and what it knows of the outside; tests pass their own. */
export type Terminal = {
	writeLine(line: string): void;
	writeError(line: string): void;
	/** Absent where no person sits at it. */
	ask?(question: string): Promise<string>;
	readonly environment: Readonly<Record<string, string | undefined>>;
};

/** Columns as wide as their widest cell, two spaces between; empty lists say so. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
	if (rows.length === 0) return "(none)";
	const widths = heads.map((head, column) => Math.max(head.length, ...rows.map((row) => row[column]?.length ?? 0)));
	return [heads, ...rows]
		.map((row) =>
			row
				.map((cell, column) => cell.padEnd(widths[column] ?? 0))
				.join("  ")
				.trimEnd(),
		)
		.join("\n");
}

/** "0.25 USD", or "1000 tokens" for a budget in tokens; "3 steps" of a run. */
export function amount(value: string, unit = "nano_usd"): string {
	return unit === "nano_usd" ? `${formatUsd(BigInt(value))} USD` : `${value} ${unit.replaceAll("_", " ")}`;
}

/** For optional cells. */
export function cell(value: string | number | null | undefined): string {
	return value === null || value === undefined || value === "" ? "-" : String(value);
}

/** Ends a command with a message and an exit code: 1 refused or not found, 2 usage, 3 not reachable. */
export class CommandFailure extends Error {
	override readonly name = "CommandFailure";
	readonly exitCode: number;

	constructor(exitCode: number, message: string) {
		super(message);
		this.exitCode = exitCode;
	}
}
