import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { AcceptResult, DeferredStore, NewDeferredItem } from "#activities/batches/deferred-port.ts";
import { createPostgresDeferredStore } from "#activities/batches/store/deferred.ts";
import { Connection } from "#activities/database/connection.ts";
import type { SqlConnection } from "#activities/ledger/settle-chunk.ts";
import { verifyLedger } from "#activities/verification/verify.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { DeferredStand } from "#test/support/deferred-stand.ts";
import { until } from "#test/support/until.ts";

/** Items that come to a collector while it accepts another one: accepted in one transaction, and each as if it had come alone. */
let stand: DeferredStand;
let sql: Connection;
let store: DeferredStore;
beforeEach(async () => {
	stand = await DeferredStand.open();
	await stand.batches.ledger.sql("UPDATE tollgate.team SET policy = '{\"admissionWaitMs\": 0}'");
	sql = new Connection({ url: stand.batches.ledger.database.url, applicationName: "test groups", statementTimeoutMs: 20_000 });
	store = createPostgresDeferredStore(sql);
});
afterEach(async () => {
	await sql.close();
	await stand.close();
});

/** The first goes alone; the others, who came meanwhile, are one group. */
function together(items: readonly NewDeferredItem[], accept = store.accept): Promise<readonly PromiseSettledResult<AcceptResult>[]> {
	return Promise.allSettled(items.map((item) => accept(item, { waitIsOver: true })));
}

/** Accepted as which n, or what else became of it. */
function became(result: PromiseSettledResult<AcceptResult> | undefined): string {
	if (result?.status !== "fulfilled") return result === undefined ? "nothing" : (sqlCode(result.reason) ?? String(result.reason));
	return result.value.kind === "accepted" ? `n ${result.value.record.n}` : result.value.kind;
}
const sqlCode = (error: unknown): string | undefined => (error instanceof CostControlError ? error.code : (error as { code?: string }).code);

const wire = (item: NewDeferredItem) => ({ ...item, item: { ...item.item, boundNanoUsd: item.item.boundNanoUsd.toString() } });
const some = (count: number): NewDeferredItem[] => Array.from({ length: count }, () => stand.item());
const findings = async () => {
	await stand.batches.ledger.fallSilent();
	return (await verifyLedger({ databaseUrl: stand.batches.ledger.database.url })).findings;
};

