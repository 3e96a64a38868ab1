import type pg from "pg";
import { expect } from "vitest";
import type { Check } from "./authority-claims.ts";
import { insertTeam, registerGateway, withClient } from "./authority-rows.ts";

/** What grants make of the lines and the mode of a budget, on a fresh database: each check throws where a rule is broken. */
type Rules = { readonly limit?: number; readonly mode?: string; readonly thresholds?: readonly unknown[] };

const SELECTOR = { dimension: "team", dimensionValue: "", unit: "nano_usd", windowKind: "lifetime" };
const DEGRADE = { action: "degrade", at: { basisPoints: 8000 }, degradeTo: { dear: "cheap" } };

type Granted = { readonly served: boolean; readonly granted: number; readonly stop: number; readonly needsApproval: boolean };
type Reply = {
	readonly served: readonly boolean[];
	readonly items: readonly { readonly granted: string; readonly stop: string; readonly needsApproval: boolean }[];
};

class LinedBudget {
	private readonly client: pg.Client;
	private revision = 0;
	private base = "0";
	private epoch = "0";
	budgetId = "";
	windowId = "";

	constructor(client: pg.Client) {
		this.client = client;
	}

	async open(rules: Rules): Promise<this> {
		await insertTeam(this.client, "lined");
		this.epoch = (await registerGateway(this.client, "asker")).toString();
		await this.define(rules);
		return this;
	}

	async define({ limit = 100, mode = "enforce", thresholds = [] }: Rules): Promise<void> {
		const budget = { ...SELECTOR, timeZone: "UTC", weekStart: 1, fiscalYearStart: 1, limitAmount: String(limit), mode, thresholds };
		await this.client.query("SELECT tollgate.apply_policy('lined', $1, 'test', $2, '[]')", [++this.revision, JSON.stringify([budget])]);
		const { rows } = await this.client.query<{ id: string; budget_id: string }>("SELECT id, budget_id FROM tollgate.budget_window");
		this.windowId = rows[0]?.id ?? "";
		this.budgetId = rows[0]?.budget_id ?? "";
	}

	/** A call that needs `need` beyond whatever is granted; `line` is the degrade line it may not pass. */
	async ask(need: number, { lookahead = 0, line = null as number | null, wantsClaim = true } = {}): Promise<Granted> {
		const { rows } = await this.client.query<{ reply: Reply & { items: readonly { leaseGranted: string }[] } }>(
			"SELECT tollgate.grant_lease('asker', $1, ARRAY[$2::bigint], ARRAY[$3::bigint], ARRAY[$4::bigint], ARRAY[0::bigint], ARRAY[$5::bigint], ARRAY[$6::bigint], $7, true, false, false, ARRAY[$8::integer]) AS reply",
			[this.epoch, this.budgetId, this.windowId, this.base, lookahead, need, wantsClaim, line],
		);
		const reply = rows[0]?.reply ?? expect.fail("a grant answers");
		const item = reply.items[0] ?? expect.fail("a grant tells of its window");
		this.base = item.leaseGranted;
		return { served: reply.served[0] === true, granted: Number(item.granted), stop: Number(item.stop), needsApproval: item.needsApproval };
	}

	async approve(amount: number, revision = this.revision + 1): Promise<number> {
		const { rows } = await this.client.query<{ held: string }>("SELECT tollgate.approve_line('lined', $1, 'boss', $2, '-infinity', $3) AS held", [
			revision,
			SELECTOR,
			amount,
		]);
		const held = Number(rows[0]?.held);
		this.revision = Math.max(this.revision, held);
		return held;
	}

	async count(table: "claim" | "change WHERE admin_name = 'boss'"): Promise<number> {
		return (await this.client.query<{ count: number }>(`SELECT count(*)::int AS count FROM tollgate.${table}`)).rows[0]?.count ?? 0;
	}

	async overrun(amount: number): Promise<void> {
		await this.client.query("UPDATE tollgate.lease SET overrun = $2, version = version + 1 WHERE window_id = $1", [this.windowId, amount]);
	}

	async freeze(): Promise<void> {
		await this.client.query("SELECT tollgate.set_frozen('lined', true, 'test', $1, 'test')", [++this.revision]);
	}
}

const withBudget = (url: string, rules: Rules, work: (budget: LinedBudget) => Promise<void>): Promise<void> =>
	withClient(url, async (client) => work(await new LinedBudget(client).open(rules)));

