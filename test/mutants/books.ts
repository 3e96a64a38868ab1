import type { Mutant } from "./mutant.ts";

/** Rules of the books: the journal and its replay, what is booked once, what a workflow believes of its totals. */
const SETTLE = "test/integration/activities/ledger/settle-chunk.test.ts";
const ADOPTION = "test/integration/activities/ledger/adoption.test.ts";
const REPLAY = "activities/ledger/replay.ts";

export const BOOK_MUTANTS: readonly Mutant[] = [
	{
		rule: "counters move by the rows a chunk really inserted",
		file: "migrations/0004_ledger_functions.sql",
		within: "CREATE FUNCTION tollgate.settle_chunk(",
		from: "FROM fresh CROSS JOIN LATERAL json_array_elements(fresh.charges) AS c",
		to: "FROM given CROSS JOIN LATERAL json_array_elements(given.charges) AS c",
		test: SETTLE,
		titles: ["counters move by what was inserted, and budget rows are not touched"],
	},
	{
		rule: "the idempotency key is unique over all months",
		file: "migrations/0003_ledger.sql",
		from: "CREATE TABLE tollgate.entry_key (entry_key text PRIMARY KEY);",
		to: `CREATE FUNCTION tollgate.month_of_key() RETURNS date LANGUAGE plpgsql AS $$ BEGIN RETURN date_trunc('month', clock_timestamp()); END $$;
CREATE TABLE tollgate.entry_key (entry_key text, month date DEFAULT tollgate.month_of_key(), PRIMARY KEY (entry_key, month)) PARTITION BY RANGE (month);
CREATE TABLE tollgate.entry_key_default PARTITION OF tollgate.entry_key DEFAULT;`,
		test: SETTLE,
		titles: ["a key stays unique across the end of a month"],
	},
	{
		rule: "a fence stops grants, never settles",
		file: "migrations/0004_ledger_functions.sql",
		within: "CREATE FUNCTION tollgate.settle_chunk(",
		from: "IF json_array_length(p_rows) > 0 THEN",
		to: "IF json_array_length(p_rows) > 0 AND EXISTS (SELECT 1 FROM tollgate.gateway_epoch WHERE gateway_id = p_gateway AND epoch = p_epoch AND fenced_at IS NULL) THEN",
		test: SETTLE,
		titles: ["a fenced epoch settles on"],
	},
	{
		rule: "a dead gateway's outcomes are booked from its journal",
		file: REPLAY,
		from: `		if (record.type === "outcome") queueOutcome(record, open, { writer, tally });\n`,
		to: `		if (record.type === "outcome") open.delete(record.n);\n`,
		test: ADOPTION,
		titles: ["two adopters at once: exactly one does it"],
	},
	{
		rule: "a reservation without an outcome is charged after a crash",
		file: REPLAY,
		from: "	for (const reservation of open.values()) writer.enqueueAttempt({ reservation, outcome: chargeReservation(reservation) });\n",
		to: "",
		test: ADOPTION,
		titles: ["two adopters at once: exactly one does it"],
	},
	{
		rule: "a crash of the machine without fsync charges the rest of the lease",
		file: "activities/ledger/adoption.ts",
		from: `	if (header.fsyncMode === "off" && header.machineBootId !== readMachineBootId()) return "machine_crash";\n`,
		to: "",
		test: ADOPTION,
		titles: ["after a crash of the machine without fsync all that is left is one lump; what the journal names is booked"],
	},
	{
		rule: "a lock of an earlier boot of the machine holds nobody out",
		file: "activities/ledger/lock-file.ts",
		from: "return holder.machineBootId === readMachineBootId() && (await isRunning(holder));",
		to: "return isRunning(holder);",
		test: "test/unit/activities/ledger/lock-file.test.ts",
		titles: ["a lock is taken over when the machine was started again"],
		redBy: "LockHeldError",
	},
	{
		rule: "the last bytes of a stream leave after the settle",
		file: "activities/request/run-attempt.ts",
		from: "		if ((tap.isComplete || tap.isFailed) && this.#booked === undefined) this.#bookStream(tap);\n",
		to: "",
		test: "test/gateway/streams.test.ts",
		titles: ["a stream passed untouched never ends for the caller where the journal cannot be written"],
	},
	{
		rule: "an ending is journaled before it returns",
		file: "activities/request/attempt.ts",
		from: "			journal.append(outcome);\n",
		to: "			void [journal, outcome];\n",
		test: "test/unit/activities/request/fail-closed.test.ts",
		titles: ["happens once: a second ending is a broken invariant, not a second entry"],
	},
	{
		rule: "an older version of the totals changes nothing",
		file: "domain/budget/team-budget-reducer.ts",
		from: "	if (report.version < known.version) return { ...known, refusals };\n",
		to: "",
		test: "test/unit/domain/budget/team-budget-reducer.test.ts",
		titles: ["a doubled, late or lost report does no harm"],
	},
];