describe("items that come together", () => {
	test("are accepted in one statement, in the order they came, and the first does not wait for them", async () => {
		const results = await together(some(6));
		expect(results.map(became)).toEqual(["n 1", "n 2", "n 3", "n 4", "n 5", "n 6"]);
		expect(sql.statements).toBe(2);
		expect(await stand.batches.window()).toEqual({ granted: "1200", leased: "1200" });
		expect(await stand.batches.ledger.sql("SELECT amount FROM tollgate.window_event WHERE kind = 'grant' ORDER BY seq")).toEqual([
			{ amount: "200" },
			{ amount: "1000" },
		]);
		expect(await stand.batches.ledger.sql("SELECT 1 FROM tollgate.deferred_ask")).toEqual([]);
		expect(await findings()).toEqual([]);
	});

	test("one that does not fit is refused, in the books under its id, and the others go, a smaller one after it too", async () => {
		await stand.batches.budget({ dimension: "user", value: "ann", limit: 300n });
		const ann = { attribution: { userId: "ann" } };
		const items = [stand.item(), stand.item(ann), stand.item(ann), stand.item({ ...ann, boundNanoUsd: 100n }), stand.item()];
		expect((await together(items)).map(became)).toEqual(["n 1", "n 2", "refused", "n 3", "n 4"]);
		expect(sql.statements).toBe(3);
		expect(await stand.batches.ledger.sql("SELECT request_id, code, need, limit_amount FROM tollgate.refusal")).toMatchObject([
			{ request_id: items[2]?.deferredId, code: "budget.exceeded", need: "200", limit_amount: "300" },
		]);
		expect(await stand.deferred.readDeferred("demo", items[2]?.deferredId ?? "")).toBeUndefined();
		expect(await findings()).toEqual([]);
	});

	test("one that waits for money that a gateway holds leaves its claim, and the others do not wait with it", async () => {
		const { ledger } = stand.batches;
		await ledger.limit(1_000n, 2);
		await ledger.grant(500n);
		await stand.batches.hear();
		const items = [stand.item(), stand.item({ boundNanoUsd: 400n }), stand.item()];
		expect((await together(items)).map(became)).toEqual(["n 1", "short", "n 2"]);
		expect(await ledger.sql("SELECT gateway_id LIKE 'batch%' AS is_of_batch, need FROM tollgate.claim")).toEqual([{ is_of_batch: true, need: "400" }]);
		expect(await ledger.sql("SELECT deferred_id, asks, claims <> '{}' AS has_claims FROM tollgate.deferred_ask")).toEqual([
			{ deferred_id: items[1]?.deferredId, asks: 1, has_claims: true },
		]);
		await ledger.sql("SELECT tollgate.return_idle('g1', 1, ARRAY[$1::bigint], ARRAY[500::bigint])", [ledger.windowId]);
		expect((await together([stand.item(), ...items])).map(became)).toEqual(["n 3", "n 1", "n 4", "n 2"]);
		for (const table of ["claim", "deferred_ask"]) expect(await ledger.sql(`SELECT 1 FROM tollgate.${table}`)).toEqual([]);
		expect(await findings()).toEqual([]);
	});

	test("with the same id twice are one, held once, and both are told of it", async () => {
		const [first, twice, other] = some(3) as [NewDeferredItem, NewDeferredItem, NewDeferredItem];
		expect((await together([first, twice, other, twice, twice])).map(became)).toEqual(["n 1", "n 2", "n 3", "n 2", "n 2"]);
		expect(await stand.batches.window()).toEqual({ granted: "600", leased: "600" });
		const before = sql.statements;
		expect((await together([stand.item(), twice, stand.item(), first])).map(became)).toEqual(["n 4", "n 2", "n 5", "n 1"]);
		expect(sql.statements - before).toBe(2);
		expect(await findings()).toEqual([]);
	});

	test("at two price versions go in two groups", async () => {
		const items = Array.from({ length: 6 }, (_, index) => stand.item({ priceVersion: 1 + (index % 2) }));
		expect((await together(items)).map(became)).toEqual(["n 1", "n 1", "n 2", "n 2", "n 3", "n 3"]);
		expect(sql.statements).toBe(4);
	});

	test("of a budget that is observed only, those that pass it are noted, and not who came before them", async () => {
		await stand.batches.ledger.limit(500n, 2, { mode: "observe" });
		const items = [...some(2), stand.item({ boundNanoUsd: 100n }), stand.item()];
		expect((await together(items)).map(became)).toEqual(["n 1", "n 2", "n 3", "n 4"]);
		expect(await stand.batches.ledger.sql("SELECT request_id, granted, is_observed FROM tollgate.refusal")).toEqual([
			{ request_id: items[3]?.deferredId, granted: "700", is_observed: true },
		]);
	});

	test("of two collectors, or one twice, are not accepted by one call", async () => {
		const [first, second] = some(2) as [NewDeferredItem, NewDeferredItem];
		for (const other of [first, { ...second, model: "m-2" }, { ...second, priceVersion: 2 }, { ...second, teamId: "other" }]) {
			const asked = stand.batches.ledger.sql("SELECT tollgate.accept_deferred_items($1, true)", [JSON.stringify([wire(first), wire(other)])]);
			await expect(asked).rejects.toThrow("are of one collector");
		}
		expect(await stand.batches.window()).toEqual({ granted: "0", leased: "0" });
	});

	test("one that a gateway of the release before hands in is accepted beside them", async () => {
		const [first, second] = some(2) as [NewDeferredItem, NewDeferredItem];
		const ask = "SELECT tollgate.accept_deferred($1, true) ->> 'kind' AS kind";
		for (let asked = 0; asked < 2; asked++) expect(await stand.batches.ledger.sql(ask, [JSON.stringify(wire(first))])).toEqual([{ kind: "accepted" }]);
		expect((await together([second, first])).map(became)).toEqual(["n 2", "n 1"]);
	});

	test("at several gateways at once wait for each other's budgets and never in a ring", async () => {
		const users = ["ann", "bob", "cid", "dan"];
		for (const value of users) await stand.batches.budget({ dimension: "user", value, limit: 100_000n });
		const gateways = Array.from({ length: 3 }, () => new Connection({ url: stand.batches.ledger.database.url, applicationName: "test gateway" }));
		const results = await Promise.all(
			gateways.map(async (gateway, number) => {
				// Only a ring ends a wait.
				await gateway.query(undefined, "SET lock_timeout = 0", []);
				const { accept } = createPostgresDeferredStore(gateway);
				const items = Array.from({ length: 30 }, (_, index) => {
					const attribution = { userId: users[(number % 2 === 0 ? index : 30 - index) % users.length] ?? null };
					return stand.item({ attribution, model: `m-${index % 2}` });
				});
				return together(items, accept);
			}),
		);
		for (const gateway of gateways) await gateway.close();
		expect(results.flat().filter(({ status }) => status === "rejected")).toEqual([]);
		expect(await stand.batches.window()).toEqual({ granted: "18000", leased: "18000" });
		expect(await findings()).toEqual([]);
	});
});

