import { describe, expect, it } from "vitest";
import { readMigrations } from "#activities/database/migrate.ts";
import { type CheckName, SQL_CHECKS, SQL_MUTANTS } from "#test/mutants/authority.ts";
import { applyEdit } from "#test/mutants/mutant.ts";
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
import { runAuthorityHistory } from "#test/support/authority-histories.ts";
import {
	answerWhatWasReturned,
	guardTheLimit,
	keepThePlaceInLine,
	numberChangesInOrder,
	openNextOnce,
	outliveLateHeartbeats,
	registerOneBoot,
	showClaimsInOrder,
	standInLine,
	tellOfOthers,
	tellOpenClaims,
} from "#test/support/authority-locks.ts";
import { registerGateway, withClient } from "#test/support/authority-rows.ts";
import { degradeBeyondTheLine, enforceWhatWasObserved, fenceApprovals, observeWithoutRefusing, waitForApproval } from "#test/support/authority-thresholds.ts";
import { emptyTally } from "#test/support/history-tally.ts";
import { createTestDatabase } from "#test/support/postgres.ts";

/**
 * The checks of the authority can fail: each mutant takes one rule out of a SQL function, and the check that is named
 * for it finds that out. The functions as they are pass all checks.
 */
const HISTORIES = 30;

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

/** A wide gap between reading the room and taking it, as a slow disk would make it, and no line: returns and changes of limits do not stand in it. */
const SPLIT = [
	{ from: "  FOR c IN 1..v_calls LOOP", to: "  PERFORM pg_sleep(0.01);\n  FOR c IN 1..v_calls LOOP" },
	{ from: "  PERFORM tollgate.stand_in_line(p_budgets);", to: "" },
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
		if (start >= 0) return sql.slice(start, sql.indexOf("$$;", start) + 3).replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION");
	}
	throw new Error(`no migration makes tollgate.${functionName}`);
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

const CHECKS: Record<CheckName, Check> = {
	compareHistories,
	raceForMoney,
	honourClaims,
	replaceClaims,
	dropClaims,
	claimWhatIsShort,
	forgetStaleClaims,
	bookLateOverrun,
	numberChangesInOrder,
	registerOneBoot,
	showClaimsInOrder,
	guardTheLimit,
	openNextOnce,
	outliveLateHeartbeats,
	tellOpenClaims,
	answerWhatWasReturned,
	standInLine,
	keepThePlaceInLine,
	tellOfOthers,
	observeWithoutRefusing,
	enforceWhatWasObserved,
	waitForApproval,
	fenceApprovals,
	degradeBeyondTheLine,
};

/** The function as the check has it; a race shows only where there is time for it. */
const sourceFor = async (functionName: string, check: CheckName): Promise<string> => {
	const source = await sourceOf(functionName);
	return check === "raceForMoney" ? SPLIT.reduce(applyEdit, source) : source;
};

describe("the SQL functions as they are", () => {
	for (const [name, title] of Object.entries(SQL_CHECKS) as [CheckName, string][]) {
		it(title, async () => onDatabase(name === "raceForMoney" ? [await sourceFor("grant_lease", name)] : [], CHECKS[name]));
	}
});

describe("a mutant is caught", () => {
	for (const { rule, within, from, to, also, check } of SQL_MUTANTS) {
		it(`without the rule that ${rule}`, async () => {
			const mutated = applyEdit(await sourceFor(within, check), { from, to });
			await onDatabase([mutated, ...(also === undefined ? [] : [also])], (url) => expect(CHECKS[check](url)).rejects.toThrow());
		});
	}
});
