import type { Mutant } from "./mutant.ts";

/** Rules of the sums of spend: every entry is in each of them once, and verify holds them to the entries. */
const TEST = "test/integration/activities/spend/count-spend.test.ts";
const COUNT = { file: "migrations/0032_rollups.sql", test: TEST, within: "CREATE FUNCTION tollgate.add_spend(" } as const;
const JUDGE = { file: "activities/verification/judge-rollups.ts", test: TEST } as const;
const RECOUNT = "test/integration/activities/spend/recount-spend.test.ts";
const ANEW = "a day counted anew, and again, is as it was, with its corrections of any day (seed 1)";
const BESIDE = "beside a count that has begun, what both of them see counts once";
const RANDOM = "a random ledger, counted in pieces of any size between its bookings (seed 1)";

export const SPEND_MUTANTS: readonly Mutant[] = [
	{
		rule: "what is counted again is added, not put in place of what was counted",
		...COUNT,
		from: "    ON CONFLICT (slice_id, starts_at) DO UPDATE SET calls = t.calls + excluded.calls, input_tokens = t.input_tokens + excluded.input_tokens,\n      output_tokens = t.output_tokens + excluded.output_tokens, amount_nano_usd = t.amount_nano_usd + excluded.amount_nano_usd,\n      unresolved_nano_usd = t.unresolved_nano_usd + excluded.unresolved_nano_usd\n  ), days AS (",
		to: "    ON CONFLICT (slice_id, starts_at) DO NOTHING\n  ), days AS (",
		titles: [RANDOM],
	},
	{
		rule: "a correction makes no call",
		file: "migrations/0032_rollups.sql",
		test: TEST,
		within: "CREATE FUNCTION tollgate.counted_as(",
		from: "CASE WHEN e.kind IN ('charge', 'unresolved', 'estimated') THEN 1 ELSE 0 END",
		to: "1",
		titles: [RANDOM],
	},
	{
		rule: "a correction is of the dimensions of its call",
		file: "migrations/0032_rollups.sql",
		test: TEST,
		within: "CREATE FUNCTION tollgate.counted_entry(",
		from: "WHERE e.kind = 'adjustment' AND x.attempt_id = e.attempt_id",
		to: "WHERE false",
		titles: [RANDOM],
	},
	{
		rule: "what was charged without knowing is unresolved until its first correction, and taken out once",
		...COUNT,
		from: "FROM resolved r JOIN tollgate.entry o",
		to: "FROM (SELECT (e).detail ->> 'resolves' AS entry_key FROM booked WHERE (e).kind = 'adjustment') r JOIN tollgate.entry o",
		titles: [RANDOM],
	},
	{
		rule: "what was found of a lost gateway is resolved from the start",
		file: "migrations/0032_rollups.sql",
		test: TEST,
		within: "CREATE FUNCTION tollgate.counted_as(",
		from: " AND e.detail ->> 'resolves' IS DISTINCT FROM e.entry_key",
		to: "",
		titles: ["money of a lost gateway is spent without a call, unresolved until it is reduced; what was found is resolved from the start"],
	},
	{
		rule: "one process counts at a time",
		...COUNT,
		within: "CREATE FUNCTION tollgate.count_spend(",
		from: "  PERFORM pg_advisory_xact_lock(hashtextextended('tollgate.spend_day', 0));\n",
		to: "",
		titles: ["counted in two places at once, each chunk counts once"],
	},
	...(
		[
			[
				"the sums of a day that is counted anew are taken away first",
				"  DELETE FROM tollgate.spend_hour WHERE starts_at >= v_from AND starts_at < v_to;\n",
				"",
				ANEW,
			],
			[
				"a month is made anew with its users",
				"FROM (SELECT * FROM tollgate.spend_utc_day UNION ALL SELECT * FROM tollgate.spend_user_day) d WHERE",
				"FROM tollgate.spend_utc_day d WHERE",
				ANEW,
			],
			[
				"sums of an archived month are not made anew",
				"  IF EXISTS (SELECT 1 FROM tollgate.archived_month WHERE month = date_trunc('month', p_day::timestamp)::date) THEN RETURN false; END IF;\n",
				"",
				"a day of an archived month, whose sums stay",
			],
			["nobody counts while a day is counted anew", "  PERFORM pg_advisory_xact_lock(hashtextextended('tollgate.spend_day', 0));\n", "", BESIDE],
		] as const
	).map(([rule, from, to, title]) => ({
		rule,
		file: "migrations/0032_rollups.sql",
		test: RECOUNT,
		within: "CREATE FUNCTION tollgate.recount_spend(",
		from,
		to,
		titles: [title],
	})),
	...(
		[
			[
				"what is not counted yet is not counted with its day",
				" AND x.chunk_seq <= s.chunk_seq\n",
				"\n",
				"other days and what is not counted yet are left alone",
			],
			[
				"what was resolved since is not unresolved again",
				"FROM booked b WHERE p_day IS NOT NULL AND b.unresolved_nano_usd <> 0 AND",
				"FROM booked b WHERE false AND",
				ANEW,
			],
			[
				"teams' own days are not counted again with a day of UTC",
				"WHERE p_day IS NULL AND starts_with(b.debit_account",
				"WHERE starts_with(b.debit_account",
				ANEW,
			],
		] as const
	).map(([rule, from, to, title]) => ({ rule, ...COUNT, test: RECOUNT, from, to, titles: [title] })),
	{
		rule: "the hours at both ends of a span are counted with what is whole in its middle",
		file: "activities/spend/spend-sql.ts",
		test: "test/integration/activities/spend/read-spend.test.ts",
		from: "...partsOf(before, finer), ...partsOf(after, finer)];",
		to: "...partsOf(before, finer)];",
		titles: ["any question is answered as by the entries themselves (seed 1)"],
	},
	{
		rule: "sums of one dimension alone are kept by its values, not by another's",
		file: "migrations/0032_rollups.sql",
		test: TEST,
		within: "CREATE FUNCTION tollgate.single_slices(",
		from: "('feature', '', '', '', '', p_feature,",
		to: "('feature', '', '', '', '', p_model,",
		titles: [RANDOM],
	},
	...[
		[
			"kinds of work are the entries'",
			'["spend_task_day", TASKS_AGAINST_ENTRIES],',
			"",
			"any figure of spend_task_day that was changed, and a row that is gone",
		],
		["the finest sums are the entries'", '["spend_detail_hour", HOURS_AGAINST_ENTRIES],', "", "a slice that was renamed, and a chunk that was called counted"],
		[
			"sums by hour are those beside them",
			'["spend_hour", differences',
			'["spend_hour", "SELECT WHERE false" || differences',
			"any figure of spend_hour that was changed, and a row that is gone",
		],
	].map(([rule = "", from = "", to = "", title = ""]) => ({ rule: `verify: ${rule}`, ...JUDGE, from, to, titles: [title] })),
	{
		rule: "what transactions under way will commit is looked at again",
		file: "migrations/0032_rollups.sql",
		test: TEST,
		within: "CREATE FUNCTION tollgate.count_spend(",
		from: "v_finished := pg_snapshot_xmin(",
		to: "v_finished := pg_snapshot_xmax(",
		titles: ["holds a chunk that was written before others which are counted, and committed after them"],
	},
	{
		rule: "a count that leaves something does not say that all is counted",
		file: "migrations/0032_rollups.sql",
		test: TEST,
		within: "CREATE FUNCTION tollgate.count_spend(",
		from: "IF v_counted < p_chunks OR NOT EXISTS (SELECT 1 FROM tollgate.spend_due(1)) THEN",
		to: "IF true THEN",
		titles: ["is left as it was by a count that leaves something"],
	},
	{
		rule: "chains that got nothing since are not looked at",
		file: "migrations/0032_rollups.sql",
		test: TEST,
		within: "CREATE FUNCTION tollgate.spend_due(",
		from: "k.written_by >= tollgate.spend_looked_to()",
		to: "k.written_by >= '0'",
		titles: ["is what came since the last count that left nothing, however many chains there are"],
	},
	{
		rule: "a restored database is looked at as a whole",
		file: "migrations/0032_rollups.sql",
		test: TEST,
		within: "CREATE FUNCTION tollgate.spend_looked_to(",
		from: " WHERE written_by <= pg_snapshot_xmax(pg_current_snapshot())",
		to: "",
		titles: ["is everything in a database that was restored into a cluster with fewer transactions, until it was counted once"],
	},
	{
		rule: "verify tells of a chunk that nobody will count",
		...JUDGE,
		from: "WHERE k.written_by < tollgate.spend_looked_to() AND",
		to: "WHERE false AND",
		titles: ["never leaves a chunk behind unseen: verify tells of it"],
	},
];