describe("one's fault in a group", () => {
	test("what the database rejects of one is that one's, and the others are accepted", async () => {
		const items = [...some(2), stand.item({ boundTokens: -1 }), ...some(2)];
		expect((await together(items)).map(became)).toEqual(["n 1", "n 2", "23514", "n 3", "n 4"]);
		expect(await stand.batches.window()).toEqual({ granted: "800", leased: "800" });
		expect(await findings()).toEqual([]);
	});

	test("the budget of one is locked too long: the others are accepted, and that one when it is free", async () => {
		const budgetId = await stand.batches.budget({ dimension: "user", value: "ann", limit: 1_000n });
		const ann = { attribution: { userId: "ann" } };
		await stand.accepted(stand.item(ann));
		const { client } = stand.batches.ledger;
		await client.query("BEGIN");
		await client.query("SELECT 1 FROM tollgate.budget_window WHERE budget_id = $1 FOR UPDATE", [budgetId]);
		const items = [...some(2), stand.item(ann), ...some(2)];
		expect((await together(items)).map(became)).toEqual(["n 2", "n 3", "authority.unreachable", "n 4", "n 5"]);
		await client.query("ROLLBACK");
		expect((await together([items[2] as NewDeferredItem])).map(became)).toEqual(["n 6"]);
		expect(await findings()).toEqual([]);
	});
});

describe("a group that is cut", () => {
	const ask = async (items: readonly NewDeferredItem[]): Promise<void> => {
		expect((await together(items)).map(became)).toEqual(items.map((_, index) => `n ${index + 1}`));
		const held = (200n * BigInt(items.length)).toString();
		expect(await stand.batches.window()).toEqual({ granted: held, leased: held });
		expect(await findings()).toEqual([]);
	};

	test("before its commit holds nothing, is told to all, and asked again each is accepted once", async () => {
		const items = some(5);
		expect((await together(items.slice(0, 1))).map(became)).toEqual(["n 1"]);
		await sql.query(undefined, "SET lock_timeout = 0", []);
		const { client } = stand.batches.ledger;
		await client.query("BEGIN");
		await client.query("SELECT 1 FROM tollgate.batch FOR UPDATE");
		const cut = together(items);
		const waiting = "SELECT pid FROM pg_stat_activity WHERE application_name = 'test groups' AND wait_event_type = 'Lock'";
		await until("the group to wait for its batch", async () => (await stand.batches.sql.query(undefined, waiting, [])).length > 0);
		await stand.batches.sql.query(undefined, `SELECT pg_terminate_backend(pid)::text FROM (${waiting}) AS w`, []);
		await client.query("ROLLBACK");
		expect((await cut).map(became)).toEqual(["n 1", ...Array.from({ length: 4 }, () => "authority.unreachable")]);
		expect(await stand.batches.window()).toEqual({ granted: "200", leased: "200" });
		await ask(items);
	});

	test("after its commit was accepted: all are told that nobody knows, and asked again each is found", async () => {
		let isCut = true;
		const cutting: SqlConnection = {
			query: async (name, text, values) => {
				const rows = await sql.query(name, text, values);
				if (isCut) throw new CostControlError("authority.unreachable", "the budget authority does not answer", { cause: new Error("the socket is gone") });
				return rows as never;
			},
		};
		const items = some(5);
		const { accept } = createPostgresDeferredStore(cutting);
		expect((await together(items, accept)).map(became)).toEqual(items.map(() => "authority.unreachable"));
		expect(sql.statements).toBe(2);
		isCut = false;
		await ask(items);
	});
});

