import type { SpendQuestion } from "#activities/spend/read-spend.ts";
import type { SpendDimension } from "#domain/spend/dimensions.ts";
import type { Random } from "#test/faults/random.ts";
import type { TestLedger } from "./test-ledger.ts";

/** Spend as the entries themselves have it, added up one by one: what every sum kept beside the ledger is judged by. */
const COLUMNS: Readonly<Record<SpendDimension, string>> = {
	team: "substr(e.debit_account, 6)",
	model: "a.model",
	askedModel: "coalesce(a.asked_model, a.model)",
	feature: "a.feature",
	user: "a.user_id",
	key: "a.key_id",
	environment: "a.environment",
	provider: "substr(e.credit_account, 10)",
	run: "(SELECT r.id FROM tollgate.run r WHERE r.number = a.run_ids[cardinality(a.run_ids)])",
	batch: "NULL::text",
};

export function spendOfEntries(ledger: TestLedger, { by, per, from, to, only = {} }: SpendQuestion) {
	const period = per === undefined ? "NULL::text" : `to_char(date_trunc('${per}', e.at, 'UTC') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`;
	const narrowed = Object.entries(only).map(([name, value]) => `AND ${COLUMNS[name as SpendDimension]} = '${value}'`);
	return ledger
		.sql<{ groups: readonly (string | null)[]; startsAt: string | null }>(
			`SELECT ARRAY[${by.map((name) => COLUMNS[name]).join(", ")}]::text[] AS groups, ${period} AS "startsAt",
			        count(*) FILTER (WHERE e.kind IN ('charge', 'unresolved', 'estimated'))::float8 AS calls,
			        coalesce(sum(a.input_tokens) FILTER (WHERE e.kind <> 'adjustment'), 0)::text AS "inputTokens",
			        coalesce(sum(a.output_tokens) FILTER (WHERE e.kind <> 'adjustment'), 0)::text AS "outputTokens", sum(e.amount_nano_usd)::text AS "costNanoUsd",
			        coalesce(sum(e.amount_nano_usd) FILTER (WHERE e.kind IN ('unresolved', 'estimated', 'lump') AND NOT EXISTS (
			          SELECT 1 FROM tollgate.entry x WHERE x.kind = 'adjustment' AND x.detail ->> 'resolves' = e.entry_key)), 0)::text AS "unresolvedNanoUsd"
			 FROM tollgate.entry e LEFT JOIN tollgate.attempt a ON a.attempt_id = e.attempt_id
			 WHERE e.at >= coalesce($1::timestamptz, '-infinity') AND e.at < coalesce($2::timestamptz, 'infinity') ${narrowed.join(" ")}
			 GROUP BY 1, 2 ORDER BY 2, sum(e.amount_nano_usd) DESC, 1`,
			[from ?? null, to ?? null],
		)
		.then((rows) =>
			rows.map(({ groups, startsAt, ...figures }) => ({
				groups: Object.fromEntries(by.map((name, index) => [name, groups[index] ?? null])),
				...(startsAt !== null && { startsAt }),
				...figures,
			})),
		);
}

/** Calls of three runs, some of them corrected once or twice, and everything counted in pieces of any size in between and at the end. */
export async function bookAtRandom(ledger: TestLedger, { integer, pick }: Random, calls = 60): Promise<void> {
	await ledger.sql(`INSERT INTO tollgate.run (id, team_id, key_id, origin, root_number, path)
		SELECT 'run-' || n, 'demo', 'key_0', 'header', n, ARRAY[n::bigint] FROM generate_series(1, 3) n`);
	const open: number[] = [];
	for (let n = 1; n <= calls; n++) {
		const outcome = pick(["settled", "settled", "unresolved", "estimated"] as const);
		await ledger.settle({ n, outcome, reserved: BigInt(integer(200, 1_200)), model: pick(["gpt-test", "gpt-test-2026"]) });
		if (outcome !== "settled") open.push(n);
		await ledger.sql(
			"UPDATE tollgate.attempt SET user_id = $2, feature = $3, environment = $4, run_ids = $5, task_kind = $6, cached_input_tokens = $7 WHERE attempt_id = $1",
			[
				ledger.attemptId(n),
				...[
					pick([null, "ann", "bob"]),
					pick([null, "chat"]),
					pick([null, "prod"]),
					pick([null, [1], [2], [3]]),
					pick([null, "long", "summary"]),
					integer(0, 9),
				],
			],
		);
		if (open.length > 0 && integer(1, 3) === 1) {
			const [resolved = 0] = open.splice(integer(0, open.length - 1), 1);
			await ledger.sql("SELECT tollgate.adjust_attempt($1, $2, 150, 'test', 'ada')", [ledger.attemptId(resolved), integer(0, 300)]);
			if (integer(1, 2) === 1) await ledger.sql("SELECT tollgate.adjust_attempt($1, $2, 150, 'again', 'ada')", [ledger.attemptId(resolved), integer(301, 600)]);
		}
		if (integer(1, 4) === 1) await ledger.sql("SELECT tollgate.count_spend($1)", [integer(1, 5)]);
	}
	while ((await ledger.sql<{ counted: number }>("SELECT tollgate.count_spend($1) AS counted", [integer(1, 3)]))[0]?.counted !== 0);
}

/** Of every kind of work that the entries hold, added up one by one. */
export function kindsOfEntries(ledger: TestLedger) {
	return ledger.sql(`
		SELECT coalesce(a.task_kind, '') AS "taskKind", count(*) FILTER (WHERE e.kind <> 'adjustment')::text AS calls, sum(e.amount_nano_usd)::text AS "costNanoUsd",
		       coalesce(sum(a.cached_input_tokens) FILTER (WHERE e.kind <> 'adjustment'), 0)::text AS "cachedInputTokens"
		FROM tollgate.entry e JOIN tollgate.attempt a ON a.attempt_id = e.attempt_id GROUP BY 1 ORDER BY 1`);
}
