import type pg from "pg";
import { expect } from "vitest";
import { type Check, grantOf, openBudget } from "./authority-claims.ts";
import { insertBudget, insertTeam, registerGateway, withClient } from "./authority-rows.ts";
import { until } from "./until.ts";

/** What two transactions at once may do to each other, and the guards behind them; each check throws where a rule is broken. */

/** `second` begins while the transaction of `first` is open; resolves with what it came to once `first` is committed. */
async function overlap<Result>(url: string, first: string, second: (client: pg.Client) => Promise<Result>, between?: () => Promise<void>): Promise<Result> {
	return withClient(url, (early) =>
		withClient(url, async (late) => {
			const { rows } = await late.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
			await early.query("BEGIN");
			await early.query(first);
			let isDone = false;
			const work = second(late).finally(() => {
				isDone = true;
			});
			work.catch(() => undefined); // awaited below
			await until("the second to wait or to end", async () => isDone || (await isWaiting(early, rows[0]?.pid ?? 0)));
			await between?.();
			await early.query("COMMIT");
			return work;
		}),
	);
}

async function isWaiting(client: pg.Client, pid: number): Promise<boolean> {
	return (await client.query("SELECT 1 FROM pg_locks WHERE pid = $1 AND NOT granted", [pid])).rowCount === 1;
}

/** The second change waits for the first and gets the number after it. */
export const numberChangesInOrder: Check = async (url) => {
	const change = "SELECT tollgate.record_change('team', 'team', 'test', '{}')::int AS revision";
	const { rows } = await overlap(url, change, (client) => client.query<{ revision: number }>(change));
	expect(rows).toEqual([{ revision: 2 }]);
};

/** Of two boots of one identity at once the second is told of the first. */
export const registerOneBoot: Check = async (url) => {
	// Heard of for an hour to come, so that no machine is too slow for the second boot to find it alive.
	const alive = "UPDATE tollgate.gateway_epoch SET last_seen_at = clock_timestamp() + interval '1 hour'";
	const boot = (id: string, provenDead = "{}"): string => `SELECT tollgate.register_gateway('twin', '${id}', 'off', '${provenDead}') AS reply`;
	const { rows } = await overlap(url, `${boot("one")}; ${alive}`, (client) => client.query(boot("two")));
	expect(rows).toEqual([{ reply: { live: expect.any(Number) } }]);
	const proven = await withClient(url, (client) => client.query(boot("two", "{one}")));
	expect(proven.rows[0]).toMatchObject({ reply: { epoch: 2 } });
};

/** Of two gateways that open the next window at once the second finds what the first has opened. */
export const openNextOnce: Check = async (url) => {
	const budgetId = await withClient(url, async (client) => {
		await insertTeam(client, "race");
		const id = await insertBudget(client, { teamId: "race", limit: 10n });
		await client.query("SELECT tollgate.open_window($1)", [id]);
		await client.query("UPDATE tollgate.budget_window SET ends_at = clock_timestamp() + interval '50 seconds'");
		return id;
	});
	const open = `SELECT tollgate.open_next_window(${budgetId})::int AS id`;
	const { rows } = await overlap(url, open, (client) => client.query<{ id: number }>(open));
	expect(rows).toEqual([{ id: expect.any(Number) }]);
};

/** A claim is not seen while one with a lower id is still to come: who answers it answers those below it. */
export const showClaimsInOrder: Check = (url) =>
	withClient(url, async (client) => {
		const first = await openBudget(client, 10n);
		const other = await insertBudget(client, { teamId: "race", dimension: "user", value: "ann", limit: 10n, windowKind: "lifetime" });
		const [early, late] = [await registerGateway(client, "early"), await registerGateway(client, "late")];
		const reader = await registerGateway(client, "reader");
		const claim = (id: string, epoch: bigint, budgetId: string): string =>
			`SELECT tollgate.grant_lease('${id}', ${epoch}, ARRAY[${budgetId}]::bigint[], ARRAY[0]::bigint[], ARRAY[0]::bigint[], ARRAY[0]::bigint[], ARRAY[0]::bigint[], ARRAY[50]::bigint[], true, false)`;
		const seen = async () =>
			(await client.query<{ claims: unknown[] }>("SELECT tollgate.open_claims('reader', $1) AS claims", [reader.toString()])).rows[0]?.claims;
		let seenBetween: unknown;
		await overlap(
			url,
			claim("early", early, first.budgetId),
			(own) => own.query(claim("late", late, other)),
			async () => {
				seenBetween = await seen();
			},
		);
		expect(seenBetween).toEqual([]);
		expect((await client.query("SELECT 1 FROM tollgate.claim")).rowCount).toBe(2);
	});