const LIMITS = { tight: 700n, wide: 2_000n, tokens: 900n };
const BUDGETS = ["tight", "wide", "tokens"] as const;
type Budget = (typeof BUDGETS)[number];

/** What becomes of items that are accepted one after another: each whole, where it fits in every budget that it meets, or not at all. */
class OneByOne {
	readonly spent: Record<Budget, bigint> = { tight: 0n, wide: 0n, tokens: 0n };
	readonly #places = new Map<string, string>();

	/** As `became` says it. */
	accept({ deferredId, attribution, item }: NewDeferredItem): string {
		const needs = { tight: 0n, wide: 0n, tokens: BigInt(item.boundTokens) };
		if (attribution.userId !== null) needs[attribution.userId.startsWith("tight") ? "tight" : "wide"] = item.boundNanoUsd;
		if (!this.#places.has(deferredId) && BUDGETS.every((budget) => needs[budget] === 0n || this.spent[budget] + needs[budget] <= LIMITS[budget])) {
			this.#places.set(deferredId, `n ${this.#places.size + 1}`);
			for (const budget of BUDGETS) this.spent[budget] += needs[budget];
		}
		return this.#places.get(deferredId) ?? "refused";
	}
}

const wanted = fc.record({
	user: fc.constantFrom("tight", "wide", null),
	boundNanoUsd: fc.bigInt({ min: 0n, max: 300n }),
	boundTokens: fc.nat(200),
	/** Which of those before it is asked for again. */
	again: fc.oneof({ arbitrary: fc.constant(undefined), weight: 4 }, { arbitrary: fc.nat(7), weight: 1 }),
});

test("whatever comes together is as if it had come one after another", { timeout: 120_000 }, async () => {
	const { ledger } = stand.batches;
	await ledger.limit(1_000_000n, 2);
	let runs = 0;
	const seen: string[] = [];
	await fc.assert(
		fc.asyncProperty(fc.array(fc.array(wanted, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 3 }), async (groups) => {
			const run = ++runs;
			for (const user of ["tight", "wide"] as const) await stand.batches.budget({ dimension: "user", value: `${user}${run}`, limit: LIMITS[user] });
			await stand.batches.budget({ dimension: "model", value: `tokens${run}`, unit: "tokens", limit: LIMITS.tokens });
			const items: NewDeferredItem[] = [];
			const model = new OneByOne();
			for (const group of groups) {
				const asked = group.map(({ user, again, ...bound }) => {
					const attribution = { userId: user === null ? null : `${user}${run}` };
					const item = items[again ?? -1] ?? stand.item({ attribution, model: `tokens${run}`, ...bound });
					items.push(item);
					return item;
				});
				const results = await together(asked);
				for (const place of inTurn(asked)) {
					const expected = model.accept(asked[place] as NewDeferredItem);
					expect(became(results[place])).toBe(expected);
					seen.push(expected);
				}
			}
			const granted = await ledger.sql<{ budget: Budget; granted: string }>(
				"SELECT rtrim(d.dimension_value, '0123456789') AS budget, w.granted FROM tollgate.budget d JOIN tollgate.budget_window w ON w.budget_id = d.id WHERE d.dimension_value ~ $1",
				[`^[a-z]+${run}$`],
			);
			for (const row of granted) expect(row.granted).toBe(model.spent[row.budget].toString());
		}),
		{ numRuns: 40, endOnFailure: true },
	);
	expect(await findings()).toEqual([]);
	// Histories in which nothing happens would prove nothing.
	const refused = seen.filter((each) => each === "refused").length;
	for (const times of [refused, seen.length - refused]) expect(times).toBeGreaterThan(20);
});

/** Places in the order in which they are served: whose id another one of the group has asks when that one was answered. */
function inTurn(asked: readonly NewDeferredItem[]): readonly number[] {
	const turnOf = (place: number): number => asked.slice(0, place).filter((each) => each === asked[place]).length;
	return [...asked.keys()].sort((one, other) => turnOf(one) - turnOf(other) || one - other);
}
