import { Registry } from "prom-client";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Connection } from "#activities/database/connection.ts";
import { readSpend } from "#activities/spend/read-spend.ts";
import { createRandom } from "#test/faults/random.ts";
import { bookAtRandom } from "#test/support/spend.ts";
import { TestLedger } from "#test/support/test-ledger.ts";
import { exposeBudgets } from "../../../workers/budget-metrics.ts";
import { exposeLitellm } from "../../../workers/litellm-metrics.ts";
import { exposeSpend } from "../../../workers/spend-metrics.ts";

/** What the worker shows of money, read from a real ledger. */
let ledger: TestLedger;
const connections: Connection[] = [];
beforeEach(async () => {
	ledger = await TestLedger.open();
});
afterEach(async () => {
	await Promise.all(connections.splice(0).map((connection) => connection.close()));
	await ledger.close();
});

type Sample = { readonly labels: Readonly<Record<string, string>>; readonly value: number };

async function samplesOf(metrics: Registry, name: string): Promise<readonly Sample[]> {
	const { values } = (await metrics.getSingleMetric(name)?.get()) ?? { values: [] };
	return values.map(({ labels, value }) => ({ labels: labels as Record<string, string>, value }));
}

const sum = (samples: readonly Sample[]): number => samples.reduce((so, { value }) => so + value, 0);

function connect(): Connection {
	const connection = new Connection({ url: ledger.database.url, applicationName: "metrics test" });
	connections.push(connection);
	return connection;
}

async function nanoUsdOf(metrics: Registry, name: string): Promise<number> {
	return Math.round(sum(await samplesOf(metrics, name)) * 1e9);
}

/** The limit of `demo` and one budget of each further kind. */
async function budget(fields: Readonly<Record<string, unknown>>, revision: number): Promise<void> {
	const rules = {
		dimensionValue: "",
		unit: "nano_usd",
		windowKind: "day",
		timeZone: "UTC",
		limitAmount: "1000",
		weekStart: 1,
		fiscalYearStart: 1,
		mode: "enforce",
		thresholds: [],
	};
	await ledger.sql("SELECT tollgate.write_budget('demo', $1, 'ada', $2)", [revision, { ...rules, ...fields }]);
}

describe("spend", () => {
	test("is the ledger's to the nano-dollar, by team, provider, model and feature", async () => {
		await bookAtRandom(ledger, createRandom(7));
		const metrics = new Registry();
		await exposeSpend(ledger.client, { metrics, seriesMax: 100 })();
		const { rows } = await readSpend(ledger.client, { by: ["team", "provider", "model", "feature"] });
		const expected = rows.map(({ groups, costNanoUsd }) => [groups.team, groups.provider, groups.model, groups.feature ?? "", Number(costNanoUsd)]);
		const shown = (await samplesOf(metrics, "tollgate_spend_usd")).map(({ labels, value }) => [
			labels["team"],
			labels["provider"],
			labels["model"],
			labels["feature"],
			Math.round(value * 1e9),
		]);
		expect(shown.sort()).toEqual(expected.sort());
		expect(await nanoUsdOf(metrics, "tollgate_spend_unresolved_usd")).toBe(rows.reduce((so, row) => so + Number(row.unresolvedNanoUsd), 0));
		expect(sum(await samplesOf(metrics, "tollgate_spend_calls"))).toBe(rows.reduce((so, row) => so + row.calls, 0));
		expect(sum(await samplesOf(metrics, "tollgate_spend_tokens"))).toBe(rows.reduce((so, row) => so + Number(row.inputTokens) + Number(row.outputTokens), 0));
		expect(sum(await samplesOf(metrics, "tollgate_spend_folded_combinations"))).toBe(0);
		for (const name of ["tollgate_spend_read_timestamp_seconds", "tollgate_ledger_newest_entry_timestamp_seconds"])
			expect(Math.abs(sum(await samplesOf(metrics, name)) - Date.now() / 1_000), name).toBeLessThan(60);
	});

	test("what was booked on a day long over counts, and so does what is booked into it later", async () => {
		await ledger.settle({ n: 1 });
		await ledger.passTime("10 days");
		const metrics = new Registry();
		const read = exposeSpend(ledger.client, { metrics, seriesMax: 100 });
		await read();
		expect(await nanoUsdOf(metrics, "tollgate_spend_usd")).toBe(200);
		await ledger.settle({ n: 2 });
		await read();
		expect(await nanoUsdOf(metrics, "tollgate_spend_usd")).toBe(400);
	});

	test("of more combinations than the bound the sum is still the whole", async () => {
		await ledger.settle({ n: 1 });
		for (let n = 2; n <= 30; n++) {
			await ledger.settle({ n });
			await ledger.sql("UPDATE tollgate.attempt SET feature = $2 WHERE attempt_id = $1", [ledger.attemptId(n), `feature-${n}`]);
		}
		const metrics = new Registry();
		await exposeSpend(ledger.client, { metrics, seriesMax: 10 })();
		const samples = await samplesOf(metrics, "tollgate_spend_usd");
		expect([samples.length <= 10, Math.round(sum(samples) * 1e9)]).toEqual([true, 30 * 200]);
		expect(sum(await samplesOf(metrics, "tollgate_spend_folded_combinations"))).toBeGreaterThan(0);
	});
});

