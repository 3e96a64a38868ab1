import { verifyLedger } from "#activities/verification/verify.ts";

/** Verifies the database named on the command line, tells its parent, and stays until that has looked at its memory. */
export type VerifyOutcome = { readonly isOk: boolean; readonly entries: number; readonly elapsedMs: number };

const startedAtMs = performance.now();
const { report } = await verifyLedger({ databaseUrl: process.argv[2] ?? "", adminName: "bench" });
process.send?.({ isOk: report.ok, entries: report.entries, elapsedMs: performance.now() - startedAtMs } satisfies VerifyOutcome);