/** While a grant is under way the others wait for their place in the line, and not for the row: there all would be woken at each change. */
export const standInLine: Check = (url) =>
	withClient(url, async (client) => {
		const budget = await openBudget(client, 100n);
		const gateway = async (id: string) => ({ id, epoch: await registerGateway(client, id) });
		const [first, second, third] = [await gateway("first"), await gateway("second"), await gateway("third")];
		const ask = { ...budget, base: "0", need: 7, isFinal: true };
		await client.query("BEGIN");
		await grantOf(client, first, ask);
		const asked = Promise.all([second, third].map((other) => withClient(url, (own) => grantOf(own, other, ask))));
		asked.catch(() => undefined); // awaited below
		let waits: string[] = [];
		await until("both others to wait", async () => {
			await client.query("SELECT pg_stat_clear_snapshot()"); // else this transaction sees for ever who was there at its first look
			const { rows } = await client.query<{ locktype: string }>(
				"SELECT l.locktype FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.datname = current_database()",
			);
			waits = rows.map((row) => row.locktype);
			return waits.length === 2;
		});
		await client.query("COMMIT");
		expect((await asked).map(({ rows }) => rows[0]?.reply.served)).toEqual([[true], [true]]);
		expect(waits).toEqual(["advisory", "advisory"]);
	});

/** Others' grants take as long as they take: 64 gateways at once were told that the authority does not answer, because their line was long. */
export const keepThePlaceInLine: Check = (url) =>
	withClient(url, async (client) => {
		const budget = await openBudget(client, 100n);
		const gateway = async (id: string) => ({ id, epoch: await registerGateway(client, id) });
		const [first, second] = [await gateway("first"), await gateway("second")];
		const ask = { ...budget, base: "0", need: 7, isFinal: true };
		await withClient(url, async (own) => {
			await own.query("SET lock_timeout = 20");
			await client.query("BEGIN");
			await grantOf(client, first, ask);
			let hasEnded = false;
			const asked = grantOf(own, second, ask).finally(() => {
				hasEnded = true;
			});
			asked.catch(() => undefined); // awaited below
			const WAITS_LONG = "SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'advisory' AND waitstart < clock_timestamp() - interval '50 ms'";
			await until("the second to have waited for longer than for a row", async () => hasEnded || (await client.query(WAITS_LONG)).rowCount === 1);
			await client.query("COMMIT");
			expect((await asked).rows[0]?.reply.served).toEqual([true]);
			await client.query("BEGIN");
			await client.query("SELECT 1 FROM tollgate.budget_window FOR UPDATE");
			await own.query("BEGIN");
			await own.query("SELECT tollgate.stand_in_line(ARRAY[$1::bigint])", [budget.budgetId]);
			expect((await own.query("SHOW lock_timeout")).rows).toEqual([{ lock_timeout: "20ms" }]);
			await expect(grantOf(own, second, ask)).rejects.toMatchObject({ code: "55P03" });
			await own.query("ROLLBACK");
			await client.query("ROLLBACK");
		});
	});

/** Who cannot be served is told what others hold, what of it nobody can recall, and until when. */
export const tellOfOthers: Check = (url) =>
	withClient(url, async (client) => {
		const budget = await openBudget(client, 100n);
		const holder = { id: "holder", epoch: await registerGateway(client, "holder") };
		const asker = { id: "asker", epoch: await registerGateway(client, "asker") };
		await grantOf(client, holder, { ...budget, base: "0", need: 60, isFinal: true });
		const heardOf = (when: string) =>
			client.query(`UPDATE tollgate.gateway_epoch SET last_seen_at = clock_timestamp() ${when} interval '1 hour' WHERE gateway_id = 'holder'`);
		const short = async () => (await grantOf(client, asker, { ...budget, base: "0", need: 50, isFinal: true })).rows[0]?.reply;
		await heardOf("+"); // so that no machine is too slow to find it alive
		expect(await short()).toMatchObject({ served: [false], items: [{ heldElsewhere: "60", heldUnreachable: "0", heldUntil: null, leastAnswered: "0" }] });
		await heardOf("-");
		expect(await short()).toMatchObject({
			served: [false],
			items: [{ heldElsewhere: "60", heldUnreachable: "60", heldUntil: expect.any(String), leastAnswered: null }],
		});
	});

