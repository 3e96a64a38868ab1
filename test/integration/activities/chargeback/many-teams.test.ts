import { afterEach, beforeEach, expect, test } from "vitest";
import { MonthLedger } from "#test/support/chargeback.ts";

/** A large organisation: its teams are stated in batches, and nothing is held whole in memory but one sum a team. */
const TEAMS = 1_000;

let ledger: MonthLedger;
beforeEach(async () => {
	ledger = await MonthLedger.open();
});
afterEach(() => ledger.close());

test("a thousand teams are stated, share what is shared, and come to the ledger", async () => {
	await ledger.pool.query("INSERT INTO tollgate.team (id) SELECT 'team-' || n FROM generate_series(1, $1) n", [TEAMS]);
	// As count_spend keeps it: two models and two users a team, and a platform that all share.
	await ledger.pool.query(
		`INSERT INTO tollgate.spend_slice (dimension, debit_account, credit_account, model, asked_model, feature, key_id, environment)
		 SELECT '', 'team/team-' || n, 'provider/openai', 'm' || m, 'm' || m, 'chat', 'key', '' FROM generate_series(1, $1) n, generate_series(1, 2) m`,
		[TEAMS],
	);
	const rows = (period: string, columns: string, of: string) =>
		`INSERT INTO tollgate.${period} (starts_at, slice_id, ${columns} calls, input_tokens, output_tokens, amount_nano_usd, unresolved_nano_usd)
		 SELECT '2026-10-01T00:00Z', id, ${of} FROM tollgate.spend_slice`;
	const figures = "2, 20, 10, 1000 + 7 * id, 0";
	for (const user of ["ann", "bob"])
		for (const period of ["spend_detail_hour", "spend_detail_month"])
			await ledger.pool.query(rows(period, "user_id, run_number, batch_number,", `'${user}', 0, 0, ${figures}`));
	for (const period of ["spend_hour", "spend_utc_day"]) await ledger.pool.query(rows(period, "", "4, 40, 20, 2 * (1000 + 7 * id), 0"));
	const split = { split: "proportional", among: null, shares: {} } as const;
	await ledger.rules({ pools: [{ ...split, name: "platform", of: { team: "team-1" } }], marginBasisPoints: 250 });
	const draft = await ledger.draft("2026-10");
	const { rows: sums } = await ledger.pool.query(
		"SELECT count(*)::int AS teams, sum(cost_nano_usd)::text AS cost, sum(lines)::int AS lines FROM tollgate.statement WHERE month = '2026-10-01' AND draft = $1",
		[draft],
	);
	const { rows: spent } = await ledger.pool.query<{ sum: string }>("SELECT sum(amount_nano_usd)::text AS sum FROM tollgate.spend_utc_day");
	// Four lines of its own, its share, its margin; the platform's are given away.
	expect(sums).toEqual([{ teams: TEAMS, cost: spent[0]?.sum, lines: 6 * TEAMS - 1 }]);
});
