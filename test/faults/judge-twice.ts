import { expect } from "vitest";
import { verifyLedger } from "#activities/verification/verify.ts";
import type { CallRecord } from "./call.ts";
import { judge } from "./checker.ts";
import type { Counts } from "./fault.ts";

export type Judged = {
	readonly databaseUrl: string;
	readonly callLogPath: string;
	/** What callers were told. */
	readonly records: readonly CallRecord[];
	/** First brings what was charged unseen to what the provider's log says. */
	readonly shouldResolve?: boolean;
};

/** The black-box checker and `tollgate verify` judge the same books, and agree that nothing is broken. */
export async function judgeTwice({ databaseUrl, callLogPath, records, shouldResolve = false }: Judged): Promise<Counts> {
	const { report, findings } = await verifyLedger({ databaseUrl, providerLogPath: callLogPath, shouldResolve });
	const { counts, problems } = await judge({ databaseUrl, callLogPath }, records);
	expect(problems).toEqual([]);
	expect(findings).toEqual([]);
	expect(counts).toMatchObject({ overspendNanoUsd: 0n, falseRefusals: 0, duplicated: 0, lost: 0 });
	const { calls, falseRefusals, duplicated, lost, estimated, unresolved } = counts;
	expect(report).toMatchObject({ ok: true, calls, overspendNanoUsd: "0", falseRefusals, duplicated, lost, estimated, unresolved, pendingPastTime: 0 });
	return counts;
}