describe("budgets", () => {
	test("show how far they are used, a team's first; a user's and what is beyond the bound shows its fullest", async () => {
		await ledger.limit(800n, 2);
		await ledger.settle({ n: 1 });
		await budget({ dimension: "user", dimensionValue: "ann", limitAmount: "200" }, 3);
		await budget({ dimension: "user", dimensionValue: "bob", limitAmount: "0" }, 5);
		await budget({ dimension: "feature", dimensionValue: "chat", unit: "tokens", mode: "observe" }, 4);
		const metrics = new Registry();
		const read = exposeBudgets(ledger.client, { metrics, seriesMax: 10 });
		await read();
		const ofTeam = { team: "demo", dimension: "team", value: "", unit: "usd", window: "lifetime", mode: "enforce" };
		const folded = { team: "other", dimension: "other", value: "other", unit: "usd", window: "other", mode: "enforce" };
		expect(await samplesOf(metrics, "tollgate_budget_used_ratio")).toEqual([
			{ labels: ofTeam, value: 0.25 },
			{ labels: { ...ofTeam, dimension: "feature", value: "chat", unit: "tokens", window: "day", mode: "observe" }, value: 0 },
			{ labels: folded, value: 0 },
		]);
		expect(await samplesOf(metrics, "tollgate_budget_left_usd")).toEqual([{ labels: ofTeam, value: 600e-9 }]);
		expect(await samplesOf(metrics, "tollgate_budget_limit_usd")).toEqual([{ labels: ofTeam, value: 800e-9 }]);
		expect([await samplesOf(metrics, "tollgate_budgets_spent"), await samplesOf(metrics, "tollgate_budgets_folded")]).toEqual([
			[{ labels: {}, value: 1 }],
			[{ labels: {}, value: 2 }],
		]);
		expect(await metrics.metrics()).not.toContain("ann");
	});
});

describe("LiteLLM's names", () => {
	const open = () => {
		const metrics = new Registry();
		const connection = connect();
		const readBudgets = exposeBudgets(connection.unprepared, { metrics: new Registry(), seriesMax: 100 });
		const readSpendOnce = exposeSpend(connection.unprepared, { metrics: new Registry(), seriesMax: 100 });
		const show = exposeLitellm(connection.unprepared, { metrics, seriesMax: 100 });
		const read = async (): Promise<void> => {
			await readSpendOnce();
			await show(await readBudgets());
		};
		return { metrics, read, connection };
	};

	test("spend begins at 0, grows by what is booked, and does not fall when a charge is corrected", async () => {
		await ledger.settle({ n: 1 });
		const { metrics, read } = open();
		await read();
		const labels = {
			team: "demo",
			team_alias: "demo",
			hashed_api_key: "key_0",
			api_key_alias: "key_0",
			model: "gpt-test",
			requested_model: "gpt-test",
			api_provider: "openai",
		};
		expect(await samplesOf(metrics, "litellm_spend_metric_total")).toEqual([{ labels, value: 0 }]);
		await ledger.settle({ n: 2, outcome: "unresolved", reserved: 500n });
		await read();
		expect(await samplesOf(metrics, "litellm_spend_metric_total")).toEqual([{ labels, value: 500e-9 }]);
		await ledger.sql("SELECT tollgate.adjust_attempt('g1-1-2', 200, 150, 'test', 'ada')");
		await ledger.settle({ n: 3 });
		await read();
		expect(await samplesOf(metrics, "litellm_spend_metric_total")).toEqual([{ labels, value: 500e-9 }]);
		await ledger.settle({ n: 4 });
		await read();
		expect(await samplesOf(metrics, "litellm_spend_metric_total")).toEqual([{ labels, value: 600e-9 }]);
		expect([sum(await samplesOf(metrics, "litellm_requests_metric_total")), sum(await samplesOf(metrics, "litellm_input_tokens_metric_total"))]).toEqual([
			3, 300,
		]);
		expect(sum(await samplesOf(metrics, "litellm_total_tokens_metric_total"))).toBe(450);
	});

	test("one worker of several shows them, and another when that one is gone", async () => {
		await ledger.settle({ n: 1 });
		const [one, two] = [open(), open()];
		await one.read();
		await two.read();
		const shown = async ({ metrics }: typeof one) => [
			(await samplesOf(metrics, "litellm_spend_metric_total")).length,
			(await samplesOf(metrics, "litellm_team_max_budget_metric")).length,
		];
		expect([await shown(one), await shown(two)]).toEqual([
			[1, 1],
			[0, 0],
		]);
		await one.connection.close();
		await two.read();
		expect(await shown(two)).toEqual([1, 1]);
	});

	test("of several budgets of money the one that stops first, and none that refuses nothing", async () => {
		await ledger.limit(800n, 2);
		await ledger.settle({ n: 1 });
		await budget({ dimension: "team", limitAmount: "700" }, 3);
		await budget({ dimension: "team", windowKind: "hour", limitAmount: "1", mode: "observe" }, 4);
		await budget({ dimension: "key", dimensionValue: "key_0", limitAmount: "50" }, 5);
		const { metrics, read } = open();
		await read();
		const labels = { team: "demo", team_alias: "demo" };
		expect(await samplesOf(metrics, "litellm_remaining_team_budget_metric")).toEqual([{ labels, value: 500e-9 }]);
		expect(await samplesOf(metrics, "litellm_team_max_budget_metric")).toEqual([{ labels, value: 700e-9 }]);
		const [hours] = await samplesOf(metrics, "litellm_team_budget_remaining_hours_metric");
		expect([hours?.labels, (hours?.value ?? 0) > 0, (hours?.value ?? 25) <= 24]).toEqual([labels, true, true]);
		expect(await samplesOf(metrics, "litellm_api_key_max_budget_metric")).toEqual([
			{ labels: { hashed_api_key: "key_0", api_key_alias: "key_0" }, value: 50e-9 },
		]);
	});
});
