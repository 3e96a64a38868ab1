import type { Mutant } from "./mutant.ts";

/** Rules that hold over a restore and over months outside of the database. */
const RESTORE = "test/integration/operations/restore.test.ts";
const ARCHIVE = "test/integration/operations/archived-month.test.ts";
const REGISTER = { file: "migrations/0002_authority_functions.sql", within: "CREATE FUNCTION tollgate.register_gateway(", test: RESTORE } as const;
const REPLACE = { file: "activities/process/replace-file.ts", test: "test/unit/activities/process/replace-file.test.ts" } as const;
const BUNDLE = { file: "workers/bundle.ts", test: "test/architecture/bundle.test.ts" } as const;
const EPOCHS = ["an epoch that the disk, a lease or a chain remembers is not given again"];

export const OPERATION_MUTANTS: readonly Mutant[] = [
	{ rule: "an epoch that the gateway's disk remembers is not given again", ...REGISTER, from: "greatest(p_last_epoch,", to: "greatest(0,", titles: EPOCHS },
	{
		rule: "an epoch that a lease remembers is not given again",
		...REGISTER,
		from: "    (SELECT max(epoch) FROM tollgate.lease WHERE gateway_id = p_gateway),\n",
		to: "",
		titles: EPOCHS,
	},
	{
		rule: "an epoch that a chain remembers is not given again",
		...REGISTER,
		from: "(SELECT max(epoch) FROM tollgate.chunk WHERE gateway_id = p_gateway)",
		to: "0",
		titles: EPOCHS,
	},
	{
		rule: "a gateway keeps its epoch on its disk",
		file: "gateway/open-request-authority.ts",
		from: "provenDead, readLastEpoch(epochFile)]",
		to: 'provenDead, "0"]',
		test: RESTORE,
		titles: ["a gateway's own disk remembers its epoch, where the database has forgotten that it ever was"],
	},
	{
		rule: "a month is counted by days before it leaves",
		file: "migrations/0012_ledger_archive.sql",
		within: "CREATE FUNCTION tollgate.archive_month(",
		from: "  WHILE tollgate.count_spend(500) > 0 LOOP NULL; END LOOP;\n",
		to: "",
		test: ARCHIVE,
		titles: ["is in the totals of days, also where nobody had counted them before"],
	},
	{
		rule: "what callers say of their users is not in the books",
		file: "activities/request/claimed-users.ts",
		from: '		opaque[name] = idOf(claimed[name] ?? "");\n',
		to: "",
		test: "test/integration/operations/erase-user.test.ts",
		titles: ["what callers say of their users is in no table and no journal; the same user has the same opaque id on every gateway"],
	},
	{
		rule: "an epoch file that is damaged is not taken for none",
		file: "gateway/open-request-authority.ts",
		from: "if (/^\\d+\\n?$/.test(text)) return text.trimEnd();",
		to: 'return Number.parseInt(text, 10) > 1 ? text.trimEnd() : "0";',
		test: RESTORE,
		titles: ["a gateway whose epoch file is damaged does not start"],
	},
	{
		rule: "the epoch file is replaced, never written in place",
		...REPLACE,
		from: "openSync(draft, ",
		to: "openSync(file, ",
		titles: ["a crash at any step leaves the text before or the new one, and the next replacement works"],
		redBy: "ENOENT",
	},
	{
		rule: "the epoch file is on the disk before it stands in place of the one before",
		...REPLACE,
		from: "		fsyncSync(descriptor);\n	} finally {\n		closeSync(descriptor);\n	}\n	renameSync",
		to: "	} finally {\n		closeSync(descriptor);\n	}\n	renameSync",
		titles: ["the text is on the disk before its name is, and the name before anybody goes on"],
	},
	{
		rule: "a team workflow that is silent or gone leaves the testimony of the others",
		file: "workers/chain-witnesses.ts",
		from: 'unlessFor(["governance.unreachable", "admin.not_found"], () => headsToldTo',
		to: "unlessFor([], () => headsToldTo",
		test: "test/unit/workers/chain-witnesses.test.ts",
		titles: ["one that is silent and one that is gone leave the testimony of the others, and are counted"],
		redBy: "away",
	},
	{
		rule: "a worker does not hold the sources in the map of its workflow code",
		...BUNDLE,
		from: '		webpackConfigHook: (config) => ({ ...config, devtool: "inline-nosources-cheap-module-source-map" }),\n',
		to: "",
		titles: ["the bundle stays small: a worker holds it many times while it starts"],
	},
	{
		rule: "workflow code takes one byte a character",
		...BUNDLE,
		from: "code: escapeWideCharacters(bundle.code)",
		to: "code: bundle.code",
		also: "void escapeWideCharacters;",
		titles: ["the bundle stays small: a worker holds it many times while it starts"],
	},
	{
		rule: "only what the file holds leaves the database",
		file: "migrations/0012_ledger_archive.sql",
		within: "CREATE FUNCTION tollgate.archive_month(",
		from: "  IF (v_chunks, v_entries, v_digest) IS DISTINCT FROM",
		to: "  IF false AND (v_chunks, v_entries, v_digest) IS DISTINCT FROM",
		test: ARCHIVE,
		titles: ["takes out nothing when the file is not what the ledger holds"],
	},
	{
		rule: "spend leaves no archived money out",
		file: "activities/administration/spend.ts",
		from: "FROM tollgate.archived_spend WHERE ",
		to: "FROM tollgate.archived_spend WHERE false AND ",
		test: ARCHIVE,
		titles: ["stands in spend as before, by every dimension, and by day and team"],
	},
	{
		rule: "a new budget starts with what archived calls have booked in its window",
		file: "migrations/0005_governance_functions.sql",
		from: " + tollgate.booked_in_archive(p_window_id);",
		to: ";",
		test: ARCHIVE,
		titles: ["counts in the opening balance of a new budget as if it were still there, and once where it was reserved"],
	},
	{
		rule: "what later entries refer to stays in the database",
		file: "migrations/0012_ledger_archive.sql",
		within: "CREATE FUNCTION tollgate.archivable_chunks(",
		from: "  HAVING bool_and(e.kind = 'charge' AND a.outcome = 'settled' AND a.overrun_nano_usd = 0) IS TRUE\n",
		to: "",
		test: ARCHIVE,
		titles: ["leaves the ledger one that goes on: calls are settled, an unknown cost is resolved, and nothing archived is booked again"],
	},
	{
		rule: "a key that is called archived hides no row",
		file: "activities/verification/judge-entries.ts",
		from: "(e.entry_key IS NULL) <> (k.archived_month IS NOT NULL)",
		to: "(e.entry_key IS NULL AND k.archived_month IS NULL)",
		test: ARCHIVE,
		titles: ["a key that was called archived to hide a deleted row"],
	},
];
