import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { verifyLedger } from "#activities/verification/verify.ts";
import { NONCE } from "../driver/load-target.ts";
import type { WindowResult } from "../driver/window.ts";
import type { RunningLane } from "../lanes/lane.ts";
import { withClient } from "../lanes/store.ts";

/** What the driver counted of one lane over the whole run. */
export type LaneTally = Pick<WindowResult, "sent" | "right" | "wrong" | "failed" | "failures">;

export type LaneVerdict = {
	/** Why no figure of the lane counts; empty for a good lane. */
	readonly voidBecause: readonly string[];
	readonly calls: number;
	/** Lines in the provider's log of the lane, the first probes of its answers left out. */
	readonly billed: number;
	/** Entries in the ledger; undefined where there is none. */
	readonly entries: number | undefined;
};

/**
 * A fast run with a wrong ledger is a failed run: every answer must have the right bytes, the provider's log must hold exactly
 * the calls that were made, and for a lane of ours `verify` must find that log in the ledger one to one, no budget above its limit and
 * nothing refused, estimated or unresolved.
 */
export async function judgeLane(lane: Pick<RunningLane, "databaseUrl" | "chargedWindows">, tally: LaneTally, callLogPath: string): Promise<LaneVerdict> {
	const voidBecause: string[] = [];
	if (tally.wrong > 0) voidBecause.push(`${tally.wrong} answers with the wrong bytes`);
	if (tally.failed > 0) voidBecause.push(`${tally.failed} calls without an answer of status 200 (${waysOf(tally)})`);
	const { billed, probes } = await countLines(callLogPath);
	if (billed !== tally.sent) voidBecause.push(`${tally.sent} calls sent, ${billed} in the provider's log`);
	if (lane.databaseUrl === undefined) return { voidBecause, calls: tally.sent, billed, entries: undefined };
	const { report, findings, notes } = await verifyLedger({ databaseUrl: lane.databaseUrl, providerLogPath: callLogPath, adminName: "bench" });
	const first = findings[0];
	if (!report.ok) voidBecause.push(`verify: ${first?.kind} ${first?.row}: ${first?.message}`);
	if (report.calls !== billed + probes) voidBecause.push(`verify read ${report.calls} of ${billed + probes} calls`);
	for (const count of ["falseRefusals", "duplicated", "lost", "estimated", "unresolved"] as const)
		if (report[count] > 0) voidBecause.push(`verify counts ${report[count]} ${count}`);
	if (report.overspendNanoUsd !== "0" || report.overrunNanoUsd !== "0") voidBecause.push("a budget is above its limit");
	const charged = await countChargedWindows(lane.databaseUrl);
	// More where a window ended within the run.
	if (charged < (lane.chargedWindows ?? 0)) voidBecause.push(`calls were charged in ${charged} budget windows and not in ${lane.chargedWindows}`);
	if (notes.length > 0) voidBecause.push(`verify: ${notes[0]}`);
	return { voidBecause, calls: tally.sent, billed, entries: report.entries };
}

function waysOf({ failures }: LaneTally): string {
	return Object.entries(failures)
		.map(([why, count]) => `${count} x ${why}`)
		.join(", ");
}

async function countChargedWindows(databaseUrl: string): Promise<number> {
	const text = "SELECT count(DISTINCT window_id)::integer AS windows FROM tollgate.lease WHERE posted > 0";
	return withClient(databaseUrl, async (client) => (await client.query<{ windows: number }>(text)).rows[0]?.windows ?? 0);
}

/** Probes carry the one nonce that no counted call has. */
async function countLines(file: string): Promise<{ readonly billed: number; readonly probes: number }> {
	const counted = { billed: 0, probes: 0 };
	for await (const line of createInterface({ input: createReadStream(file) })) counted[line.includes(NONCE) ? "probes" : "billed"] += 1;
	return counted;
}
