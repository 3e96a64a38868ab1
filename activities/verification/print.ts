import { formatUsd } from "#domain/money/wire.ts";
import type { Verification, VerificationReport } from "./report.ts";

/** Lines for a person: the totals, then what is wrong, then what is worth knowing. */
export function describeVerification({ report, findings, findingsOmitted, notes }: Verification): string[] {
	const totals = totalsOf(report);
	const width = Math.max(...totals.map(([name]) => name.length));
	const wrong = findings.map(({ kind, row, message }) => `  ${kind.replaceAll("_", " ")}: ${row}: ${message}`);
	return [
		report.ok ? "The ledger is in order." : "The ledger is NOT in order.",
		...totals.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`),
		...(wrong.length > 0 ? ["", `${wrong.length + findingsOmitted} finding(s):`, ...wrong] : []),
		...(findingsOmitted > 0 ? [`  … and ${findingsOmitted} more`] : []),
		...(notes.length > 0 ? ["", ...notes] : []),
	];
}

function totalsOf(report: VerificationReport): readonly (readonly [string, string])[] {
	return [
		["calls", String(report.calls)],
		["entries", String(report.entries)],
		["overspend", `${formatUsd(BigInt(report.overspendNanoUsd))} USD`],
		["overrun", `${formatUsd(BigInt(report.overrunNanoUsd))} USD`],
		["false refusals", String(report.falseRefusals)],
		["duplicated", String(report.duplicated)],
		["lost", String(report.lost)],
		["pending past its time", String(report.pendingPastTime)],
		["estimated", String(report.estimated)],
		["unresolved", String(report.unresolved)],
	];
}
