import pg from "pg";
import { judgeRollups } from "#activities/verification/judge-rollups.ts";
import { Findings } from "#activities/verification/report.ts";
import { withSnapshot } from "#activities/verification/snapshot.ts";

/** Holds the sums of the database named on the command line to its entries, as `verify` does, tells its parent, and stays until that has looked at its memory. */
export type JudgedSums = { readonly wrong: number; readonly elapsedMs: number };

const startedAtMs = performance.now();
const client = new pg.Client({ connectionString: process.argv[2] ?? "", application_name: "tollgate verify" });
await client.connect();
const findings = new Findings();
await withSnapshot(client, (snapshot) => judgeRollups(snapshot, findings));
await client.end();
process.send?.({ wrong: findings.total, elapsedMs: performance.now() - startedAtMs } satisfies JudgedSums);
