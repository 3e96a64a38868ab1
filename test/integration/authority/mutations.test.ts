import { describe, expect, it } from "vitest";
import { readMigrations } from "#activities/database/migrate.ts";
import {
	type Check,
	claimWhatIsShort,
	dropClaims,
	forgetStaleClaims,
	grantOf,
	honourClaims,
	openBudget,
	replaceClaims,
} from "#test/support/authority-claims.ts";
import { emptyTally, runAuthorityHistory } from "#test/support/authority-histories.ts";
import { registerGateway, withClient } from "#test/support/authority-rows.ts";
import { createTestDatabase } from "#test/support/postgres.ts";

/**
 * The checks of the authority can fail: each mutant takes one rule out of a SQL function, and the check that is named
 * for it finds that out. The functions as they are pass all checks.
 */
const HISTORIES = 30;

type Mutant = { readonly rule: string; readonly within: string; readonly from: string; readonly to: string; readonly also?: string; readonly check: Check };

/** Random histories against the pure model. */
const compareHistories: Check = (url) =>
	withClient(url, async (client) => {
		for (let seed = 0; seed < HISTORIES; seed++) await runAuthorityHistory(client, seed, emptyTally());
	});

/** Eight gateways ask for more than there is at once: exactly what fits is served, and no statement fails. */
const raceForMoney: Check = (url) =>
	withClient(url, async (client) => {
		const budget = await openBudget(client, 200n);
		const racers = await Promise.allSettled(
			Array.from({ length: 8 }, (_, index) =>
				withClient(url, async (own) => {
					const gateway = { id: `racer${index}`, epoch: await registerGateway(own, `racer${index}`) };
					let base = "0";
					let count = 0;
					for (let round = 0; round < 6; round++) {
						const { reply } = (await grantOf(own, gateway, { ...budget, base, need: 7, isFinal: true })).rows[0]!;
						base = reply.items[0]?.leaseGranted ?? base;
						if (reply.served[0]) count++;
					}
					return count;
				}),
			),
		);
		// All have ended before a failure ends the check, and with it the database.
		for (const racer of racers) if (racer.status === "rejected") throw racer.reason;
		expect(racers.reduce((sum, racer) => sum + (racer.status === "fulfilled" ? racer.value : 0), 0)).toBe(28);
	});

/** Widens the gap between reading the room and taking it, as a slow disk would. */
const SPLIT = {
	from: "  FOR i IN 1..n LOOP\n    IF p_known_windows[i] = v_windows[i] THEN",
	to: "  PERFORM pg_sleep(0.01);\n  FOR i IN 1..n LOOP\n    IF p_known_windows[i] = v_windows[i] THEN",
};

const MUTANTS: readonly Mutant[] = [
	{
		rule: "a grant locks its windows before it reads them",
		within: "grant_lease",
		from: "ORDER BY id FOR NO KEY UPDATE LOOP",
		to: "ORDER BY id LOOP",
		check: raceForMoney,
	},
	{
		rule: "a fenced or closed epoch is granted nothing",
		within: "grant_lease",
		from: "IF NOT EXISTS (SELECT 1 FROM tollgate.gateway_epoch WHERE",
		to: "IF false AND NOT EXISTS (SELECT 1 FROM tollgate.gateway_epoch WHERE",
		check: compareHistories,
	},
	{
		rule: "an attempt is booked once",
		within: "settle_chunk",
		from: "ON CONFLICT DO NOTHING RETURNING entry_key",
		to: "RETURNING entry_key",
		also: "ALTER TABLE tollgate.entry_key DROP CONSTRAINT entry_key_pkey",
		check: compareHistories,
	},
	{
		rule: "a grant leaves room for earlier claims",
		within: "grant_lease",
		from: "CASE WHEN p_is_final THEN 0 ELSE v_claimed[i] END",
		to: "0",
		check: honourClaims,
	},
	{ rule: "a new ask leaves a new claim", within: "grant_lease", from: " AND NOT p_is_new_ask;", to: ";", check: replaceClaims },
	{
		rule: "a new claim keeps the place of the old one",
		within: "grant_lease",
		from: "CASE WHEN c.expires_at > clock_timestamp() THEN c.place ELSE excluded.id END",
		to: "excluded.id",
		check: replaceClaims,
	},
	{ rule: "a claim that stands for another call stays", within: "grant_lease", from: "ELSIF p_drops_claims THEN", to: "ELSE", check: dropClaims },
	{
		rule: "a claim counts idle money once",
		within: "grant_lease",
		from: "v_need - greatest(0, v_mine[i] - v_used[i])",
		to: "v_need - v_mine[i]",
		check: claimWhatIsShort,
	},
	{
		rule: "a claim covers every short window",
		within: "grant_lease",
		from: "IF v_short[i] = 0 AND",
		to: "IF c = 2 AND v_short[i] = 0 AND",
		check: claimWhatIsShort,
	},
	{
		rule: "a claim that ran out gives no place",
		within: "grant_lease",
		from: "AND window_id = v_windows[i] AND expires_at > clock_timestamp();",
		to: "AND window_id = v_windows[i];",
		check: forgetStaleClaims,
	},
	{
		rule: "a threshold below the limit restricts",
		within: "grant_lease",
		from: "least(v_row.limit_amount, v_row.stop_amount) - v_row.granted",
		to: "v_row.limit_amount - v_row.granted",
		check: compareHistories,
	},
	{
		rule: "what a lost reply granted counts first",
		within: "grant_lease",
		from: "v_mine[i] := v_idle[i] + greatest(0, v_lost[i]);",
		to: "v_mine[i] := v_idle[i];",
		check: compareHistories,
	},
	{
		rule: "an overrun stops the grants of its window",
		within: "grant_lease",
		from: "> v_row.overrun_cleared;",
		to: "> v_row.overrun_cleared + 1000000;",
		check: compareHistories,
	},
	{
		rule: "a call is served in all its windows or in none",
		within: "grant_lease",
		from: "        v_fits := false;\n",
		to: "        v_fits := i < n;\n",
		check: compareHistories,
	},
	{
		rule: "a return is absolute",
		within: "return_idle",
		from: "least(p_return_to[array_position(p_windows, v_row.id)], granted - posted)",
		to: "least(returned + p_return_to[array_position(p_windows, v_row.id)], granted - posted)",
		check: compareHistories,
	},
	{
		rule: "an overrun is not taken out of a lump",
		within: "settle_chunk",
		from: "ARRAY(SELECT greatest(0, a - v) FROM",
		to: "ARRAY(SELECT a FROM",
		check: bookLateOverrun,
	},
];

