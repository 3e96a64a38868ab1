import { writeSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Connection } from "#activities/database/connection.ts";
import { openJournal } from "#activities/ledger/journal.ts";
import { acquireIdentityLock } from "#activities/ledger/lock-file.ts";
import { createLedgerWriter } from "#activities/ledger/writer.ts";
import { attemptRow, refusalRecord } from "./ledger-records.ts";

/**
 * A gateway reduced to its journal and its writer, made to be killed: says `sent n` after the reservation is journaled and
 * `done n outcome` after the outcome is, and flushes meanwhile.
 * Arguments: folder, epoch, database URL, window id.
 */
const [, , folder = "", epochText = "", url = "", windowId = ""] = process.argv;
const identity = { gatewayId: "g1", epoch: BigInt(epochText) };
const CALLS = 900;
const OUTCOMES = ["settled", "released", "unresolved", "settled"] as const;

const say = (line: string) => writeSync(1, `${line}\n`);

await acquireIdentityLock(folder, "g1");
const journal = await openJournal({ folder, ...identity, bootId: `boot-${epochText}`, segmentBytes: 16_384 });
const writer = createLedgerWriter({ ...identity, sql: new Connection({ url, applicationName: "child" }), journal, chunkMs: 5, chunkRows: 20 });
for (let n = 1; n <= CALLS; n += 1) {
	const outcome = OUTCOMES[n % OUTCOMES.length] ?? "settled";
	const row = attemptRow(n, windowId, {
		reservation: { attemptId: `g1-${epochText}-${n}` },
		outcome: { outcome, costNanoUsd: outcome === "unresolved" ? "1000" : "200" },
	});
	journal.append(row.reservation);
	say(`sent ${n}`);
	if (n % 50 === 0) {
		const refusal = refusalRecord(n, { refusalId: `g1-${epochText}-f-${n}` });
		journal.append(refusal);
		writer.enqueueRefusal(refusal);
	}
	// Every seventh call is still under way when the process dies.
	if (n % 7 !== 0) {
		journal.append(row.outcome);
		if (outcome !== "released") writer.enqueueAttempt(row);
		say(`done ${n} ${outcome}`);
	}
	await nextTurn();
}
say("idle");
setInterval(() => undefined, 60_000);