/** The last guard of I1, whoever calls: no lease is raised above limit or threshold, and nothing of it stays. */
export const guardTheLimit: Check = (url) =>
	withClient(url, async (client) => {
		const { windowId } = await openBudget(client, 100n);
		const epoch = (await registerGateway(client, "greedy")).toString();
		const raise = (amount: number) =>
			client.query("SELECT tollgate.raise_leases('greedy', $1, ARRAY[$2::bigint], ARRAY[$3::bigint])", [epoch, windowId, amount]);
		await raise(100);
		await expect(raise(1)).rejects.toMatchObject({ code: "23514" });
		await client.query("UPDATE tollgate.budget_window SET granted = 0, stop_amount = 40 WHERE id = $1", [windowId]);
		await expect(raise(41)).rejects.toMatchObject({ code: "23514" });
	});

/** A row that was locked for too long returned nothing: whoever waits for the answer goes on waiting. */
export const answerWhatWasReturned: Check = (url) =>
	withClient(url, async (client) => {
		const { budgetId, windowId } = await openBudget(client, 100n);
		const gateway = { id: "holder", epoch: await registerGateway(client, "holder") };
		await grantOf(client, gateway, { budgetId, windowId, base: "0", need: 60, isFinal: true });
		await client.query("SET lock_timeout = 50");
		const beat = async (answeredClaim: number) => {
			const values = [gateway.epoch.toString(), windowId, answeredClaim];
			const { rows } = await client.query<{ reply: { returned: boolean } }>(
				"SELECT tollgate.heartbeat('holder', $1, ARRAY[$2::bigint], ARRAY[60::bigint], $3, 0, 0) AS reply",
				values,
			);
			const answered = await client.query<{ answered: number }>("SELECT answered_claim::int AS answered FROM tollgate.gateway_epoch");
			return [rows[0]?.reply.returned, answered.rows[0]?.answered];
		};
		await withClient(url, async (other) => {
			await other.query("BEGIN");
			await other.query("SELECT 1 FROM tollgate.budget_window WHERE id = $1 FOR UPDATE", [windowId]);
			expect(await beat(7)).toEqual([false, 0]);
			await other.query("ROLLBACK");
		});
		expect(await beat(7)).toEqual([true, 7]);
	});

/** A heartbeat that comes late, behind a newer one, takes back nothing of what that one said. */
export const outliveLateHeartbeats: Check = (url) =>
	withClient(url, async (client) => {
		const { budgetId, windowId } = await openBudget(client, 100n);
		const gateway = { id: "holder", epoch: await registerGateway(client, "holder") };
		await grantOf(client, gateway, { budgetId, windowId, base: "0", need: 60, isFinal: true });
		const beat = (returnTo: number, said: number) =>
			client.query("SELECT tollgate.heartbeat('holder', $1, ARRAY[$2::bigint], ARRAY[$3::bigint], $4, $4, $4)", [
				gateway.epoch.toString(),
				windowId,
				returnTo,
				said,
			]);
		await beat(40, 7);
		await beat(10, 3);
		const { rows } = await client.query(
			`SELECT answered_claim::int, seen_revision::int, flushed_request::int, l.returned::int, w.granted::int
			 FROM tollgate.gateway_epoch JOIN tollgate.lease l USING (gateway_id, epoch) JOIN tollgate.budget_window w ON w.id = l.window_id`,
		);
		expect(rows).toEqual([{ answered_claim: 7, seen_revision: 7, flushed_request: 7, returned: 40, granted: 20 }]);
	});

/** A gateway is told of the claims of others that still stand, and of no other. */
export const tellOpenClaims: Check = (url) =>
	withClient(url, async (client) => {
		const { windowId } = await openBudget(client, 100n);
		await client.query(
			`INSERT INTO tollgate.claim (gateway_id, epoch, window_id, id, place, need, expires_at) VALUES
			 ('reader', 1, $1, 1, 1, 5, now() + interval '1 hour'), ('other', 1, $1, 2, 2, 5, now() - interval '1 second'), ('third', 1, $1, 3, 3, 5, now() + interval '1 hour')`,
			[windowId],
		);
		const { rows } = await client.query("SELECT tollgate.open_claims('reader', 1) AS claims");
		expect(rows).toEqual([{ claims: [{ id: "3", windowIds: [windowId] }] }]);
	});