/** A lump holds the reservations of two calls; one of them settles late and cost more than it had reserved. */
async function bookLateOverrun(url: string): Promise<void> {
	await withClient(url, async (client) => {
		const budget = await openBudget(client, 100n);
		const gateway = { id: "lost", epoch: await registerGateway(client, "lost") };
		const epoch = gateway.epoch.toString();
		await grantOf(client, gateway, { ...budget, base: "0", need: 50, isFinal: true });
		await client.query("SELECT tollgate.lump_epoch('lost', $1, 'test')", [epoch]);
		const row = {
			attempt_id: `lost-${epoch}-1`,
			reserved_at_ms: 0,
			request_id: "request",
			team_id: "race",
			key_id: "key",
			provider: "openai",
			deployment: "openai",
			protocol: "openai",
			endpoint: "chat.completions",
			model: "gpt-test",
			priced_model: "gpt-test",
			priced_tiers: ["standard"],
			prices_as_of_ms: 1_790_000_000_000,
			outcome: "settled",
			reserved_nano_usd: "20",
			reserved_tokens: 20,
			cost_nano_usd: "45",
			cost_tokens: 45,
			overrun_nano_usd: "25",
			price_version: 1,
			window_ids: [budget.windowId],
			charges: [[budget.windowId, "45", "25"]],
		};
		await client.query("SELECT tollgate.settle_chunk('lost', $1, $2, '[]', '[]')", [epoch, JSON.stringify([row])]);
		const { rows } = await client.query(
			`SELECT (SELECT posted || ' ' || overrun FROM tollgate.lease WHERE gateway_id = 'lost') AS lease,
			        (SELECT sum(amount_nano_usd)::text FROM tollgate.entry WHERE gateway_id = 'lost' AND attempt_id IS NULL) AS lump`,
		);
		expect(rows[0]).toEqual({ lease: "50 25", lump: "30" });
	});
}

/** The source of one function, ready to take the place of the one in the database. */
async function sourceOf(functionName: string): Promise<string> {
	for (const { sql } of await readMigrations()) {
		const start = sql.indexOf(`CREATE FUNCTION tollgate.${functionName}(`);
		if (start >= 0) return sql.slice(start, sql.indexOf("END $$;", start) + 7).replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION");
	}
	throw new Error(`no migration makes tollgate.${functionName}`);
}

function replaceOnce(source: string, { from, to }: { readonly from: string; readonly to: string }): string {
	if (source.split(from).length !== 2) throw new Error(`a mutant expects to find this once: ${from}`);
	return source.replace(from, () => to);
}

async function onDatabase(statements: readonly string[], check: Check): Promise<void> {
	const database = await createTestDatabase();
	try {
		await withClient(database.url, async (client) => {
			for (const statement of statements) await client.query(statement);
		});
		await check(database.url);
	} finally {
		await database.close();
	}
}

describe("the SQL functions as they are", () => {
	it("agree with the model", () => onDatabase([], compareHistories));
	it("honour claims", () => onDatabase([], honourClaims));
	it("replace claims", () => onDatabase([], replaceClaims));
	it("drop claims", () => onDatabase([], dropClaims));
	it("claim what is short", () => onDatabase([], claimWhatIsShort));
	it("forget stale claims", () => onDatabase([], forgetStaleClaims));
	it("book a late overrun beside the lump", () => onDatabase([], bookLateOverrun));
	it("serve exactly what fits, however slow", async () => onDatabase([replaceOnce(await sourceOf("grant_lease"), SPLIT)], raceForMoney));
});

describe("a mutant is caught", () => {
	for (const mutant of MUTANTS) {
		it(`without the rule that ${mutant.rule}`, async () => {
			const source = await sourceOf(mutant.within);
			const mutated = replaceOnce(mutant.check === raceForMoney ? replaceOnce(source, SPLIT) : source, mutant);
			await onDatabase([mutated, ...(mutant.also === undefined ? [] : [mutant.also])], (url) => expect(mutant.check(url)).rejects.toThrow());
		});
	}
});