/** An observed window serves whatever is asked, leaves no claim, keeps looking ahead, and stops for a person alone. */
export const observeWithoutRefusing: Check = (url) =>
	withBudget(url, { mode: "observe", thresholds: [{ action: "stop", at: { basisPoints: 5000 } }] }, async (budget) => {
		expect(await budget.ask(70)).toMatchObject({ served: true, granted: 70 });
		expect(await budget.ask(500, { lookahead: 40 })).toMatchObject({ served: true, granted: 610 });
		await budget.overrun(1_000);
		expect(await budget.ask(1, { lookahead: 40 })).toMatchObject({ served: true, granted: 651 });
		expect(await budget.count("claim")).toBe(0);
		await budget.freeze();
		expect(await budget.ask(1)).toMatchObject({ served: false, granted: 651 });
	});

/** Enforced again with more spent than the limit: an overhang, which admits nothing. */
export const enforceWhatWasObserved: Check = (url) =>
	withBudget(url, { mode: "observe" }, async (budget) => {
		expect(await budget.ask(150)).toMatchObject({ served: true });
		await budget.define({ mode: "enforce" });
		expect(await budget.ask(1, { lookahead: 40 })).toMatchObject({ served: false, granted: 150 });
		await budget.define({ limit: 200 });
		expect(await budget.ask(50)).toMatchObject({ served: true, granted: 200 });
		expect(await budget.ask(1)).toMatchObject({ served: false });
	});

/** Spend stops at a line that needs approval until it is given, in this window and up to what was approved. */
export const waitForApproval: Check = (url) =>
	withBudget(
		url,
		{
			limit: 99,
			thresholds: [
				{ action: "needApproval", at: { basisPoints: 5000 } },
				{ action: "needApproval", at: { amount: "80" } },
				{ action: "stop", at: { amount: "90" } },
			],
		},
		async (budget) => {
			expect(await budget.ask(50)).toMatchObject({ served: true, granted: 50, stop: 50, needsApproval: true }); // half of 99, rounded up
			expect(await budget.ask(1)).toMatchObject({ served: false });
			expect(await budget.approve(49)).toBe(2);
			expect(await budget.ask(1)).toMatchObject({ served: false, stop: 50 });
			expect(await budget.approve(79)).toBe(3);
			expect(await budget.ask(30)).toMatchObject({ served: true, granted: 80, stop: 80, needsApproval: true });
			expect(await budget.approve(20)).toBe(4); // never taken back
			expect(await budget.ask(1)).toMatchObject({ served: false, stop: 80 });
			expect(await budget.approve(80)).toBe(5);
			expect(await budget.ask(10)).toMatchObject({ served: true, granted: 90, stop: 90, needsApproval: false });
			expect(await budget.ask(1)).toMatchObject({ served: false });
			await budget.define({ limit: 99, thresholds: [{ action: "needApproval", at: { amount: "95" } }] });
			expect(await budget.ask(6)).toMatchObject({ served: false, stop: 95, needsApproval: true });
		},
	);

/** An approval is fenced by the revision: one that was overtaken changes nothing, and a repeated one once. */
export const fenceApprovals: Check = (url) =>
	withBudget(url, { thresholds: [{ action: "needApproval", at: { amount: "50" } }] }, async (budget) => {
		await budget.define({ thresholds: [{ action: "needApproval", at: { amount: "60" } }] });
		expect(await budget.approve(100, 1)).toBe(2);
		expect(await budget.ask(61)).toMatchObject({ served: false, stop: 60 });
		expect(await budget.approve(100, 7)).toBe(7);
		expect(await budget.approve(100, 7)).toBe(7);
		expect(await budget.count("change WHERE admin_name = 'boss'")).toBe(1);
		expect(await budget.ask(61)).toMatchObject({ served: true, stop: 100 });
	});

/** A call that a degrade line names is granted nothing beyond it, and lookahead does not take the room below it from under it. */
export const degradeBeyondTheLine: Check = (url) =>
	withBudget(url, { thresholds: [DEGRADE, { ...DEGRADE, at: { amount: "90" } }] }, async (budget) => {
		expect(await budget.ask(40, { lookahead: 1_000, line: 1 })).toMatchObject({ served: true, granted: 60 }); // half of the room below the line
		expect(await budget.ask(21, { line: 1 })).toMatchObject({ served: false, granted: 60 });
		expect(await budget.count("claim")).toBe(0);
		expect(await budget.ask(20, { line: 1 })).toMatchObject({ served: true, granted: 80 });
		expect(await budget.ask(1, { line: 1 })).toMatchObject({ served: false });
		expect(await budget.ask(11, { line: 2 })).toMatchObject({ served: false });
		expect(await budget.ask(5, { line: 2 })).toMatchObject({ served: true, granted: 85 });
		expect(await budget.ask(15)).toMatchObject({ served: true, granted: 100 }); // a model that no line names
		await budget.define({ mode: "observe", thresholds: [DEGRADE] });
		expect(await budget.ask(50, { line: 1 })).toMatchObject({ served: true }); // nothing is degraded where nothing is enforced
	});
