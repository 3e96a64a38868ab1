import type pg from "pg";
import { expect } from "vitest";
import { insertBudget, insertTeam, registerGateway, withClient } from "./authority-rows.ts";

/** What grants do with claims, on a fresh database: each check throws where a rule is broken. */
export type Check = (url: string) => Promise<void>;

export const grantOf = (
	client: pg.Client,
	gateway: { id: string; epoch: bigint },
	ask: { budgetId: string; windowId: string; base: string; need: number; wantsClaim?: boolean; isFinal: boolean },
) =>
	client.query<{ reply: { served: boolean[]; items: { leaseGranted: string; claimId: string }[] } }>(
		"SELECT tollgate.grant_lease($1, $2, ARRAY[$3::bigint], ARRAY[$4::bigint], ARRAY[$5::bigint], ARRAY[0::bigint], ARRAY[0::bigint], ARRAY[$6::bigint], $7, $8) AS reply",
		[gateway.id, gateway.epoch.toString(), ask.budgetId, ask.windowId, ask.base, ask.need, ask.wantsClaim ?? false, ask.isFinal],
	);

export async function openBudget(client: pg.Client, limit: bigint): Promise<{ budgetId: string; windowId: string }> {
	await insertTeam(client, "race");
	const budgetId = await insertBudget(client, { teamId: "race", limit, windowKind: "lifetime" });
	const { rows } = await client.query<{ id: string }>("SELECT tollgate.open_window($1)::text AS id", [budgetId]);
	return { budgetId, windowId: rows[0]?.id ?? "" };
}

/** Money that came back for an earlier claim is left to it until the last ask. */
export const honourClaims: Check = (url) =>
	withClient(url, async (client) => {
		const budget = await openBudget(client, 100n);
		const gateway = async (id: string) => ({ id, epoch: await registerGateway(client, id) });
		const [holder, claimer, late] = [await gateway("holder"), await gateway("claimer"), await gateway("late")];
		await grantOf(client, holder, { ...budget, base: "0", need: 90, isFinal: true });
		await grantOf(client, claimer, { ...budget, base: "0", need: 50, wantsClaim: true, isFinal: false });
		await client.query("SELECT tollgate.heartbeat($1, $2, ARRAY[$3::bigint], ARRAY[40::bigint], 0, 0, 0)", [
			holder.id,
			holder.epoch.toString(),
			budget.windowId,
		]);
		const ask = async (isFinal: boolean) => (await grantOf(client, late, { ...budget, base: "0", need: 20, isFinal })).rows[0]?.reply.served;
		expect(await ask(false)).toEqual([false]);
		expect(await ask(true)).toEqual([true]);
	});

/** A claim is renewed by the same ask; a new one gets a new id, so that an old answer does not pass for an answer to it, and keeps the place. */
export const replaceClaims: Check = (url) =>
	withClient(url, async (client) => {
		const { budgetId } = await openBudget(client, 100n);
		const epoch = (await registerGateway(client, "asker")).toString();
		const ask = async (isNewAsk: boolean) => {
			await client.query(
				"SELECT tollgate.grant_lease('asker', $1, ARRAY[$2::bigint], ARRAY[0::bigint], ARRAY[0::bigint], ARRAY[0::bigint], ARRAY[0::bigint], ARRAY[150::bigint], true, false, $3)",
				[epoch, budgetId, isNewAsk],
			);
			return (await client.query<{ id: number; place: number }>("SELECT id::int, place::int FROM tollgate.claim")).rows;
		};
		const [first] = await ask(true);
		expect(await ask(false)).toEqual([first]);
		const renewed = await ask(true);
		expect(renewed).toEqual([{ id: expect.any(Number), place: first?.place }]);
		expect(renewed[0]?.id).toBeGreaterThan(first?.id ?? 0);
	});

/** What is short for another call of the gateway stays claimed; a claim ends when no other call waits there and nothing is short any more. */
export const dropClaims: Check = (url) =>
	withClient(url, async (client) => {
		const { budgetId } = await openBudget(client, 100n);
		const epoch = (await registerGateway(client, "asker")).toString();
		const ask = async (need: number, dropsClaims: boolean) => {
			await client.query(
				"SELECT tollgate.grant_lease('asker', $1, ARRAY[$2::bigint], ARRAY[0::bigint], ARRAY[0::bigint], ARRAY[0::bigint], ARRAY[0::bigint], ARRAY[$3::bigint], true, false, false, $4)",
				[epoch, budgetId, need, dropsClaims],
			);
			return (await client.query<{ claims: number }>("SELECT count(*)::int AS claims FROM tollgate.claim")).rows[0]?.claims;
		};
		expect([await ask(150, true), await ask(1, false), await ask(1, true)]).toEqual([1, 1, 0]);
	});

/** Every window in which a call of the batch is short is claimed, with what that call lacks beside the idle money others leave it. */
export const claimWhatIsShort: Check = (url) =>
	withClient(url, async (client) => {
		await insertTeam(client, "claims");
		const budgets = [
			await insertBudget(client, { teamId: "claims", limit: 60n, windowKind: "lifetime" }),
			await insertBudget(client, { teamId: "claims", dimension: "feature", value: "search", limit: 10n, windowKind: "lifetime" }),
		];
		const epoch = (await registerGateway(client, "asker")).toString();
		await registerGateway(client, "other");
		const ask = async (known: readonly string[], base: readonly number[], idle: readonly number[], needs: readonly number[]) => {
			const { rows } = await client.query<{ reply: { served: boolean[]; items: { windowId: string }[] } }>(
				"SELECT tollgate.grant_lease('asker', $1, $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], ARRAY[0, 0]::bigint[], $6::bigint[], true, false) AS reply",
				[epoch, budgets, known, base, idle, needs],
			);
			return rows[0]!.reply;
		};
		const windows = (await ask(["0", "0"], [0, 0], [0, 0], [50, 0])).items.map((item) => item.windowId);
		// Of 50 idle the first takes 40 and leaves 20 with what is free; the second lacks 35 there, the third 5 in the other window.
		expect((await ask(windows, [50, 0], [50, 0], [40, 0, 45, 0, 5, 15])).served).toEqual([true, false, false]);
		const { rows } = await client.query("SELECT window_id::text AS window, need::text AS need FROM tollgate.claim ORDER BY window_id");
		expect(rows).toEqual([
			{ window: windows[0], need: "35" },
			{ window: windows[1], need: "15" },
		]);
	});

/** A claim that ran out gives its gateway no place before the younger claims of others. */
export const forgetStaleClaims: Check = (url) =>
	withClient(url, async (client) => {
		const { budgetId, windowId } = await openBudget(client, 100n);
		const gateway = async (id: string) => ({ id, epoch: await registerGateway(client, id) });
		const [early, late] = [await gateway("early"), await gateway("late")];
		const short = { budgetId, windowId, base: "0", need: 150, wantsClaim: true, isFinal: false };
		await grantOf(client, early, short);
		await client.query("UPDATE tollgate.claim SET expires_at = clock_timestamp() - interval '1 second'");
		await grantOf(client, late, short);
		expect((await grantOf(client, early, { ...short, need: 20 })).rows[0]?.reply.served).toEqual([false]);
	});
